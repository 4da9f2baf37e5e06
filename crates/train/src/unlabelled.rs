//! Images without classes, such as those that a model was not made for.

use crate::batches::Batches;
use crate::data::{Images, MNIST, Watch, load_data};
use crate::error::TrainError;
use crate::evaluate::MeasuredBatch;
use crate::images::are_images;
use crate::loader::{Loader, measuring_batch};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use striate_data::DataError;
use striate_data::images::{
    BadImage, CacheKind, DataKind, Entry, ImageList, ListOptions, Source, fingerprints, is_image, text_path,
};
use striate_imaging::shown;
use striate_model::{ModelCard, Predictor};
use striate_tensor::num_threads;

/// Images whose classes are not asked for.
pub struct Unlabelled {
    /// A short name.
    pub name: String,
    /// The images. What they have for a class means nothing.
    pub images: Images,
    /// Those that cannot be read, and are not among them.
    pub bad: Vec<BadImage>,
}

impl Unlabelled {
    /// Leaves out the images of which `is_known` holds, given their fingerprints, and says how many those were.
    ///
    /// # Errors
    /// [`TrainError::AllKnown`] if none is left.
    pub fn leave_out(&mut self, is_known: impl Fn(u64) -> bool) -> Result<usize, TrainError> {
        let all = self.images.len();
        self.images = self.images.filtered(|fingerprint| !is_known(fingerprint));
        if self.images.is_empty() && all > 0 {
            return Err(TrainError::AllKnown { data: self.name.clone(), images: all });
        }
        Ok(all - self.images.len())
    }
}

/// All images of a folder and its folders, or of a manifest or an archive; the test images of idx files or of the built-in data. `watch` hears how far the look at
/// them has come.
///
/// # Errors
/// If there are none, none can be read, or images in memory are of another size than the model takes.
pub fn load_unlabelled(card: &ModelCard, data: &str, watch: &Watch) -> Result<Unlabelled, TrainError> {
    let path = &text_path(data);
    if data == MNIST || !are_images(path) {
        let splits = load_data(data)?;
        splits.check_size(&card.architecture, &card.preprocessing)?;
        return Ok(Unlabelled { name: splits.name, images: splits.held_out, bad: Vec::new() });
    }
    let list = match DataKind::of(path)? {
        DataKind::Folder => ImageList { path: path.clone(), entries: entries(path)?, ..ImageList::default() },
        _ => ImageList::open_with(path, &ListOptions::default())?,
    };
    let seen = AtomicUsize::new(0);
    let found = fingerprints(&list, &card.preprocessing.decoding(), num_threads(), &|_| {
        watch(seen.fetch_add(1, Ordering::Relaxed) + 1, list.entries.len());
    });
    let (mut entries, mut bad) = (Vec::new(), Vec::new());
    for (entry, found) in list.entries.into_iter().zip(found) {
        match found {
            Ok(fingerprint) => entries.push(Entry { target: 0.into(), fingerprint: Some(fingerprint), ..entry }),
            Err(reason) => bad.push(BadImage { path: entry.source.path(), reason }),
        }
    }
    if entries.is_empty() {
        let reason = match bad.first() {
            Some(first) => format!("none of its {} images can be read: {}", bad.len(), first.reason),
            None => "no images found".into(),
        };
        return Err(DataError::Images { path: path.clone(), reason }.into());
    }
    let name = path.file_stem().map_or_else(|| "images".into(), shown);
    Ok(Unlabelled { name, images: Images::Files { entries, cache: CacheKind::None }, bad })
}

/// The image files of a folder and its folders, in the order of their names. Links to folders are not followed, so that they do not lead in circles.
fn entries(folder: &Path) -> Result<Vec<Entry>, TrainError> {
    let (mut files, mut folders): (Vec<PathBuf>, Vec<PathBuf>) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(next) = folders.pop() {
        let failed = |e| TrainError::io("read", &next, e);
        for entry in fs::read_dir(&next).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if is_image(&name) && entry.path().is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    let name = |file: &Path| shown(file.strip_prefix(folder).unwrap_or(file));
    Ok(files.into_iter().map(|file| Entry::new(Source::File(file.clone()), name(&file), 0)).collect())
}

/// Runs `model` on images without classes; `each` sees every batch, whose targets mean nothing. Gives the images that could not be read.
///
/// # Errors
/// If none of them can be read, or the network cannot be run on them.
pub fn infer_each(
    model: &Predictor,
    images: &Unlabelled,
    mut each: impl FnMut(&MeasuredBatch),
) -> Result<Vec<BadImage>, TrainError> {
    let preprocessing = &model.card.preprocessing;
    let loader = Loader::in_order(&images.images, preprocessing, measuring_batch(preprocessing.output_shape()));
    let mut done = 0;
    for batch in loader.epoch_from(0, 0) {
        let batch = batch?;
        if batch.images.size(0) == 0 {
            continue;
        }
        done += batch.images.size(0);
        let names = loader.names(&batch);
        let given = model.try_logits_and_features(batch.images.clone());
        let (output, features) = given.map_err(|e| TrainError::Measuring { reason: e.to_string() })?;
        each(&MeasuredBatch { batch: &batch, output: &output, features: features.as_ref(), names: &names });
    }
    let bad = [images.bad.clone(), loader.bad()].concat();
    if done == 0 {
        let reason = bad.first().map_or_else(|| "there are none".into(), |bad| bad.reason.clone());
        return Err(TrainError::Measuring { reason });
    }
    Ok(bad)
}
