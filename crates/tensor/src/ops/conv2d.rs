//! 2-D convolution (cross-correlation, as everywhere in the field).

use super::hints;
use crate::array::Array;
use crate::autograd::{is_watched, record};
use crate::backend::{Conv2dOptions, Place, Reduce, meet};
use crate::lazy::{Conv, Lazy, Pending};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The size of output dimension `d` (0 for height, 1 for width), or none if the window does not fit.
pub fn out_size(size: usize, kernel: usize, o: &Conv2dOptions, d: usize) -> Option<usize> {
    let window = (kernel - 1) * o.dilation[d] + 1;
    let padded = size + o.padding[d][0] + o.padding[d][1];
    Some(padded.checked_sub(window)? / o.stride[d] + 1)
}

fn check(x: Shape, weight: Shape, bias: Option<Shape>, o: &Conv2dOptions) {
    hints::check_images("conv2d", x);
    assert!(weight.rank() == 4, "conv2d: the weight must be [out, in/groups, kh, kw], got {weight}");
    let g = o.groups;
    assert!(
        g > 0 && o.stride[0] > 0 && o.stride[1] > 0 && o.dilation[0] > 0 && o.dilation[1] > 0,
        "conv2d: stride, dilation and groups must be at least 1, got {o:?}"
    );
    let channels = weight[1] * g;
    assert!(
        x[1] == channels,
        "conv2d: got an input of shape {x}, a weight of shape {weight} with groups {g} takes [n, {channels}, h, w]{}",
        hints::channels(x, channels)
    );
    assert!(
        weight[0].is_multiple_of(g),
        "conv2d: groups {g} must divide the {} output channels of weight {weight}",
        weight[0]
    );
    assert!(weight[2] > 0 && weight[3] > 0, "conv2d: the kernel is empty: weight of shape {weight}");
    for d in 0..2 {
        assert!(
            out_size(x[2 + d], weight[2 + d], o, d).is_some(),
            "conv2d: a kernel of {}×{} with dilation {:?} does not fit an input of shape {x} with padding {:?}; add padding, or shrink the images less before it",
            weight[2],
            weight[3],
            o.dilation,
            o.padding
        );
    }
    if let Some(b) = bias {
        assert!(*b == [weight[0]], "conv2d: the bias must be [{}], got {b}", weight[0]);
    }
}

/// The shape of `conv2d`'s result.
///
/// # Panics
/// If shapes and options do not fit.
pub fn conv2d_shape(x: Shape, weight: Shape, o: &Conv2dOptions) -> Shape {
    check(x, weight, None, o);
    let size = |d: usize| out_size(x[2 + d], weight[2 + d], o, d).expect("checked");
    Shape::from([x[0], weight[0], size(0), size(1)])
}

impl Tensor {
    /// Convolves `[n, c, h, w]` with `weight [out, c/groups, kh, kw]` and adds `bias [out]`
    /// (`torch.nn.functional.conv2d`). The padding is zeros.
    ///
    /// # Panics
    /// If shapes and options do not fit, or types differ.
    pub fn conv2d(self, weight: &Tensor, bias: Option<&Tensor>, options: &Conv2dOptions) -> Tensor {
        self.same_dtype("conv2d", weight);
        check(self.shape_value(), weight.shape_value(), bias.map(Tensor::shape_value), options);
        let o = *options;
        let ((x, xn, before_relu), (w, wn)) = (self.into_parts_before_relu(), weight.clone().into_parts());
        let (b, bn) = bias.map_or((None, None), |b| (Some(b.array().clone()), b.node.clone()));
        let (input, kernel) = (x.array.shape(), w.shape());
        let constant = xn.is_none() && wn.is_none() && bn.is_none();
        let here = matches!((x.array.place(), w.place()), (Place::Cpu, Place::Cpu));
        if constant && here && !is_watched() {
            let shape = conv2d_shape(input, kernel, &o);
            let conv = Conv { x, weight: w, bias: b, options: o, norm: None, clamp: None };
            return Tensor { array: Lazy::Waiting(Pending::conv(conv, shape)), node: None };
        }
        let saved_x = wn.is_some().then(|| x.clone());
        let mask = before_relu.then(|| x.array.clone());
        let saved_w = xn.is_some().then(|| w.clone());
        record("conv2d", meet(&[&x.array, &w]).conv2d(x, w, b, &o), [xn, wn, bn], move |_| {
            move |g: Array, [_, _, wb]| {
                let place = g.place();
                let to_b = wb.then(|| g.clone().reduce(Reduce::Sum, &[0, 2, 3]).reshape(Shape::from([kernel[0]])));
                let to_w = saved_x.map(|x| place.conv2d_weight_grad(x, g.clone(), kernel, &o));
                [saved_w.map(|w| place.conv2d_input_grad(g, w, mask, input, &o)), to_w, to_b]
            }
        })
    }
}
