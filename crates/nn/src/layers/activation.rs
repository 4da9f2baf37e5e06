//! Activations and flatten.

use crate::module::Forward;
use crate::parameter::Parameter;
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::{DType, Tensor};

/// How [`GELU`] is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Approximate {
    /// Exactly.
    #[default]
    None,
    /// By a hyperbolic tangent, as the first networks with it did.
    Tanh,
}

macro_rules! activation {
    ($name:ident {}, $doc:literal, |$x:ident| $body:expr) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, Default, Module)]
        pub struct $name;

        impl Forward for $name {
            fn forward(&self, $x: Tensor, _: &Pass) -> Tensor {
                $body
            }
        }
    };
    ($name:ident { $($field:ident: $type:ty = $default:expr, $field_doc:literal),* }, $doc:literal, |$this:ident, $x:ident| $body:expr) => {
        #[doc = $doc]
        #[derive(Clone, Debug, Module)]
        pub struct $name {
            $(#[doc = $field_doc] #[module(skip)] pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $default),* }
            }
        }

        impl Forward for $name {
            fn forward(&self, $x: Tensor, _: &Pass) -> Tensor {
                let $this = self;
                $body
            }
        }
    };
}

/// x where positive, else a learned multiple of it (`torch.nn.PReLU`; He et al., 2015).
#[derive(Debug, Module)]
pub struct PReLU {
    /// The slope for negative numbers: one for all, or one for each channel.
    pub weight: Parameter,
}

impl PReLU {
    /// `num_parameters` slopes (1, or the number of channels) that start as 0.25.
    pub fn new(num_parameters: usize) -> Self {
        PReLU { weight: Parameter::new(Tensor::full(0.25, [num_parameters], DType::F32)) }
    }
}

impl Forward for PReLU {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        pass.observe(self, x.prelu(&self.weight.tensor(pass)))
    }
}

