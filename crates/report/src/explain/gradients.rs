//! Attributions by gradients with respect to the image, as Captum computes them: numbers `[c, h, w]`, one for each number that the network sees.

use super::network::{Network, ReluRule};
use super::options::{Baseline, Options};
use super::target::Aim;
use striate_imaging::Preprocessing;
use striate_tensor::{DType, Generator, Tensor};

/// Which random numbers a method draws, apart from others under the same seed.
const NOISE_STREAM: u64 = 0x6E6F_6973;
const SHAP_STREAM: u64 = 0x7368_6170;

/// How far attributions are from the difference that they should sum to.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Completeness {
    /// The sum of the attributions.
    pub sum: f64,
    /// The target for the image less the target for the baseline.
    pub difference: f64,
    /// How far they are apart, as a fraction of the larger one of the difference and a hundredth of the target.
    pub error: f64,
    /// The error that was to be reached.
    pub tolerance: f64,
    /// The steps that were taken at last; 1 of DeepLIFT.
    pub steps: usize,
    /// Whether it was.
    pub complete: bool,
}

/// The gradients of the target with respect to each image of `x`, `[n, c, h, w]`. All of them are in memory at once.
pub(crate) fn gradients(network: &Network, x: Tensor, aim: &Aim, rule: ReluRule) -> Tensor {
    let x = x.detach().requires_grad();
    let value = aim.values(network.forward(x.clone(), rule)).sum_all();
    let gradient = if value.has_grad() { value.backward().get(&x) } else { None };
    gradient.unwrap_or_else(|| Tensor::full_like(&x, 0.0))
}

/// A running sum of tensors `[n, …]` over their images.
struct Sum(Vec<f64>);

impl Sum {
    fn of(x: &Tensor) -> Sum {
        Sum(vec![0.0; x.numel()])
    }

    fn add(&mut self, images: &Tensor) {
        let values = images.to_vec::<f32>();
        for image in values.chunks_exact(self.0.len()) {
            self.0.iter_mut().zip(image).for_each(|(sum, x)| *sum += f64::from(*x));
        }
    }

    fn times(self, factor: f64) -> Vec<f32> {
        self.0.into_iter().map(|x| (x * factor) as f32).collect()
    }
}

/// The absolute gradient.
pub(crate) fn saliency(network: &Network, x: &Tensor, aim: &Aim) -> Vec<f32> {
    gradients(network, x.clone(), aim, ReluRule::Plain).abs().to_vec()
}

/// The gradient by guided backpropagation.
pub(crate) fn guided_backprop(network: &Network, x: &Tensor, aim: &Aim) -> Vec<f32> {
    gradients(network, x.clone(), aim, ReluRule::Guided).to_vec()
}

/// Noise for SmoothGrad: a tensor `[1, c, h, w]` for each sample.
pub(crate) fn noise(x: &Tensor, options: &Options) -> impl Iterator<Item = Tensor> {
    let values = x.to_vec::<f32>();
    let least = values.iter().copied().fold(f32::INFINITY, f32::min);
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (shape, std, seed) = (x.shape_value(), options.noise * f64::from(most - least), options.seed);
    (0..options.samples)
        .map(move |i| Tensor::randn(shape, DType::F32, &mut Generator::keyed([seed, NOISE_STREAM, i as u64, 0])) * std)
}

/// The mean absolute gradient of the image with each of these added.
pub(crate) fn smooth_grad(network: &Network, x: &Tensor, aim: &Aim, noise: impl Iterator<Item = Tensor>) -> Vec<f32> {
    let [batch, _] = network.batches();
    let noise: Vec<Tensor> = noise.collect();
    let mut sum = Sum::of(x);
    for few in noise.chunks(batch) {
        sum.add(&gradients(network, Tensor::cat(few, 0) + x, aim, ReluRule::Plain).abs());
    }
    sum.times(1.0 / noise.len() as f64)
}

/// A random point between a baseline and the image.
pub(crate) struct Between {
    /// The baseline, `[1, c, h, w]`.
    pub baseline: Tensor,
    /// The fraction of the image.
    pub alpha: f64,
}

/// Random points on the ways from a black, a white and a mean image.
pub(crate) fn random_points(preprocessing: &Preprocessing, options: &Options) -> Vec<Between> {
    let baselines = [Baseline::Mean, Baseline::Black, Baseline::White].map(|baseline| baseline.image(preprocessing));
    let rng = &mut Generator::keyed([options.seed, SHAP_STREAM, 0, 0]);
    let mut point = || {
        let baseline = baselines[rng.below(baselines.len() as u64) as usize].clone();
        Between { baseline, alpha: rng.uniform() }
    };
    (0..options.samples).map(|_| point()).collect()
}

