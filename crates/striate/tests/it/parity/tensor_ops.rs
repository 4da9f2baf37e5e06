//! Comparison, choice, order, statistics, indexing, einsum and windows.

use super::fixtures::{Case, Inputs, Tolerance, for_each_case};
use striate::prelude::*;

fn numbered(t: &Inputs) -> Vec<Tensor> {
    (0..).map_while(|i| t.find(&format!("input{i}"))).collect()
}

/// Fixtures hold truth values and bytes as whole numbers.
fn whole(x: Tensor) -> Tensor {
    if x.dtype() == DType::U8 { x.to_dtype(DType::I64) } else { x }
}

fn compared(case: &Case, x: &Tensor, other: striate::Operand) -> Tensor {
    match case.op.as_str() {
        "eq" => x.eq(other),
        "ne" => x.ne(other),
        "lt" => x.lt(other),
        "le" => x.le(other),
        "gt" => x.gt(other),
        "ge" => x.ge(other),
        other => panic!("no such op: {other}"),
    }
}

#[test]
fn comparison_and_functions() {
    for_each_case("tensor", |case| {
        let tolerance = match case.op.as_str() {
            "rsqrt" | "log1p" | "expm1" | "erf" => Tolerance { relative: 2e-6, of_largest: 0.0 },
            "number_by" => Tolerance::ELEMENT,
            _ => Tolerance::EXACT,
        };
        // Of what e^x - 1 or the bell curve lose where they are nearly 0, the rounding of 1 is the measure.
        let gradients = Tolerance { of_largest: 2e-7, ..Tolerance { relative: 3e-6, of_largest: 0.0 } };
        let gradients = if tolerance.relative == 0.0 { tolerance } else { gradients };
        case.check_both(tolerance, gradients, |t| {
            let (x, other) = (t.x(), || t.get("other"));
            let (dims, keepdim) = (|| case.ints("dim"), case.flag("keepdim", false));
            let number = case.float("number");
            whole(match case.op.as_str() {
                "logical_and" => x.logical_and(&other()),
                "logical_or" => x.logical_or(&other()),
                "logical_xor" => x.logical_xor(&other()),
                "logical_not" => x.logical_not(),
                "isnan" => x.isnan(),
                "isinf" => x.isinf(),
                "isfinite" => x.isfinite(),
                "any" => x.any(&dims(), keepdim),
                "all" => x.all(&dims(), keepdim),
                "where_number" => t.get("condition").where_(x, number.expect("a number")),
                "masked_fill" => x.masked_fill(&t.get("condition"), number.expect("a number")),
                "masked_select" => x.masked_select(&t.get("condition")),
                "nonzero" => x.nonzero(),
                "clamp" => match (case.float("min"), case.float("max")) {
                    (Some(min), Some(max)) => x.clamp(min, max),
                    (Some(min), None) => x.clamp_min(min),
                    (None, max) => x.clamp_max(max.expect("a limit")),
                },
                "floor" => x.floor(),
                "ceil" => x.ceil(),
                "round" => x.round(),
                "rsqrt" => x.rsqrt(),
                "log1p" => x.log1p(),
                "expm1" => x.expm1(),
                "erf" => x.erf(),
                "number_plus" | "number_plus_i64" => 2.0 + x,
                "number_minus" | "number_minus_i64" => 2.0 - x,
                "number_times" | "number_times_i64" => 2.0 * x,
                "number_by" => 2.0 / x,
                "neg" => -x,
                "abs" => x.abs(),
                _ => match number {
                    Some(number) => compared(case, &x, number.into()),
                    None => compared(case, &x, other().into()),
                },
            })
        })
    });
}

