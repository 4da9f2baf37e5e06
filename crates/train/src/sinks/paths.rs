//! Paths in JSON, which holds text alone.

use serde::Serializer;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A path as text, with � where it is not UTF-8. In that case its bytes come second: percent-encoded, as in an address, so that they can
/// be had back.
pub fn json_path(path: &Path) -> (String, Option<String>) {
    let Some(text) = path.to_str() else {
        let mut encoded = String::new();
        for &byte in path.as_os_str().as_encoded_bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => {
                    encoded.push(byte as char)
                }
                _ => _ = write!(encoded, "%{byte:02X}"),
            }
        }
        return (path.to_string_lossy().into_owned(), Some(encoded));
    };
    (text.to_string(), None)
}

/// For serde: a path of any bytes as text.
pub(crate) fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// As [`as_text`], of a path that may not be there.
pub(crate) fn some_as_text<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => as_text(path, serializer),
        None => serializer.serialize_none(),
    }
}
