//! Every loss against central differences, in `f64`.

use striate::prelude::*;

const REDUCTIONS: [Reduction; 3] = [Reduction::Mean, Reduction::Sum, Reduction::None];

fn normal(shape: &[usize], seed: u64) -> Tensor {
    Tensor::randn(shape, DType::F64, &mut Generator::new(seed))
}

fn uniform(shape: &[usize], seed: u64) -> Tensor {
    Tensor::rand_uniform(shape, 0.1, 0.9, DType::F64, &mut Generator::new(seed))
}

/// Whole numbers below `end`, all different from their neighbours.
fn classes(shape: &[usize], end: usize) -> Tensor {
    let n: usize = shape.iter().product();
    Tensor::from_vec((0..n).map(|i| (i * 7 + 2) as i64 % end as i64).collect(), shape)
}

/// 1 and −1.
fn signs(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    Tensor::from_vec((0..n).map(|i| if i % 3 == 0 { 1i64 } else { -1 }).collect(), shape)
}

fn check(name: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Tensor) {
    let shapes: Vec<_> = inputs.iter().map(Tensor::shape_value).collect();
    gradcheck(f, inputs).unwrap_or_else(|e| panic!("{name} {shapes:?}: {e}"));
}

#[test]
fn losses_of_classes() {
    for r in REDUCTIONS {
        for (x, t) in [(&[3, 5][..], &[3][..]), (&[2, 3], &[2]), (&[2, 3, 2, 2], &[2, 2, 2])] {
            let (logits, target, weight) = (normal(x, 1), classes(t, x[1]), uniform(&x[1..2], 2));
            let inputs = &[logits];
            let all = CrossEntropyLoss::new().weight(weight.clone()).label_smoothing(0.2).reduction(r);
            for loss in [
                CrossEntropyLoss::new().ignore_index(2).label_smoothing(0.1).reduction(r),
                all.clone().ignore_index(0),
                all,
            ] {
                check("cross_entropy", inputs, |i| loss.forward(i[0].clone(), &target));
            }
            let loss = CrossEntropyLoss::new().weight(weight.clone()).label_smoothing(0.1).reduction(r);
            check("soft cross_entropy", &[normal(x, 3), uniform(x, 4)], |i| loss.forward(i[0].clone(), &i[1]));
            let loss = NLLLoss::new().weight(weight.clone()).ignore_index(1).reduction(r);
            check("nll_loss", inputs, |i| loss.forward(i[0].clone(), &target));
            let loss = FocalLoss::new().weight(weight).gamma(1.5).reduction(r);
            check("focal", inputs, |i| loss.forward(i[0].clone(), &target));
        }
        let target = classes(&[3], 5);
        for (p, margin) in [(1, 0.5), (2, 1.0)] {
            let loss = MultiMarginLoss::new().p(p).margin(margin).weight(uniform(&[5], 6)).reduction(r);
            check("multi_margin_loss", &[normal(&[3, 5], 5)], |i| loss.forward(i[0].clone(), &target));
        }
    }
}

#[test]
fn yes_or_no_losses() {
    for r in REDUCTIONS {
        for shape in [&[3, 5][..], &[17], &[1, 1]] {
            let inputs = &[normal(shape, 1), uniform(shape, 2)];
            check("log_sigmoid", &inputs[..1], |i| r.apply(i[0].clone().log_sigmoid()));
            let mut loss = BCEWithLogitsLoss::new().reduction(r);
            check("bce", inputs, |i| loss.forward(i[0].clone(), &i[1]));
            let last = &shape[shape.len() - 1..];
            loss = loss.weight(uniform(last, 3)).pos_weight(uniform(last, 4));
            check("bce with weights", inputs, |i| loss.forward(i[0].clone(), &i[1]));
            let loss = SigmoidFocalLoss::new().gamma(1.5).reduction(r);
            check("sigmoid_focal", inputs, |i| loss.forward(i[0].clone(), &i[1]));
        }
    }
}

