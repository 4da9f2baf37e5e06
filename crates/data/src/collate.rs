//! Samples into batches.

use crate::error::DataError;
use striate_tensor::Tensor;

/// An item of a data set that can be put together with others.
pub trait Collate: Sized {
    /// What they are put together into.
    type Batch: Send;

    /// The batch of `items`, which are those of `indices`, in that order. There is at least one.
    ///
    /// # Errors
    /// If the items do not fit together.
    fn collate(items: Vec<Self>, indices: &[usize]) -> Result<Self::Batch, DataError>;
}

/// An image with its label.
#[derive(Clone)]
pub struct Sample {
    /// `[c, h, w]`, `f32`.
    pub image: Tensor,
    /// The number of its class.
    pub label: usize,
}

/// Images with their labels.
#[derive(Clone)]
pub struct Batch {
    /// `[n, c, h, w]`, `f32`.
    pub images: Tensor,
    /// `[n]`, `i64`.
    pub labels: Tensor,
    /// Where images have been mixed, the probability of each class: `[n, classes]`, `f32`.
    pub soft_labels: Option<Tensor>,
    /// Where in the data set each of them is from.
    pub indices: Vec<usize>,
}

impl Collate for Sample {
    type Batch = Batch;

    fn collate(items: Vec<Sample>, indices: &[usize]) -> Result<Batch, DataError> {
        let shape = items[0].image.shape().to_vec();
        if let Some(at) = items.iter().position(|s| s.image.shape() != shape) {
            let reason = format!("one has shape {shape:?}, the other {:?}", items[at].image.shape());
            return Err(DataError::Collate { first: indices[0], other: indices[at], reason });
        }
        let labels: Vec<i64> = items.iter().map(|s| s.label as i64).collect();
        let images: Vec<Tensor> = items.into_iter().map(|s| s.image).collect();
        let n = labels.len();
        Ok(Batch {
            images: Tensor::stack(&images, 0),
            labels: Tensor::from_vec(labels, [n]),
            soft_labels: None,
            indices: indices.to_vec(),
        })
    }
}
