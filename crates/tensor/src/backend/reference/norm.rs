//! Normalization.

use super::elementwise;
use super::grid::{Grid, indices};
use crate::dtype::DType;
use crate::op::Op;
use crate::shape::Shape;

/// The results of an op of this family for operands `x`; see [`super::compute`].
pub fn compute(op: &Op, x: &[Grid], dtype: DType, shape: Shape) -> Vec<Grid> {
    let one = match op {
        Op::BatchNormStats => return Normalization::batch(x[0].shape).statistics(&x[0]).map(Grid::list).into(),
        Op::BatchNorm { eps, activation, .. } => {
            let mut y = Normalization::batch(shape).apply(&x[0], &x[1], &x[2], &x[3], &x[4], *eps);
            if let Some(residual) = x.get(5) {
                y = sum(&y, residual);
            }
            if let Some(f) = activation {
                y = y.map(|y| elementwise::unary(*f, dtype, y));
            }
            y
        }
        Op::BatchNormGrad { eps, training, activation } => {
            let [grad, x, mean, var, weight, bias] = x else { unreachable!("six operands") };
            let by = Normalization::batch(x.shape);
            let before = by.apply(x, mean, var, weight, bias, *eps);
            let grad = activation.map_or(grad.clone(), |f| elementwise::clamp_grad(f, dtype, &before, grad));
            return by.gradients(&grad, x, mean, var, weight, *eps, *training).into();
        }
        Op::GroupNorm { groups, eps } => {
            return Normalization::group(x[0].shape, *groups).normalize(&x[0], &x[1], &x[2], *eps).into();
        }
        Op::GroupNormGrad { eps } => {
            let [grad, x, mean, var, weight] = x else { unreachable!("five operands") };
            let by = Normalization::group(x.shape, mean.shape[1]);
            return by.gradients(grad, x, mean, var, weight, *eps, true).into();
        }
        Op::LayerNorm { eps } => {
            return Normalization::layer(x[0].shape, x[1].shape).normalize(&x[0], &x[1], &x[2], *eps).into();
        }
        Op::LayerNormGrad { eps } => {
            let [grad, x, mean, var, weight] = x else { unreachable!("five operands") };
            let by = Normalization::layer(x.shape, weight.shape);
            return by.gradients(grad, x, mean, var, weight, *eps, true).into();
        }
        Op::LocalResponseNorm { size, alpha, beta, k } => {
            LocalResponse { size: *size, alpha: *alpha, beta: *beta, k: *k }.apply(&x[0])
        }
        Op::LocalResponseNormGrad { size, alpha, beta, k } => {
            LocalResponse { size: *size, alpha: *alpha, beta: *beta, k: *k }.gradient(&x[0], &x[1])
        }
        _ => unreachable!("{} is no normalization", op.name()),
    };
    vec![one]
}

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

    /// y = x / base^beta, where the base depends on x, and on the neighbours: each y has a fraction for each x of its window.
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

#[cfg(test)]
pub mod cases {
    use crate::array::Array;
    use crate::backend::reference::tests::{Case, numbers, positive};
    use crate::op::{Activation, Op, Unary};
    use crate::shape::Shape;

    pub fn all() -> Vec<Case> {
        let all = [
            batch_norm_stats(),
            batch_norm(),
            batch_norm_grad(),
            group_norm(),
            group_norm_grad(),
            layer_norm(),
            layer_norm_grad(),
            local_response_norm(),
            local_response_norm_grad(),
        ];
        all.into_iter().flatten().collect()
    }

    /// `[n, c, ..]` of ranks 2 to 5.
    fn batches() -> Vec<Shape> {
        let shapes: [&[usize]; 9] = [
            &[4, 1],
            &[3, 17],
            &[2, 3, 5],
            &[2, 3, 4, 5],
            &[1, 4, 3, 3],
            &[3, 18, 5, 4],
            &[700, 6, 2, 1],
            &[2, 6, 2, 1, 3],
            &[1, 2, 3],
        ];
        shapes.into_iter().map(Shape::from).collect()
    }

    /// As [`batches`], and empty ones.
    fn batches_or_none() -> Vec<Shape> {
        batches().into_iter().chain([[0, 3, 4, 5], [2, 4, 0, 3]].map(Shape::from)).collect()
    }

    fn clamps() -> [Option<Unary>; 3] {
        [None, Some(Unary::Relu), Some(Unary::Activation(Activation::Hardtanh(-0.7, 0.9)))]
    }

    /// Mean, variance, weight and bias of `c` channels.
    fn per_channel(c: usize) -> [Array; 4] {
        [numbers([c], 11), positive([c], 12), numbers([c], 13), numbers([c], 14)]
    }

