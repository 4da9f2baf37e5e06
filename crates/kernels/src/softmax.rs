//! Softmax, its logarithm and the cross-entropy loss, over the rows of a dense matrix [rows, cols].

use crate::elementwise::math::exp;
use crate::float::Float;
use crate::isa::Kernel;
use crate::reduce::sum;
use crate::simd::Simd;
use crate::strided::CHUNK;
use crate::threads::parallel_chunks;

/// Runs `row(r, out row)` for every row, compiled for the instruction set in use.
fn each_row<T: Float>(op: &str, rows: usize, cols: usize, inputs: &[&[T]], out: &mut [T], row: impl Row<T>) {
    for x in inputs {
        assert_eq!(x.len(), rows * cols, "{op}: [{rows}, {cols}] does not have {} elements", x.len());
    }
    assert_eq!(out.len(), rows * cols, "{op}: [{rows}, {cols}] does not have {} outputs", out.len());
    if out.is_empty() {
        return;
    }
    let per_task = (CHUNK / 8 / cols).max(1);
    parallel_chunks(out, per_task * cols, |i, out| T::dispatch(Rows { first: i * per_task, cols, out, row }));
}

trait Row<T>: Copy + Sync {
    fn run(self, r: usize, out: &mut [T]);
}

struct Rows<'a, T, R> {
    first: usize,
    cols: usize,
    out: &'a mut [T],
    row: R,
}

impl<T: Float, R: Row<T>> Kernel for Rows<'_, T, R> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (i, out) in self.out.chunks_mut(self.cols).enumerate() {
            self.row.run(self.first + i, out);
        }
    }
}

#[derive(Clone, Copy)]
struct Softmax<'a, T> {
    x: &'a [T],
    log: bool,
}

impl<T: Float> Row<T> for Softmax<'_, T> {
    #[inline(always)]
    fn run(self, r: usize, out: &mut [T]) {
        let x = &self.x[r * out.len()..][..out.len()];
        // Taking the largest value away keeps the exponentials from overflowing and does not change the result.
        let max = x.iter().fold(T::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
        for (out, x) in out.iter_mut().zip(x) {
            *out = exp(*x - max);
        }
        let total = sum(out);
        if self.log {
            let log = T::from_f64(total.ln());
            for (out, x) in out.iter_mut().zip(x) {
                *out = *x - max - log;
            }
        } else {
            let scale = T::from_f64(1.0 / total);
            for out in out.iter_mut() {
                *out *= scale;
            }
        }
    }
}

/// `out[r, c] = e^x[r, c] / Σ e^x[r, ·]`
///
/// # Panics
/// If a length is not `rows * cols`.
pub fn softmax<T: Float>(rows: usize, cols: usize, x: &[T], out: &mut [T]) {
    each_row("softmax", rows, cols, &[x], out, Softmax { x, log: false });
}

/// The logarithm of [`softmax`], exact where the latter would round to 0.
///
/// # Panics
/// If a length is not `rows * cols`.
pub fn log_softmax<T: Float>(rows: usize, cols: usize, x: &[T], out: &mut [T]) {
    each_row("log_softmax", rows, cols, &[x], out, Softmax { x, log: true });
}

#[derive(Clone, Copy)]
struct SoftmaxGrad<'a, T> {
    y: &'a [T],
    grad: &'a [T],
    log: bool,
}

impl<T: Float> Row<T> for SoftmaxGrad<'_, T> {
    #[inline(always)]
    fn run(self, r: usize, out: &mut [T]) {
        let at = r * out.len();
        let (y, grad) = (&self.y[at..at + out.len()], &self.grad[at..at + out.len()]);
        if self.log {
            let total = T::from_f64(sum(grad));
            for ((out, y), g) in out.iter_mut().zip(y).zip(grad) {
                *out = *g - exp(*y) * total;
            }
        } else {
            for ((out, y), g) in out.iter_mut().zip(y).zip(grad) {
                *out = *y * *g;
            }
            let dot = T::from_f64(sum(out));
            for ((out, y), g) in out.iter_mut().zip(y).zip(grad) {
                *out = *y * (*g - dot);
            }
        }
    }
}

