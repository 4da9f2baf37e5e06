//! Dropout: layers that leave out elements, channels or whole branches in training.

use crate::module::Forward;
use crate::parameter::LayerId;
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::{Shape, Tensor};

/// Zeroes a fraction `p` of `x`, in units of `shape` broadcast, and scales the rest by 1/(1−p).
fn drop(x: Tensor, p: f64, shape: Shape, layer: &LayerId, pass: &Pass) -> Tensor {
    assert!((0.0..=1.0).contains(&p), "dropout: the probability must be from 0 to 1, got {p}");
    let Some(mut generator) = pass.generator(layer) else { return x };
    let p = pass.dropout_rate(p);
    if p == 0.0 {
        return x;
    }
    let scale = if p == 1.0 { 0.0 } else { 1.0 / (1.0 - p) };
    let mask = Tensor::bernoulli(shape, 1.0 - p, x.dtype(), &mut generator) * scale;
    let mask = mask.to(x.device());
    x * mask
}

/// In training, zeroes each element with probability `p` and scales the others by 1/(1−p) (`torch.nn.Dropout`; Srivastava et al., 2014).
#[derive(Clone, Debug, Module)]
pub struct Dropout {
    /// The probability that an element is zeroed.
    pub p: f64,
    layer: LayerId,
}

impl Dropout {
    /// # Panics
    /// If `p` is not from 0 to 1.
    pub fn new(p: f64) -> Self {
        assert!((0.0..=1.0).contains(&p), "Dropout: the probability must be from 0 to 1, got {p}");
        Dropout { p, layer: LayerId::new() }
    }
}

impl Forward for Dropout {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let shape = x.shape_value();
        drop(x, self.p, shape, &self.layer, pass)
    }
}

/// In training, zeroes whole channels of `[n, c, h, w]` with probability `p` and scales the others by 1/(1−p) (`torch.nn.Dropout2d`;
/// Tompson et al., 2015).
#[derive(Clone, Debug, Module)]
pub struct Dropout2d {
    /// The probability that a channel of a sample is zeroed.
    pub p: f64,
    layer: LayerId,
}

impl Dropout2d {
    /// # Panics
    /// If `p` is not from 0 to 1.
    pub fn new(p: f64) -> Self {
        assert!((0.0..=1.0).contains(&p), "Dropout2d: the probability must be from 0 to 1, got {p}");
        Dropout2d { p, layer: LayerId::new() }
    }
}

impl Forward for Dropout2d {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let s = x.shape_value();
        let hint = match s.rank() {
            2 => "; Dropout takes lists of features",
            3 => "; for a single image add the batch dimension with unsqueeze(0)",
            _ => "",
        };
        assert!(s.rank() == 4, "Dropout2d: the input must be [n, c, h, w], got {s}{hint}");
        drop(x, self.p, Shape::from([s[0], s[1], 1, 1]), &self.layer, pass)
    }
}

/// What [`StochasticDepth`] leaves out at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StochasticDepthMode {
    /// The whole batch.
    Batch,
    /// Each sample by itself.
    #[default]
    Row,
}

/// In training, zeroes a branch with probability `p`, for the whole batch or for each sample, and scales it by 1/(1−p) otherwise
/// (`torchvision.ops.StochasticDepth`; Huang et al., 2016).
#[derive(Clone, Debug, Module)]
pub struct StochasticDepth {
    /// The probability that the branch is left out.
    pub p: f64,
    /// For the whole batch or for each sample.
    #[module(skip)]
    pub mode: StochasticDepthMode,
    layer: LayerId,
}

impl StochasticDepth {
    /// # Panics
    /// If `p` is not from 0 to 1.
    pub fn new(p: f64, mode: StochasticDepthMode) -> Self {
        assert!((0.0..=1.0).contains(&p), "StochasticDepth: the probability must be from 0 to 1, got {p}");
        StochasticDepth { p, mode, layer: LayerId::new() }
    }
}

impl Forward for StochasticDepth {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let s = x.shape_value();
        assert!(s.rank() > 0, "StochasticDepth: the input must be [n, ..], got a scalar");
        let samples = if self.mode == StochasticDepthMode::Row { s[0] } else { 1 };
        let shape = (0..s.rank()).map(|d| if d == 0 { samples } else { 1 }).collect();
        drop(x, self.p, shape, &self.layer, pass)
    }
}
