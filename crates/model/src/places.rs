//! [`Places`]: where a detector looks for objects.

use crate::boxes::{Detection, Suppression};
use striate_imaging::{AnyImage, Placement, Preprocessing};
use striate_tensor::Tensor;
use striate_zoo::BOX_VALUES;

/// The largest exponent of a distance in strides: e⁸ strides are more than any image.
const MAX_EXPONENT: f32 = 8.0;

/// Where a detector looks for objects: the centres of the pixels of its maps, those of the finest map first, row by row.
///
/// At each place a network gives the logits of the classes, the logarithms of the distances to the left, top, right and bottom edge of the box around it, in strides of
/// the map, and the logit of the centerness (FCOS: Tian et al., 2019).
#[derive(Clone, Debug, PartialEq)]
pub struct Places {
    /// Where it is in pixels of the network's image, and the stride of its map.
    all: Vec<Place>,
    /// For each map where its places begin and end.
    maps: Vec<std::ops::Range<usize>>,
}

/// A place of [`Places`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Pixels from the left and from the top.
    pub centre: [f32; 2],
    /// How many pixels it stands for, along each side.
    pub stride: f32,
}

impl Place {
    /// The box whose edges are so far from the place.
    pub fn around(&self, [left, top, right, bottom]: [f32; 4]) -> [f32; 4] {
        let [x, y] = self.centre;
        [x - left, y - top, x + right, y + bottom]
    }

    /// The distances to the left, top, right and bottom edge of a box, negative ones of edges on the other side.
    pub fn distances(&self, [left, top, right, bottom]: [f32; 4]) -> [f32; 4] {
        let [x, y] = self.centre;
        [x - left, y - top, right - x, bottom - y]
    }

    /// The box that a network means by these logarithms of distances.
    pub fn decode(&self, outputs: [f32; 4]) -> [f32; 4] {
        self.around(outputs.map(|x| x.min(MAX_EXPONENT).exp() * self.stride))
    }
}

impl Places {
    /// Of maps of these strides, for images of `[height, width]`.
    pub fn new([height, width]: [usize; 2], strides: &[usize]) -> Places {
        let (mut all, mut maps) = (Vec::new(), Vec::new());
        for &stride in strides {
            let begin = all.len();
            let middle = |i: usize| (i as f32 + 0.5) * stride as f32;
            for y in 0..height.div_ceil(stride) {
                all.extend(
                    (0..width.div_ceil(stride))
                        .map(|x| Place { centre: [middle(x), middle(y)], stride: stride as f32 }),
                );
            }
            maps.push(begin..all.len());
        }
        Places { all, maps }
    }

    /// All of them.
    pub fn all(&self) -> &[Place] {
        &self.all
    }

    /// For each map where its places begin and end.
    pub fn maps(&self) -> &[std::ops::Range<usize>] {
        &self.maps
    }

    /// [`Place::decode`] of several places with gradients: `outputs` `[n, 4]` at these places give boxes `[n, 4]`.
    ///
    /// # Panics
    /// If there is not one row for each place.
    pub fn decode(&self, outputs: Tensor, places: &[usize]) -> Tensor {
        assert_eq!(outputs.shape(), [places.len(), 4], "Places::decode: needs four numbers for each place");
        let [strides, centres] = rows(places.iter().map(|&place| &self.all[place]));
        let column = |values: Vec<f32>| Tensor::from_vec(values, [places.len(), 4]);
        outputs.clamp_max(MAX_EXPONENT as f64).exp() * &column(strides) + &column(centres)
    }

    /// What a network's outputs `[n, places, classes + 5]` mean at all places: boxes `[n, places, 4]` in pixels of its image, and for each class its score
    /// `[n, places, classes]`, the root of its probability times the centerness.
    #[cfg(feature = "onnx")]
    pub(crate) fn boxes_and_scores(&self, outputs: Tensor, pass: &striate_nn::Pass) -> [Tensor; 2] {
        let classes = outputs.size(2) - BOX_VALUES;
        let [strides, centres] = rows(self.all.iter());
        let constant = |values: Vec<f32>| pass.constant(Tensor::from_vec(values, [1, self.all.len(), 4]));
        let distances = outputs.clone().narrow(2, classes, 4).clamp_max(MAX_EXPONENT as f64).exp();
        let boxes = distances * &constant(strides) + &constant(centres);
        let central = outputs.clone().narrow(2, classes + 4, 1).sigmoid();
        [boxes, (outputs.narrow(2, 0, classes).sigmoid() * &central).sqrt()]
    }
}

/// What a detector's outputs `[n, places, classes + 5]` say of each image: boxes whose scores, the roots of the probability of their class times their centerness, are
/// high enough, without those of one object twice; the highest scores first.
///
/// # Panics
/// If the outputs are not those of these places.
pub fn detections(outputs: &Tensor, places: &Places, suppression: &Suppression) -> Vec<Vec<Detection>> {
    let found = candidates(outputs, places, suppression.score_threshold);
    found.iter().map(|found| suppression.apply(found)).collect()
}

