//! Images changed on purpose, by the gradient of the loss.

use schemars::JsonSchema;
use serde::Serialize;

/// A way to change images so that a network is wrong, within `ε` of each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attack {
    /// One step of `ε` along the sign of the gradient (Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial Examples", 2015).
    Fgsm,
    /// Several steps from a random start, each followed by the nearest image within `ε` (Madry et al., "Towards Deep Learning Models Resistant to Adversarial
    /// Attacks", 2018).
    Pgd,
}

impl Attack {
    /// Both.
    pub const ALL: [Attack; 2] = [Attack::Fgsm, Attack::Pgd];

    /// Its name: `fgsm`, `pgd`.
    pub fn name(self) -> &'static str {
        match self {
            Attack::Fgsm => "fgsm",
            Attack::Pgd => "pgd",
        }
    }
}

/// How far and in which steps values from 0 to 1 are changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steps {
    /// The most that a value changes by.
    pub epsilon: f32,
    /// How many steps there are.
    pub steps: usize,
    /// The size of a step.
    pub size: f32,
}

/// Changes values from 0 to 1 so that a loss grows: `steps` times by the step's size along the sign of the gradient that `gradient` gives for the values, and then
/// to the nearest within epsilon of `clean` and from 0 to 1. It begins at `clean` plus `start`. Values that are not `free` stay as they are.
///
/// # Panics
/// If `start`, `free` or a gradient has another length than `clean`.
pub fn perturb(
    clean: &[f32],
    start: &[f32],
    free: &[bool],
    steps: Steps,
    mut gradient: impl FnMut(&[f32]) -> Vec<f32>,
) -> Vec<f32> {
    assert!(start.len() == clean.len() && free.len() == clean.len(), "perturb: other numbers of values");
    let within = |x: f32, clean: f32| x.clamp(clean - steps.epsilon, clean + steps.epsilon).clamp(0.0, 1.0);
    let begin = |((&x, &start), &free): ((&f32, &f32), &bool)| if free { within(x + start, x) } else { x };
    let mut values: Vec<f32> = clean.iter().zip(start).zip(free).map(begin).collect();
    for _ in 0..steps.steps {
        let slopes = gradient(&values);
        assert_eq!(slopes.len(), clean.len(), "perturb: a gradient of another number of values");
        for (((x, &clean), &slope), &free) in values.iter_mut().zip(clean).zip(&slopes).zip(free) {
            // Of 0 and NaN there is no direction.
            let sign = f32::from(i8::from(slope > 0.0) - i8::from(slope < 0.0));
            if free && sign != 0.0 {
                *x = within(*x + steps.size * sign, clean);
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: Steps = Steps { epsilon: 0.25, steps: 3, size: 0.125 };

    #[test]
    fn values_stay_near_and_valid() {
        let clean = [0.5, 0.125, 0.5, 0.9375, 0.5];
        let start = [0.25, -1.0, 0.0, 0.0, 1.0];
        let free = [true, true, false, true, true];
        let slopes = [1.0, -2.0, 5.0, 0.5, f32::NAN];
        let mut seen = 0;
        let changed = perturb(&clean, &start, &free, STEPS, |values| {
            assert!(values.iter().all(|v| (0.0..=1.0).contains(v)));
            seen += 1;
            slopes.to_vec()
        });
        assert_eq!((changed, seen), (vec![0.75, 0.0, 0.5, 1.0, 0.75], 3));
    }

    #[test]
    fn no_gradient_no_change() {
        assert_eq!(perturb(&[0.5], &[0.0], &[true], STEPS, |_| vec![0.0]), [0.5]);
        assert!(perturb(&[], &[], &[], STEPS, |_| Vec::new()).is_empty());
    }
}
