//! Poolings.

use crate::error::Fault;
use crate::import::images::{Windows, as_came, as_images};
use crate::import::{Context, Value};
use striate_tensor::op::{Binary, Reduce};
use striate_tensor::{DType, Op, PaddingMode, Pool2dOptions, Tensor};

/// The images, the windows over them, and the rank that they came with.
fn windows(ctx: &Context) -> Result<(Value, Windows, usize), Fault> {
    let x = ctx.operand(0)?;
    let rank = x.rank();
    if rank < 3 {
        return Err(Fault::new(format!("an input of shape {} has no spatial dimensions", x.shape())));
    }
    let kernel = ctx.sizes("kernel_shape", rank - 2, 0)?;
    let w = Windows::of(ctx, &kernel, &x.shape()[2..])?.in_2d()?;
    Ok((as_images(ctx, x)?, w, rank))
}

fn options(ctx: &Context, w: &Windows, padding: [usize; 2], count_include_pad: bool) -> Pool2dOptions {
    Pool2dOptions {
        kernel_size: [w.kernel[0], w.kernel[1]],
        stride: [w.strides[0], w.strides[1]],
        padding,
        dilation: [w.dilations[0], w.dilations[1]],
        ceil_mode: ctx.int_or("ceil_mode", 0) != 0,
        count_include_pad,
    }
}

/// The padding, if it is the same before and after and no more than half a window.
fn plain(w: &Windows) -> Option<[usize; 2]> {
    let fits = (0..2).all(|d| w.pads[d][0] == w.pads[d][1] && 2 * w.pads[d][0] <= w.kernel[d]);
    fits.then(|| [w.pads[0][0], w.pads[1][0]])
}

/// Windows that are cut off at the ends of the images, if they are the same: padding after them that is larger than before them makes no difference to
/// maxima otherwise.
fn cut_off(ctx: &Context, w: &Windows, x: &Value) -> Option<Pool2dOptions> {
    let mut options = options(ctx, w, [w.pads[0][0], w.pads[1][0]], true);
    let same = |d: usize| {
        let (size, reach) = (x.shape()[2 + d], (w.kernel[d] - 1) * w.dilations[d] + 1);
        let [before, after] = w.pads[d];
        let room = (size + before + after).checked_sub(reach)?;
        let count = if options.ceil_mode { room.div_ceil(w.strides[d]) } else { room / w.strides[d] } + 1;
        // Each window begins within the image, and the last one is what rounding up gives.
        let rounded = (size + 2 * before).checked_sub(reach)?.div_ceil(w.strides[d]) + 1;
        let is_inside = (count - 1) * w.strides[d] < size + before && 2 * before <= w.kernel[d];
        (count == rounded && is_inside).then_some(())
    };
    (same(0).is_some() && same(1).is_some()).then(|| {
        options.ceil_mode = true;
        options
    })
}

fn padded(ctx: &Context, x: Value, w: &Windows, value: f64) -> Result<Value, Fault> {
    let padding = vec![[0; 2], [0; 2], w.pads[0], w.pads[1]];
    ctx.op(Op::Pad { padding, mode: PaddingMode::Zeros, value }, [x])
}

pub(crate) fn max_pool(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, w, rank) = windows(ctx)?;
    let dtype = x.dtype();
    let mut x = if dtype.is_float() { x } else { ctx.cast(x, DType::F32)? };
    if ctx.outputs() > 1 {
        return Err(Fault::new("its positions as a result are not supported"));
    }
    let options = match (plain(&w), cut_off(ctx, &w, &x)) {
        (Some(padding), _) => options(ctx, &w, padding, true),
        (None, Some(options)) => options,
        (None, None) => {
            x = padded(ctx, x, &w, f64::NEG_INFINITY)?;
            options(ctx, &w, [0; 2], true)
        }
    };
    let y = ctx.op(Op::MaxPool2d { options, input_relu: false, with_positions: false }, [x])?;
    let y = ctx.cast(y, dtype)?;
    Ok(vec![as_came(ctx, y, rank)?])
}

pub(crate) fn average_pool(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, w, rank) = windows(ctx)?;
    let counts = ctx.int_or("count_include_pad", 0) != 0;
    if w.dilations.iter().any(|&d| d != 1) {
        return Err(Fault::new("dilations are not supported"));
    }
    if let Some(padding) = plain(&w) {
        let options = options(ctx, &w, padding, counts);
        let y = ctx.op(Op::AvgPool2d { options }, [x])?;
        return Ok(vec![as_came(ctx, y, rank)?]);
    }
    let size = [x.shape()[2], x.shape()[3]];
    let options = options(ctx, &w, [0; 2], true);
    let padded = padded(ctx, x, &w, 0.0)?;
    let y = ctx.op(Op::AvgPool2d { options }, [padded])?;
    let y = if counts { y } else { divided_by_inside(ctx, y, &w, size)? };
    Ok(vec![as_came(ctx, y, rank)?])
}

/// Means over padded windows as means over the pixels that lie in the image.
fn divided_by_inside(ctx: &Context, y: Value, w: &Windows, size: [usize; 2]) -> Result<Value, Fault> {
    let shape = y.shape();
    let [rows, columns] = [0, 1].map(|d| {
        let padded = w.pads[d][0] + size[d] + w.pads[d][1];
        let count = |i: usize| {
            let start = i * w.strides[d];
            let end = (start + w.kernel[d]).min(padded);
            let inside = end.min(w.pads[d][0] + size[d]).saturating_sub(start.max(w.pads[d][0]));
            (end - start) as f64 / inside as f64
        };
        (0..shape[2 + d]).map(count).collect::<Vec<f64>>()
    });
    let factors: Vec<f64> = rows.iter().flat_map(|r| columns.iter().map(move |c| r * c)).collect();
    let factors = Tensor::from_vec(factors, [1, 1, rows.len(), columns.len()]).to_dtype(y.dtype());
    ctx.op(Op::Binary(Binary::Mul), [y, Value::known(factors)])
}

pub(crate) fn global(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let spatial = x.rank().saturating_sub(2);
    if ctx.op_type() == "GlobalAveragePool" && (1..=2).contains(&spatial) {
        return Ok(vec![ctx.op(Op::AdaptiveAvgPool { output_size: vec![1; spatial] }, [x])?]);
    }
    let op = if ctx.op_type() == "GlobalAveragePool" { Reduce::Mean } else { Reduce::Max };
    let dims = (2..x.rank()).collect();
    Ok(vec![ctx.op(Op::Reduce { op, dims, keepdim: true }, [x])?])
}
