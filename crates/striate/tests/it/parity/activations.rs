//! Activation functions whose gradient is computed from their input.

use super::fixtures::{Tolerance, for_each_case};
use striate::prelude::*;

#[test]
fn activations() {
    for_each_case("activations", |case| {
        let number = |arg| case.float(arg).unwrap_or_else(|| panic!("{}: no number {arg}", case.name));
        // Slopes are sums of terms that cancel somewhere; far below 0 the error of an exponential's argument counts.
        let tolerance = match case.op.as_str() {
            "relu6" | "hardtanh" | "hardshrink" => Tolerance::EXACT,
            _ if case.name.ends_with("edges") => Tolerance { relative: 2e-5, of_largest: 3e-11 },
            _ => Tolerance { relative: 2e-6, of_largest: 3e-7 },
        };
        let gradients = Tolerance { of_largest: tolerance.of_largest.max(2e-7), ..tolerance };
        let eval = Pass::eval();
        case.check_both(tolerance, gradients, |t| match case.op.as_str() {
            "relu6" => ReLU6.forward(t.x(), &eval),
            "hardtanh" => Hardtanh { min_val: number("min_val"), max_val: number("max_val") }.forward(t.x(), &eval),
            "elu" => ELU { alpha: number("alpha") }.forward(t.x(), &eval),
            "gelu" => {
                let approximate =
                    if case.text("approximate") == Some("tanh") { Approximate::Tanh } else { Approximate::None };
                GELU { approximate }.forward(t.x(), &eval)
            }
            "silu" => SiLU.forward(t.x(), &eval),
            "hardswish" => Hardswish.forward(t.x(), &eval),
            "hardsigmoid" => Hardsigmoid.forward(t.x(), &eval),
            "softplus" => Softplus { beta: number("beta"), threshold: number("threshold") }.forward(t.x(), &eval),
            "mish" => Mish.forward(t.x(), &eval),
            "hardshrink" => Hardshrink { lambd: number("lambd") }.forward(t.x(), &eval),
            other => panic!("no such op: {other}"),
        })
    });
}