/// The gradient of [`softmax`]'s input from its output `y` and the gradient of that: `y · (grad - Σ y · grad)`.
///
/// # Panics
/// If a length is not `rows * cols`.
pub fn softmax_grad<T: Float>(rows: usize, cols: usize, y: &[T], grad: &[T], out: &mut [T]) {
    each_row("softmax", rows, cols, &[y, grad], out, SoftmaxGrad { y, grad, log: false });
}

/// The gradient of [`log_softmax`]'s input from its output `y` and the gradient of that: `grad - e^y · Σ grad`.
///
/// # Panics
/// If a length is not `rows * cols`.
pub fn log_softmax_grad<T: Float>(rows: usize, cols: usize, y: &[T], grad: &[T], out: &mut [T]) {
    each_row("log_softmax", rows, cols, &[y, grad], out, SoftmaxGrad { y, grad, log: true });
}

fn check_targets(op: &str, rows: usize, cols: usize, targets: &[i64]) {
    assert_eq!(targets.len(), rows, "{op}: {rows} rows, {} targets", targets.len());
    for (r, &t) in targets.iter().enumerate() {
        assert!((0..cols as i64).contains(&t), "{op}: target {t} of row {r} is not one of {cols} classes");
    }
}

/// The loss of each row, `-log_softmax(logits)[r, targets[r]]`, and all of `log_softmax(logits)`.
///
/// # Panics
/// If a length does not fit, or a target is not in `0..cols`.
pub fn cross_entropy<T: Float>(
    rows: usize,
    cols: usize,
    logits: &[T],
    targets: &[i64],
    losses: &mut [T],
    log_probs: &mut [T],
) {
    check_targets("cross_entropy", rows, cols, targets);
    assert_eq!(losses.len(), rows, "cross_entropy: {rows} rows, {} losses", losses.len());
    log_softmax(rows, cols, logits, log_probs);
    for (r, loss) in losses.iter_mut().enumerate() {
        *loss = -log_probs[r * cols + targets[r] as usize];
    }
}

#[derive(Clone, Copy)]
struct CrossEntropyGrad<'a, T> {
    log_probs: &'a [T],
    targets: &'a [i64],
    scale: &'a [T],
}

impl<T: Float> Row<T> for CrossEntropyGrad<'_, T> {
    #[inline(always)]
    fn run(self, r: usize, out: &mut [T]) {
        let (y, scale, target) =
            (&self.log_probs[r * out.len()..][..out.len()], self.scale[r], self.targets[r] as usize);
        for (out, y) in out.iter_mut().zip(y) {
            *out = exp(*y) * scale;
        }
        out[target] = (exp(y[target]) - T::ONE) * scale;
    }
}

