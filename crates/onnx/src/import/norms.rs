//! Normalizations.

use crate::error::Fault;
use crate::import::{Context, Value};
use striate_tensor::op::{Binary, Reduce, Unary};
use striate_tensor::{Op, Shape, Tensor};

pub(crate) fn batch_norm(ctx: &Context) -> Result<Vec<Value>, Fault> {
    if ctx.int_or("spatial", 1) == 0 {
        return Err(Fault::new("statistics of each pixel are not supported"));
    }
    if ctx.int_or("training_mode", 0) != 0 {
        return by_batch(ctx);
    }
    let [x, weight, bias, mean, var] = [0, 1, 2, 3, 4].map(|i| ctx.operand(i));
    let eps = ctx.float_or("epsilon", 1e-5);
    let op = Op::BatchNorm { eps, training: false, residual: false, activation: None };
    Ok(vec![ctx.op(op, [x?, mean?, var?, weight?, bias?])?])
}

/// By the statistics of the batch; and what the running ones become.
fn by_batch(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let [x, weight, bias, mean, var] = [0, 1, 2, 3, 4].map(|i| ctx.operand(i));
    let (x, eps, momentum) = (x?, ctx.float_or("epsilon", 1e-5), ctx.float_or("momentum", 0.9));
    let dims: Vec<usize> = (0..x.rank()).filter(|&d| d != 1).collect();
    let mean_of = |v: Value| ctx.op(Op::Reduce { op: Reduce::Mean, dims: dims.clone(), keepdim: true }, [v]);
    let new_mean = mean_of(x.clone())?;
    let centred = ctx.op(Op::Binary(Binary::Sub), [x.clone(), new_mean.clone()])?;
    let new_var = mean_of(ctx.op(Op::Unary(Unary::Square), [centred])?)?;
    let channels = new_mean.shape().numel();
    let (new_mean, new_var) = (ctx.reshaped(new_mean, &[channels])?, ctx.reshaped(new_var, &[channels])?);
    let op = Op::BatchNorm { eps, training: false, residual: false, activation: None };
    let y = ctx.op(op, [x, new_mean.clone(), new_var.clone(), weight?, bias?])?;
    let running = |old: Value, new: Value| {
        let scaled = |v: Value, by: f64| ctx.op(Op::Unary(Unary::MulScalar(by)), [v]);
        ctx.op(Op::Binary(Binary::Add), [scaled(old, momentum)?, scaled(new, 1.0 - momentum)?])
    };
    Ok(vec![y, running(mean?, new_mean)?, running(var?, new_var)?])
}

pub(crate) fn instance_norm(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let [x, weight, bias] = [ctx.operand(0)?, ctx.operand(1)?, ctx.operand(2)?];
    let groups = x.shape().get(1).copied().unwrap_or(0);
    Ok(vec![ctx.op(Op::GroupNorm { groups, eps: ctx.float_or("epsilon", 1e-5) }, [x, weight, bias])?])
}

/// Before opset 21 weight and bias are one for each group.
pub(crate) fn group_norm(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let [x, weight, bias] = [ctx.operand(0)?, ctx.operand(1)?, ctx.operand(2)?];
    let groups = usize::try_from(ctx.int_or("num_groups", 0)).unwrap_or(0);
    let channels = x.shape().get(1).copied().unwrap_or(0);
    let each = |v: Value| {
        if ctx.opset >= 21 || groups == 0 || v.shape()[..] != [groups] {
            return Ok(v);
        }
        let v = ctx.reshaped(v, &[groups, 1])?;
        let v = ctx.op(Op::Expand { shape: Shape::from([groups, channels / groups]) }, [v])?;
        ctx.reshaped(v, &[channels])
    };
    let (weight, bias) = (each(weight)?, each(bias)?);
    Ok(vec![ctx.op(Op::GroupNorm { groups, eps: ctx.float_or("epsilon", 1e-5) }, [x, weight, bias])?])
}

pub(crate) fn layer_norm(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, weight, bias) = (ctx.operand(0)?, ctx.operand(1)?, ctx.try_operand(2));
    let axis = ctx.axis(ctx.int_or("axis", -1), x.rank())?;
    let shape = Shape::new(&x.shape()[axis..]);
    let whole = |v: Value| if v.shape() == shape { Ok(v) } else { ctx.op(Op::Expand { shape }, [v]) };
    let bias = bias.unwrap_or_else(|| Value::known(Tensor::zeros(shape, x.dtype())));
    let (weight, bias) = (whole(weight)?, whole(bias)?);
    let eps = ctx.float_or("epsilon", 1e-5);
    let y = ctx.op(Op::LayerNorm { eps }, [x.clone(), weight, bias])?;
    if ctx.outputs() < 2 {
        return Ok(vec![y]);
    }
    let mean_of =
        |v: Value| ctx.op(Op::Reduce { op: Reduce::Mean, dims: (axis..v.rank()).collect(), keepdim: true }, [v]);
    let mean = mean_of(x.clone())?;
    let squares = ctx.op(Op::Unary(Unary::Square), [ctx.op(Op::Binary(Binary::Sub), [x, mean.clone()])?])?;
    let var = ctx.op(Op::Unary(Unary::AddScalar(eps)), [mean_of(squares)?])?;
    Ok(vec![y, mean, ctx.op(Op::Unary(Unary::Rsqrt), [var])?])
}

pub(crate) fn lrn(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let size = usize::try_from(ctx.int_or("size", 0)).unwrap_or(0);
    if size % 2 == 0 {
        return Err(Fault::new(format!("an even size of {size} is not supported")));
    }
    let (alpha, beta, k) = (ctx.float_or("alpha", 1e-4), ctx.float_or("beta", 0.75), ctx.float_or("bias", 1.0));
    Ok(vec![ctx.op(Op::LocalResponseNorm { size, alpha, beta, k }, [x])?])
}
