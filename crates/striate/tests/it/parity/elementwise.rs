//! Clamping, dropout in evaluation, and losses.

use super::fixtures::{Case, Inputs, Tolerance, for_each_case};
use striate::prelude::*;

#[test]
fn clamp() {
    for_each_case("elementwise", |case| {
        assert_eq!(case.op, "clamp");
        case.check(Tolerance::EXACT, |t| match (case.float("min"), case.float("max")) {
            (Some(min), Some(max)) => t.x().clamp(min, max),
            (Some(min), None) => t.x().clamp_min(min),
            (None, max) => t.x().clamp_max(max.expect("a limit")),
        })
    });
}

#[test]
fn activation() {
    for_each_case("activation", |case| {
        let eval = Pass::eval();
        case.check(Tolerance::EXACT, |t| match case.op.as_str() {
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
