//! What is done to training images at random, in torchvision's terms.

mod augment;
mod changes;
pub mod colour;
mod compose;
pub mod filter;
pub mod geometry;
mod mix;
pub mod policy;
mod random;
mod targets;

pub use augment::{AUGMENTATION_FORMS, Augmentations};
pub(crate) use changes::RandomChanges;
pub(crate) use compose::Kept;
pub use mix::Mixer;
pub use random::Step;
pub use targets::LEAST_VISIBLE;
pub(crate) use targets::{Targets, mask_of};
