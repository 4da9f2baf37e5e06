//! 2-D pooling.

use super::joined::apply;
use crate::array::Array;
use crate::autograd::record;
use crate::deferred::Input;
use crate::dtype::DType;
use crate::op::hints;
use crate::op::{Op, Pool2dOptions, Spec, ensure};
use crate::shape::Shape;
use crate::tensor::Tensor;
use striate_kernels::pool2d::WindowIndex;

/// The size of output dimension `d` (0 for height, 1 for width) by PyTorch's rule, or none if the window does not fit.
pub fn out_size(size: usize, o: &Pool2dOptions, d: usize) -> Option<usize> {
    let window = (o.kernel_size[d] - 1) * o.dilation[d] + 1;
    let room = (size + 2 * o.padding[d]).checked_sub(window)?;
    let steps = if o.ceil_mode { room.div_ceil(o.stride[d]) } else { room / o.stride[d] };
    // A window that would start in the padding on the far side does not count.
    let beyond = o.ceil_mode && steps * o.stride[d] >= size + o.padding[d];
    Some(steps + 1 - beyond as usize)
}

fn check(op: &str, x: Shape, o: &Pool2dOptions) -> Result<(), String> {
    hints::are_images(op, x)?;
    for d in 0..2 {
        ensure!(
            o.kernel_size[d] > 0 && o.stride[d] > 0 && o.dilation[d] > 0,
            "{op}: kernel size, stride and dilation must be at least 1, got {o:?}"
        );
        ensure!(
            2 * o.padding[d] <= o.kernel_size[d],
            "{op}: padding {:?} is more than half of kernel size {:?}",
            o.padding,
            o.kernel_size
        );
        ensure!(
            out_size(x[2 + d], o, d).is_some(),
            "{op}: a window of {:?} does not fit an input of shape {x} with padding {:?}; shrink the images less before it",
            o.kernel_size,
            o.padding
        );
    }
    Ok(())
}

/// Shape and type of a pooling's result; messages start with `op`.
pub(crate) fn rule(op: &str, x: &Spec, o: &Pool2dOptions) -> Result<Spec, String> {
    check(op, x.shape, o)?;
    ensure!(op != "avg_pool2d" || o.dilation == [1; 2], "avg_pool2d: has no dilation, got {:?}", o.dilation);
    hints::is_float(op, x)?;
    let size = |d: usize| out_size(x.shape[2 + d], o, d).expect("checked");
    Ok(x.reshaped([x.shape[0], x.shape[1], size(0), size(1)]))
}

/// The type of positions in windows of this size.
pub(crate) fn position_dtype(kernel_size: [usize; 2]) -> DType {
    if kernel_size[0] * kernel_size[1] <= <u8 as WindowIndex>::LIMIT { DType::U8 } else { DType::I64 }
}

/// A max pooling with its record.
pub(crate) fn max_pool2d_of(options: Pool2dOptions, input_relu: bool, mut inputs: Vec<Input>) -> Tensor {
    let Input { array: x, node } = inputs.swap_remove(0);
    let input = x.shape();
    let op = Op::MaxPool2d { options, input_relu, with_positions: node.is_some() };
    let mut results = op.run_all(vec![x]).into_iter();
    let y = results.next().expect("the maxima");
    record("max_pool2d", y, [node], move |_| {
        let positions = results.next().expect("asked for");
        move |g: Array, _| [Some(Op::MaxPool2dGrad { options, input }.run1([g, positions]))]
    })
}

impl Tensor {
    /// The maximum of each window of `[n, c, h, w]` (`torch.nn.functional.max_pool2d`). A NaN wins; of equal maxima the first
    /// gets the gradient.
    ///
    /// # Panics
    /// If the windows do not fit.
    pub fn max_pool2d(self, options: impl Into<Pool2dOptions>) -> Tensor {
        let with_positions = self.node.is_some();
        apply(Op::MaxPool2d { options: options.into(), input_relu: false, with_positions }, vec![self])
    }

    /// The mean of each window of `[n, c, h, w]` (`torch.nn.functional.avg_pool2d`).
    ///
    /// # Panics
    /// If the windows do not fit, or the dilation is not 1.
    pub fn avg_pool2d(self, options: impl Into<Pool2dOptions>) -> Tensor {
        let options = options.into();
        let (x, node) = self.into_parts();
        let input = x.shape();
        record("avg_pool2d", Op::AvgPool2d { options }.run1([x]), [node], move |_| {
            move |g: Array, _| [Some(Op::AvgPool2dGrad { options, input }.run1([g]))]
        })
    }
}
