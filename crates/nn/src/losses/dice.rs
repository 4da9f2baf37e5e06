//! The Dice loss of a segmentation.

use super::cross_entropy::IGNORE_INDEX;
use super::{note_probabilities, reduction};
use crate::setters::setters;
use striate_tensor::ops::loss::check_classes;
use striate_tensor::{DType, Element, Reduction, Tensor};

/// 1 − Dice of each class, with probabilities in the place of yes and no (Milletari et al., "V-Net", 2016; Sudre et al., 2017):
/// 1 − (2·Σ p·t + smooth) / (Σ p + Σ t + smooth), where p is the probability that a pixel is of the class and t is 1 where it is.
///
/// The sums are over all pixels of the batch that are not ignored. Every class counts, one that no pixel is of too: its loss falls to 0
/// with its probabilities, if `smooth` is not 0. If all pixels are ignored, all losses are 0 and have no slope.
///
/// ```
/// use striate_nn::DiceLoss;
/// use striate_tensor::Tensor;
///
/// let logits = Tensor::from_vec(vec![40.0f32, -40.0, -40.0, 40.0], [1, 2, 1, 2]);
/// let loss = DiceLoss::new().forward(logits, &Tensor::from_vec(vec![0i64, 1], [1, 1, 2]));
/// assert!(loss.item::<f32>() < 1e-6);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DiceLoss {
    /// Whether the probability of each class is the sigmoid of its logit; otherwise softmax makes them of all logits.
    pub sigmoid: bool,
    /// What is added to both sides of the fraction.
    pub smooth: f64,
    /// Pixels of this class count for nothing. It need not be a class.
    pub ignore_index: i64,
    /// What is given of the losses of all classes.
    pub reduction: Reduction,
}

impl Default for DiceLoss {
    fn default() -> Self {
        DiceLoss { sigmoid: false, smooth: 1.0, ignore_index: IGNORE_INDEX, reduction: Reduction::default() }
    }
}

impl DiceLoss {
    /// The mean over all classes, by softmax, with 1 added to both sides of the fraction. Targets of −100 are ignored.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        sigmoid: bool, "With the sigmoid of each logit as probability.";
        smooth: f64, "With another number that is added to both sides of the fraction.";
        ignore_index: i64, "With another target that counts for nothing.";
    }

    reduction!();

    /// The loss of logits `[n, classes, ..]` against classes `[n, ..]` (`i64`). `Reduction::None` gives `[classes]`.
    ///
    /// # Panics
    /// If shapes or types do not fit, or a target is neither a class nor ignored.
    pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
        note_probabilities("dice_loss", &input);
        check_classes("dice_loss", input.shape_value(), target, Some(self.ignore_index));
        let logits = by_pixel(input);
        let p = if self.sigmoid { logits.sigmoid() } else { logits.softmax(1) };
        let losses = match p.dtype() {
            DType::F64 => self.of_probabilities::<f64>(p, &target.to_vec()),
            _ => self.of_probabilities::<f32>(p.to_dtype(DType::F32), &target.to_vec()),
        };
        self.reduction.apply(losses)
    }

    /// The loss of each class, of probabilities `[pixels, classes]`.
    fn of_probabilities<T: Element>(&self, p: Tensor, target: &[i64]) -> Tensor {
        let classes = p.shape()[1];
        let target: Vec<Option<usize>> =
            target.iter().map(|&t| (t != self.ignore_index).then_some(t as usize)).collect();
        // By class Σ p·t and Σ p + Σ t.
        let (mut both, mut either) = (vec![0.0; classes], vec![0.0; classes]);
        for (row, target) in p.to_vec::<T>().chunks_exact(classes).zip(&target) {
            let Some(class) = *target else { continue };
            either.iter_mut().zip(row).for_each(|(sum, p)| *sum += p.to_f64());
            either[class] += 1.0;
            both[class] += row[class].to_f64();
        }
        let smooth = self.smooth;
        // Where nothing is added and a class has no pixel and no probability, it is right.
        let fraction = |both: f64, either: f64| {
            if either + smooth > 0.0 { (2.0 * both + smooth) / (either + smooth) } else { 1.0 }
        };
        let fractions: Vec<f64> = both.iter().zip(&either).map(|(&both, &either)| fraction(both, either)).collect();
        let losses = fractions.iter().map(|f| T::from_f64(1.0 - f)).collect();
        let losses = Tensor::from_vec::<T>(losses, [classes]).to(p.device());
        let shape = p.shape_value();
        let device = p.device();
        Tensor::custom("dice_loss", [&p], losses, move |grad, _| {
            // The slope along p where the pixel is of the class, and where it is not.
            let slopes: Vec<[T; 2]> = grad
                .to_vec::<T>()
                .iter()
                .zip(fractions.iter().zip(&either))
                .map(|(g, (fraction, either))| {
                    let by = g.to_f64() / (either + smooth);
                    let by = if by.is_finite() || g.to_f64().is_nan() { by } else { 0.0 };
                    [by * (fraction - 2.0), by * fraction].map(T::from_f64)
                })
                .collect();
            let mut grads = Vec::with_capacity(shape.numel());
            for target in &target {
                match target {
                    Some(class) => {
                        grads.extend(slopes.iter().map(|[_, other]| *other));
                        let start = grads.len() - classes;
                        grads[start + class] = slopes[*class][0];
                    }
                    None => grads.extend(std::iter::repeat_n(T::default(), classes)),
                }
            }
            [Some(Tensor::from_vec(grads, shape).to(device))]
        })
    }
}

/// Logits `[n, classes, ..]` as one row for each pixel, `[pixels, classes]`.
pub(super) fn by_pixel(input: Tensor) -> Tensor {
    let shape = input.shape_value();
    let order: Vec<isize> = [0].into_iter().chain(2..shape.rank() as isize).chain([1]).collect();
    input.permute(&order).reshape([shape.without(1).numel(), shape[1]])
}
