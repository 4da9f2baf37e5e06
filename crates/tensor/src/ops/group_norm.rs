//! Normalization within samples: group, layer and instance normalization.

use crate::array::Array;
use crate::autograd::record;
use crate::op::hints;
use crate::op::{Op, Spec, ensure, same_dtype};
use crate::tensor::Tensor;

/// Samples normalized by the statistics of their groups of channels.
pub struct GroupNorm {
    /// The normalized samples.
    pub output: Tensor,
    /// The mean of each group, `[n, groups]`. No gradient flows through it.
    pub mean: Tensor,
    /// The biased variance of each group, `[n, groups]`. No gradient flows through it.
    pub var: Tensor,
}

/// Shapes and types of the results of group normalization.
pub(crate) fn group_norm_rule(inputs: &[Spec], groups: usize) -> Result<Vec<Spec>, String> {
    let x = &inputs[0];
    let shape = x.shape;
    ensure!(shape.rank() >= 2, "group_norm: the input must be [n, c, ..], got {shape}");
    ensure!(
        groups > 0 && shape[1].is_multiple_of(groups),
        "group_norm: {groups} groups do not divide the {} channels of shape {shape}",
        shape[1]
    );
    for t in &inputs[1..] {
        same_dtype("group_norm", x, t)?;
        ensure!(
            *t.shape == [shape[1]],
            "group_norm: an input of shape {shape} takes weights [{}], got {}",
            shape[1],
            t.shape
        );
    }
    hints::is_float("group_norm", x)?;
    let statistics = x.reshaped([shape[0], groups]);
    Ok(vec![*x, statistics, statistics])
}

/// Shapes and types of the results of layer normalization.
pub(crate) fn layer_norm_rule(inputs: &[Spec]) -> Result<Vec<Spec>, String> {
    let (x, normalized_shape) = (&inputs[0], inputs[1].shape);
    let shape = x.shape;
    ensure!(
        normalized_shape.rank() > 0 && shape.ends_with(&normalized_shape),
        "layer_norm: an input of shape {shape} does not end in {normalized_shape} (for channels of an image, which come first, \
         permute before and after)"
    );
    for t in &inputs[1..] {
        same_dtype("layer_norm", x, t)?;
        ensure!(
            t.shape == normalized_shape,
            "layer_norm: the weight and the bias must be {normalized_shape}, got {}",
            t.shape
        );
    }
    hints::is_float("layer_norm", x)?;
    let rows: usize = shape[..shape.rank() - normalized_shape.rank()].iter().product();
    let statistics = x.reshaped([rows, 1]);
    Ok(vec![*x, statistics, statistics])
}

/// A normalization within samples with its record; `gradient` is its gradient.
fn normalized(op: Op, gradient: Op, x: Tensor, weight: Tensor, bias: Tensor) -> GroupNorm {
    let ((x, xn), (w, wn), (b, bn)) = (x.into_parts(), weight.into_parts(), bias.into_parts());
    let saved = (xn.is_some() || wn.is_some() || bn.is_some()).then(|| (x.clone(), w.clone()));
    let [y, mean, var] = op.run_many(vec![x, w, b]);
    let statistics = (Tensor::from(mean.clone()), Tensor::from(var.clone()));
    let output = record(op.name(), y, [xn, wn, bn], move |_| {
        move |g: Array, [wx, ww, wb]| {
            let (x, w) = saved.expect("kept when a gradient is wanted");
            let [to_x, to_w, to_b] = gradient.run_many(vec![g, x, mean, var, w]);
            [wx.then_some(to_x), ww.then_some(to_w), wb.then_some(to_b)]
        }
    });
    GroupNorm { output, mean: statistics.0, var: statistics.1 }
}

impl Tensor {
    /// A weight, or its default, on the device of this tensor.
    fn weight_or(&self, weight: Option<&Tensor>, value: f64, shape: &[usize]) -> Tensor {
        weight.cloned().unwrap_or_else(|| self.array().filled_like(value, shape.into()).into())
    }

    /// Normalizes groups of channels of each sample of `[n, c, ..]` to mean 0 and variance 1, then scales by `weight` and shifts by `bias`,
    /// both `[c]` (`torch.nn.functional.group_norm`; Wu and He, 2018). As many groups as channels make it instance normalization.
    ///
    /// # Panics
    /// If `groups` does not divide the channels, shapes do not fit or types differ.
    pub fn group_norm(self, groups: usize, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> GroupNorm {
        let shape = self.shape_value();
        assert!(shape.rank() >= 2, "group_norm: the input must be [n, c, ..], got {shape}");
        let channels = [shape[1]];
        let (weight, bias) = (self.weight_or(weight, 1.0, &channels), self.weight_or(bias, 0.0, &channels));
        normalized(Op::GroupNorm { groups, eps }, Op::GroupNormGrad { eps }, self, weight, bias)
    }

    /// Normalizes the last dimensions, whose sizes are `normalized_shape`, to mean 0 and variance 1, then scales by `weight` and shifts by
    /// `bias`, both of that shape (`torch.nn.functional.layer_norm`; Ba et al., 2016).
    ///
    /// # Panics
    /// If the tensor does not end in `normalized_shape`, shapes do not fit or types differ.
    pub fn layer_norm(
        self,
        normalized_shape: &[usize],
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Tensor {
        for t in [weight, bias].into_iter().flatten() {
            self.same_dtype("layer_norm", t);
            assert!(
                t.shape() == normalized_shape,
                "layer_norm: the weight and the bias must be {normalized_shape:?}, got {}",
                t.shape_value()
            );
        }
        let weight = self.weight_or(weight, 1.0, normalized_shape);
        let bias = self.weight_or(bias, 0.0, normalized_shape);
        normalized(Op::LayerNorm { eps }, Op::LayerNormGrad { eps }, self, weight, bias).output
    }
}