activation!(ReLU {}, "max(x, 0) (`torch.nn.ReLU`).", |x| x.relu());
activation!(Tanh {}, "The hyperbolic tangent (`torch.nn.Tanh`).", |x| x.tanh());
activation!(Sigmoid {}, "1 / (1 + e⁻ˣ) (`torch.nn.Sigmoid`).", |x| x.sigmoid());
activation!(
    LeakyReLU { negative_slope: f64 = 0.01, "The slope for negative numbers." },
    "x where positive, else a small multiple of it (`torch.nn.LeakyReLU`).",
    |s, x| x.leaky_relu(s.negative_slope)
);
activation!(ReLU6 {}, "min(max(x, 0), 6) (`torch.nn.ReLU6`).", |x| x.relu6());
activation!(
    Hardtanh {
        min_val: f64 = -1.0, "The smallest value.",
        max_val: f64 = 1.0, "The largest value."
    },
    "The nearest number from `min_val` to `max_val` (`torch.nn.Hardtanh`).",
    |s, x| x.hardtanh(s.min_val, s.max_val)
);
activation!(
    ELU { alpha: f64 = 1.0, "How far below 0 it goes." },
    "x where positive, else `alpha` · (eˣ − 1) (`torch.nn.ELU`).",
    |s, x| x.elu(s.alpha)
);
activation!(
    GELU { approximate: Approximate = Approximate::None, "Exact, or by a hyperbolic tangent." },
    "x · Φ(x) with the standard normal distribution Φ (`torch.nn.GELU`).",
    |s, x| match s.approximate {
        Approximate::None => x.gelu(),
        Approximate::Tanh => x.gelu_tanh(),
    }
);
activation!(SiLU {}, "x / (1 + e⁻ˣ), also called swish (`torch.nn.SiLU`).", |x| x.silu());
activation!(Hardswish {}, "x · min(max(x + 3, 0), 6) / 6 (`torch.nn.Hardswish`).", |x| x.hardswish());
activation!(Hardsigmoid {}, "min(max(x + 3, 0), 6) / 6 (`torch.nn.Hardsigmoid`).", |x| x.hardsigmoid());
activation!(
    Softplus {
        beta: f64 = 1.0, "How sharp the bend at 0 is.",
        threshold: f64 = 20.0, "Where `beta` · x is above it, x itself."
    },
    "ln(1 + e^(`beta` · x)) / `beta` (`torch.nn.Softplus`).",
    |s, x| x.softplus(s.beta, s.threshold)
);
activation!(Mish {}, "x · tanh(ln(1 + eˣ)) (`torch.nn.Mish`).", |x| x.mish());
activation!(
    Hardshrink { lambd: f64 = 0.5, "What lies from minus this to this becomes 0." },
    "x, but 0 where |x| ≤ `lambd` (`torch.nn.Hardshrink`).",
    |s, x| x.hardshrink(s.lambd)
);
activation!(
    Softshrink { lambd: f64 = 0.5, "How far numbers move towards 0." },
    "x moved towards 0 by `lambd`, but not beyond (`torch.nn.Softshrink`).",
    |s, x| x.softshrink(s.lambd)
);
activation!(
    Softmax { dim: i64 = -1, "The dimension whose elements come to sum 1." },
    "Probabilities from logits (`torch.nn.Softmax`). Losses take logits: do not put it before them.",
    |s, x| x.softmax(s.dim as isize)
);
activation!(
    LogSoftmax { dim: i64 = -1, "The dimension whose elements come to sum 1." },
    "Log-probabilities from logits (`torch.nn.LogSoftmax`).",
    |s, x| x.log_softmax(s.dim as isize)
);
activation!(
    Flatten {
        start_dim: i64 = 1, "The first dimension that is joined.",
        end_dim: i64 = -1, "The last one."
    },
    "Several dimensions as one (`torch.nn.Flatten`).",
    |s, x| x.flatten(s.start_dim as isize, s.end_dim as isize)
);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(layer: impl Forward, f: fn(Tensor) -> Tensor) {
        let x = Tensor::from_vec(vec![-7f32, -3.5, -1.0, -0.4, -0.2, 0.0, 0.3, 0.9, 2.0, 6.5], [2, 5]);
        let (got, want) = (layer.forward(x.clone(), &Pass::eval()), f(x));
        assert_eq!((got.shape(), got.to_vec::<f32>()), (want.shape(), want.to_vec::<f32>()));
    }

    #[test]
    fn layers_are_their_functions() {
        same(PReLU::new(1), |x| x.leaky_relu(0.25));
        same(ReLU, Tensor::relu);
        same(Tanh, Tensor::tanh);
        same(Sigmoid, Tensor::sigmoid);
        same(LeakyReLU::default(), |x| x.leaky_relu(0.01));
        same(LeakyReLU { negative_slope: 0.2 }, |x| x.leaky_relu(0.2));
        same(ReLU6, |x| x.hardtanh(0.0, 6.0));
        same(Hardtanh::default(), |x| x.hardtanh(-1.0, 1.0));
        same(Hardtanh { min_val: -0.3, max_val: 2.5 }, |x| x.hardtanh(-0.3, 2.5));
        same(ELU::default(), |x| x.elu(1.0));
        same(ELU { alpha: 0.3 }, |x| x.elu(0.3));
        same(GELU::default(), Tensor::gelu);
        same(GELU { approximate: Approximate::Tanh }, Tensor::gelu_tanh);
        same(SiLU, Tensor::silu);
        same(Hardswish, Tensor::hardswish);
        same(Hardsigmoid, Tensor::hardsigmoid);
        same(Softplus::default(), |x| x.softplus(1.0, 20.0));
        same(Softplus { beta: 3.0, threshold: 2.0 }, |x| x.softplus(3.0, 2.0));
        same(Mish, Tensor::mish);
        same(Hardshrink::default(), |x| x.hardshrink(0.5));
        same(Hardshrink { lambd: 1.5 }, |x| x.hardshrink(1.5));
        same(Softshrink::default(), |x| x.softshrink(0.5));
        same(Softshrink { lambd: 1.5 }, |x| x.softshrink(1.5));
        same(Softmax { dim: 0 }, |x| x.softmax(0));
        same(Softmax::default(), |x| x.softmax(1));
        same(LogSoftmax { dim: 0 }, |x| x.log_softmax(0));
        same(LogSoftmax::default(), |x| x.log_softmax(1));
        same(Flatten { start_dim: 0, end_dim: -1 }, |x| x.reshape([10]));
    }
}