/// The mean over these points of the gradient there times the way from the baseline to the image.
pub(crate) fn gradient_shap(network: &Network, x: &Tensor, aim: &Aim, points: &[Between]) -> Vec<f32> {
    let [batch, _] = network.batches();
    let mut sum = Sum::of(x);
    for few in points.chunks(batch) {
        let baselines = Tensor::cat(&few.iter().map(|point| point.baseline.clone()).collect::<Vec<_>>(), 0);
        let ways = x.clone() - &baselines;
        let alphas = few.iter().map(|point| point.alpha as f32).collect();
        let at = ways.clone() * Tensor::from_vec(alphas, [few.len(), 1, 1, 1]) + &baselines;
        sum.add(&(gradients(network, at, aim, ReluRule::Plain) * ways));
    }
    sum.times(1.0 / points.len() as f64)
}

/// Places and weights of Gauss-Legendre quadrature from 0 to 1 (`numpy.polynomial.legendre.leggauss`, halved and moved).
pub(crate) fn gauss_legendre(n: usize) -> Vec<[f64; 2]> {
    const ROUNDS: usize = 100;
    let node = |i: usize| {
        let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut slope = 0.0;
        for _ in 0..ROUNDS {
            // Legendre's polynomials P(n) and P(n - 1) at x, by their recurrence.
            let (mut p, mut before) = (1.0, 0.0);
            for k in 0..n {
                let k = k as f64;
                (p, before) = (((2.0 * k + 1.0) * x * p - k * before) / (k + 1.0), p);
            }
            slope = n as f64 * (x * p - before) / (x * x - 1.0);
            let step = p / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        [0.5 * (1.0 - x), 1.0 / ((1.0 - x * x) * slope * slope)]
    };
    (0..n).map(node).collect()
}

/// Integrated gradients with this many steps.
pub(crate) fn integrated(network: &Network, x: &Tensor, baseline: &Tensor, aim: &Aim, steps: usize) -> Vec<f32> {
    let [batch, _] = network.batches();
    let way = x.clone() - baseline;
    let mut sum = Sum::of(x);
    for few in gauss_legendre(steps).chunks(batch) {
        let column = |i: usize| Tensor::from_vec(few.iter().map(|node| node[i] as f32).collect(), [few.len(), 1, 1, 1]);
        let at = way.clone() * column(0) + baseline;
        sum.add(&(gradients(network, at, aim, ReluRule::Plain) * column(1)));
    }
    sum.times(1.0).into_iter().zip(way.to_vec::<f32>()).map(|(gradient, way)| gradient * way).collect()
}

/// Integrated gradients with as many steps as make them complete, up to the options' limit.
pub(crate) fn integrated_gradients(
    network: &Network,
    x: &Tensor,
    baseline: &Tensor,
    aim: &Aim,
    values: [f64; 2],
    options: &Options,
) -> (Vec<f32>, Completeness) {
    let mut steps = options.steps;
    loop {
        let attributions = integrated(network, x, baseline, aim, steps);
        let found = completeness(&attributions, values, options.tolerance, steps);
        if found.complete || steps * 2 > options.max_steps {
            return (attributions, found);
        }
        steps *= 2;
    }
}

/// How complete attributions are, of a target that has one value for the image and another for the baseline.
pub(crate) fn completeness(
    attributions: &[f32],
    [value, at_baseline]: [f64; 2],
    tolerance: f64,
    steps: usize,
) -> Completeness {
    let sum: f64 = attributions.iter().map(|&x| f64::from(x)).sum();
    let difference = value - at_baseline;
    let scale = difference.abs().max(1e-2 * value.abs().max(at_baseline.abs())).max(f64::MIN_POSITIVE);
    let error = (sum - difference).abs() / scale;
    Completeness { sum, difference, error, tolerance, steps, complete: error <= tolerance }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quadrature_is_exact_for_polynomials_and_its_weights_sum_to_one() {
        for n in [1, 2, 3, 5, 32, 50, 64, 255, 512] {
            let nodes = gauss_legendre(n);
            let sum: f64 = nodes.iter().map(|[_, w]| w).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{n}: {sum}");
            let power = (2 * n - 1).min(21) as i32;
            let integral: f64 = nodes.iter().map(|[x, w]| w * x.powi(power)).sum();
            assert!((integral - 1.0 / f64::from(power + 1)).abs() < 1e-12, "{n}: {integral}");
            assert!(nodes.iter().all(|[x, w]| (0.0..1.0).contains(x) && *w > 0.0));
        }
        // numpy.polynomial.legendre.leggauss(3)
        let [x, w] = gauss_legendre(3)[0];
        assert!(
            (x - 0.5 * (1.0 - 0.774_596_669_241_483_4)).abs() < 1e-14
                && (w - 0.5 * 0.555_555_555_555_555_6).abs() < 1e-14
        );
    }
}
