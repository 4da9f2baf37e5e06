//! Transposed convolution: the gradient of a convolution with respect to its input, as a layer of its own.

use crate::array::Array;
use crate::autograd::record;
use crate::op::hints;
use crate::op::{Conv2dOptions, ConvTranspose2dOptions, Op, Reduce, Spec, ensure, must, same_dtype};
use crate::ops::conv1d::as_image;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The settings of a 1-D transposed convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTranspose1dOptions {
    /// Steps between the places that neighbouring inputs are spread around.
    pub stride: usize,
    /// Cut off from both sides of the output.
    pub padding: usize,
    /// Added to the output's end.
    pub output_padding: usize,
    /// Distance between the elements of a window.
    pub dilation: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Default for ConvTranspose1dOptions {
    fn default() -> Self {
        ConvTranspose1dOptions { stride: 1, padding: 0, output_padding: 0, dilation: 1, groups: 1 }
    }
}

/// The size of output dimension `d` (0 for height, 1 for width), or none if nothing is left: (size − 1) · stride − 2 · padding + dilation · (kernel − 1) + output padding + 1.
pub fn out_size(size: usize, kernel: usize, o: &ConvTranspose2dOptions, d: usize) -> Option<usize> {
    let full = size.checked_sub(1)? * o.stride[d] + o.dilation[d] * (kernel - 1) + 1 + o.output_padding[d];
    full.checked_sub(2 * o.padding[d]).filter(|&n| n > 0)
}

fn check(op: &str, x: Shape, weight: Shape, bias: Option<Shape>, o: &ConvTranspose2dOptions) -> Result<Shape, String> {
    hints::are_images(op, x)?;
    ensure!(weight.rank() == 4, "{op}: the weight must be [in, out/groups, kh, kw], got {weight}");
    ensure!(
        o.groups > 0 && o.stride.iter().chain(&o.dilation).all(|&n| n > 0) && weight[2] > 0 && weight[3] > 0,
        "{op}: kernel size, stride, dilation and groups must be at least 1, got a weight of shape {weight} and {o:?}"
    );
    ensure!(
        weight[0] == x[1] && x[1].is_multiple_of(o.groups),
        "{op}: got an input of shape {x}; a weight of shape {weight} with groups {} takes [n, {}, h, w] (the weight is [in, \
         out/groups, kh, kw], the other way round than a convolution's)",
        o.groups,
        weight[0]
    );
    let out = weight[1] * o.groups;
    if let Some(b) = bias {
        ensure!(*b == [out], "{op}: the bias must be [{out}], got {b}");
    }
    let size = |d: usize| {
        ensure!(
            o.output_padding[d] < o.stride[d].max(o.dilation[d]),
            "{op}: output padding {:?} must be smaller than stride {:?} or dilation {:?}",
            o.output_padding,
            o.stride,
            o.dilation
        );
        out_size(x[2 + d], weight[2 + d], o, d).ok_or_else(|| {
            format!(
                "{op}: padding {:?} leaves nothing of the output of an input of shape {x} and a kernel of {}×{}",
                o.padding, weight[2], weight[3]
            )
        })
    };
    Ok(Shape::from([x[0], out, size(0)?, size(1)?]))
}

/// Shape and type of the result for input, weight and perhaps bias.
pub(crate) fn rule(op: &str, inputs: &[Spec], o: &ConvTranspose2dOptions) -> Result<Spec, String> {
    let (x, weight) = (&inputs[0], &inputs[1]);
    inputs[1..].iter().try_for_each(|t| same_dtype(op, x, t))?;
    hints::is_float(op, x)?;
    Ok(x.reshaped(check(op, x.shape, weight.shape, inputs.get(2).map(|b| b.shape), o)?))
}

/// The convolution whose input gradient is wanted, with an output of exactly the size of `x`, and how much of the output's end no
/// window of it reaches.
pub(crate) fn convolution(o: &ConvTranspose2dOptions) -> (Conv2dOptions, [usize; 2]) {
    let mut conv = Conv2dOptions { stride: o.stride, dilation: o.dilation, groups: o.groups, ..Default::default() };
    let mut beyond = [0; 2];
    for d in 0..2 {
        // The rest of a division by the stride hides an output padding that is smaller.
        let (padding, extra) = (o.padding[d], o.output_padding[d]);
        let after = if extra < o.stride[d] { padding } else { padding.saturating_sub(extra) };
        let rest = extra.saturating_sub(padding - after);
        conv.padding[d] = [padding, after];
        beyond[d] = if rest < o.stride[d] { 0 } else { rest };
    }
    (conv, beyond)
}

impl Tensor {
    /// The transposed convolution of `[n, in, h, w]` by `weight [in, out/groups, kh, kw]`, plus `bias [out]`
    /// (`torch.nn.functional.conv_transpose2d`). The output has (size − 1) · stride − 2 · padding + dilation · (kernel − 1) +
    /// output padding + 1 pixels a dimension.
    ///
    /// # Panics
    /// If shapes and options do not fit, types differ, or the output padding is not smaller than stride or dilation.
    pub fn conv_transpose2d(self, weight: &Tensor, bias: Option<&Tensor>, options: &ConvTranspose2dOptions) -> Tensor {
        self.conv_transpose("conv_transpose2d", weight, bias, options)
    }

    fn conv_transpose(
        self,
        op: &'static str,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: &ConvTranspose2dOptions,
    ) -> Tensor {
        let operands = [Some(self), Some(weight.clone()), bias.cloned()];
        let specs: Vec<Spec> = operands.iter().flatten().map(Tensor::spec).collect();
        let shape = must(rule(op, &specs, options)).shape;
        let (o, beyond) = convolution(options);
        let [x, w, b] = operands.map(|t| t.map_or((None, None), |t| (Some(t.array().clone()), t.node)));
        let kernel = weight.shape_value();
        let saved_x = x.0.clone().filter(|_| w.1.is_some());
        let saved_w = w.0.clone().filter(|_| x.1.is_some());
        let reached = shape.with(2, shape[2] - beyond[0]).with(3, shape[3] - beyond[1]);
        let arrays = [x.0, w.0, b.0].into_iter().flatten().collect();
        let y = Op::ConvTranspose2d { options: *options }.run_all(arrays).swap_remove(0);
        record(op, y, [x.1, w.1, b.1], move |_| {
            move |g: Array, [_, _, wb]| {
                let to_b = wb.then(|| g.clone().reduce(Reduce::Sum, &[0, 2, 3]).reshape(Shape::from([shape[1]])));
                // Of a concatenation it is a slice, which both would pack.
                let g = g.narrow(2, 0, reached[2]).narrow(3, 0, reached[3]).dense();
                let by_weight = Op::Conv2dWeightGrad { options: o, input_relu: false, weight: kernel };
                let to_w = saved_x.map(|x| by_weight.run1([g.clone(), x]));
                let by_input = Op::Conv2d { options: o, input_relu: false };
                [saved_w.map(|w| by_input.run1([g, w])), to_w, to_b]
            }
        })
    }

    /// The transposed convolution of `[n, in, l]` by `weight [in, out/groups, k]`, plus `bias [out]`
    /// (`torch.nn.functional.conv_transpose1d`).
    ///
    /// # Panics
    /// As [`Tensor::conv_transpose2d`].
    pub fn conv_transpose1d(self, weight: &Tensor, bias: Option<&Tensor>, options: &ConvTranspose1dOptions) -> Tensor {
        let op = "conv_transpose1d";
        let (x, w) = (self.shape_value(), weight.shape_value());
        assert!(x.rank() == 3, "{op}: the input must be [n, c, l], got {x}");
        assert!(w.rank() == 3, "{op}: the weight must be [in, out/groups, k], got {w}");
        let o = ConvTranspose2dOptions {
            stride: [1, options.stride],
            padding: [0, options.padding],
            output_padding: [0, options.output_padding],
            dilation: [1, options.dilation],
            groups: options.groups,
        };
        as_image(self).conv_transpose(op, &as_image(weight.clone()), bias, &o).squeeze(2)
    }
}
