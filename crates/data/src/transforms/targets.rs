//! [`Targets`]: the objects or the mask of an image, moved as its pixels are.

use super::geometry::Move;
use crate::error::DataError;
use crate::mask::{Mask, VOID};
use crate::object::Object;
use crate::target::Target;
use std::sync::Arc;
use striate_imaging::{Image, Placement, overlap};

/// The fraction of its area that a box must keep inside of what is cut out of an image, or it is dropped (the `overlap_thresh` of
/// `random_crop_image` in TensorFlow's Object Detection API). Fractions of several crops are multiplied. What is kept is clipped.
pub const LEAST_VISIBLE: f64 = 0.3;

/// Width and height, in pixels of the network's input, below which a box is dropped.
const LEAST_SIDE: f64 = 1.0;

/// An object, and how much of its box has been left by crops so far.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    object: Object,
    visible: f64,
}

/// What of a target has a place in the image.
#[derive(Clone, Debug)]
pub(crate) enum Targets {
    /// Nothing.
    None,
    /// Objects.
    Objects(Vec<Seen>),
    /// A mask of the image's size.
    Mask(Arc<Image>),
}

/// A rectangle: left, top, right, bottom.
type Bounds = [f64; 4];

fn area([left, top, right, bottom]: Bounds) -> f64 {
    (right - left).max(0.0) * (bottom - top).max(0.0)
}

/// The part of a box in a rectangle. Numbers that are none stay so.
fn clipped(bbox: Bounds, [left, top, right, bottom]: Bounds) -> Bounds {
    let within = |v: f64, low: f64, high: f64| {
        if v < low {
            low
        } else if v > high {
            high
        } else {
            v
        }
    };
    [
        within(bbox[0], left, right),
        within(bbox[1], top, bottom),
        within(bbox[2], left, right),
        within(bbox[3], top, bottom),
    ]
}

impl Seen {
    /// The object with the box that its own one became, as far as that lies in `window`; none if too little is left.
    fn moved(&self, to: Bounds, window: Bounds) -> Option<Seen> {
        let inside = clipped(to, window);
        let visible = self.visible * area(inside) / area(to);
        // Written so that NaN is dropped.
        let kept =
            visible >= LEAST_VISIBLE && inside[2] - inside[0] >= LEAST_SIDE && inside[3] - inside[1] >= LEAST_SIDE;
        let object = Object { bbox: inside.map(|v| v as f32), ..self.object.clone() };
        kept.then_some(Seen { object, visible })
    }

    fn bounds(&self) -> Bounds {
        self.object.bbox.map(f64::from)
    }
}

fn whole([width, height]: [usize; 2]) -> Bounds {
    [0.0, 0.0, width as f64, height as f64]
}

fn placed([left, top, right, bottom]: Bounds, placement: &Placement) -> Bounds {
    let ([left, top], [right, bottom]) = (placement.to_input([left, top]), placement.to_input([right, bottom]));
    [left, top, right, bottom]
}

impl Targets {
    /// Those of an image of this width and height, which is kept as one of `kept`. Boxes stay as they are, even beyond the image.
    pub fn new(target: &Target, mask: Option<Arc<Image>>, original: [usize; 2], kept: [usize; 2]) -> Targets {
        match (target, mask) {
            (Target::Objects(objects), _) => {
                let placement = Placement::new(original, kept, [0.0; 2]);
                let scaled = |o: &Object| Object { bbox: placement.box_to_input(o.bbox), ..o.clone() };
                Targets::Objects(objects.iter().map(|o| Seen { object: scaled(o), visible: 1.0 }).collect())
            }
            (Target::Mask(_), Some(mask)) => Targets::Mask(mask),
            _ => Targets::None,
        }
    }

    /// With boxes that end where the image does.
    pub fn within(self, size: [usize; 2]) -> Targets {
        let Targets::Objects(mut objects) = self else { return self };
        for seen in &mut objects {
            seen.object.bbox = clipped(seen.bounds(), whole(size)).map(|v| v as f32);
        }
        Targets::Objects(objects)
    }

