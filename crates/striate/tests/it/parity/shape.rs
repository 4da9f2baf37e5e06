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
            "reshape" => t.x().reshape(case.sizes("shape")),
            "permute" => t.x().permute(&case.ints("dims")),
            "transpose" => t.x().transpose(case.int("dim0"), case.int("dim1")),
            "narrow" => t.x().narrow(case.int("dim"), case.int("start") as usize, case.int("length") as usize),
            "select" => t.x().select(case.int("dim"), case.int("index") as usize),
            "unsqueeze" => t.x().unsqueeze(case.int("dim")),
            "squeeze" => t.x().squeeze(case.int("dim")),
            "expand" => t.x().expand(case.sizes("shape")),
            "pad" => {
                let sizes = case.sizes("padding");
                t.x().pad(sizes.as_chunks::<2>().0, case.float("value").expect("a value"))
            }
            "permute_narrow_flatten" => t.x().permute(&[2, 0, 3, 1]).narrow(3, 1, 3).flatten(1, -1) * 2.0,
            "cat" => Tensor::cat(&numbered(t), case.int("dim")),
            "stack" => Tensor::stack(&numbered(t), case.int("dim")),
            "gather" => t.x().gather(case.int("dim"), &t.get("index")),
            "index_select" => t.x().index_select(case.int("dim"), &t.get("index")),
            other => panic!("no such op: {other}"),
        })
    });
}
