//! Normalization.

use super::grid::{Grid, indices};
use crate::shape::Shape;

/// With which others an element is normalized, and by which weight it is multiplied then; elements are numbered in row-major order.
pub struct Normalization {
    group: Vec<usize>,
    groups: usize,
    channel: Vec<usize>,
}

/// The number of pixels of each channel in `[n, c, ..]`.
fn pixels(shape: Shape) -> usize {
    shape[2..].iter().product()
}

impl Normalization {
    /// The elements of each channel (Ioffe and Szegedy, 2015).
    pub fn batch(shape: Shape) -> Normalization {
        let channel: Vec<usize> = (0..shape.numel()).map(|i| i / pixels(shape) % shape[1]).collect();
        Normalization { group: channel.clone(), groups: shape[1], channel }
    }

    /// The elements of each group of channels of each sample (Wu and He, 2018).
    pub fn group(shape: Shape, groups: usize) -> Normalization {
        let together = shape[1] / groups * pixels(shape);
        Normalization {
            group: (0..shape.numel()).map(|i| i / together).collect(),
            groups: shape[0] * groups,
            channel: (0..shape.numel()).map(|i| i / pixels(shape) % shape[1]).collect(),
        }
    }

    /// The elements of the last dimensions (Ba, Kiros and Hinton, 2016).
    pub fn layer(shape: Shape, last: Shape) -> Normalization {
        let together = last.numel();
        Normalization {
            group: (0..shape.numel()).map(|i| i / together).collect(),
            groups: shape[..shape.rank() - last.rank()].iter().product(),
            channel: (0..shape.numel()).map(|i| i % together).collect(),
        }
    }

    /// The mean of `f` over the elements of each group.
    fn means(&self, f: impl Fn(usize) -> f64) -> Vec<f64> {
        let (mut sums, mut counts) = (vec![0.0; self.groups], vec![0.0; self.groups]);
        for (i, &group) in self.group.iter().enumerate() {
            sums[group] += f(i);
            counts[group] += 1.0;
        }
        sums.iter().zip(counts).map(|(sum, count)| sum / count).collect()
    }

    /// The mean and the biased variance of each group.
    pub fn statistics(&self, x: &Grid) -> [Vec<f64>; 2] {
        let mean = self.means(|i| x.values[i]);
        let var = self.means(|i| (x.values[i] - mean[self.group[i]]).powi(2));
        [mean, var]
    }

    /// (x − mean) / √(var + eps)
    fn standard(&self, x: &Grid, mean: &Grid, var: &Grid, eps: f64, i: usize) -> f64 {
        let group = self.group[i];
        (x.values[i] - mean.values[group]) / (var.values[group] + eps).sqrt()
    }

    /// (x − mean) / √(var + eps) · weight + bias
    pub fn apply(&self, x: &Grid, mean: &Grid, var: &Grid, weight: &Grid, bias: &Grid, eps: f64) -> Grid {
        let value = |i: usize| {
            let channel = self.channel[i];
            self.standard(x, mean, var, eps, i) * weight.values[channel] + bias.values[channel]
        };
        Grid { shape: x.shape, values: (0..x.values.len()).map(value).collect() }
    }

    /// `x` normalized by its own statistics, and these.
    pub fn normalize(&self, x: &Grid, weight: &Grid, bias: &Grid, eps: f64) -> [Grid; 3] {
        let [mean, var] = self.statistics(x).map(Grid::list);
        [self.apply(x, &mean, &var, weight, bias, eps), mean, var]
    }

    /// The gradients for input, weight and bias. With x̂ = (x − mean) / √(var + eps) and h = grad · weight that for the input is
    /// (h − mean(h) − x̂ · mean(h · x̂)) / √(var + eps), means being those of the group, or h / √(var + eps) if the statistics are not those
    /// of the input (`own`) but constants.
    pub fn gradients(
        &self,
        grad: &Grid,
        x: &Grid,
        mean: &Grid,
        var: &Grid,
        weight: &Grid,
        eps: f64,
        own: bool,
    ) -> [Grid; 3] {
        let standard = |i: usize| self.standard(x, mean, var, eps, i);
        let h = |i: usize| grad.values[i] * weight.values[self.channel[i]];
        let (mean_h, mean_hx) = (self.means(h), self.means(|i| h(i) * standard(i)));
        let (mut to_weight, mut to_bias) = (Grid::zeros(weight.shape), Grid::zeros(weight.shape));
        let mut to_x = Grid::zeros(x.shape);
        for i in 0..x.values.len() {
            let (group, channel) = (self.group[i], self.channel[i]);
            to_weight.values[channel] += grad.values[i] * standard(i);
            to_bias.values[channel] += grad.values[i];
            let through_statistics = if own { mean_h[group] + standard(i) * mean_hx[group] } else { 0.0 };
            to_x.values[i] = (h(i) - through_statistics) / (var.values[group] + eps).sqrt();
        }
        [to_x, to_weight, to_bias]
    }
}

/// The sum of two of one shape.
pub fn sum(a: &Grid, b: &Grid) -> Grid {
    Grid { shape: a.shape, values: a.values.iter().zip(&b.values).map(|(a, b)| a + b).collect() }
}

/// Normalization across neighbouring channels (Krizhevsky et al., 2012).
pub struct LocalResponse {
    pub size: usize,
    pub alpha: f64,
    pub beta: f64,
    pub k: f64,
}

impl LocalResponse {
    /// The channels, of `channels`, whose squares are in the mean of channel `c`. PyTorch has ⌊size / 2⌋ before it.
    fn window(&self, c: usize, channels: usize) -> std::ops::Range<usize> {
        let first = c.saturating_sub(self.size / 2);
        first..(c + self.size - self.size / 2).min(channels)
    }

    /// k + alpha · the mean of the squares, in which channels that do not exist are zeros.
    fn base(&self, x: &Grid, i: Shape) -> f64 {
        let sum: f64 = self.window(i[1], x.shape[1]).map(|c| x.at(&i.with(1, c)).powi(2)).sum();
        self.k + self.alpha * sum / self.size as f64
    }

    pub fn apply(&self, x: &Grid) -> Grid {
        Grid::from_fn(x.shape, |i| x.at(&i) / self.base(x, i).powf(self.beta))
    }

    /// y = x / base^beta, where the base depends on x, and on the neighbours: each y has a share for each x of its window.
    pub fn gradient(&self, grad: &Grid, x: &Grid) -> Grid {
        let mut to_x = Grid::zeros(x.shape);
        for i in indices(x.shape) {
            let base = self.base(x, i);
            *to_x.at_mut(&i) += grad.at(&i) / base.powf(self.beta);
            // ∂y/∂base = −beta · x / base^(beta + 1), and ∂base/∂x = 2 · alpha / size · x.
            let to_base = grad.at(&i) * -self.beta * x.at(&i) / base.powf(self.beta + 1.0);
            for c in self.window(i[1], x.shape[1]) {
                let neighbour = i.with(1, c);
                *to_x.at_mut(&neighbour) += to_base * 2.0 * self.alpha / self.size as f64 * x.at(&neighbour);
            }
        }
        to_x
    }
}
