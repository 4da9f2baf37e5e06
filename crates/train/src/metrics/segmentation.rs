//! temporary
use super::{Detail, Metric, Metrics};
use serde::{Deserialize, Serialize};
/// T
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentationMetrics {
    n: usize,
}
impl SegmentationMetrics {
    /// T
    pub fn new(_: usize, _: Detail) -> Self {
        SegmentationMetrics { n: 0 }
    }
    /// T
    pub fn add(&mut self, predicted: &[i64], target: &[i64], size: [usize; 2]) {
        let _ = (predicted, target, size);
        self.n += 1;
    }
    /// T
    pub fn images(&self) -> usize {
        self.n
    }
}
impl Metrics for SegmentationMetrics {
    fn merge(&mut self, o: &Self) {
        self.n += o.n;
    }
    fn finish(&self) -> Vec<Metric> {
        vec![Metric::fraction("mean_iou", 0.5)]
    }
}
