//! Quantized numbers. Products of whole numbers are computed in `f64`, where they are exact, and the results are those of integer arithmetic.

use crate::error::Fault;
use crate::import::images::convolved;
use crate::import::matrix::product;
use crate::import::{Context, Value};
use crate::tensor::dtype;
use striate_tensor::op::{Binary, Reduce, Unary};
use striate_tensor::{DType, Op, Shape};

fn binary(ctx: &Context, f: Binary, a: Value, b: Value) -> Result<Value, Fault> {
    ctx.op(Op::Binary(f), [a, b])
}

/// One number, or one for each place along `axis` of `rank`.
fn along(ctx: &Context, v: Value, axis: i64, rank: usize) -> Result<Value, Fault> {
    if v.shape().numel() == 1 {
        return ctx.reshaped(v, &[]);
    }
    let dim = ctx.axis(axis, rank)?;
    match v.shape()[..] {
        [n] => {
            let mut sizes = vec![1; rank];
            sizes[dim] = n;
            ctx.reshaped(v, &sizes)
        }
        _ => Err(Fault::new(format!("scales of shape {} are not supported", v.shape()))),
    }
}

/// Less its zero point, in `f64`.
fn centred(ctx: &Context, x: Value, zero: Option<Value>, axis: i64) -> Result<Value, Fault> {
    let rank = x.rank();
    let x = ctx.cast(x, DType::F64)?;
    match zero {
        Some(zero) => binary(ctx, Binary::Sub, x, along(ctx, ctx.cast(zero, DType::F64)?, axis, rank)?),
        None => Ok(x),
    }
}

/// The ends of a type of whole numbers.
fn ends(dtype: DType) -> Result<[f64; 2], Fault> {
    match dtype {
        DType::U8 => Ok([0.0, 255.0]),
        DType::I8 => Ok([-128.0, 127.0]),
        DType::I32 => Ok([i32::MIN as f64, i32::MAX as f64]),
        other => Err(Fault::new(format!("{other} is not supported"))),
    }
}

/// Rounded to even, moved to the zero point, and at most the ends of its type.
fn saturated(ctx: &Context, x: Value, zero: Value, dtype: DType) -> Result<Value, Fault> {
    let [low, high] = ends(dtype)?;
    let x = ctx.op(Op::Unary(Unary::Round), [x])?;
    let x = binary(ctx, Binary::Add, x, ctx.cast(zero, DType::F64)?)?;
    let x = ctx.op(Op::Unary(Unary::ClampMin(low)), [x])?;
    ctx.cast(ctx.op(Op::Unary(Unary::ClampMax(high)), [x])?, dtype)
}

/// The type that an attribute names, if it names one.
fn named_type(ctx: &Context, name: &str) -> Result<Option<DType>, Fault> {
    match ctx.int_or(name, 0) {
        0 => Ok(None),
        id => dtype(i32::try_from(id).unwrap_or(-1)).map(Some),
    }
}

/// Scales or zero points, of which each is for a block of so many places along an axis if the node says so, as wide as what they are for.
fn spread(ctx: &Context, v: Value, shape: &Shape) -> Result<Value, Fault> {
    let (axis, block) = (ctx.int_or("axis", 1), ctx.int_or("block_size", 0));
    if block == 0 {
        return along(ctx, v, axis, shape.rank());
    }
    let dim = ctx.axis(axis, shape.rank())?;
    let from = v.shape();
    let wanted = usize::try_from(block).ok().filter(|&n| n > 0).map(|n| {
        let size = |d: usize| if d == dim { shape[d].div_ceil(n) } else { shape[d] };
        (n, (0..shape.rank()).map(size).collect::<Vec<_>>())
    });
    let Some((n, _)) = wanted.filter(|(_, sizes)| from[..] == sizes[..]) else {
        return Err(Fault::new(format!("scales of shape {from} are not those of blocks of {block} of {shape}")));
    };
    let (before, after) = (&from[..dim], &from[dim + 1..]);
    let v = ctx.reshaped(v, &[before, &[from[dim], 1], after].concat())?;
    let each = Shape::new(&[before, &[from[dim], n.min(shape[dim])], after].concat());
    let v = ctx.op(Op::Expand { shape: each }, [v])?;
    let v = ctx.reshaped(v, &[before, &[from[dim] * n.min(shape[dim])], after].concat())?;
    ctx.narrow(v, dim, 0, shape[dim])
}

pub(crate) fn quantize(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, scale, zero) = (ctx.operand(0)?, ctx.operand(1)?, ctx.try_operand(2));
    let shape = x.shape();
    if let Some(other) = named_type(ctx, "precision")?.filter(|precision| *precision != DType::F32) {
        return Err(Fault::new(format!("a precision of {other} is not supported")));
    }
    let asked = named_type(ctx, "output_dtype")?;
    let dtype = match (&zero, asked) {
        (Some(zero), Some(asked)) if zero.dtype() != asked => {
            return Err(Fault::new(format!("output_dtype is {asked}, but the zero point is {}", zero.dtype())));
        }
        (Some(zero), _) => zero.dtype(),
        (None, asked) => asked.unwrap_or(DType::U8),
    };
    // The quotient is that of f32, as runtimes have it.
    let scale = spread(ctx, ctx.cast(scale, DType::F32)?, &shape)?;
    let scaled = binary(ctx, Binary::Div, ctx.cast(x, DType::F32)?, scale)?;
    let scaled = ctx.cast(scaled, DType::F64)?;
    let zero = match zero {
        Some(zero) => spread(ctx, zero, &shape)?,
        None => ctx.number_like(&scaled, 0.0),
    };
    Ok(vec![saturated(ctx, scaled, zero, dtype)?])
}

