//! Functions that no op computes alone, put together of ops.

use crate::error::Fault;
use crate::import::{Context, Value};
use striate_tensor::op::{Activation, Binary, Compare, Unary};
use striate_tensor::{DType, Op, Tensor};

fn unary(ctx: &Context, f: Unary, x: Value) -> Result<Value, Fault> {
    ctx.op(Op::Unary(f), [x])
}

fn binary(ctx: &Context, f: Binary, a: Value, b: Value) -> Result<Value, Fault> {
    ctx.op(Op::Binary(f), [a, b])
}

/// α · (e^x − 1) where x is below 0, x elsewhere, all times γ.
pub(crate) fn selu(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let alpha = ctx.float_or("alpha", 1.673_263_192_176_818_8);
    let gamma = ctx.float_or("gamma", 1.050_701_022_148_132_3);
    let y = unary(ctx, Unary::Activation(Activation::Elu(alpha)), ctx.operand(0)?)?;
    Ok(vec![unary(ctx, Unary::MulScalar(gamma), y)?])
}

/// max(x, 0) + min(0, α · (e^(x/α) − 1)).
pub(crate) fn celu(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, alpha) = (ctx.operand(0)?, ctx.float_or("alpha", 1.0));
    let y = unary(ctx, Unary::MulScalar(1.0 / alpha), x)?;
    let y = unary(ctx, Unary::Activation(Activation::Elu(1.0)), y)?;
    Ok(vec![unary(ctx, Unary::MulScalar(alpha), y)?])
}

pub(crate) fn thresholded_relu(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let (bound, zero) = (ctx.number_like(&x, ctx.float_or("alpha", 1.0)), ctx.number_like(&x, 0.0));
    let above = ctx.op(Op::Compare(Compare::Gt), [x.clone(), bound])?;
    Ok(vec![ctx.op(Op::Where, [above, x, zero])?])
}

pub(crate) fn is_nan(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let differs = ctx.op(Op::Compare(Compare::Ne), [x.clone(), x])?;
    Ok(vec![ctx.cast(differs, DType::Bool)?])
}

pub(crate) fn is_inf(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let equals = |number: f64| ctx.op(Op::Compare(Compare::Eq), [x.clone(), ctx.number_like(&x, number)]);
    let (above, below) = (equals(f64::INFINITY)?, equals(f64::NEG_INFINITY)?);
    let wanted = |name: &str, found: Value| match ctx.int_or(name, 1) {
        0 => Ok(Value::known(Tensor::zeros(found.shape(), DType::Bool))),
        _ => ctx.cast(found, DType::Bool),
    };
    let (above, below) = (wanted("detect_positive", above)?, wanted("detect_negative", below)?);
    Ok(vec![ctx.op(Op::Where, [above.clone(), above, below])?])
}

/// Trigonometric and hyperbolic functions. Those that kernels lack are computed here, and have no form in a graph.
pub(crate) fn trigonometric(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let f: fn(f64) -> f64 = match ctx.op_type() {
        "Tan" => {
            let (sine, cosine) = (unary(ctx, Unary::Sin, x.clone())?, unary(ctx, Unary::Cos, x)?);
            return Ok(vec![binary(ctx, Binary::Div, sine, cosine)?]);
        }
        "Sinh" => f64::sinh,
        "Cosh" => f64::cosh,
        "Asin" => f64::asin,
        "Acos" => f64::acos,
        "Atan" => f64::atan,
        "Asinh" => f64::asinh,
        "Acosh" => f64::acosh,
        _ => f64::atanh,
    };
    let (dtype, is_known) = (x.dtype(), x.is_known());
    let numbers: Vec<f64> = ctx.host(&x)?.to_dtype(DType::F64).to_vec::<f64>().into_iter().map(f).collect();
    let y = Tensor::from_vec(numbers, x.shape()).to_dtype(dtype);
    Ok(vec![if is_known { Value::known(y) } else { Value::computed(y) }])
}

/// The remainder: with the sign of the divisor, or, with `fmod`, of the dividend.
pub(crate) fn modulo(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (a, b) = (ctx.operand(0)?, ctx.operand(1)?);
    let dtype = a.dtype();
    let (a, b) = (ctx.cast(a, DType::F64)?, ctx.cast(b, DType::F64)?);
    let quotient = binary(ctx, Binary::Div, a.clone(), b.clone())?;
    let whole = match ctx.int_or("fmod", 0) {
        0 => unary(ctx, Unary::Floor, quotient)?,
        _ => ctx.cast(ctx.cast(quotient, DType::I64)?, DType::F64)?,
    };
    let rest = binary(ctx, Binary::Sub, a.clone(), binary(ctx, Binary::Mul, whole, b.clone())?)?;
    if !dtype.is_float() {
        return Ok(vec![ctx.cast(rest, dtype)?]);
    }
    // Of an infinite divisor the dividend remains, or the divisor itself where its sign is wanted and another one. Infinite dividends have no remainder.
    let compare = |c: Compare, a: &Value, b: Value| ctx.op(Op::Compare(c), [a.clone(), b]);
    let kept = binary(ctx, Binary::Add, a.clone(), binary(ctx, Binary::Sub, a.clone(), a.clone())?)?;
    let kept = match ctx.int_or("fmod", 0) {
        0 => {
            let product = unary(ctx, Unary::Sign, a)?;
            let product = binary(ctx, Binary::Mul, product, unary(ctx, Unary::Sign, b.clone())?)?;
            let differ = compare(Compare::Lt, &product, ctx.number_like(&product, 0.0))?;
            ctx.op(Op::Where, [differ, b.clone(), kept])?
        }
        _ => kept,
    };
    let size = unary(ctx, Unary::Abs, b)?;
    let is_infinite = compare(Compare::Eq, &size, ctx.number_like(&size, f64::INFINITY))?;
    Ok(vec![ctx.cast(ctx.op(Op::Where, [is_infinite, kept, rest])?, dtype)?])
}

