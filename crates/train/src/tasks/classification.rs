//! [`Classification`].

use crate::metrics::{ClassificationMetrics, Detail};
use crate::plots;
use crate::task::Task;
use striate_data::Batch;
use striate_model::TaskCard;
use striate_nn::{CrossEntropyLoss, FocalLoss, Forward};
use striate_tensor::Tensor;

/// One class for each image, by cross-entropy.
#[derive(Clone, Debug)]
pub struct Classification {
    classes: usize,
    label_smoothing: f64,
    focal: Option<f64>,
    class_weights: Option<Tensor>,
}

impl Classification {
    /// Of this many classes.
    pub fn new(classes: usize) -> Self {
        Classification { classes, label_smoothing: 0.0, focal: None, class_weights: None }
    }

    /// With this fraction of each target spread over all classes in training (Szegedy et al., 2016).
    pub fn label_smoothing(self, fraction: f64) -> Self {
        Classification { label_smoothing: fraction, ..self }
    }

    /// Trained on the focal loss of this gamma in the place of cross-entropy (Lin et al., 2017). It takes neither smoothed nor soft labels.
    pub fn focal(self, gamma: f64) -> Self {
        Classification { focal: Some(gamma), ..self }
    }

    /// With a weight for each class in the training loss.
    pub fn class_weights(self, weights: Tensor) -> Self {
        Classification { class_weights: Some(weights), ..self }
    }

    /// The class with the largest score, for each sample.
    pub fn predicted(output: &Tensor) -> Vec<usize> {
        output.argmax(1, false).to_vec::<i64>().into_iter().map(|c| c as usize).collect()
    }
}

impl<N: Forward> Task<N> for Classification {
    of_images!(N);
    type Metrics = ClassificationMetrics;

    fn name(&self) -> &str {
        TaskCard::Classification.name()
    }
    fn loss(&self, output: Tensor, batch: &Batch) -> Tensor {
        CrossEntropyLoss::new().forward(output, &batch.targets)
    }
    fn train_loss(&self, output: Tensor, batch: &Batch) -> Tensor {
        if let Some(gamma) = self.focal {
            let mut loss = FocalLoss::new().gamma(gamma);
            loss.weight = self.class_weights.clone();
            return loss.forward(output, &batch.targets);
        }
        let mut loss = CrossEntropyLoss::new().label_smoothing(self.label_smoothing);
        if let Some(weights) = &self.class_weights {
            loss = loss.weight(weights.clone());
        }
        loss.forward(output, batch.soft_labels.as_ref().unwrap_or(&batch.targets))
    }
    fn metrics(&self, detail: Detail) -> ClassificationMetrics {
        ClassificationMetrics::new(self.classes, detail)
    }
    fn measure(&self, output: &Tensor, batch: &Batch, metrics: &mut ClassificationMetrics) {
        metrics.add(&output.to_vec(), self.classes, &batch.targets.to_vec());
    }
    fn monitor(&self) -> &str {
        "accuracy"
    }
    fn picture(&self, metrics: &ClassificationMetrics, outputs: &[String]) -> Option<(&'static str, String)> {
        let counts = metrics.confusion()?.counts();
        let numbers = || (0..counts.len()).map(|class| class.to_string()).collect();
        let names = if outputs.len() == counts.len() { outputs.to_vec() } else { numbers() };
        Some(("confusion.svg", plots::confusion(counts, &names)))
    }
}
