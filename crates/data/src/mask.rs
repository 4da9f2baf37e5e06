//! [`Mask`]: the class of each pixel of an image.

use crate::annotations::{MaskFile, MaskShapes};
use crate::error::DataError;
use std::borrow::Cow;
use std::sync::Arc;
use striate_imaging::Image;

/// What a mask has in the place of a class where nothing is said: the pixel is neither learnt nor measured on.
pub const VOID: u8 = 255;

/// The class of each pixel of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum Mask {
    /// The classes, one value for each pixel; [`VOID`] for none.
    Classes(Arc<Image>),
    /// A file, read when it is asked for.
    File(Arc<MaskFile>),
    /// Outlines of objects, drawn when they are asked for.
    Shapes(Arc<MaskShapes>),
}

/// The classes of a mask as numbers, with the index that PyTorch's cross-entropy ignores for [`VOID`].
pub fn class_numbers(mask: &Image) -> impl Iterator<Item = i64> {
    const IGNORED: i64 = -100;
    mask.data.iter().map(|&class| if class == VOID { IGNORED } else { class.into() })
}

impl Mask {
    /// The classes, one value for each pixel of the upright image; [`VOID`] for none. Nothing is kept: a file is read each time.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn classes(&self) -> Result<Arc<Image>, DataError> {
        match self {
            Mask::Classes(image) => Ok(image.clone()),
            Mask::File(file) => file.read().map(Arc::new),
            Mask::Shapes(shapes) => Ok(Arc::new(shapes.draw())),
        }
    }

    /// How many pixels it has of each class, and of [`VOID`] in its place.
    ///
    /// # Errors
    /// As [`Mask::classes`].
    pub fn counts(&self) -> Result<[u64; 256], DataError> {
        let mut counts = [0; 256];
        self.classes()?.data.iter().for_each(|&class| counts[usize::from(class)] += 1);
        Ok(counts)
    }

    /// The classes that occur in it, in ascending order, where that is known without reading a file.
    pub fn present(&self) -> Option<Cow<'_, [usize]>> {
        match self {
            Mask::Classes(image) => {
                let mut seen = [false; 256];
                image.data.iter().for_each(|&class| seen[usize::from(class)] = true);
                Some((0..usize::from(VOID)).filter(|&class| seen[class]).collect())
            }
            Mask::File(file) => file.present.as_deref().map(Cow::Borrowed),
            Mask::Shapes(shapes) => Some(shapes.present().into()),
        }
    }
}
