//! The Lovász-Softmax loss of a segmentation.

use super::cross_entropy::IGNORE_INDEX;
use super::dice::by_pixel;
use super::note_probabilities;
use crate::setters::setters;
use striate_tensor::ops::loss::check_classes;
use striate_tensor::{DType, Element, Tensor};

/// 1 − IoU, with the Lovász extension in the place of counts, so that it has a slope (Berman et al., "The Lovász-Softmax loss", 2018).
///
/// It is the mean over classes of one loss for all pixels of the batch that are not ignored. If there are none, it is 0 and has no slope.
/// Of pixels with the same error the first counts as the larger one.
#[derive(Clone, Copy, Debug)]
pub struct LovaszSoftmaxLoss {
    /// Whether the mean is over all classes; otherwise over those that pixels are of.
    pub all_classes: bool,
    /// Pixels of this class count for nothing. It need not be a class.
    pub ignore_index: i64,
}

impl Default for LovaszSoftmaxLoss {
    fn default() -> Self {
        LovaszSoftmaxLoss { all_classes: false, ignore_index: IGNORE_INDEX }
    }
}

impl LovaszSoftmaxLoss {
    /// The mean over the classes that pixels are of. Targets of −100 are ignored.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        all_classes: bool, "With the mean over all classes, those that no pixel is of too.";
        ignore_index: i64, "With another target that counts for nothing.";
    }

    /// The loss of logits `[n, classes, ..]` against classes `[n, ..]` (`i64`).
    ///
    /// # Panics
    /// If shapes or types do not fit, a target is neither a class nor ignored, or there are 2³¹ pixels or more.
    pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
        note_probabilities("lovasz_softmax", &input);
        check_classes("lovasz_softmax", input.shape_value(), target, Some(self.ignore_index));
        let p = by_pixel(input).softmax(1);
        match p.dtype() {
            DType::F64 => self.of_probabilities::<f64>(p, &target.to_vec()),
            _ => self.of_probabilities::<f32>(p.to_dtype(DType::F32), &target.to_vec()),
        }
    }

    /// The loss of probabilities `[pixels, classes]`.
    fn of_probabilities<T: Error>(&self, p: Tensor, target: &[i64]) -> Tensor {
        let (shape, device) = (p.shape_value(), p.device());
        let classes = shape[1];
        assert!(target.len() < 1 << 31, "lovasz_softmax: {} pixels are too many", target.len());
        let mut counts = vec![0usize; classes];
        let counted: Vec<u32> =
            (0..target.len()).filter(|&i| target[i] != self.ignore_index).map(|i| i as u32).collect();
        counted.iter().for_each(|&i| counts[target[i as usize] as usize] += 1);
        let chosen: Vec<usize> = (0..classes).filter(|&c| self.all_classes || counts[c] > 0).collect();
        let keeps_slopes = p.has_grad();
        let values = p.to_vec::<T>();
        let mut slopes = vec![T::default(); if keeps_slopes { shape.numel() } else { 0 }];
        let mut sum = 0.0;
        let (mut keys, mut spare) = (Vec::with_capacity(counted.len()), Vec::new());
        for &class in if counted.is_empty() { &[] } else { &chosen[..] } {
            keys.clear();
            keys.extend(counted.iter().map(|&pixel| {
                let p = values[pixel as usize * classes + class].to_f64();
                let of_class = target[pixel as usize] == class as i64;
                T::from_f64(if of_class { 1.0 - p } else { p }).key(pixel << 1 | u32::from(of_class))
            }));
            T::sort(&mut keys, &mut spare);
            let (mut found, mut others, mut jaccard) = (counts[class], 0, 0.0);
            for &key in &keys {
                let (tag, error) = (T::tag(key), T::error(key));
                let (pixel, of_class) = (tag >> 1, tag & 1 == 1);
                found -= of_class as usize;
                others += !of_class as usize;
                // Both of the IoU if this pixel and those before are wrong.
                let next = 1.0 - found as f64 / (counts[class] + others) as f64;
                let slope = next - jaccard;
                jaccard = next;
                sum += error * slope;
                if keeps_slopes && error != 0.0 {
                    let slope = if of_class { -slope } else { slope };
                    slopes[pixel as usize * classes + class] = T::from_f64(slope / chosen.len() as f64);
                }
            }
        }
        let loss = T::from_f64(sum / chosen.len().max(1) as f64);
        let loss = Tensor::from_vec(vec![loss], []).to(device);
        Tensor::custom("lovasz_softmax", [&p], loss, move |grad, _| {
            [Some(Tensor::from_vec(slopes, shape).to(device) * grad)]
        })
    }
}

/// An error, which is sorted together with a tag: the largest error first, of equal ones the smallest tag. The tags of a list ascend.
trait Error: Element {
    type Key: Copy;
    fn key(self, tag: u32) -> Self::Key;
    fn tag(key: Self::Key) -> u32;
    fn error(key: Self::Key) -> f64;
    fn sort(keys: &mut Vec<Self::Key>, spare: &mut Vec<Self::Key>);
}

// The bits of numbers that are not negative have the order of the numbers.
impl Error for f32 {
    type Key = u64;
    fn key(self, tag: u32) -> u64 {
        u64::from(!self.to_bits()) << 32 | u64::from(tag)
    }
    fn tag(key: u64) -> u32 {
        key as u32
    }
    fn error(key: u64) -> f64 {
        f32::from_bits(!(key >> 32) as u32).into()
    }
    fn sort(keys: &mut Vec<u64>, spare: &mut Vec<u64>) {
        radix_sort(keys, spare);
    }
}

impl Error for f64 {
    type Key = u128;
    fn key(self, tag: u32) -> u128 {
        u128::from(!self.to_bits()) << 32 | u128::from(tag)
    }
    fn tag(key: u128) -> u32 {
        key as u32
    }
    fn error(key: u128) -> f64 {
        f64::from_bits(!(key >> 32) as u64)
    }
    fn sort(keys: &mut Vec<u128>, _spare: &mut Vec<u128>) {
        keys.sort_unstable();
    }
}

/// Sorts by the upper 32 bits and leaves equal ones in order. `spare` is overwritten.
fn radix_sort(keys: &mut Vec<u64>, spare: &mut Vec<u64>) {
    const DIGITS: usize = 3;
    const BITS: usize = 11;
    let digit = |key: u64, i: usize| (key >> (32 + i * BITS)) as usize & ((1 << BITS) - 1);
    let mut starts = [[0usize; 1 << BITS]; DIGITS];
    for &key in keys.iter() {
        (0..DIGITS).for_each(|i| starts[i][digit(key, i)] += 1);
    }
    spare.resize(keys.len(), 0);
    for (i, starts) in starts.iter_mut().enumerate() {
        let mut before = 0;
        for start in starts.iter_mut() {
            before += std::mem::replace(start, before);
        }
        for &key in keys.iter() {
            let to = &mut starts[digit(key, i)];
            spare[*to] = key;
            *to += 1;
        }
        std::mem::swap(keys, spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::Generator;

    #[test]
    fn errors_are_sorted() {
        let mut rng = Generator::new(1);
        for n in [0, 1, 2, 5000] {
            let error = |i: u64| (rng.below(1 + n) as f32 / n as f32).min(1.0).key(i as u32);
            let mut keys: Vec<u64> = (0..n).map(error).collect();
            let mut expected = keys.clone();
            expected.sort_unstable();
            radix_sort(&mut keys, &mut vec![7; 3]);
            assert_eq!(keys, expected);
            assert!(keys.is_sorted_by(|&a, &b| f32::error(a) >= f32::error(b)));
        }
    }
}
