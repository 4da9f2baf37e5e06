//! Losses that exports of training hold.

use crate::error::Fault;
use crate::import::{Context, Value};
use striate_tensor::op::{Binary, Compare, Reduce, Unary};
use striate_tensor::{DType, Op, Tensor};

/// `NegativeLogLikelihoodLoss` of log-probabilities `[n, c, ..]` and classes `[n, ..]`, and `SoftmaxCrossEntropyLoss`, which takes logits and gives the
/// log-probabilities, too (`torch.nn.functional.nll_loss` and `cross_entropy`).
pub(crate) fn loss(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, target, weight) = (ctx.operand(0)?, ctx.operand(1)?, ctx.try_operand(2));
    let (shape, to) = (x.shape(), target.shape());
    if shape.rank() < 2 || to[..] != [&shape[..1], &shape[2..]].concat() {
        return Err(Fault::new(format!("scores of shape {shape} and classes of {to} do not go together")));
    }
    let is_whole = ctx.op_type() == "SoftmaxCrossEntropyLoss";
    let log_probs = if is_whole { ctx.op(Op::LogSoftmax { dim: 1 }, [x])? } else { x };
    let classes = shape[1];
    let wide = [&shape[..1], &[1], &shape[2..]].concat();
    let target = ctx.reshaped(ctx.cast(target, DType::I64)?, &wide)?;
    let along: Vec<usize> = (0..shape.rank()).map(|d| if d == 1 { classes } else { 1 }).collect();
    let numbers = Value::known(Tensor::from_vec((0..classes as i64).collect(), along.clone()));
    // 1 at the class of each place, times its weight; a class that is left out is none of them, or has none.
    let mut hot = ctx.cast(ctx.op(Op::Compare(Compare::Eq), [target.clone(), numbers])?, log_probs.dtype())?;
    if let Some(weight) = weight {
        hot = ctx.op(Op::Binary(Binary::Mul), [hot, ctx.reshaped(weight, &along)?])?;
    }
    if let Some(ignored) = ctx.int("ignore_index") {
        let ignored = Value::known(Tensor::from_vec(vec![ignored], []));
        let counts = ctx.op(Op::Compare(Compare::Ne), [target, ignored])?;
        hot = ctx.op(Op::Binary(Binary::Mul), [hot, ctx.cast(counts, log_probs.dtype())?])?;
    }
    let sum = |v: Value, dims: Vec<usize>| ctx.op(Op::Reduce { op: Reduce::Sum, dims, keepdim: false }, [v]);
    let all = || (0..shape.rank()).collect::<Vec<usize>>();
    let picked = ctx.op(Op::Binary(Binary::Mul), [hot.clone(), log_probs.clone()])?;
    let losses = ctx.op(Op::Unary(Unary::Neg), [picked])?;
    let loss = match ctx.string_or("reduction", "mean")? {
        "none" => sum(losses, vec![1])?,
        "sum" => sum(losses, all())?,
        "mean" => ctx.op(Op::Binary(Binary::Div), [sum(losses, all())?, sum(hot, all())?])?,
        other => return Err(Fault::new(format!("reduction '{other}' is not supported"))),
    };
    Ok(if is_whole { vec![loss, log_probs] } else { vec![loss] })
}
