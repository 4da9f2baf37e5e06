//! Steps of optimizers.

use super::grid::Grid;
use crate::backend::Update;

/// Changes the parameter and the state by one step.
///
/// # Panics
/// If there are not [`Update::slots`] arrays of state, or the step of Adam or LAMB is 0.
pub fn update(step: &Update, param: &mut Grid, grad: &Grid, state: &mut [Grid]) {
    let (name, slots) = (step.name(), step.slots());
    assert!(state.len() == slots, "{name}: {step:?} takes {slots} arrays of state, got {}", state.len());
    for (i, p) in param.values.iter_mut().enumerate() {
        let mut own: Vec<f64> = state.iter().map(|s| s.values[i]).collect();
        *p = stepped(step, *p, grad.values[i], &mut own);
        for (state, new) in state.iter_mut().zip(own) {
            state.values[i] = new;
        }
    }
}

/// What remains of a mean, and how much of the new value comes in.
fn mean(rate: f64, old: f64, new: f64) -> f64 {
    rate * old + (1.0 - rate) * new
}

/// Means that start from zero are too small at first; this is by what factor, after `step` values.
fn bias_correction(name: &str, rate: f64, step: u64) -> f64 {
    assert!(step > 0, "{name}: steps count from 1");
    1.0 - rate.powf(step as f64)
}

/// What becomes of a parameter's element `p` with gradient `g`.
fn stepped(step: &Update, p: f64, g: f64, state: &mut [f64]) -> f64 {
    match (step, state) {
        (Update::Sgd(h), state) => {
            let g = if h.maximize { -g } else { g } + h.weight_decay * p;
            let [velocity] = state else { return p - h.lr * g };
            *velocity = if h.first { g } else { h.momentum * *velocity + (1.0 - h.dampening) * g };
            p - h.lr * if h.nesterov { g + h.momentum * *velocity } else { *velocity }
        }
        (Update::Adam(h), [m, v]) => {
            let g = if h.decoupled { g } else { g + h.weight_decay * p };
            let p = if h.decoupled { p - h.lr * h.weight_decay * p } else { p };
            (*m, *v) = (mean(h.beta1, *m, g), mean(h.beta2, *v, g * g));
            let corrected_m = *m / bias_correction("adam_step", h.beta1, h.step);
            let corrected_v = *v / bias_correction("adam_step", h.beta2, h.step);
            p - h.lr * corrected_m / (corrected_v.sqrt() + h.eps)
        }
        (Update::RmsProp(h), [square, rest @ ..]) => {
            let g = g + h.weight_decay * p;
            *square = mean(h.alpha, *square, g * g);
            let (centre, buffer) = rest.split_at_mut(usize::from(h.centered));
            let mut spread = *square;
            if let [centre] = centre {
                *centre = mean(h.alpha, *centre, g);
                // The variance of a gradient that never changes rounds to less than 0.
                spread = (*square - *centre * *centre).max(0.0);
            }
            let direction = g / (spread.sqrt() + h.eps);
            let [buffer] = buffer else { return p - h.lr * direction };
            *buffer = h.momentum * *buffer + direction;
            p - h.lr * *buffer
        }
        (Update::Adagrad(h), [sum]) => {
            let g = g + h.weight_decay * p;
            *sum += g * g;
            p - h.lr * g / (sum.sqrt() + h.eps)
        }
        (Update::NAdam(h), [m, v]) => {
            let g = g + h.weight_decay * p;
            (*m, *v) = (mean(h.beta1, *m, g), mean(h.beta2, *v, g * g));
            p - (h.lr_grad * g + h.lr_mean * *m) / ((*v / h.correction2).sqrt() + h.eps)
        }
        (Update::Lion(h), [m]) => {
            let direction = mean(h.beta1, *m, g);
            let sign = if direction == 0.0 { 0.0 } else { direction.signum() };
            *m = mean(h.beta2, *m, g);
            p - h.lr * (sign + h.weight_decay * p)
        }
        (Update::LambDirection(h), [m, v, direction]) => {
            (*m, *v) = (mean(h.beta1, *m, g), mean(h.beta2, *v, g * g));
            let corrected_m = *m / bias_correction("lamb_direction", h.beta1, h.step);
            let corrected_v = *v / bias_correction("lamb_direction", h.beta2, h.step);
            *direction = corrected_m / (corrected_v.sqrt() + h.eps) + h.weight_decay * p;
            p
        }
        (Update::Lerp(fraction), _) => p + fraction * (g - p),
        (_, state) => unreachable!("{} slots of state", state.len()),
    }
}
