//! Data sets, images and loaders, as a user of the crate sees them.

mod annotation_conversion;
mod annotation_damage;
mod annotations;
mod any_list;
mod idx;
mod image_list;
mod image_list_dataset;
mod image_split;
mod loader;
mod masks;
mod outlines;
mod preprocessing;
mod targets;
mod transforms;
