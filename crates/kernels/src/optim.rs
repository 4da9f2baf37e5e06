//! Optimizer updates, each one pass over the parameter, its gradient and the optimizer's state.

use crate::float::Float;
use crate::isa::{Kernel, dispatch};
use crate::simd::Simd;
use crate::strided::{CHUNK, parallel_parts};
use crate::threads::parallel_chunks;

/// The settings of a step of `torch.optim.SGD`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f64,
    /// How much of the velocity remains; 0 switches it off.
    pub momentum: f64,
    /// How much of the gradient is kept out of the velocity.
    pub dampening: f64,
    /// L2 penalty.
    pub weight_decay: f64,
    /// Nesterov's momentum.
    pub nesterov: bool,
    /// Whether the velocity is yet to be set, which this step does from the gradient alone.
    pub first: bool,
    /// Whether to ascend instead of descend.
    pub maximize: bool,
}

/// The settings of a step of `torch.optim.Adam` or `AdamW`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub lr: f64,
    /// How much of the mean of gradients remains.
    pub beta1: f64,
    /// How much of the mean of squared gradients remains.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether the weight decay acts on the parameter itself (AdamW) instead of the gradient (Adam).
    pub decoupled: bool,
    /// The number of this step, from 1.
    pub step: u64,
}

#[derive(Clone, Copy)]
struct Sgd<T> {
    lr: T,
    momentum: T,
    take: T,
    weight_decay: T,
    sign: T,
    nesterov: bool,
    first: bool,
}

struct SgdPart<'a, T> {
    h: Sgd<T>,
    param: &'a mut [T],
    grad: &'a [T],
    velocity: Option<&'a mut [T]>,
}

impl<T: Float> Kernel for SgdPart<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let SgdPart { h, param, grad, velocity } = self;
        let Some(velocity) = velocity else {
            for (p, g) in param.iter_mut().zip(grad) {
                *p -= h.lr * (*g * h.sign + h.weight_decay * *p);
            }
            return;
        };
        for ((p, g), v) in param.iter_mut().zip(grad).zip(velocity) {
            let g = *g * h.sign + h.weight_decay * *p;
            *v = if h.first { g } else { h.momentum * *v + h.take * g };
            *p -= h.lr * if h.nesterov { g + h.momentum * *v } else { *v };
        }
    }
}

/// One step of stochastic gradient descent with momentum, as `torch.optim.SGD` takes it. `velocity` may be missing if the
/// momentum is 0.
///
/// # Panics
/// If the lengths differ, or the velocity is missing while the momentum is not 0.
pub fn sgd_step<T: Float>(h: &SgdStep, param: &mut [T], grad: &[T], velocity: Option<&mut [T]>) {
    assert_eq!(param.len(), grad.len(), "sgd_step: {} parameters, {} gradients", param.len(), grad.len());
    let t = T::from_f64;
    let settings = Sgd {
        lr: t(h.lr),
        momentum: t(h.momentum),
        take: t(1.0 - h.dampening),
        weight_decay: t(h.weight_decay),
        sign: if h.maximize { -T::ONE } else { T::ONE },
        nesterov: h.nesterov,
        first: h.first,
    };
    if h.momentum == 0.0 {
        return parallel_chunks(param, CHUNK, |i, param| {
            let grad = &grad[i * CHUNK..][..param.len()];
            dispatch(SgdPart { h: settings, param, grad, velocity: None })
        });
    }
    let velocity = velocity.expect("sgd_step: momentum needs a velocity");
    assert_eq!(param.len(), velocity.len(), "sgd_step: {} parameters, {} velocities", param.len(), velocity.len());
    parallel_parts(param.chunks_mut(CHUNK).zip(grad.chunks(CHUNK)).zip(velocity.chunks_mut(CHUNK)), |_, part| {
        let ((param, grad), velocity) = part;
        dispatch(SgdPart { h: settings, param, grad, velocity: Some(velocity) })
    });
}

