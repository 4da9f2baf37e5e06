//! What a network has learnt and sees, as grids of small images: filters, feature maps, and the images that are nearest by their features.

use super::error::ExplainError;
use super::overlay::enlarged;
use super::{Explainer, Layer, caught};
use striate_graph::{Executable, ValueId};
use striate_imaging::{AnyImage, Depth, Filter, Image, label_size};
use striate_tensor::Op;

/// The most tiles in a grid of filters or maps.
const TILES: usize = 256;
/// Smaller tiles are drawn larger, by a whole number.
const LEAST_TILE: usize = 32;
/// Pixels between tiles, and their colour.
const GAP: usize = 2;
const GROUND: [u8; 3] = [255; 3];
/// The side of the images in a grid of nearest ones.
const THUMBNAIL: usize = 128;

/// A grid of small images that are made of a layer.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Grid {
    /// The layer.
    pub layer: String,
    /// How many filters or maps it has.
    pub count: usize,
    /// How many of them are drawn, the first ones, row by row.
    pub drawn: usize,
    /// Height and width of each.
    pub size: [usize; 2],
    /// The grid.
    #[serde(skip)]
    pub image: Image,
}

/// An image that is near to another one.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Neighbour {
    /// Its place among the images that were given.
    pub index: usize,
    /// The cosine of the angle between the features, from -1 to 1.
    pub similarity: f64,
    /// 1 less that.
    pub distance: f64,
}

/// Tiles of one size in a grid that is about as wide as it is high.
fn tiled(tiles: &[Image]) -> Image {
    let (width, height) = tiles.first().map_or((1, 1), |tile| (tile.width, tile.height));
    let columns = (1..).find(|n| n * n >= tiles.len()).unwrap_or(1).max(1);
    let rows = tiles.len().div_ceil(columns).max(1);
    let side = |n: usize, side: usize| n * (side + GAP) + GAP;
    let mut out = Image::filled(side(columns, width), side(rows, height), &GROUND);
    for (i, tile) in tiles.iter().enumerate() {
        out.paste(tile, side(i % columns, width), side(i / columns, height));
    }
    out
}

/// A tile of numbers `[h, w]` of one or three channels, row by row.
fn tile(channels: &[&[f32]], [h, w]: [usize; 2], byte: impl Fn(f32) -> u8) -> Image {
    let data = (0..h * w).flat_map(|i| std::array::from_fn::<u8, 3, _>(|c| byte(channels[c % channels.len()][i])));
    let image = Image::new(w, h, 3, data.collect());
    enlarged(&image, LEAST_TILE.div_ceil(h.max(w).max(1)).max(1))
}

impl Explainer {
    /// The filters of the first convolution: those of three channels in colours, those of another number as the mean over these; each from its least to its largest
    /// number, with 0 in the middle grey.
    ///
    /// # Errors
    /// If the network has no convolution.
    pub fn filters(&self) -> Result<Grid, ExplainError> {
        let graph = &self.network.graph;
        let first = graph.nodes.iter().find_map(|node| {
            let weight = graph.value(*node.inputs.get(1)?).tensor.as_ref()?;
            matches!(node.op, Op::Conv2d { .. }).then_some((node, weight))
        });
        let Some((node, weight)) = first else {
            return Err(ExplainError::Option("the network has no convolution, so that it has no filters".into()));
        };
        let [count, inputs, h, w] = weight.shape()[..] else {
            unreachable!("a convolution's weight has four dimensions")
        };
        let values = weight.to_vec::<f32>();
        let draw = |filter: &[f32]| {
            let mut planes: Vec<Vec<f32>> = filter.chunks_exact(h * w).map(<[f32]>::to_vec).collect();
            if inputs != 3 {
                let mean = |i: usize| planes.iter().map(|plane| plane[i]).sum::<f32>() / inputs as f32;
                planes = vec![(0..h * w).map(mean).collect()];
            }
            let most = planes.iter().flatten().fold(f32::MIN_POSITIVE, |m, x| m.max(x.abs()));
            let planes: Vec<&[f32]> = planes.iter().map(Vec::as_slice).collect();
            tile(&planes, [h, w], |x| (127.5 * (1.0 + x / most)).round() as u8)
        };
        let tiles: Vec<Image> = values.chunks_exact(inputs * h * w).take(TILES).map(draw).collect();
        let layer = node.layer.clone().unwrap_or_else(|| node.op.name().to_string());
        Ok(Grid { layer, count, drawn: tiles.len(), size: [h, w], image: tiled(&tiles) })
    }

    /// The maps of a layer for an image, each from its least number, black, to its largest, white; of the default layer if none is named.
    ///
    /// # Errors
    /// If there is no such layer, or its output is no map; or the network cannot be run on the image or gives NaN for it.
    pub fn feature_maps(&self, image: &AnyImage, layer: Option<&str>) -> Result<Grid, ExplainError> {
        let layer = self.map_layer(layer)?;
        let [count, h, w] = layer.shape[..] else { unreachable!("the layer was checked") };
        let values = self.output_of(layer, image)?;
        let draw = |map: &[f32]| {
            let least = map.iter().copied().fold(f32::INFINITY, f32::min);
            let most = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            tile(&[map], [h, w], |x| (255.0 * (x - least) / (most - least).max(f32::MIN_POSITIVE)).round() as u8)
        };
        let tiles: Vec<Image> = values.chunks_exact(h * w).take(TILES).map(draw).collect();
        Ok(Grid { layer: layer.name.clone(), count, drawn: tiles.len(), size: [h, w], image: tiled(&tiles) })
    }

