//! Recurrent layers, step by step: they run, and are not meant to be trained.

use crate::error::Fault;
use crate::import::{Context, Value};
use striate_tensor::op::{Binary, Unary};
use striate_tensor::{Op, Tensor};

fn unary(ctx: &Context, f: Unary, x: Value) -> Result<Value, Fault> {
    ctx.op(Op::Unary(f), [x])
}

fn binary(ctx: &Context, f: Binary, a: Value, b: Value) -> Result<Value, Fault> {
    ctx.op(Op::Binary(f), [a, b])
}

fn add(ctx: &Context, a: Value, b: Value) -> Result<Value, Fault> {
    binary(ctx, Binary::Add, a, b)
}

fn mul(ctx: &Context, a: Value, b: Value) -> Result<Value, Fault> {
    binary(ctx, Binary::Mul, a, b)
}

/// The weights of one direction.
struct Direction {
    /// Input to gates, `[gates · hidden, input]`.
    input: Value,
    /// State to gates, `[gates · hidden, hidden]`.
    state: Value,
    input_bias: Value,
    state_bias: Value,
    /// What the cell adds to the gates input, output and forget of an LSTM, `[hidden]` each.
    peepholes: Option<[Value; 3]>,
    hidden: usize,
}

impl Direction {
    fn of(ctx: &Context, d: usize, gates: usize) -> Result<Direction, Fault> {
        let part = |v: Value| -> Result<Value, Fault> {
            let one = ctx.narrow(v.clone(), 0, d, 1)?;
            ctx.reshaped(one, &v.shape()[1..])
        };
        let (input, state) = (part(ctx.operand(1)?)?, part(ctx.operand(2)?)?);
        let [rows, hidden] = state.shape()[..] else { return Err(Fault::new("its weights are no matrices")) };
        if rows != gates * hidden || input.shape().first() != Some(&rows) {
            return Err(Fault::new(format!(
                "weights of {} and {} are not {gates} gates",
                input.shape(),
                state.shape()
            )));
        }
        let bias = match ctx.try_operand(3) {
            Some(bias) => part(bias)?,
            None => Value::known(Tensor::zeros([2 * rows], input.dtype())),
        };
        if bias.shape()[..] != [2 * rows] {
            return Err(Fault::new(format!("a bias of shape {} does not fit {rows} rows", bias.shape())));
        }
        let (input_bias, state_bias) = (ctx.narrow(bias.clone(), 0, 0, rows)?, ctx.narrow(bias, 0, rows, rows)?);
        let peepholes = match ctx.try_operand(7).filter(|_| gates == 4) {
            Some(all) if all.rank() == 2 && all.shape()[1] == 3 * hidden => {
                let all = part(all)?;
                let one = |i: usize| ctx.narrow(all.clone(), 0, i * hidden, hidden);
                Some([one(0)?, one(1)?, one(2)?])
            }
            Some(all) => return Err(Fault::new(format!("peepholes of {} do not fit {hidden}", all.shape()))),
            None => None,
        };
        Ok(Direction { input, state, input_bias, state_bias, peepholes, hidden })
    }

    /// Gate `i` of `[batch, gates · hidden]`.
    fn gate(&self, ctx: &Context, all: &Value, i: usize) -> Result<Value, Fault> {
        ctx.narrow(all.clone(), 1, i * self.hidden, self.hidden)
    }

    fn of_input(&self, ctx: &Context, x: Value) -> Result<Value, Fault> {
        ctx.op(Op::Linear, [x, self.input.clone(), self.input_bias.clone()])
    }

    fn of_state(&self, ctx: &Context, h: Value) -> Result<Value, Fault> {
        ctx.op(Op::Linear, [h, self.state.clone(), self.state_bias.clone()])
    }
}

/// Hidden state and, of an LSTM, cell state.
type State = (Value, Option<Value>);
type Step = fn(&Context, &Direction, Value, State) -> Result<State, Fault>;

/// Gates in the order input, output, forget, cell (Hochreiter and Schmidhuber, 1997).
fn lstm_step(ctx: &Context, w: &Direction, x: Value, (h, c): State) -> Result<State, Fault> {
    let all = add(ctx, w.of_input(ctx, x)?, w.of_state(ctx, h)?)?;
    let c = c.ok_or_else(|| Fault::new("it has no cell state"))?;
    let gate = |i: usize, c: &Value| {
        let own = w.gate(ctx, &all, i)?;
        let own = match &w.peepholes {
            Some(peepholes) => add(ctx, own, mul(ctx, peepholes[i].clone(), c.clone())?)?,
            None => own,
        };
        unary(ctx, Unary::Sigmoid, own)
    };
    let (i, f) = (gate(0, &c)?, gate(2, &c)?);
    let new = unary(ctx, Unary::Tanh, w.gate(ctx, &all, 3)?)?;
    let c = add(ctx, mul(ctx, f, c)?, mul(ctx, i, new)?)?;
    let o = gate(1, &c)?;
    Ok((mul(ctx, o, unary(ctx, Unary::Tanh, c.clone())?)?, Some(c)))
}

/// Gates in the order update, reset, hidden (Cho et al., 2014).
fn gru_step(ctx: &Context, w: &Direction, x: Value, (h, _): State) -> Result<State, Fault> {
    let by_input = w.of_input(ctx, x)?;
    let by_state = w.of_state(ctx, h.clone())?;
    let gate = |i: usize| -> Result<Value, Fault> {
        unary(ctx, Unary::Sigmoid, add(ctx, w.gate(ctx, &by_input, i)?, w.gate(ctx, &by_state, i)?)?)
    };
    let (z, r) = (gate(0)?, gate(1)?);
    let state = match ctx.int_or("linear_before_reset", 0) {
        0 => {
            // The reset state goes through the last third of the weights.
            let reset = mul(ctx, r, h.clone())?;
            w.gate(ctx, &w.of_state(ctx, reset)?, 2)?
        }
        _ => mul(ctx, r, w.gate(ctx, &by_state, 2)?)?,
    };
    let new = unary(ctx, Unary::Tanh, add(ctx, w.gate(ctx, &by_input, 2)?, state)?)?;
    // (1 − z) · new + z · h
    let moved = mul(ctx, z, binary(ctx, Binary::Sub, h, new.clone())?)?;
    Ok((add(ctx, new, moved)?, None))
}

