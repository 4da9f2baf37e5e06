//! Poolings.

use crate::error::Fault;
use crate::import::images::{Windows, as_came, as_images};
use crate::import::{Context, Value};
use striate_tensor::op::{Binary, Reduce, Unary};
use striate_tensor::{Conv2dOptions, DType, Op, PaddingMode, Pool2dOptions, Shape, Tensor};

/// The windows of a node over its first operand, and the rank of that.
fn windows(ctx: &Context) -> Result<(Value, Windows, usize), Fault> {
    let x = ctx.operand(0)?;
    let rank = x.rank();
    if rank < 3 {
        return Err(Fault::new(format!("an input of shape {} has no spatial dimensions", x.shape())));
    }
    let kernel = ctx.sizes("kernel_shape", rank - 2, 0)?;
    let w = Windows::of(ctx, &kernel, &x.shape()[2..])?;
    if w.pads.iter().zip(&w.kernel).zip(&w.dilations).any(|((pads, k), d)| pads.iter().any(|&pad| pad > (k - 1) * d)) {
        return Err(Fault::new(format!("pads {:?} are as large as the windows {kernel:?}", w.pads)));
    }
    Ok((x, w, rank))
}

/// Pools by windows over one to three dimensions. Of three the depth comes after the others: maxima and means of windows are those of their rows.
fn pooled(
    ctx: &Context,
    x: Value,
    w: Windows,
    pool: impl Fn(Value, &Windows) -> Result<Value, Fault>,
) -> Result<Value, Fault> {
    let rank = x.rank();
    let [n, c, depth, rows, columns] = x.shape()[..] else {
        let y = pool(as_images(ctx, x)?, &w.in_2d()?)?;
        return as_came(ctx, y, rank);
    };
    let part = |range: std::ops::Range<usize>| Windows {
        kernel: w.kernel[range.clone()].to_vec(),
        strides: w.strides[range.clone()].to_vec(),
        dilations: w.dilations[range.clone()].to_vec(),
        pads: w.pads[range].to_vec(),
    };
    let y = pool(ctx.reshaped(x, &[n, c * depth, rows, columns])?, &part(1..3))?;
    let [_, _, rows, columns] = y.shape()[..] else { return Err(Fault::new("it gives no images")) };
    let y = ctx.permuted(ctx.reshaped(y, &[n, c, depth, rows * columns])?, vec![0, 1, 3, 2])?;
    let y = ctx.permuted(pool(y, &part(0..1).in_2d()?)?, vec![0, 1, 3, 2])?;
    let depth = y.shape()[2];
    ctx.reshaped(y, &[n, c, depth, rows, columns])
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
    let (x, w, _) = windows(ctx)?;
    let dtype = x.dtype();
    if ctx.outputs() > 1 {
        return with_positions(ctx, x, &w);
    }
    let x = if dtype.is_float() { x } else { ctx.cast(x, DType::F32)? };
    let y = pooled(ctx, x, w, |mut x, w| {
        let options = match (plain(w), cut_off(ctx, w, &x)) {
            (Some(padding), _) => options(ctx, w, padding, true),
            (None, Some(options)) => options,
            (None, None) => {
                x = padded(ctx, x, w, f64::NEG_INFINITY)?;
                options(ctx, w, [0; 2], true)
            }
        };
        ctx.op(Op::MaxPool2d { options, input_relu: false, with_positions: false }, [x])
    })?;
    Ok(vec![ctx.cast(y, dtype)?])
}

/// How many windows there are along each dimension.
fn counts(ctx: &Context, w: &Windows, size: &[usize]) -> Result<Vec<usize>, Fault> {
    let rounds_up = ctx.int_or("ceil_mode", 0) != 0;
    let count = |d: usize| {
        let [before, after] = w.pads[d];
        let room = (size[d] + before + after).checked_sub((w.kernel[d] - 1) * w.dilations[d] + 1)?;
        let n = if rounds_up { room.div_ceil(w.strides[d]) } else { room / w.strides[d] } + 1;
        // The last window begins within the image or before it.
        Some(if (n - 1) * w.strides[d] >= size[d] + before { n - 1 } else { n })
    };
    let all: Option<Vec<usize>> = (0..size.len()).map(count).collect();
    all.ok_or_else(|| Fault::new(format!("windows of {:?} are larger than {size:?}", w.kernel)))
}

/// Positions in a grid, the last dimension first.
fn places(sizes: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    (0..sizes.iter().product::<usize>()).map(move |mut i| {
        let mut place = vec![0; sizes.len()];
        for (at, &size) in place.iter_mut().zip(sizes).rev() {
            (*at, i) = (i % size, i / size);
        }
        place
    })
}

