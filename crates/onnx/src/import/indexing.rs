//! Elements picked by position.

use crate::error::Fault;
use crate::import::{Context, Value, host};
use striate_tensor::op::{Binary, Compare, Unary};
use striate_tensor::{DType, Op, Tensor};

pub(crate) fn slice(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let mut x = ctx.operand(0)?;
    let (starts, ends, axes, steps) = if ctx.opset < 10 {
        (ctx.ints("starts").unwrap_or_default(), ctx.ints("ends").unwrap_or_default(), ctx.ints("axes"), None)
    } else {
        (ctx.integers(1)?, ctx.integers(2)?, ctx.try_integers(3)?, ctx.try_integers(4)?)
    };
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(Fault::new("its starts, ends, axes and steps are not equally many"));
    }
    for (i, &axis) in axes.iter().enumerate() {
        let dim = ctx.axis(axis, x.rank())?;
        let size = x.shape()[dim] as i64;
        let from_start = |n: i64| if n < 0 { n.saturating_add(size) } else { n };
        let (start, end, step) = (from_start(starts[i]), from_start(ends[i]), steps[i]);
        x = match step {
            0 => return Err(Fault::new("a step is 0")),
            1 => {
                let (start, end) = (start.clamp(0, size), end.clamp(0, size));
                ctx.narrow(x, dim, start as usize, (end - start).max(0) as usize)?
            }
            2.. => picked(ctx, x, dim, (start.clamp(0, size)..end.clamp(0, size)).step_by(step as usize).collect())?,
            _ => {
                // Backwards, from the start down to the end, which is left out.
                let (mut at, last) = (start.clamp(-1, size - 1), end.clamp(-1, size - 1));
                let mut places = Vec::new();
                while at > last {
                    places.push(at);
                    at = at.saturating_add(step);
                }
                picked(ctx, x, dim, places)?
            }
        };
    }
    Ok(vec![x])
}

fn picked(ctx: &Context, x: Value, dim: usize, places: Vec<i64>) -> Result<Value, Fault> {
    let n = places.len();
    ctx.op(Op::IndexSelect { dim }, [x, Value::known(Tensor::from_vec(places, [n]))])
}

/// An index of `i64` without negative numbers, which count from the end.
fn positive(ctx: &Context, index: Value, size: usize) -> Result<Value, Fault> {
    let index = ctx.cast(index, DType::I64)?;
    if index.is_known() {
        let shape = index.shape();
        let n = size as i64;
        let places = index.into_tensor().to_vec::<i64>().into_iter().map(|i| if i < 0 { i + n } else { i });
        let places: Vec<i64> = places.collect();
        if let Some(i) = places.iter().find(|i| !(0..n).contains(i)) {
            return Err(Fault::new(format!("index {i} is out of range for {size} elements")));
        }
        return Ok(Value::known(Tensor::from_vec(places, shape)));
    }
    if let Ok(there) = ctx.host(&index) {
        let outside = there.to_vec::<i64>().into_iter().find(|i| !(-(size as i64)..size as i64).contains(i));
        outside.map_or(Ok(()), |i| Err(Fault::new(format!("index {i} is out of range for {size} elements"))))?;
    }
    let (zero, n) = (ctx.number_like(&index, 0.0), ctx.number_like(&index, size as f64));
    let negative = ctx.op(Op::Compare(Compare::Lt), [index.clone(), zero])?;
    let moved = ctx.op(Op::Binary(Binary::Add), [index.clone(), n])?;
    ctx.op(Op::Where, [negative, moved, index])
}

pub(crate) fn gather(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, index) = (ctx.operand(0)?, ctx.operand(1)?);
    let dim = ctx.axis(ctx.int_or("axis", 0), x.rank())?;
    let (from, by) = (x.shape(), index.shape());
    let index = positive(ctx, index, from[dim])?;
    let flat = ctx.reshaped(index, &[by.numel()])?;
    let y = ctx.op(Op::IndexSelect { dim }, [x, flat])?;
    let sizes = [&from[..dim], &by[..], &from[dim + 1..]].concat();
    Ok(vec![ctx.reshaped(y, &sizes)?])
}

pub(crate) fn gather_elements(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, index) = (ctx.operand(0)?, ctx.operand(1)?);
    let dim = ctx.axis(ctx.int_or("axis", 0), x.rank())?;
    let index = positive(ctx, index, x.shape()[dim])?;
    Ok(vec![ctx.op(Op::Gather { dim }, [x, index])?])
}

pub(crate) fn scatter_elements(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, index, updates) = (ctx.operand(0)?, ctx.operand(1)?, ctx.operand(2)?);
    let dim = ctx.axis(ctx.int_or("axis", 0), x.rank())?;
    let shape = x.shape();
    let index = positive(ctx, index, shape[dim])?;
    let add = |v: Value| ctx.op(Op::ScatterAdd { dim, shape }, [v, index.clone()]);
    match ctx.string_or("reduction", "none")? {
        "add" => {
            let added = add(updates)?;
            Ok(vec![ctx.op(Op::Binary(Binary::Add), [x, added])?])
        }
        "none" => {
            // Each place is named once at most, so what is added to zeros there is the update.
            let ones = ctx.op(Op::Unary(Unary::MulScalar(0.0)), [updates.clone()])?;
            let ones = ctx.op(Op::Unary(Unary::AddScalar(1.0)), [ones])?;
            let (times, added) = (add(ones)?, add(updates)?);
            let zero = ctx.number_like(&x, 0.0);
            let is_named = ctx.op(Op::Compare(Compare::Gt), [times, zero])?;
            Ok(vec![ctx.op(Op::Where, [is_named, added, x])?])
        }
        "mul" | "max" | "min" => Ok(vec![host::scatter_along(ctx, dim, [x, index, updates])?]),
        other => Err(Fault::new(format!("reduction '{other}' is not supported"))),
    }
}

pub(crate) fn top_k(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let dim = ctx.axis(ctx.int_or("axis", -1), x.rank())?;
    let k = if ctx.opset < 10 { ctx.int_or("k", 0) } else { ctx.integers(1)?.first().copied().unwrap_or(0) };
    let size = x.shape()[dim];
    let k = usize::try_from(k)
        .ok()
        .filter(|&k| k <= size)
        .ok_or_else(|| Fault::new(format!("there are no {k} of {size} elements")))?;
    let order = ctx.op(Op::ArgSort { dim, descending: ctx.int_or("largest", 1) != 0 }, [x.clone()])?;
    let places = ctx.narrow(order, dim, 0, k)?;
    Ok(vec![ctx.op(Op::Gather { dim }, [x, places.clone()])?, places])
}
