//! What a loss says of what it is given.

use super::panics::message;
use striate_nn::{BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, TripletMarginLoss};
use striate_tensor::{DType, Tensor};

fn z(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::F32)
}

#[test]
fn wrong_shapes_are_explained() {
    let ce = CrossEntropyLoss::new();
    let wrong = Tensor::from_vec(vec![0i64, 3], [2]);
    let rows = [
        (
            message(|| ce.forward(z(&[2, 3]), &wrong)),
            "cross_entropy: the target holds class 3, the input has 3 classes, 0 to 2: labels start at 0",
        ),
        (
            message(|| ce.forward(z(&[3, 2]), &wrong)),
            "cross_entropy: an input of shape [3, 2] takes a target of shape [3], got [2]",
        ),
        (
            message(|| ce.forward(z(&[2, 3]), &z(&[2]))),
            "cross_entropy: the input has shape [2, 3], the target's probabilities [2]",
        ),
        (
            message(|| CrossEntropyLoss::new().weight(z(&[2])).forward(z(&[2, 3]), &wrong)),
            "cross_entropy: an input of shape [2, 3] takes weights of shape [3], got [2]",
        ),
        (
            message(|| L1Loss::new().forward(z(&[2, 1]), &z(&[2]))),
            "l1_loss: the input has shape [2, 1], the target [2]",
        ),
        (
            message(|| BCEWithLogitsLoss::new().pos_weight(z(&[2, 1, 1])).forward(z(&[2]), &z(&[2]))),
            "binary_cross_entropy_with_logits: a pos_weight of shape [2, 1, 1] does not broadcast to the input's [2]",
        ),
        (
            message(|| TripletMarginLoss::new().forward(z(&[2, 3]), &z(&[2, 3]), &z(&[3]))),
            "triplet_margin_loss: the anchor has shape [2, 3], the positive example [2, 3], the negative [3]",
        ),
    ];
    for (got, expected) in rows {
        assert!(got.starts_with(expected), "{got}\n{expected}");
    }
}