/// The boxes of each image whose scores are at least `threshold`, in the order of the places.
pub(crate) fn candidates(outputs: &Tensor, places: &Places, threshold: f32) -> Vec<Vec<Detection>> {
    let [n, count, width] = outputs.shape()[..] else {
        panic!("detections: got outputs of shape {:?}", outputs.shape())
    };
    let places = places.all();
    assert!(
        count == places.len() && width > BOX_VALUES,
        "detections: outputs of shape {:?} are not those of {} places",
        outputs.shape(),
        places.len()
    );
    let classes = width - BOX_VALUES;
    let values = outputs.to_vec::<f32>();
    // Probabilities are compared as logits, so that few exponentials are taken: a score is at most the root of the class's probability.
    let least = logit(threshold.powi(2));
    let of_image = |image: usize| {
        let mut found = Vec::new();
        let rows = values[image * count * width..][..count * width].chunks_exact(width);
        for (row, place) in rows.zip(places) {
            let (logits, rest) = row.split_at(classes);
            for (class, &of_class) in logits.iter().enumerate().filter(|&(_, &x)| x >= least) {
                let score = (sigmoid(of_class) * sigmoid(rest[4])).sqrt();
                if score >= threshold {
                    found.push(Detection { class, score, bbox: place.decode([rest[0], rest[1], rest[2], rest[3]]) });
                }
            }
        }
        found
    };
    (0..n).map(of_image).collect()
}

/// What was found in images of these widths and heights that were prepared this way, in the images' own pixels.
pub(crate) fn in_images(
    preprocessing: &Preprocessing,
    found: Vec<Vec<Detection>>,
    sizes: &[[usize; 2]],
) -> Vec<Vec<Detection>> {
    let in_image = |(&size, found): (&[usize; 2], Vec<Detection>)| {
        let placement = preprocessing.placement(size);
        found.into_iter().filter_map(|found| found.placed(&placement, size)).collect()
    };
    sizes.iter().zip(found).map(in_image).collect()
}

/// Their widths and heights.
pub(crate) fn sizes_of(images: &[AnyImage]) -> Vec<[usize; 2]> {
    images.iter().map(|image| [image.width(), image.height()]).collect()
}

impl Detection {
    /// With its box in pixels of the image that `placement` brought to the network, clipped to the image's width and height; none if nothing is left of it.
    fn placed(self, placement: &Placement, [width, height]: [usize; 2]) -> Option<Detection> {
        let limits = [width, height, width, height].map(|side| side as f32);
        let mut bbox = placement.box_to_image(self.bbox);
        bbox.iter_mut().zip(limits).for_each(|(edge, limit)| *edge = edge.clamp(0.0, limit));
        (bbox[2] > bbox[0] && bbox[3] > bbox[1]).then_some(Detection { bbox, ..self })
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn logit(p: f32) -> f32 {
    (p / (1.0 - p)).ln()
}

/// For the four edges of the box around each place how many pixels a stride moves them, and the place.
fn rows<'a>(places: impl Iterator<Item = &'a Place>) -> [Vec<f32>; 2] {
    let (mut strides, mut centres) = (Vec::new(), Vec::new());
    for &Place { centre: [x, y], stride } in places {
        strides.extend([-stride, -stride, stride, stride]);
        centres.extend([x, y, x, y]);
    }
    [strides, centres]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_the_centres_of_pixels() {
        let places = Places::new([20, 9], &[8, 16]);
        let centres: Vec<[f32; 2]> = places.all().iter().map(|p| p.centre).collect();
        assert_eq!(centres[..6], [[4.0, 4.0], [12.0, 4.0], [4.0, 12.0], [12.0, 12.0], [4.0, 20.0], [12.0, 20.0]]);
        assert_eq!(centres[6..], [[8.0, 8.0], [8.0, 24.0]]);
        assert_eq!(places.maps(), [0..6, 6..8]);
    }

    #[test]
    fn boxes_are_decoded_alike_with_and_without_gradients() {
        let places = Places::new([64, 64], &[8, 16]);
        let outputs = [[0.0, 1.0, -1.0, 0.5], [f32::MAX, 9.0, -80.0, 2.0]];
        let at = [3, 70];
        let boxes = places.decode(Tensor::from_vec(outputs.concat(), [2, 4]), &at).to_vec::<f32>();
        for (i, place) in at.into_iter().enumerate() {
            let expected = places.all()[place].decode(outputs[i]);
            for (got, expected) in boxes[i * 4..][..4].iter().zip(expected) {
                assert!((got - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{got} {expected}");
            }
            assert!(expected.iter().all(|x| x.is_finite()));
        }
        let place = places.all()[3];
        assert_eq!(place.around(place.distances([1.0, 2.0, 30.0, 40.0])), [1.0, 2.0, 30.0, 40.0]);
    }
}
