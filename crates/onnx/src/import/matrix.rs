//! Matrix products.

use crate::error::Fault;
use crate::import::{Context, Value};
use striate_tensor::op::{Binary, Unary};
use striate_tensor::{DType, Op, Shape};

pub(crate) fn mat_mul(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (a, b) = (ctx.operand(0)?, ctx.operand(1)?);
    Ok(vec![product(ctx, a, b)?])
}

/// The product of stacks of matrices, whose leading dimensions broadcast; a vector is a row on the left and a column on the right.
pub(crate) fn product(ctx: &Context, a: Value, b: Value) -> Result<Value, Fault> {
    let (rank_a, rank_b) = (a.rank(), b.rank());
    if rank_a == 0 || rank_b == 0 {
        return Err(Fault::new("it multiplies a scalar"));
    }
    if rank_b == 2 {
        return ctx.op(Op::Linear, [a, ctx.permuted(b, vec![1, 0])?]);
    }
    if rank_a == 2 && rank_b > 2 {
        let swapped: Vec<usize> = (0..rank_b - 2).chain([rank_b - 1, rank_b - 2]).collect();
        let y = ctx.op(Op::Linear, [ctx.permuted(b, swapped.clone())?, a])?;
        return ctx.permuted(y, swapped);
    }
    // A constant that is spread over samples is none any more.
    let are_known = a.is_known() && b.is_known();
    let lift = |v: Value| if are_known { v } else { ctx.lifted(v) };
    let (a, b) = (lift(a), lift(b));
    let a = if rank_a == 1 { ctx.reshaped(a.clone(), &[1, a.shape()[0]])? } else { a };
    let b = if rank_b == 1 { ctx.reshaped(b.clone(), &[b.shape()[0], 1])? } else { b };
    let (x, y) = (a.shape(), b.shape());
    let lead = |s: &Shape| s[..s.rank() - 2].to_vec();
    let rank = x.rank().max(y.rank()) - 2;
    let size = |s: &[usize], d: usize| if d + s.len() >= rank { s[d + s.len() - rank] } else { 1 };
    let joined: Vec<usize> = (0..rank).map(|d| size(&lead(&x), d).max(size(&lead(&y), d))).collect();
    let spread = |v: Value, s: Shape| {
        let shape: Vec<usize> = joined.iter().copied().chain(s[s.rank() - 2..].iter().copied()).collect();
        if *s == shape[..] { Ok(v) } else { ctx.op(Op::Expand { shape: Shape::new(&shape) }, [v]) }
    };
    let result = ctx.op(Op::MatMul, [spread(a, x)?, spread(b, y)?])?;
    let mut sizes = result.shape().to_vec();
    if rank_b == 1 {
        sizes.pop();
    }
    if rank_a == 1 {
        sizes.remove(rank);
    }
    if sizes.len() == result.rank() { Ok(result) } else { ctx.reshaped(result, &sizes) }
}

pub(crate) fn einsum(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let equation = ctx.string_or("equation", "")?;
    let all = (0..ctx.operands()).map(|i| ctx.operand(i)).collect::<Result<Vec<_>, _>>()?;
    // Numbers of 16 bits have no products of their own.
    let half = all.iter().map(Value::dtype).find(|dtype| dtype.is_half());
    let wide = |v: Value| if half.is_some() { ctx.cast(v, DType::F32) } else { Ok(v) };
    let are_known = all.iter().all(Value::is_known);
    let lift = |v: Value| if are_known { v } else { ctx.lifted(v) };
    let tensors = all.into_iter().map(|v| Ok(lift(wide(v)?).into_tensor())).collect::<Result<Vec<_>, Fault>>()?;
    let y = striate_tensor::Tensor::try_einsum(equation, &tensors)?;
    let y = if are_known { Value::known(y) } else { Value::computed(y) };
    Ok(vec![half.map_or(Ok(y.clone()), |half| ctx.cast(y, half))?])
}

pub(crate) fn gemm(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (a, b, c) = (ctx.operand(0)?, ctx.operand(1)?, ctx.try_operand(2));
    let (alpha, beta) = (ctx.float_or("alpha", 1.0), ctx.float_or("beta", 1.0));
    let transposed = |name: &str, v: Value| if ctx.int_or(name, 0) != 0 { ctx.permuted(v, vec![1, 0]) } else { Ok(v) };
    let a = transposed("transA", a)?;
    let shape = b.shape();
    let outputs = shape.get(if ctx.int_or("transB", 0) != 0 { 0 } else { 1 }).copied();
    let is_bias =
        c.as_ref().is_none_or(|c| c.shape().numel() == outputs.unwrap_or(0) && c.shape().last() == outputs.as_ref());
    if alpha == 1.0 && beta == 1.0 && is_bias && a.rank() == 2 {
        let weight = if ctx.int_or("transB", 0) != 0 { b } else { ctx.permuted(b, vec![1, 0])? };
        let bias = c.map(|c| ctx.reshaped(c, &[outputs.unwrap_or(0)])).transpose()?;
        return Ok(vec![ctx.op_of(Op::Linear, [Some(a), Some(weight), bias].into_iter().flatten().collect())?]);
    }
    let scaled = |v: Value, by: f64| if by == 1.0 { Ok(v) } else { ctx.op(Op::Unary(Unary::MulScalar(by)), [v]) };
    let y = scaled(product(ctx, a, transposed("transB", b)?)?, alpha)?;
    Ok(vec![match c {
        Some(c) if beta != 0.0 => ctx.op(Op::Binary(Binary::Add), [y, scaled(c, beta)?])?,
        _ => y,
    }])
}
