//! What the targets of a run's images come to: their scale, the weights of labels, what an answer without looking gives.

use crate::config::TaskKind;
use crate::data::{Images, Splits};
use crate::events::Baseline;
use crate::network;
use crate::preview::mask_colour;
use crate::tasks::THRESHOLDS;
use serde_json::Value;
use striate_data::{Target, parallel};
use striate_model::{Suppression, TaskCard};
use striate_tensor::{Tensor, num_threads};

/// The mean and the standard deviation of numbers.
pub(crate) struct Scale {
    pub mean: Vec<f32>,
    pub std: Vec<f32>,
}

impl Scale {
    /// Of `columns` numbers of these images. A number that never varies has deviation 1.
    pub fn of(images: &Images, columns: usize) -> Scale {
        let column = |c: usize| {
            let values = numbers(images, c);
            let n = values.len().max(1) as f64;
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            let std = variance.sqrt() as f32;
            (mean as f32, if std > 0.0 && std.is_finite() { std } else { 1.0 })
        };
        let (mean, std) = (0..columns).map(column).unzip();
        Scale { mean, std }
    }
}

/// Number `column` of each image.
fn numbers(images: &Images, column: usize) -> Vec<f64> {
    let number = |i: usize| match images.target(i) {
        Target::Numbers(numbers) => numbers[column] as f64,
        other => unreachable!("images of a regression have numbers, not {other:?}"),
    };
    (0..images.len()).map(number).collect()
}

/// For each class the weight that makes all of them count the same, 1 in the mean over the samples; 0 for one without samples.
pub(crate) fn class_weights(images: &Images, classes: usize) -> Vec<f64> {
    let counts = images.counts(classes);
    let present = counts.iter().filter(|&&n| n > 0).count();
    let weight = |n: usize| if n == 0 { 0.0 } else { images.len() as f64 / (present * n) as f64 };
    counts.into_iter().map(weight).collect()
}

/// For each class the weight that makes all of them count the same over the pixels of all masks, 1 in the mean; 0 for one without pixels. Masks that cannot be read
/// are left out here, as their images are in training.
pub(crate) fn pixel_weights(images: &Images, classes: usize) -> Vec<f64> {
    let counts = parallel::map(images.len(), num_threads(), |i| match images.target(i) {
        Target::Mask(mask) => mask.counts().unwrap_or([0; 256]),
        _ => [0; 256],
    });
    let count = |class: usize| counts.iter().map(|counts| counts[class]).sum::<u64>();
    let counts: Vec<u64> = (0..classes).map(count).collect();
    let (all, present) = (counts.iter().sum::<u64>(), counts.iter().filter(|&&n| n > 0).count());
    counts.into_iter().map(|n| if n == 0 { 0.0 } else { all as f64 / (present as f64 * n as f64) }).collect()
}

/// For each label the number of images without it for each one with it: 1 for a label that all or no image has.
pub(crate) fn pos_weight(images: &Images, labels: usize) -> Tensor {
    let all = images.len();
    let weight = |n: usize| if n == 0 || n == all { 1.0 } else { (all - n) as f32 / n as f32 };
    Tensor::from_vec(images.counts(labels).into_iter().map(weight).collect(), [labels])
}

/// What a model file says of the task of a network of this architecture.
pub(crate) fn task_card(task: TaskKind, model: &str, data: &Splits, calibration: &Value) -> TaskCard {
    /// From which probability an image has a label, and from which score a box is an object, where nothing was measured.
    const USUAL: f32 = 0.5;
    let outputs = data.classes.len();
    let chosen = |i: usize| calibration[THRESHOLDS][i].as_f64().map_or(USUAL, |t| t as f32);
    match task {
        TaskKind::Classification => TaskCard::Classification,
        TaskKind::MultiLabel => TaskCard::MultiLabel { thresholds: (0..outputs).map(chosen).collect() },
        TaskKind::Regression => {
            let Scale { mean, std } = Scale::of(&data.train, outputs);
            TaskCard::Regression { mean, std }
        }
        TaskKind::Detection => {
            let (strides, suppression) = (network::strides(model), Suppression::default());
            TaskCard::Detection { strides, suppression, thresholds: (0..outputs).map(chosen).collect() }
        }
        TaskKind::Segmentation => TaskCard::Segmentation {
            palette: (0..outputs).map(|class| mask_colour(&data.classes[class], class).unwrap_or([0; 3])).collect(),
        },
    }
}

/// What an answer gives on the images held out that does not look at them.
pub(crate) fn baseline(task: TaskKind, data: &Splits) -> Option<Baseline> {
    let (images, outputs) = (&data.held_out, data.classes.len());
    let all = images.len() as f64;
    if images.is_empty() {
        return None;
    }
    let (value, answer) = match task {
        TaskKind::Detection | TaskKind::Segmentation => return None,
        TaskKind::Classification => {
            let most = images.counts(outputs).into_iter().max().unwrap_or(0);
            (most as f64 / all, "always answering with the most frequent class")
        }
        // The average precision of scores that do not depend on the image is the fraction of images that have the label.
        TaskKind::MultiLabel => {
            let fractions: Vec<f64> =
                images.counts(outputs).into_iter().filter(|&n| n > 0).map(|n| n as f64 / all).collect();
            (fractions.iter().sum::<f64>() / fractions.len() as f64, "giving every image the same scores")
        }
        TaskKind::Regression => {
            let error = |c: usize| {
                let guess = median(numbers(&data.train, c));
                numbers(images, c).iter().map(|x| (x - guess).abs()).sum::<f64>() / all
            };
            let errors: f64 = (0..outputs).map(error).sum();
            (errors / outputs as f64, "always answering with the median of the training images")
        }
    };
    Some(Baseline { value, answer: answer.into() })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!([vec![3.0, 1.0, 2.0], vec![4.0, 1.0, 2.0, 3.0]].map(median), [2.0, 2.5]);
        assert!(median(Vec::new()).is_nan());
    }
}
