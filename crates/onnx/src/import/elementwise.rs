//! Functions of one, two or more elements.

use crate::error::Fault;
use crate::import::{Context, Value};
use striate_tensor::op::{Activation, Binary, Compare, Unary};
use striate_tensor::{DType, Op, Tensor};

/// Computes in a type that arithmetic has: whole numbers in `i64`.
fn wide(ctx: &Context, x: Value) -> Result<Value, Fault> {
    match x.dtype() {
        DType::I32 | DType::I8 | DType::U8 => ctx.cast(x, DType::I64),
        _ => Ok(x),
    }
}

fn pair(ctx: &Context, f: Binary, a: Value, b: Value) -> Result<Value, Fault> {
    let dtype = a.dtype();
    if dtype != b.dtype() {
        return Err(Fault::new(format!("its operands are {dtype} and {}", b.dtype())));
    }
    let y = ctx.op(Op::Binary(f), [wide(ctx, a)?, wide(ctx, b)?])?;
    ctx.cast(y, dtype)
}

pub(crate) fn binary(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (a, b) = (ctx.operand(0)?, ctx.operand(1)?);
    let (a, b) = legacy_broadcast(ctx, a, b)?;
    let f = match ctx.op_type() {
        "Add" => Binary::Add,
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Div" if !a.dtype().is_float() => return Ok(vec![whole_division(ctx, a, b)?]),
        "Div" => Binary::Div,
        _ => {
            let to = a.dtype();
            let through = if to.is_float() { to } else { DType::F64 };
            let power = ctx.op(Op::Binary(Binary::Pow), [ctx.cast(a, through)?, ctx.cast(b, through)?])?;
            return Ok(vec![ctx.cast(power, to)?]);
        }
    };
    Ok(vec![pair(ctx, f, a, b)?])
}

/// Before opset 7 an attribute says at which dimension of the first operand those of the second begin.
fn legacy_broadcast(ctx: &Context, a: Value, b: Value) -> Result<(Value, Value), Fault> {
    let Some(axis) = ctx.int("axis").filter(|_| ctx.opset < 7) else { return Ok((a, b)) };
    let start = ctx.axis(axis, a.rank())?;
    let tail = a.rank().saturating_sub(start + b.rank());
    let sizes = [&b.shape()[..], &vec![1; tail]].concat();
    Ok((a, ctx.reshaped(b, &sizes)?))
}

/// The quotient of whole numbers, cut off towards zero.
fn whole_division(ctx: &Context, a: Value, b: Value) -> Result<Value, Fault> {
    if !(a.is_known() && b.is_known()) {
        let dtype = a.dtype();
        let quotient = ctx.op(Op::Binary(Binary::Div), [ctx.cast(a, DType::F64)?, ctx.cast(b, DType::F64)?])?;
        return ctx.cast(ctx.cast(quotient, DType::I64)?, dtype);
    }
    let (dtype, shape) = (a.dtype(), ctx.op(Op::Compare(Compare::Eq), [a.clone(), b.clone()])?.shape());
    let numbers = |v: Value| -> Result<Vec<i64>, Fault> {
        let all = ctx.op(Op::Expand { shape }, [v])?;
        Ok(ctx.cast(all, DType::I64)?.into_tensor().to_vec())
    };
    let quotient = numbers(a)?.into_iter().zip(numbers(b)?).map(|(a, b)| a.checked_div(b));
    let quotient: Option<Vec<i64>> = quotient.collect();
    let quotient = quotient.ok_or_else(|| Fault::new("it divides by zero"))?;
    ctx.cast(Value::known(Tensor::from_vec(quotient, shape)), dtype)
}

/// Of any number of operands.
pub(crate) fn many(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let f = match ctx.op_type() {
        "Max" => Binary::Maximum,
        "Min" => Binary::Minimum,
        _ => Binary::Add,
    };
    let mut y = ctx.operand(0)?;
    for i in 1..ctx.operands() {
        let next = ctx.operand(i)?;
        y = pair(ctx, f, y, next)?;
    }
    if ctx.op_type() == "Mean" {
        let n = ctx.number_like(&y, ctx.operands() as f64);
        y = ctx.op(Op::Binary(Binary::Div), [y, n])?;
    }
    Ok(vec![y])
}

pub(crate) fn compare(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (a, b) = legacy_broadcast(ctx, ctx.operand(0)?, ctx.operand(1)?)?;
    let c = match ctx.op_type() {
        "Equal" => Compare::Eq,
        "Less" => Compare::Lt,
        "LessOrEqual" => Compare::Le,
        "Greater" => Compare::Gt,
        _ => Compare::Ge,
    };
    let truth = ctx.op(Op::Compare(c), [a, b])?;
    Ok(vec![ctx.cast(truth, DType::Bool)?])
}

