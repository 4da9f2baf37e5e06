//! Batch normalization over the columns of a dense matrix [rows, c]: images in channels-last order, where a row is a pixel.

use crate::elementwise::{Clamp, NO_CLAMP, clamped};
use crate::float::Float;
use crate::isa::Kernel;
use crate::memory::AlignedVec;
use crate::reduce::{LANES, sum_columns};
use crate::simd::Simd;
use crate::strided::CHUNK;
use crate::threads::parallel_chunks;

fn rows_per_task(c: usize) -> usize {
    (CHUNK / c.max(1)).next_multiple_of(LANES).max(LANES)
}

/// How many rows the loops take as one: over a few channels a loop would be all beginning and end. The rows together are whole vectors
/// of any instruction set where that needs no long ones.
fn rows_together(c: usize) -> usize {
    const WHOLE: usize = 64;
    let c = c.max(1);
    let least = WHOLE >> c.trailing_zeros().min(WHOLE.trailing_zeros());
    let whole = (256 / c).max(1).next_multiple_of(least);
    if whole * c <= 2048 { whole } else { (512 / c).max(1) }
}

fn check_matrix(op: &str, what: &str, rows: usize, c: usize, len: usize) {
    assert_eq!(len, rows * c, "{op}: {what} of [{rows}, {c}] has {len} elements");
}

fn check_channels(op: &str, what: &str, c: usize, len: usize) {
    assert_eq!(len, c, "{op}: {what} of {c} channels has {len} elements");
}

/// The mean of each column of a few rows, and the sum of the squared distances from it.
struct Moments<'a, T> {
    c: usize,
    x: &'a [T],
    /// The means, then the sums.
    partial: &'a mut [f64],
}

impl<T: Float> Kernel for Moments<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Moments { c, x, partial } = self;
        let (rows, together) = (x.len() / c, rows_together(c));
        let (mean, squares) = partial.split_at_mut(c);
        let width = together * c;
        let (whole, rest) = x.split_at(rows / together * width);
        let (mut run, mut wide) = (vec![T::ZERO; width], vec![0.0; width]);
        sum_columns(rest, rows % together, c, &mut run[..c], mean);
        sum_columns(whole, rows / together, width, &mut run, &mut wide);
        for part in wide.chunks_exact(c) {
            mean.iter_mut().zip(part).for_each(|(m, x)| *m += x);
        }
        mean.iter_mut().for_each(|m| *m /= rows as f64);
        let center = mean.iter().map(|m| T::from_f64(*m)).collect::<Vec<T>>().repeat(together);
        squares.fill(0.0);
        for rows in x.chunks(LANES * width) {
            run.fill(T::ZERO);
            for row in rows.chunks(width) {
                for ((run, x), center) in run.iter_mut().zip(row).zip(&center) {
                    let d = *x - *center;
                    *run += d * d;
                }
            }
            for part in run.chunks_exact(c) {
                squares.iter_mut().zip(part).for_each(|(s, run)| *s += run.to_f64());
            }
        }
    }
}

/// The mean and the biased variance of each column. NaN if there are no rows.
///
/// Blocks of rows are summed around their own means and joined in order, in `f64` (Chan, Golub and LeVeque, 1979).
///
/// # Panics
/// If a length does not fit.
pub fn batch_norm_stats<T: Float>(rows: usize, c: usize, x: &[T], mean: &mut [T], var: &mut [T]) {
    check_matrix("batch_norm", "input", rows, c, x.len());
    check_channels("batch_norm", "mean", c, mean.len());
    check_channels("batch_norm", "variance", c, var.len());
    let per_task = rows_per_task(c);
    let mut partials = AlignedVec::<f64>::unspecified(rows.div_ceil(per_task) * 2 * c);
    parallel_chunks(&mut partials, 2 * c, |i, partial| {
        let first = i * per_task;
        T::dispatch(Moments { c, x: &x[first * c..rows.min(first + per_task) * c], partial })
    });
    for j in 0..c {
        let (mut n, mut m, mut squares) = (0.0, 0.0, 0.0);
        for (i, block) in partials.chunks_exact(2 * c).enumerate() {
            let more = per_task.min(rows - i * per_task) as f64;
            let d = block[j] - m;
            squares += block[c + j] + d * d * n * more / (n + more);
            n += more;
            m += d * more / n;
        }
        mean[j] = if rows == 0 { T::NAN } else { T::from_f64(m) };
        var[j] = T::from_f64(squares / n);
    }
}