#[derive(Clone, Copy)]
struct Adam<T> {
    keep: T,
    weight_decay: T,
    take1: T,
    beta2: T,
    take2: T,
    step_size: T,
    inv_sqrt_correction2: T,
    eps: T,
}

struct AdamPart<'a, T> {
    h: Adam<T>,
    param: &'a mut [T],
    grad: &'a [T],
    m: &'a mut [T],
    v: &'a mut [T],
}

impl<T: Float> Kernel for AdamPart<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let h = self.h;
        for (((p, g), m), v) in self.param.iter_mut().zip(self.grad).zip(self.m).zip(self.v) {
            let decayed = *p * h.keep;
            let g = *g + h.weight_decay * *p;
            *m += (g - *m) * h.take1;
            *v = *v * h.beta2 + g * g * h.take2;
            *p = decayed - h.step_size * *m / (v.sqrt() * h.inv_sqrt_correction2 + h.eps);
        }
    }
}

/// One step of Adam or AdamW, as `torch.optim` takes it. `m` and `v` are the means of the gradients and of their squares,
/// zero before the first step.
///
/// # Panics
/// If the lengths differ, or the step is 0.
pub fn adam_step<T: Float>(h: &AdamStep, param: &mut [T], grad: &[T], m: &mut [T], v: &mut [T]) {
    assert!(h.step > 0, "adam_step: steps count from 1");
    let lens = [grad.len(), m.len(), v.len()];
    assert_eq!(lens, [param.len(); 3], "adam_step: {} parameters do not fit [grad, m, v] {lens:?}", param.len());
    let t = T::from_f64;
    let correction = |beta: f64| 1.0 - beta.powf(h.step as f64);
    let (l2, decoupled) = if h.decoupled { (0.0, h.weight_decay) } else { (h.weight_decay, 0.0) };
    let settings = Adam {
        keep: t(1.0 - h.lr * decoupled),
        weight_decay: t(l2),
        take1: t(1.0 - h.beta1),
        beta2: t(h.beta2),
        take2: t(1.0 - h.beta2),
        step_size: t(h.lr / correction(h.beta1)),
        inv_sqrt_correction2: t(1.0 / correction(h.beta2).sqrt()),
        eps: t(h.eps),
    };
    let state = m.chunks_mut(CHUNK).zip(v.chunks_mut(CHUNK));
    parallel_parts(param.chunks_mut(CHUNK).zip(grad.chunks(CHUNK)).zip(state), |_, part| {
        let ((param, grad), (m, v)) = part;
        dispatch(AdamPart { h: settings, param, grad, m, v })
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grads(step: u64, n: usize) -> Vec<f64> {
        (0..n).map(|i| ((i as u64 * 31 + step * 17) % 23) as f64 / 7.0 - 1.5).collect()
    }

    fn to_t<T: Float>(x: &[f64]) -> Vec<T> {
        x.iter().map(|&x| T::from_f64(x)).collect()
    }

    fn assert_close<T: Float>(got: &[T], want: &[f64], tolerance: f64) {
        for (g, w) in got.iter().zip(want) {
            assert!((g.to_f64() - w).abs() <= tolerance * w.abs().max(1.0), "{g}, expected {w}");
        }
    }

    fn check_sgd<T: Float>(tolerance: f64) {
        for n in [0, 1, 3, 17, CHUNK + 5] {
            for (momentum, dampening, weight_decay, nesterov, maximize) in [
                (0.0, 0.0, 0.0, false, false),
                (0.0, 0.0, 0.1, false, true),
                (0.9, 0.0, 0.1, false, false),
                (0.9, 0.3, 0.0, false, true),
                (0.8, 0.0, 0.2, true, false),
            ] {
                let mut want: Vec<f64> = grads(9, n);
                let mut want_v = vec![0.0; n];
                let (mut param, mut velocity) = (to_t::<T>(&want), vec![T::NAN; n]);
                for step in 1..=3 {
                    let g = grads(step, n);
                    let h =
                        SgdStep { lr: 0.1, momentum, dampening, weight_decay, nesterov, first: step == 1, maximize };
                    sgd_step(&h, &mut param, &to_t(&g), (momentum != 0.0).then_some(&mut velocity[..]));
                    for i in 0..n {
                        let g = if maximize { -g[i] } else { g[i] } + weight_decay * want[i];
                        want_v[i] = if step == 1 { g } else { momentum * want_v[i] + (1.0 - dampening) * g };
                        let direction = match (momentum == 0.0, nesterov) {
                            (true, _) => g,
                            (_, true) => g + momentum * want_v[i],
                            _ => want_v[i],
                        };
                        want[i] -= 0.1 * direction;
                    }
                }
                assert_close(&param, &want, tolerance);
            }
        }
    }

    fn check_adam<T: Float>(tolerance: f64) {
        for n in [0, 1, 3, 17, CHUNK + 5] {
            for (weight_decay, decoupled) in [(0.0, false), (0.1, false), (0.1, true)] {
                let mut want: Vec<f64> = grads(9, n);
                let (mut want_m, mut want_v) = (vec![0.0; n], vec![0.0; n]);
                let (mut param, mut m, mut v) = (to_t::<T>(&want), vec![T::ZERO; n], vec![T::ZERO; n]);
                for step in 1..=4 {
                    let h = AdamStep { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay, decoupled, step };
                    let g = grads(step, n);
                    adam_step(&h, &mut param, &to_t(&g), &mut m, &mut v);
                    for i in 0..n {
                        let mut g = g[i];
                        if decoupled {
                            want[i] *= 1.0 - h.lr * weight_decay;
                        } else {
                            g += weight_decay * want[i];
                        }
                        want_m[i] = 0.9 * want_m[i] + 0.1 * g;
                        want_v[i] = 0.99 * want_v[i] + 0.01 * g * g;
                        let m_hat = want_m[i] / (1.0 - 0.9f64.powi(step as i32));
                        let v_hat = want_v[i] / (1.0 - 0.99f64.powi(step as i32));
                        want[i] -= h.lr * m_hat / (v_hat.sqrt() + h.eps);
                    }
                }
                assert_close(&param, &want, tolerance);
                assert_close(&m, &want_m, tolerance);
                assert_close(&v, &want_v, tolerance);
            }
        }
    }

    #[test]
    fn sgd_matches_the_reference() {
        check_sgd::<f32>(1e-6);
        check_sgd::<f64>(1e-14);
    }

    #[test]
    fn adam_matches_the_reference() {
        check_adam::<f32>(1e-6);
        check_adam::<f64>(1e-12);
    }

    /// Results of PyTorch 2.15 in f64, from these gradients.
    #[test]
    fn three_steps_end_where_pytorch_does() {
        const GRADS: [[f64; 2]; 3] = [[0.5, -1.0], [0.25, 3.0], [-1.0, 0.125]];
        for (momentum, dampening, weight_decay, nesterov, want) in [
            (0.9, 0.3, 0.1, false, [0.8556145599999999, -2.04376412]),
            (0.8, 0.0, 0.2, true, [0.8426103039999999, -2.179040608]),
        ] {
            let (mut p, mut velocity) = ([1.0, -2.0], [0.0; 2]);
            for (i, grad) in GRADS.iter().enumerate() {
                let first = i == 0;
                let h = SgdStep { lr: 0.1, momentum, dampening, weight_decay, nesterov, first, maximize: false };
                sgd_step(&h, &mut p, grad, Some(&mut velocity));
            }
            assert_close(&p, &want, 1e-14);
        }
        for (decoupled, want) in
            [(false, [0.8120982607786772, -1.9732507475776464]), (true, [0.8006389224608368, -1.9322085175864672])]
        {
            let (mut p, mut m, mut v) = ([1.0, -2.0], [0.0; 2], [0.0; 2]);
            for (step, grad) in (1..).zip(&GRADS) {
                let h = AdamStep { lr: 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1, decoupled, step };
                adam_step(&h, &mut p, grad, &mut m, &mut v);
            }
            assert_close(&p, &want, 1e-14);
        }
    }
}
