//! More optimizer updates. Each is one pass over the parameter, its gradient and the optimizer's state, a list of slices.

use crate::float::Float;
use crate::isa::{Kernel, dispatch};
use crate::simd::Simd;
use crate::strided::{CHUNK, parallel_parts};

/// The settings of a step of `torch.optim.RMSprop`. State: the mean of squared gradients; if `centered` the mean of gradients;
/// if there is momentum its buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsPropStep {
    /// Learning rate.
    pub lr: f64,
    /// How much of the means remains.
    pub alpha: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty.
    pub weight_decay: f64,
    /// How much of the last step remains; 0 switches it off.
    pub momentum: f64,
    /// Whether to divide by the standard deviation of the gradient instead of its root mean square.
    pub centered: bool,
}

/// The settings of a step of `torch.optim.Adagrad`. State: the sum of squared gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdagradStep {
    /// Learning rate, after any decay.
    pub lr: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty.
    pub weight_decay: f64,
}

/// The settings of a step of `torch.optim.NAdam`. State: the means of gradients and of squared gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NAdamStep {
    /// Learning rate of the gradient itself.
    pub lr_grad: f64,
    /// Learning rate of the mean of gradients.
    pub lr_mean: f64,
    /// How much of the mean of gradients remains.
    pub beta1: f64,
    /// How much of the mean of squared gradients remains.
    pub beta2: f64,
    /// What the mean of squared gradients is divided by.
    pub correction2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty.
    pub weight_decay: f64,
}

/// The settings of a step of Lion (Chen et al., 2023). State: the mean of gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LionStep {
    /// Learning rate.
    pub lr: f64,
    /// How much of the mean goes into the step.
    pub beta1: f64,
    /// How much of the mean remains.
    pub beta2: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// The settings of the direction of a step of LAMB (You et al., 2020). State: the means of gradients and of squared gradients, and the
/// direction, which is written. The parameter stays as it is: the length of the step depends on the norms of both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LambStep {
    /// How much of the mean of gradients remains.
    pub beta1: f64,
    /// How much of the mean of squared gradients remains.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// This times the parameter is added to the direction.
    pub weight_decay: f64,
    /// The number of this step, from 1.
    pub step: u64,
}

/// One step of an optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update {
    /// `torch.optim.RMSprop`.
    RmsProp(RmsPropStep),
    /// `torch.optim.Adagrad`.
    Adagrad(AdagradStep),
    /// `torch.optim.NAdam`.
    NAdam(NAdamStep),
    /// Lion.
    Lion(LionStep),
    /// The direction of a step of LAMB.
    LambDirection(LambStep),
    /// No optimizer: the parameter moves towards what stands in the gradient's place, by this share of the way. No state.
    Lerp(f64),
}

impl Update {
    /// How many slices of state it has.
    pub fn slots(&self) -> usize {
        match self {
            Update::RmsProp(h) => 1 + usize::from(h.centered) + usize::from(h.momentum != 0.0),
            Update::Adagrad(_) | Update::Lion(_) => 1,
            Update::NAdam(_) => 2,
            Update::LambDirection(_) => 3,
            Update::Lerp(_) => 0,
        }
    }
}

/// What happens to one element: from the parameter, its gradient and its state to the new parameter and state.
trait Rule<T, const N: usize>: Copy + Send + Sync {
    fn apply(self, p: T, g: T, state: [T; N]) -> (T, [T; N]);
}

#[derive(Clone, Copy)]
struct RmsProp<T, const CENTERED: bool, const MOMENTUM: bool> {
    lr: T,
    alpha: T,
    take: T,
    eps: T,
    weight_decay: T,
    momentum: T,
}

impl<T: Float, const CENTERED: bool, const MOMENTUM: bool, const N: usize> Rule<T, N>
    for RmsProp<T, CENTERED, MOMENTUM>
{
    #[inline(always)]
    fn apply(self, p: T, g: T, mut s: [T; N]) -> (T, [T; N]) {
        let g = g + self.weight_decay * p;
        s[0] = s[0] * self.alpha + g * g * self.take;
        let mut square = s[0];
        if CENTERED {
            s[1] += (g - s[1]) * self.take;
            // The variance of a gradient that never changes rounds to less than 0.
            square = (square - s[1] * s[1]).max(T::ZERO);
        }
        let step = g / (square.sqrt() + self.eps);
        if !MOMENTUM {
            return (p - self.lr * step, s);
        }
        s[N - 1] = s[N - 1] * self.momentum + step;
        (p - self.lr * s[N - 1], s)
    }
}

#[derive(Clone, Copy)]
struct Adagrad<T> {
    lr: T,
    eps: T,
    weight_decay: T,
}

