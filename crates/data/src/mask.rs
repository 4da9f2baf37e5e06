//! [`Mask`]: the class of each pixel of an image.

use crate::error::DataError;
use std::sync::Arc;
use striate_imaging::Image;

/// What a mask has in the place of a class where nothing is said: the pixel is neither learnt nor measured on.
pub const VOID: u8 = 255;

/// The class of each pixel of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum Mask {
    /// The classes, one value for each pixel; [`VOID`] for none.
    Classes(Arc<Image>),
}

impl Mask {
    /// The classes, one value for each pixel; [`VOID`] for none.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn classes(&self) -> Result<Arc<Image>, DataError> {
        match self {
            Mask::Classes(image) => Ok(image.clone()),
        }
    }
}
