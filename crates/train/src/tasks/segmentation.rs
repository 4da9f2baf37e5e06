//! [`Segmentation`].

use crate::config::TaskKind;
use crate::metrics::{Detail, SegmentationMetrics};
use crate::plots;
use crate::task::Task;
use serde::{Deserialize, Serialize};
use striate_data::Batch;
use striate_nn::{CrossEntropyLoss, DiceLoss, FocalLoss, Forward, LovaszSoftmaxLoss};
use striate_tensor::Tensor;

/// What a segmentation is trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentationLoss {
    /// The cross-entropy of each pixel.
    #[default]
    CrossEntropy,
    /// 1 − Dice's coefficient, in the mean over the classes (Milletari et al., 2016).
    Dice,
    /// The sum of both.
    CrossEntropyDice,
    /// The Lovász extension of the Jaccard index (Berman et al., 2018).
    Lovasz,
}

impl SegmentationLoss {
    /// All of them.
    pub const ALL: [SegmentationLoss; 4] = [
        SegmentationLoss::CrossEntropy,
        SegmentationLoss::Dice,
        SegmentationLoss::CrossEntropyDice,
        SegmentationLoss::Lovasz,
    ];

    /// Its name, in `config.toml` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            SegmentationLoss::CrossEntropy => "cross-entropy",
            SegmentationLoss::Dice => "dice",
            SegmentationLoss::CrossEntropyDice => "cross-entropy-dice",
            SegmentationLoss::Lovasz => "lovasz",
        }
    }
}

/// The class of each pixel, by a network that gives logits `[n, classes, h, w]`.
#[derive(Clone, Debug)]
pub struct Segmentation {
    classes: usize,
    loss: SegmentationLoss,
    label_smoothing: f64,
    focal: Option<f64>,
    class_weights: Option<Tensor>,
}

impl Segmentation {
    /// Of this many classes, by cross-entropy.
    pub fn new(classes: usize) -> Self {
        let loss = SegmentationLoss::CrossEntropy;
        Segmentation { classes, loss, label_smoothing: 0.0, focal: None, class_weights: None }
    }

    /// Trained on another loss.
    pub fn loss(self, loss: SegmentationLoss) -> Self {
        Segmentation { loss, ..self }
    }

    /// With this fraction of each target spread over all classes in training, where the loss is cross-entropy (Szegedy et al., 2016).
    pub fn label_smoothing(self, fraction: f64) -> Self {
        Segmentation { label_smoothing: fraction, ..self }
    }

    /// With the focal loss of this gamma in the place of cross-entropy (Lin et al., 2017).
    pub fn focal(self, gamma: f64) -> Self {
        Segmentation { focal: Some(gamma), ..self }
    }

    /// With a weight for each class in the cross-entropy or focal loss.
    pub fn class_weights(self, weights: Tensor) -> Self {
        Segmentation { class_weights: Some(weights), ..self }
    }

    fn cross_entropy(&self, output: Tensor, targets: &Tensor) -> Tensor {
        if let Some(gamma) = self.focal {
            let mut loss = FocalLoss::new().gamma(gamma);
            loss.weight = self.class_weights.clone();
            return loss.forward(output, targets);
        }
        let mut loss = CrossEntropyLoss::new().label_smoothing(self.label_smoothing);
        loss.weight = self.class_weights.clone();
        loss.forward(output, targets)
    }
}

impl<N: Forward> Task<N> for Segmentation {
    of_images!(N);
    type Metrics = SegmentationMetrics;

    fn name(&self) -> &str {
        TaskKind::Segmentation.name()
    }
    fn loss(&self, output: Tensor, batch: &Batch) -> Tensor {
        CrossEntropyLoss::new().forward(output, &batch.targets)
    }
    fn train_loss(&self, output: Tensor, batch: &Batch) -> Tensor {
        let targets = &batch.targets;
        match self.loss {
            SegmentationLoss::CrossEntropy => self.cross_entropy(output, targets),
            SegmentationLoss::Dice => DiceLoss::new().forward(output, targets),
            SegmentationLoss::CrossEntropyDice => {
                self.cross_entropy(output.clone(), targets) + DiceLoss::new().forward(output, targets)
            }
            SegmentationLoss::Lovasz => LovaszSoftmaxLoss::new().forward(output, targets),
        }
    }
    fn metrics(&self, detail: Detail) -> SegmentationMetrics {
        SegmentationMetrics::new(self.classes, detail)
    }
    fn measure(&self, output: &Tensor, batch: &Batch, metrics: &mut SegmentationMetrics) {
        let [h, w] = [output.size(2), output.size(3)];
        let predicted = output.argmax(1, false).to_vec::<i64>();
        let targets = batch.targets.to_vec::<i64>();
        for (predicted, target) in predicted.chunks_exact(h * w).zip(targets.chunks_exact(h * w)) {
            metrics.add(predicted, target, [h, w]);
        }
    }
    fn monitor(&self) -> &str {
        "mean_iou"
    }
    fn picture(&self, metrics: &SegmentationMetrics, outputs: &[String]) -> Option<(&'static str, String)> {
        let counts = metrics.confusion().counts();
        let name = |class: usize| outputs.get(class).cloned().unwrap_or_else(|| class.to_string());
        let names: Vec<String> = (0..self.classes).map(name).collect();
        Some(("confusion.svg", plots::confusion(counts, &names)))
    }
}
