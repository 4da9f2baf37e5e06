//! The crate as those see it who link it: what it brings along.

mod boxes;
mod calibration;
mod dependencies;
mod positions;
#[cfg(feature = "onnx")]
mod raw_images;
