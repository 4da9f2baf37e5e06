//! Boxes around objects: their overlap, and which of many on one object stay.

mod suppression;

pub use suppression::{Suppression, SuppressionMethod};

use serde::{Deserialize, Serialize};

/// An object that was found in an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// The number of its class.
    pub class: usize,
    /// How sure the network is, from 0 to 1.
    pub score: f32,
    /// The left, top, right and bottom edge of its box in pixels.
    pub bbox: [f32; 4],
}

/// The area of a box, given by its left, top, right and bottom edge.
pub fn box_area([left, top, right, bottom]: [f32; 4]) -> f32 {
    (right - left) * (bottom - top)
}

/// The intersection of two boxes over their union, each given by its left, top, right and bottom edge (`torchvision.ops.box_iou`). 0 where
/// they do not meet, where both have no area, and where an edge is NaN.
///
/// ```
/// assert_eq!(striate_model::iou([0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0]), 1.0 / 3.0);
/// ```
pub fn iou(a: [f32; 4], b: [f32; 4]) -> f32 {
    iou_with_areas(a, box_area(a), b, box_area(b))
}

fn iou_with_areas(a: [f32; 4], area_a: f32, b: [f32; 4], area_b: f32) -> f32 {
    let width = a[2].min(b[2]) - a[0].max(b[0]);
    let height = a[3].min(b[3]) - a[1].max(b[1]);
    if !(width > 0.0 && height > 0.0) {
        return 0.0;
    }
    let intersection = width * height;
    let iou = intersection / (area_a + area_b - intersection);
    if iou.is_nan() { 0.0 } else { iou }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_that_only_touch_have_no_overlap() {
        let a = [0.0, 0.0, 2.0, 2.0];
        for (b, expected) in [
            (a, 1.0),
            ([0.5, 0.5, 1.5, 1.5], 0.25),
            ([2.0, 0.0, 4.0, 2.0], 0.0),
            ([5.0, 5.0, 6.0, 6.0], 0.0),
            ([1.0, 1.0, 1.0, 1.0], 0.0),
            ([f32::NAN, 0.0, 2.0, 2.0], 0.0),
            ([0.0, 0.0, f32::INFINITY, 2.0], 0.0),
        ] {
            assert_eq!((iou(a, b), iou(b, a)), (expected, expected), "{b:?}");
        }
        assert_eq!(iou([1.0; 4], [1.0; 4]), 0.0);
    }
}
