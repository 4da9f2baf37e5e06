//! Layers without parameters: activations and flatten.

use crate::module::Forward;
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::Tensor;

macro_rules! activation {
    ($name:ident { $($field:ident: $type:ty = $default:expr, $field_doc:literal),* }, $doc:literal, |$this:ident, $x:ident| $body:expr) => {
        #[doc = $doc]
        #[derive(Clone, Debug, Module)]
        pub struct $name {
            $(#[doc = $field_doc] pub $field: $type,)*
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

activation!(ReLU {}, "max(x, 0) (`torch.nn.ReLU`).", |_s, x| x.relu());
activation!(Tanh {}, "The hyperbolic tangent (`torch.nn.Tanh`).", |_s, x| x.tanh());
activation!(Sigmoid {}, "1 / (1 + e⁻ˣ) (`torch.nn.Sigmoid`).", |_s, x| x.sigmoid());
activation!(
    LeakyReLU { negative_slope: f64 = 0.01, "The slope for negative numbers." },
    "x where positive, else a small multiple of it (`torch.nn.LeakyReLU`).",
    |s, x| x.leaky_relu(s.negative_slope)
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
