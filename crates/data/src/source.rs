//! [`Source`]: where an image's bytes are.

use crate::error::DataError;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use striate_imaging::{AnyImage, DecodeOptions, ImageError, decode_bytes, read_file};
use tar::Archive;

/// Where an image's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A part of a tar archive.
    Tar {
        /// The archive.
        archive: Arc<PathBuf>,
        /// Its name in it, with `/` between the parts.
        name: OsString,
        /// Where it begins, or where its header does if it is sparse.
        offset: u64,
        /// How many bytes it has.
        size: u64,
        /// Whether the archive leaves out its zeros.
        sparse: bool,
    },
}

/// What tells one state of a file from another: its size and when it was changed, in nanoseconds.
pub(crate) type Stamp = (u64, u128);

impl Source {
    /// What errors call it.
    pub fn path(&self) -> PathBuf {
        match self {
            Source::File(path) => path.clone(),
            Source::Tar { archive, name, .. } => archive.join(name),
        }
    }

    /// Its bytes, at most `limit`.
    ///
    /// # Errors
    /// If it cannot be read or is larger.
    pub fn read(&self, limit: u64) -> Result<Vec<u8>, DataError> {
        let (archive, offset, size, sparse) = match self {
            Source::File(path) => {
                // Opening a pipe waits for somebody to write into it.
                let metadata = std::fs::metadata(path);
                if metadata.is_ok_and(|m| !m.is_file() && !m.is_dir()) {
                    return Err(ImageError::image(path, "not a regular file").into());
                }
                return Ok(read_file(path, limit)?);
            }
            Source::Tar { archive, offset, size, sparse, .. } => (archive, *offset, *size, *sparse),
        };
        if size > limit {
            return Err(ImageError::image(&self.path(), format!("it has more than {limit} bytes")).into());
        }
        let part = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&**archive)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::with_capacity(size.min(file.metadata()?.len()) as usize);
            if sparse {
                read_first(file, size, &mut bytes)?;
            } else {
                file.take(size).read_to_end(&mut bytes)?;
            }
            Ok(bytes)
        };
        part().map_err(|source| DataError::Read { path: self.path(), source })
    }

    /// The image in it.
    ///
    /// # Errors
    /// If it cannot be read or decoded.
    pub fn decode(&self, options: &DecodeOptions) -> Result<AnyImage, DataError> {
        Ok(decode_bytes(&self.read(options.byte_limit)?, &self.path(), options)?)
    }

    pub(crate) fn stamp(&self) -> io::Result<Stamp> {
        let (path, inner) = match self {
            Source::File(path) => (path, 0),
            Source::Tar { archive, offset, .. } => (&**archive, *offset),
        };
        let metadata = std::fs::metadata(path)?;
        let time = metadata.modified()?.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        Ok((metadata.len().wrapping_add(inner), time))
    }
}

/// The content of the first entry of an archive that begins here, which has `size` bytes.
fn read_first(file: File, size: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut archive = Archive::new(file);
    let entry = archive.entries()?.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    entry.take(size).read_to_end(bytes).map(drop)
}

/// The path that leads to an image from anywhere, or its name in an archive.
pub fn path_of(source: &Source) -> OsString {
    match source {
        Source::File(path) => std::path::absolute(path).unwrap_or_else(|_| path.clone()).into_os_string(),
        Source::Tar { name, .. } => name.clone(),
    }
}
