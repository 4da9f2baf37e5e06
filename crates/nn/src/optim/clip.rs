//! Gradients kept from being too large.

use super::number;
use crate::module::Module;
use striate_tensor::{Gradients, Tensor};

/// Scales all gradients of `model` so that together their norm is at most `max_norm`, and gives the norm that they had
/// (`torch.nn.utils.clip_grad_norm_`). `norm_type` is the p of the norm: 2, another positive number, or infinity.
///
/// # Panics
/// If `norm_type` or `max_norm` is not positive.
pub fn clip_grad_norm(model: &dyn Module, gradients: &mut Gradients, max_norm: f64, norm_type: f64) -> f64 {
    assert!(norm_type > 0.0, "clip_grad_norm: the norm type is {norm_type}, it must be positive");
    assert!(max_norm > 0.0, "clip_grad_norm: the largest norm is {max_norm}, it must be positive");
    let total = norm_of(model, gradients, norm_type);
    let scale = max_norm / (total + 1e-6);
    if scale < 1.0 {
        change(model, gradients, |g| g * scale);
    }
    total
}

/// The norm of all gradients of `model` together (`torch.nn.utils.get_total_norm`).
pub fn grad_norm(model: &dyn Module, gradients: &Gradients) -> f64 {
    norm_of(model, gradients, 2.0)
}

fn norm_of(model: &dyn Module, gradients: &Gradients, norm_type: f64) -> f64 {
    let parameters = model.named_parameters();
    let present = parameters.iter().filter_map(|(_, p)| gradients.get(*p)).filter(|g| g.numel() > 0);
    if norm_type == f64::INFINITY {
        // `max` of the two numbers would lose a NaN.
        present.map(|g| number(g.abs().max_all())).fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a })
    } else {
        let powers = present.map(|g| {
            let powers = if norm_type == 2.0 { g.square() } else { g.abs().powf(norm_type) };
            number(powers.sum_all())
        });
        powers.sum::<f64>().powf(1.0 / norm_type)
    }
}

/// Limits every element of the gradients of `model` to the range from −`clip_value` to `clip_value`
/// (`torch.nn.utils.clip_grad_value_`).
///
/// # Panics
/// If `clip_value` is negative.
pub fn clip_grad_value(model: &dyn Module, gradients: &mut Gradients, clip_value: f64) {
    assert!(clip_value >= 0.0, "clip_grad_value: the largest value is {clip_value}, it must not be negative");
    change(model, gradients, |g| g.clamp(-clip_value, clip_value));
}

fn change(model: &dyn Module, gradients: &mut Gradients, f: impl Fn(Tensor) -> Tensor) {
    for (_, parameter) in model.named_parameters() {
        if let Some(grad) = gradients.take(parameter) {
            gradients.set(parameter, f(grad));
        }
    }
}
