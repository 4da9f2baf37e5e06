//! [`Unreadable`].

use crate::elements::SUPPORTED;
use crate::error::FormatError;
use crate::names::shown;
use std::path::Path;

/// A tensor of a weight file whose elements no tensor here can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its name.
    pub name: String,
    /// Its type as the file calls it: `complex64`, `F8_E4M3`, `sparse`.
    pub dtype: String,
    /// Its sizes, where the file tells them.
    pub shape: Option<Vec<usize>>,
}

impl Unreadable {
    /// What to say where this tensor is needed.
    pub fn error(self, path: &Path) -> FormatError {
        let Unreadable { name, dtype, .. } = self;
        FormatError::Dtype { path: path.to_path_buf(), tensor: shown(&name), dtype, supported: SUPPORTED }
    }
}
