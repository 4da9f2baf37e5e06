//! [`TensorDataset`]: samples from tensors in memory.

use crate::collate::{Batch, Sample};
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::target::Target;
use striate_tensor::{DType, Tensor};

/// Images and targets that are tensors already (`torch.utils.data.TensorDataset`).
#[derive(Clone)]
pub struct TensorDataset {
    images: Tensor,
    targets: Tensor,
}

impl TensorDataset {
    /// Images `[n, …]` with their classes `[n]`, or with numbers `[n, numbers]`, which labels of 0 and 1 are too.
    ///
    /// # Panics
    /// If the images are not `f32`, the targets are neither `i64` of 0 or more nor `f32`, or there is not one for each image.
    pub fn new(images: Tensor, targets: &Tensor) -> Self {
        let (x, y) = (images.shape(), targets.shape());
        let fits = matches!((targets.dtype(), y.len()), (DType::I64, 1) | (DType::F32, 2));
        assert!(
            images.dtype() == DType::F32 && fits && y.first() == x.first(),
            "TensorDataset: needs f32 images [n, …] and classes [n] of i64 or numbers [n, k] of f32, got {} {x:?} and {} {y:?}",
            images.dtype(),
            targets.dtype()
        );
        if targets.dtype() == DType::I64 {
            let negative = targets.to_vec::<i64>().into_iter().find(|label| *label < 0);
            assert!(negative.is_none(), "TensorDataset: label {} is negative", negative.unwrap_or_default());
        }
        TensorDataset { images, targets: targets.clone() }
    }

    /// The images `[n, …]`.
    pub fn images(&self) -> &Tensor {
        &self.images
    }

    /// The targets.
    pub fn targets(&self) -> &Tensor {
        &self.targets
    }
}

impl Dataset for TensorDataset {
    type Item = Sample;

    fn len(&self) -> usize {
        self.targets.size(0)
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        if index >= self.len() {
            return Err(DataError::Index { index, len: self.len() });
        }
        let target = self.targets.clone().select(0, index);
        let target = match target.dtype() {
            DType::I64 => Target::Class(target.item::<i64>() as usize),
            _ => Target::Numbers(target.to_vec()),
        };
        Ok(Sample { image: self.images.clone().select(0, index), target })
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch, DataError> {
        let len = self.len();
        if let Some(&index) = indices.iter().find(|&&i| i >= len) {
            return Err(DataError::Index { index, len });
        }
        let chosen = Tensor::from_vec(indices.iter().map(|&i| i as i64).collect(), [indices.len()]);
        Ok(Batch {
            images: self.images.clone().index_select(0, &chosen),
            targets: self.targets.clone().index_select(0, &chosen),
            soft_labels: None,
            indices: indices.to_vec(),
        })
    }
}