/// The gradient of the logits, `(softmax(logits) - one_hot(targets)) · row_scale`, where `row_scale` has the gradient of
/// each row's loss.
///
/// # Panics
/// If a length does not fit, or a target is not in `0..cols`.
pub fn cross_entropy_grad<T: Float>(
    rows: usize,
    cols: usize,
    log_probs: &[T],
    targets: &[i64],
    row_scale: &[T],
    out: &mut [T],
) {
    check_targets("cross_entropy", rows, cols, targets);
    assert_eq!(row_scale.len(), rows, "cross_entropy: {rows} rows, {} scales", row_scale.len());
    let row = CrossEntropyGrad { log_probs, targets, scale: row_scale };
    each_row("cross_entropy", rows, cols, &[log_probs], out, row);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference_log_softmax(x: &[f64]) -> Vec<f64> {
        let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log = x.iter().map(|x| (x - max).exp()).sum::<f64>().ln();
        x.iter().map(|x| x - max - log).collect()
    }

    fn assert_close<T: Float>(got: &[T], want: &[f64], tolerance: f64) {
        assert_eq!(got.len(), want.len());
        for (g, w) in got.iter().zip(want) {
            assert!((g.to_f64() - w).abs() <= tolerance * w.abs().max(1.0), "{g}, expected {w}");
        }
    }

    fn check<T: Float>(tolerance: f64) {
        for (rows, cols) in [(0, 3), (1, 1), (3, 1), (3, 17), (1, 1000), (700, 10)] {
            let n = rows * cols;
            let x: Vec<f64> = (0..n).map(|i| ((i * 37 % 101) as f64 / 8.0 - 6.0) as f32 as f64).collect();
            let g: Vec<f64> = (0..n).map(|i| ((i * 53 % 31) as f64 / 16.0 - 1.0) as f32 as f64).collect();
            let targets: Vec<i64> = (0..rows).map(|r| (r * 7 % cols) as i64).collect();
            let scale: Vec<f64> = (0..rows).map(|r| r as f64 / 4.0).collect();
            let to_t = |v: &[f64]| v.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>();
            let (xt, gt, st) = (to_t(&x), to_t(&g), to_t(&scale));
            let mut want: [Vec<f64>; 6] = Default::default();
            for r in 0..rows {
                let at = r * cols..(r + 1) * cols;
                let (g, log, target) = (&g[at.clone()], reference_log_softmax(&x[at]), targets[r] as usize);
                let p: Vec<f64> = log.iter().map(|l| l.exp()).collect();
                let dot: f64 = p.iter().zip(g).map(|(p, g)| p * g).sum();
                let total: f64 = g.iter().sum();
                want[2].extend((0..cols).map(|c| p[c] * (g[c] - dot)));
                want[3].extend((0..cols).map(|c| g[c] - p[c] * total));
                want[4].push(-log[target]);
                want[5].extend((0..cols).map(|c| (p[c] - (c == target) as u8 as f64) * scale[r]));
                want[0].extend(p);
                want[1].extend(log);
            }
            let mut out = vec![T::NAN; n];
            let mut log_probs = vec![T::NAN; n];
            softmax(rows, cols, &xt, &mut out);
            assert_close(&out, &want[0], tolerance);
            let y = out.clone();
            softmax_grad(rows, cols, &y, &gt, &mut out);
            assert_close(&out, &want[2], tolerance);
            log_softmax(rows, cols, &xt, &mut log_probs);
            assert_close(&log_probs, &want[1], tolerance);
            log_softmax_grad(rows, cols, &log_probs, &gt, &mut out);
            assert_close(&out, &want[3], 10.0 * tolerance);
            let mut losses = vec![T::NAN; rows];
            cross_entropy(rows, cols, &xt, &targets, &mut losses, &mut log_probs);
            assert_close(&losses, &want[4], tolerance);
            cross_entropy_grad(rows, cols, &log_probs, &targets, &st, &mut out);
            assert_close(&out, &want[5], 10.0 * tolerance);
        }
    }

    #[test]
    fn matches_the_reference() {
        check::<f32>(1e-6);
        check::<f64>(1e-13);
    }

    #[test]
    fn huge_logits_stay_finite() {
        let (mut losses, mut log_probs, mut grad) = ([0f32; 2], [0f32; 4], [0f32; 4]);
        cross_entropy(2, 2, &[1e30, -1e30, 1e30, 1e30], &[0, 1], &mut losses, &mut log_probs);
        assert_eq!(losses[0], 0.0);
        assert!((losses[1] - 2f32.ln()).abs() < 1e-6);
        cross_entropy_grad(2, 2, &log_probs, &[0, 1], &[1.0, 1.0], &mut grad);
        assert_close(&grad, &[0.0, 0.0, 0.5, -0.5], 1e-6);
    }

    #[test]
    fn nan_stays_in_its_row() {
        let mut out = [0f32; 4];
        softmax(2, 2, &[f32::NAN, 1.0, 0.0, 0.0], &mut out);
        assert!(out[0].is_nan() && out[1].is_nan());
        assert_eq!(out[2..], [0.5, 0.5]);
    }

    #[test]
    #[should_panic(expected = "target 3 of row 1 is not one of 3 classes")]
    fn targets_out_of_range_are_refused() {
        cross_entropy(2, 3, &[0f32; 6], &[0, 3], &mut [0.0; 2], &mut [0.0; 6]);
    }
}
