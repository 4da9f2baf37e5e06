//! Initial values of parameters, under the names of `torch.nn.init`. The numbers drawn are not PyTorch's, their distribution is.
//!
//! ```
//! use striate_nn::init::{self, FanMode, Nonlinearity};
//! use striate_nn::Linear;
//! use striate_tensor::Generator;
//!
//! let rng = &mut Generator::new(0);
//! let mut layer = Linear::new(100, 10, rng);
//! layer.weight.set(init::kaiming_normal([10, 100], FanMode::FanIn, Nonlinearity::ReLU, rng));
//! ```

use striate_tensor::{DType, Generator, Shape, Tensor};

/// Which number of connections keeps its variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FanMode {
    /// The inputs of each output, which keeps the forward pass in range.
    #[default]
    FanIn,
    /// The outputs of each input, which keeps the backward pass in range.
    FanOut,
}

/// The function that follows a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nonlinearity {
    /// None.
    Linear,
    /// [`crate::Sigmoid`]
    Sigmoid,
    /// [`crate::Tanh`]
    Tanh,
    /// [`crate::ReLU`]
    ReLU,
    /// [`crate::LeakyReLU`] with this slope, which `torch.nn.init` calls `a`.
    LeakyReLU(f64),
    /// The scaled exponential unit (Klambauer et al., 2017).
    SELU,
}