fn rnn_step(ctx: &Context, w: &Direction, x: Value, (h, _): State) -> Result<State, Fault> {
    let all = add(ctx, w.of_input(ctx, x)?, w.of_state(ctx, h)?)?;
    Ok((unary(ctx, Unary::Tanh, all)?, None))
}

/// LSTM, GRU and RNN with their usual activations.
pub(crate) fn recurrent(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (gates, step, has_cell): (usize, Step, bool) = match ctx.op_type() {
        "LSTM" => (4, lstm_step, true),
        "GRU" => (3, gru_step, false),
        _ => (1, rnn_step, false),
    };
    check(ctx)?;
    let by_batch = ctx.int_or("layout", 0) != 0;
    let transposed = |v: Value| if by_batch && v.rank() == 3 { ctx.permuted(v, vec![1, 0, 2]) } else { Ok(v) };
    let x = transposed(ctx.operand(0)?)?;
    let [length, batch, _] = x.shape()[..] else {
        return Err(Fault::new(format!("an input of shape {} is no sequence", x.shape())));
    };
    let lengths = ctx.try_integers(4)?.filter(|lengths| lengths.iter().any(|&n| n != length as i64));
    if lengths.as_ref().is_some_and(|lengths| lengths.len() != batch) {
        return Err(Fault::new(format!("it does not give the lengths of {batch} sequences")));
    }
    let ways = match ctx.string_or("direction", "forward")? {
        "forward" => vec![false],
        "reverse" => vec![true],
        "bidirectional" => vec![false, true],
        other => return Err(Fault::new(format!("direction '{other}' is not supported"))),
    };
    let (mut outputs, mut last_h, mut last_c) = (Vec::new(), Vec::new(), Vec::new());
    for (d, &backwards) in ways.iter().enumerate() {
        let w = Direction::of(ctx, d, gates)?;
        let start = |i: usize| -> Result<Value, Fault> {
            match ctx.try_operand(i) {
                Some(v) => ctx.reshaped(ctx.narrow(transposed(v)?, 0, d, 1)?, &[batch, w.hidden]),
                None => Ok(Value::known(Tensor::zeros([batch, w.hidden], x.dtype()))),
            }
        };
        let mut state: State = (start(5)?, if has_cell { Some(start(6)?) } else { None });
        let mut steps = vec![None; length];
        for t in 0..length {
            let t = if backwards { length - 1 - t } else { t };
            let one = ctx.narrow(x.clone(), 0, t, 1)?;
            let one = ctx.reshaped(one, &x.shape()[1..])?;
            let mut next = step(ctx, &w, one, state.clone())?;
            let mut output = next.0.clone();
            if let Some(lengths) = &lengths {
                // A sequence that has ended keeps its state and gives zeros.
                let lasts: Vec<bool> = lengths.iter().map(|&n| (t as i64) < n).collect();
                let lasts = Value::known(Tensor::from_vec(lasts, [batch, 1]));
                let chosen = |a: Value, b: Value| ctx.op(Op::Where, [lasts.clone(), a, b]);
                output = chosen(output.clone(), ctx.number_like(&output, 0.0))?;
                next.0 = chosen(next.0, state.0)?;
                next.1 = next.1.zip(state.1).map(|(new, old)| chosen(new, old)).transpose()?;
            }
            state = next;
            steps[t] = Some(ctx.reshaped(output, &[1, 1, batch, w.hidden])?);
        }
        let steps: Vec<Value> = steps.into_iter().flatten().collect();
        if steps.is_empty() {
            return Err(Fault::new("its sequences are empty"));
        }
        outputs.push(ctx.op_of(Op::Cat { dim: 0 }, steps)?);
        last_h.push(ctx.reshaped(state.0, &[1, batch, w.hidden])?);
        last_c.extend(state.1.map(|c| ctx.reshaped(c, &[1, batch, w.hidden])).transpose()?);
    }
    let y = ctx.op_of(Op::Cat { dim: 1 }, outputs)?;
    // [length, directions, batch, hidden], or with the batch first.
    let y = if by_batch { ctx.permuted(y, vec![2, 0, 1, 3])? } else { y };
    let mut results = vec![y, transposed(ctx.op_of(Op::Cat { dim: 0 }, last_h)?)?];
    if has_cell {
        results.push(transposed(ctx.op_of(Op::Cat { dim: 0 }, last_c)?)?);
    }
    Ok(results)
}

/// Refuses what is not computed.
fn check(ctx: &Context) -> Result<(), Fault> {
    for name in ["activations", "activation_alpha", "activation_beta", "clip"] {
        let usual = ctx.attribute(name).is_none_or(|a| {
            let names: Vec<String> = a.strings.iter().map(|s| String::from_utf8_lossy(s).to_lowercase()).collect();
            !names.is_empty() && names.iter().all(|n| n == "sigmoid" || n == "tanh")
        });
        if !usual {
            return Err(Fault::new(format!("attribute {name} is not supported")));
        }
    }
    if ctx.int_or("input_forget", 0) != 0 {
        return Err(Fault::new("attribute input_forget is not supported"));
    }
    Ok(())
}
