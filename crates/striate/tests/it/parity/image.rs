//! Convolution with padding 'same', which the layer works out.

use super::fixtures::{Case, Tolerance, for_each_case};
use striate::prelude::*;

/// The options that a layer with the case's settings has, which is where padding 'same' is worked out.
fn options(case: &Case) -> Conv2dOptions {
    let [o, per_group, kh, kw] = *case.tensor("weight").shape() else { panic!("{}: a weight of rank 4", case.name) };
    let groups = if case.has("groups") { case.int("groups") as usize } else { 1 };
    let builder = Conv2d::options(per_group * groups, o, [kh, kw])
        .stride(case.pair("stride", [1; 2]))
        .dilation(case.pair("dilation", [1; 2]))
        .groups(groups);
    let builder = builder.padding(case.text("padding").expect("a name"));
    builder.build(&mut Generator::new(0)).options
}

#[test]
fn conv2d() {
    for_each_case("conv2d", |case| {
        let options = options(case);
        case.check(Tolerance::of_largest(2e-6), |t| t.x().conv2d(&t.get("weight"), t.find("bias").as_ref(), &options))
    });
}