/// Each channel's normalization, once for each of the rows taken together.
#[derive(Clone, Copy)]
struct Channels<'a, T> {
    mean: &'a [T],
    scale: &'a [T],
    bias: &'a [T],
    clamp: [T; 2],
}

/// `added` is empty unless something is `ADD`ed.
struct Apply<'a, T, const ADD: bool> {
    x: &'a [T],
    added: &'a [T],
    channels: Channels<'a, T>,
    out: &'a mut [T],
}

impl<T: Float, const ADD: bool> Kernel for Apply<'_, T, ADD> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Channels { mean, scale, bias, clamp } = self.channels;
        let width = mean.len();
        for (i, (out, x)) in self.out.chunks_mut(width).zip(self.x.chunks(width)).enumerate() {
            let n = out.len();
            let (x, mean, scale, bias) = (&x[..n], &mean[..n], &scale[..n], &bias[..n]);
            let added = if ADD { &self.added[i * width..][..n] } else { x };
            for j in 0..n {
                let y = (x[j] - mean[j]) * scale[j] + bias[j];
                out[j] = clamped(if ADD { y + added[j] } else { y }, clamp);
            }
        }
    }
}

/// The normalization of a matrix, `(x - mean) · inv_std · weight + bias`, clamped.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<'a, T> {
    /// Rows of the matrix.
    pub rows: usize,
    /// Columns of the matrix.
    pub channels: usize,
    /// Each channel's mean.
    pub mean: &'a [T],
    /// Each channel's inverse standard deviation.
    pub inv_std: &'a [T],
    /// Each channel's weight; 1 if missing.
    pub weight: Option<&'a [T]>,
    /// Each channel's bias; 0 if missing.
    pub bias: Option<&'a [T]>,
    /// The bounds of the output.
    pub clamp: Option<Clamp>,
}

/// The normalization of `x`, plus `added` before it is clamped.
///
/// # Panics
/// If a length does not fit.
pub fn batch_norm_apply<T: Float>(norm: &BatchNorm<T>, x: &[T], added: Option<&[T]>, out: &mut [T]) {
    let &BatchNorm { rows, channels: c, mean, inv_std, weight, bias, clamp } = norm;
    check_matrix("batch_norm", "input", rows, c, x.len());
    check_matrix("batch_norm", "output", rows, c, out.len());
    check_matrix("batch_norm", "what is added", rows, c, added.map_or(out.len(), <[T]>::len));
    check_channels("batch_norm", "mean", c, mean.len());
    let together = rows_together(c);
    let (mean, scale) = (mean.repeat(together), scaled(c, inv_std, weight).repeat(together));
    let bias = biases(c, bias).repeat(together);
    let clamp = clamp.unwrap_or(NO_CLAMP).map(T::from_f64);
    let channels = Channels { mean: &mean, scale: &scale, bias: &bias, clamp };
    let chunk = rows_per_task(c) * c;
    parallel_chunks(out, chunk, |i, out| {
        let here = i * chunk..i * chunk + out.len();
        let x = &x[here.clone()];
        match added {
            Some(added) => T::dispatch(Apply::<T, true> { x, added: &added[here], channels, out }),
            None => T::dispatch(Apply::<T, false> { x, added: &[], channels, out }),
        }
    });
}

/// What is added to each of `c` channels: `bias`, or 0 without one.
///
/// # Panics
/// If the length does not fit.
fn biases<T: Float>(c: usize, bias: Option<&[T]>) -> Vec<T> {
    let bias = bias.map_or_else(|| vec![T::ZERO; c], <[T]>::to_vec);
    check_channels("batch_norm", "bias", c, bias.len());
    bias
}

/// What each of `c` channels is multiplied by: `inv_std` times `weight`, which is 1 if missing.
///
/// # Panics
/// If a length does not fit.
fn scaled<T: Float>(c: usize, inv_std: &[T], weight: Option<&[T]>) -> Vec<T> {
    check_channels("batch_norm", "inverse standard deviation", c, inv_std.len());
    match weight {
        None => inv_std.to_vec(),
        Some(weight) => {
            check_channels("batch_norm", "weight", c, weight.len());
            inv_std.iter().zip(weight).map(|(s, w)| *s * *w).collect()
        }
    }
}

impl<'a, T: Float> Channels<'a, T> {
    /// The same, with a length that the compiler knows to be that of its loops.
    #[inline(always)]
    fn of(self, c: usize) -> Channels<'a, T> {
        Channels { mean: &self.mean[..c], scale: &self.scale[..c], bias: &self.bias[..c], clamp: self.clamp }
    }

    /// The gradient of channel `j`'s output before it was clamped.
    #[inline(always)]
    fn before_clamp(&self, j: usize, x: T, grad: T) -> T {
        let y = (x - self.mean[j]) * self.scale[j] + self.bias[j];
        if (y <= self.clamp[0]) | (y >= self.clamp[1]) { T::ZERO } else { grad }
    }
}