#[test]
fn order_and_statistics() {
    for_each_case("tensor_order", |case| {
        let tolerance = match case.op.as_str() {
            "var" | "std" | "norm" | "logsumexp" | "cumsum" => Tolerance { relative: 3e-6, of_largest: 1e-6 },
            _ => Tolerance::EXACT,
        };
        let gradients = match case.op.as_str() {
            // Roots of sums of powers: one rounding per step.
            "norm" => Tolerance { relative: 1e-5, of_largest: 1e-6 },
            _ => Tolerance { relative: 3e-6, of_largest: 1e-6 },
        };
        case.check_both(tolerance, gradients, |t| {
            let x = t.x();
            let (dim, keepdim) = (|| case.int("dim"), case.flag("keepdim", false));
            let topk = |x: Tensor| x.topk(case.int("k") as usize, dim(), case.flag("largest", true));
            let correction = || case.int("correction") as usize;
            whole(match case.op.as_str() {
                "sort" => x.sort(dim(), case.flag("descending", false)).0,
                "argsort" => x.argsort(dim(), case.flag("descending", false)),
                "max_dim" => x.max_dim(dim(), keepdim).0,
                "min_dim" => x.min_dim(dim(), keepdim).0,
                "arg_max_dim" => x.max_dim(dim(), keepdim).1,
                "arg_min_dim" => x.min_dim(dim(), keepdim).1,
                "topk" => topk(x).0,
                "arg_topk" => topk(x).1,
                "sum" => x.sum(&case.ints("dim")),
                "max" => x.max(&case.ints("dim")),
                "min" => x.min(&case.ints("dim")),
                "prod" => x.prod(&case.ints("dim")),
                "var" => x.var(&case.ints("dim"), correction(), keepdim),
                "std" => x.std(&case.ints("dim"), correction(), keepdim),
                "norm" => {
                    let p = case.text("ord").expect("an order").parse().expect("a number");
                    x.norm(p, &case.ints("dim"), keepdim)
                }
                "logsumexp" => x.logsumexp(&case.ints("dim"), keepdim),
                "cumsum" => x.cumsum(dim()),
                other => panic!("no such op: {other}"),
            })
        })
    });
}

// A range that ends below 0 counts from the end and is not empty.
#[allow(clippy::reversed_empty_ranges)]
/// The part of `x` that the case is named after, if it is one of indexing.
fn indexed(case: &Case, x: &Tensor, t: &Inputs) -> Option<Tensor> {
    let list = |places: &[i64]| Tensor::from(places);
    let (ids, grid) = (t.get("ids"), || t.get("grid"));
    let (mask, mask2) = (|| t.get("mask"), || t.get("mask2"));
    use Index::{NewDim, Rest};
    Some(match case.op.as_str() {
        "number" => x.index(1),
        "negative" => x.index((.., -2)),
        "ranges" => x.index((1.., 1..4, ..2)),
        "negative_ranges" => x.index((-2.., ..-1, -3..-1)),
        "inclusive" => x.index((0..=2, 1..=-1, ..=-2)),
        "cut_off" => x.index((1..100, -100..2, Index::Range { start: Some(3), end: Some(1), step: 1 })),
        "steps" => x.index((
            Index::step(.., 2),
            Index::step(1.., 3),
            Index::Range { start: Some(3), end: Some(0), step: 1 },
            Index::step(.., 5),
        )),
        "rest" => x.index((Rest, 1)),
        "rest_between" => x.index((0, Rest, 1..)),
        "new_dims" => x.index((NewDim, .., 1, NewDim, Rest, NewDim)),
        "one" => x.index((2, 4, 3, 1)),
        "list" => x.index(&ids),
        "list_inside" => x.index((.., &ids, 1..)),
        "list_last" => x.index((Rest, vec![1, 1, 0])),
        "grid" => x.index((.., grid())),
        "two_lists" => x.index((.., &ids, list(&[3, 0, 1, -4]))),
        "broadcast_lists" => x.index((list(&[0, 2]).unsqueeze(1), list(&[1, 3, 4]))),
        "lists_apart" => x.index((&ids, .., list(&[3, 0, 1, -4]))),
        "number_and_list" => x.index((0, .., &ids)),
        "list_and_range" => x.index((1.., &ids, Index::step(.., 2), NewDim)),
        "scalar_tensor" => x.index(Tensor::from_vec(vec![1i64], [])),
        "no_places" => x.index(list(&[])),
        "condition" => x.index((.., mask())),
        "condition_two" => x.index(mask2()),
        "condition_and_list" => x.index((list(&[0, 2, 1]), mask())),
        _ => return None,
    })
}