pub(crate) fn logic(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let a = ctx.operand(0)?;
    if a.dtype() != DType::Bool {
        return Err(Fault::new(format!("its operand is {}, not bool", a.dtype())));
    }
    let (yes, no) = (ctx.number_like(&a, 1.0), ctx.number_like(&a, 0.0));
    let truth = match ctx.op_type() {
        "Not" => ctx.op(Op::Compare(Compare::Eq), [a, no])?,
        "And" => ctx.op(Op::Where, [a, ctx.operand(1)?, no])?,
        "Or" => ctx.op(Op::Where, [a, yes, ctx.operand(1)?])?,
        _ => ctx.op(Op::Compare(Compare::Ne), [a, ctx.operand(1)?])?,
    };
    Ok(vec![ctx.cast(truth, DType::Bool)?])
}

pub(crate) fn choose(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let all = [ctx.operand(0)?, ctx.operand(1)?, ctx.operand(2)?];
    Ok(vec![ctx.op(Op::Where, all)?])
}

/// Dropout passes everything on: networks run in evaluation. Its mask keeps everything; before opset 10 it has the type of what is passed on.
pub(crate) fn identity(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let trains = ctx.op_type() == "Dropout" && ctx.operands() > 2 && ctx.integers(2)?.first() == Some(&1);
    if trains {
        return Err(Fault::new("dropout in training is not supported"));
    }
    let kind = if ctx.opset < 10 { x.dtype() } else { DType::Bool };
    let mask = (ctx.outputs() > 1).then(|| Value::known(Tensor::ones(x.shape(), kind)));
    Ok([Some(x), mask].into_iter().flatten().collect())
}

pub(crate) fn clip(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    if ctx.opset < 11 {
        let bounds =
            [("min", f64::NEG_INFINITY), ("max", f64::INFINITY)].map(|(name, default)| ctx.float_or(name, default));
        return Ok(vec![between(ctx, x, bounds)?]);
    }
    let (low, high) = (ctx.try_operand(1), ctx.try_operand(2));
    let is_number = |v: &Option<Value>| v.as_ref().is_none_or(|v| v.is_known() && v.shape().numel() == 1);
    if is_number(&low) && is_number(&high) && x.dtype().is_float() {
        let one = |list: Option<Vec<f64>>, default: f64| list.and_then(|l| l.first().copied()).unwrap_or(default);
        let bounds = [one(ctx.try_numbers(1)?, f64::NEG_INFINITY), one(ctx.try_numbers(2)?, f64::INFINITY)];
        return Ok(vec![between(ctx, x, bounds)?]);
    }
    let x = if let Some(low) = low { pair(ctx, Binary::Maximum, x, low)? } else { x };
    Ok(vec![if let Some(high) = high { pair(ctx, Binary::Minimum, x, high)? } else { x }])
}

fn between(ctx: &Context, x: Value, [low, high]: [f64; 2]) -> Result<Value, Fault> {
    let f = match (low > f64::NEG_INFINITY, high < f64::INFINITY) {
        (true, true) if low <= high => Unary::Activation(Activation::Hardtanh(low, high)),
        // The upper bound comes last, and wins.
        (true, true) => {
            return ctx.op(Op::Unary(Unary::ClampMax(high)), [ctx.op(Op::Unary(Unary::ClampMin(low)), [x])?]);
        }
        (true, false) if low == 0.0 => Unary::Relu,
        (true, false) => Unary::ClampMin(low),
        (false, true) => Unary::ClampMax(high),
        (false, false) => return Ok(x),
    };
    ctx.op(Op::Unary(f), [x])
}

pub(crate) fn prelu(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, slope) = (ctx.operand(0)?, ctx.operand(1)?);
    let (n, channels) = (slope.shape().numel(), x.shape().get(1).copied().unwrap_or(1));
    // Before opset 7 a list is one slope for each channel.
    let is_first = slope.rank() + 1 == x.rank() || (slope.rank() == 1 && ctx.opset < 7);
    let is_wide = slope.rank() == x.rank() && slope.shape().get(1) == Some(&channels);
    let by_channel = (is_wide || (is_first && slope.shape().first() == Some(&channels))) && n == channels;
    if n == 1 || by_channel {
        let slope = ctx.reshaped(slope, &[n])?;
        return Ok(vec![ctx.op(Op::Prelu, [x, slope])?]);
    }
    let scaled = ctx.op(Op::Binary(Binary::Mul), [x.clone(), slope])?;
    let zero = ctx.number_like(&x, 0.0);
    let negative = ctx.op(Op::Compare(Compare::Lt), [x.clone(), zero])?;
    Ok(vec![ctx.op(Op::Where, [negative, scaled, x])?])
}

