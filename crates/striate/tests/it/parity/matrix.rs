//! Matrix products of vectors, and of stacks that broadcast.

use super::fixtures::{Tolerance, for_each_case};

#[test]
fn matrix() {
    for_each_case("matrix", |case| {
        case.check(Tolerance::SUM, |t| match case.op.as_str() {
            "matmul" => t.x().matmul(&t.get("other")),
            other => panic!("no such op: {other}"),
        })
    });
}