impl<T: Float> Rule<T, 1> for Adagrad<T> {
    #[inline(always)]
    fn apply(self, p: T, g: T, [sum]: [T; 1]) -> (T, [T; 1]) {
        let g = g + self.weight_decay * p;
        let sum = sum + g * g;
        (p - self.lr * g / (sum.sqrt() + self.eps), [sum])
    }
}

/// The settings that NAdam and LAMB share.
#[derive(Clone, Copy)]
struct Moments<T> {
    take1: T,
    beta2: T,
    take2: T,
    inv_sqrt_correction2: T,
    eps: T,
}

impl<T: Float> Moments<T> {
    fn new(beta1: f64, beta2: f64, correction2: f64, eps: f64) -> Self {
        let t = T::from_f64;
        Moments {
            take1: t(1.0 - beta1),
            beta2: t(beta2),
            take2: t(1.0 - beta2),
            inv_sqrt_correction2: t(1.0 / correction2.sqrt()),
            eps: t(eps),
        }
    }

    /// Both means with `g` taken in, and the denominator.
    #[inline(always)]
    fn take_in(self, g: T, m: T, v: T) -> (T, T, T) {
        let m = m + (g - m) * self.take1;
        let v = v * self.beta2 + g * g * self.take2;
        (m, v, v.sqrt() * self.inv_sqrt_correction2 + self.eps)
    }
}

#[derive(Clone, Copy)]
struct NAdam<T> {
    moments: Moments<T>,
    lr_grad: T,
    lr_mean: T,
    weight_decay: T,
}

impl<T: Float> Rule<T, 2> for NAdam<T> {
    #[inline(always)]
    fn apply(self, p: T, g: T, [m, v]: [T; 2]) -> (T, [T; 2]) {
        let g = g + self.weight_decay * p;
        let (m, v, denominator) = self.moments.take_in(g, m, v);
        (p - (self.lr_grad * g + self.lr_mean * m) / denominator, [m, v])
    }
}

#[derive(Clone, Copy)]
struct Lion<T> {
    lr: T,
    keep: T,
    take1: T,
    take2: T,
}

impl<T: Float> Rule<T, 1> for Lion<T> {
    #[inline(always)]
    fn apply(self, p: T, g: T, [m]: [T; 1]) -> (T, [T; 1]) {
        let direction = m + (g - m) * self.take1;
        let sign = if direction > T::ZERO {
            T::ONE
        } else if direction < T::ZERO {
            -T::ONE
        } else {
            direction
        };
        (p * self.keep - self.lr * sign, [m + (g - m) * self.take2])
    }
}

#[derive(Clone, Copy)]
struct Lamb<T> {
    moments: Moments<T>,
    inv_correction1: T,
    weight_decay: T,
}

impl<T: Float> Rule<T, 3> for Lamb<T> {
    #[inline(always)]
    fn apply(self, p: T, g: T, [m, v, _]: [T; 3]) -> (T, [T; 3]) {
        let (m, v, denominator) = self.moments.take_in(g, m, v);
        (p, [m, v, m * self.inv_correction1 / denominator + self.weight_decay * p])
    }
}

#[derive(Clone, Copy)]
struct Lerp<T>(T);

impl<T: Float> Rule<T, 0> for Lerp<T> {
    #[inline(always)]
    fn apply(self, p: T, g: T, _: [T; 0]) -> (T, [T; 0]) {
        (p + (g - p) * self.0, [])
    }
}

struct Part<'a, T, R, const N: usize> {
    rule: R,
    param: &'a mut [T],
    grad: &'a [T],
    state: [&'a mut [T]; N],
}

impl<T: Float, R: Rule<T, N>, const N: usize> Kernel for Part<'_, T, R, N> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Part { rule, param, grad, state } = self;
        let n = param.len();
        let grad = &grad[..n];
        let state = state.map(|s| &mut s[..n]);
        for i in 0..n {
            let mut old = [T::ZERO; N];
            for k in 0..N {
                old[k] = state[k][i];
            }
            let (p, new) = rule.apply(param[i], grad[i], old);
            param[i] = p;
            for k in 0..N {
                state[k][i] = new[k];
            }
        }
    }
}

fn run<T: Float, R: Rule<T, N>, const N: usize>(rule: R, param: &mut [T], grad: &[T], state: Vec<&mut [T]>) {
    let state: [&mut [T]; N] = state.try_into().unwrap_or_else(|_| unreachable!("counted before"));
    let mut chunks = state.map(|s| s.chunks_mut(CHUNK));
    let parts = param.chunks_mut(CHUNK).zip(grad.chunks(CHUNK));
    let parts = parts.map(|(param, grad)| {
        let state = chunks.each_mut().map(|c| c.next().expect("all have one length"));
        Part { rule, param, grad, state }
    });
    parallel_parts(parts, |_, part| dispatch(part));
}

