//! Constants and conversions.

use crate::error::Fault;
use crate::import::{Context, Value};
use crate::tensor::{dtype, tensor};
use striate_tensor::{DType, Shape, Tensor};

/// The most numbers of a range.
const LONGEST_RANGE: f64 = (1u64 << 24) as f64;

pub(crate) fn cast(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let to = match ctx.op_type() {
        "Cast" => {
            let to = ctx.int("to").ok_or_else(|| Fault::new("attribute to is missing"))?;
            dtype(i32::try_from(to).unwrap_or(0))?
        }
        _ => ctx.operand(1)?.dtype(),
    };
    Ok(vec![ctx.cast(x, to)?])
}

pub(crate) fn constant(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let list = |name: &str| ctx.attribute(name);
    let t = if let Some(t) = ctx.tensor("value") {
        tensor(t)?
    } else if let Some(a) = list("value_float") {
        Tensor::from_vec(vec![a.f()], [])
    } else if let Some(a) = list("value_int") {
        Tensor::from_vec(vec![a.i()], [])
    } else if let Some(a) = list("value_floats") {
        Tensor::from_vec(a.floats.clone(), [a.floats.len()])
    } else if let Some(a) = list("value_ints") {
        Tensor::from_vec(a.ints.clone(), [a.ints.len()])
    } else {
        return Err(Fault::new("its value is no tensor of numbers"));
    };
    Ok(vec![Value::known(t)])
}

pub(crate) fn constant_of_shape(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let shape = crate::tensor::shape(&ctx.integers(0)?)?;
    let value = match ctx.tensor("value") {
        Some(t) => tensor(t)?,
        None => Tensor::zeros([1], DType::F32),
    };
    if value.numel() != 1 {
        return Err(Fault::new(format!("its value has {} elements, not one", value.numel())));
    }
    let one = ctx.reshaped(Value::known(value), &[])?;
    Ok(vec![ctx.op(striate_tensor::Op::Expand { shape }, [one])?])
}

pub(crate) fn range(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let kind = ctx.operand(0)?.dtype();
    let number = |i: usize| {
        let one = ctx.try_numbers(i)?.and_then(|n| n.first().copied());
        one.ok_or_else(|| Fault::new(format!("operand {} is missing", i + 1)))
    };
    let (start, limit, step) = (number(0)?, number(1)?, number(2)?);
    let n = ((limit - start) / step).ceil().max(0.0);
    if n.is_nan() || n > LONGEST_RANGE {
        return Err(Fault::new(format!("a range from {start} to {limit} by {step} is not supported")));
    }
    let all: Vec<f64> = (0..n as usize).map(|i| start + i as f64 * step).collect();
    let shape = Shape::from([all.len()]);
    Ok(vec![ctx.cast(Value::known(Tensor::from_vec(all, shape)), kind)?])
}