/// The sums over a few rows of the gradient, and of the gradient times the distance from the mean.
struct GradSums<'a, T> {
    x: &'a [T],
    grad: &'a [T],
    channels: Channels<'a, T>,
    partial: &'a mut [f64],
}

impl<T: Float> Kernel for GradSums<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let width = self.channels.mean.len();
        let c = self.partial.len() / 2;
        let (sums, dots) = self.partial.split_at_mut(c);
        let (mut sum, mut dot) = (vec![T::ZERO; width], vec![T::ZERO; width]);
        sums.fill(0.0);
        dots.fill(0.0);
        for (x, grad) in self.x.chunks(LANES * width).zip(self.grad.chunks(LANES * width)) {
            sum.fill(T::ZERO);
            dot.fill(T::ZERO);
            for (x, g) in x.chunks(width).zip(grad.chunks(width)) {
                let n = x.len();
                let (channels, g, sum, dot) = (self.channels.of(n), &g[..n], &mut sum[..n], &mut dot[..n]);
                for j in 0..n {
                    let g = channels.before_clamp(j, x[j], g[j]);
                    sum[j] += g;
                    dot[j] += g * (x[j] - channels.mean[j]);
                }
            }
            for (sum, dot) in sum.chunks_exact(c).zip(dot.chunks_exact(c)) {
                for j in 0..c {
                    sums[j] += sum[j].to_f64();
                    dots[j] += dot[j].to_f64();
                }
            }
        }
    }
}

/// The input and the gradient of the output. The gradient of the input takes the place of one of them: memory that is in the cache already
/// need not be fetched to be written.
pub enum GradPlace<'a, T> {
    /// That of the gradient of the output.
    Grad {
        /// The input.
        x: &'a [T],
        /// The gradient of the output, then that of the input.
        grad: &'a mut [T],
    },
    /// That of the input.
    Input {
        /// The input, then its gradient.
        x: &'a mut [T],
        /// The gradient of the output.
        grad: &'a [T],
    },
}

impl<T> GradPlace<'_, T> {
    /// The input and the gradient of the output.
    fn read(&self) -> (&[T], &[T]) {
        match self {
            GradPlace::Grad { x, grad } => (x, grad),
            GradPlace::Input { x, grad } => (x, grad),
        }
    }
}

/// `place` holds the input if `OVER_INPUT`, and `other` the gradient, or the other way round.
struct GradApply<'a, T, const OVER_INPUT: bool> {
    place: &'a mut [T],
    other: &'a [T],
    channels: Channels<'a, T>,
    grad_mean: &'a [T],
    slope: &'a [T],
}

impl<T: Float, const OVER_INPUT: bool> Kernel for GradApply<'_, T, OVER_INPUT> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let width = self.channels.mean.len();
        for (place, other) in self.place.chunks_mut(width).zip(self.other.chunks(width)) {
            let n = place.len();
            let (channels, other) = (self.channels.of(n), &other[..n]);
            let (grad_mean, slope) = (&self.grad_mean[..n], &self.slope[..n]);
            for j in 0..n {
                let (x, g) = if OVER_INPUT { (place[j], other[j]) } else { (other[j], place[j]) };
                let g = channels.before_clamp(j, x, g);
                place[j] = channels.scale[j] * (g - grad_mean[j] - (x - channels.mean[j]) * slope[j]);
            }
        }
    }
}

