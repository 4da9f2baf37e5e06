//! Losses of boxes by their overlap.

use super::reduction;
use crate::setters::setters;
use std::ops::{Add, Div, Mul, Sub};
use striate_tensor::{DType, Reduction, Tensor};

/// The type of a loss of boxes, with its settings.
macro_rules! box_loss {
    ($(#[$doc:meta])* $name:ident, $op:literal, $of:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            /// A weight for each box, `[n]`.
            pub weight: Option<Tensor>,
            /// What is added to the areas that are divided by.
            pub eps: f64,
            /// What is given of the losses of all boxes.
            pub reduction: Reduction,
        }

        impl Default for $name {
            fn default() -> Self {
                $name { weight: None, eps: 1e-7, reduction: Reduction::default() }
            }
        }

        impl $name {
            /// The mean over all boxes, each of which weighs the same.
            pub fn new() -> Self {
                Self::default()
            }

            setters! {
                eps: f64, "With another number that is added to the areas that are divided by.";
            }

            /// With a weight for each box, `[n]`. The mean stays that over the number of boxes.
            pub fn weight(mut self, weight: Tensor) -> Self {
                self.weight = Some(weight);
                self
            }

            reduction!();

            /// The loss of boxes `[n, 4]` against `target` of the same shape and type, both as left, top, right and bottom edge.
            /// `Reduction::None` gives `[n]`; the mean of no boxes is 0.
            ///
            /// # Panics
            /// If shapes or types do not fit.
            pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
                forward($op, input, target, self.weight.as_ref(), self.reduction, |a, b| $of(a, b, self.eps))
            }
        }
    };
}

box_loss! {
    /// 1 − GIoU: the overlap of two boxes, less the fraction of the smallest box around both that neither covers (Rezatofighi et al., 2019;
    /// `torchvision.ops.generalized_box_iou_loss`, which gives all losses by default, this one their mean).
    ///
    /// ```
    /// use striate_nn::GIoULoss;
    /// use striate_tensor::Tensor;
    ///
    /// let boxes = Tensor::from_vec(vec![0.0f32, 0.0, 2.0, 2.0], [1, 4]);
    /// let shifted = Tensor::from_vec(vec![1.0f32, 0.0, 3.0, 2.0], [1, 4]);
    /// let loss = GIoULoss::new().forward(boxes, &shifted);
    /// assert!((loss.item::<f32>() - 2.0 / 3.0).abs() < 1e-6);
    /// ```
    GIoULoss, "giou_loss", generalized
}

box_loss! {
    /// 1 − IoU + d², with d the distance of the centres as a fraction of the diagonal of the smallest box around both (Zheng et al.,
    /// "Distance-IoU loss", 2020; `torchvision.ops.distance_box_iou_loss`, which gives all losses by default, this one their mean).
    DIoULoss, "diou_loss", distance
}

box_loss! {
    /// The loss of [`DIoULoss`] and a penalty of different aspect ratios, whose factor has no gradient (Zheng et al., "Distance-IoU loss",
    /// 2020; `torchvision.ops.complete_box_iou_loss`, which gives all losses by default, this one their mean). A box of no area has the
    /// slopes of its neighbours, not NaN.
    CIoULoss, "ciou_loss", complete
}

fn forward(
    op: &'static str,
    input: Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    reduction: Reduction,
    of: impl Fn([Dual; 4], [Dual; 4]) -> Dual,
) -> Tensor {
    let (x, t, dtype) = (input.shape_value(), target.shape_value(), input.dtype());
    assert!(
        x.rank() == 2 && x[1] == 4 && x == t,
        "{op}: takes boxes [n, 4] and a target of the same shape, got {x} and {t}"
    );
    assert!(
        dtype.is_float() && dtype == target.dtype(),
        "{op}: the boxes are {dtype}, the target is {}",
        target.dtype()
    );
    let n = x[0];
    let numbers = |tensor: &Tensor| tensor.detach().to_dtype(DType::F64).to_vec::<f64>();
    let (a, b) = (numbers(&input), numbers(target));
    let keeps_slopes = input.has_grad() || target.has_grad();
    let (mut losses, mut slopes) = (Vec::with_capacity(n), Vec::new());
    for (a, b) in a.as_chunks::<4>().0.iter().zip(b.as_chunks::<4>().0) {
        let edges = |of: &[f64; 4], first: usize| std::array::from_fn(|i| Dual::variable(of[i], first + i));
        let loss = of(edges(a, 0), edges(b, 4));
        losses.push(loss.value);
        if keeps_slopes {
            slopes.extend(loss.slopes);
        }
    }
    let of_input =
        |values: Vec<f64>, shape: &[usize]| Tensor::from_vec(values, shape).to_dtype(dtype).to(input.device());
    let losses = of_input(losses, &[n]);
    let slopes = of_input(slopes, &[if keeps_slopes { n } else { 0 }, 8]);
    let mut losses = Tensor::custom(op, [&input, target], losses, move |grad, wants| {
        let along = grad.unsqueeze(1);
        let of = |first| slopes.clone().narrow(1, first, 4) * &along;
        [wants[0].then(|| of(0)), wants[1].then(|| of(4))]
    });
    if let Some(weight) = weight {
        let w = weight.shape_value();
        assert!(w.rank() == 1 && w[0] == n, "{op}: {n} boxes take weights of shape [{n}], got {w}");
        losses = losses * weight;
    }
    match reduction {
        Reduction::Mean if n == 0 => losses.sum_all(),
        other => other.apply(losses),
    }
}

