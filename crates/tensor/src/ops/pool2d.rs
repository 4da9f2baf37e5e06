//! 2-D pooling.

use super::hints;
use crate::array::Array;
use crate::autograd::record;
use crate::backend::{Input, Pool2dOptions};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The size of output dimension `d` (0 for height, 1 for width) by PyTorch's rule, or none if the window does not fit.
pub fn out_size(size: usize, o: &Pool2dOptions, d: usize) -> Option<usize> {
    let window = (o.kernel_size[d] - 1) * o.dilation[d] + 1;
    let room = (size + 2 * o.padding[d]).checked_sub(window)?;
    let steps = if o.ceil_mode { room.div_ceil(o.stride[d]) } else { room / o.stride[d] };
    // A window that would start in the padding on the far side does not count.
    let beyond = o.ceil_mode && steps * o.stride[d] >= size + o.padding[d];
    Some(steps + 1 - beyond as usize)
}

fn check(op: &str, x: Shape, o: &Pool2dOptions) {
    hints::check_images(op, x);
    for d in 0..2 {
        assert!(
            o.kernel_size[d] > 0 && o.stride[d] > 0 && o.dilation[d] > 0,
            "{op}: kernel size, stride and dilation must be at least 1, got {o:?}"
        );
        assert!(
            2 * o.padding[d] <= o.kernel_size[d],
            "{op}: padding {:?} is more than half of kernel size {:?}",
            o.padding,
            o.kernel_size
        );
        assert!(
            out_size(x[2 + d], o, d).is_some(),
            "{op}: a window of {:?} does not fit an input of shape {x} with padding {:?}; shrink the images less before it",
            o.kernel_size,
            o.padding
        );
    }
}

/// The shape of a pooling's result.
///
/// # Panics
/// If the windows do not fit; the message starts with `op`.
pub fn pool2d_shape(op: &str, x: Shape, o: &Pool2dOptions) -> Shape {
    check(op, x, o);
    let size = |d: usize| out_size(x[2 + d], o, d).expect("checked");
    Shape::from([x[0], x[1], size(0), size(1)])
}

impl Tensor {
    /// The maximum of each window of `[n, c, h, w]` (`torch.nn.functional.max_pool2d`). A NaN wins; of equal maxima the first
    /// gets the gradient.
    ///
    /// # Panics
    /// If the windows do not fit.
    pub fn max_pool2d(self, options: impl Into<Pool2dOptions>) -> Tensor {
        let o = options.into();
        check("max_pool2d", self.shape_value(), &o);
        let (this, pooled) = self.pool_conv(&o);
        if pooled {
            return this;
        }
        let (x, node, before_relu) = this.into_parts_before_relu();
        let x = Input { relu: x.relu || before_relu, ..x };
        let input = x.array.shape();
        let (y, position) = x.array.place().max_pool2d(x, &o);
        record("max_pool2d", y, [node], move |_| {
            move |g: Array, _| [Some(g.place().max_pool2d_grad(g, position, input, &o))]
        })
    }

    /// Pools a convolution as it is computed, if this is one that waits and the pooling fits, and says whether it did.
    fn pool_conv(mut self, o: &Pool2dOptions) -> (Tensor, bool) {
        let halves = Pool2dOptions { count_include_pad: o.count_include_pad, ..Pool2dOptions::new([2; 2]) };
        if *o != halves || self.node.is_some() {
            return (self, false);
        }
        match self.array.take_conv(|conv| conv.norm.is_none()) {
            Some(conv) => (conv.pooled().into(), true),
            None => (self, false),
        }
    }

    /// The mean of each window of `[n, c, h, w]` (`torch.nn.functional.avg_pool2d`).
    ///
    /// # Panics
    /// If the windows do not fit, or the dilation is not 1.
    pub fn avg_pool2d(self, options: impl Into<Pool2dOptions>) -> Tensor {
        let o = options.into();
        check("avg_pool2d", self.array.shape, &o);
        assert!(o.dilation == [1; 2], "avg_pool2d: has no dilation, got {:?}", o.dilation);
        let (x, node) = self.into_parts();
        let input = x.shape();
        record("avg_pool2d", x.place().avg_pool2d(x, &o), [node], move |_| {
            move |g: Array, _| [Some(g.place().avg_pool2d_grad(g, input, &o))]
        })
    }
}