/// Maxima and where in the whole tensor they were found. It is computed here, and has no form in a graph.
fn with_positions(ctx: &Context, x: Value, w: &Windows) -> Result<Vec<Value>, Fault> {
    let (shape, dtype) = (x.shape(), x.dtype());
    let size = &shape[2..];
    let counts = counts(ctx, w, size)?;
    let planes = shape[0] * shape[1];
    let all = [&[planes][..], &counts, &w.kernel].concat();
    ctx.fits(&all)?;
    let numbers = ctx.host(&x)?.to_dtype(DType::F64).to_vec::<f64>();
    let by_column = ctx.int_or("storage_order", 0) != 0;
    let area: usize = size.iter().product();
    let (mut largest, mut found) = (Vec::new(), Vec::new());
    for plane in 0..planes {
        for window in places(&counts) {
            let mut best: Option<(f64, usize)> = None;
            for offset in places(&w.kernel) {
                let at = |d: usize| {
                    let i = window[d] * w.strides[d] + offset[d] * w.dilations[d];
                    i.checked_sub(w.pads[d][0]).filter(|&i| i < size[d])
                };
                let Some(at) = (0..size.len()).map(at).collect::<Option<Vec<usize>>>() else { continue };
                let place = at.iter().zip(size).fold(0, |place, (&i, &n)| place * n + i);
                let value = numbers[plane * area + place];
                if best.is_none_or(|(b, _)| value > b || (value.is_nan() && !b.is_nan())) {
                    let backwards = || at.iter().zip(size).rev().fold(0, |place, (&i, &n)| place * n + i);
                    best = Some((value, if by_column { backwards() } else { place }));
                }
            }
            let (value, place) = best.ok_or_else(|| Fault::new("a window lies in the padding alone"))?;
            largest.push(value);
            found.push((plane * area + place) as i64);
        }
    }
    let shape = Shape::new(&[&shape[..2], &counts].concat());
    let result = |t: Tensor| if x.is_known() { Value::known(t) } else { Value::computed(t) };
    let y = Tensor::from_vec(largest, shape).to_dtype(dtype);
    Ok(vec![result(y), result(Tensor::from_vec(found, shape))])
}

/// Puts maxima back to where they were found, and zeros everywhere else.
pub(crate) fn max_unpool(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, found) = (ctx.operand(0)?, ctx.operand(1)?);
    let shape = x.shape();
    let n = shape.rank().saturating_sub(2);
    if n == 0 || found.shape() != shape {
        return Err(Fault::new(format!(
            "values of shape {shape} and positions of {} do not go together",
            found.shape()
        )));
    }
    let kernel = ctx.sizes("kernel_shape", n, 1)?;
    let (strides, pads) = (ctx.sizes("strides", n, 1)?, ctx.sizes("pads", 2 * n, 0)?);
    let size = |d: usize| {
        let full = shape[2 + d].checked_sub(1)? * strides[d] + kernel[d];
        full.checked_sub(pads[d] + pads[n + d])
    };
    let sizes: Option<Vec<usize>> = (0..n).map(size).collect();
    let own = [&shape[..2], &sizes.ok_or_else(|| Fault::new("its pads leave nothing"))?].concat();
    let wanted = match ctx.try_integers(2)? {
        Some(sizes) => crate::tensor::shape(&sizes)?.to_vec(),
        None => own.clone(),
    };
    if wanted.len() != own.len() || wanted.iter().zip(&own).any(|(a, b)| a < b) {
        return Err(Fault::new(format!("an output of shape {wanted:?} does not hold {own:?}")));
    }
    let all: usize = own.iter().product();
    ctx.fits(&own)?;
    // Positions count in the tensor that the maxima were taken of.
    let flat = ctx.reshaped(ctx.cast(found, DType::I64)?, &[shape.numel()])?;
    if let Some(i) = ctx.host(&flat)?.to_vec::<i64>().into_iter().find(|&i| i < 0 || i as usize >= all) {
        return Err(Fault::new(format!("position {i} is out of range for {all} elements")));
    }
    let values = ctx.reshaped(x, &[shape.numel()])?;
    let y = ctx.op(Op::ScatterAdd { dim: 0, shape: Shape::from([all]) }, [values, flat])?;
    let y = ctx.reshaped(y, &own)?;
    let padding: Vec<[usize; 2]> = wanted.iter().zip(&own).map(|(a, b)| [0, a - b]).collect();
    Ok(vec![ctx.op(Op::Pad { padding, mode: PaddingMode::Zeros, value: 0.0 }, [y])?])
}

