//! Two-dimensional convolution (as in PyTorch: cross-correlation), its input gradient and its weight gradient.
//!
//! Images are NHWC, weights are O × kh × kw × I/groups.

mod crop;
mod depthwise;
mod depthwise_block;
mod depthwise_row;
mod direct;
mod epilogue;
mod implicit;
mod implicit_grad;
mod input;
mod patches;
mod shape;
mod window;
mod winograd;

use crate::elementwise::Clamp;
use crate::packed::Weights;
use crate::settings::ComputeSettings;
use crate::{AlignedVec, Float};
use crop::Crop;
pub use depthwise_block::{DepthwiseBlock, Pointwise, depthwise_block, fits_block, serves_block};
pub use epilogue::Epilogue;
pub(crate) use implicit::pointwise;
pub use input::Input;
use input::zero_unless_positive;
pub use shape::Conv2dShape;

fn takes_winograd(s: &Conv2dShape) -> bool {
    ComputeSettings::current().winograd && winograd::applies(s)
}

/// The convolution of `input` (NHWC) with `weight` (O, kh, kw, I/groups), plus `bias` (O). Writes `output` (NHWC) in full.
///
/// # Panics
/// If the shape is invalid ([`Conv2dShape::out_size`]) or a slice's length does not fit it.
pub fn conv2d<'a, T: Float>(
    s: &Conv2dShape,
    input: impl Into<Input<'a, T>>,
    weight: impl Into<Weights<'a, T>>,
    bias: Option<&[T]>,
    output: &mut [T],
) {
    conv2d_fused(s, input, weight, bias, Epilogue::NONE, output);
}

/// A [`conv2d`] with an epilogue.
///
/// # Panics
/// If the shape is invalid ([`Conv2dShape::out_size`]) or a slice's length does not fit it.
pub fn conv2d_fused<'a, T: Float>(
    s: &Conv2dShape,
    input: impl Into<Input<'a, T>>,
    weight: impl Into<Weights<'a, T>>,
    bias: Option<&[T]>,
    epilogue: Epilogue<T>,
    output: &mut [T],
) {
    let (input, weight) = (input.into(), weight.into());
    s.check("conv2d", input.values.len(), weight.len(), output.len());
    assert!(weight.matrix.is_none() || s.is_pointwise(), "conv2d: a matrix is no weight for {s:?}");
    if let Some(bias) = bias {
        assert!(
            bias.len() == s.out_channels,
            "conv2d: {} output channels, but the bias has {} elements",
            s.out_channels,
            bias.len()
        );
    }
    epilogue.check(output.len());
    if weight.len() == 0 {
        // Without channels nothing is summed.
        output.fill(T::ZERO);
        if let Some(bias) = bias {
            output.chunks_mut(bias.len().max(1)).for_each(|pixel| pixel.copy_from_slice(bias));
        }
        return epilogue.apply(output);
    }
    if let Some(crop) = Crop::of(s) {
        return conv2d_fused(&crop.shape, input, &crop.cut(weight.values)[..], bias, epilogue, output);
    }
    let fast = (input.as_f32(), weight.as_f32(), epilogue.as_f32(), T::as_f32_mut(output));
    if let (Some(input), Some(weight), Some(epilogue), Some(output)) = fast {
        let bias = bias.and_then(T::as_f32);
        let kept = weight.packed.is_some() && ComputeSettings::current().winograd && winograd::applies_kept(s);
        if kept || takes_winograd(s) {
            winograd::forward(s, input, &weight, bias, Epilogue { activation: None, ..epilogue }, false, output);
            Epilogue { activation: epilogue.activation, ..Epilogue::NONE }.apply(output);
        } else if s.is_depthwise() {
            depthwise::forward(s, input, &weight, bias, epilogue, output);
        } else {
            implicit::forward(s, input, &weight, bias, epilogue, output);
        }
    } else {
        direct::forward(s, &input.realized(), weight.values, bias, output);
        epilogue.apply(output);
    }
}

/// Whether [`conv2d_max_pool2`] serves this shape and this type.
pub fn pools<T: Float>(s: &Conv2dShape) -> bool {
    T::as_f32(&[]).is_some() && ComputeSettings::current().winograd && Crop::of(s).is_none() && winograd::pools(s)
}