    /// Under a placement, in an input of this width and height, with boxes as they are, clipped or not. A mask is void where the image is
    /// not.
    pub fn placed(&self, placement: &Placement, [width, height]: [usize; 2]) -> Targets {
        match self {
            Targets::None => Targets::None,
            Targets::Objects(objects) => {
                let moved = |seen: &Seen| {
                    let bbox = placement.box_to_input(seen.object.bbox);
                    Seen { object: Object { bbox, ..seen.object.clone() }, ..*seen }
                };
                Targets::Objects(objects.iter().map(moved).collect())
            }
            Targets::Mask(mask) => Targets::Mask(Arc::new(mask.nearest(placement, width, height, VOID))),
        }
    }

    /// Under a placement, in an input of this width and height, with boxes clipped to it, or dropped if too little of them is left.
    pub fn cropped(&self, placement: &Placement, size: [usize; 2]) -> Targets {
        match self {
            Targets::Objects(objects) => {
                let moved = |seen: &Seen| seen.moved(placed(seen.bounds(), placement), whole(size));
                Targets::Objects(objects.iter().filter_map(moved).collect())
            }
            other => other.placed(placement, size),
        }
    }

    /// Nothing yet on an input of this width and height, of the kind that `self` is: no objects, or void everywhere.
    pub fn blank(&self, [width, height]: [usize; 2]) -> Targets {
        match self {
            Targets::None => Targets::None,
            Targets::Objects(_) => Targets::Objects(Vec::new()),
            Targets::Mask(_) => Targets::Mask(Arc::new(Image::filled(width, height, &[VOID]))),
        }
    }

    /// Adds those of an image which takes `at` (left, top, width, height), as far as they lie in `window`.
    pub fn paste(&mut self, other: &Targets, from: [usize; 2], at: [i64; 4], window: [usize; 4]) {
        let Some([left, top, width, height]) = overlap(at, window) else { return };
        let placement = Placement::new(from, [at[2] as usize, at[3] as usize], [at[0] as f64, at[1] as f64]);
        match (self, other) {
            (Targets::Objects(objects), Targets::Objects(others)) => {
                let seen = [left, top, left + width, top + height].map(|v| v as f64);
                objects.extend(others.iter().filter_map(|o| o.moved(placed(o.bounds(), &placement), seen)));
            }
            (Targets::Mask(mask), Targets::Mask(other)) => {
                let shifted = placement.shifted([-(left as f64), -(top as f64)]);
                Arc::make_mut(mask).paste(&other.nearest(&shifted, width, height, VOID), left, top);
            }
            _ => {}
        }
    }

    /// As the pixels of an image of this width and height are moved.
    pub fn moved(&mut self, by: &Move, size: [usize; 2]) {
        match self {
            Targets::None => {}
            Targets::Objects(objects) => {
                *objects = objects.iter().filter_map(|o| o.moved(by.bounds(o.bounds(), size), whole(size))).collect();
            }
            Targets::Mask(mask) => *mask = Arc::new(by.mask(mask)),
        }
    }

    /// As a target of an image with `pad` pixels more on each side; `target` itself where it has no place in the image.
    pub fn target(self, target: &Target, pad: usize) -> Target {
        match self {
            Targets::None => target.clone(),
            Targets::Objects(objects) => Target::Objects(
                objects
                    .into_iter()
                    .map(|s| Object { bbox: s.object.bbox.map(|v| v + pad as f32), ..s.object })
                    .collect(),
            ),
            Targets::Mask(mask) if pad == 0 => Target::Mask(Mask::Classes(mask)),
            Targets::Mask(mask) => Target::Mask(Mask::Classes(Arc::new(mask.padded_with(pad, VOID)))),
        }
    }
}

/// The mask of an image of this width and height, if the target is one.
///
/// # Errors
/// If it cannot be read, or has another size.
pub(crate) fn mask_of(
    target: &Target,
    image: &std::path::Path,
    [width, height]: [usize; 2],
) -> Result<Option<Arc<Image>>, DataError> {
    let Target::Mask(mask) = target else { return Ok(None) };
    let classes = mask.classes()?;
    if [classes.width, classes.height] != [width, height] {
        let reason = format!(
            "the image has {width}×{height} pixels, its mask {}×{}: they must be of one size",
            classes.width, classes.height
        );
        return Err(DataError::images(image, reason));
    }
    Ok(Some(classes))
}
