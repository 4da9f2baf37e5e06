//! Matrix products.

use super::fixtures::{Tolerance, for_each_case};

#[test]
fn matrix() {
    for_each_case("matrix", |case| {
        case.check(Tolerance::SUM, |t| match case.op.as_str() {
            "linear" => t.x().linear(&t.get("weight"), t.find("bias").as_ref()),
            "matmul" => t.x().matmul(&t.get("other")),
            other => panic!("no such op: {other}"),
        })
    });
}
