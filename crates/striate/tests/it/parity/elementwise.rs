//! Functions of elements, activations, losses and reductions.

use super::fixtures::{Case, Inputs, Tolerance, for_each_case};
use striate::prelude::*;

#[test]
fn elementwise() {
    for_each_case("elementwise", |case| {
        let tolerance = match case.op.as_str() {
            "neg" | "abs" | "sign" | "maximum" | "minimum" | "where" | "clamp" => Tolerance::EXACT,
            // An exponent's rounding error grows with the power.
            "pow" | "powf" => Tolerance { relative: 5e-6, of_largest: 0.0 },
            // Near a zero of the function only the error of the argument counts.
            "sin" | "cos" => Tolerance { relative: 1e-6, of_largest: 3e-7 },
            _ => Tolerance::ELEMENT,
        };
        // What was broadcast gets a sum; a case that spans many magnitudes was not.
        let wide = case.name.ends_with("wide");
        let gradients = if wide { tolerance } else { Tolerance { of_largest: 2e-6, ..tolerance } };
        case.check_both(tolerance, gradients, |t| {
            let (x, other) = (t.x(), || t.get("other"));
            match case.op.as_str() {
                "add" => x + other(),
                "sub" => x - other(),
                "mul" => x * other(),
                "div" => x / other(),
                "pow" => x.pow(other()),
                "maximum" => x.maximum(other()),
                "minimum" => x.minimum(other()),
                "exp" => x.exp(),
                "log" => x.log(),
                "sqrt" => x.sqrt(),
                "abs" => x.abs(),
                "neg" => -x,
                "sin" => x.sin(),
                "cos" => x.cos(),
                "square" => x.square(),
                "reciprocal" => x.reciprocal(),
                "sign" => x.sign(),
                "powf" => x.powf(case.float("exponent").expect("an exponent")),
                "clamp" => match (case.float("min"), case.float("max")) {
                    (Some(min), Some(max)) => x.clamp(min, max),
                    (Some(min), None) => x.clamp_min(min),
                    (None, Some(max)) => x.clamp_max(max),
                    (None, None) => panic!("{}: no limit", case.name),
                },
                "where" => t.get("condition").where_(x, other()),
                other => panic!("no such op: {other}"),
            }
        })
    });
}

#[test]
fn activation() {
    for_each_case("activation", |case| {
        let tolerance = match case.op.as_str() {
            "relu" | "flatten" | "dropout" | "dropout2d" => Tolerance::EXACT,
            "leaky_relu" => Tolerance::ELEMENT,
            // 1 − y² and y·(1 − y) cancel where y nears 1.
            "tanh" | "sigmoid" => Tolerance { relative: 1e-6, of_largest: 5e-7 },
            _ => Tolerance { relative: 2e-6, of_largest: 1e-6 },
        };
        let eval = Pass::eval();
        case.check(tolerance, |t| match case.op.as_str() {
            "relu" => t.x().relu(),
            "leaky_relu" => t.x().leaky_relu(case.float("negative_slope").expect("a slope")),
            "tanh" => t.x().tanh(),
            "sigmoid" => t.x().sigmoid(),
            "softmax" => t.x().softmax(case.int("dim")),
            "log_softmax" => t.x().log_softmax(case.int("dim")),
            "flatten" => t.x().flatten(case.int("start_dim"), case.int("end_dim")),
            "dropout" => Dropout::new(case.float("p").expect("a probability")).forward(t.x(), &eval),
            "dropout2d" => Dropout2d::new(case.float("p").expect("a probability")).forward(t.x(), &eval),
            other => panic!("no such op: {other}"),
        })
    });
}

fn reduction(case: &Case) -> Reduction {
    match case.text("reduction") {
        Some("mean") => Reduction::Mean,
        Some("sum") => Reduction::Sum,
        Some("none") => Reduction::None,
        other => panic!("{}: no such reduction: {other:?}", case.name),
    }
}

#[test]
fn loss() {
    for_each_case("loss", |case| {
        let r = reduction(case);
        case.check(Tolerance::SUM, |t: &Inputs| match case.op.as_str() {
            "cross_entropy" => t.x().cross_entropy(&t.get("target"), r),
            "nll_loss" => t.x().nll_loss(&t.get("target"), r),
            "mse_loss" => t.x().mse_loss(&t.get("target"), r),
            other => panic!("no such op: {other}"),
        })
    });
}

#[test]
fn reduce() {
    /// One rounding per factor.
    const PRODUCT: Tolerance = Tolerance { relative: 1e-5, of_largest: 0.0 };
    for_each_case("reduce", |case| {
        if case.op == "argmax" {
            return case.check(Tolerance::EXACT, |t| t.x().argmax(case.int("dim"), false));
        }
        let (dims, keepdim) = (case.ints("dim"), case.flag("keepdim", false));
        let (values, gradients) = match case.op.as_str() {
            // Equal elements share the gradient, which is a division.
            "max" | "min" => (Tolerance::EXACT, Tolerance::ELEMENT),
            "prod" => (PRODUCT, PRODUCT),
            // A sum that cancels is wrong by roundings of what it is made of.
            _ => (Tolerance { relative: 5e-6, of_largest: 1e-6 }, Tolerance::SUM),
        };
        case.check_both(values, gradients, |t| match case.op.as_str() {
            "sum" => t.x().sum(&dims, keepdim),
            "mean" => t.x().mean(&dims, keepdim),
            "max" => t.x().max(&dims, keepdim),
            "min" => t.x().min(&dims, keepdim),
            "prod" => t.x().prod(&dims, keepdim),
            other => panic!("no such op: {other}"),
        })
    });
}
