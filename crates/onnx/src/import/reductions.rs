//! Reductions, and what looks along a dimension.

use crate::error::Fault;
use crate::import::{Context, Value};
use striate_tensor::op::{Binary, Reduce, Unary};
use striate_tensor::{DType, Op, PaddingMode, Spec, Tensor};

pub(crate) fn reduce(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let by_operand = if ctx.op_type() == "ReduceSum" { 13 } else { 18 };
    let axes = if ctx.opset >= by_operand { ctx.try_integers(1)? } else { ctx.ints("axes") };
    let axes = axes.filter(|axes| !axes.is_empty());
    if axes.is_none() && ctx.int_or("noop_with_empty_axes", 0) != 0 && ctx.opset >= by_operand {
        return unreduced(ctx, x).map(|y| vec![y]);
    }
    let dims = match axes {
        Some(axes) => ctx.axes(&axes, x.rank())?,
        None => (0..x.rank()).collect(),
    };
    let keepdim = ctx.int_or("keepdims", 1) != 0;
    let dtype = x.dtype();
    if dims.iter().any(|&d| x.shape()[d] == 0)
        && let Some(extreme) = of_nothing(ctx, dtype)
    {
        let shape =
            Op::Reduce { op: Reduce::Sum, dims, keepdim }.try_outputs(&[Spec::new(x.shape(), DType::F32)])?[0].shape;
        return Ok(vec![Value::known(Tensor::full(extreme, shape, dtype))]);
    }
    let x = if dtype.is_float() { x } else { ctx.cast(x, DType::I64)? };
    let unary = |f: Unary, x: Value| ctx.op(Op::Unary(f), [x]);
    let of = |op: Reduce, x: Value| ctx.op(Op::Reduce { op, dims: dims.clone(), keepdim }, [x]);
    let y = match ctx.op_type() {
        "ReduceSum" => of(Reduce::Sum, x)?,
        "ReduceMean" => of(Reduce::Mean, x)?,
        "ReduceMax" => of(Reduce::Max, x)?,
        "ReduceMin" => of(Reduce::Min, x)?,
        "ReduceProd" => of(Reduce::Prod, x)?,
        "ReduceL1" => of(Reduce::Sum, unary(Unary::Abs, x)?)?,
        "ReduceL2" => unary(Unary::Sqrt, of(Reduce::Sum, unary(Unary::Square, x)?)?)?,
        "ReduceSumSquare" => of(Reduce::Sum, unary(Unary::Square, x)?)?,
        "ReduceLogSum" => unary(Unary::Log, of(Reduce::Sum, x)?)?,
        _ => {
            // The maximum is taken out, so that no power overflows.
            let most = ctx.op(Op::Reduce { op: Reduce::Max, dims: dims.clone(), keepdim: true }, [x.clone()])?;
            let less = ctx.op(Op::Binary(Binary::Sub), [x, most.clone()])?;
            let sum = of(Reduce::Sum, unary(Unary::Exp, less)?)?;
            let log = unary(Unary::Log, sum)?;
            let most = ctx.reshaped(most, &log.shape())?;
            ctx.op(Op::Binary(Binary::Add), [log, most])?
        }
    };
    Ok(vec![ctx.cast(y, dtype)?])
}

/// What a reduction over no dimension makes of each element.
fn unreduced(ctx: &Context, x: Value) -> Result<Value, Fault> {
    let dtype = x.dtype();
    let f = match ctx.op_type() {
        "ReduceL1" | "ReduceL2" => Unary::Abs,
        "ReduceSumSquare" => Unary::Square,
        "ReduceLogSum" => Unary::Log,
        _ => return Ok(x),
    };
    let x = if dtype.is_float() { x } else { ctx.cast(x, DType::I64)? };
    ctx.cast(ctx.op(Op::Unary(f), [x])?, dtype)
}

/// The maximum or minimum of no numbers: the lowest or highest of the type.
fn of_nothing(ctx: &Context, dtype: DType) -> Option<f64> {
    let [low, high] = match dtype {
        DType::I64 => [i64::MIN as f64, i64::MAX as f64],
        DType::I32 => [i32::MIN as f64, i32::MAX as f64],
        DType::I8 => [i8::MIN as f64, i8::MAX as f64],
        DType::U8 => [0.0, u8::MAX as f64],
        DType::Bool => [0.0, 1.0],
        _ => [f64::NEG_INFINITY, f64::INFINITY],
    };
    match ctx.op_type() {
        "ReduceMax" | "ReduceLogSumExp" => Some(low),
        "ReduceMin" => Some(high),
        _ => None,
    }
}

pub(crate) fn arg(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let dim = ctx.axis(ctx.int_or("axis", 0), x.rank())?;
    let keepdim = ctx.int_or("keepdims", 1) != 0;
    let op = if ctx.op_type() == "ArgMax" { Op::ArgMax { dim, keepdim } } else { Op::ArgMin { dim, keepdim } };
    if ctx.int_or("select_last_index", 0) == 0 {
        return Ok(vec![ctx.op(op, [x])?]);
    }
    // The first from the end.
    let n = x.shape()[dim] as i64;
    let backwards = Value::known(Tensor::from_vec((0..n).rev().collect(), [n as usize]));
    let place = ctx.op(op, [ctx.op(Op::IndexSelect { dim }, [x, backwards])?])?;
    let last = Value::known(Tensor::from_vec(vec![n - 1], [1]));
    let last = ctx.op(Op::Binary(Binary::Sub), [last, place.clone()])?;
    Ok(vec![ctx.reshaped(last, &place.shape())?])
}

pub(crate) fn cum_sum(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let axis = ctx.integers(1)?.first().copied().unwrap_or(0);
    let dim = ctx.axis(axis, x.rank())?;
    let dtype = x.dtype();
    let mut x = if dtype.is_float() { x } else { ctx.cast(x, DType::I64)? };
    let reverse = ctx.int_or("reverse", 0) != 0;
    if ctx.int_or("exclusive", 0) != 0 && x.shape()[dim] > 0 {
        // Each sum without its own element is the sum of elements that are moved on by one.
        let rest = x.shape()[dim] - 1;
        let mut padding = vec![[0; 2]; x.rank()];
        padding[dim] = if reverse { [0, 1] } else { [1, 0] };
        let moved = ctx.narrow(x, dim, reverse as usize, rest)?;
        x = ctx.op(Op::Pad { padding, mode: PaddingMode::Zeros, value: 0.0 }, [moved])?;
    }
    let y = ctx.op(Op::CumSum { dim, reverse }, [x])?;
    Ok(vec![ctx.cast(y, dtype)?])
}

/// Before opset 13 all dimensions from the axis on count as one.
pub(crate) fn softmax(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let op = |dim: usize| if ctx.op_type() == "Softmax" { Op::Softmax { dim } } else { Op::LogSoftmax { dim } };
    if ctx.opset >= 13 {
        let dim = ctx.axis(ctx.int_or("axis", -1), x.rank())?;
        return Ok(vec![ctx.op(op(dim), [x])?]);
    }
    let shape = x.shape();
    let dim = ctx.axis(ctx.int_or("axis", 1), shape.rank())?;
    let rows = [shape[..dim].iter().product(), shape[dim..].iter().product()];
    let y = ctx.op(op(1), [ctx.reshaped(x, &rows)?])?;
    Ok(vec![ctx.reshaped(y, &shape)?])
}
