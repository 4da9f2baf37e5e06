//! What a frozen backbone makes of images, computed once.

use super::part::features_of;
use crate::batches::Batches;
use crate::error::TrainError;
use crate::events::{Event, Sink};
use crate::loader::Loader;
use std::sync::atomic::{AtomicBool, Ordering};
use striate_data::TensorDataset;
use striate_graph::Executable;
use striate_nn::Classifier;
use striate_tensor::{DType, Tensor};

/// Features of images, with their labels.
pub(crate) struct Features {
    pub data: TensorDataset,
    /// The names of the images.
    pub names: Vec<String>,
}

/// The features of all images of `loader`, in its order; none if `stop` is set on the way. `done` of `total` images are
/// told before.
pub(crate) fn compute(
    network: &dyn Classifier,
    loader: &Loader,
    (mut done, total): (usize, usize),
    sink: &mut dyn Sink,
    stop: &AtomicBool,
) -> Result<Option<Features>, TrainError> {
    let (mut features, mut labels, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let mut backbone: Option<Executable> = None;
    for batch in loader.epoch_from(0, 0) {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let batch = batch?;
        if batch.images.size(0) == 0 {
            continue;
        }
        let of_batch = loader.names(&batch);
        done += batch.images.size(0);
        let backbone = backbone.get_or_insert_with(|| features_of(network, batch.images.shape()));
        let made = backbone.forward(batch.images);
        if !made.is_finite() {
            return Err(TrainError::Features { samples: of_batch });
        }
        names.extend(of_batch);
        features.push(made);
        labels.push(batch.targets);
        sink.event(&Event::Features { done, total });
    }
    if features.is_empty() {
        let none = TensorDataset::new(Tensor::zeros([0, 1], DType::F32), &Tensor::zeros([0], DType::I64));
        return Ok(Some(Features { data: none, names }));
    }
    let data = TensorDataset::new(Tensor::cat(&features, 0), &Tensor::cat(&labels, 0));
    Ok(Some(Features { data, names }))
}
