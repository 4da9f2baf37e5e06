//! Squeeze-and-excitation.

use crate::layers::activation::{ReLU, Sigmoid};
use crate::layers::conv2d::Conv2d;
use crate::module::Forward;
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::{Generator, Tensor};

/// Scales each channel by what a small network makes of the means of all channels (`torchvision.ops.SqueezeExcitation`, whose parameter names
/// it has; Hu, Shen and Sun, 2018).
#[derive(Module)]
pub struct SqueezeExcitation {
    /// From the channels to fewer.
    pub fc1: Conv2d,
    /// And back.
    pub fc2: Conv2d,
    /// Between the two.
    pub activation: Box<dyn Forward>,
    /// After them: what turns numbers into scales.
    pub scale_activation: Box<dyn Forward>,
}

impl SqueezeExcitation {
    /// With [`ReLU`] between and [`Sigmoid`] after; PyTorch's default initial values.
    pub fn new(input_channels: usize, squeeze_channels: usize, rng: &mut Generator) -> Self {
        SqueezeExcitation {
            fc1: Conv2d::new(input_channels, squeeze_channels, 1, rng),
            fc2: Conv2d::new(squeeze_channels, input_channels, 1, rng),
            activation: Box::new(ReLU),
            scale_activation: Box::new(Sigmoid),
        }
    }

    /// With other functions, such as SiLU and Sigmoid (EfficientNet) or ReLU and Hardsigmoid (MobileNetV3).
    pub fn activations(mut self, between: impl Forward + 'static, after: impl Forward + 'static) -> Self {
        self.activation = Box::new(between);
        self.scale_activation = Box::new(after);
        self
    }
}

impl Forward for SqueezeExcitation {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let means = x.clone().adaptive_avg_pool2d([1, 1]);
        let squeezed = self.activation.forward(self.fc1.forward(means, pass), pass);
        let scale = self.scale_activation.forward(self.fc2.forward(squeezed, pass), pass);
        pass.observe(self, x * scale)
    }
}
