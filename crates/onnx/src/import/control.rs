//! Conditions and loops: operators that run graphs of their own. Those see the values around them by name.

use crate::error::Fault;
use crate::import::{Context, Value, check_operator};
use crate::proto::{GraphProto, NodeProto};
use crate::tensor::tensor;
use prost::Message;
use std::collections::{HashMap, HashSet};
use striate_tensor::{DType, Op, Tensor};

/// The most iterations of a loop: a file may ask for any number.
const MOST_ITERATIONS: i64 = 1 << 16;
/// The work of looking up a name.
const NAME_WORK: u64 = 64;

/// The names that a node's own graphs read from around it.
pub(crate) fn captured(node: &NodeProto) -> Vec<&str> {
    captured_counted(node, &mut 0)
}

/// As [`captured`]; `seen` counts the names that it goes through.
fn captured_counted<'a>(node: &'a NodeProto, seen: &mut u64) -> Vec<&'a str> {
    let mut names = Vec::new();
    for graph in node.attribute.iter().filter_map(|a| a.g.as_ref()) {
        let mut inside: HashSet<&str> = graph.input.iter().map(|i| i.name()).collect();
        inside.extend(graph.initializer.iter().map(|t| t.name()));
        *seen += inside.len() as u64;
        for node in &graph.node {
            let within = captured_counted(node, seen);
            *seen += (node.input.len() + node.output.len() + within.len()) as u64;
            let read = node.input.iter().map(String::as_str).filter(|name| !name.is_empty()).chain(within);
            names.extend(read.filter(|name| !inside.contains(name)));
            inside.extend(node.output.iter().map(String::as_str));
        }
        names.extend(graph.output.iter().map(|o| o.name()).filter(|name| !inside.contains(name)));
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// The outputs of a graph of a node's own.
fn run<'a>(ctx: &Context<'a>, graph: &'a GraphProto, inputs: Vec<Value>) -> Result<Vec<Value>, Fault> {
    let mut values: HashMap<&'a str, Value> = ctx.scope().clone();
    let names = values.len() + graph.input.len() + graph.output.len() + graph.initializer.len();
    let elements: u64 = graph.initializer.iter().map(|t| t.encoded_len() as u64).sum();
    ctx.spend_inside(names as u64 * NAME_WORK + elements)?;
    for t in &graph.initializer {
        values.insert(t.name(), Value::known(tensor(t)?));
    }
    values.extend(graph.input.iter().map(|i| i.name()).zip(inputs));
    for node in &graph.node {
        let name = node.output.first().map_or("?", String::as_str);
        let inside = |e: Fault| Fault::new(format!("node '{name}' ({}) in it: {e}", node.op_type()));
        check_operator(node).map_err(inside)?;
        let operand = |name: &'a String| match values.get(name.as_str()) {
            Some(value) => Ok(Some(value.clone())),
            None if name.is_empty() => Ok(None),
            None => Err(inside(Fault::new(format!("reads '{name}', which nothing before it computes")))),
        };
        let operands = node.input.iter().map(operand).collect::<Result<Vec<_>, _>>()?;
        let mut names = (node.input.len() + node.output.len()) as u64;
        let seen = captured_counted(node, &mut names).into_iter();
        let seen = seen.filter_map(|name| Some((name, values.get(name)?.clone()))).collect();
        ctx.spend_inside(names * NAME_WORK).map_err(inside)?;
        let results = ctx.inner(node, operands, seen).run().map_err(inside)?;
        values.extend(node.output.iter().map(String::as_str).zip(results));
    }
    let output = |name: &'a str| {
        values.get(name).cloned().ok_or_else(|| Fault::new(format!("its output '{name}' is not computed")))
    };
    graph.output.iter().map(|o| output(o.name())).collect()
}

/// Whether a value that is one number is not 0.
fn is_true(ctx: &Context, value: &Value) -> Result<bool, Fault> {
    let numbers = ctx.host(value)?.to_dtype(DType::F64).to_vec::<f64>();
    numbers.first().map(|&x| x != 0.0).ok_or_else(|| Fault::new("its condition is empty"))
}

pub(crate) fn condition(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let branch = if is_true(ctx, &ctx.operand(0)?)? { "then_branch" } else { "else_branch" };
    run(ctx, ctx.graph(branch)?, Vec::new())
}

