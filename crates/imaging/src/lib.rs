//! Images: decoding, resizing, and the preprocessing that ships with a model.

mod decode;
mod draw;
mod error;
mod image;
mod indexed;
mod names;
mod placement;
mod preprocessing;
mod resize;
mod split;
mod thumbnail;
mod transforms;

pub use decode::{
    DecodeOptions, Header, Values, decode, decode_bytes, decode_image, decode_noting, decode_values, format_of,
    is_lossy, read_file, turn,
};
pub use draw::{class_colour, label_size};
pub use error::ImageError;
pub use image::{AnyImage, Depth, Image};
pub use indexed::write_indexed_png;
pub use names::{is_misleading, shown};
pub use placement::Placement;
pub use preprocessing::{Fit, Prepared, Preprocessing, for_channels};
pub use resize::{Filter, Part, Scale, overlap};
pub use split::Split;
pub use transforms::{Compose, Normalize, Pad, Recipe, ToTensor, Transform, Value};
