//! Batch normalization.

use super::joined::apply;
use crate::array::Array;
use crate::autograd::{record, record_deferred};
use crate::deferred::{Deferred, Input, Value, is_deferred, result_spec};
use crate::node::Node;
use crate::op::hints;
use crate::op::{Binary, Op, Spec, ensure, must, same_dtype};
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

/// Shape and type of the result for input, mean, variance, weight, bias and perhaps residual.
pub(crate) fn rule(inputs: &[Spec], residual: bool) -> Result<Spec, String> {
    let x = &inputs[0];
    check(x, &inputs[1..5])?;
    if residual {
        ensure!(inputs[5] == *x, "{OP}: the residual is {}, the input {x}", inputs[5]);
    }
    Ok(*x)
}

pub(crate) fn check(x: &Spec, per_channel: &[Spec]) -> Result<(), String> {
    ensure!(x.shape.rank() >= 2, "{OP}: the input must be [n, c, ..], got {}", x.shape);
    for t in per_channel {
        same_dtype(OP, x, t)?;
        ensure!(
            *t.shape == [x.shape[1]],
            "{OP}: got an input of shape {} and statistics or weights of shape {}, for each channel one{}",
            x.shape,
            t.shape,
            hints::channels(x.shape, t.shape.numel())
        );
    }
    hints::is_float(OP, x)
}

type Nodes = [Option<Arc<Node>>; 4];
type Gradients = [Option<Array>; 4];

/// A normalization with its record, computed or deferred. The statistics count as constants.
pub(crate) fn batch_norm_of(op: Op, inputs: Vec<Input>) -> Tensor {
    let Op::BatchNorm { eps, training, residual, activation } = op else { unreachable!("a batch normalization") };
    let node = |i: usize| inputs.get(i).and_then(|x: &Input| x.node.clone());
    let nodes: Nodes = [node(0), node(3), node(4), node(5)];
    // Where a sum was clamped only the result tells.
    let by_output = residual && activation.is_some();
    let clamp = activation.filter(|_| !by_output);
    let saved: Option<Vec<Array>> =
        nodes.iter().any(Option::is_some).then(|| inputs[..5].iter().map(|x| x.array.clone()).collect());
    let backward = move |output: Option<Array>| {
        move |mut g: Array, [to_x, to_w, to_b, to_residual]: [bool; 4]| -> Gradients {
            if let Some(y) = output {
                g = y.binary(Binary::ReluGrad, g);
            }
            let residual = to_residual.then(|| g.clone());
            if !(to_x || to_w || to_b) {
                return [None, None, None, residual];
            }
            let saved = saved.expect("kept when a gradient is wanted");
            let by = Op::BatchNormGrad { eps, training, activation: clamp };
            let [x, w, b] = by.run_many([g].into_iter().chain(saved).collect());
            [to_x.then_some(x), to_w.then_some(w), to_b.then_some(b), residual]
        }
    };
    if is_deferred(&op, &inputs) {
        let spec = result_spec(&op, &inputs);
        let node = record_deferred(OP, spec.shape, nodes, backward(None));
        return Tensor { value: Value::Deferred(Deferred::new(op, inputs, spec)), node };
    }
    let y = op.run_all(inputs.into_iter().map(|x| x.array).collect()).swap_remove(0);
    record(OP, y, nodes, move |y| backward(by_output.then(|| y.clone())))
}

impl Tensor {
    fn check_batch_norm(&self, per_channel: &[Option<&Tensor>]) {
        let specs: Vec<Spec> = per_channel.iter().flatten().map(|t| t.spec()).collect();
        must(check(&self.spec(), &specs));
    }

    /// The operands of a normalization; missing weights are ones, missing biases zeros.
    fn batch_norm_by(
        self,
        op: Op,
        mean: Tensor,
        var: Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
    ) -> Tensor {
        let or = |t: Option<&Tensor>, value: f64| t.cloned().unwrap_or_else(|| Tensor::full_like(&mean, value));
        let (weight, bias) = (or(weight, 1.0), or(bias, 0.0));
        apply(op, vec![self, mean.detach(), var.detach(), weight, bias])
    }

    /// Normalizes each channel (dimension 1) to mean 0 and variance 1 over the batch, then scales by `weight` and shifts
    /// by `bias`, both `[c]` (`torch.nn.functional.batch_norm` with `training=True`).
    ///
    /// # Panics
    /// If shapes do not fit, types differ, or there is only one value per channel.
    pub fn batch_norm(self, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> BatchNorm {
        self.check_batch_norm(&[weight, bias]);
        let shape = self.shape_value();
        let per_channel = shape.numel().checked_div(shape[1]).unwrap_or(0);
        assert!(
            per_channel > 1,
            "batch_norm: needs more than one value per channel in training, got shape {shape}; a batch of one sample has no variance: use a larger one"
        );
        let [mean, var] = Op::BatchNormStats.run_many(vec![self.array().clone()]).map(Tensor::from);
        let op = Op::BatchNorm { eps, training: true, residual: false, activation: None };
        let output = self.batch_norm_by(op, mean.clone(), var.clone(), weight, bias);
        BatchNorm { output, mean, var }
    }

    /// As [`Tensor::batch_norm`], by the statistics given (`training=False`).
    ///
    /// # Panics
    /// If shapes do not fit or types differ.
    pub fn batch_norm_inference(
        self,
        mean: &Tensor,
        var: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Tensor {
        self.check_batch_norm(&[Some(mean), Some(var), weight, bias]);
        let op = Op::BatchNorm { eps, training: false, residual: false, activation: None };
        self.batch_norm_by(op, mean.clone(), var.clone(), weight, bias)
    }
}