/// By how much a layer's weights must be larger to make up for the function that follows (`torch.nn.init.calculate_gain`).
pub fn calculate_gain(nonlinearity: Nonlinearity) -> f64 {
    match nonlinearity {
        Nonlinearity::Linear | Nonlinearity::Sigmoid => 1.0,
        Nonlinearity::Tanh => 5.0 / 3.0,
        Nonlinearity::ReLU => 2f64.sqrt(),
        Nonlinearity::LeakyReLU(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
        Nonlinearity::SELU => 0.75,
    }
}

/// How many inputs feed each output of a weight `[out, in, ..]`.
pub fn fan_in(shape: Shape) -> usize {
    shape[1..].iter().product()
}

/// How many inputs feed each output of a weight `[out, in, ..]`, and how many outputs each input feeds.
///
/// # Panics
/// If the weight has fewer than two dimensions.
pub fn fan_in_and_fan_out(shape: Shape) -> (usize, usize) {
    assert!(shape.rank() >= 2, "init: only a weight [out, in, ..] has inputs and outputs to count, got {shape}");
    (fan_in(shape), shape[0] * shape[2..].iter().product::<usize>())
}

/// PyTorch's default for the weights of linear and convolution layers: `kaiming_uniform_(a=√5)`, which is even between ±1/√fan_in
/// (He et al., 2015).
pub fn default_weight(shape: impl Into<Shape>, rng: &mut Generator) -> Tensor {
    let shape = shape.into();
    uniform_fan_in(shape, fan_in(shape), rng)
}

/// PyTorch's default for their biases: even between ±1/√fan_in of the weight.
pub fn default_bias(size: usize, fan_in: usize, rng: &mut Generator) -> Tensor {
    uniform_fan_in(Shape::from([size]), fan_in, rng)
}

fn uniform_fan_in(shape: Shape, fan_in: usize, rng: &mut Generator) -> Tensor {
    let bound = if fan_in == 0 { 0.0 } else { 1.0 / (fan_in as f64).sqrt() };
    Tensor::rand_uniform(shape, -bound, bound, DType::F32, rng)
}

/// One number everywhere (`constant_`, `zeros_`, `ones_`).
pub fn constant(shape: impl Into<Shape>, value: f64) -> Tensor {
    Tensor::full(value, shape, DType::F32)
}

/// Even from `low` (included) to `high` (excluded) (`uniform_`, whose defaults are 0 and 1).
pub fn uniform(shape: impl Into<Shape>, low: f64, high: f64, rng: &mut Generator) -> Tensor {
    Tensor::rand_uniform(shape, low, high, DType::F32, rng)
}

/// Normal with this mean and standard deviation (`normal_`, whose defaults are 0 and 1).
pub fn normal(shape: impl Into<Shape>, mean: f64, std: f64, rng: &mut Generator) -> Tensor {
    let shape = shape.into();
    if rng.is_blank() {
        return constant(shape, 0.0);
    }
    Tensor::from_vec((0..shape.numel()).map(|_| (mean + std * rng.normal()) as f32).collect(), shape)
}

/// Normal with this mean and standard deviation, drawn again where it is not from `low` to `high` (`trunc_normal_`, whose defaults are 0, 1,
/// −2 and 2).
///
/// # Panics
/// If `std` is not positive, or `low` is not below `high`.
pub fn trunc_normal(shape: impl Into<Shape>, mean: f64, std: f64, low: f64, high: f64, rng: &mut Generator) -> Tensor {
    Tensor::trunc_normal(shape, mean, std, low, high, DType::F32, rng)
}

fn fan(shape: Shape, mode: FanMode) -> f64 {
    let (fan_in, fan_out) = fan_in_and_fan_out(shape);
    let fan = if mode == FanMode::FanIn { fan_in } else { fan_out };
    fan.max(1) as f64
}

/// Even between ±gain · √(3 / fan) (`kaiming_uniform_`; He et al., 2015).
///
/// # Panics
/// If the weight has fewer than two dimensions.
pub fn kaiming_uniform(
    shape: impl Into<Shape>,
    mode: FanMode,
    nonlinearity: Nonlinearity,
    rng: &mut Generator,
) -> Tensor {
    let shape = shape.into();
    let bound = calculate_gain(nonlinearity) * (3.0 / fan(shape, mode)).sqrt();
    uniform(shape, -bound, bound, rng)
}

/// Normal with standard deviation gain / √fan (`kaiming_normal_`; He et al., 2015).
///
/// # Panics
/// If the weight has fewer than two dimensions.
pub fn kaiming_normal(
    shape: impl Into<Shape>,
    mode: FanMode,
    nonlinearity: Nonlinearity,
    rng: &mut Generator,
) -> Tensor {
    let shape = shape.into();
    normal(shape, 0.0, calculate_gain(nonlinearity) / fan(shape, mode).sqrt(), rng)
}

fn mean_fan(shape: Shape) -> f64 {
    let (fan_in, fan_out) = fan_in_and_fan_out(shape);
    ((fan_in + fan_out) as f64 / 2.0).max(1.0)
}

/// Even between ±gain · √(6 / (fan in + fan out)) (`xavier_uniform_`; Glorot and Bengio, 2010).
///
/// # Panics
/// If the weight has fewer than two dimensions.
pub fn xavier_uniform(shape: impl Into<Shape>, gain: f64, rng: &mut Generator) -> Tensor {
    let shape = shape.into();
    let bound = gain * (3.0 / mean_fan(shape)).sqrt();
    uniform(shape, -bound, bound, rng)
}

/// Normal with standard deviation gain · √(2 / (fan in + fan out)) (`xavier_normal_`; Glorot and Bengio, 2010).
///
/// # Panics
/// If the weight has fewer than two dimensions.
pub fn xavier_normal(shape: impl Into<Shape>, gain: f64, rng: &mut Generator) -> Tensor {
    let shape = shape.into();
    normal(shape, 0.0, gain / mean_fan(shape).sqrt(), rng)
}

/// A matrix `[out, rest]` whose rows (or columns, whichever are fewer) are orthogonal to each other and of length `gain`, drawn
/// evenly from all such (`orthogonal_`; Saxe, McClelland and Ganguli, 2014).
///
/// # Panics
/// If the weight has fewer than two dimensions.
pub fn orthogonal(shape: impl Into<Shape>, gain: f64, rng: &mut Generator) -> Tensor {
    let shape = shape.into();
    assert!(shape.rank() >= 2, "orthogonal: the weight must have at least two dimensions, got {shape}");
    if rng.is_blank() {
        return constant(shape, 0.0);
    }
    let (rows, cols) = (shape[0], fan_in(shape));
    let (count, length) = (rows.min(cols), rows.max(cols));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut v: Vec<f64> = (0..length).map(|_| rng.normal()).collect();
        // What the first round leaves by rounding, the second takes away (Gram and Schmidt).
        for _ in 0..2 {
            for b in &basis {
                let dot: f64 = v.iter().zip(b).map(|(x, y)| x * y).sum();
                v.iter_mut().zip(b).for_each(|(x, y)| *x -= dot * y);
            }
        }
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v.iter_mut().for_each(|x| *x /= norm);
        basis.push(v);
    }
    let at = |r: usize, c: usize| if rows <= cols { basis[r][c] } else { basis[c][r] };
    let values = (0..rows * cols).map(|i| (gain * at(i / cols, i % cols)) as f32).collect();
    Tensor::from_vec(values, shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean, standard deviation, smallest and largest.
    fn moments(t: &Tensor) -> [f64; 4] {
        let v: Vec<f64> = t.to_vec::<f32>().into_iter().map(f64::from).collect();
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        let var = v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / v.len() as f64;
        let (low, high) = v.iter().fold((f64::MAX, f64::MIN), |(l, h), &x| (l.min(x), h.max(x)));
        [mean, var.sqrt(), low, high]
    }

    fn near(a: f64, b: f64, by: f64) -> bool {
        (a - b).abs() <= by
    }

    #[test]
    fn even_distributions_fill_their_bounds() {
        let rng = &mut Generator::new(1);
        let shape = [64, 32, 3, 3];
        for (weight, bound) in [
            (uniform(shape, -0.5, 0.5, rng), 0.5),
            (kaiming_uniform(shape, FanMode::FanIn, Nonlinearity::ReLU, rng), (6.0f64 / (32.0 * 9.0)).sqrt()),
            (kaiming_uniform(shape, FanMode::FanOut, Nonlinearity::Linear, rng), (3.0f64 / (64.0 * 9.0)).sqrt()),
            (
                kaiming_uniform(shape, FanMode::FanIn, Nonlinearity::LeakyReLU(5f64.sqrt()), rng),
                1.0 / (32.0f64 * 9.0).sqrt(),
            ),
            (xavier_uniform(shape, 1.5, rng), 1.5 * (6.0f64 / (96.0 * 9.0)).sqrt()),
        ] {
            let [mean, std, low, high] = moments(&weight);
            assert!(
                low >= -bound && high <= bound && low < -0.999 * bound && high > 0.999 * bound,
                "{low} {high} {bound}"
            );
            assert!(
                near(mean, 0.0, 0.02 * bound) && near(std, bound / 3f64.sqrt(), 0.01 * bound),
                "{mean} {std} {bound}"
            );
        }
    }

    #[test]
    fn normal_distributions_have_their_moments() {
        let rng = &mut Generator::new(2);
        let shape = [64, 32, 3, 3];
        for (weight, mean, std) in [
            (normal(shape, 3.0, 0.5, rng), 3.0, 0.5),
            (kaiming_normal(shape, FanMode::FanIn, Nonlinearity::Tanh, rng), 0.0, 5.0 / 3.0 / (32.0f64 * 9.0).sqrt()),
            (kaiming_normal(shape, FanMode::FanOut, Nonlinearity::ReLU, rng), 0.0, (2.0f64 / (64.0 * 9.0)).sqrt()),
            (xavier_normal(shape, 2.0, rng), 0.0, 2.0 * (2.0f64 / (96.0 * 9.0)).sqrt()),
        ] {
            let [m, s, low, high] = moments(&weight);
            assert!(near(m, mean, 0.03 * std) && near(s, std, 0.02 * std), "{m} {s}, expected {mean} {std}");
            assert!(low < mean - 3.0 * std && high > mean + 3.0 * std);
        }
    }

    /// Against the mean and the standard deviation of the truncated density, integrated numerically.
    #[test]
    fn truncated_normals_are_normal_between_their_ends() {
        let rng = &mut Generator::new(3);
        for (mean, std, low, high) in
            [(0.0, 1.0, -2.0, 2.0), (1.0, 0.5, 1.2, 9.0), (0.0, 0.02, -0.01, 0.03), (0.0, 1.0, -5.0, -2.0)]
        {
            let weight = trunc_normal([200, 300], mean, std, low, high, rng);
            let [m, s, smallest, largest] = moments(&weight);
            assert!(smallest >= low as f32 as f64 && largest <= high as f32 as f64, "{smallest} {largest}");
            let points: Vec<f64> = (0..100_000).map(|i| low + (high - low) * (i as f64 + 0.5) / 1e5).collect();
            let density = |x: f64| (-((x - mean) / std).powi(2) / 2.0).exp();
            let mass: f64 = points.iter().map(|&x| density(x)).sum();
            let first = points.iter().map(|&x| x * density(x)).sum::<f64>() / mass;
            let second = points.iter().map(|&x| (x - first).powi(2) * density(x)).sum::<f64>() / mass;
            assert!(near(m, first, 0.02 * second.sqrt()), "mean {m}, expected {first}");
            assert!(near(s, second.sqrt(), 0.02 * second.sqrt()), "std {s}, expected {}", second.sqrt());
        }
    }

    #[test]
    fn orthogonal_rows_or_columns() {
        let rng = &mut Generator::new(4);
        for shape in [&[5, 5][..], &[3, 17], &[17, 3], &[8, 4, 3, 3], &[1, 1], &[40, 2, 3, 3]] {
            let w = orthogonal(shape, 1.5, rng);
            let m = w.reshape([shape[0], shape[1..].iter().product()]);
            let (rows, cols) = (m.shape()[0], m.shape()[1]);
            let t = m.clone().transpose(0, 1);
            let product = if rows <= cols { m.matmul(&t) } else { t.matmul(&m) }.to_vec::<f32>();
            let n = rows.min(cols);
            for (i, p) in product.iter().enumerate() {
                let want = if i / n == i % n { 2.25 } else { 0.0 };
                assert!(near(f64::from(*p), want, 1e-5), "{shape:?}: {p}, expected {want}");
            }
        }
        // Evenly drawn, an element's square has mean 1/n, and neither sign is preferred.
        let [mean, std, ..] = moments(&orthogonal([100, 100], 1.0, rng));
        assert!(near(mean, 0.0, 0.005) && near(std, 0.1, 1e-3), "{mean} {std}");
    }

    #[test]
    fn gains_are_pytorchs() {
        for (nonlinearity, gain) in [
            (Nonlinearity::Linear, 1.0),
            (Nonlinearity::Sigmoid, 1.0),
            (Nonlinearity::Tanh, 1.6666666666666667),
            (Nonlinearity::ReLU, std::f64::consts::SQRT_2),
            (Nonlinearity::LeakyReLU(0.2), 1.3867504905630728),
            (Nonlinearity::SELU, 0.75),
        ] {
            assert_eq!(calculate_gain(nonlinearity), gain);
        }
        assert_eq!(moments(&constant([3, 4], 0.25)), [0.25, 0.0, 0.25, 0.25]);
        assert_eq!(fan_in_and_fan_out(Shape::from([8, 4, 3, 5])), (60, 120));
    }
}