    fn output_of(&self, layer: &Layer, image: &AnyImage) -> Result<Vec<f32>, ExplainError> {
        let input = self.card.preprocessing.apply_image(image).0;
        let cut = self.cut(layer.value);
        let at = caught(|| self.network.run_before(&cut, &input).map_err(ExplainError::Run))?;
        let values = at.output.to_vec::<f32>();
        super::finite(&values)?;
        Ok(values)
    }

    /// The features of an image: what the last linear layer sees; of networks that do not end in one the mean of each map of the default layer.
    ///
    /// # Errors
    /// If the network cannot be run on the image or gives NaN for it, or has no features.
    pub fn features(&self, image: &AnyImage) -> Result<Vec<f32>, ExplainError> {
        let input = self.card.preprocessing.apply_image(image).0;
        let no_features = || ExplainError::Option("the network has no layer that gives features".into());
        let features = self.features.get_or_init(|| self.features_of());
        let executable = features.as_ref().ok_or_else(no_features)?;
        let run = || executable.try_run(std::slice::from_ref(&input)).map_err(|e| ExplainError::Run(e.to_string()));
        let output = caught(run)?.swap_remove(0);
        let values = match output.rank() {
            4 => output.mean(&[2, 3]).to_vec::<f32>(),
            _ => output.to_vec::<f32>(),
        };
        super::finite(&values)?;
        Ok(values)
    }

    fn features_of(&self) -> Option<Executable> {
        let is_of_classes = !self.card.task.kind().is_dense();
        let last = self.network.last_linear().filter(|_| is_of_classes);
        let value: ValueId = last.or_else(|| Some(self.default_layer()?.value))?;
        Some(self.network.up_to(value))
    }
}

/// The `k` images whose features are nearest to `query` by the cosine of the angle between them, found by going through all; the nearest first, of equally near ones
/// the first one. Features that are all 0 are near to nothing.
///
/// # Panics
/// If there are not as many features of each image.
pub fn nearest(query: &[f32], all: &[Vec<f32>], k: usize) -> Vec<Neighbour> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let length = dot(query, query).sqrt();
    let of = |(index, features): (usize, &Vec<f32>)| {
        assert_eq!(features.len(), query.len(), "nearest: image {index} has another number of features");
        let lengths = length * dot(features, features).sqrt();
        let similarity = if lengths > 0.0 { (dot(query, features) / lengths).clamp(-1.0, 1.0) } else { 0.0 };
        Neighbour { index, similarity, distance: 1.0 - similarity }
    };
    let mut found: Vec<Neighbour> = all.iter().enumerate().map(of).collect();
    found.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.index.cmp(&b.index)));
    found.truncate(k);
    found
}

/// An image and those that are near to it, each with a line of text below it.
pub fn nearest_grid(images: &[(AnyImage, String)]) -> Image {
    let draw = |(image, text): &(AnyImage, String)| {
        let image = u8::of(image).to_channels(3);
        let scale = THUMBNAIL as f64 / image.width.max(image.height).max(1) as f64;
        let side = |n: usize| ((n as f64 * scale).round() as usize).clamp(1, THUMBNAIL);
        let (width, height) = (side(image.width), side(image.height));
        let small = image.resized(width, height, Filter::Bilinear);
        let [_, line] = label_size("0", 1);
        let mut tile = Image::filled(THUMBNAIL, THUMBNAIL + line, &GROUND);
        tile.paste(&small, (THUMBNAIL - width) / 2, (THUMBNAIL - height) / 2);
        let fits = |n: usize| label_size(&text.chars().take(n).collect::<String>(), 1)[0] <= THUMBNAIL;
        let length = (0..=text.chars().count()).rev().find(|&n| fits(n)).unwrap_or(0);
        let text: String = text.chars().take(length).collect();
        tile.draw_label([0.0, (THUMBNAIL + line) as f32], &text, 1, GROUND);
        tile
    };
    tiled(&images.iter().map(draw).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_are_found_whatever_their_length() {
        let all = vec![vec![0.0, 2.0], vec![5.0, 0.05], vec![-1.0, 0.0], vec![0.0, 0.0], vec![1.0, 0.02]];
        let found = nearest(&[1.0, 0.0], &all, 3);
        assert_eq!(found.iter().map(|n| n.index).collect::<Vec<_>>(), [1, 4, 0]);
        assert!((found[0].similarity - 5.0 / (25.0025f64).sqrt()).abs() < 1e-7);
        assert_eq!(nearest(&[1.0, 0.0], &all, 99).last().unwrap().similarity, -1.0);
        assert_eq!(nearest(&[0.0, 0.0], &all, 1)[0].similarity, 0.0);
        assert_eq!(nearest(&[1.0], &[], 4), []);
    }

    #[test]
    fn grids_are_drawn_of_any_number_and_size() {
        let tile = |w, h| Image::filled(w, h, &[9u8; 3]);
        assert_eq!(tiled(&[]).width, 5);
        let grid = tiled(&vec![tile(4, 3); 5]);
        assert_eq!((grid.width, grid.height), (20, 12));
        let images: Vec<(AnyImage, String)> = [(1, 1), (300, 2), (20, 90)]
            .map(|(w, h)| (AnyImage::U8(tile(w, h)), "0.98 ein sehr langer Name".into()))
            .into();
        assert_eq!(nearest_grid(&images).width, 2 * 130 + 2);
    }
}