/// The gradients of the input, the weight and the bias of batch normalization from the gradient of its output (Ioffe and Szegedy, 2015). With `x̂ = (x - mean) · inv_std`:
/// `grad_bias = Σ grad`, `grad_weight = Σ grad · x̂`,
/// `grad_x = weight · inv_std · (grad - grad_bias / rows - x̂ · grad_weight / rows)`, or without what is subtracted unless `training`, where the statistics are
/// constants and not the input's own,
/// where `grad` counts as 0 where the output was clamped, which the bias has a say in.
///
/// # Panics
/// If a length does not fit.
pub fn batch_norm_grad<T: Float>(
    norm: &BatchNorm<T>,
    place: GradPlace<T>,
    training: bool,
    grad_weight: &mut [T],
    grad_bias: &mut [T],
) {
    let &BatchNorm { rows, channels: c, mean, inv_std, weight, bias, clamp } = norm;
    let (x, grad) = place.read();
    check_matrix("batch_norm", "input", rows, c, x.len());
    check_matrix("batch_norm", "gradient", rows, c, grad.len());
    check_channels("batch_norm", "mean", c, mean.len());
    check_channels("batch_norm", "weight gradient", c, grad_weight.len());
    check_channels("batch_norm", "bias gradient", c, grad_bias.len());
    let together = rows_together(c);
    let (mean, scale) = (mean.repeat(together), scaled(c, inv_std, weight).repeat(together));
    let bias = biases(c, bias).repeat(together);
    let clamp = clamp.unwrap_or(NO_CLAMP).map(T::from_f64);
    let channels = Channels { mean: &mean, scale: &scale, bias: &bias, clamp };
    let per_task = rows_per_task(c);
    let mut partials = AlignedVec::<f64>::unspecified(rows.div_ceil(per_task) * 2 * c);
    parallel_chunks(&mut partials, 2 * c, |i, partial| {
        let part = i * per_task * c..rows.min((i + 1) * per_task) * c;
        T::dispatch(GradSums { x: &x[part.clone()], grad: &grad[part], channels, partial })
    });
    let (mut grad_mean, mut slope) = (vec![T::ZERO; c], vec![T::ZERO; c]);
    for j in 0..c {
        let total = |j: usize| partials.chunks_exact(2 * c).map(|block| block[j]).sum::<f64>();
        let (sum, dot, s) = (total(j), total(c + j), inv_std[j].to_f64());
        grad_bias[j] = T::from_f64(sum);
        grad_weight[j] = T::from_f64(dot * s);
        if training {
            grad_mean[j] = T::from_f64(sum / rows as f64);
            slope[j] = T::from_f64(dot * s * s / rows as f64);
        }
    }
    let (grad_mean, slope) = (grad_mean.repeat(together), slope.repeat(together));
    let chunk = per_task * c;
    match place {
        GradPlace::Grad { x, grad } => parallel_chunks(grad, chunk, |i, place| {
            let other = &x[i * chunk..][..place.len()];
            T::dispatch(GradApply::<_, false> { place, other, channels, grad_mean: &grad_mean, slope: &slope })
        }),
        GradPlace::Input { x, grad } => parallel_chunks(x, chunk, |i, place| {
            let other = &grad[i * chunk..][..place.len()];
            T::dispatch(GradApply::<_, true> { place, other, channels, grad_mean: &grad_mean, slope: &slope })
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [(usize, usize); 7] = [(1, 1), (3, 17), (17, 3), (1000, 1), (5000, 20), (2, 40_000), (900, 33)];

    fn values(n: usize, seed: usize) -> Vec<f64> {
        (0..n).map(|i| (((i * 37 + seed * 11) % 103) as f64 / 16.0 - 2.0) as f32 as f64).collect()
    }

    fn to_t<T: Float>(x: &[f64]) -> Vec<T> {
        x.iter().map(|&x| T::from_f64(x)).collect()
    }

    fn assert_close<T: Float>(got: &[T], want: &[f64], tolerance: f64, what: &str) {
        assert_eq!(got.len(), want.len());
        let size = want.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
        for (g, w) in got.iter().zip(want) {
            assert!((g.to_f64() - w).abs() <= tolerance * size, "{what}: {g}, expected {w}");
        }
    }

    fn reference_stats(rows: usize, c: usize, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let column = |j: usize| x.iter().skip(j).step_by(c);
        let mean: Vec<f64> = (0..c).map(|j| column(j).sum::<f64>() / rows as f64).collect();
        let var = (0..c).map(|j| column(j).map(|x| (x - mean[j]).powi(2)).sum::<f64>() / rows as f64).collect();
        (mean, var)
    }

    fn check<T: Float>(tolerance: f64) {
        for (rows, c) in SHAPES {
            let (x, grad) = (values(rows * c, 1), values(rows * c, 5));
            let (weight, bias) = (values(c, 2), values(c, 3));
            let (mean, var) = reference_stats(rows, c, &x);
            let (mut m, mut v) = (vec![T::NAN; c], vec![T::NAN; c]);
            batch_norm_stats(rows, c, &to_t::<T>(&x), &mut m, &mut v);
            assert_close(&m, &mean, tolerance, "mean");
            assert_close(&v, &var, tolerance, "variance");

            let inv_std: Vec<f64> = var.iter().map(|v| 1.0 / (v + 0.01).sqrt()).collect();
            let [xt, gt] = [&x, &grad].map(|v| to_t::<T>(v));
            let [mt, st, wt, bt] = [&mean, &inv_std, &weight, &bias].map(|v| to_t::<T>(v));
            for (affine, clamp) in
                [(true, None), (false, None), (true, Some([0.0, f64::NAN])), (false, Some([-0.4, 0.8]))]
            {
                let (w, b) = (affine.then_some(&wt[..]), affine.then_some(&bt[..]));
                let norm = BatchNorm { rows, channels: c, mean: &mt, inv_std: &st, weight: w, bias: b, clamp };
                let mut out = vec![T::NAN; rows * c];
                batch_norm_apply(&norm, &xt, None, &mut out);
                let normal = |i: usize| (x[i] - mean[i % c]) * inv_std[i % c];
                let weight = |j: usize| if affine { weight[j] } else { 1.0 };
                let bias = |j: usize| if affine { bias[j] } else { 0.0 };
                let [low, high] = clamp.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
                let raw = |i: usize| normal(i) * weight(i % c) + bias(i % c);
                let want: Vec<f64> = (0..rows * c).map(|i| raw(i).max(low).min(high)).collect();
                assert_close(&out, &want, 4.0 * tolerance, "output");
                batch_norm_apply(&norm, &xt, Some(&gt), &mut out);
                let want: Vec<f64> = (0..rows * c).map(|i| (raw(i) + grad[i]).max(low).min(high)).collect();
                assert_close(&out, &want, 4.0 * tolerance, "output with what is added");

                let (mut gw, mut gb) = (vec![T::NAN; c], vec![T::NAN; c]);
                let mut fixed = gt.clone();
                let place = GradPlace::Grad { x: &xt, grad: &mut fixed };
                batch_norm_grad(&norm, place, false, &mut gw, &mut gb);
                let of_fixed = [gw.clone(), gb.clone()];
                let (mut out, mut over_x) = (gt.clone(), xt.clone());
                let place = GradPlace::Grad { x: &xt, grad: &mut out };
                batch_norm_grad(&norm, place, true, &mut gw, &mut gb);
                assert_eq!(of_fixed, [gw.clone(), gb.clone()]);
                let place = GradPlace::Input { x: &mut over_x, grad: &gt };
                batch_norm_grad(&norm, place, true, &mut gw, &mut gb);
                assert_eq!((&over_x, of_fixed), (&out, [gw.clone(), gb.clone()]));
                let grad: Vec<f64> =
                    (0..rows * c).map(|i| if raw(i) <= low || raw(i) >= high { 0.0 } else { grad[i] }).collect();
                let over = |j: usize, f: &dyn Fn(usize) -> f64| (0..rows).map(|r| f(r * c + j)).sum::<f64>();
                let want_b: Vec<f64> = (0..c).map(|j| over(j, &|i| grad[i])).collect();
                let want_w: Vec<f64> = (0..c).map(|j| over(j, &|i| grad[i] * normal(i))).collect();
                assert_close(&gb, &want_b, tolerance, "bias gradient");
                assert_close(&gw, &want_w, 4.0 * tolerance, "weight gradient");
                let want: Vec<f64> = (0..rows * c)
                    .map(|i| {
                        let (j, n) = (i % c, rows as f64);
                        weight(j) * inv_std[j] * (grad[i] - want_b[j] / n - normal(i) * want_w[j] / n)
                    })
                    .collect();
                assert_close(&out, &want, 10.0 * tolerance, "input gradient");
                let want: Vec<f64> = (0..rows * c).map(|i| weight(i % c) * inv_std[i % c] * grad[i]).collect();
                assert_close(&fixed, &want, tolerance, "input gradient by fixed statistics");
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
        let x: Vec<f32> = (0..100_000).map(|i| 1000.0 + (i % 2) as f32).collect();
        let (mut mean, mut var) = ([0.0], [0.0]);
        batch_norm_stats(x.len(), 1, &x, &mut mean, &mut var);
        assert!((mean[0] - 1000.5).abs() < 1e-4 && (var[0] - 0.25).abs() < 1e-6, "{mean:?} {var:?}");
    }

    #[test]
    fn no_rows_have_no_mean() {
        let (mut mean, mut var) = ([0f32; 2], [0f32; 2]);
        batch_norm_stats(0, 2, &[], &mut mean, &mut var);
        assert!(mean.iter().chain(&var).all(|x| x.is_nan()));
        batch_norm_stats::<f32>(3, 0, &[], &mut [], &mut []);
    }
}
