//! Headers of images wherever they lie.

use crate::error::DataError;
use crate::source::Source;
use std::fs::File;
use std::io::{BufReader, Cursor};
use striate_imaging::{DecodeOptions, Header, ImageError};

/// The header of an image.
pub fn header(source: &Source) -> Result<Header, DataError> {
    let options = DecodeOptions::default();
    let path = source.path();
    match source {
        Source::File(file) => {
            let failed = |source| ImageError::Read { path: path.clone(), source };
            if !std::fs::metadata(file).map_err(failed)?.is_file() {
                return Err(ImageError::image(&path, "not a regular file").into());
            }
            Ok(Header::read(BufReader::new(File::open(file).map_err(failed)?), &path, &options)?)
        }
        Source::Tar { .. } => Ok(Header::read(Cursor::new(source.read(options.byte_limit)?), &path, &options)?),
    }
}
