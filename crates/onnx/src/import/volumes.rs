//! Convolutions over three dimensions, by way of those over two.

use crate::error::Fault;
use crate::import::images::{Transposed, Windows, check_kernel, groups};
use crate::import::{Context, Value};
use striate_tensor::op::Binary;
use striate_tensor::{Conv2dOptions, ConvTranspose2dOptions, Op, PaddingMode, Tensor};

/// A convolution over three dimensions: the sum of one over height and width for each place of the kernel's depth.
pub(crate) fn convolved(ctx: &Context, x: Value, w: Value, bias: Option<Value>) -> Result<Value, Fault> {
    let (shape, kernel) = (x.shape(), w.shape());
    check_kernel(ctx, &kernel[2..])?;
    let windows = Windows::of(ctx, &kernel[2..], &shape[2..])?;
    let pads = &windows.pads;
    let mut padding = vec![[0; 2]; 5];
    padding[2] = pads[0];
    let x = ctx.op(Op::Pad { padding, mode: PaddingMode::Zeros, value: 0.0 }, [x])?;
    let reach = (kernel[2] - 1) * windows.dilations[0] + 1;
    let room = x.shape()[2].checked_sub(reach);
    let depth = room.ok_or_else(|| Fault::new(format!("a kernel of {kernel} is larger than {shape}")))?;
    let depth = depth / windows.strides[0] + 1;
    ctx.fits(&[kernel[2], depth])?;
    let options = Conv2dOptions {
        stride: [windows.strides[1], windows.strides[2]],
        padding: [pads[1], pads[2]],
        dilation: [windows.dilations[1], windows.dilations[2]],
        groups: groups(ctx)?,
    };
    // Depth first, so that each slice is an image of the batch.
    let x = ctx.permuted(x, vec![2, 0, 1, 3, 4])?;
    let mut sum = None;
    for k in 0..kernel[2] {
        let places: Vec<i64> = (0..depth).map(|i| (i * windows.strides[0] + k * windows.dilations[0]) as i64).collect();
        let slices =
            ctx.op(Op::IndexSelect { dim: 0 }, [x.clone(), Value::known(Tensor::from_vec(places, [depth]))])?;
        let slices = ctx.reshaped(slices, &[depth * shape[0], shape[1], shape[3], shape[4]])?;
        let part = ctx.narrow(w.clone(), 2, k, 1)?;
        let part = ctx.reshaped(part, &[kernel[0], kernel[1], kernel[3], kernel[4]])?;
        let bias = bias.clone().filter(|_| k == 0);
        let all = [Some(slices), Some(part), bias].into_iter().flatten().collect();
        let y = ctx.op_of(Op::Conv2d { options, input_relu: false }, all)?;
        sum = Some(match sum {
            Some(sum) => ctx.op(Op::Binary(Binary::Add), [sum, y])?,
            None => y,
        });
    }
    let y = sum.ok_or_else(|| Fault::new("its kernel is empty"))?;
    let [_, out, rows, columns] = y.shape()[..] else { return Err(Fault::new("it gives no images")) };
    let y = ctx.reshaped(y, &[depth, shape[0], out, rows, columns])?;
    ctx.permuted(y, vec![1, 2, 0, 3, 4])
}

fn padded(ctx: &Context, x: Value, dim: usize, sizes: [usize; 2]) -> Result<Value, Fault> {
    let mut padding = vec![[0; 2]; x.rank()];
    padding[dim] = sizes;
    ctx.op(Op::Pad { padding, mode: PaddingMode::Zeros, value: 0.0 }, [x])
}

/// A transposed convolution of input, weight and bias: the sum of one over height and width for each place of the kernel's depth, whose slices lie as far
/// apart as the stride says.
pub(crate) fn transposed(ctx: &Context, operands: Vec<Value>, w: &Transposed) -> Result<Value, Fault> {
    let (x, weight, bias) = (&operands[0], &operands[1], operands.get(2));
    let (shape, kernel) = (x.shape(), weight.shape());
    let options = ConvTranspose2dOptions {
        stride: [w.strides[1], w.strides[2]],
        padding: [0; 2],
        output_padding: [0; 2],
        dilation: [w.dilations[1], w.dilations[2]],
        groups: groups(ctx)?,
    };
    let [samples, channels, depth] = [shape[0], shape[1], shape[2]];
    let reach = (depth - 1) * w.strides[0] + 1;
    let full = reach + (kernel[2] - 1) * w.dilations[0];
    ctx.fits(&[kernel[2], full])?;
    let x = ctx.permuted(x.clone(), vec![2, 0, 1, 3, 4])?;
    let x = ctx.reshaped(x, &[depth * samples, channels, shape[3], shape[4]])?;
    let mut sum = None;
    let mut image = [0; 3];
    for k in 0..kernel[2] {
        let part = ctx.narrow(weight.clone(), 2, k, 1)?;
        let part = ctx.reshaped(part, &[kernel[0], kernel[1], kernel[3], kernel[4]])?;
        let y = ctx.op(Op::ConvTranspose2d { options }, [x.clone(), part])?;
        let [_, out, rows, columns] = y.shape()[..] else { return Err(Fault::new("it gives no images")) };
        image = [out, rows, columns];
        let slice = samples * out * rows * columns;
        let y = padded(ctx, ctx.reshaped(y, &[depth, 1, slice])?, 1, [0, w.strides[0] - 1])?;
        let y = ctx.narrow(ctx.reshaped(y, &[depth * w.strides[0], slice])?, 0, 0, reach)?;
        let y = padded(ctx, y, 0, [k * w.dilations[0], full - reach - k * w.dilations[0]])?;
        sum = Some(match sum {
            Some(sum) => ctx.op(Op::Binary(Binary::Add), [sum, y])?,
            None => y,
        });
    }
    let y = sum.ok_or_else(|| Fault::new("its kernel is empty"))?;
    let [out, rows, columns] = image;
    let y = ctx.reshaped(y, &[full, samples, out, rows, columns])?;
    let mut y = ctx.permuted(y, vec![1, 2, 0, 3, 4])?;
    for (d, &[before, after]) in w.cuts.iter().enumerate() {
        y = padded(ctx, y, 2 + d, [0, w.ends[d]])?;
        let left = y.shape()[2 + d].checked_sub(before + after).filter(|&n| n > 0);
        let left = left.ok_or_else(|| Fault::new("its pads leave nothing"))?;
        y = ctx.narrow(y, 2 + d, before, left)?;
    }
    match bias {
        Some(bias) => ctx.op(Op::Binary(Binary::Add), [y, ctx.reshaped(bias.clone(), &[1, out, 1, 1, 1])?]),
        None => Ok(y),
    }
}
