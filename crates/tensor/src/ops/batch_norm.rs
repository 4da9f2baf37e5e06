//! Batch normalization.

use super::hints;
use crate::array::Array;
use crate::autograd::{Node, is_watched, record};
use crate::backend::{Clamp, Place, Statistics};
use crate::lazy::{Conv, Lazy, Norm, Pending};
use crate::shape::Shape;
use crate::tensor::Tensor;
use std::sync::Arc;

/// A batch normalized by its own statistics.
pub struct BatchNorm {
    /// The normalized batch.
    pub output: Tensor,
    /// The mean of each channel. No gradient flows through it.
    pub mean: Tensor,
    /// The biased variance of each channel. No gradient flows through it.
    pub var: Tensor,
}

const OP: &str = "batch_norm";

type Affine = (Option<Array>, Option<Arc<Node>>);

fn affine(t: Option<&Tensor>) -> Affine {
    t.map_or((None, None), |t| (Some(t.array().clone()), t.node.clone()))
}

/// Whether a normalization of these may wait for an activation to join it.
fn may_wait(arrays: &[&Array]) -> bool {
    arrays.iter().all(|a| matches!(a.place(), Place::Cpu)) && !is_watched()
}

/// The result of a normalization, recorded for the nodes of the input and the weights.
fn normalized(norm: Norm, nodes: [Option<Arc<Node>>; 3]) -> Tensor {
    let saved = nodes.iter().any(Option::is_some).then(|| norm.clone());
    let waits = may_wait(&[&norm.x, &norm.statistics.mean]);
    // What the record needs to know of the result is its shape.
    let result = if waits { norm.x.clone() } else { norm.clone().compute() };
    let recorded = record(OP, result, nodes, move |_| {
        move |g: Array, [wx, ww, wb]| {
            let Norm { x, statistics, clamp, own } = saved.expect("kept when a gradient is wanted");
            let [to_x, to_w, to_b] = g.place().batch_norm_grad(g, x, statistics, clamp, own);
            [wx.then_some(to_x), ww.then_some(to_w), wb.then_some(to_b)]
        }
    });
    if waits { Tensor { array: Lazy::Waiting(Pending::norm(norm)), ..recorded } } else { recorded }
}

impl Tensor {
    /// Clamps the result of a normalization or convolution in the same pass, if this is one that nobody has read yet, and says whether it did.
    /// NaN is a bound that nothing reaches.
    pub(crate) fn clamp_with(mut self, clamp: Clamp) -> (Tensor, bool) {
        if self.node.is_none()
            && let Some(conv) = self.array.take_conv(|conv| conv.clamp.is_none())
        {
            let pending = Pending::conv(Conv { clamp: Some(clamp), ..conv }, self.array.shape());
            return (Tensor { array: Lazy::Waiting(pending), node: None }, true);
        }
        // Whoever else holds the record asks for the gradient of the normalization alone.
        if self.node.as_mut().is_some_and(|n| n.op != OP || Arc::get_mut(n).is_none()) {
            return (self, false);
        }
        let Some(norm) = self.array.take_norm() else { return (self, false) };
        let nodes = self.node.as_mut().and_then(Arc::get_mut).map(Node::take_inputs).unwrap_or_default();
        let nodes = nodes.try_into().unwrap_or([const { None }; 3]);
        (normalized(Norm { clamp: Some(clamp), ..norm }, nodes), true)
    }

    fn out_of_image(self, shape: Shape) -> Tensor {
        if shape.rank() == 4 { self } else { self.reshape(shape) }
    }

    fn check_batch_norm(&self, per_channel: &[Option<&Tensor>]) {
        let x = self.shape_value();
        assert!(x.rank() >= 2, "batch_norm: the input must be [n, c, ..], got {x}");
        for t in per_channel.iter().flatten() {
            self.same_dtype("batch_norm", t);
            assert!(
                t.shape() == [x[1]],
                "batch_norm: got an input of shape {x} and statistics or weights of shape {}, for each channel one{}",
                t.array.shape,
                hints::channels(x, t.numel())
            );
        }
    }

    /// Channels last: `[n, c, h, w]` is in memory `[n·h·w, c]`, which is what the statistics run over.
    pub(crate) fn into_image(self) -> Tensor {
        let s = self.shape_value();
        let rest = s[2..].iter().product::<usize>();
        if s.rank() == 4 { self } else { self.reshape([s[0], s[1], rest, 1]) }
    }

    /// Normalizes each channel (dimension 1) to mean 0 and variance 1 over the batch, then scales by `weight` and shifts
    /// by `bias`, both `[c]` (`torch.nn.functional.batch_norm` with `training=True`).
    ///
    /// # Panics
    /// If shapes do not fit, types differ, or there is only one value per channel.
    pub fn batch_norm(self, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> BatchNorm {
        self.check_batch_norm(&[weight, bias]);
        let shape = self.array.shape;
        let per_channel = shape.numel().checked_div(shape[1]).unwrap_or(0);
        assert!(
            per_channel > 1,
            "batch_norm: needs more than one value per channel in training, got shape {shape}; a batch of one sample has no variance: use a larger one"
        );
        let (x, xn) = self.into_image().into_parts();
        let ((w, wn), (b, bn)) = (affine(weight), affine(bias));
        let [mean, var] = x.place().batch_norm_stats(&x);
        let (seen_mean, seen_var) = (Tensor::from(mean.clone()), Tensor::from(var.clone()));
        let statistics = Statistics { mean, var, weight: w, bias: b, eps };
        let output = normalized(Norm { x, statistics, clamp: None, own: true }, [xn, wn, bn]).out_of_image(shape);
        BatchNorm { output, mean: seen_mean, var: seen_var }
    }

    /// As [`Tensor::batch_norm`], by the statistics given (`training=False`).
    ///
    /// # Panics
    /// If shapes do not fit or types differ.
    pub fn batch_norm_fixed(
        self,
        mean: &Tensor,
        var: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Tensor {
        self.check_batch_norm(&[Some(mean), Some(var), weight, bias]);
        let shape = self.shape_value();
        let ((w, wn), (b, bn)) = (affine(weight), affine(bias));
        let (mean, var) = (mean.array().clone(), var.array().clone());
        let statistics = Statistics { mean, var, weight: w, bias: b, eps };
        let constant = self.node.is_none() && wn.is_none() && bn.is_none();
        let mut this = self;
        if constant
            && shape.rank() == 4
            && may_wait(&[&statistics.mean, &statistics.var])
            && let Some(conv) = this.array.take_conv(|conv| conv.norm.is_none() && conv.clamp.is_none())
        {
            let pending = Pending::conv(Conv { norm: Some(statistics), ..conv }, shape);
            return Tensor { array: Lazy::Waiting(pending), node: None };
        }
        let (x, xn) = this.into_image().into_parts();
        let norm = Norm { x, statistics, clamp: None, own: false };
        normalized(norm, [xn, wn, bn]).out_of_image(shape)
    }
}
