//! Resizing as nodes of ONNX.

use crate::export::attributes::{float, int, string};
use crate::export::builder::Builder;
use crate::proto::AttributeProto;
use striate_graph::Node;
use striate_tensor::{DType, Interpolation, Resize, Tensor};

fn picks_pixels(mode: Interpolation) -> bool {
    matches!(mode, Interpolation::Nearest | Interpolation::NearestExact)
}

/// One dimension of an image.
struct Axis {
    from: usize,
    to: usize,
    /// Output pixels for each input pixel, if the size was given so.
    factor: Option<f64>,
}

impl Axis {
    /// The factor that the op computes with: as PyTorch, it leaves some of those that were given aside.
    fn used_factor(&self, mode: Interpolation) -> Option<f64> {
        match mode {
            Interpolation::Nearest | Interpolation::Bilinear { .. } if self.to == self.from => Some(1.0),
            Interpolation::Nearest if self.to == 2 * self.from => Some(2.0),
            _ => self.factor,
        }
    }

    /// A scale by which runtimes, which compute in single precision, get to the same size and, of nearest pixels, to the same ones.
    fn scale(&self, mode: Interpolation) -> Option<f32> {
        let mut candidates = match self.factor.and(self.used_factor(mode)) {
            Some(factor) => {
                let scale = factor as f32;
                vec![scale, scale.next_up(), scale.next_down()]
            }
            None => vec![self.to as f32 / self.from as f32],
        };
        if picks_pixels(mode) && self.to == self.from {
            candidates.insert(0, 1.0);
        }
        let fits = |scale: f32| self.factor.is_none() || (self.from as f32 * scale) as usize == self.to;
        let places = picks_pixels(mode).then(|| self.places(mode));
        candidates.into_iter().filter(|&s| fits(s)).find(|&s| places.as_ref().is_none_or(|p| self.picks(p, s, mode)))
    }

    /// What the op makes of a column of `width` values a pixel, `[from, width]`.
    fn column(&self, values: Vec<f32>, width: usize, mode: Interpolation) -> Tensor {
        let resize = self.factor.map_or(Resize::Size([self.to, width]), |f| Resize::ScaleFactor([f, 1.0]));
        let column = Tensor::from_vec(values, [1, 1, self.from, width]).interpolate(resize, mode);
        column.reshape([self.to, width])
    }

    /// The pixels that the op picks.
    fn places(&self, mode: Interpolation) -> Vec<i64> {
        let places = self.column((0..self.from).map(|i| i as f32).collect(), 1, mode);
        places.to_vec::<f32>().into_iter().map(|place| place as i64).collect()
    }

    /// `[to, from]`: how much of each input pixel is in an output pixel.
    fn weights(&self, mode: Interpolation) -> Tensor {
        let n = self.from;
        self.column((0..n * n).map(|i| if i / n == i % n { 1.0 } else { 0.0 }).collect(), n, mode)
    }

    /// Whether runtimes pick these pixels.
    fn picks(&self, places: &[i64], scale: f32, mode: Interpolation) -> bool {
        places.iter().enumerate().all(|(i, &place)| {
            let i = i as f32;
            let pixel = match mode {
                Interpolation::NearestExact => {
                    // They round in several ways here, which must not matter.
                    let (at, single) = ((i as f64 + 0.5) / scale as f64, (i + 0.5) / scale);
                    if at != single as f64 && (at - at.round()).abs() < 1e-5 * at.max(1.0) {
                        return false;
                    }
                    at.floor()
                }
                _ => (i / scale).floor() as f64,
            };
            (pixel as i64).min(self.from as i64 - 1) == place
        })
    }
}

fn attributes(mode: Interpolation) -> Vec<AttributeProto> {
    let name = |align_corners: bool| if align_corners { "align_corners" } else { "half_pixel" };
    let (kind, coordinates) = match mode {
        Interpolation::Nearest => ("nearest", "asymmetric"),
        Interpolation::NearestExact => ("nearest", "half_pixel"),
        Interpolation::Bilinear { align_corners } => ("linear", name(align_corners)),
        Interpolation::Bicubic { align_corners } => ("cubic", name(align_corners)),
    };
    let mut all = vec![string("mode", kind)];
    match mode {
        Interpolation::Nearest => all.push(string("nearest_mode", "floor")),
        Interpolation::NearestExact => all.push(string("nearest_mode", "round_prefer_ceil")),
        Interpolation::Bilinear { .. } => {}
        Interpolation::Bicubic { .. } => all.push(float("cubic_coeff_a", -0.75)),
    }
    all.push(string("coordinate_transformation_mode", coordinates));
    all
}

pub(crate) fn resize(b: &mut Builder, x: &str, factor: Option<[f64; 2]>, mode: Interpolation, node: &Node) -> String {
    let (input, output) = (b.graph.value(node.inputs[0]), b.graph.value(node.outputs[0]));
    let (from, to) = (input.spec.shape, output.spec.shape);
    let axes = [0, 1].map(|d| Axis { from: from[2 + d], to: to[2 + d], factor: factor.map(|f| f[d]) });
    // By its corners an image is resized to whole sizes, whatever factor they come from.
    let by_corners = matches!(
        mode,
        Interpolation::Bilinear { align_corners: true } | Interpolation::Bicubic { align_corners: true }
    );
    let scales = axes.each_ref().map(|axis| axis.scale(mode));
    let varies = input.dims[2..].iter().any(|d| d.per_sample != 0);
    // An image that keeps its size is copied by ONNX Runtime, whatever its factors.
    let keeps_size = factor.is_some() && !by_corners && from[2..] == to[2..] && scales != [Some(1.0); 2];
    if !varies && (keeps_size || picks_pixels(mode) && scales.contains(&None)) {
        let x = x.to_string();
        return match picks_pixels(mode) {
            true => gather(b, x, &axes, mode),
            false => multiply(b, x, &axes, mode, input.spec.dtype),
        };
    }
    match (factor, scales) {
        (Some(_), [Some(h), Some(w)]) if !by_corners => {
            let scales = b.constant(&Tensor::from_vec(vec![1.0, 1.0, h, w], [4]));
            b.node("Resize", &[x, "", &scales], attributes(mode))
        }
        _ => {
            let sizes = b.sizes(&output.dims);
            b.node("Resize", &[x, "", "", &sizes], attributes(mode))
        }
    }
}

/// The picked pixels by their positions.
fn gather(b: &mut Builder, mut x: String, axes: &[Axis; 2], mode: Interpolation) -> String {
    for (d, axis) in axes.iter().enumerate() {
        let places = axis.places(mode);
        if places.iter().copied().eq(0..axis.from as i64) {
            continue;
        }
        let places = b.constant(&Tensor::from_vec(places, [axis.to]));
        x = b.node("Gather", &[&x, &places], vec![int("axis", 2 + d as i64)]);
    }
    x
}

/// Rows and columns by matrices.
fn multiply(b: &mut Builder, x: String, [rows, columns]: &[Axis; 2], mode: Interpolation, dtype: DType) -> String {
    let rows = b.constant(&rows.weights(mode).to_dtype(dtype));
    let x = b.node("MatMul", &[&rows, &x], vec![]);
    let columns = b.constant(&columns.weights(mode).transpose(0, 1).to_dtype(dtype));
    b.node("MatMul", &[&x, &columns], vec![])
}
