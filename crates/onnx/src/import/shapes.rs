//! Shapes: reading them, and the same elements under another one.

use crate::error::Fault;
use crate::import::{Context, Value};
use striate_tensor::{DType, MAX_RANK, Op, PaddingMode, Shape, Tensor};

fn list(numbers: Vec<i64>) -> Value {
    let n = numbers.len();
    Value::known(Tensor::from_vec(numbers, [n]))
}

fn as_size(n: i64) -> Result<usize, Fault> {
    usize::try_from(n).ok().filter(|&n| n < 1 << 31).ok_or_else(|| Fault::new(format!("{n} is no size")))
}

pub(crate) fn shape(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let shape = ctx.operand(0)?.shape();
    let rank = shape.rank() as i64;
    let place = |n: i64| (if n < 0 { n + rank } else { n }).clamp(0, rank) as usize;
    let (start, end) = (place(ctx.int_or("start", 0)), place(ctx.int_or("end", rank)));
    Ok(vec![list(shape[start..end.max(start)].iter().map(|&n| n as i64).collect())])
}

pub(crate) fn size(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let n = ctx.operand(0)?.shape().numel() as i64;
    Ok(vec![Value::known(Tensor::from_vec(vec![n], []))])
}

pub(crate) fn reshape(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let given = if ctx.opset < 5 { ctx.ints("shape") } else { None };
    let (from, wanted) = (x.shape(), given.map_or_else(|| ctx.integers(1), Ok)?);
    let mut wanted = wanted;
    if let Some(first) = wanted.first_mut() {
        *first = ctx.first_size(*first, from.first().copied());
    }
    let keeps_zero = ctx.int_or("allowzero", 0) != 0;
    let mut sizes = Vec::new();
    for (i, &n) in wanted.iter().enumerate() {
        sizes.push(match n {
            -1 => 1,
            0 if !keeps_zero => {
                *from.get(i).ok_or_else(|| Fault::new(format!("{wanted:?} keeps a dimension that {from} lacks")))?
            }
            n => as_size(n)?,
        });
    }
    let open: Vec<usize> = (0..wanted.len()).filter(|&i| wanted[i] == -1).collect();
    let rest = sizes.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).unwrap_or(usize::MAX);
    match open[..] {
        [] => {}
        [i] if rest > 0 && from.numel().is_multiple_of(rest) => sizes[i] = from.numel() / rest,
        [_] => return Err(Fault::new(format!("{from} cannot become {wanted:?}"))),
        _ => return Err(Fault::new(format!("{wanted:?} leaves two sizes open"))),
    }
    Ok(vec![ctx.reshaped(x, &sizes)?])
}

pub(crate) fn flatten(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let (shape, axis) = (x.shape(), ctx.int_or("axis", 1));
    let axis = if axis == shape.rank() as i64 { shape.rank() } else { ctx.axis(axis, shape.rank())? };
    let sizes = [shape[..axis].iter().product(), shape[axis..].iter().product()];
    Ok(vec![ctx.reshaped(x, &sizes)?])
}

/// The axes of attribute or operand 1.
fn given_axes(ctx: &Context) -> Result<Option<Vec<i64>>, Fault> {
    if ctx.opset < 13 { Ok(ctx.ints("axes")) } else { ctx.try_integers(1) }
}

pub(crate) fn squeeze(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let shape = x.shape();
    let dims = match given_axes(ctx)? {
        Some(axes) => ctx.axes(&axes, shape.rank())?,
        None => (0..shape.rank()).filter(|&d| shape[d] == 1).collect(),
    };
    if let Some(d) = dims.iter().find(|&&d| shape[d] != 1) {
        return Err(Fault::new(format!("dimension {d} of shape {shape} is not 1")));
    }
    let sizes: Vec<usize> = (0..shape.rank()).filter(|d| !dims.contains(d)).map(|d| shape[d]).collect();
    Ok(vec![ctx.reshaped(x, &sizes)?])
}

