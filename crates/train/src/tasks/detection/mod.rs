//! [`Detection`].

mod assign;
mod loss;

use super::multi_label::THRESHOLDS;
use crate::config::TaskKind;
use crate::metrics::{Detail, DetectionMetrics, best_f1};
use crate::plots;
use crate::task::Task;
use assign::Truth;
use serde_json::Value;
use striate_data::{Batch, Object};
use striate_model::{Places, Suppression, detections};
use striate_nn::Forward;
use striate_tensor::Tensor;

/// The objects in each image with their boxes, by a network that gives for each place of its maps the logits of the classes, the distances to the edges of a box, and
/// the centerness: see [`Places`].
///
/// Places learn objects by adaptive training sample selection (Zhang et al., ATSS, 2020); the loss is the focal loss of the classes, twice 1 − GIoU of the boxes and the
/// cross-entropy of the centerness.
#[derive(Clone, Debug)]
pub struct Detection {
    classes: usize,
    strides: Vec<usize>,
    suppression: Suppression,
}

impl Detection {
    /// Of this many classes, by a network whose maps have these strides, the finest first.
    pub fn new(classes: usize, strides: &[usize]) -> Self {
        Detection { classes, strides: strides.to_vec(), suppression: Suppression::default() }
    }

    /// With another rule for boxes of one object, where metrics are measured.
    pub fn suppression(self, suppression: Suppression) -> Self {
        Detection { suppression, ..self }
    }

    /// The loss of a network's outputs on a batch.
    pub fn loss_of(&self, output: Tensor, batch: &Batch) -> Tensor {
        let truth = |o: Object| Truth { class: o.class, bbox: o.bbox, ignored: o.crowd || o.difficult };
        let truths: Vec<Vec<Truth>> =
            objects(&batch.targets).into_iter().map(|of| of.into_iter().map(truth).collect()).collect();
        loss::loss(output, &truths, &self.places(batch))
    }

    fn places(&self, batch: &Batch) -> Places {
        Places::new([batch.images.size(2), batch.images.size(3)], &self.strides)
    }
}

/// The objects of each image of a batch: see [`Batch::targets`].
fn objects(targets: &Tensor) -> Vec<Vec<Object>> {
    let (n, rows, values) = (targets.size(0), targets.size(1), targets.size(2));
    let all = targets.to_vec::<f32>();
    let object = |row: &[f32]| {
        let object = Object::new(row[0] as usize, [row[1], row[2], row[3], row[4]]);
        Object { crowd: row[5] == 1.0, difficult: row[5] == 2.0, ..object }
    };
    let of_image = |image: usize| {
        let rows = all[image * rows * values..][..rows * values].chunks_exact(values);
        rows.filter(|row| row[0] >= 0.0).map(object).collect()
    };
    (0..n).map(of_image).collect()
}

impl<N: Forward> Task<N> for Detection {
    of_images!(N);
    type Metrics = DetectionMetrics;

    fn name(&self) -> &str {
        TaskKind::Detection.name()
    }
    fn loss(&self, output: Tensor, batch: &Batch) -> Tensor {
        self.loss_of(output, batch)
    }
    fn metrics(&self, _: Detail) -> DetectionMetrics {
        DetectionMetrics::new(self.classes)
    }
    fn measure(&self, output: &Tensor, batch: &Batch, metrics: &mut DetectionMetrics) {
        let found = detections(output, &self.places(batch), &self.suppression);
        for (found, objects) in found.iter().zip(objects(&batch.targets)) {
            metrics.add(found, &objects);
        }
    }
    fn calibrate(&self, metrics: &DetectionMetrics) -> Value {
        let best = |class: usize| best_f1(&metrics.precision_recall(class)).filter(|p| p.f1 > 0.0).map(|p| p.threshold);
        let thresholds: Vec<Option<f32>> = (0..self.classes).map(best).collect();
        serde_json::json!({ THRESHOLDS: thresholds })
    }
    fn monitor(&self) -> &str {
        "map"
    }
    fn picture(&self, metrics: &DetectionMetrics, outputs: &[String]) -> Option<(&'static str, String)> {
        let name = |class: usize| outputs.get(class).cloned().unwrap_or_else(|| class.to_string());
        let names: Vec<String> = (0..self.classes).map(name).collect();
        let at_half = |class: usize| {
            metrics.class_metrics(class).into_iter().find(|m| m.name == "ap50").map_or(f64::NAN, |m| m.value)
        };
        let points = |class: usize| plots::precision_recall_points(&metrics.precision_recall(class));
        let rated = (0..self.classes).map(|class| (names[class].as_str(), points(class), at_half(class)));
        let rated = rated.filter(|(_, _, ap)| !ap.is_nan()).collect();
        Some(("precision-recall.svg", plots::precision_recall_curves(rated)))
    }
}
