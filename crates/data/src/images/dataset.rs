//! [`ImageListDataset`]: images decoded when they are asked for.

use super::cache::{Cache, CacheKind};
use super::list::Entry;
use crate::collate::{Batch, Sample};
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::target::Target;
use crate::transforms::{Augmentations, RandomChanges};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use striate_imaging::{AnyImage, Depth, Image, Preprocessing, Scale};
use striate_tensor::{Buffer, Tensor};

/// An image that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadImage {
    /// The file.
    pub path: PathBuf,
    /// Why, in a line that names the file.
    pub reason: String,
}

/// Images of files, decoded and made into tensors when they are asked for, by whichever thread asks. One that cannot be read is left out of
/// its batch, and listed. A clone shares the cache and that list.
#[derive(Clone)]
pub struct ImageListDataset {
    entries: Arc<Vec<Entry>>,
    preprocessing: Arc<Preprocessing>,
    /// For each channel what becomes of each byte.
    tables: Arc<Vec<[f32; 256]>>,
    changes: Option<Arc<RandomChanges>>,
    cache: Arc<Cache>,
    bad: Arc<Mutex<BTreeMap<usize, BadImage>>>,
}

/// A value of channel `c`, 0 to 1, as the network sees it.
fn normal(p: &Preprocessing, c: usize, value: f32) -> f32 {
    (value - p.mean[c]) / p.std[c]
}

impl ImageListDataset {
    /// These images, prepared like this.
    pub fn new(entries: Vec<Entry>, preprocessing: Preprocessing, cache: CacheKind) -> ImageListDataset {
        let p = &preprocessing;
        let making = format!("{} {:?} {:?} {:?}", p.channels, p.fit, p.filter, p.background);
        let cache = Arc::new(Cache::new(cache, making, entries.len()));
        let table = |c: usize| std::array::from_fn(|v| normal(&preprocessing, c, v as f32 / 255.0));
        let tables = Arc::new((0..preprocessing.channels).map(table).collect());
        let (entries, preprocessing) = (Arc::new(entries), Arc::new(preprocessing));
        ImageListDataset { entries, preprocessing, tables, changes: None, cache, bad: Arc::default() }
    }

    /// The same images, changed at random. What is drawn depends on the seed, the epoch and the sample's number alone. `classes` is how many
    /// there are, for labels of mixed images.
    pub fn augmented(&self, augmentations: Augmentations, classes: usize, seed: u64) -> ImageListDataset {
        let changes = RandomChanges::new(augmentations, classes, seed);
        ImageListDataset { changes: Some(Arc::new(changes)), ..self.clone() }
    }

    /// Without mixup and CutMix from an epoch on, counted from 0: the last epochs see images as they are.
    pub fn mix_until(&self, epoch: usize) -> ImageListDataset {
        let changes = self.changes.as_ref().map(|changes| Arc::new(changes.mix_until(epoch)));
        ImageListDataset { changes, ..self.clone() }
    }

    /// The images.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What could not be read so far, in the order of the images.
    pub fn bad(&self) -> Vec<BadImage> {
        self.bad.lock().expect("no thread panics here").values().cloned().collect()
    }

    /// Image `index` as the network sees it in `epoch`, before padding and normalizing.
    ///
    /// # Errors
    /// If there is no such image, or it cannot be read.
    pub fn image(&self, epoch: usize, index: usize) -> Result<AnyImage, DataError> {
        let entry = self.entries.get(index).ok_or(DataError::Index { index, len: self.entries.len() })?;
        let p = &*self.preprocessing;
        let keeps = self.cache.keeps();
        let kept = self.cache.get(index, &entry.source, || {
            let image = entry.source.decode(&p.decoding())?;
            // Grey that is to become colours does so once it is scaled.
            let image = if image.channels() > p.channels { image.to_channels(p.channels) } else { image };
            Ok::<_, DataError>(if keeps { p.kept(image) } else { image })
        })?;
        Ok(match &*kept {
            AnyImage::U8(image) => AnyImage::U8(self.prepared(image, epoch, index)),
            AnyImage::U16(image) => AnyImage::U16(self.prepared(image, epoch, index)),
        })
    }

