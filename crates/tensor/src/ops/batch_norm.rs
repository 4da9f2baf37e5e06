//! Batch normalization.

use super::hints;
use crate::array::Array;
use crate::autograd::{Node, is_watched, record};
use crate::backend::{Binary, Clamp, Place, Statistics};
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

/// The result of a normalization, recorded for the nodes of the input, the weights and what is added.
fn normalized(norm: Norm, nodes: [Option<Arc<Node>>; 4]) -> Tensor {
    let saved = nodes.iter().any(Option::is_some).then(|| Norm { added: None, ..norm.clone() });
    // Where a sum was clamped only the result tells.
    let clamped_sum = norm.added.is_some() && norm.clamp.is_some();
    let waits = may_wait(&[&norm.x, &norm.statistics.mean]) && !clamped_sum;
    // What the record needs to know of the result that waits is its shape.
    let result = if waits { norm.x.clone() } else { norm.clone().compute() };
    let recorded = record(OP, result, nodes, move |y| {
        let output = clamped_sum.then(|| y.clone());
        move |mut g: Array, [wx, ww, wb, wa]| {
            let Norm { x, statistics, mut clamp, own, .. } = saved.expect("kept when a gradient is wanted");
            if let Some(y) = output {
                g = y.binary(Binary::ReluGrad, g);
                clamp = None;
            }
            let to_added = wa.then(|| g.clone());
            if !(wx || ww || wb) {
                return [None, None, None, to_added];
            }
            let [to_x, to_w, to_b] = g.place().batch_norm_grad(g, x, statistics, clamp, own);
            [wx.then_some(to_x), ww.then_some(to_w), wb.then_some(to_b), to_added]
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
        // The gradient of a sum finds by the result where it was clamped, which takes a bound of 0 and no other.
        let relu = clamp[0] == 0.0 && clamp[1].is_nan();
        match self.take_norm(|norm| norm.clamp.is_none() && (norm.added.is_none() || relu)) {
            Some((norm, nodes)) => (normalized(Norm { clamp: Some(clamp), ..norm }, nodes), true),
            None => (self, false),
        }
    }

    /// This plus `other`, if this is the result of a normalization that nobody has read yet and both have one shape and place: then the sum
    /// takes no pass of its own.
    pub(crate) fn add_to_norm(&mut self, other: &Tensor) -> Option<Tensor> {
        if self.shape_value() != other.shape_value() || !other.array.is_here() {
            return None;
        }
        let (norm, [x, weight, bias, _]) = self.take_norm(|norm| norm.clamp.is_none() && norm.added.is_none())?;
        let (added, node) = other.clone().into_parts();
        Some(normalized(Norm { added: Some(added), ..norm }, [x, weight, bias, node]))
    }

    /// A normalization that waits here with the nodes of its record, if both are this tensor's alone and `wanted` says that it is one to take.
    fn take_norm(&mut self, wanted: impl FnOnce(&Norm) -> bool) -> Option<(Norm, [Option<Arc<Node>>; 4])> {
        // Whoever else holds the record asks for the gradient of the normalization alone.
        if self.node.as_mut().is_some_and(|n| n.op != OP || Arc::get_mut(n).is_none()) {
            return None;
        }
        let norm = self.array.take_norm(wanted)?;
        let nodes = self.node.as_mut().and_then(Arc::get_mut).map(Node::take_inputs).unwrap_or_default();
        Some((norm, nodes.try_into().unwrap_or([const { None }; 4])))
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
        let output = normalized(Norm { x, statistics, added: None, clamp: None, own: true }, [xn, wn, bn, None])
            .out_of_image(shape);
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
        let norm = Norm { x, statistics, added: None, clamp: None, own: false };
        normalized(norm, [xn, wn, bn, None]).out_of_image(shape)
    }
}
