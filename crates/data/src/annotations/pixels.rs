//! Masks that are read or drawn when they are asked for.

use super::palette::Palette;
use super::shape::Shape;
use crate::error::DataError;
use crate::mask::VOID;
use crate::source::Source;
use std::sync::Arc;
use striate_imaging::{DecodeOptions, Header, Image, decode_values, is_lossy, turn};

/// A mask in a file of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskFile {
    /// Where its bytes are.
    pub source: Source,
    /// Which class a value is.
    pub palette: Arc<Palette>,
    /// The header of its image, if that can be read.
    pub image: Option<Header>,
    /// The classes that occur in it, if that has been looked at.
    pub present: Option<Vec<usize>>,
}

impl MaskFile {
    /// Reads the mask: `height · width` classes, for the upright image. A mask is of the pixels as they lie in the image's file, and is turned as the image is; only one that has
    /// the size of the upright image, and not that of the image as it lies, is taken as it stands.
    ///
    /// # Errors
    /// If it cannot be read, is of another size than its image, has values that the palette lacks, or is a JPEG.
    pub fn read(&self) -> Result<Image, DataError> {
        let path = self.source.path();
        let options = DecodeOptions::default();
        let bytes = self.source.read(options.byte_limit)?;
        if is_lossy(&bytes) {
            let reason = "a mask in a format that loses values, such as JPEG, has other classes than it was saved with: save it as PNG";
            return Err(DataError::images(&path, reason));
        }
        let values = decode_values(&bytes, &path, &options)?;
        let size = [values.image.height(), values.image.width()];
        let orientation = match self.image {
            None => 1,
            Some(header) if header.size == size => header.orientation,
            Some(header) if header.upright() == size => 1,
            Some(header) => {
                let [[h, w], [height, width]] = [size, header.upright()];
                return Err(DataError::images(
                    &path,
                    format!("the mask has {w}×{h} pixels, its image {width}×{height}"),
                ));
            }
        };
        Ok(turn(self.palette.classes(values, &path)?, orientation))
    }
}

/// A mask that is drawn from outlines: later ones over earlier ones, class 0 where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskShapes {
    /// Height and width that the outlines are of.
    pub size: [usize; 2],
    /// How the mask is turned to be upright, as EXIF numbers it.
    pub orientation: u8,
    /// The outlines with their classes; [`VOID`] for what is neither learnt nor measured on.
    pub shapes: Vec<(u8, Shape)>,
}

impl MaskShapes {
    /// Draws the mask: `height · width` classes, for the upright image.
    pub fn draw(&self) -> Image {
        let [height, width] = self.size;
        let mut data = vec![0; height * width];
        for (class, shape) in &self.shapes {
            shape.fill(self.size, |from, to| {
                let (mut column, mut row) = (from / height, from % height);
                for _ in from..to {
                    data[row * width + column] = *class;
                    row += 1;
                    if row == height {
                        (column, row) = (column + 1, 0);
                    }
                }
            });
        }
        turn(Image { width, height, channels: 1, data }, self.orientation)
    }

    /// The classes of its outlines and the background.
    pub fn present(&self) -> Vec<usize> {
        let classes = self.shapes.iter().map(|(class, _)| *class).filter(|class| *class != VOID);
        classes.chain([0]).map(usize::from).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }
}