    fn prepared<T: Scale>(&self, kept: &Image<T>, epoch: usize, index: usize) -> Image<T> {
        let p = &*self.preprocessing;
        let whole = || p.scaled(kept);
        match &self.changes {
            None => whole().into_channels(p.channels),
            Some(changes) => changes.apply(kept, (p.channels, p.size), p.filter, (epoch, index), whole),
        }
    }

    /// Writes the image's values, padded and normalized, channels-last.
    fn write<T: Depth>(&self, image: &Image<T>, out: &mut [f32]) {
        let p = &*self.preprocessing;
        let padded;
        let image = if p.pad > 0 {
            padded = image.padded(p.pad);
            &padded
        } else {
            image
        };
        assert!(out.len() == image.data.len(), "an image of {}×{} pixels", image.width, image.height);
        // A table of 65536 values would be slower to read than the values are to compute.
        match self.tables.as_slice() {
            [grey] if T::MAX == 255 => {
                out.iter_mut().zip(&image.data).for_each(|(x, v)| *x = grey[(v.to_u32() & 255) as usize]);
            }
            [red, green, blue] if T::MAX == 255 => {
                for (to, from) in out.as_chunks_mut().0.iter_mut().zip(image.data.as_chunks().0) {
                    let [r, g, b]: &[T; 3] = from;
                    let [r, g, b] = [r.to_u32() & 255, g.to_u32() & 255, b.to_u32() & 255];
                    *to = [red[r as usize], green[g as usize], blue[b as usize]];
                }
            }
            _ => {
                for (to, from) in out.chunks_exact_mut(p.channels).zip(image.data.chunks_exact(p.channels)) {
                    to.iter_mut()
                        .zip(from)
                        .enumerate()
                        .for_each(|(c, (x, v))| *x = normal(p, c, v.to_u32() as f32 / T::MAX as f32));
                }
            }
        }
    }

    fn values(&self, epoch: usize, index: usize, out: &mut [f32]) -> Result<(), DataError> {
        match self.image(epoch, index)? {
            AnyImage::U8(image) => self.write(&image, out),
            AnyImage::U16(image) => self.write(&image, out),
        }
        Ok(())
    }

    /// Values of one image.
    fn len_of_one(&self) -> usize {
        self.preprocessing.output_shape().iter().product()
    }
}

impl Dataset for ImageListDataset {
    type Item = Sample;

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        let mut values = Buffer::unspecified(self.len_of_one());
        self.values(0, index, &mut values)?;
        let [c, h, w] = self.preprocessing.output_shape();
        let image = Tensor::from_channels_last(values, [1, c, h, w]).select(0, 0);
        Ok(Sample { image, target: self.entries[index].target.clone() })
    }

    fn batch_in(&self, epoch: usize, indices: &[usize]) -> Result<Batch, DataError> {
        let [c, h, w] = self.preprocessing.output_shape();
        let one = self.len_of_one();
        let mut values = Buffer::unspecified(indices.len() * one);
        let mut good = Vec::with_capacity(indices.len());
        for &index in indices {
            match self.values(epoch, index, &mut values[good.len() * one..][..one]) {
                Ok(()) => good.push(index),
                Err(error @ DataError::Index { .. }) => return Err(error),
                Err(error) => {
                    let bad = BadImage { path: self.entries[index].source.path(), reason: error.to_string() };
                    self.bad.lock().expect("no thread panics here").insert(index, bad);
                }
            }
        }
        if good.len() < indices.len() {
            values = Buffer::from_slice(&values[..good.len() * one]);
        }
        let targets: Vec<Target> = good.iter().map(|&i| self.entries[i].target.clone()).collect();
        let changes = self.changes.as_ref();
        let changed = changes.zip(good.first());
        let mixed = changed.and_then(|(changes, first)| changes.mix(&mut values, [h, w, c], &targets, epoch, *first));
        let images = Tensor::from_channels_last(values, [good.len(), c, h, w]);
        Ok(Batch::of(images, &targets, mixed, good))
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch, DataError> {
        self.batch_in(0, indices)
    }
}
