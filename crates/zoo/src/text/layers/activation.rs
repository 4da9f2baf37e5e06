//! Activations.

use super::{Result, plain};
use crate::text::plan::{Make, Misfit, Planned, Size, Values};
use striate_nn::{
    Approximate, ELU, GELU, Hardsigmoid, Hardswish, Hardtanh, LeakyReLU, LogSoftmax, Mish, PReLU, ReLU, ReLU6, SiLU,
    Sigmoid, Softmax, Softplus, Tanh,
};

pub(in crate::text) fn relu(_: &Values, input: Size) -> Result {
    plain(input, ReLU)
}

pub(in crate::text) fn relu6(_: &Values, input: Size) -> Result {
    plain(input, ReLU6)
}

pub(in crate::text) fn leakyrelu(v: &Values, input: Size) -> Result {
    plain(input, LeakyReLU { negative_slope: v.real("slope") })
}

pub(in crate::text) fn prelu(v: &Values, input: Size) -> Result {
    let n = if v.flag("perchannel") { input.features() } else { 1 };
    let make: Make = Box::new(move |_| Box::new(PReLU::new(n)));
    Ok(Planned { output: input, parameters: n, make })
}

pub(in crate::text) fn elu(v: &Values, input: Size) -> Result {
    plain(input, ELU { alpha: v.real("alpha") })
}

pub(in crate::text) fn gelu(v: &Values, input: Size) -> Result {
    plain(input, GELU { approximate: if v.flag("tanh") { Approximate::Tanh } else { Approximate::None } })
}

pub(in crate::text) fn silu(_: &Values, input: Size) -> Result {
    plain(input, SiLU)
}

pub(in crate::text) fn mish(_: &Values, input: Size) -> Result {
    plain(input, Mish)
}

pub(in crate::text) fn softplus(v: &Values, input: Size) -> Result {
    let (beta, threshold) = (v.real("beta"), v.real("threshold"));
    if beta == 0.0 {
        return Err(Misfit::at("beta", "softplus divides by beta: it must not be 0".into()));
    }
    plain(input, Softplus { beta, threshold })
}

pub(in crate::text) fn hardswish(_: &Values, input: Size) -> Result {
    plain(input, Hardswish)
}

pub(in crate::text) fn hardsigmoid(_: &Values, input: Size) -> Result {
    plain(input, Hardsigmoid)
}

pub(in crate::text) fn hardtanh(v: &Values, input: Size) -> Result {
    let (min_val, max_val) = (v.real("min"), v.real("max"));
    if min_val > max_val {
        return Err(Misfit::at("min", format!("min must not be above max, which is {max_val}")));
    }
    plain(input, Hardtanh { min_val, max_val })
}

pub(in crate::text) fn tanh(_: &Values, input: Size) -> Result {
    plain(input, Tanh)
}

pub(in crate::text) fn sigmoid(_: &Values, input: Size) -> Result {
    plain(input, Sigmoid)
}

pub(in crate::text) fn softmax(_: &Values, input: Size) -> Result {
    plain(input, Softmax { dim: 1 })
}

pub(in crate::text) fn logsoftmax(_: &Values, input: Size) -> Result {
    plain(input, LogSoftmax { dim: 1 })
}
