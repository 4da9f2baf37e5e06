//! mixup and CutMix: each image of a batch with another one of it, and their targets alike.

use super::augment::Augmentations;
use crate::target::Target;
use striate_tensor::{Generator, Tensor};

/// Tells random numbers of mixing from others under the same seed.
const STREAM: u64 = 0x6d69_7869;

/// What mixes a batch. What is drawn depends on the seed, the epoch and the batch's first sample alone.
#[derive(Clone, Copy, Debug)]
pub struct Mixer {
    mixup: Option<f64>,
    cutmix: Option<f64>,
    classes: usize,
    seed: u64,
}

impl Mixer {
    /// For labels of this many classes; none if the augmentations do not mix.
    pub fn new(augmentations: &Augmentations, classes: usize, seed: u64) -> Option<Mixer> {
        let Augmentations { mixup, cutmix, .. } = *augmentations;
        (mixup.is_some() || cutmix.is_some()).then_some(Mixer { mixup, cutmix, classes, seed })
    }

    /// Mixes the values of `targets.len()` images, channels-last, of `[height, width, channels]`, each with the one before it (the first with
    /// the last), and gives their targets mixed alike: `[n, classes]` of classes or labels, `[n, numbers]` of numbers. Where both kinds are on, each has half of
    /// the batches.
    pub fn mix(&self, values: &mut [f32], size: [usize; 3], targets: &[Target], epoch: usize, first: usize) -> Tensor {
        let rng = &mut Generator::keyed([self.seed, STREAM, epoch as u64, first as u64]);
        let cut = match (self.mixup, self.cutmix) {
            (Some(_), Some(_)) => rng.uniform() < 0.5,
            (mixup, _) => mixup.is_none(),
        };
        let alpha = if cut { self.cutmix } else { self.mixup }.expect("one of them is on");
        let lambda = beta(alpha, rng);
        let [h, w, c] = size;
        let own = if cut { cut_in(values, [h, w, c], lambda, rng) } else { lay_over(values, h * w * c, lambda) };
        let n = targets.len();
        let rows: Vec<Vec<f32>> = targets.iter().map(|target| target.row(self.classes)).collect();
        let width = rows.first().map_or(0, Vec::len);
        let mut mixed = Vec::with_capacity(n * width);
        for (i, row) in rows.iter().enumerate() {
            let before = &rows[(i + n - 1) % n];
            mixed.extend(row.iter().zip(before).map(|(x, y)| own as f32 * x + (1.0 - own) as f32 * y));
        }
        Tensor::from_vec(mixed, [n, width])
    }
}

fn lay_over(values: &mut [f32], size: usize, lambda: f64) -> f64 {
    let (own, other) = (lambda as f32, (1.0 - lambda) as f32);
    let mut before = values[values.len() - size..].to_vec();
    for image in values.chunks_exact_mut(size) {
        for (value, before) in image.iter_mut().zip(&mut before) {
            let mixed = own * *value + other * *before;
            *before = std::mem::replace(value, mixed);
        }
    }
    lambda
}

/// A rectangle whose fraction of the area is about `1 - lambda`, from the image before; gives the fraction that stays.
fn cut_in(values: &mut [f32], [h, w, c]: [usize; 3], lambda: f64, rng: &mut Generator) -> f64 {
    let half = 0.5 * (1.0 - lambda).sqrt();
    let mut range = |side: usize| {
        let middle = rng.below(side as u64) as f64;
        let reach = (half * side as f64).floor();
        ((middle - reach).max(0.0) as usize, ((middle + reach) as usize).min(side))
    };
    let ((left, right), (top, bottom)) = (range(w), range(h));
    let size = h * w * c;
    let mut before = values[values.len() - size..].to_vec();
    for image in values.chunks_exact_mut(size) {
        for y in top..bottom {
            let row = (y * w + left) * c..(y * w + right) * c;
            image[row.clone()].swap_with_slice(&mut before[row]);
        }
    }
    1.0 - ((right - left) * (bottom - top)) as f64 / (w * h) as f64
}

/// A draw of Beta(`alpha`, `alpha`), as the fraction of one of two draws of Gamma(`alpha`).
fn beta(alpha: f64, rng: &mut Generator) -> f64 {
    let (a, b) = (gamma(alpha, rng), gamma(alpha, rng));
    if a + b > 0.0 { a / (a + b) } else { 0.5 }
}

/// A draw of Gamma(`shape`, 1) (Marsaglia and Tsang, A simple method for generating gamma variables, 2000).
fn gamma(shape: f64, rng: &mut Generator) -> f64 {
    if shape < 1.0 {
        let boost = (1.0 - rng.uniform()).powf(1.0 / shape);
        return gamma(shape + 1.0, rng) * boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = rng.normal();
        let v = (1.0 + c * x).powi(3);
        let u = 1.0 - rng.uniform();
        if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixer(text: &str) -> Mixer {
        Mixer::new(&text.parse().unwrap(), 3, 7).unwrap()
    }

    #[test]
    fn images_and_labels_are_mixed_in_the_same_shares() {
        for text in ["mixup 0.4", "cutmix 1"] {
            for epoch in 0..20 {
                // Image i holds nothing but i.
                let mut values: Vec<f32> = (0..3).flat_map(|i| vec![i as f32; 6 * 5 * 2]).collect();
                let targets = [0, 1, 2].map(Target::Class);
                let mixed = mixer(text).mix(&mut values, [6, 5, 2], &targets, epoch, 9).to_vec::<f32>();
                for i in 0..3 {
                    let mean = values[i * 60..(i + 1) * 60].iter().sum::<f32>() / 60.0;
                    let expected: f32 = (0..3).map(|class| class as f32 * mixed[i * 3 + class]).sum();
                    assert!((mean - expected).abs() < 1e-5, "{text} {epoch} {i}: {mean} {expected}");
                    assert!((mixed[i * 3..i * 3 + 3].iter().sum::<f32>() - 1.0).abs() < 1e-6);
                }
            }
        }
        assert!(Mixer::new(&"flip".parse().unwrap(), 3, 0).is_none());
    }

    #[test]
    fn beta_has_its_mean_and_variance() {
        let rng = &mut Generator::new(1);
        for alpha in [0.2, 1.0, 3.0] {
            let draws: Vec<f64> = (0..20_000).map(|_| beta(alpha, rng)).collect();
            let mean = draws.iter().sum::<f64>() / 20_000.0;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
            assert!((mean - 0.5).abs() < 0.015, "{alpha} {mean}");
            assert!((variance * 4.0 * (2.0 * alpha + 1.0) - 1.0).abs() < 0.05, "{alpha} {variance}");
        }
    }
}
