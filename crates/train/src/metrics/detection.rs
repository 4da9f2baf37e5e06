//! temporary
use super::{Metric, Metrics};
use serde::{Deserialize, Serialize};
/// T
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectionMetrics {
    n: usize,
}
impl DetectionMetrics {
    /// T
    pub fn new(_: usize) -> Self {
        DetectionMetrics { n: 0 }
    }
    /// T
    pub fn add(&mut self, found: &[striate_model::Detection], objects: &[striate_data::Object]) {
        let _ = (found, objects);
        self.n += 1;
    }
    /// T
    pub fn images(&self) -> usize {
        self.n
    }
}
impl Metrics for DetectionMetrics {
    fn merge(&mut self, o: &Self) {
        self.n += o.n;
    }
    fn finish(&self) -> Vec<Metric> {
        vec![Metric::fraction("map", 0.5)]
    }
}
