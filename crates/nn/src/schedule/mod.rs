//! Learning-rate schedules: what `torch.optim.lr_scheduler` gives, as functions of the step.
//!
//! A schedule holds no state, so a run that goes on needs nothing but its step's number. The exception is [`ReduceOnPlateau`], which
//! looks at how training goes.
//!
//! ```
//! use striate_nn::Schedule;
//! // A hundred steps of linear warm-up, then a cosine to 0 over the other 900.
//! let schedule = Schedule::warmup(100).then(100, Schedule::Cosine { t_max: 900, eta_min: 0.0 });
//! assert!(schedule.lr(0.1, 0) < 0.001);
//! assert_eq!(schedule.lr(0.1, 100), 0.1);
//! assert!(schedule.lr(0.1, 999) < 1e-6);
//! ```

mod plateau;

pub use plateau::{Mode, PlateauState, ReduceOnPlateau, ThresholdMode};

use std::f64::consts::PI;

/// How the learning rate goes from one value to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Anneal {
    /// Along half a cosine.
    #[default]
    Cosine,
    /// Straight.
    Linear,
}

impl Anneal {
    fn between(self, start: f64, end: f64, progress: f64) -> f64 {
        match self {
            Anneal::Cosine => end + (start - end) / 2.0 * (1.0 + (PI * progress).cos()),
            Anneal::Linear => start + (end - start) * progress,
        }
    }
}

/// The settings of [`Schedule::OneCycle`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneCycle {
    /// Steps of the whole cycle; the last learning rate stays after them.
    pub total_steps: u64,
    /// The fraction of the steps in which the learning rate rises.
    pub pct_start: f64,
    /// How it rises and falls.
    pub anneal: Anneal,
    /// The first learning rate is the largest divided by this.
    pub div_factor: f64,
    /// The last one is the first divided by this.
    pub final_div_factor: f64,
    /// Whether it first falls to where it started, in as many steps as it rose, and then on to the last one.
    pub three_phase: bool,
}

impl OneCycle {
    /// PyTorch's defaults: 30 % of the steps up, cosines, from 1/25 of the largest learning rate, to 1/250,000 of it.
    pub fn new(total_steps: u64) -> Self {
        OneCycle {
            total_steps,
            pct_start: 0.3,
            anneal: Anneal::Cosine,
            div_factor: 25.0,
            final_div_factor: 1e4,
            three_phase: false,
        }
    }

    fn lr(&self, max: f64, step: u64) -> f64 {
        let first = max / self.div_factor;
        let last = first / self.final_div_factor;
        let up = self.pct_start * self.total_steps as f64 - 1.0;
        let end = self.total_steps as f64 - 1.0;
        let phases = if self.three_phase {
            vec![(up, first, max), (2.0 * up, max, first), (end, first, last)]
        } else {
            vec![(up, first, max), (end, max, last)]
        };
        let step = step as f64;
        let mut begin = 0.0;
        for (end, from, to) in phases {
            if step <= end {
                // A phase of no length is over at once.
                let progress = if end > begin { (step - begin) / (end - begin) } else { 1.0 };
                return self.anneal.between(from, to, progress);
            }
            begin = end;
        }
        last
    }
}

/// The learning rate as a function of the step, which counts from 0, and of the base learning rate that the optimizer was set to.
/// What PyTorch counts as its epochs is a step here: give sizes in the unit that you call it with.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// `factor` times the base for `total_iters` steps, then the base itself (`ConstantLR`).
    Constant {
        /// The factor.
        factor: f64,
        /// For this many steps.
        total_iters: u64,
    },
    /// Times `gamma` every `step_size` steps (`StepLR`).
    Step {
        /// Steps between changes.
        step_size: u64,
        /// The factor of each change.
        gamma: f64,
    },
    /// Times `gamma` at each milestone (`MultiStepLR`).
    MultiStep {
        /// The steps of the changes.
        milestones: Vec<u64>,
        /// The factor of each change.
        gamma: f64,
    },
    /// Times `gamma` at every step (`ExponentialLR`).
    Exponential {
        /// The factor.
        gamma: f64,
    },
    /// Half a cosine from the base to `eta_min` in `t_max` steps, back in as many more, and so on (`CosineAnnealingLR`; Loshchilov and
    /// Hutter, 2017).
    Cosine {
        /// Steps down.
        t_max: u64,
        /// The smallest learning rate.
        eta_min: f64,
    },
    /// Half a cosine from the base to `eta_min`, again and again (`CosineAnnealingWarmRestarts`; Loshchilov and Hutter, 2017).
    CosineRestarts {
        /// Steps of the first fall.
        t_0: u64,
        /// Each fall takes this many times the steps of the one before.
        t_mult: u64,
        /// The smallest learning rate.
        eta_min: f64,
    },
    /// Straight from `start_factor` to `end_factor` times the base in `total_iters` steps, then constant (`LinearLR`).
    Linear {
        /// The first factor.
        start_factor: f64,
        /// The last factor.
        end_factor: f64,
        /// Steps between them.
        total_iters: u64,
    },
    /// The base times (1 − step / `total_iters`)^`power`, then 0 (`PolynomialLR`).
    Polynomial {
        /// Steps to 0.
        total_iters: u64,
        /// The power; 1 is a straight line.
        power: f64,
    },
    /// Up to the base and down again (`OneCycleLR`, the learning rate alone; Smith and Topin, 2018): the base is PyTorch's `max_lr`.
    OneCycle(OneCycle),
    /// The product of several: each gives its fraction of the base (`ChainedScheduler`, which agrees where every learning rate is a multiple
    /// of the base, that is, without an `eta_min`).
    Chained(Vec<Schedule>),
    /// One after the other: each begins at its milestone and counts its own steps from there (`SequentialLR`).
    Sequential {
        /// The schedules.
        schedules: Vec<Schedule>,
        /// Where all but the first begin: one fewer.
        milestones: Vec<u64>,
    },
}

