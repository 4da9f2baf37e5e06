//! [`TensorDataset`]: samples from tensors in memory.

use crate::collate::{Batch, Sample};
use crate::dataset::Dataset;
use crate::error::DataError;
use striate_tensor::{DType, Tensor};

/// Images and labels that are tensors already (`torch.utils.data.TensorDataset`).
#[derive(Clone)]
pub struct TensorDataset {
    images: Tensor,
    labels: Vec<usize>,
}

impl TensorDataset {
    /// Images `[n, …]` with labels `[n]`.
    ///
    /// # Panics
    /// If the images are not `f32`, the labels are not `i64`, or there is not one label of 0 or more for each image.
    pub fn new(images: Tensor, labels: &Tensor) -> Self {
        let (x, y) = (images.shape(), labels.shape());
        assert!(
            images.dtype() == DType::F32 && labels.dtype() == DType::I64 && y.len() == 1 && x.first() == y.first(),
            "TensorDataset: needs f32 images [n, …] and i64 labels [n], got {} {x:?} and {} {y:?}",
            images.dtype(),
            labels.dtype()
        );
        let label = |l: i64| usize::try_from(l).unwrap_or_else(|_| panic!("TensorDataset: label {l} is negative"));
        let labels = labels.to_vec::<i64>().into_iter().map(label).collect();
        TensorDataset { images, labels }
    }

    /// The images `[n, …]`.
    pub fn images(&self) -> &Tensor {
        &self.images
    }

    /// The labels.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }
}

impl Dataset for TensorDataset {
    type Item = Sample;

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        let &label = self.labels.get(index).ok_or(DataError::Index { index, len: self.labels.len() })?;
        Ok(Sample { image: self.images.clone().select(0, index), label })
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch, DataError> {
        let len = self.labels.len();
        if let Some(&index) = indices.iter().find(|&&i| i >= len) {
            return Err(DataError::Index { index, len });
        }
        let n = indices.len();
        let chosen = Tensor::from_vec(indices.iter().map(|&i| i as i64).collect(), [n]);
        let labels = indices.iter().map(|&i| self.labels[i] as i64).collect();
        Ok(Batch {
            images: self.images.clone().index_select(0, &chosen),
            labels: Tensor::from_vec(labels, [n]),
            soft_labels: None,
            indices: indices.to_vec(),
        })
    }
}
