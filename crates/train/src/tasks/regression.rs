//! [`Regression`].

use crate::config::TaskKind;
use crate::metrics::{Detail, RegressionMetrics};
use crate::plots;
use crate::task::Task;
use striate_data::Batch;
use striate_nn::{Forward, SmoothL1Loss};
use striate_tensor::Tensor;

/// Numbers for each image, by the smooth L1 loss. The network learns them less their mean and by their standard deviation, so that those of any unit are
/// learnt alike; metrics are in their own unit.
#[derive(Clone, Debug)]
pub struct Regression {
    names: Vec<String>,
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Regression {
    /// Of numbers of these names, which have a mean near 0 and a deviation near 1.
    pub fn new(names: Vec<String>) -> Self {
        let (mean, std) = (vec![0.0; names.len()], vec![1.0; names.len()]);
        Regression { names, mean, std }
    }

    /// Of numbers of this mean and this standard deviation.
    ///
    /// # Panics
    /// If there is not one of each for each number.
    pub fn scale(self, mean: Vec<f32>, std: Vec<f32>) -> Self {
        let n = self.names.len();
        assert!(mean.len() == n && std.len() == n, "Regression::scale: {n} numbers have a mean and a deviation each");
        Regression { mean, std, ..self }
    }

    /// Numbers in their own unit as the network learns them.
    fn scaled(&self, targets: &Tensor) -> Tensor {
        (targets.clone() - &row(&self.mean)) / &row(&self.std)
    }

    /// The loss of outputs against numbers in their own unit.
    pub(crate) fn smooth_l1(&self, output: Tensor, targets: &Tensor) -> Tensor {
        SmoothL1Loss::default().forward(output, &self.scaled(targets))
    }
}

fn row(values: &[f32]) -> Tensor {
    Tensor::from_vec(values.to_vec(), [1, values.len()])
}

impl<N: Forward> Task<N> for Regression {
    of_images!(N);
    type Metrics = RegressionMetrics;

    fn name(&self) -> &str {
        TaskKind::Regression.name()
    }
    fn loss(&self, output: Tensor, batch: &Batch) -> Tensor {
        self.smooth_l1(output, &batch.targets)
    }
    fn metrics(&self, detail: Detail) -> RegressionMetrics {
        let metrics = RegressionMetrics::new(self.names.clone());
        if detail == Detail::Running { metrics } else { metrics.keep_pairs() }
    }
    fn measure(&self, output: &Tensor, batch: &Batch, metrics: &mut RegressionMetrics) {
        let numbers = output.detach() * &row(&self.std) + &row(&self.mean);
        metrics.add(&numbers.to_vec::<f32>(), &batch.targets.to_vec::<f32>());
    }
    fn monitor(&self) -> &str {
        "mae"
    }
    fn picture(&self, metrics: &RegressionMetrics, _: &[String]) -> Option<(&'static str, String)> {
        Some(("scatter.svg", plots::scatters(&metrics.pairs().collect::<Vec<_>>())))
    }
}
