//! Normalization within samples, over groups of channels (Wu and He, 2018). With one group and one pixel a sample it is layer
//! normalization (Ba, Kiros and Hinton, 2016), with one channel a group instance normalization (Ulyanov et al., 2016).

use crate::float::Float;
use crate::isa::Kernel;
use crate::memory::AlignedVec;
use crate::reduce::{LANES, sum, sum_columns};
use crate::simd::Simd;
use crate::strided::{CHUNK, parallel_parts};

/// The sizes of dense samples [samples, pixels, channels].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupNormShape {
    /// Samples, each of which is normalized on its own.
    pub samples: usize,
    /// Pixels of a sample.
    pub pixels: usize,
    /// Channels of a pixel.
    pub channels: usize,
    /// Into how many runs of channels of the same size they are split.
    pub groups: usize,
}

impl GroupNormShape {
    fn check(&self, elements: &[usize], per_group: &[usize], per_channel: &[Option<usize>]) {
        let GroupNormShape { samples, pixels, channels, groups } = *self;
        assert!(
            groups > 0 && channels.is_multiple_of(groups),
            "group_norm: the groups do not divide the channels, {self:?}"
        );
        let all = samples * pixels * channels;
        assert!(elements.iter().all(|&n| n == all), "group_norm: {elements:?} elements do not fit {self:?}");
        let statistics = samples * groups;
        assert!(per_group.iter().all(|&n| n == statistics), "group_norm: {per_group:?} statistics do not fit {self:?}");
        assert!(
            per_channel.iter().flatten().all(|&n| n == channels),
            "group_norm: weights of {per_channel:?} channels do not fit {self:?}"
        );
    }

    fn sample(&self) -> usize {
        self.pixels * self.channels
    }

    fn per_group(&self) -> usize {
        self.channels / self.groups
    }

    fn samples_per_task(&self) -> usize {
        (CHUNK / self.sample().max(1)).max(1)
    }
}

/// The sum of the squared distances from `center`.
#[inline(always)]
fn squares<T: Float>(x: &[T], center: T) -> f64 {
    let mut total = 0.0;
    for run in x.chunks(LANES * LANES) {
        let mut lanes = [T::ZERO; LANES];
        let mut groups = run.chunks_exact(LANES);
        for group in groups.by_ref() {
            for j in 0..LANES {
                let d = group[j] - center;
                lanes[j] += d * d;
            }
        }
        for (lane, x) in lanes.iter_mut().zip(groups.remainder()) {
            let d = *x - center;
            *lane += d * d;
        }
        total += lanes.iter().map(|lane| lane.to_f64()).sum::<f64>();
    }
    total
}

/// The sum over the rows of `x` of the squared distance of each column from its center.
#[inline(always)]
fn column_squares<T: Float>(x: &[T], center: &[T], run: &mut [T], total: &mut [f64]) {
    let c = center.len();
    total.fill(0.0);
    for rows in x.chunks(LANES * c) {
        run.fill(T::ZERO);
        for row in rows.chunks_exact(c) {
            for j in 0..c {
                let d = row[j] - center[j];
                run[j] += d * d;
            }
        }
        total.iter_mut().zip(&*run).for_each(|(total, run)| *total += run.to_f64());
    }
}

struct Forward<'a, T> {
    s: GroupNormShape,
    eps: f64,
    x: &'a [T],
    weight: Option<&'a [T]>,
    bias: Option<&'a [T]>,
    out: &'a mut [T],
    mean: &'a mut [T],
    var: &'a mut [T],
}

