//! Decoding and preprocessing, as a user of the crate sees them.

mod headers;
mod images;
mod odd_images;
mod placement;
