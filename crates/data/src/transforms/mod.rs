//! What is done to training images at random, in torchvision's terms.

mod augment;
mod changes;
pub mod colour;
pub mod filter;
pub mod geometry;
mod mix;
pub mod policy;
mod random;

pub use augment::{AUGMENTATION_FORMS, Augmentations};
pub(crate) use changes::RandomChanges;
pub use mix::Mixer;
pub use random::Step;
