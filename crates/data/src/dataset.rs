//! [`Dataset`]: samples by number.

use crate::collate::Collate;
use crate::error::DataError;

/// A collection of samples (`torch.utils.data.Dataset`).
pub trait Dataset: Send + Sync {
    /// One sample.
    type Item: Send + Collate;

    /// How many samples there are.
    fn len(&self) -> usize;

    /// Sample `index`.
    ///
    /// # Errors
    /// If it cannot be read, or there is no such sample.
    fn get(&self, index: usize) -> Result<Self::Item, DataError>;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples of `indices` as one batch; there is at least one. A data set that can make a batch faster than sample by
    /// sample does it here.
    ///
    /// # Errors
    /// If a sample cannot be read, or they do not fit together.
    fn batch(&self, indices: &[usize]) -> Result<<Self::Item as Collate>::Batch, DataError> {
        let items = indices.iter().map(|&i| self.get(i)).collect::<Result<Vec<_>, _>>()?;
        Self::Item::collate(items, indices)
    }

    /// The batch as it is in `epoch`. A data set whose samples change at random from epoch to epoch makes them here, of numbers that depend on
    /// the epoch and the sample alone.
    ///
    /// # Errors
    /// As [`Dataset::batch`].
    fn batch_in(&self, epoch: usize, indices: &[usize]) -> Result<<Self::Item as Collate>::Batch, DataError> {
        let _ = epoch;
        self.batch(indices)
    }
}

/// Some samples of a data set (`torch.utils.data.Subset`). A batch's indices are those in the subset.
#[derive(Clone, Debug)]
pub struct Subset<D> {
    dataset: D,
    indices: Vec<usize>,
}

impl<D: Dataset> Subset<D> {
    /// The samples `indices` of `dataset`, in that order.
    ///
    /// # Panics
    /// If one of them does not exist.
    pub fn new(dataset: D, indices: Vec<usize>) -> Self {
        let len = dataset.len();
        if let Some(index) = indices.iter().find(|&&i| i >= len) {
            panic!("Subset: sample {index} was asked for, the data set has {len}");
        }
        Subset { dataset, indices }
    }
}

impl<D: Dataset> Dataset for Subset<D> {
    type Item = D::Item;

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn get(&self, index: usize) -> Result<D::Item, DataError> {
        let &inner = self.indices.get(index).ok_or(DataError::Index { index, len: self.indices.len() })?;
        self.dataset.get(inner)
    }
}