impl Schedule {
    /// Linear warm-up: `steps` steps of 1, 2, … parts in `steps` + 1 of the base, then the base.
    pub fn warmup(steps: u64) -> Self {
        Schedule::Linear { start_factor: 1.0 / (steps as f64 + 1.0), end_factor: 1.0, total_iters: steps }
    }

    /// This schedule up to step `milestone`, then `next`, which counts from there.
    pub fn then(self, milestone: u64, next: Schedule) -> Self {
        Schedule::Sequential { schedules: vec![self, next], milestones: vec![milestone] }
    }

    /// The learning rate of a step.
    ///
    /// # Panics
    /// If there are not one fewer milestones than schedules in a sequence, a `t_0`, `t_mult` or `step_size` is 0, or a `t_max` is.
    pub fn lr(&self, base: f64, step: u64) -> f64 {
        let t = step as f64;
        let of_total = |total: u64| if total == 0 { 1.0 } else { t.min(total as f64) / total as f64 };
        match self {
            Schedule::Constant { factor, total_iters } => {
                if step < *total_iters {
                    base * factor
                } else {
                    base
                }
            }
            Schedule::Step { step_size, gamma } => {
                assert!(*step_size > 0, "Schedule::Step: the step size is 0");
                base * gamma.powf((step / step_size) as f64)
            }
            Schedule::MultiStep { milestones, gamma } => {
                base * gamma.powf(milestones.iter().filter(|&&m| m <= step).count() as f64)
            }
            Schedule::Exponential { gamma } => base * gamma.powf(t),
            Schedule::Cosine { t_max, eta_min } => {
                assert!(*t_max > 0, "Schedule::Cosine: t_max is 0");
                // Exact at the ends of a fall, however many there were.
                let (turns, rest) = (step / t_max, (step % t_max) as f64 / *t_max as f64);
                let progress = if turns % 2 == 0 { rest } else { 1.0 - rest };
                Anneal::Cosine.between(base, *eta_min, progress)
            }
            Schedule::CosineRestarts { t_0, t_mult, eta_min } => {
                assert!(*t_0 > 0 && *t_mult > 0, "Schedule::CosineRestarts: t_0 and t_mult must be at least 1");
                let (mut begin, mut length) = (0, *t_0);
                if *t_mult == 1 {
                    begin = step / length * length;
                }
                while step - begin >= length {
                    begin += length;
                    length = length.saturating_mul(*t_mult);
                }
                Anneal::Cosine.between(base, *eta_min, (step - begin) as f64 / length as f64)
            }
            Schedule::Linear { start_factor, end_factor, total_iters } => {
                base * Anneal::Linear.between(*start_factor, *end_factor, of_total(*total_iters))
            }
            Schedule::Polynomial { total_iters, power } => base * (1.0 - of_total(*total_iters)).powf(*power),
            Schedule::OneCycle(cycle) => cycle.lr(base, step),
            Schedule::Chained(schedules) => schedules.iter().fold(base, |lr, s| lr * (s.lr(base, step) / base)),
            Schedule::Sequential { schedules, milestones } => {
                assert!(
                    milestones.len() + 1 == schedules.len(),
                    "Schedule::Sequential: {} schedules take {} milestones, got {}",
                    schedules.len(),
                    schedules.len().saturating_sub(1),
                    milestones.len()
                );
                let which = milestones.iter().filter(|&&m| m <= step).count();
                let begin = if which == 0 { 0 } else { milestones[which - 1] };
                schedules[which].lr(base, step - begin)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_ends_at_the_base() {
        let lrs: Vec<f64> = (0..6).map(|t| Schedule::warmup(3).lr(1.0, t)).collect();
        assert_eq!(lrs, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
        assert_eq!(Schedule::warmup(0).lr(0.3, 0), 0.3);
    }

    #[test]
    fn a_cycle_that_is_over_stays_at_its_end() {
        let cycle = Schedule::OneCycle(OneCycle::new(10));
        assert_eq!(cycle.lr(1.0, 10), cycle.lr(1.0, 9));
        assert_eq!(cycle.lr(1.0, 1000), 1.0 / 25.0 / 1e4);
        // So short that it only falls.
        assert!(Schedule::OneCycle(OneCycle::new(1)).lr(1.0, 0).is_finite());
        assert!(Schedule::OneCycle(OneCycle::new(2)).lr(1.0, 0).is_finite());
    }

    #[test]
    fn restarts_grow() {
        let s = Schedule::CosineRestarts { t_0: 2, t_mult: 3, eta_min: 0.0 };
        let full: Vec<u64> = (0..30).filter(|&t| s.lr(1.0, t) == 1.0).collect();
        assert_eq!(full, [0, 2, 8, 26]);
    }
}