impl<T: Float> Kernel for Forward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Forward { s, eps, x, weight, bias, out, mean, var } = self;
        let (c, size, per_group) = (s.channels, s.sample(), s.per_group());
        let count = (s.pixels * per_group) as f64;
        let (mut run, mut center, mut scale) = (vec![T::ZERO; c], vec![T::ZERO; c], vec![T::ZERO; c]);
        let zeros = vec![T::ZERO; c];
        let bias = &bias.unwrap_or(&zeros)[..c];
        let mut total = vec![0.0; c];
        let statistics = mean.chunks_exact_mut(s.groups).zip(var.chunks_exact_mut(s.groups));
        for ((x, out), (mean, var)) in x.chunks_exact(size).zip(out.chunks_exact_mut(size)).zip(statistics) {
            if s.groups == 1 {
                mean[0] = T::from_f64(sum(x) / count);
                var[0] = T::from_f64(squares(x, mean[0]) / count);
                center.fill(mean[0]);
            } else {
                sum_columns(x, s.pixels, c, &mut run, &mut total);
                for g in 0..s.groups {
                    mean[g] = T::from_f64(total[g * per_group..][..per_group].iter().sum::<f64>() / count);
                    center[g * per_group..][..per_group].fill(mean[g]);
                }
                column_squares(x, &center, &mut run, &mut total);
                for g in 0..s.groups {
                    var[g] = T::from_f64(total[g * per_group..][..per_group].iter().sum::<f64>() / count);
                }
            }
            for g in 0..s.groups {
                let inv_std = T::from_f64(1.0 / (var[g].to_f64() + eps).sqrt());
                let own = g * per_group..(g + 1) * per_group;
                match weight {
                    Some(w) => scale[own.clone()].iter_mut().zip(&w[own]).for_each(|(s, w)| *s = inv_std * *w),
                    None => scale[own].fill(inv_std),
                }
            }
            let (center, scale) = (&center[..c], &scale[..c]);
            for (out, x) in out.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
                for j in 0..c {
                    out[j] = (x[j] - center[j]) * scale[j] + bias[j];
                }
            }
        }
    }
}

/// `out = (x - mean) / √(var + eps) · weight + bias`, with the mean and the biased variance of each sample's groups, which are written
/// to `mean` and `var` [samples, groups]. A missing weight is 1, a missing bias 0; both have an element a channel.
///
/// # Panics
/// If a length does not fit, or the groups do not divide the channels.
pub fn group_norm<T: Float>(
    s: &GroupNormShape,
    x: &[T],
    weight: Option<&[T]>,
    bias: Option<&[T]>,
    eps: f64,
    out: &mut [T],
    mean: &mut [T],
    var: &mut [T],
) {
    s.check(&[x.len(), out.len()], &[mean.len(), var.len()], &[weight.map(<[T]>::len), bias.map(<[T]>::len)]);
    if out.is_empty() {
        mean.fill(T::NAN);
        var.fill(T::NAN);
        return;
    }
    let per_task = s.samples_per_task();
    let (size, groups) = (per_task * s.sample(), per_task * s.groups);
    let parts = out.chunks_mut(size).zip(mean.chunks_mut(groups).zip(var.chunks_mut(groups)));
    parallel_parts(parts, |i, (out, (mean, var))| {
        let x = &x[i * size..][..out.len()];
        T::dispatch(Forward { s: *s, eps, x, weight, bias, out, mean, var })
    });
}

struct Backward<'a, T> {
    s: GroupNormShape,
    eps: f64,
    x: &'a [T],
    grad: &'a [T],
    mean: &'a [T],
    var: &'a [T],
    weight: &'a [T],
    grad_x: &'a mut [T],
    /// What the samples add to the gradients of the weight, then of the bias.
    partial: &'a mut [f64],
}

