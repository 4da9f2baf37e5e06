//! [`Loader`]: batches of a run's images.

use crate::batches::Batches;
use crate::data::Images;
use crate::finetune::features::Features;
use std::sync::Arc;
use striate_data::images::{BadImage, ImageListDataset};
use striate_data::transforms::Augmentations;
use striate_data::{Batch, DataError, DataLoader, Dataset, ImageDataset, Sample};
use striate_imaging::Preprocessing;
use striate_tensor::num_threads;

/// Batches that are made ahead of the one in use.
pub(crate) const PREFETCH: usize = 4;

/// Batches of images, in a new order each epoch or always as they are.
pub struct Loader(DataLoader<Prepared>);

impl Loader {
    /// Training batches: shuffled by `seed` and epoch, the last one may be smaller.
    pub fn train(images: &Images, preprocessing: &Preprocessing, batch_size: usize, seed: u64) -> Loader {
        Loader(loader(images.prepared(preprocessing), batch_size).shuffle(seed))
    }

    /// As [`Loader::train`], of images that are changed at random, and mixed up to an epoch, counted from 0.
    pub fn augmented(
        images: &Images,
        preprocessing: &Preprocessing,
        batch_size: usize,
        seed: u64,
        (augmentations, mix_until): (Augmentations, usize),
        classes: usize,
    ) -> Loader {
        let prepared = match images.prepared(preprocessing) {
            prepared if augmentations.is_empty() => prepared,
            Prepared::Memory(images) => {
                Prepared::Memory(images.augmented(augmentations, classes, seed).mix_until(mix_until))
            }
            Prepared::Files(images) => {
                Prepared::Files(images.augmented(augmentations, classes, seed).mix_until(mix_until))
            }
            Prepared::Features(features) => Prepared::Features(features),
        };
        Loader(loader(prepared, batch_size).shuffle(seed))
    }

    /// Batches of features, shuffled by `seed` and epoch if there is one.
    pub(crate) fn features(features: Features, batch_size: usize, seed: Option<u64>) -> Loader {
        let loader = loader(Prepared::Features(Arc::new(features)), batch_size);
        Loader(match seed {
            Some(seed) => loader.shuffle(seed),
            None => loader,
        })
    }

    /// Samples drawn with these weights, some several times: see [`DataLoader::weights`].
    ///
    /// # Panics
    /// As [`DataLoader::weights`].
    pub fn weights(self, weights: Vec<f64>) -> Loader {
        Loader(self.0.weights(weights))
    }

    /// A single sample that is left over joins the batch before it: see [`DataLoader::join_single`].
    pub fn join_single(self, join_single: bool) -> Loader {
        Loader(self.0.join_single(join_single))
    }

    /// At most `samples` in an epoch, others each epoch: see [`DataLoader::limit`].
    pub fn limit(self, samples: usize) -> Loader {
        Loader(self.0.limit(samples))
    }

    /// Batches in the order of the images.
    pub fn in_order(images: &Images, preprocessing: &Preprocessing, batch_size: usize) -> Loader {
        Loader(loader(images.prepared(preprocessing), batch_size))
    }

    /// How many batches an epoch has.
    pub(crate) fn batches(&self) -> usize {
        self.0.num_batches()
    }

    /// How many samples there are.
    pub(crate) fn len(&self) -> usize {
        self.0.dataset().len()
    }

    /// Width and height in its file of an image that has been in a batch.
    pub(crate) fn size_of(&self, index: usize) -> Option<[usize; 2]> {
        match self.0.dataset() {
            Prepared::Files(images) => images.size_of(index),
            Prepared::Memory(_) | Prepared::Features(_) => None,
        }
    }

    /// Images that could not be read so far.
    pub fn bad(&self) -> Vec<BadImage> {
        match self.0.dataset() {
            Prepared::Memory(_) | Prepared::Features(_) => Vec::new(),
            Prepared::Files(images) => images.bad(),
        }
    }
}

/// Images that are ready for a network.
#[derive(Clone)]
enum Prepared {
    Memory(ImageDataset),
    Files(ImageListDataset),
    Features(Arc<Features>),
}

impl Dataset for Prepared {
    type Item = Sample;

    fn len(&self) -> usize {
        match self {
            Prepared::Memory(images) => images.len(),
            Prepared::Files(images) => images.len(),
            Prepared::Features(features) => features.data.len(),
        }
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        match self {
            Prepared::Memory(images) => images.get(index),
            Prepared::Files(images) => images.get(index),
            Prepared::Features(features) => features.data.get(index),
        }
    }

    fn batch_in(&self, epoch: usize, indices: &[usize]) -> Result<Batch, DataError> {
        match self {
            Prepared::Memory(images) => images.batch_in(epoch, indices),
            Prepared::Files(images) => images.batch_in(epoch, indices),
            Prepared::Features(features) => features.data.batch_in(epoch, indices),
        }
    }
}

impl Images {
    fn prepared(&self, preprocessing: &Preprocessing) -> Prepared {
        match self {
            Images::Memory(images) => Prepared::Memory(images.with_transform(preprocessing.transform())),
            Images::Files { entries, cache } => {
                Prepared::Files(ImageListDataset::new(entries.clone(), preprocessing.clone(), cache.clone()))
            }
        }
    }
}

/// How many images of a shape make a batch where nothing is learnt: fewer of large ones, so that what a network makes of them does not
/// fill the memory. It changes no result.
pub(crate) fn measuring_batch([_, height, width]: [usize; 3]) -> usize {
    (250 * 32 * 32 / (height * width).max(1)).clamp(16, 250)
}

fn loader(prepared: Prepared, batch_size: usize) -> DataLoader<Prepared> {
    // Decoding takes as long as computing, or longer: all threads take part.
    let workers = match prepared {
        Prepared::Memory(_) => 1,
        Prepared::Files(_) => num_threads(),
        Prepared::Features(_) => 0,
    };
    DataLoader::new(prepared, batch_size).workers(workers).prefetch(PREFETCH)
}

impl Batches for Loader {
    type Batch = Batch;
    fn per_epoch(&self) -> Option<usize> {
        Some(self.batches())
    }
    fn epoch_from(&self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = Result<Batch, DataError>> + '_> {
        Box::new(self.0.epoch_from(epoch, first))
    }
    fn names(&self, batch: &Batch) -> Vec<String> {
        match self.0.dataset() {
            Prepared::Files(images) => batch.indices.iter().map(|&i| images.entries()[i].name.clone()).collect(),
            Prepared::Memory(_) => batch.indices.iter().map(|i| format!("image {i}")).collect(),
            Prepared::Features(features) => batch.indices.iter().map(|&i| features.names[i].clone()).collect(),
        }
    }
}