/// Less its mean and by its deviation, over `axes`.
pub(crate) fn mean_variance(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let dims = ctx.axes(&ctx.ints("axes").unwrap_or_else(|| vec![0, 2, 3]), x.rank())?;
    let mean =
        |v: Value| ctx.op(Op::Reduce { op: striate_tensor::op::Reduce::Mean, dims: dims.clone(), keepdim: true }, [v]);
    let centred = binary(ctx, Binary::Sub, x.clone(), mean(x)?)?;
    let deviation = unary(ctx, Unary::Sqrt, mean(unary(ctx, Unary::Square, centred.clone())?)?)?;
    let deviation = unary(ctx, Unary::AddScalar(1e-9), deviation)?;
    Ok(vec![binary(ctx, Binary::Div, centred, deviation)?])
}

/// Whole numbers `0..n` along one dimension of `rank`.
fn counted(n: usize, dim: usize, rank: usize) -> Value {
    let mut shape = vec![1; rank];
    shape[dim] = n;
    Value::known(Tensor::from_vec((0..n as i64).collect(), shape))
}

/// 1 at the largest element along the axis, 0 elsewhere.
pub(crate) fn hardmax(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let (shape, rank) = (x.shape(), x.rank());
    let dim = ctx.axis(ctx.int_or("axis", if ctx.opset < 13 { 1 } else { -1 }), rank)?;
    let flat = if ctx.opset < 13 {
        vec![shape[..dim].iter().product(), shape[dim..].iter().product()]
    } else {
        shape.to_vec()
    };
    let dim = if ctx.opset < 13 { 1 } else { dim };
    let y = ctx.reshaped(x.clone(), &flat)?;
    let place = ctx.op(Op::ArgMax { dim, keepdim: true }, [y])?;
    let is_there = ctx.op(Op::Compare(Compare::Eq), [place, counted(flat[dim], dim, flat.len())])?;
    Ok(vec![ctx.reshaped(ctx.cast(is_there, x.dtype())?, &shape)?])
}

pub(crate) fn one_hot(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (index, depth) = (ctx.operand(0)?, ctx.integers(1)?);
    let n = depth.first().and_then(|&n| usize::try_from(n).ok()).filter(|&n| n < 1 << 31);
    let n = n.ok_or_else(|| Fault::new(format!("a depth of {depth:?} is not supported")))?;
    ctx.fits(&[n])?;
    let values = ctx.operand(2)?;
    if values.shape()[..] != [2] {
        return Err(Fault::new(format!("its values have shape {}, not [2]", values.shape())));
    }
    let rank = index.rank() + 1;
    let dim = ctx.axis(ctx.int_or("axis", -1), rank)?;
    let sizes = [&index.shape()[..dim], &[1], &index.shape()[dim..]].concat();
    let index = ctx.reshaped(ctx.cast(index, DType::I64)?, &sizes)?;
    let size = ctx.number_like(&index, n as f64);
    let negative = ctx.op(Op::Compare(Compare::Lt), [index.clone(), ctx.number_like(&index, 0.0)])?;
    let moved = binary(ctx, Binary::Add, index.clone(), size)?;
    let index = ctx.op(Op::Where, [negative, moved, index])?;
    let hot = ctx.op(Op::Compare(Compare::Eq), [index, counted(n, dim, rank)])?;
    let one = |place: usize| ctx.reshaped(ctx.narrow(values.clone(), 0, place, 1)?, &[]);
    Ok(vec![ctx.op(Op::Where, [hot, one(1)?, one(0)?])?])
}

/// The triangle above or below a diagonal; zeros elsewhere.
pub(crate) fn trilu(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let k = ctx.try_integers(1)?.and_then(|k| k.first().copied()).unwrap_or(0);
    let (shape, upper) = (x.shape(), ctx.int_or("upper", 1) != 0);
    let [.., rows, columns] = shape[..] else { return Err(Fault::new(format!("shape {shape} is no matrix"))) };
    let kept = |r: usize, c: usize| {
        let above = c as i64 - r as i64;
        if upper { above >= k } else { above <= k }
    };
    let mask = (0..rows).flat_map(|r| (0..columns).map(move |c| kept(r, c))).collect::<Vec<bool>>();
    let (mask, zero) = (Value::known(Tensor::from_vec(mask, [rows, columns])), ctx.number_like(&x, 0.0));
    Ok(vec![ctx.op(Op::Where, [mask, x, zero])?])
}

pub(crate) fn eye_like(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let [rows, columns] = x.shape()[..] else { return Err(Fault::new(format!("shape {} is no matrix", x.shape()))) };
    let k = ctx.int_or("k", 0);
    let dtype = match ctx.int("dtype") {
        Some(n) => crate::tensor::dtype(i32::try_from(n).unwrap_or(0))?,
        None => x.dtype(),
    };
    let one = |r: usize, c: usize| if c as i64 - r as i64 == k { 1.0f64 } else { 0.0 };
    let all: Vec<f64> = (0..rows).flat_map(|r| (0..columns).map(move |c| one(r, c))).collect();
    Ok(vec![Value::known(Tensor::from_vec(all, [rows, columns]).to_dtype(dtype))])
}