/// The area that both boxes cover, and that either does.
fn intersection_and_union(a: [Dual; 4], b: [Dual; 4]) -> (Dual, Dual) {
    let [width, height] = [0, 1].map(|i| a[i + 2].min(b[i + 2]) - a[i].max(b[i]));
    let meet = width.value > 0.0 && height.value > 0.0;
    let intersection = if meet { width * height } else { Dual::constant(0.0) };
    let [area_a, area_b] = [a, b].map(|[left, top, right, bottom]| (right - left) * (bottom - top));
    (intersection, area_a + area_b - intersection)
}

/// Width and height of the smallest box around both.
fn around(a: [Dual; 4], b: [Dual; 4]) -> [Dual; 2] {
    [0, 1].map(|i| a[i + 2].max(b[i + 2]) - a[i].min(b[i]))
}

fn generalized(a: [Dual; 4], b: [Dual; 4], eps: f64) -> Dual {
    let (intersection, union) = intersection_and_union(a, b);
    let [width, height] = around(a, b);
    let area = width * height;
    let iou = intersection / (union + eps);
    Dual::constant(1.0) - (iou - (area - union) / (area + eps))
}

fn distance(a: [Dual; 4], b: [Dual; 4], eps: f64) -> Dual {
    with_iou(a, b, eps).0
}

/// The loss by distance, and the IoU.
fn with_iou(a: [Dual; 4], b: [Dual; 4], eps: f64) -> (Dual, Dual) {
    let (intersection, union) = intersection_and_union(a, b);
    let iou = intersection / (union + eps);
    let [width, height] = around(a, b);
    let [dx, dy] = [0, 1].map(|i| (a[i] + a[i + 2] - b[i] - b[i + 2]) * 0.5);
    let apart = (dx * dx + dy * dy) / (width * width + height * height + eps);
    (Dual::constant(1.0) - iou + apart, iou)
}

fn complete(a: [Dual; 4], b: [Dual; 4], eps: f64) -> Dual {
    let (loss, iou) = with_iou(a, b, eps);
    let [of_a, of_b] = [a, b].map(|[left, top, right, bottom]| (right - left).atan_of_ratio(bottom - top));
    let apart = of_b - of_a;
    let v = apart * apart * (4.0 / std::f64::consts::PI.powi(2));
    let factor = v.value / (1.0 - iou.value + v.value + eps);
    loss + v * factor
}

/// A number and its slopes along the edges of both boxes.
#[derive(Clone, Copy)]
struct Dual {
    value: f64,
    slopes: [f64; 8],
}

impl Dual {
    fn constant(value: f64) -> Dual {
        Dual { value, slopes: [0.0; 8] }
    }

    fn variable(value: f64, edge: usize) -> Dual {
        let mut slopes = [0.0; 8];
        slopes[edge] = 1.0;
        Dual { value, slopes }
    }

    /// f of both, which has slope `by_self` along this one and `by_other` along the other.
    fn with(self, other: Dual, value: f64, by_self: f64, by_other: f64) -> Dual {
        let slope = |i: usize| by_self * self.slopes[i] + by_other * other.slopes[i];
        Dual { value, slopes: std::array::from_fn(slope) }
    }

    /// The larger one; of equal ones each gets half of the gradient, as in PyTorch.
    fn max(self, other: Dual) -> Dual {
        let by_self = if self.value > other.value { 1.0 } else { f64::from(self.value == other.value) / 2.0 };
        self.with(other, f64::max(self.value, other.value), by_self, 1.0 - by_self)
    }

    fn min(self, other: Dual) -> Dual {
        let by_self = if self.value < other.value { 1.0 } else { f64::from(self.value == other.value) / 2.0 };
        self.with(other, f64::min(self.value, other.value), by_self, 1.0 - by_self)
    }

    /// atan(self / other); 0 without a slope where both are 0.
    fn atan_of_ratio(self, other: Dual) -> Dual {
        let (w, h) = (self.value, other.value);
        let squared = w * w + h * h;
        if squared == 0.0 { Dual::constant(0.0) } else { self.with(other, (w / h).atan(), h / squared, -w / squared) }
    }
}

impl Add for Dual {
    type Output = Dual;
    fn add(self, other: Dual) -> Dual {
        self.with(other, self.value + other.value, 1.0, 1.0)
    }
}

impl Add<f64> for Dual {
    type Output = Dual;
    fn add(self, other: f64) -> Dual {
        Dual { value: self.value + other, ..self }
    }
}

impl Sub for Dual {
    type Output = Dual;
    fn sub(self, other: Dual) -> Dual {
        self.with(other, self.value - other.value, 1.0, -1.0)
    }
}

impl Mul for Dual {
    type Output = Dual;
    fn mul(self, other: Dual) -> Dual {
        self.with(other, self.value * other.value, other.value, self.value)
    }
}

impl Mul<f64> for Dual {
    type Output = Dual;
    fn mul(self, factor: f64) -> Dual {
        self * Dual::constant(factor)
    }
}

impl Div for Dual {
    type Output = Dual;
    fn div(self, other: Dual) -> Dual {
        let quotient = self.value / other.value;
        self.with(other, quotient, 1.0 / other.value, -quotient / other.value)
    }
}
