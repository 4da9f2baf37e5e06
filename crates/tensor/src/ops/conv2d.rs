//! 2-D convolution (cross-correlation, as everywhere in the field).

use super::joined::apply;
use crate::array::Array;
use crate::autograd::record;
use crate::deferred::Input;
use crate::op::hints;
use crate::op::{Conv2dOptions, Op, Reduce, Spec, ensure, same_dtype};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The size of output dimension `d` (0 for height, 1 for width), or none if the window does not fit.
pub fn out_size(size: usize, kernel: usize, o: &Conv2dOptions, d: usize) -> Option<usize> {
    let window = (kernel - 1) * o.dilation[d] + 1;
    let padded = size + o.padding[d][0] + o.padding[d][1];
    Some(padded.checked_sub(window)? / o.stride[d] + 1)
}

fn check(x: Shape, weight: Shape, bias: Option<Shape>, o: &Conv2dOptions) -> Result<(), String> {
    hints::are_images("conv2d", x)?;
    ensure!(weight.rank() == 4, "conv2d: the weight must be [out, in/groups, kh, kw], got {weight}");
    let g = o.groups;
    ensure!(
        g > 0 && o.stride[0] > 0 && o.stride[1] > 0 && o.dilation[0] > 0 && o.dilation[1] > 0,
        "conv2d: stride, dilation and groups must be at least 1, got {o:?}"
    );
    let channels = weight[1] * g;
    ensure!(
        x[1] == channels,
        "conv2d: got an input of shape {x}, a weight of shape {weight} with groups {g} takes [n, {channels}, h, w]{}",
        hints::channels(x, channels)
    );
    ensure!(
        weight[0].is_multiple_of(g),
        "conv2d: groups {g} must divide the {} output channels of weight {weight}",
        weight[0]
    );
    ensure!(weight[2] > 0 && weight[3] > 0, "conv2d: the kernel is empty: weight of shape {weight}");
    for d in 0..2 {
        ensure!(
            out_size(x[2 + d], weight[2 + d], o, d).is_some(),
            "conv2d: a kernel of {}×{} with dilation {:?} does not fit an input of shape {x} with padding {:?}; add padding, or shrink the images less before it",
            weight[2],
            weight[3],
            o.dilation,
            o.padding
        );
    }
    if let Some(b) = bias {
        ensure!(*b == [weight[0]], "conv2d: the bias must be [{}], got {b}", weight[0]);
    }
    Ok(())
}

/// Shape and type of the result for input, weight and perhaps bias.
pub(crate) fn rule(inputs: &[Spec], o: &Conv2dOptions) -> Result<Spec, String> {
    let (x, weight) = (&inputs[0], &inputs[1]);
    inputs[1..].iter().try_for_each(|t| same_dtype("conv2d", x, t))?;
    hints::is_float("conv2d", x)?;
    check(x.shape, weight.shape, inputs.get(2).map(|b| b.shape), o)?;
    let size = |d: usize| out_size(x.shape[2 + d], weight.shape[2 + d], o, d).expect("checked");
    Ok(x.reshaped([x.shape[0], weight.shape[0], size(0), size(1)]))
}

/// A convolution with its record.
pub(crate) fn conv2d_of(options: Conv2dOptions, input_relu: bool, inputs: Vec<Input>) -> Tensor {
    let op = Op::Conv2d { options, input_relu };
    let (arrays, mut nodes): (Vec<_>, Vec<_>) = inputs.into_iter().map(|x| (x.array, x.node)).unzip();
    nodes.resize(3, None);
    let nodes: [_; 3] = nodes.try_into().unwrap_or_else(|_| unreachable!("input, weight, bias"));
    let (input, weight) = (arrays[0].shape(), arrays[1].shape());
    let wants_x = nodes[0].is_some();
    let saved_x = nodes[1].is_some().then(|| arrays[0].clone());
    let mask = (input_relu && wants_x).then(|| arrays[0].clone());
    let saved_w = wants_x.then(|| arrays[1].clone());
    let y = op.run_all(arrays).swap_remove(0);
    record("conv2d", y, nodes, move |_| {
        move |g: Array, [_, _, to_bias]| {
            let to_b = to_bias.then(|| g.clone().reduce(Reduce::Sum, &[0, 2, 3]).reshape(Shape::from([weight[0]])));
            let by_weight = Op::Conv2dWeightGrad { options, input_relu, weight };
            let to_w = saved_x.map(|x| by_weight.run1([x, g.clone()]));
            let by_input = Op::Conv2dInputGrad { options, input };
            let to_x = saved_w.map(|w| by_input.run_all([g, w].into_iter().chain(mask).collect()).swap_remove(0));
            [to_x, to_w, to_b]
        }
    })
}

impl Tensor {
    /// Convolves `[n, c, h, w]` with `weight [out, c/groups, kh, kw]` and adds `bias [out]`
    /// (`torch.nn.functional.conv2d`). The padding is zeros.
    ///
    /// # Panics
    /// If shapes and options do not fit, or types differ.
    pub fn conv2d(self, weight: &Tensor, bias: Option<&Tensor>, options: &Conv2dOptions) -> Tensor {
        let operands = [Some(self), Some(weight.clone()), bias.cloned()];
        apply(Op::Conv2d { options: *options, input_relu: false }, operands.into_iter().flatten().collect())
    }
}
