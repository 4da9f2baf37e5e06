//! Views, and ops that move elements.

use super::fixtures::{Inputs, Tolerance, for_each_case};
use striate::prelude::*;

/// `input0`, `input1`, …
fn numbered(t: &Inputs) -> Vec<Tensor> {
    (0..).map_while(|i| t.find(&format!("input{i}"))).collect()
}

#[test]
fn shape() {
    for_each_case("shape", |case| {
        // An element that was taken twice gets the sum of two gradients.
        case.check_both(Tolerance::EXACT, Tolerance::SUM, |t| match case.op.as_str() {
            "transpose" => t.x().transpose(case.int("dim0"), case.int("dim1")),
            "select" => t.x().select(case.int("dim"), case.int("index") as usize),
            "unsqueeze" => t.x().unsqueeze(case.int("dim")),
            "squeeze" => t.x().squeeze(case.int("dim")),
            "permute_narrow_flatten" => t.x().permute(&[2, 0, 3, 1]).narrow(3, 1, 3).flatten(1, -1) * 2.0,
            "stack" => Tensor::stack(&numbered(t), case.int("dim")),
            other => panic!("no such op: {other}"),
        })
    });
}