pub(crate) fn dequantize(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, scale, zero) = (ctx.operand(0)?, ctx.operand(1)?, ctx.try_operand(2));
    let (shape, dtype) = (x.shape(), scale.dtype());
    let asked = named_type(ctx, "output_dtype")?.unwrap_or(dtype);
    let x = ctx.cast(x, DType::F64)?;
    let x = match zero {
        Some(zero) => binary(ctx, Binary::Sub, x, spread(ctx, ctx.cast(zero, DType::F64)?, &shape)?)?,
        None => x,
    };
    let y = binary(ctx, Binary::Mul, ctx.cast(x, dtype)?, spread(ctx, scale, &shape)?)?;
    Ok(vec![ctx.cast(y, asked)?])
}

/// To `u8`, by the range of the values themselves, 0 included.
pub(crate) fn dynamic_quantize(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let dims: Vec<usize> = (0..x.rank()).collect();
    let of = |op: Reduce| ctx.op(Op::Reduce { op, dims: dims.clone(), keepdim: false }, [x.clone()]);
    let low = ctx.op(Op::Unary(Unary::ClampMax(0.0)), [of(Reduce::Min)?])?;
    let high = ctx.op(Op::Unary(Unary::ClampMin(0.0)), [of(Reduce::Max)?])?;
    let steps = ctx.number_like(&low, 255.0);
    let scale = binary(ctx, Binary::Div, binary(ctx, Binary::Sub, high, low.clone())?, steps)?;
    let zero = ctx.op(Op::Unary(Unary::Neg), [binary(ctx, Binary::Div, low, scale.clone())?])?;
    let none = ctx.number_like(&ctx.cast(zero.clone(), DType::F64)?, 0.0);
    let zero = saturated(ctx, ctx.cast(zero, DType::F64)?, none, DType::U8)?;
    let scaled = ctx.cast(binary(ctx, Binary::Div, x, scale.clone())?, DType::F64)?;
    Ok(vec![saturated(ctx, scaled, zero.clone(), DType::U8)?, scale, zero])
}

pub(crate) fn conv_integer(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = centred(ctx, ctx.operand(0)?, ctx.try_operand(2), 1)?;
    let w = centred(ctx, ctx.operand(1)?, ctx.try_operand(3), 0)?;
    Ok(vec![ctx.cast(convolved(ctx, x, w, None)?, DType::I32)?])
}

pub(crate) fn mat_mul_integer(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let a = centred(ctx, ctx.operand(0)?, ctx.try_operand(2), -2)?;
    let b = centred(ctx, ctx.operand(1)?, ctx.try_operand(3), -1)?;
    Ok(vec![ctx.cast(product(ctx, a, b)?, DType::I32)?])
}

/// Exact sums in another scale: times the operands' scales, by the result's.
fn rescaled(ctx: &Context, sums: Value, [a, b, y]: [Value; 3], zero: Value, axis: i64) -> Result<Value, Fault> {
    let rank = sums.rank();
    let wide = |v: Value| ctx.cast(v, DType::F64);
    let factor = binary(ctx, Binary::Mul, along(ctx, wide(a)?, axis, rank)?, along(ctx, wide(b)?, axis, rank)?)?;
    let factor = binary(ctx, Binary::Div, factor, along(ctx, wide(y)?, axis, rank)?)?;
    let scaled = binary(ctx, Binary::Mul, sums, factor)?;
    let dtype = zero.dtype();
    saturated(ctx, scaled, along(ctx, zero, axis, rank)?, dtype)
}

pub(crate) fn qlinear_conv(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = centred(ctx, ctx.operand(0)?, Some(ctx.operand(2)?), 1)?;
    let w = centred(ctx, ctx.operand(3)?, Some(ctx.operand(5)?), 0)?;
    let bias = ctx.try_operand(8).map(|bias| ctx.cast(bias, DType::F64)).transpose()?;
    let sums = convolved(ctx, x, w, bias)?;
    let scales = [ctx.operand(1)?, ctx.operand(4)?, ctx.operand(6)?];
    Ok(vec![rescaled(ctx, sums, scales, ctx.operand(7)?, 1)?])
}

pub(crate) fn qlinear_mat_mul(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let a = centred(ctx, ctx.operand(0)?, Some(ctx.operand(2)?), -2)?;
    let b = centred(ctx, ctx.operand(3)?, Some(ctx.operand(5)?), -1)?;
    let scales = [ctx.operand(1)?, ctx.operand(4)?, ctx.operand(6)?];
    Ok(vec![rescaled(ctx, product(ctx, a, b)?, scales, ctx.operand(7)?, -1)?])
}
