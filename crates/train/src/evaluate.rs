//! Measuring a model on images that it has not learnt from.

use crate::batches::Batches;
use crate::data::{Images, Loader, MNIST, Splits, Watch, load_data, measuring_batch};
use crate::error::TrainError;
use crate::images;
use crate::metrics::ConfusionMatrix;
use crate::tasks::Classification;
use striate_data::images::{BadImage, ListOptions, text_path};
use striate_model::{EvalSplit, ModelCard, Predictor};
use striate_nn::CrossEntropyLoss;

/// Images to measure a model on. What it has learnt from is not among them, as far as its file says what that is.
pub struct HeldOut {
    /// The images, as those to test on.
    pub data: Splits,
    /// What they are to the model.
    pub split: EvalSplit,
    /// How many were left out because they were learnt from.
    pub left_out: usize,
    /// The fraction of other images that the model file takes for learnt from, by mistake.
    pub error_rate: f64,
}

impl HeldOut {
    /// Of the images to test on in `data`, for the model of this card.
    pub(crate) fn of(mut data: Splits, card: &ModelCard) -> Result<HeldOut, TrainError> {
        let provenance = card.training.provenance.as_ref();
        let left_out = provenance.map_or(Ok(0), |p| data.leave_out(&p.learnt_from))?;
        let split = EvalSplit::of(provenance, data.test.fingerprints().into_iter().flatten());
        let error_rate = provenance.map_or(0.0, |p| p.learnt_from.error_rate());
        Ok(HeldOut { data, split, left_out, error_rate })
    }
}

/// How a model did on images held out.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy.
    pub loss: f64,
    /// How often each class was taken for each.
    pub confusion: ConfusionMatrix,
    /// Images that could not be read, and do not count.
    pub bad: Vec<BadImage>,
}

/// The images to measure the model of `card` on: those of `data`, or of what it was trained on, without what it has learnt from. Images of a folder have their
/// class by name. `watch` hears how far the look at all images has come.
pub fn load_to_measure(
    card: &ModelCard,
    data: Option<&str>,
    options: &ListOptions,
    watch: &Watch,
) -> Result<HeldOut, TrainError> {
    let data = data.unwrap_or(&card.training.data);
    if data.is_empty() {
        return Err(TrainError::NoTrainingData);
    }
    if data != MNIST && images::are_images(&text_path(data)) {
        return images::to_measure(&text_path(data), card, options, watch);
    }
    HeldOut::of(load_data(data)?, card)
}

/// Runs `model` on images held out.
///
/// # Errors
/// If none of them can be read, or the loss is not finite.
pub fn evaluate(model: &Predictor, held_out: &HeldOut) -> Result<Evaluation, TrainError> {
    let data = &held_out.data;
    let classes = &model.card.classes;
    if data.classes.len() > classes.len() {
        return Err(TrainError::Classes { model: classes.len(), data: data.name.clone(), got: data.classes.len() });
    }
    // Images in files are brought to the size.
    if let Images::Memory(_) = data.test {
        data.check_size(&model.card.architecture, &model.card.preprocessing)?;
    }
    let mut confusion = ConfusionMatrix::new(classes.len());
    let mut loss = 0.0;
    let loader = Loader::in_order(
        &data.test,
        &model.card.preprocessing,
        measuring_batch(model.card.preprocessing.output_shape()),
    );
    for batch in loader.epoch_from(0, 0) {
        let batch = batch?;
        let samples = batch.images.size(0);
        if samples == 0 {
            continue;
        }
        let output = model.logits(batch.images);
        for (actual, predicted) in batch.labels.to_vec::<i64>().into_iter().zip(Classification::predicted(&output)) {
            confusion.add(actual as usize, predicted);
        }
        loss += CrossEntropyLoss::new().forward(output, &batch.labels).item::<f32>() as f64 * samples as f64;
    }
    let bad = [data.bad.clone(), loader.bad()].concat();
    if confusion.total() == 0 {
        return Err(TrainError::NothingMeasured { measured: data.measured });
    }
    if !loss.is_finite() {
        return Err(TrainError::Loss { loss, data: data.name.clone() });
    }
    Ok(Evaluation { loss: loss / confusion.total() as f64, confusion, bad })
}
