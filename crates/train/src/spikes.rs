//! Loss spikes: steps whose loss is far above that of the steps before.

use serde::{Deserialize, Serialize};

/// How fast the mean and the variance of losses follow.
const DECAY: f64 = 0.98;
/// Steps before any of them can stand out.
const WARM_UP: u64 = 50;
/// How far above the mean a loss is that stands out: so many standard deviations, and so many times the mean.
const DEVIATIONS: f64 = 8.0;
const TIMES: f64 = 2.0;

/// The mean and the variance of the losses of the last steps, which weigh less the older they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LossHistory {
    steps: u64,
    mean: f64,
    variance: f64,
}

impl LossHistory {
    fn limit(&self) -> f64 {
        (self.mean + DEVIATIONS * self.variance.sqrt()).max(TIMES * self.mean.abs())
    }

    /// Whether a loss stands out.
    pub fn is_spike(&self, loss: f64) -> bool {
        self.steps >= WARM_UP && loss > self.limit()
    }

    /// Takes note of a step's loss. Gives the usual loss if this one stands out.
    pub fn add(&mut self, loss: f64) -> Option<f64> {
        let (usual, limit, is_spike) = (self.mean, self.limit(), self.is_spike(loss));
        // One far off is not to make the next ones look usual.
        let seen = if is_spike { limit } else { loss };
        let weight = if self.steps == 0 { 1.0 } else { (1.0 - DECAY).max(1.0 / (self.steps + 1) as f64) };
        let off = seen - usual;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
        self.steps += 1;
        is_spike.then_some(usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_far_above_the_others_stands_out() {
        let mut losses = LossHistory::default();
        let noisy = |i: u64| 1.0 + 0.2 * ((i * 37 % 11) as f64 / 11.0 - 0.5);
        assert!((0..500).all(|i| losses.add(noisy(i)).is_none()));
        let usual = losses.add(9.0).expect("nine times the usual loss");
        assert!((usual - 1.0).abs() < 0.05, "{usual}");
        assert!(losses.add(9.0).is_some(), "one spike does not hide the next");
        assert!((0..100).all(|i| losses.add(noisy(i)).is_none()));
    }

    #[test]
    fn a_falling_loss_and_the_first_steps_do_not() {
        let mut losses = LossHistory::default();
        assert!((0..400).all(|i| losses.add(2.3 * (-0.01 * i as f64).exp()).is_none()));
        let mut young = LossHistory::default();
        assert!([2.0, 1.0, 30.0].map(|loss| young.add(loss)).iter().all(Option::is_none));
    }
}
