//! Samples into batches.

use crate::error::DataError;
use crate::target::Target;
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

/// An image with what a network is to give for it.
#[derive(Clone)]
pub struct Sample {
    /// `[c, h, w]`, `f32`.
    pub image: Tensor,
    /// Its class, labels, numbers, objects or mask.
    pub target: Target,
}

/// Images with what a network is to give for them.
#[derive(Clone)]
pub struct Batch {
    /// `[n, c, h, w]`, `f32`.
    pub images: Tensor,
    /// The classes, `[n]`, `i64`; or labels as 0 and 1, `[n, labels]`, or numbers, `[n, numbers]`, both `f32`.
    ///
    /// Of objects `[n, most, 6]`, `f32`: class, left, top, right and bottom in pixels of `images`, and 1 for a crowd, 2 for a difficult object, else 0. Each image
    /// has as many rows as the one with the most objects; rows without an object have class −1.
    ///
    /// Of masks `[n, h, w]`, `i64`: classes, and −100 where nothing is said.
    pub targets: Tensor,
    /// Where images of classes have been mixed, the probability of each class: `[n, classes]`, `f32`.
    pub soft_labels: Option<Tensor>,
    /// Where in the data set each of them is from.
    pub indices: Vec<usize>,
}

impl Batch {
    /// Images with their targets; `mixed` are the targets of images that have been mixed.
    pub(crate) fn of(images: Tensor, targets: &[Target], mixed: Option<Tensor>, indices: Vec<usize>) -> Batch {
        let plain = Target::stack(&targets.iter().collect::<Vec<_>>()).expect("the targets of a data set are alike");
        match (mixed, targets.first()) {
            (Some(mixed), Some(Target::Labels { .. } | Target::Numbers(_))) => {
                Batch { images, targets: mixed, soft_labels: None, indices }
            }
            (soft_labels, _) => Batch { images, targets: plain, soft_labels, indices },
        }
    }
}

impl Collate for Sample {
    type Batch = Batch;

    fn collate(items: Vec<Sample>, indices: &[usize]) -> Result<Batch, DataError> {
        let unlike = |at: usize, reason| DataError::Collate { first: indices[0], other: indices[at], reason };
        let shape = items[0].image.shape().to_vec();
        if let Some(at) = items.iter().position(|s| s.image.shape() != shape) {
            let reason = format!("one has shape {shape:?}, the other {:?}", items[at].image.shape());
            return Err(unlike(at, reason));
        }
        let targets = Target::stack(&items.iter().map(|s| &s.target).collect::<Vec<_>>()).map_err(|at| {
            let [first, other] = [0, at].map(|i: usize| items[i].target.summary());
            let reason = format!("one has the target {first}, the other {other}");
            unlike(at, reason)
        })?;
        let images: Vec<Tensor> = items.into_iter().map(|s| s.image).collect();
        Ok(Batch { images: Tensor::stack(&images, 0), targets, soft_labels: None, indices: indices.to_vec() })
    }
}
