//! [`Batches`]: where a trainer's batches come from.

use crate::error::TrainError;
use striate_data::{Collate, DataError, DataLoader, Dataset};
use striate_imaging::Split;

/// Batches that come in the same order each time an epoch is asked for.
pub trait Batches {
    /// One batch.
    type Batch;

    /// How many there are in an epoch; none where that shows only at its end.
    fn per_epoch(&self) -> Option<usize>;

    /// Those of `epoch` from number `first` on.
    fn epoch_from(&self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = Result<Self::Batch, DataError>> + '_>;

    /// What the samples of a batch are called, such as the paths of their files: for messages. Nothing where they have no names.
    fn names(&self, batch: &Self::Batch) -> Vec<String> {
        let _ = batch;
        Vec::new()
    }
}

impl<D: Dataset + 'static> Batches for DataLoader<D> {
    type Batch = <D::Item as Collate>::Batch;

    fn per_epoch(&self) -> Option<usize> {
        Some(self.num_batches())
    }

    fn epoch_from(&self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = Result<Self::Batch, DataError>> + '_> {
        Box::new(DataLoader::epoch_from(self, epoch, first))
    }
}

/// Batches of a source that can only be iterated: a function from the epoch to its batches
/// (`torch.utils.data.IterableDataset`).
///
/// A training that resumes asks for the epoch again and passes over the batches that it has had.
pub struct Stream<F> {
    open: F,
    per_epoch: Option<usize>,
}

impl<F, I, B> Stream<F>
where
    F: Fn(usize) -> I,
    I: Iterator<Item = Result<B, DataError>> + 'static,
{
    /// The batches that `open` gives for an epoch.
    pub fn new(open: F) -> Self {
        Stream { open, per_epoch: None }
    }

    /// An epoch ends after this many batches, if it does not end before.
    pub fn per_epoch(self, batches: usize) -> Self {
        Stream { per_epoch: Some(batches), ..self }
    }
}

impl<F, I, B> Batches for Stream<F>
where
    F: Fn(usize) -> I,
    I: Iterator<Item = Result<B, DataError>> + 'static,
{
    type Batch = B;

    fn per_epoch(&self) -> Option<usize> {
        self.per_epoch
    }

    fn epoch_from(&self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = Result<B, DataError>> + '_> {
        let left = self.per_epoch.map_or(usize::MAX, |n| n.saturating_sub(first));
        Box::new((self.open)(epoch).skip(first).take(left))
    }
}

/// One batch again and again.
pub(crate) struct Again<'a, B> {
    pub batch: B,
    source: &'a dyn Batches<Batch = B>,
}

impl<'a, B> Again<'a, B> {
    /// The first batch of `source` that `serves`.
    ///
    /// # Errors
    /// If it cannot be made, or there is none.
    pub fn first_of(source: &'a dyn Batches<Batch = B>, serves: impl Fn(&B) -> bool) -> Result<Self, TrainError> {
        let batch = source.epoch_from(0, 0).find(|batch| batch.as_ref().map_or(true, &serves));
        let batch = batch.ok_or(TrainError::NothingMeasured { measured: Split::Train })??;
        Ok(Again { batch, source })
    }
}

impl<B: Clone> Batches for Again<'_, B> {
    type Batch = B;

    fn per_epoch(&self) -> Option<usize> {
        None
    }
    fn epoch_from(&self, _: usize, _: usize) -> Box<dyn Iterator<Item = Result<B, DataError>> + '_> {
        Box::new(std::iter::repeat_with(|| Ok(self.batch.clone())))
    }
    fn names(&self, batch: &B) -> Vec<String> {
        self.source.names(batch)
    }
}
