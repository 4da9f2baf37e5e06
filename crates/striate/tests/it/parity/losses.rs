//! The losses beyond the plain ones.

use super::fixtures::{Case, Inputs, Tolerance, for_each_case};
use striate::prelude::*;

pub fn reduction(case: &Case) -> Reduction {
    match case.text("reduction") {
        Some("mean" | "batchmean") => Reduction::Mean,
        Some("sum") => Reduction::Sum,
        Some("none") => Reduction::None,
        other => panic!("{}: no such reduction: {other:?}", case.name),
    }
}

pub fn number(case: &Case, arg: &str) -> f64 {
    case.float(arg).unwrap_or_else(|| panic!("{}: no number {arg}", case.name))
}

/// Sums of products of probabilities, which are themselves right to a few roundings.
pub const LOSS: Tolerance = Tolerance { relative: 2e-6, of_largest: 1e-6 };

#[test]
fn class_losses() {
    for_each_case("class_losses", |case| {
        let r = reduction(case);
        case.check(LOSS, |t: &Inputs| {
            let (x, target, weight) = (t.x(), t.get("target"), t.find("weight"));
            let ignored = case.has("ignore_index").then(|| case.int("ignore_index") as i64);
            match case.op.as_str() {
                "cross_entropy" => {
                    let mut loss = CrossEntropyLoss::new().reduction(r);
                    loss.weight = weight;
                    loss.ignore_index = ignored.unwrap_or(loss.ignore_index);
                    loss.label_smoothing(case.float("label_smoothing").unwrap_or(0.0)).forward(x, &target)
                }
                "nll_loss" => {
                    let mut loss = NLLLoss::new().reduction(r);
                    loss.weight = weight;
                    loss.ignore_index = ignored.unwrap_or(loss.ignore_index);
                    loss.forward(x, &target)
                }
                "focal" => {
                    let loss = FocalLoss::new().gamma(number(case, "gamma")).reduction(r);
                    loss.weight(weight.expect("a weight")).forward(x, &target)
                }
                other => panic!("no such op: {other}"),
            }
        })
    });
}

#[test]
fn losses() {
    for_each_case("losses", |case| {
        let r = reduction_if_any(case);
        let tolerance = match case.op.as_str() {
            "log_sigmoid" => Tolerance { relative: 2e-6, of_largest: 0.0 },
            _ => LOSS,
        };
        case.check(tolerance, |t: &Inputs| loss(case, t, r))
    });
}

fn reduction_if_any(case: &Case) -> Reduction {
    if case.has("reduction") { reduction(case) } else { Reduction::None }
}

fn loss(case: &Case, t: &Inputs, r: Reduction) -> Tensor {
    let target = || t.get("target");
    match case.op.as_str() {
        "log_sigmoid" => t.x().log_sigmoid(),
        "binary_cross_entropy_with_logits" => {
            let loss = BCEWithLogitsLoss { weight: t.find("weight"), pos_weight: t.find("pos_weight"), reduction: r };
            loss.forward(t.x(), &target())
        }
        "sigmoid_focal" => {
            let loss = SigmoidFocalLoss { alpha: number(case, "alpha"), gamma: number(case, "gamma"), reduction: r };
            loss.forward(t.x(), &target())
        }
        "l1_loss" => L1Loss::new().reduction(r).forward(t.x(), &target()),
        "smooth_l1_loss" => SmoothL1Loss::new().beta(number(case, "beta")).reduction(r).forward(t.x(), &target()),
        "huber_loss" => HuberLoss::new().delta(number(case, "delta")).reduction(r).forward(t.x(), &target()),
        "kl_div" => {
            let batchmean = case.text("reduction") == Some("batchmean");
            let loss = KLDivLoss { reduction: r, batchmean, log_target: case.flag("log_target", false) };
            loss.forward(t.x(), &target())
        }
        "triplet_margin_loss" => {
            let p = if case.text("p") == Some("inf") { f64::INFINITY } else { number(case, "p") };
            let loss = TripletMarginLoss::new().margin(number(case, "margin")).p(p).swap(case.flag("swap", false));
            loss.reduction(r).forward(t.get("anchor"), &t.get("positive"), &t.get("negative"))
        }
        "cosine_embedding_loss" => {
            let loss = CosineEmbeddingLoss::new().margin(number(case, "margin")).reduction(r);
            loss.forward(t.get("input1"), &t.get("input2"), &target())
        }
        "hinge_embedding_loss" => {
            let loss = HingeEmbeddingLoss::new().margin(number(case, "margin")).reduction(r);
            loss.forward(t.x(), &target())
        }
        "multi_margin_loss" => {
            let mut loss = MultiMarginLoss::new().p(case.int("p") as u32).margin(number(case, "margin")).reduction(r);
            loss.weight = t.find("weight");
            loss.forward(t.x(), &target())
        }
        other => panic!("no such op: {other}"),
    }
}