impl<T: Float> Kernel for Backward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Backward { s, eps, x, grad, mean, var, weight, grad_x, partial } = self;
        let (c, size, per_group) = (s.channels, s.sample(), s.per_group());
        let count = (s.pixels * per_group) as f64;
        let (to_weight, to_bias) = partial.split_at_mut(c);
        to_weight.fill(0.0);
        to_bias.fill(0.0);
        let [mut center, mut scale, mut shift, mut slope, mut sum, mut dot] = [0; 6].map(|_| vec![T::ZERO; c]);
        let (mut sums, mut dots) = (vec![0.0; c], vec![0.0; c]);
        let statistics = mean.chunks_exact(s.groups).zip(var.chunks_exact(s.groups));
        let samples = x.chunks_exact(size).zip(grad.chunks_exact(size)).zip(statistics);
        for (((x, grad), (mean, var)), grad_x) in samples.zip(grad_x.chunks_exact_mut(size)) {
            for g in 0..s.groups {
                center[g * per_group..][..per_group].fill(mean[g]);
            }
            sums.fill(0.0);
            dots.fill(0.0);
            for (x, grad) in x.chunks(LANES * c).zip(grad.chunks(LANES * c)) {
                sum.fill(T::ZERO);
                dot.fill(T::ZERO);
                for (x, g) in x.chunks_exact(c).zip(grad.chunks_exact(c)) {
                    let (sum, dot, center) = (&mut sum[..c], &mut dot[..c], &center[..c]);
                    for j in 0..c {
                        sum[j] += g[j];
                        dot[j] += g[j] * (x[j] - center[j]);
                    }
                }
                for j in 0..c {
                    sums[j] += sum[j].to_f64();
                    dots[j] += dot[j].to_f64();
                }
            }
            for g in 0..s.groups {
                let own = g * per_group..(g + 1) * per_group;
                let inv_std = 1.0 / (var[g].to_f64() + eps).sqrt();
                let weighted =
                    |of: &[f64]| own.clone().map(|j| of[j] * weight[j].to_f64()).sum::<f64>() / count * inv_std;
                let mean_grad = T::from_f64(weighted(&sums));
                let bend = T::from_f64(weighted(&dots) * inv_std * inv_std);
                for j in own.clone() {
                    scale[j] = T::from_f64(inv_std * weight[j].to_f64());
                    shift[j] = mean_grad;
                    slope[j] = bend;
                    to_weight[j] += dots[j] * inv_std;
                    to_bias[j] += sums[j];
                }
            }
            for (out, (x, g)) in grad_x.chunks_exact_mut(c).zip(x.chunks_exact(c).zip(grad.chunks_exact(c))) {
                let (center, scale, shift, slope) = (&center[..c], &scale[..c], &shift[..c], &slope[..c]);
                for j in 0..c {
                    out[j] = g[j] * scale[j] - shift[j] - (x[j] - center[j]) * slope[j];
                }
            }
        }
    }
}

