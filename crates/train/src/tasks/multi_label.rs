//! [`MultiLabel`].

use crate::config::TaskKind;
use crate::metrics::{Detail, MultiLabelMetrics};
use crate::plots;
use crate::task::Task;
use serde_json::Value;
use striate_data::Batch;
use striate_nn::{BCEWithLogitsLoss, Forward, SigmoidFocalLoss};
use striate_tensor::Tensor;

/// Any number of labels for each image, each by itself: binary cross-entropy of a logit for each.
#[derive(Clone, Debug)]
pub struct MultiLabel {
    labels: usize,
    label_smoothing: f64,
    focal: Option<f64>,
    pos_weight: Option<Tensor>,
}

/// The name of the thresholds in what [`Task::calibrate`] gives.
pub(crate) const THRESHOLDS: &str = "thresholds";

/// Below 0, the focal loss weighs positive and negative answers alike.
const WITHOUT_ALPHA: f64 = -1.0;

impl MultiLabel {
    /// Of this many labels.
    pub fn new(labels: usize) -> Self {
        MultiLabel { labels, label_smoothing: 0.0, focal: None, pos_weight: None }
    }

    /// With targets drawn by this fraction from 0 and 1 to a half in training.
    pub fn label_smoothing(self, fraction: f64) -> Self {
        MultiLabel { label_smoothing: fraction, ..self }
    }

    /// Trained on the focal loss of this gamma, without its alpha (Lin et al., 2017), in the place of cross-entropy.
    ///
    /// # Panics
    /// If there is a weight for each label: the focal loss has none.
    pub fn focal(self, gamma: f64) -> Self {
        MultiLabel { focal: Some(gamma), ..self }.checked()
    }

    /// With a weight for each label where an image has it, in the training loss.
    ///
    /// # Panics
    /// If that is the focal loss, which has none.
    pub fn pos_weight(self, weights: Tensor) -> Self {
        MultiLabel { pos_weight: Some(weights), ..self }.checked()
    }

    fn checked(self) -> Self {
        assert!(self.focal.is_none() || self.pos_weight.is_none(), "MultiLabel: the focal loss takes no pos_weight");
        self
    }
}

impl<N: Forward> Task<N> for MultiLabel {
    of_images!(N);
    type Metrics = MultiLabelMetrics;

    fn name(&self) -> &str {
        TaskKind::MultiLabel.name()
    }
    fn loss(&self, output: Tensor, batch: &Batch) -> Tensor {
        BCEWithLogitsLoss::new().forward(output, &batch.targets)
    }
    fn train_loss(&self, output: Tensor, batch: &Batch) -> Tensor {
        let mut targets = batch.targets.clone();
        if self.label_smoothing > 0.0 {
            targets = targets * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing;
        }
        if let Some(gamma) = self.focal {
            let mut loss = SigmoidFocalLoss::new();
            (loss.gamma, loss.alpha) = (gamma, WITHOUT_ALPHA);
            return loss.forward(output, &targets);
        }
        let mut loss = BCEWithLogitsLoss::new();
        if let Some(weights) = &self.pos_weight {
            loss = loss.pos_weight(weights.clone());
        }
        loss.forward(output, &targets)
    }
    fn metrics(&self, detail: Detail) -> MultiLabelMetrics {
        MultiLabelMetrics::new(self.labels, detail)
    }
    fn measure(&self, output: &Tensor, batch: &Batch, metrics: &mut MultiLabelMetrics) {
        metrics.add(&output.to_vec::<f32>(), &batch.targets.to_vec::<f32>());
    }
    fn calibrate(&self, metrics: &MultiLabelMetrics) -> Value {
        serde_json::json!({ THRESHOLDS: metrics.best_thresholds() })
    }
    fn monitor(&self) -> &str {
        "mean_average_precision"
    }
    fn picture(&self, metrics: &MultiLabelMetrics, outputs: &[String]) -> Option<(&'static str, String)> {
        let name = |label: usize| outputs.get(label).cloned().unwrap_or_else(|| label.to_string());
        let curves: Vec<_> = (0..self.labels).filter_map(|l| Some((name(l), metrics.ranking(l)?))).collect();
        Some(("precision-recall.svg", plots::precision_recall(&curves)))
    }
}
