//! Opens annotations of any format.

use super::tree::Tree;
use super::{Annotations, header, open_masks, voc};
use crate::error::DataError;
use crate::images::{Found, ImageList};
use crate::parallel;
use crate::target::TargetKind;
use std::path::Path;
use std::thread::available_parallelism;

/// A list of objects or masks from the files of a folder or an archive.
pub fn list(path: &Path, found: Vec<Found>, notes: Vec<String>, kind: TargetKind) -> Result<ImageList, DataError> {
    let tree = Tree::new(path, found);
    if kind == TargetKind::Mask
        && let Some(mut list) = open_masks(&tree)?
    {
        list.notes.extend(notes);
        return Ok(list);
    }
    let mut annotations = of_tree(&tree)?;
    annotations.notes.extend(notes);
    annotations.into_list(kind)
}

/// The annotations of a tree.
fn of_tree(tree: &Tree) -> Result<Annotations, DataError> {
    let found = [("Pascal VOC XML", tree.with_ending(&["xml"]).next().is_some())];
    let Some(_) = found.iter().find(|(_, there)| *there) else {
        let reason = "no annotations found: it should hold Pascal VOC XML files, a COCO .json, YOLO's data.yaml or labels/, or a .csv with boxes; or masks in a folder beside that of the images (images/ and masks/)";
        return Err(DataError::images(&tree.path, reason));
    };
    let mut all = voc::read(tree)?;
    all.read_headers();
    all.drop_without_split();
    Ok(all)
}

impl Annotations {
    /// Reads the headers of the images that have none yet.
    pub(crate) fn read_headers(&mut self) {
        let threads = available_parallelism().map_or(1, usize::from);
        let images = &self.images;
        let headers =
            parallel::map(images.len(), threads, |i| images[i].header.or_else(|| header(&images[i].source).ok()));
        self.images.iter_mut().zip(headers).for_each(|(image, header)| image.header = header);
    }

    /// Leaves out images that are in no split where others are in one.
    pub(crate) fn drop_without_split(&mut self) {
        if self.images.iter().all(|image| image.split.is_none()) {
            return;
        }
        let (kept, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.images).into_iter().partition(|image| image.split.is_some());
        self.images = kept;
        if !rest.is_empty() {
            let names: Vec<&String> = rest.iter().map(|image| &image.name).collect();
            self.notes.push(format!("left out, in no split ({}): {}", rest.len(), crate::images::some(&names)));
        }
    }
}
