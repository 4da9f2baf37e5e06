//! The losses of boxes and of segmentations.

use super::fixtures::{Case, Inputs, Tolerance, for_each_case};
use super::losses::{LOSS, number, reduction};
use striate::prelude::*;

#[test]
fn dense_losses() {
    // Softmax takes the mean of a row's slopes off each of them, which cancels where few pixels have one.
    let of_few = Tolerance { relative: 2e-5, of_largest: 1e-6 };
    for_each_case("dense_losses", |case| {
        let gradients = if case.op == "lovasz" { of_few } else { LOSS };
        case.check_both(LOSS, gradients, |t| loss(case, t))
    });
}

fn loss(case: &Case, t: &Inputs) -> Tensor {
    let (x, target, weight) = (t.x(), t.get("target"), t.find("weight"));
    let ignored = || case.int("ignore_index") as i64;
    match case.op.as_str() {
        "giou_loss" => GIoULoss { weight, reduction: reduction(case), ..GIoULoss::new() }.forward(x, &target),
        "diou_loss" => DIoULoss { weight, reduction: reduction(case), ..DIoULoss::new() }.forward(x, &target),
        "ciou_loss" => CIoULoss { weight, reduction: reduction(case), ..CIoULoss::new() }.forward(x, &target),
        "cross_entropy" => {
            let loss = CrossEntropyLoss { weight, reduction: reduction(case), ..CrossEntropyLoss::new() };
            loss.forward(x, &target)
        }
        "focal" => {
            let loss = FocalLoss { weight, reduction: reduction(case), ..FocalLoss::new() };
            loss.gamma(number(case, "gamma")).forward(x, &target)
        }
        "dice" => {
            let loss = DiceLoss::new().sigmoid(case.flag("sigmoid", false)).smooth(number(case, "smooth"));
            loss.ignore_index(ignored()).reduction(reduction(case)).forward(x, &target)
        }
        "lovasz" => {
            let loss = LovaszSoftmaxLoss::new().all_classes(case.flag("all_classes", false));
            loss.ignore_index(ignored()).forward(x, &target)
        }
        other => panic!("no such op: {other}"),
    }
}
