//! Opens images of any [`DataKind`] as an [`ImageList`].

use super::files::Beside;
use super::kind::{DataKind, ending};
use super::list::{ImageList, ListOptions};
use super::names::some;
use super::{folder, manifest, run_list, table, tar};
use crate::annotations;
use crate::error::DataError;
use crate::target::TargetKind;
use std::path::Path;
use striate_imaging::read_file;

impl ImageList {
    /// The images of a folder (`class/image.jpg`, or `train/class/image.jpg` with `val` and `test` beside it), of a manifest (`.csv` or
    /// `.tsv` with a column of paths, one of labels, and perhaps `split` and `group`), of a folder of images with such a table in it, or of
    /// a `.tar` of any of these. With [`TargetKind::Objects`] or [`TargetKind::Mask`] as the target, what [`Annotations::open`](crate::annotations::Annotations::open) reads, or
    /// images with masks: pairs of equal names in two folders (`images/` and `masks/`) or a manifest with the columns path and mask.
    ///
    /// # Errors
    /// If it cannot be read, is none of these, or has no images.
    pub fn open(path: &Path) -> Result<ImageList, DataError> {
        ImageList::open_with(path, &ListOptions::default())
    }

    /// As [`ImageList::open`], with the columns of a manifest named.
    ///
    /// # Errors
    /// As [`ImageList::open`], or if there are no such columns.
    pub fn open_with(path: &Path, options: &ListOptions) -> Result<ImageList, DataError> {
        if options.attribute_column.is_some() && options.target == TargetKind::Objects {
            return Err(DataError::NoTable { path: path.to_path_buf() });
        }
        let list = match DataKind::of(path)? {
            DataKind::Folder => folder::open(path, options)?,
            DataKind::Manifest => open_table(path, options)?,
            DataKind::Archive => tar::open(path, options)?,
            DataKind::Idx => return Err(DataError::images(path, "a folder of idx files, not of images")),
        };
        list.checked()
    }

    fn checked(mut self) -> Result<ImageList, DataError> {
        if self.entries.is_empty() {
            let notes = if self.notes.is_empty() { String::new() } else { format!(" ({})", self.notes.join("; ")) };
            let form = match self.kind {
                TargetKind::Objects | TargetKind::Mask => "each needs its annotation",
                _ => {
                    "they should lie in a folder for each class (DIR/cat/1.jpg), or in these under train, val and test"
                }
            };
            return Err(DataError::images(&self.path, format!("no images found{notes}; {form}")));
        }
        let splits =
            if matches!(self.kind, TargetKind::Numbers | TargetKind::Mask) { Vec::new() } else { self.splits() };
        for split in splits {
            let missing: Vec<&String> = (0..self.classes.len())
                .filter(|&c| !self.entries.iter().any(|e| e.split == Some(split) && e.target.classes().contains(&c)))
                .map(|c| &self.classes[c])
                .collect();
            if !missing.is_empty() {
                self.notes.push(format!("{split} has no images of {}", some(&missing)));
            }
        }
        self.notes.extend(self.issues.notes());
        Ok(self)
    }
}

/// The images of a manifest in a file; its paths start from where it lies.
fn open_table(path: &Path, options: &ListOptions) -> Result<ImageList, DataError> {
    if annotations::is_annotation(&ending(path)) {
        return match options.target {
            TargetKind::Objects | TargetKind::Mask => annotations::file(path, options),
            _ => Err(DataError::images(path, "it holds annotations, not classes of images: ask for objects or masks")),
        };
    }
    let bytes = read_file(path, table::BYTE_LIMIT)?;
    let named = [&options.path_column, &options.label_column, &options.attribute_column];
    if named.iter().all(|column| column.is_none()) && run_list::is_one(&bytes) {
        let root = path.parent().unwrap_or(Path::new(""));
        return run_list::read_files(path, &bytes, root, root);
    }
    if options.target == TargetKind::Objects || (options.target == TargetKind::Mask && annotations::is_csv(&bytes)) {
        return annotations::file(path, options);
    }
    manifest::parse(path, &bytes, &Beside(path.parent().unwrap_or(Path::new(""))), options)
}