pub(crate) fn unary(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let whole = !x.dtype().is_float();
    let f = match ctx.op_type() {
        "Neg" | "Abs" | "Sign" if whole => return Ok(vec![of_whole(ctx, x)?]),
        "Neg" => Unary::Neg,
        "Abs" => Unary::Abs,
        "Sign" => Unary::Sign,
        "Exp" => Unary::Exp,
        "Log" => Unary::Log,
        "Erf" => Unary::Erf,
        "Sqrt" => Unary::Sqrt,
        "Floor" => Unary::Floor,
        "Ceil" => Unary::Ceil,
        "Round" => Unary::Round,
        "Reciprocal" => Unary::Recip,
        "Sin" => Unary::Sin,
        "Cos" => Unary::Cos,
        "Tanh" => Unary::Tanh,
        "Sigmoid" => Unary::Sigmoid,
        "Relu" if whole => {
            let zero = ctx.number_like(&x, 0.0);
            return Ok(vec![pair(ctx, Binary::Maximum, x, zero)?]);
        }
        "Relu" => Unary::Relu,
        "LeakyRelu" => Unary::LeakyRelu(ctx.float_or("alpha", 0.01)),
        "Elu" => Unary::Activation(Activation::Elu(ctx.float_or("alpha", 1.0))),
        "HardSwish" => Unary::Activation(Activation::Hardswish),
        "HardSigmoid" => return Ok(vec![hard_sigmoid(ctx, x)?]),
        "Softplus" => Unary::Activation(Activation::Softplus { beta: 1.0, threshold: 20.0 }),
        "Softsign" => {
            let below = ctx.op(Op::Unary(Unary::AddScalar(1.0)), [ctx.op(Op::Unary(Unary::Abs), [x.clone()])?])?;
            return Ok(vec![ctx.op(Op::Binary(Binary::Div), [x, below])?]);
        }
        "Mish" => Unary::Activation(Activation::Mish),
        "Gelu" => match ctx.string_or("approximate", "none")? {
            "none" => Unary::Activation(Activation::Gelu),
            "tanh" => Unary::Activation(Activation::GeluTanh),
            other => return Err(Fault::new(format!("approximation '{other}' is not supported"))),
        },
        "Swish" => {
            let scaled = ctx.op(Op::Unary(Unary::MulScalar(ctx.float_or("alpha", 1.0))), [x.clone()])?;
            let gate = ctx.op(Op::Unary(Unary::Sigmoid), [scaled])?;
            return Ok(vec![ctx.op(Op::Binary(Binary::Mul), [x, gate])?]);
        }
        _ => return Ok(vec![shrink(ctx, x)?]),
    };
    Ok(vec![ctx.op(Op::Unary(f), [x])?])
}

/// Functions of whole numbers, by way of products and comparisons.
fn of_whole(ctx: &Context, x: Value) -> Result<Value, Fault> {
    let (zero, minus) = (ctx.number_like(&x, 0.0), ctx.number_like(&x, -1.0));
    if ctx.op_type() == "Neg" {
        return pair(ctx, Binary::Mul, x, minus);
    }
    if ctx.op_type() == "Abs" {
        let other = pair(ctx, Binary::Mul, x.clone(), minus)?;
        return pair(ctx, Binary::Maximum, x, other);
    }
    let one = ctx.number_like(&x, 1.0);
    let x = pair(ctx, Binary::Minimum, x, one)?;
    match x.dtype() {
        DType::U8 => pair(ctx, Binary::Maximum, x, zero),
        _ => pair(ctx, Binary::Maximum, x, minus),
    }
}

fn hard_sigmoid(ctx: &Context, x: Value) -> Result<Value, Fault> {
    let (alpha, beta) = (ctx.float_or("alpha", 0.2), ctx.float_or("beta", 0.5));
    if (alpha - 1.0 / 6.0).abs() < 1e-7 && beta == 0.5 {
        return ctx.op(Op::Unary(Unary::Activation(Activation::Hardsigmoid)), [x]);
    }
    let x = ctx.op(Op::Unary(Unary::MulScalar(alpha)), [x])?;
    let x = ctx.op(Op::Unary(Unary::AddScalar(beta)), [x])?;
    ctx.op(Op::Unary(Unary::Activation(Activation::Hardtanh(0.0, 1.0))), [x])
}

fn shrink(ctx: &Context, x: Value) -> Result<Value, Fault> {
    let (lambda, bias) = (ctx.float_or("lambd", 0.5), ctx.float_or("bias", 0.0));
    if !x.dtype().is_float() {
        return Err(Fault::new(format!("{} is not supported", x.dtype())));
    }
    if bias == 0.0 && lambda >= 0.0 {
        return ctx.op(Op::Unary(Unary::Activation(Activation::Hardshrink(lambda))), [x]);
    }
    let zero = ctx.number_like(&x, 0.0);
    let (low, high) = (ctx.number_like(&x, -lambda), ctx.number_like(&x, lambda));
    let below = ctx.op(Op::Compare(Compare::Lt), [x.clone(), low])?;
    let above = ctx.op(Op::Compare(Compare::Gt), [x.clone(), high])?;
    let up = ctx.op(Op::Unary(Unary::AddScalar(bias)), [x.clone()])?;
    let down = ctx.op(Op::Unary(Unary::AddScalar(-bias)), [x])?;
    let rest = ctx.op(Op::Where, [above, down, zero])?;
    ctx.op(Op::Where, [below, up, rest])
}