/// One step of an optimizer. Before the first step the state is all zeros, unless the optimizer says otherwise.
///
/// # Panics
/// If the lengths differ, there are not [`Update::slots`] slices of state, or LAMB's step is 0.
pub fn update<T: Float>(h: &Update, param: &mut [T], grad: &[T], state: Vec<&mut [T]>) {
    assert_eq!(param.len(), grad.len(), "update: {} parameters, {} gradients", param.len(), grad.len());
    assert_eq!(state.len(), h.slots(), "update: {h:?} takes {} slices of state, got {}", h.slots(), state.len());
    for s in &state {
        assert_eq!(param.len(), s.len(), "update: {} parameters, a state of {}", param.len(), s.len());
    }
    let t = T::from_f64;
    match *h {
        Update::RmsProp(h) => match (h.centered, h.momentum != 0.0) {
            (false, false) => run::<_, _, 1>(rms_prop::<T, false, false>(&h), param, grad, state),
            (false, true) => run::<_, _, 2>(rms_prop::<T, false, true>(&h), param, grad, state),
            (true, false) => run::<_, _, 2>(rms_prop::<T, true, false>(&h), param, grad, state),
            (true, true) => run::<_, _, 3>(rms_prop::<T, true, true>(&h), param, grad, state),
        },
        Update::Adagrad(h) => {
            run(Adagrad { lr: t(h.lr), eps: t(h.eps), weight_decay: t(h.weight_decay) }, param, grad, state);
        }
        Update::NAdam(h) => {
            let moments = Moments::new(h.beta1, h.beta2, h.correction2, h.eps);
            let (lr_grad, lr_mean) = (t(h.lr_grad), t(h.lr_mean));
            run(NAdam { moments, lr_grad, lr_mean, weight_decay: t(h.weight_decay) }, param, grad, state);
        }
        Update::Lion(h) => {
            let keep = t(1.0 - h.lr * h.weight_decay);
            run(Lion { lr: t(h.lr), keep, take1: t(1.0 - h.beta1), take2: t(1.0 - h.beta2) }, param, grad, state);
        }
        Update::LambDirection(h) => {
            assert!(h.step > 0, "update: LAMB's steps count from 1");
            let correction = |beta: f64| 1.0 - beta.powf(h.step as f64);
            let moments = Moments::new(h.beta1, h.beta2, correction(h.beta2), h.eps);
            let inv_correction1 = t(1.0 / correction(h.beta1));
            run(Lamb { moments, inv_correction1, weight_decay: t(h.weight_decay) }, param, grad, state);
        }
        Update::Lerp(share) => run(Lerp(t(share)), param, grad, state),
    }
}