/// The largest of each 2×2 pixels of a [`conv2d`], NaN before all numbers, clamped, without writing the convolution itself. A last row or column of an odd
/// number has no partner and is left out, as in a max pooling. Writes `output` in full.
///
/// # Panics
/// If [`pools`] says no, or a slice's length does not fit the shape.
pub fn conv2d_max_pool2<'a, T: Float>(
    s: &Conv2dShape,
    input: impl Into<Input<'a, T>>,
    weight: impl Into<Weights<'a, T>>,
    bias: Option<&[T]>,
    clamp: Option<Clamp>,
    output: &mut [T],
) {
    let (input, weight) = (input.into(), weight.into());
    s.check("conv2d_max_pool2", input.values.len(), weight.values.len(), s.output_len());
    assert!(
        bias.is_none_or(|b| b.len() == s.out_channels),
        "conv2d_max_pool2: the bias has not {} elements",
        s.out_channels
    );
    let fast = (input.as_f32(), weight.as_f32(), T::as_f32_mut(output));
    match fast {
        (Some(input), Some(weight), Some(output)) if pools::<T>(s) => {
            let epilogue = Epilogue { clamp, ..Epilogue::NONE };
            winograd::forward(s, input, &weight, bias.and_then(T::as_f32), epilogue, true, output);
        }
        _ => panic!("conv2d_max_pool2: does not serve {s:?}"),
    }
}

/// The gradient of [`conv2d`] with respect to its input, from that of its output. Writes `grad_input` in full. For an input that
/// is the ReLU of something, `before_relu` (that, or its ReLU) gives the gradient of that something.
///
/// # Panics
/// As [`conv2d`].
pub fn conv2d_input_grad<T: Float>(
    s: &Conv2dShape,
    grad_output: &[T],
    weight: &[T],
    before_relu: Option<&[T]>,
    grad_input: &mut [T],
) {
    s.check("conv2d_input_grad", grad_input.len(), weight.len(), grad_output.len());
    if let Some(x) = before_relu {
        s.check("conv2d_input_grad", x.len(), weight.len(), grad_output.len());
    }
    if weight.is_empty() {
        return grad_input.fill(T::ZERO);
    }
    if let Some(crop) = Crop::of(s) {
        return conv2d_input_grad(&crop.shape, grad_output, &crop.cut(weight), before_relu, grad_input);
    }
    let fast = (T::as_f32(grad_output), T::as_f32(weight), T::as_f32_mut(grad_input));
    if let (Some(grad_output), Some(weight), Some(grad_input)) = fast {
        let before_relu = before_relu.and_then(T::as_f32);
        if takes_winograd(s) {
            winograd::input_grad(s, grad_output, weight, before_relu, grad_input);
        } else if s.is_depthwise() {
            depthwise::input_grad(s, grad_output, weight, before_relu, grad_input);
        } else if s.stride == [1, 1] {
            implicit::input_grad(s, grad_output, weight, before_relu, grad_input);
        } else {
            implicit_grad::strided_input_grad(s, grad_output, weight, before_relu, grad_input);
        }
    } else {
        direct::input_grad(s, grad_output, weight, grad_input);
        if let Some(x) = before_relu {
            zero_unless_positive(x, grad_input);
        }
    }
}

/// The gradient of [`conv2d`] with respect to its weight, from that of its output. Writes `grad_weight` in full.
///
/// # Panics
/// As [`conv2d`].
pub fn conv2d_weight_grad<'a, T: Float>(
    s: &Conv2dShape,
    input: impl Into<Input<'a, T>>,
    grad_output: &[T],
    grad_weight: &mut [T],
) {
    let input = input.into();
    s.check("conv2d_weight_grad", input.values.len(), grad_weight.len(), grad_output.len());
    if grad_weight.is_empty() {
        return;
    }
    if let Some(crop) = Crop::of(s) {
        let mut part = AlignedVec::unspecified(crop.shape.weight_len());
        conv2d_weight_grad(&crop.shape, input, grad_output, &mut part);
        return crop.spread(&part, grad_weight);
    }
    let fast = (input.as_f32(), T::as_f32(grad_output), T::as_f32_mut(grad_weight));
    if let (Some(input), Some(grad_output), Some(grad_weight)) = fast {
        if takes_winograd(s) {
            winograd::weight_grad(s, input, grad_output, grad_weight);
        } else if s.is_depthwise() {
            depthwise::weight_grad(s, input, grad_output, grad_weight);
        } else {
            implicit_grad::weight_grad(s, input, grad_output, grad_weight);
        }
    } else {
        direct::weight_grad(s, &input.realized(), grad_output, grad_weight);
    }
}

#[cfg(test)]
mod bf16_tests;
#[cfg(test)]
mod block_tests;
#[cfg(test)]
mod tests;
