//! A convolution and what follows it in inference.

use super::{Conv2dOptions, Unary, as_clamp};

/// A convolution with its epilogue: a residual, an activation and a max pooling, in this order, each if there is one. Operands: `x`, `weight`; `bias` if there
/// is one; the residual, which has the convolution's shape. It belongs to inference: there is no gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FusedConv2d {
    /// Stride, padding, dilation, groups.
    pub options: Conv2dOptions,
    /// Whether max(x, 0) stands for x.
    pub input_relu: bool,
    /// Whether there is a bias.
    pub bias: bool,
    /// Whether a residual is added.
    pub residual: bool,
    /// The activation after that.
    pub activation: Option<Unary>,
    /// Whether the largest of each 2×2 elements is taken then. It follows no residual.
    pub max_pool2: bool,
}

impl FusedConv2d {
    /// Without an epilogue.
    pub fn new(options: Conv2dOptions, input_relu: bool, bias: bool) -> FusedConv2d {
        FusedConv2d { options, input_relu, bias, residual: false, activation: None, max_pool2: false }
    }

    /// How many operands it takes.
    pub fn operands(&self) -> usize {
        2 + usize::from(self.bias) + usize::from(self.residual)
    }

    /// Whether a residual may come next.
    pub fn takes_residual(&self) -> bool {
        !self.residual && self.takes_activation()
    }

    /// Whether an activation may come next.
    pub fn takes_activation(&self) -> bool {
        self.activation.is_none() && !self.max_pool2
    }

    /// Whether a max pooling of 2×2 may come next.
    pub fn takes_max_pool2(&self) -> bool {
        // Of a function that grows with its input the maximum is that of the inputs' maximum.
        let grows = self.activation.is_none_or(|f| as_clamp(f).is_some());
        !self.residual && !self.max_pool2 && grows
    }
}

/// What each convolution of a chain takes beside the result of the one before.
pub(crate) fn operands_of_chain<'a, T>(chain: &[FusedConv2d], operands: &'a [T]) -> Vec<&'a [T]> {
    let mut rest = &operands[1..];
    let part = |f: &FusedConv2d| rest.split_off(..f.operands() - 1).expect("as many as were checked");
    chain.iter().map(part).collect()
}

/// How many operands a chain takes.
pub(crate) fn count_of_chain(chain: &[FusedConv2d]) -> usize {
    1 + chain.iter().map(|f| f.operands() - 1).sum::<usize>()
}