#[test]
fn losses_of_numbers() {
    for r in REDUCTIONS {
        for shape in [&[3, 4][..], &[1], &[3, 2, 5, 3]] {
            let inputs = &[normal(shape, 1), normal(shape, 2)];
            check("l1_loss", inputs, |i| L1Loss::new().reduction(r).forward(i[0].clone(), &i[1]));
            for beta in [0.0, 0.3, 1.0] {
                let loss = SmoothL1Loss::new().beta(beta).reduction(r);
                check("smooth_l1_loss", inputs, |i| loss.forward(i[0].clone(), &i[1]));
            }
            let loss = HuberLoss::new().delta(0.4).reduction(r);
            check("huber_loss", inputs, |i| loss.forward(i[0].clone(), &i[1]));
            let mut loss = KLDivLoss::new().reduction(r);
            let probabilities = &[normal(shape, 3), uniform(shape, 4)];
            check("kl_div", probabilities, |i| loss.forward(i[0].clone(), &i[1]));
            loss = loss.log_target(true).batchmean();
            check("kl_div of logarithms", inputs, |i| loss.forward(i[0].clone(), &i[1]));
        }
    }
}

#[test]
fn losses_of_vectors() {
    for r in REDUCTIONS {
        for shape in [&[3, 5][..], &[17, 3], &[2, 3, 4]] {
            let inputs = &[normal(shape, 1), normal(shape, 2), normal(shape, 3)];
            for (p, swap) in [(1.0, false), (2.0, true), (3.0, false), (f64::INFINITY, true)] {
                let loss = TripletMarginLoss::new().p(p).swap(swap).reduction(r);
                check("triplet_margin_loss", inputs, |i| loss.forward(i[0].clone(), &i[1], &i[2]));
            }
            let target = signs(shape);
            let loss = HingeEmbeddingLoss::new().margin(0.7).reduction(r);
            check("hinge_embedding_loss", &inputs[..1], |i| loss.forward(i[0].clone(), &target));
        }
        for shape in [&[3, 5][..], &[4]] {
            let target = signs(&shape[..shape.len() - 1]);
            let loss = CosineEmbeddingLoss::new().margin(-0.2).reduction(r);
            let inputs = &[normal(shape, 1), normal(shape, 2)];
            check("cosine_embedding_loss", inputs, |i| loss.forward(i[0].clone(), &i[1], &target));
        }
    }
}

/// Boxes of different sizes that meet, each with another one.
fn boxes(n: usize, seed: u64) -> Tensor {
    let (corner, size) = (uniform(&[n, 2], seed), uniform(&[n, 2], seed + 1));
    Tensor::cat(&[corner.clone(), corner + size], 1)
}

#[test]
fn losses_of_boxes() {
    for r in REDUCTIONS {
        for n in [1, 17] {
            let inputs = &[boxes(n, 1), boxes(n, 3), uniform(&[n], 5)];
            let of = |i: &[Tensor]| (i[0].clone(), i[1].clone(), i[2].clone());
            check("giou_loss", inputs, |i| {
                let (x, t, weight) = of(i);
                GIoULoss::new().weight(weight).reduction(r).forward(x, &t)
            });
            check("diou_loss", inputs, |i| {
                let (x, t, weight) = of(i);
                DIoULoss::new().weight(weight).eps(1e-3).reduction(r).forward(x, &t)
            });
            let boxes_alone = &inputs[1..2];
            check("diou_loss of targets", boxes_alone, |i| DIoULoss::new().reduction(r).forward(boxes(n, 1), &i[0]));
            // The factor of the ciou_loss has no gradient, so that it is no slope: it is checked against PyTorch alone.
        }
    }
}

#[test]
fn losses_of_segmentations() {
    for (x, t) in [(&[3, 5][..], &[3][..]), (&[2, 3, 2, 2], &[2, 2, 2]), (&[1, 1, 4], &[1, 4])] {
        let (inputs, target) = (&[normal(x, 1)], classes(t, x[1]));
        for ignored in [-100, 0] {
            for r in REDUCTIONS {
                for (sigmoid, smooth) in [(false, 1.0), (true, 0.3), (true, 0.0)] {
                    let loss = DiceLoss::new().sigmoid(sigmoid).smooth(smooth).ignore_index(ignored).reduction(r);
                    check("dice_loss", inputs, |i| loss.forward(i[0].clone(), &target));
                }
                let loss = FocalLoss::new().ignore_index(ignored).reduction(r);
                check("focal", inputs, |i| loss.forward(i[0].clone(), &target));
                let loss = CrossEntropyLoss::new().ignore_index(ignored).reduction(r);
                check("cross_entropy", inputs, |i| loss.forward(i[0].clone(), &target));
            }
            for all_classes in [false, true] {
                let loss = LovaszSoftmaxLoss::new().all_classes(all_classes).ignore_index(ignored);
                check("lovasz_softmax", inputs, |i| loss.forward(i[0].clone(), &target));
            }
        }
    }
}
