//! [`ImageListDataset`]: images decoded when they are asked for.

use super::cache::{Cache, CacheKind, Cached};
use super::list::Entry;
use crate::collate::{Batch, Sample};
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::mask::VOID;
use crate::target::Target;
use crate::transforms::{Augmentations, Kept, RandomChanges, Targets, mask_of};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use striate_imaging::{AnyImage, Depth, Image, Placement, Preprocessing, Scale};
use striate_tensor::{AlignedVec, Tensor};

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
///
/// Boxes and masks are in the pixels of the network's input, padding included. Without augmentations all boxes stay, even where they reach beyond
/// the input; with augmentations (also with none of them: [`Augmentations::default`]) they are clipped and dropped as [`Augmentations`] says. Masks
/// are scaled by nearest neighbour, void where there is no image.
#[derive(Clone)]
pub struct ImageListDataset {
    entries: Arc<Vec<Entry>>,
    preprocessing: Arc<Preprocessing>,
    /// For each channel what becomes of each byte.
    tables: Arc<Vec<[f32; 256]>>,
    changes: Option<Arc<RandomChanges>>,
    cache: Arc<Cache>,
    bad: Arc<Mutex<BTreeMap<usize, BadImage>>>,
    /// Width and height of the images that have been read; 0 of others.
    sizes: Arc<Mutex<Vec<[usize; 2]>>>,
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
        let sizes = Arc::new(Mutex::new(vec![[0; 2]; entries.len()]));
        let (entries, preprocessing) = (Arc::new(entries), Arc::new(preprocessing));
        ImageListDataset { entries, preprocessing, tables, changes: None, cache, bad: Arc::default(), sizes }
    }

    /// The same images, changed at random. What is drawn depends on the seed, the epoch and the sample's number alone. `classes` is how many
    /// there are, for labels of mixed images.
    pub fn augmented(&self, augmentations: Augmentations, classes: usize, seed: u64) -> ImageListDataset {
        let changes = RandomChanges::new(augmentations, classes, seed);
        ImageListDataset { changes: Some(Arc::new(changes)), ..self.clone() }
    }

    /// Without mixup, CutMix and mosaics from an epoch on, counted from 0: the last epochs see images as they are.
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

    /// Width and height in its file of an image that has been read, as all of a batch have been.
    pub fn size_of(&self, index: usize) -> Option<[usize; 2]> {
        let sizes = self.sizes.lock().expect("no thread panics here");
        sizes.get(index).copied().filter(|size| *size != [0; 2])
    }

    /// Where points of an image that has been read go in the network's input without augmentations; back from there with
    /// [`Placement::to_image`].
    pub fn placement(&self, index: usize) -> Option<Placement> {
        self.size_of(index).map(|size| self.preprocessing.placement(size))
    }

    /// Image `index` as the network sees it in `epoch`, before padding and normalizing.
    ///
    /// # Errors
    /// If there is no such image, or it cannot be read.
    pub fn image(&self, epoch: usize, index: usize) -> Result<AnyImage, DataError> {
        Ok(self.sample(epoch, index)?.0)
    }

    /// Image `index` as the network sees it in `epoch`, before padding and normalizing, with its target in the pixels of that.
    ///
    /// # Errors
    /// If there is no such image, or it or its mask cannot be read.
    pub fn sample(&self, epoch: usize, index: usize) -> Result<(AnyImage, Target), DataError> {
        let (image, targets) = self.seen(epoch, index)?;
        Ok((image, targets.target(&self.entries[index].target, 0)))
    }

    fn seen(&self, epoch: usize, index: usize) -> Result<(AnyImage, Targets), DataError> {
        let kept = self.kept(index)?;
        Ok(match &*kept.image {
            AnyImage::U8(image) => {
                let (image, targets) = self.prepared(image, kept.targets, epoch, index);
                (AnyImage::U8(image), targets)
            }
            AnyImage::U16(image) => {
                let (image, targets) = self.prepared(image, kept.targets, epoch, index);
                (AnyImage::U16(image), targets)
            }
        })
    }

    /// Image `index` and its targets as they are kept.
    fn kept(&self, index: usize) -> Result<Kept, DataError> {
        let entry = self.entries.get(index).ok_or(DataError::Index { index, len: self.entries.len() })?;
        let p = &*self.preprocessing;
        let keeps = self.cache.keeps();
        let cached = self.cache.get(index, &entry.source, || {
            let image = entry.source.decode(&p.decoding())?;
            let original = [image.width(), image.height()];
            // Grey that is to become colours does so once it is scaled.
            let image = if image.channels() > p.channels { image.to_channels(p.channels) } else { image };
            let image = if keeps { p.kept(image) } else { image };
            let mask = self.mask(index, original, &image)?;
            Ok::<_, DataError>(Cached { image: Arc::new(image), original, mask })
        })?;
        let Cached { image, original, mask } = cached;
        self.sizes.lock().expect("no thread panics here")[index] = original;
        let mask = match mask {
            Some(mask) => Some(mask),
            None => self.mask(index, original, &image)?,
        };
        let targets = Targets::new(&entry.target, mask, original, [image.width(), image.height()]);
        Ok(Kept { image, targets })
    }

    /// The mask of an image, scaled as that is, if it has one.
    fn mask(&self, index: usize, original: [usize; 2], kept: &AnyImage) -> Result<Option<Arc<Image>>, DataError> {
        let entry = &self.entries[index];
        let Some(mask) = mask_of(&entry.target, &entry.source.path(), original)? else { return Ok(None) };
        let size = [kept.width(), kept.height()];
        if size == original {
            return Ok(Some(mask));
        }
        let placement = Placement::new(original, size, [0.0; 2]);
        Ok(Some(Arc::new(mask.nearest(&placement, size[0], size[1], VOID))))
    }

    fn prepared<T: Scale>(&self, kept: &Image<T>, targets: Targets, epoch: usize, index: usize) -> (Image<T>, Targets) {
        let p = &*self.preprocessing;
        match &self.changes {
            None => {
                let placement = p.unpadded_placement([kept.width, kept.height]);
                let targets = targets.placed(&placement, [p.size[1], p.size[0]]);
                (p.scaled(kept).into_channels(p.channels), targets)
            }
            Some(changes) => {
                let other = |index| self.kept(index).ok();
                changes.apply(kept, targets, p, (epoch, index), (self.entries.len(), &other))
            }
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

    fn values(&self, epoch: usize, index: usize, out: &mut [f32]) -> Result<Target, DataError> {
        let (image, targets) = self.seen(epoch, index)?;
        match image {
            AnyImage::U8(image) => self.write(&image, out),
            AnyImage::U16(image) => self.write(&image, out),
        }
        Ok(targets.target(&self.entries[index].target, self.preprocessing.pad))
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
        let mut values = AlignedVec::unspecified(self.len_of_one());
        let target = self.values(0, index, &mut values)?;
        let [c, h, w] = self.preprocessing.output_shape();
        let image = Tensor::from_channels_last(values, [1, c, h, w]).select(0, 0);
        Ok(Sample { image, target })
    }

    fn batch_in(&self, epoch: usize, indices: &[usize]) -> Result<Batch, DataError> {
        let [c, h, w] = self.preprocessing.output_shape();
        let one = self.len_of_one();
        let mut values = AlignedVec::unspecified(indices.len() * one);
        let (mut good, mut targets) = (Vec::with_capacity(indices.len()), Vec::with_capacity(indices.len()));
        for &index in indices {
            match self.values(epoch, index, &mut values[good.len() * one..][..one]) {
                Ok(target) => {
                    good.push(index);
                    targets.push(target);
                }
                Err(error @ DataError::Index { .. }) => return Err(error),
                Err(error) => {
                    let bad = BadImage { path: self.entries[index].source.path(), reason: error.to_string() };
                    self.bad.lock().expect("no thread panics here").insert(index, bad);
                }
            }
        }
        if good.len() < indices.len() {
            values = AlignedVec::from_slice(&values[..good.len() * one]);
        }
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