fn rms_prop<T: Float, const CENTERED: bool, const MOMENTUM: bool>(h: &RmsPropStep) -> RmsProp<T, CENTERED, MOMENTUM> {
    let t = T::from_f64;
    RmsProp {
        lr: t(h.lr),
        alpha: t(h.alpha),
        take: t(1.0 - h.alpha),
        eps: t(h.eps),
        weight_decay: t(h.weight_decay),
        momentum: t(h.momentum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(step: u64, n: usize) -> Vec<f64> {
        (0..n).map(|i| ((i as u64 * 31 + step * 17) % 23) as f64 / 7.0 - 1.5).collect()
    }

    /// Three steps of one element after the other, in `f64`, by the formulas of the papers.
    fn reference(h: &Update, step: u64, p: &mut f64, g: f64, s: &mut [f64]) {
        match *h {
            Update::RmsProp(h) => {
                let g = g + h.weight_decay * *p;
                s[0] = h.alpha * s[0] + (1.0 - h.alpha) * g * g;
                let mut square = s[0];
                if h.centered {
                    s[1] = h.alpha * s[1] + (1.0 - h.alpha) * g;
                    square -= s[1] * s[1];
                }
                let mut d = g / (square.max(0.0).sqrt() + h.eps);
                if h.momentum != 0.0 {
                    let last = s.last_mut().unwrap();
                    *last = h.momentum * *last + d;
                    d = *last;
                }
                *p -= h.lr * d;
            }
            Update::Adagrad(h) => {
                let g = g + h.weight_decay * *p;
                s[0] += g * g;
                *p -= h.lr * g / (s[0].sqrt() + h.eps);
            }
            Update::NAdam(h) => {
                let g = g + h.weight_decay * *p;
                s[0] = h.beta1 * s[0] + (1.0 - h.beta1) * g;
                s[1] = h.beta2 * s[1] + (1.0 - h.beta2) * g * g;
                *p -= (h.lr_grad * g + h.lr_mean * s[0]) / ((s[1] / h.correction2).sqrt() + h.eps);
            }
            Update::Lion(h) => {
                let c = h.beta1 * s[0] + (1.0 - h.beta1) * g;
                *p -= h.lr * (if c == 0.0 { 0.0 } else { c.signum() } + h.weight_decay * *p);
                s[0] = h.beta2 * s[0] + (1.0 - h.beta2) * g;
            }
            Update::LambDirection(h) => {
                s[0] = h.beta1 * s[0] + (1.0 - h.beta1) * g;
                s[1] = h.beta2 * s[1] + (1.0 - h.beta2) * g * g;
                let m = s[0] / (1.0 - h.beta1.powi(step as i32));
                let v = s[1] / (1.0 - h.beta2.powi(step as i32));
                s[2] = m / (v.sqrt() + h.eps) + h.weight_decay * *p;
            }
            Update::Lerp(share) => *p = (1.0 - share) * *p + share * g,
        }
    }

    fn check<T: Float>(make: impl Fn(u64) -> Update, tolerance: f64) {
        for n in [0, 1, 3, 17, CHUNK + 5] {
            let slots = make(1).slots();
            let mut want = numbers(9, n);
            let mut want_state = vec![vec![0.0; n]; slots];
            let mut param: Vec<T> = want.iter().map(|&x| T::from_f64(x)).collect();
            let mut state = vec![vec![T::ZERO; n]; slots];
            for step in 1..=3 {
                let (h, g) = (make(step), numbers(step, n));
                let grad: Vec<T> = g.iter().map(|&x| T::from_f64(x)).collect();
                update(&h, &mut param, &grad, state.iter_mut().map(|s| &mut s[..]).collect());
                for i in 0..n {
                    let mut own: Vec<f64> = want_state.iter().map(|s| s[i]).collect();
                    reference(&h, step, &mut want[i], g[i], &mut own);
                    want_state.iter_mut().zip(own).for_each(|(s, x)| s[i] = x);
                }
            }
            let all = [&param].into_iter().chain(&state).zip([&want].into_iter().chain(&want_state));
            for (got, want) in all {
                for (g, w) in got.iter().zip(want) {
                    assert!((g.to_f64() - w).abs() <= tolerance * w.abs().max(1.0), "{:?}: {g}, expected {w}", make(1));
                }
            }
        }
    }

    #[test]
    fn every_rule_matches_the_reference() {
        let rms = |centered, momentum, weight_decay| {
            let h = RmsPropStep { lr: 0.01, alpha: 0.9, eps: 1e-3, weight_decay, momentum, centered };
            move |_| Update::RmsProp(h)
        };
        for (centered, momentum, decay) in [(false, 0.0, 0.0), (false, 0.9, 0.1), (true, 0.0, 0.1), (true, 0.8, 0.0)] {
            check::<f32>(rms(centered, momentum, decay), 1e-5);
            check::<f64>(rms(centered, momentum, decay), 1e-12);
        }
        let rules: [fn(u64) -> Update; 5] = [
            |_| Update::Adagrad(AdagradStep { lr: 0.1, eps: 1e-10, weight_decay: 0.1 }),
            |step| {
                Update::NAdam(NAdamStep {
                    lr_grad: 0.01 / step as f64,
                    lr_mean: 0.02,
                    beta1: 0.9,
                    beta2: 0.99,
                    correction2: 1.0 - 0.99f64.powi(step as i32),
                    eps: 1e-8,
                    weight_decay: 0.1,
                })
            },
            |_| Update::Lion(LionStep { lr: 0.01, beta1: 0.9, beta2: 0.98, weight_decay: 0.1 }),
            |step| Update::LambDirection(LambStep { beta1: 0.9, beta2: 0.99, eps: 1e-6, weight_decay: 0.1, step }),
            |_| Update::Lerp(0.1),
        ];
        for rule in rules {
            check::<f32>(rule, 1e-5);
            check::<f64>(rule, 1e-12);
        }
    }

    /// A gradient that never changes has no variance, and rounding must not make a NaN of it.
    #[test]
    fn a_constant_gradient_is_centered_without_a_nan() {
        let h = RmsPropStep { lr: 0.01, alpha: 0.99, eps: 1e-8, weight_decay: 0.0, momentum: 0.0, centered: true };
        let (mut p, mut square, mut mean) = (vec![0.0f32; 64], vec![0.0; 64], vec![0.0; 64]);
        let g: Vec<f32> = (0..64).map(|i| 0.1 + i as f32 * 0.37).collect();
        for _ in 0..3000 {
            update(&Update::RmsProp(h), &mut p, &g, vec![&mut square, &mut mean]);
        }
        assert!(p.iter().all(|p| p.is_finite()));
    }
}
