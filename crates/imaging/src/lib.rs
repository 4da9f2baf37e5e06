//! Images: decoding, resizing, and the preprocessing that ships with a model.

mod decode;
mod draw;
mod error;
mod image;
mod names;
mod placement;
mod preprocessing;
mod resize;
mod split;
mod transforms;

pub use decode::{DecodeOptions, decode, decode_bytes, decode_image, decode_noting, format_of, is_lossy, read_file};
pub use draw::{class_colour, label_size};
pub use error::ImageError;
pub use image::{AnyImage, Depth, Image};
pub use names::{is_misleading, shown};
pub use placement::Placement;
pub use preprocessing::{Fit, Prepared, Preprocessing, for_channels};
pub use resize::{Filter, Part, Scale, overlap};
pub use split::Split;
pub use transforms::{Compose, Normalize, Pad, Recipe, ToTensor, Transform, Value};
