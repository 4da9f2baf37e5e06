//! What a loss says of what it is given.

use super::panics::message;
use striate_nn::{
    BCEWithLogitsLoss, CIoULoss, CrossEntropyLoss, DIoULoss, DiceLoss, FocalLoss, GIoULoss, L1Loss, LovaszSoftmaxLoss,
    NLLLoss, TripletMarginLoss,
};
use striate_tensor::{DType, Reduction, Tensor};

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
        (
            message(|| GIoULoss::new().forward(z(&[2, 4]), &z(&[1, 4]))),
            "giou_loss: takes boxes [n, 4] and a target of the same shape, got [2, 4] and [1, 4]",
        ),
        (
            message(|| DIoULoss::new().forward(z(&[2, 4]), &Tensor::zeros([2, 4], DType::F64))),
            "diou_loss: the boxes are f32, the target is f64",
        ),
        (
            message(|| CIoULoss::new().weight(z(&[2, 1])).forward(z(&[2, 4]), &z(&[2, 4]))),
            "ciou_loss: 2 boxes take weights of shape [2], got [2, 1]",
        ),
        (
            message(|| DiceLoss::new().forward(z(&[2, 3]), &wrong)),
            "dice_loss: the target holds class 3, the input has 3 classes, 0 to 2: labels start at 0",
        ),
        (
            message(|| LovaszSoftmaxLoss::new().forward(z(&[2, 4, 1]), &wrong)),
            "lovasz_softmax: an input of shape [2, 4, 1] takes a target of shape [2, 1], got [2]",
        ),
    ];
    for (got, expected) in rows {
        assert!(got.starts_with(expected), "{got}\n{expected}");
    }
}

#[test]
fn where_nothing_counts_the_loss_is_0_and_has_no_slope() {
    let void = Tensor::from_vec(vec![-100i64; 12], [2, 2, 3]);
    let weight = Tensor::from_vec(vec![1.0f32, 0.0, 2.0], [3]);
    let of_class_1 = Tensor::ones([2, 2, 3], DType::I64);
    type Loss<'a> = Box<dyn Fn(Tensor) -> Tensor + 'a>;
    let losses: [Loss; 8] = [
        Box::new(|x| CrossEntropyLoss::new().forward(x, &void)),
        Box::new(|x| CrossEntropyLoss::new().label_smoothing(0.1).forward(x, &void)),
        Box::new(|x| CrossEntropyLoss::new().weight(weight.clone()).forward(x, &of_class_1)),
        Box::new(|x| NLLLoss::new().forward(x, &void)),
        Box::new(|x| FocalLoss::new().weight(weight.clone()).forward(x, &void)),
        Box::new(|x| DiceLoss::new().forward(x, &void)),
        Box::new(|x| DiceLoss::new().smooth(0.0).forward(x, &void)),
        Box::new(|x| LovaszSoftmaxLoss::new().all_classes(true).forward(x, &void)),
    ];
    for (i, loss) in losses.iter().enumerate() {
        let x = (Tensor::arange(36).to_dtype(DType::F32).reshape([2, 3, 2, 3]) * 0.1).requires_grad();
        let loss = loss(x.clone());
        assert_eq!(loss.item::<f32>(), 0.0, "loss {i}");
        let slopes = loss.backward().get(&x).expect("a gradient").to_vec::<f32>();
        assert_eq!(slopes, [0.0; 36], "loss {i}");
    }
    let none = z(&[0, 4]).requires_grad();
    let loss = GIoULoss::new().forward(none.clone(), &z(&[0, 4]));
    assert_eq!(loss.item::<f32>(), 0.0);
    assert_eq!(loss.backward().get(&none).expect("a gradient").shape(), [0, 4]);
}

#[test]
fn boxes_of_no_area_have_slopes() {
    let flat = Tensor::from_vec(vec![3.0f32, 3.0, 3.0, 3.0, 1.0, 5.0, 4.0, 5.0], [2, 4]).requires_grad();
    let target = Tensor::from_vec(vec![0.0f32, 0.0, 4.0, 4.0, 3.0, 3.0, 3.0, 3.0], [2, 4]);
    for loss in [
        GIoULoss::new().forward(flat.clone(), &target),
        DIoULoss::new().forward(flat.clone(), &target),
        CIoULoss::new().forward(flat.clone(), &target),
    ] {
        let value = loss.item::<f32>();
        let slopes = loss.backward().get(&flat).expect("a gradient");
        assert!(value.is_finite() && slopes.is_finite(), "{value} {slopes}");
    }
    let broken = Tensor::from_vec(vec![f32::NAN, 0.0, 1.0, 1.0], [1, 4]);
    assert!(GIoULoss::new().forward(broken.clone(), &broken).item::<f32>().is_nan());
}

#[test]
fn equal_errors_count_in_the_order_of_their_pixels() {
    // All probabilities are 1/2: of class 0 the first pixel loses half of an IoU of 1, the second the rest.
    let x = z(&[1, 2, 1, 2]).requires_grad();
    let loss = LovaszSoftmaxLoss::new().forward(x.clone(), &Tensor::zeros([1, 1, 2], DType::I64));
    assert_eq!(loss.item::<f32>(), 0.5);
    assert_eq!(loss.backward().get(&x).expect("a gradient").to_vec::<f32>(), [-0.125, -0.125, 0.125, 0.125]);
    let sum =
        DiceLoss::new().reduction(Reduction::Sum).forward(z(&[1, 2, 1, 2]), &Tensor::zeros([1, 1, 2], DType::I64));
    assert_eq!(sum.item::<f32>(), (1.0 - 3.0 / 4.0) + (1.0 - 1.0 / 2.0));
}
