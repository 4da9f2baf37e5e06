//! [`Options`]: how explanations are made.

use super::error::ExplainError;
use striate_imaging::Preprocessing;
use striate_tensor::Tensor;

/// What stands for an image that says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// The mean that is subtracted from images: 0 for the network.
    #[default]
    Mean,
    /// Black.
    Black,
    /// White.
    White,
}

impl Baseline {
    /// An image of it as the network takes it: `[1, c, h, w]`.
    pub(crate) fn image(self, preprocessing: &Preprocessing) -> Tensor {
        let [c, h, w] = preprocessing.output_shape();
        let value = |channel: usize| {
            let (mean, std) = (preprocessing.mean[channel], preprocessing.std[channel]);
            match self {
                Baseline::Mean => 0.0,
                Baseline::Black => -mean / std,
                Baseline::White => (1.0 - mean) / std,
            }
        };
        Tensor::from_vec((0..c).flat_map(|channel| vec![value(channel); h * w]).collect(), [1, c, h, w])
    }
}

/// How explanations are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The layer that the methods named CAM explain by; none: the last one whose output is a map, see [`super::Explainer::default_layer`].
    pub layer: Option<String>,
    /// The number of the class, label or output; none: the predicted class, the first number of a regression.
    pub class: Option<usize>,
    /// Detection: which of the objects that are found, from 0 for the one of the highest score.
    pub object: usize,
    /// What integrated gradients and DeepLIFT start from, and what occlusion covers with.
    pub baseline: Baseline,
    /// Integrated gradients: the steps that are taken at first. They are doubled until the attributions are complete.
    pub steps: usize,
    /// Integrated gradients: the most steps.
    pub max_steps: usize,
    /// Integrated gradients: how far the sum of the attributions may be from the difference of the outputs, as a fraction of it.
    pub tolerance: f64,
    /// SmoothGrad and gradient SHAP: how many random points.
    pub samples: usize,
    /// SmoothGrad: the standard deviation of the noise, as a fraction of the range of the image's numbers.
    pub noise: f64,
    /// Occlusion: the side of the square; none: a seventh of the image's shorter side.
    pub window: Option<usize>,
    /// Occlusion: how far the square is moved each time; none: half its side.
    pub stride: Option<usize>,
    /// What all random numbers come from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            layer: None,
            class: None,
            object: 0,
            baseline: Baseline::Mean,
            steps: 32,
            max_steps: 256,
            tolerance: 0.01,
            samples: 32,
            noise: 0.15,
            window: None,
            stride: None,
            seed: 0,
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), ExplainError> {
        let refuse = |reason: &str| Err(ExplainError::Option(reason.to_string()));
        match self {
            _ if self.steps == 0 || self.max_steps < self.steps => {
                refuse("steps must be at least 1, and max_steps no less")
            }
            _ if self.max_steps > 1 << 16 => refuse("max_steps must be at most 65536"),
            _ if self.tolerance.is_nan() || self.tolerance <= 0.0 => refuse("tolerance must be above 0"),
            _ if self.samples == 0 => refuse("samples must be at least 1"),
            _ if !(self.noise >= 0.0 && self.noise.is_finite()) => refuse("noise must be a number from 0"),
            _ if self.window == Some(0) || self.stride == Some(0) => refuse("window and stride must be at least 1"),
            _ => Ok(()),
        }
    }
}