pub(crate) fn average_pool(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, w, _) = windows(ctx)?;
    let includes_padding = ctx.int_or("count_include_pad", 0) != 0;
    Ok(vec![pooled(ctx, x, w, |x, w| means(ctx, x, w, includes_padding))?])
}

/// The norm of windows: the root of the sum of powers, zeros around the images included.
pub(crate) fn lp_pool(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, w, _) = windows(ctx)?;
    let p = ctx.int_or("p", 2) as f64;
    if p < 1.0 {
        return Err(Fault::new(format!("a norm of order {p} is not supported")));
    }
    let elements = w.kernel.iter().product::<usize>() as f64;
    let unary = |f: Unary, x: Value| ctx.op(Op::Unary(f), [x]);
    let powers = unary(Unary::PowScalar(p), unary(Unary::Abs, x)?)?;
    let means = pooled(ctx, powers, w, |x, w| {
        let padded = padded(ctx, x, w, 0.0)?;
        let w = Windows { pads: vec![[0; 2]; 2], ..w.clone() };
        means(ctx, padded, &w, true)
    })?;
    let sums = unary(Unary::MulScalar(elements), means)?;
    Ok(vec![unary(Unary::PowScalar(1.0 / p), sums)?])
}

/// The means of windows over images.
fn means(ctx: &Context, x: Value, w: &Windows, includes_padding: bool) -> Result<Value, Fault> {
    if w.dilations.iter().any(|&d| d != 1) {
        return dilated_means(ctx, x, w, includes_padding);
    }
    if let Some(padding) = plain(w) {
        let options = options(ctx, w, padding, includes_padding);
        return ctx.op(Op::AvgPool2d { options }, [x]);
    }
    let size = [x.shape()[2], x.shape()[3]];
    let options = options(ctx, w, [0; 2], true);
    let padded = padded(ctx, x, w, 0.0)?;
    let y = ctx.op(Op::AvgPool2d { options }, [padded])?;
    if includes_padding { Ok(y) } else { divided_by_inside(ctx, y, w, size) }
}

/// The means of windows with gaps: sums by a convolution of each channel with ones, divided by how many pixels count.
fn dilated_means(ctx: &Context, x: Value, w: &Windows, includes_padding: bool) -> Result<Value, Fault> {
    let (channels, size) = (x.shape()[1], [x.shape()[2], x.shape()[3]]);
    let counts = counts(ctx, w, &size)?;
    ctx.fits(&[channels, w.kernel[0], w.kernel[1]])?;
    (0..2).try_for_each(|d| ctx.fits(&[counts[d], w.kernel[d]]))?;
    // Rounded up, the last window may reach beyond the padding.
    let padding = [0, 1].map(|d| {
        let end = (counts[d] - 1) * w.strides[d] + (w.kernel[d] - 1) * w.dilations[d] + 1;
        [w.pads[d][0], end.saturating_sub(size[d] + w.pads[d][0])]
    });
    let options = Conv2dOptions {
        stride: [w.strides[0], w.strides[1]],
        padding,
        dilation: [w.dilations[0], w.dilations[1]],
        groups: channels,
    };
    let ones = Value::known(Tensor::ones([channels, 1, w.kernel[0], w.kernel[1]], x.dtype()));
    let sums = ctx.op(Op::Conv2d { options, input_relu: false }, [x, ones])?;
    let [rows, columns] = [0, 1].map(|d| {
        let [before, after] = w.pads[d];
        let counted = if includes_padding { 0..before + size[d] + after } else { before..before + size[d] };
        let weight = |i: usize| {
            let at = |k: usize| i * w.strides[d] + k * w.dilations[d];
            let n = (0..w.kernel[d]).filter(|&k| counted.contains(&at(k))).count();
            if n == 0 { 0.0 } else { 1.0 / n as f64 }
        };
        (0..counts[d]).map(weight).collect::<Vec<f64>>()
    });
    scaled(ctx, sums, &rows, &columns)
}

/// Images, each pixel by the product of a factor of its row and one of its column.
fn scaled(ctx: &Context, x: Value, rows: &[f64], columns: &[f64]) -> Result<Value, Fault> {
    let factors: Vec<f64> = rows.iter().flat_map(|r| columns.iter().map(move |c| r * c)).collect();
    let factors = Tensor::from_vec(factors, [1, 1, rows.len(), columns.len()]).to_dtype(x.dtype());
    ctx.op(Op::Binary(Binary::Mul), [x, Value::known(factors)])
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
    scaled(ctx, y, &rows, &columns)
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
