//! The tasks that come with Striate.

/// What tasks have in common whose network takes a batch's images and gives one tensor.
macro_rules! of_images {
    ($network:ident) => {
        type Sample = striate_data::Sample;
        type Batch = striate_data::Batch;
        type Output = striate_tensor::Tensor;

        fn samples(&self, batch: &Self::Batch) -> usize {
            batch.images.size(0)
        }
        fn inputs(&self, batch: &Self::Batch) -> Vec<striate_tensor::Tensor> {
            vec![batch.images.clone()]
        }
        fn forward(&self, network: &$network, batch: &Self::Batch, pass: &striate_nn::Pass) -> Self::Output {
            network.forward(batch.images.clone(), pass)
        }
        fn evaluator<'a>(&'a self, network: &'a $network) -> crate::task::Evaluate<'a, Self::Batch, Self::Output> {
            let mut evaluator = $crate::Evaluator::new(network);
            Box::new(move |batch| evaluator.forward(batch.images.clone()))
        }
    };
}

mod classification;
mod detection;
mod evaluator;
mod multi_label;
mod regression;
mod segmentation;

pub use classification::Classification;
pub use detection::Detection;
pub use evaluator::Evaluator;
pub use multi_label::MultiLabel;
pub(crate) use multi_label::THRESHOLDS;
pub use regression::Regression;
pub use segmentation::{Segmentation, SegmentationLoss};
