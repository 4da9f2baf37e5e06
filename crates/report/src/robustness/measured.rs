//! What is measured of variants of the same images.

use crate::number::Number;
use crate::outcomes::{Outcomes, TaskAnswers};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use striate_imaging::Image;
use striate_model::ModelCard;
use striate_train::{Evaluation, MeasuredBatch, Metric, Results, bootstrap_interval};

/// Resamplings of the images for an interval that is not Wilson's.
const ROUNDS: usize = 200;

/// What is kept of a variant: of a classification no scores, for there may be many.
pub(super) struct Kept(Option<Outcomes>);

impl Kept {
    pub fn new(card: &ModelCard) -> Kept {
        let outcomes = Outcomes::new(card);
        Kept((!matches!(outcomes.answers, TaskAnswers::Classification(_))).then_some(outcomes))
    }

    pub fn add(&mut self, card: &ModelCard, measured: &MeasuredBatch) {
        if let Some(outcomes) = &mut self.0 {
            outcomes.add(card, measured);
        }
    }

    /// The main metric with its interval.
    pub fn number(self, evaluation: &Evaluation, seed: u64) -> Number {
        match (self.0, &evaluation.results) {
            (Some(mut outcomes), results) => {
                outcomes.complete(results);
                let metric = outcomes.main_metric_of();
                let n = outcomes.len();
                let number = Number::of(&outcomes.as_metric(metric(&(0..n).collect::<Vec<_>>())));
                if number.value.is_none() {
                    return number;
                }
                number.bootstrapped(bootstrap_interval(n, ROUNDS, seed, &metric))
            }
            (None, Results::Classification(results)) => {
                Number::from(&Metric::proportion("accuracy", results.correct(), results.samples()))
            }
            (None, _) => unreachable!("only a classification is kept without outcomes"),
        }
    }
}

/// The error that a value of a metric means: what a fraction lacks to 1, or the error itself.
pub(super) fn error_of(number: &Number) -> Option<f64> {
    number.value.map(|x| if number.name == "mae" { x } else { 1.0 - x })
}

/// The mean; none of nothing, or if one is missing.
pub(super) fn mean(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let values = values.into_iter().collect::<Option<Vec<f64>>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// A stable number of a name (FNV-1a).
pub(super) fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The bytes of a PNG file.
pub(super) fn png(image: &Image) -> Vec<u8> {
    let kind = if image.channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let mut bytes = Vec::new();
    let written = PngEncoder::new(&mut bytes).write_image(&image.data, image.width as u32, image.height as u32, kind);
    written.expect("an image in memory is written to memory");
    bytes
}
