//! Convolution and pooling.

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
    let builder = match case.text("padding") {
        Some(name) => builder.padding(name),
        None => builder.padding(case.pair("padding", [0; 2])),
    };
    builder.build(&mut Generator::new(0)).options
}

/// Winograd's algorithm loses about a digit against summing one by one, hence 1e-5.
#[test]
fn conv2d() {
    for_each_case("conv2d", |case| {
        let tolerance = Tolerance::of_largest(if case.name.starts_with("winograd") { 1e-5 } else { 2e-6 });
        let options = options(case);
        case.check(tolerance, |t| t.x().conv2d(&t.get("weight"), t.find("bias").as_ref(), &options))
    });
}

#[test]
fn pool2d() {
    for_each_case("pool2d", |case| {
        let mut o = Pool2dOptions::new(case.pair("kernel_size", [0; 2]));
        o.stride = case.pair("stride", o.kernel_size);
        o.padding = case.pair("padding", [0; 2]);
        o.dilation = case.pair("dilation", [1; 2]);
        o.ceil_mode = case.flag("ceil_mode", false);
        o.count_include_pad = case.flag("count_include_pad", true);
        match case.op.as_str() {
            // Where windows overlap, gradients add up.
            "max_pool2d" => case.check_both(Tolerance::EXACT, Tolerance::SUM, |t| t.x().max_pool2d(o)),
            "avg_pool2d" => case.check(Tolerance::SUM, |t| t.x().avg_pool2d(o)),
            other => panic!("no such op: {other}"),
        }
    });
}
