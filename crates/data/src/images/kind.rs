//! [`DataKind`]: what a path is.

use crate::annotations;
use crate::error::DataError;
use std::path::Path;

/// What data a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKind {
    /// A folder of idx files, as MNIST comes in.
    Idx,
    /// A folder of images.
    Folder,
    /// A `.csv` or `.tsv` table with an image in each line, or a file of annotations: `.json`, `.yaml` or `.xml`.
    Manifest,
    /// A `.tar` of images.
    Archive,
}

/// Whether a name is that of a table.
pub(super) fn is_table(name: &Path) -> bool {
    matches!(ending(name).as_str(), "csv" | "tsv")
}

/// The ending of a name in small letters.
pub(super) fn ending(name: &Path) -> String {
    name.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

impl DataKind {
    /// What `path` is. Endings count in letters of any case; nothing but a folder or a regular file is opened.
    ///
    /// # Errors
    /// If there is no such path, or it is none of these.
    pub fn of(path: &Path) -> Result<DataKind, DataError> {
        let read = |source| DataError::Read { path: path.to_path_buf(), source };
        let metadata = std::fs::metadata(path).map_err(read)?;
        if metadata.is_dir() {
            let idx = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().contains("-ubyte");
            let mut entries = std::fs::read_dir(path).map_err(read)?.flatten();
            return Ok(if entries.any(idx) { DataKind::Idx } else { DataKind::Folder });
        }
        if !metadata.is_file() {
            return Err(DataError::images(path, "neither a folder nor a regular file"));
        }
        match ending(path).as_str() {
            "csv" | "tsv" => Ok(DataKind::Manifest),
            ending if annotations::is_annotation(ending) => Ok(DataKind::Manifest),
            "tar" => Ok(DataKind::Archive),
            "gz" | "tgz" | "xz" | "zst" | "bz2" | "zip" | "7z" | "rar" => Err(DataError::images(
                path,
                "compressed archives cannot be read in any order: unpack it, or make a plain .tar",
            )),
            _ => Err(DataError::images(path, "not a folder of images, a .csv or .tsv manifest, or a .tar")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_count_in_any_case() {
        let dir = tempfile::tempdir().unwrap();
        let kind = |name: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, "x").unwrap();
            DataKind::of(&path)
        };
        for (name, expected) in [
            ("a.tar", DataKind::Archive),
            ("A.TAR", DataKind::Archive),
            ("b.csv", DataKind::Manifest),
            ("b.Csv", DataKind::Manifest),
            ("b.TSV", DataKind::Manifest),
        ] {
            assert_eq!(kind(name).unwrap(), expected, "{name}");
        }
        assert!(kind("c.TAR.GZ").unwrap_err().to_string().contains("unpack it"));
        assert!(kind("tar").is_err() && DataKind::of(&dir.path().join("nowhere.tar")).is_err());
        assert_eq!(DataKind::of(dir.path()).unwrap(), DataKind::Folder);
        kind("train-images-idx3-ubyte.gz").unwrap_err();
        assert_eq!(DataKind::of(dir.path()).unwrap(), DataKind::Idx);
    }
}