pub(crate) fn unsqueeze(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let axes = given_axes(ctx)?.ok_or_else(|| Fault::new("its axes are missing"))?;
    let rank = x.rank() + axes.len();
    if rank > MAX_RANK {
        return Err(Fault::new(format!("{rank} dimensions are too many")));
    }
    let new = ctx.axes(&axes, rank)?;
    let mut rest = x.shape().to_vec().into_iter();
    let size = |d: usize| if new.contains(&d) { 1 } else { rest.next().unwrap_or(1) };
    let sizes: Vec<usize> = (0..rank).map(size).collect();
    Ok(vec![ctx.reshaped(x, &sizes)?])
}

pub(crate) fn transpose(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let rank = x.rank();
    let dims = match ctx.ints("perm") {
        Some(perm) => perm.iter().map(|&d| ctx.axis(d, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).rev().collect(),
    };
    Ok(vec![ctx.permuted(x, dims)?])
}

pub(crate) fn expand(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let wanted = crate::tensor::shape(&ctx.integers(1)?)?;
    // The sizes may be smaller than the operand's: both broadcast.
    let rank = wanted.rank().max(x.rank());
    let at = |s: &Shape, d: usize| if d + s.rank() >= rank { s[d + s.rank() - rank] } else { 1 };
    let (from, to) = (x.shape(), wanted);
    let sizes: Shape = (0..rank).map(|d| if at(&to, d) == 1 { at(&from, d) } else { at(&to, d) }).collect();
    Ok(vec![ctx.op(Op::Expand { shape: sizes }, [x])?])
}

pub(crate) fn tile(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let mut x = ctx.operand(0)?;
    let repeats = ctx.integers(1)?;
    if repeats.len() != x.rank() {
        return Err(Fault::new(format!("{} repeats for {} dimensions", repeats.len(), x.rank())));
    }
    for (dim, &n) in repeats.iter().enumerate() {
        let (n, shape) = (as_size(n)?, x.shape());
        if n == 1 {
            continue;
        }
        // Everything before the dimension as one, so that the copies have a dimension of their own.
        let (before, after): (usize, usize) = (shape[..dim].iter().product(), shape[dim..].iter().product());
        x = ctx.reshaped(x, &[before, 1, after])?;
        x = ctx.op(Op::Expand { shape: Shape::from([before, n, after]) }, [x])?;
        let mut sizes = shape.to_vec();
        sizes[dim] *= n;
        x = ctx.reshaped(x, &sizes)?;
    }
    Ok(vec![x])
}

pub(crate) fn concat(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let all = (0..ctx.operands()).map(|i| ctx.operand(i)).collect::<Result<Vec<_>, _>>()?;
    let first = all.first().ok_or_else(|| Fault::new("it has no operand"))?;
    let axis = ctx.int("axis").ok_or_else(|| Fault::new("its axis is missing"))?;
    let dim = ctx.axis(axis, first.rank())?;
    Ok(vec![ctx.op_of(Op::Cat { dim }, all)?])
}

pub(crate) fn split(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let dim = ctx.axis(ctx.int_or("axis", 0), x.rank())?;
    let (size, parts) = (x.shape()[dim], ctx.outputs());
    let given = if ctx.opset < 13 { ctx.ints("split") } else { ctx.try_integers(1)? };
    let lengths = match given {
        Some(list) => list.into_iter().map(as_size).collect::<Result<Vec<_>, _>>()?,
        None => {
            let n = ctx.int("num_outputs").map_or(Ok(parts), as_size)?.max(1);
            let each = size.div_ceil(n);
            (0..n).map(|i| each.min(size.saturating_sub(i * each))).collect()
        }
    };
    if lengths.iter().sum::<usize>() != size || lengths.len() < parts {
        return Err(Fault::new(format!("{lengths:?} does not split {size} elements into {parts} parts")));
    }
    let mut start = 0;
    let part = |length: usize| {
        let part = ctx.narrow(x.clone(), dim, start, length);
        start += length;
        part
    };
    lengths.into_iter().map(part).collect()
}

pub(crate) fn pad(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let mut x = ctx.operand(0)?;
    let rank = x.rank();
    let (pads, value, axes) = if ctx.opset < 11 {
        let pads = ctx.ints("pads").or(ctx.ints("paddings")).ok_or_else(|| Fault::new("its pads are missing"))?;
        (pads, ctx.float_or("value", 0.0), None)
    } else {
        let value = ctx.try_numbers(2)?.and_then(|v| v.first().copied()).unwrap_or(0.0);
        (ctx.integers(1)?, value, ctx.try_integers(3)?)
    };
    let dims = match axes {
        Some(axes) => axes.iter().map(|&a| ctx.axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * dims.len() {
        return Err(Fault::new(format!("{} pads for {} dimensions", pads.len(), dims.len())));
    }
    let mode = match ctx.string_or("mode", "constant")? {
        "constant" => PaddingMode::Zeros,
        "reflect" => PaddingMode::Reflect,
        "edge" => PaddingMode::Replicate,
        "wrap" => PaddingMode::Circular,
        other => return Err(Fault::new(format!("mode '{other}' is not supported"))),
    };
    let mut padding = vec![[0usize; 2]; rank];
    for (i, &dim) in dims.iter().enumerate() {
        let (before, after) = (pads[i], pads[i + dims.len()]);
        padding[dim] = [as_size(before.max(0))?, as_size(after.max(0))?];
        // What is negative is cut off.
        let (front, back) = (as_size((-before).max(0))?, as_size((-after).max(0))?);
        if front + back > 0 {
            let size = x.shape()[dim].checked_sub(front + back);
            let size = size.ok_or_else(|| Fault::new(format!("pads {pads:?} cut off more than there is")))?;
            x = ctx.narrow(x, dim, front, size)?;
        }
    }
    Ok(vec![padded(ctx, x, padding, mode, value)?])
}

/// Whole numbers and truth values are padded, too; modes that repeat elements have arithmetic for floating-point numbers alone.
fn padded(ctx: &Context, x: Value, padding: Vec<[usize; 2]>, mode: PaddingMode, value: f64) -> Result<Value, Fault> {
    let dtype = x.dtype();
    let through = if mode == PaddingMode::Zeros || dtype.is_float() { dtype } else { DType::F64 };
    let x = ctx.cast(x, through)?;
    let y = ctx.op(Op::Pad { padding, mode, value }, [x])?;
    ctx.cast(y, dtype)
}

/// Height, width and block size of a batch of images.
fn blocks(ctx: &Context, x: &Value) -> Result<([usize; 4], usize), Fault> {
    let block = as_size(ctx.int_or("blocksize", 0))?;
    match x.shape()[..] {
        [n, c, h, w] if block > 0 => Ok(([n, c, h, w], block)),
        _ => Err(Fault::new(format!("blocks of {block} do not fit shape {}", x.shape()))),
    }
}

pub(crate) fn depth_to_space(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let ([n, c, h, w], b) = blocks(ctx, &x)?;
    let out = c / (b * b);
    let x = match ctx.string_or("mode", "DCR")? {
        "DCR" => ctx.permuted(ctx.reshaped(x, &[n, b, b, out, h, w])?, vec![0, 3, 4, 1, 5, 2])?,
        "CRD" => ctx.permuted(ctx.reshaped(x, &[n, out, b, b, h, w])?, vec![0, 1, 4, 2, 5, 3])?,
        other => return Err(Fault::new(format!("mode '{other}' is not supported"))),
    };
    Ok(vec![ctx.reshaped(x, &[n, out, h * b, w * b])?])
}

pub(crate) fn space_to_depth(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let ([n, c, h, w], b) = blocks(ctx, &x)?;
    let x = ctx.reshaped(x, &[n, c, h / b, b, w / b, b])?;
    let order = match ctx.string_or("mode", "DCR")? {
        "DCR" => [0, 3, 5, 1, 2, 4],
        "CRD" => [0, 1, 3, 5, 2, 4],
        other => return Err(Fault::new(format!("mode '{other}' is not supported"))),
    };
    let x = ctx.permuted(x, order.to_vec())?;
    Ok(vec![ctx.reshaped(x, &[n, c * b * b, h / b, w / b])?])
}
