//! Measuring a model on test data.

use crate::data::{Images, Loader, MNIST, Splits, load_data, measuring_batch};
use crate::error::TrainError;
use crate::images;
use crate::metrics::ConfusionMatrix;
use crate::model_file::Model;
use crate::task::{Classification, Task};
use crate::trainer::Batches;
use std::path::Path;
use striate_data::images::BadImage;
use striate_nn::Pass;

/// How a model did on test data.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy.
    pub loss: f64,
    /// How often each class was taken for each.
    pub confusion: ConfusionMatrix,
    /// Images that could not be read, and do not count.
    pub bad: Vec<BadImage>,
}

/// The data to measure `model`, which lies at `path`, on: `data`, or what it was trained on without what it has learnt from. Images of a
/// folder have their class by name.
pub fn load_to_measure(model: &Model, path: &Path, data: Option<&str>) -> Result<Splits, TrainError> {
    let trained_on = &model.card.training.data;
    let data = data.unwrap_or(trained_on);
    if data != MNIST && images::are_images(Path::new(data)) {
        let (classes, preprocessing) = (&model.card.classes, &model.card.preprocessing);
        return images::to_measure(Path::new(data), path, Path::new(trained_on), classes, preprocessing);
    }
    load_data(data)
}

/// Runs `model` on the test images of `data`.
pub fn evaluate(model: &Model, data: &Splits) -> Result<Evaluation, TrainError> {
    let classes = &model.card.classes;
    if data.classes.len() > classes.len() {
        return Err(TrainError::Classes { model: classes.len(), data: data.name.clone(), got: data.classes.len() });
    }
    // Images in files are brought to the size.
    if let Images::Memory(_) = data.test {
        data.check_size(&model.card.architecture, &model.card.preprocessing)?;
    }
    let task = Classification::default();
    let mut confusion = ConfusionMatrix::new(classes.len());
    let mut loss = 0.0;
    let loader = Loader::in_order(
        &data.test,
        &model.card.preprocessing,
        measuring_batch(model.card.preprocessing.output_shape()),
    );
    for batch in loader.epoch_from(0, 0) {
        let batch = batch?;
        let output = model.network.forward(task.input(&batch), &Pass::eval());
        for (actual, predicted) in batch.labels.to_vec::<i64>().into_iter().zip(Classification::predicted(&output)) {
            confusion.add(actual as usize, predicted);
        }
        loss += task.loss(output, &batch).item::<f32>() as f64 * task.samples(&batch) as f64;
    }
    let bad = loader.bad();
    Ok(Evaluation { loss: loss / confusion.total().max(1) as f64, confusion, bad })
}