    fn batch_norm_stats() -> Vec<Case> {
        let far = |shape| numbers(shape, 1).unary(Unary::AddScalar(100.0));
        let near = batches_or_none().into_iter().map(|shape| numbers(shape, 1));
        near.chain(batches().into_iter().map(far)).map(|x| Case::largest(Op::BatchNormStats, vec![x])).collect()
    }

    fn batch_norm() -> Vec<Case> {
        let mut cases = Vec::new();
        for shape in batches_or_none() {
            for activation in clamps() {
                for (training, residual) in [(true, false), (false, false), (true, true), (false, true)] {
                    let op = Op::BatchNorm { eps: 1e-3, training, residual, activation };
                    let mut inputs = vec![numbers(shape, 1)];
                    inputs.extend(per_channel(shape[1]));
                    if residual {
                        inputs.push(numbers(shape, 2));
                    }
                    cases.push(Case::largest(op, inputs));
                }
            }
        }
        cases
    }

    fn batch_norm_grad() -> Vec<Case> {
        let mut cases = Vec::new();
        for shape in batches_or_none() {
            for activation in clamps() {
                for training in [true, false] {
                    let op = Op::BatchNormGrad { eps: 1e-3, training, activation };
                    let inputs = [numbers(shape, 1), numbers(shape, 2)].into_iter().chain(per_channel(shape[1]));
                    cases.push(Case::largest(op, inputs.collect()));
                }
            }
        }
        cases
    }

    /// The numbers of groups that divide the channels.
    fn groups(shape: Shape) -> Vec<usize> {
        (1..=shape[1]).filter(|&g| shape[1].is_multiple_of(g)).collect()
    }

    fn group_norm() -> Vec<Case> {
        let mut cases = Vec::new();
        for shape in batches_or_none() {
            for groups in groups(shape) {
                let inputs = vec![numbers(shape, 1), numbers([shape[1]], 2), numbers([shape[1]], 3)];
                cases.push(Case::largest(Op::GroupNorm { groups, eps: 1e-2 }, inputs));
            }
        }
        cases
    }

    fn group_norm_grad() -> Vec<Case> {
        let mut cases = Vec::new();
        for shape in batches_or_none() {
            for groups in groups(shape) {
                let statistics = [numbers([shape[0], groups], 3), positive([shape[0], groups], 4)];
                let inputs = [numbers(shape, 1), numbers(shape, 2)].into_iter().chain(statistics);
                let inputs = inputs.chain([numbers([shape[1]], 5)]).collect();
                cases.push(Case::largest(Op::GroupNormGrad { eps: 1e-2 }, inputs));
            }
        }
        cases
    }

    /// Shapes, each with those of its last dimensions, and the number of rows of these.
    fn layers() -> Vec<(Shape, Shape, usize)> {
        let all = batches_or_none().into_iter().chain([Shape::from([17])]);
        all.flat_map(|shape| {
            (0..shape.rank()).map(move |d| (shape, Shape::from(&shape[d..]), shape[..d].iter().product()))
        })
        .collect()
    }

    fn layer_norm() -> Vec<Case> {
        let case = |(shape, last, _): (Shape, Shape, usize)| {
            Case::largest(Op::LayerNorm { eps: 1e-2 }, vec![numbers(shape, 1), numbers(last, 2), numbers(last, 3)])
        };
        layers().into_iter().map(case).collect()
    }

    fn layer_norm_grad() -> Vec<Case> {
        let case = |(shape, last, rows): (Shape, Shape, usize)| {
            let statistics = [numbers([rows, 1], 3), positive([rows, 1], 4)];
            let inputs = [numbers(shape, 1), numbers(shape, 2)].into_iter().chain(statistics).chain([numbers(last, 5)]);
            Case::largest(Op::LayerNormGrad { eps: 1e-2 }, inputs.collect())
        };
        layers().into_iter().map(case).collect()
    }

    /// Size, alpha, beta and k.
    const RESPONSES: [(usize, f64, f64, f64); 5] =
        [(1, 0.5, 0.75, 1.0), (2, 0.9, 0.5, 2.0), (5, 1e-2, 0.75, 1.0), (4, 0.3, 2.0, 0.5), (9, 1.0, 1.0, 1.0)];

    fn local_response_norm() -> Vec<Case> {
        let case = |shape: Shape| {
            RESPONSES.map(|(size, alpha, beta, k)| {
                Case::largest(Op::LocalResponseNorm { size, alpha, beta, k }, vec![numbers(shape, 1)])
            })
        };
        batches_or_none().into_iter().flat_map(case).collect()
    }

    fn local_response_norm_grad() -> Vec<Case> {
        let case = |shape: Shape| {
            RESPONSES.map(|(size, alpha, beta, k)| {
                let op = Op::LocalResponseNormGrad { size, alpha, beta, k };
                Case::largest(op, vec![numbers(shape, 1), numbers(shape, 2)])
            })
        };
        batches_or_none().into_iter().flat_map(case).collect()
    }
}
