//! [`TaskCard`]: what a model's outputs mean.

use crate::boxes::{Detection, Suppression};
use crate::places::{Places, candidates, detections};
use crate::task_kind::TaskKind;
use serde::{Deserialize, Serialize};
use striate_imaging::Preprocessing;
use striate_tensor::{DType, Shape, Spec, Tensor};
use striate_zoo::BOX_VALUES;

/// What a model is trained to do, with what turns its outputs into answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum TaskCard {
    /// One class for each image: the outputs are logits.
    #[default]
    Classification,
    /// Any number of labels for each image: the outputs are logits of each.
    MultiLabel {
        /// For each label the probability from which an image has it.
        thresholds: Vec<f32>,
    },
    /// Numbers: the outputs are numbers of mean 0 and standard deviation 1.
    Regression {
        /// The mean of each number over the training images.
        mean: Vec<f32>,
        /// Its standard deviation.
        std: Vec<f32>,
    },
    /// The objects in each image: the outputs are those of [`Places`].
    Detection {
        /// The strides of the network's maps, the finest first.
        strides: Vec<usize>,
        /// Which boxes are kept.
        #[serde(default)]
        suppression: Suppression,
        /// For each class the score from which a box is an object.
        thresholds: Vec<f32>,
    },
    /// A class for each pixel: the outputs are logits of each, `[n, classes, h, w]`.
    Segmentation {
        /// The colour of each class in masks that are drawn.
        palette: Vec<[u8; 3]>,
    },
}

impl TaskCard {
    /// Which task it is.
    pub fn kind(&self) -> TaskKind {
        match self {
            TaskCard::Classification => TaskKind::Classification,
            TaskCard::MultiLabel { .. } => TaskKind::MultiLabel,
            TaskCard::Regression { .. } => TaskKind::Regression,
            TaskCard::Detection { .. } => TaskKind::Detection,
            TaskCard::Segmentation { .. } => TaskKind::Segmentation,
        }
    }

    /// Its name: `classification`, `multi-label`, `regression`, `detection` or `segmentation`.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// What its outputs are called, one of them: `class`, `label`, `number`.
    pub fn output(&self) -> &'static str {
        self.kind().output()
    }

    pub(crate) fn is_classification(&self) -> bool {
        *self == TaskCard::Classification
    }

    /// What the outputs say: the probability of each class, label or class of a pixel, or the numbers in their own units. Those of a detector stay as they are: see
    /// [`TaskCard::detections`].
    pub fn answers(&self, outputs: Tensor) -> Tensor {
        match self {
            TaskCard::Classification | TaskCard::Segmentation { .. } => outputs.softmax(1),
            TaskCard::Detection { .. } => outputs,
            TaskCard::MultiLabel { .. } => outputs.sigmoid(),
            TaskCard::Regression { mean, std } => {
                let row = |values: &Vec<f32>| Tensor::from_vec(values.clone(), [1, values.len()]);
                outputs * &row(std) + &row(mean)
            }
        }
    }

    /// What a detector's outputs say of each of some images of `[height, width]`: the objects, in pixels of what the network sees, those of the highest scores first.
    ///
    /// # Panics
    /// If it is of another task, or the outputs are not those of such images.
    pub fn detections(&self, outputs: &Tensor, size: [usize; 2]) -> Vec<Vec<Detection>> {
        let (strides, suppression) = self.detector();
        detections(outputs, &Places::new(size, strides), suppression)
    }

    /// The same of images that were prepared this way, before boxes suppress each other.
    pub(crate) fn candidates(&self, outputs: &Tensor, preprocessing: &Preprocessing) -> Vec<Vec<Detection>> {
        let (strides, suppression) = self.detector();
        let [_, height, width] = preprocessing.output_shape();
        candidates(outputs, &Places::new([height, width], strides), suppression.score_threshold)
    }

    /// The strides of its maps, and which boxes are kept.
    pub(crate) fn detector(&self) -> (&[usize], &Suppression) {
        match self {
            TaskCard::Detection { strides, suppression, .. } => (strides, suppression),
            other => panic!("TaskCard::detections: the task is {}", other.name()),
        }
    }

    /// The score from which a box of a class is an object; 0 of other tasks.
    pub fn threshold(&self, class: usize) -> f32 {
        match self {
            TaskCard::Detection { thresholds, .. } => thresholds[class],
            _ => 0.0,
        }
    }

    /// Shape and type of the outputs for `n` images of shape `[c, h, w]`.
    pub(crate) fn outputs(&self, n: usize, classes: usize, [_, h, w]: [usize; 3]) -> Spec {
        let shape: Shape = match self {
            TaskCard::Classification | TaskCard::MultiLabel { .. } | TaskCard::Regression { .. } => [n, classes].into(),
            TaskCard::Detection { strides, .. } => {
                [n, Places::new([h, w], strides).all().len(), classes + BOX_VALUES].into()
            }
            TaskCard::Segmentation { .. } => [n, classes, h, w].into(),
        };
        Spec::new(shape, DType::F32)
    }

    /// Whether it fits a network of this many outputs; if not, why.
    pub(crate) fn check(&self, outputs: usize) -> Result<(), String> {
        let all_positive = |values: &[f32]| values.iter().all(|x| *x > 0.0 && x.is_finite());
        let fits = match self {
            TaskCard::Classification => true,
            TaskCard::MultiLabel { thresholds } => {
                thresholds.len() == outputs && thresholds.iter().all(|t| t.is_finite())
            }
            TaskCard::Detection { strides, suppression, thresholds } => {
                let positive = strides.iter().all(|&stride| (1..=1 << 16).contains(&stride));
                let chosen = thresholds.len() == outputs && thresholds.iter().all(|t| t.is_finite());
                !strides.is_empty() && positive && chosen && (0.0..1.0).contains(&suppression.score_threshold)
            }
            TaskCard::Segmentation { palette } => palette.len() == outputs,
            TaskCard::Regression { mean, std } => {
                let finite = mean.iter().all(|x| x.is_finite());
                mean.len() == outputs && std.len() == outputs && finite && all_positive(std)
            }
        };
        if fits {
            Ok(())
        } else {
            Err(format!("damaged metadata: the task {} does not fit {outputs} outputs", self.name()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_become_answers() {
        let outputs = || Tensor::from_vec(vec![0.0f32, 1.0, -1.0, 2.0], [2, 2]);
        let scale = TaskCard::Regression { mean: vec![10.0, 0.5], std: vec![2.0, 1.0] };
        assert_eq!(scale.answers(outputs()).to_vec::<f32>(), [10.0, 1.5, 8.0, 2.5]);
        let labels = TaskCard::MultiLabel { thresholds: vec![0.5; 2] }.answers(outputs()).to_vec::<f32>();
        assert_eq!(labels[0], 0.5);
        let classes = TaskCard::Classification.answers(outputs()).to_vec::<f32>();
        assert!((classes[0] + classes[1] - 1.0).abs() < 1e-6);
        assert!(scale.check(2).is_ok() && scale.check(3).is_err());
        assert!(TaskCard::Regression { mean: vec![0.0], std: vec![0.0] }.check(1).is_err());
    }
}