/// The gradients of the input, the weight and the bias of [`group_norm`] from that of its output, with the `mean` and `var` that it
/// gave. With `x̂ = (x - mean) / √(var + eps)` and means over a group: `grad_bias = Σ grad`, `grad_weight = Σ grad · x̂`,
/// `grad_x = (grad · weight - mean(grad · weight) - x̂ · mean(grad · weight · x̂)) / √(var + eps)`.
///
/// # Panics
/// As [`group_norm`].
pub fn group_norm_grad<T: Float>(
    s: &GroupNormShape,
    x: &[T],
    grad: &[T],
    mean: &[T],
    var: &[T],
    weight: Option<&[T]>,
    eps: f64,
    grad_x: &mut [T],
    grad_weight: &mut [T],
    grad_bias: &mut [T],
) {
    let per_channel = [weight.map(<[T]>::len), Some(grad_weight.len()), Some(grad_bias.len())];
    s.check(&[x.len(), grad.len(), grad_x.len()], &[mean.len(), var.len()], &per_channel);
    let c = s.channels;
    let ones = vec![T::ONE; c];
    let weight = weight.unwrap_or(&ones);
    let per_task = s.samples_per_task();
    let (size, groups) = (per_task * s.sample(), per_task * s.groups);
    let tasks = if grad_x.is_empty() { 0 } else { s.samples.div_ceil(per_task) };
    let mut partials = AlignedVec::<f64>::unspecified(tasks * 2 * c);
    if tasks > 0 {
        parallel_parts(grad_x.chunks_mut(size).zip(partials.chunks_mut(2 * c)), |i, (grad_x, partial)| {
            let part = i * size..i * size + grad_x.len();
            let statistics = i * groups..mean.len().min((i + 1) * groups);
            let (x, grad, mean, var) = (&x[part.clone()], &grad[part], &mean[statistics.clone()], &var[statistics]);
            T::dispatch(Backward { s: *s, eps, x, grad, mean, var, weight, grad_x, partial })
        });
    }
    let total = |j: usize| T::from_f64(partials.chunks_exact(2 * c).map(|part| part[j]).sum::<f64>());
    for j in 0..c {
        grad_weight[j] = total(j);
        grad_bias[j] = total(c + j);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [[usize; 4]; 9] = [
        [1, 1, 1, 1],
        [2, 3, 6, 2],
        [3, 5, 6, 1],
        [1, 70, 17, 17],
        [4, 1, 33, 1],
        [2, 2000, 24, 3],
        [5000, 1, 20, 1],
        [1, 1, 40_000, 4],
        [0, 3, 4, 2],
    ];

    fn values<T: Float>(n: usize, seed: usize) -> Vec<T> {
        (0..n).map(|i| T::from_f64(((i * 37 + seed * 11) % 103) as f64 / 16.0 - 2.0)).collect()
    }

    fn assert_close<T: Float>(got: &[T], want: &[f64], tolerance: f64, what: &str) {
        assert_eq!(got.len(), want.len());
        let size = want.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
        for (g, w) in got.iter().zip(want) {
            assert!((g.to_f64() - w).abs() <= tolerance * size, "{what}: {g}, expected {w}");
        }
    }

    fn check<T: Float>(tolerance: f64) {
        for [samples, pixels, channels, groups] in SHAPES {
            let s = GroupNormShape { samples, pixels, channels, groups };
            let n = samples * pixels * channels;
            let (x, grad): (Vec<T>, Vec<T>) = (values(n, 1), values(n, 5));
            let (weight, bias): (Vec<T>, Vec<T>) = (values(channels, 2), values(channels, 3));
            let group = |i: usize| i / (pixels * channels) * groups + i % channels / (channels / groups);
            let count = (pixels * channels / groups) as f64;
            let per_group = |f: &dyn Fn(usize) -> f64| {
                let mut sums = vec![0.0; samples * groups];
                (0..n).for_each(|i| sums[group(i)] += f(i) / count);
                sums
            };
            let mean = per_group(&|i| x[i].to_f64());
            let var = per_group(&|i| (x[i].to_f64() - mean[group(i)]).powi(2));
            let hat = |i: usize| (x[i].to_f64() - mean[group(i)]) / (var[group(i)] + 0.01).sqrt();
            for affine in [true, false] {
                let (w, b) = (affine.then_some(&weight[..]), affine.then_some(&bias[..]));
                let factor = |i: usize| w.map_or(1.0, |w| w[i % channels].to_f64());
                let (mut out, mut m, mut v) = (vec![T::NAN; n], vec![T::NAN; mean.len()], vec![T::NAN; mean.len()]);
                group_norm(&s, &x, w, b, 0.01, &mut out, &mut m, &mut v);
                assert_close(&m, &mean, tolerance, "mean");
                assert_close(&v, &var, tolerance, "variance");
                let shift = |i: usize| b.map_or(0.0, |b| b[i % channels].to_f64());
                let want: Vec<f64> = (0..n).map(|i| hat(i) * factor(i) + shift(i)).collect();
                assert_close(&out, &want, 4.0 * tolerance, "output");

                let (mut gw, mut gb) = (vec![T::NAN; channels], vec![T::NAN; channels]);
                group_norm_grad(&s, &x, &grad, &m, &v, w, 0.01, &mut out, &mut gw, &mut gb);
                let (mut want_w, mut want_b) = (vec![0.0; channels], vec![0.0; channels]);
                for i in 0..n {
                    want_w[i % channels] += grad[i].to_f64() * hat(i);
                    want_b[i % channels] += grad[i].to_f64();
                }
                assert_close(&gw, &want_w, 4.0 * tolerance, "weight gradient");
                assert_close(&gb, &want_b, tolerance, "bias gradient");
                let a = per_group(&|i| grad[i].to_f64() * factor(i));
                let d = per_group(&|i| grad[i].to_f64() * factor(i) * hat(i));
                let inner = |i: usize| grad[i].to_f64() * factor(i) - a[group(i)] - hat(i) * d[group(i)];
                let want: Vec<f64> = (0..n).map(|i| inner(i) / (var[group(i)] + 0.01).sqrt()).collect();
                assert_close(&out, &want, 10.0 * tolerance, "input gradient");
            }
        }
    }

    #[test]
    fn matches_the_reference() {
        check::<f32>(1e-6);
        check::<f64>(1e-13);
    }

    #[test]
    fn the_variance_of_distant_values_is_precise() {
        let s = GroupNormShape { samples: 1, pixels: 50_000, channels: 2, groups: 1 };
        let x: Vec<f32> = (0..100_000).map(|i| 1000.0 + (i % 2) as f32).collect();
        let (mut out, mut mean, mut var) = (vec![0.0; x.len()], [0.0], [0.0]);
        group_norm(&s, &x, None, None, 0.0, &mut out, &mut mean, &mut var);
        assert!((mean[0] - 1000.5).abs() < 1e-4 && (var[0] - 0.25).abs() < 1e-6, "{mean:?} {var:?}");
    }
}