/// Runs its body until the count or the condition ends it. What the body gives beyond the values that it passes on is stacked.
pub(crate) fn repeat(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let body = ctx.graph("body")?;
    let most = ctx.try_integers(0)?.and_then(|n| n.first().copied()).unwrap_or(i64::MAX);
    let mut goes_on = match ctx.try_operand(1) {
        Some(value) => is_true(ctx, &value)?,
        None => true,
    };
    let mut carried = (2..ctx.operands()).map(|i| ctx.operand(i)).collect::<Result<Vec<_>, _>>()?;
    let n = carried.len();
    let mut stacks: Vec<Vec<Value>> = vec![Vec::new(); body.output.len().saturating_sub(1 + n)];
    let (mut iteration, mut stacked) = (0, 0);
    while goes_on && iteration < most {
        if iteration == MOST_ITERATIONS {
            return Err(Fault::new(format!("it takes more than {MOST_ITERATIONS} iterations")));
        }
        let count = Value::known(Tensor::from_vec(vec![iteration], []));
        let condition = Value::known(Tensor::ones([], DType::Bool));
        let inputs = [count, condition].into_iter().chain(carried).collect();
        let mut results = run(ctx, body, inputs)?.into_iter();
        let next = results.next().ok_or_else(|| Fault::new("its body gives no condition"))?;
        goes_on = is_true(ctx, &next)?;
        carried = results.by_ref().take(n).collect();
        if carried.len() != n {
            return Err(Fault::new(format!("its body passes on {} values, not {n}", carried.len())));
        }
        for (stack, value) in stacks.iter_mut().zip(results) {
            stacked += value.shape().numel();
            ctx.fits(&[stacked])?;
            let sizes = [&[1][..], &value.shape()].concat();
            stack.push(ctx.reshaped(value, &sizes)?);
        }
        iteration += 1;
    }
    for stack in stacks {
        if stack.is_empty() {
            return Err(Fault::new("it has no iteration, so its stacked outputs have no shape"));
        }
        carried.push(ctx.op_of(Op::Cat { dim: 0 }, stack)?);
    }
    Ok(carried)
}

/// Runs its body for each slice of the scanned values; what it gives beyond the values that it passes on is stacked.
pub(crate) fn scan(ctx: &Context) -> Result<Vec<Value>, Fault> {
    if ctx.opset < 9 {
        return Err(Fault::new("its form before opset 9 is not supported"));
    }
    let body = ctx.graph("body")?;
    let all = (0..ctx.operands()).map(|i| ctx.operand(i)).collect::<Result<Vec<_>, _>>()?;
    let scanned = usize::try_from(ctx.int_or("num_scan_inputs", 0)).unwrap_or(0);
    let n = all.len().checked_sub(scanned).filter(|_| scanned > 0);
    let n = n.ok_or_else(|| Fault::new(format!("it scans {scanned} of {} operands", all.len())))?;
    let given = body.output.len().checked_sub(n).filter(|_| body.input.len() == all.len());
    let given = given.ok_or_else(|| Fault::new("its body does not fit its operands"))?;
    let list = |name: &str, count: usize| {
        let list = ctx.ints(name).unwrap_or_else(|| vec![0; count]);
        if list.len() == count { Ok(list) } else { Err(Fault::new(format!("{name} are not {count}"))) }
    };
    let (axes, directions) = (list("scan_input_axes", scanned)?, list("scan_input_directions", scanned)?);
    let (out_axes, out_directions) = (list("scan_output_axes", given)?, list("scan_output_directions", given)?);
    let (mut carried, sources) = (all[..n].to_vec(), &all[n..]);
    let dims = sources.iter().zip(&axes).map(|(v, &axis)| ctx.axis(axis, v.rank())).collect::<Result<Vec<_>, _>>()?;
    let iterations = sources[0].shape()[dims[0]];
    if sources.iter().zip(&dims).any(|(v, &dim)| v.shape()[dim] != iterations)
        || iterations == 0
        || iterations as i64 > MOST_ITERATIONS
    {
        return Err(Fault::new(format!("its operands do not have the same 1 to {MOST_ITERATIONS} slices")));
    }
    let mut stacks: Vec<Vec<Value>> = vec![Vec::new(); given];
    let mut stacked = 0;
    for iteration in 0..iterations {
        let mut inputs = carried;
        for ((v, &dim), &backwards) in sources.iter().zip(&dims).zip(&directions) {
            let place = if backwards != 0 { iterations - 1 - iteration } else { iteration };
            let slice = ctx.narrow(v.clone(), dim, place, 1)?;
            let sizes = [&v.shape()[..dim], &v.shape()[dim + 1..]].concat();
            inputs.push(ctx.reshaped(slice, &sizes)?);
        }
        let mut results = run(ctx, body, inputs)?.into_iter();
        carried = results.by_ref().take(n).collect();
        for ((stack, value), &axis) in stacks.iter_mut().zip(results).zip(&out_axes) {
            stacked += value.shape().numel();
            ctx.fits(&[stacked])?;
            let dim = ctx.axis(axis, value.rank() + 1)?;
            let sizes = [&value.shape()[..dim], &[1], &value.shape()[dim..]].concat();
            stack.push(ctx.reshaped(value, &sizes)?);
        }
    }
    for ((mut stack, &axis), &backwards) in stacks.into_iter().zip(&out_axes).zip(&out_directions) {
        if backwards != 0 {
            stack.reverse();
        }
        let dim = ctx.axis(axis, stack[0].rank())?;
        carried.push(ctx.op_of(Op::Cat { dim }, stack)?);
    }
    Ok(carried)
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