/// The pieces, each times its number, in a row.
fn in_a_row(pieces: Vec<Tensor>) -> Tensor {
    let flat: Vec<Tensor> = pieces
        .into_iter()
        .enumerate()
        .map(|(i, x)| {
            let n = x.numel();
            x.reshape([n]) * (i + 1) as f64
        })
        .collect();
    Tensor::cat(&flat, 0)
}

#[test]
fn indexing_and_rearranging() {
    for_each_case("tensor_index", |case| {
        let size = |arg: &str| case.int(arg) as usize;
        let float = |arg: &str| case.float(arg).expect("a number");
        let made = match case.op.as_str() {
            "linspace" => Some(Tensor::linspace(float("start"), float("end"), size("steps"), DType::F32)),
            "arange" => Some(Tensor::arange_step(float("start"), float("end"), float("step"), DType::F32)),
            "eye" => Some(Tensor::eye(size("n"), size("m"), DType::F32)),
            _ => None,
        };
        if let Some(made) = made {
            return case.compare("output", &made, Tolerance { relative: 1e-7, of_largest: 1e-7 });
        }
        let tolerance = match case.op.as_str() {
            "scatter_add" | "index_add" => Tolerance::SUM,
            _ => Tolerance::EXACT,
        };
        case.check_both(tolerance, Tolerance::SUM, |t| {
            let (x, dim) = (t.x(), || case.int("dim"));
            if let Some(part) = t.find("ids").and_then(|_| indexed(case, &x, t)) {
                return part;
            }
            match case.op.as_str() {
                "scatter_add" => x.scatter_add(dim(), &t.get("index"), t.get("src")),
                "index_add" => x.index_add(dim(), &t.get("index"), t.get("src")),
                "one_hot" => x.one_hot(size("num_classes")),
                "split" => in_a_row(x.split(size("size"), dim())),
                "split_with_sizes" => in_a_row(x.split_with_sizes(&case.sizes("sizes"), dim())),
                "chunk" => in_a_row(x.chunk(size("size"), dim())),
                "unbind" => in_a_row(x.unbind(dim())),
                "movedim" => x.movedim(case.int("from"), case.int("to")),
                "unflatten" => x.unflatten(dim(), &case.sizes("sizes")),
                "flip" => x.flip(&case.ints("dims")),
                "roll" => x.roll(&case.ints("shifts"), &case.ints("dims")),
                "repeat" => x.repeat(&case.sizes("sizes")),
                "tile" => x.tile(&case.sizes("sizes")),
                "repeat_interleave" => x.repeat_interleave(size("repeats"), dim()),
                "diagonal" => x.diagonal(case.int("dim1"), case.int("dim2")),
                "squeeze_all" => x.squeeze_all(),
                "tril" => x.tril(case.int("diagonal")),
                "triu" => x.triu(case.int("diagonal")),
                other => panic!("no such op: {other}"),
            }
        })
    });
}

#[test]
fn einsum_and_windows() {
    for_each_case("tensor_einsum", |case| {
        let options = || UnfoldOptions {
            kernel_size: case.pair("kernel_size", [1; 2]),
            dilation: case.pair("dilation", [1; 2]),
            padding: case.pair("padding", [0; 2]),
            stride: case.pair("stride", [1; 2]),
        };
        let tolerance = match case.op.as_str() {
            "unfold" => Tolerance::EXACT,
            _ => Tolerance::SUM,
        };
        case.check_both(tolerance, Tolerance::SUM, |t| match case.op.as_str() {
            "einsum" => Tensor::einsum(case.text("equation").expect("an equation"), &numbered(t)),
            "unfold" => t.x().unfold(options()),
            "fold" => t.x().fold(case.pair("output_size", [1; 2]), options()),
            other => panic!("no such op: {other}"),
        })
    });
}
