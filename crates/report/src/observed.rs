//! [`Observed`]: what a model says of each image.

use crate::answers::Answers;
use striate_data::Batch;
use striate_model::{ModelCard, Predictor, TaskCard};
use striate_train::{Evaluation, HeldOut, MeasuredBatch, TrainError, evaluate_each};

/// What a model says of each image, as far as a report needs it beyond the metrics.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed {
    /// The logits of a classification.
    Classes(Answers),
    /// Probabilities of labels, or numbers.
    Values(Values),
    /// Objects and masks are in the metrics alone.
    Places(Vec<usize>),
}

/// A value for each output of each image, and the target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// How many outputs there are.
    pub outputs: usize,
    /// Probabilities or numbers, row by row.
    pub predicted: Vec<f32>,
    /// 0 or 1, or numbers.
    pub targets: Vec<f32>,
    /// The place of each image among those that were to be measured on.
    pub indices: Vec<usize>,
}

impl Values {
    /// The values of image `i`, and its targets.
    pub fn row(&self, i: usize) -> (&[f32], &[f32]) {
        let at = i * self.outputs..(i + 1) * self.outputs;
        (&self.predicted[at.clone()], &self.targets[at])
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    fn add(&mut self, card: &ModelCard, measured: &MeasuredBatch) {
        let Batch { targets, indices, .. } = measured.batch;
        self.predicted.extend(card.task.answers(measured.output.clone()).to_vec::<f32>());
        self.targets.extend(targets.to_vec::<f32>());
        self.indices.extend_from_slice(indices);
    }
}

impl Observed {
    /// Runs `model` on images held out, and keeps what it says of each.
    ///
    /// # Errors
    /// As [`striate_train::evaluate`].
    pub fn evaluate(model: &Predictor, held_out: &HeldOut) -> Result<(Evaluation, Observed), TrainError> {
        let outputs = model.card.classes.len();
        let mut observed = match model.card.task {
            TaskCard::Classification => Observed::Classes(Answers::new(outputs)),
            TaskCard::MultiLabel { .. } | TaskCard::Regression { .. } => {
                Observed::Values(Values { outputs, ..Values::default() })
            }
            TaskCard::Detection { .. } | TaskCard::Segmentation { .. } => Observed::Places(Vec::new()),
        };
        let evaluation = evaluate_each(model, held_out, |measured| match &mut observed {
            Observed::Classes(answers) => answers.add(measured),
            Observed::Values(values) => values.add(&model.card, measured),
            Observed::Places(indices) => indices.extend_from_slice(&measured.batch.indices),
        })?;
        Ok((evaluation, observed))
    }

    /// The place of each image among those that were to be measured on.
    pub fn indices(&self) -> &[usize] {
        match self {
            Observed::Classes(answers) => &answers.indices,
            Observed::Values(values) => &values.indices,
            Observed::Places(indices) => indices,
        }
    }
}
