//! [`LrFind`]: the learning rate at which the loss falls fastest (Smith, 2017, Cyclical Learning Rates).

use crate::batches::Batches;
use crate::config::bad;
use crate::error::TrainError;
use crate::plots::{Series, curves_over_log};
use crate::task::Task;
use crate::trainer::{Halt, Taken, Trial};
use serde::Serialize;
use striate_nn::Module;

/// Which learning rates are tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LrFindOptions {
    /// The first, and smallest, one.
    pub start_lr: f64,
    /// The last one.
    pub end_lr: f64,
    /// Steps from the one to the other; a data set that has fewer in an epoch is gone through again.
    pub steps: usize,
    /// The search ends where the smoothed loss is this many times the best.
    pub stop_factor: f64,
}

impl Default for LrFindOptions {
    /// fastai's.
    fn default() -> Self {
        LrFindOptions { start_lr: 1e-7, end_lr: 10.0, steps: 100, stop_factor: 4.0 }
    }
}

impl LrFindOptions {
    /// The fewest steps that make a curve.
    pub const LEAST_STEPS: usize = 10;

    fn validate(&self) -> Result<(), TrainError> {
        if !(self.start_lr > 0.0 && self.start_lr.is_finite()) {
            return bad("start_lr", self.start_lr, "a positive number");
        }
        if !(self.end_lr > self.start_lr && self.end_lr.is_finite()) {
            return bad("end_lr", self.end_lr, &format!("above the first rate, {:e}", self.start_lr));
        }
        if self.steps < Self::LEAST_STEPS {
            return bad("steps", self.steps, &format!("at least {}", Self::LEAST_STEPS));
        }
        if self.stop_factor.is_nan() || self.stop_factor <= 1.0 {
            return bad("stop_factor", self.stop_factor, "above 1");
        }
        Ok(())
    }

    /// The learning rate of a step, which counts from 0: each is larger than the one before by the same factor.
    fn lr(&self, step: usize) -> f64 {
        self.start_lr * (self.end_lr / self.start_lr).powf(step as f64 / (self.steps - 1) as f64)
    }

    /// How much of the smoothed loss remains at each step: it looks back over half of the steps, as fastai's 0.98 does over 100.
    fn smoothing(&self) -> f64 {
        1.0 - 2.0 / self.steps as f64
    }
}

/// The loss at a learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LrPoint {
    /// The learning rate of the step.
    pub lr: f64,
    /// The loss of its batch, before the update.
    pub loss: f64,
    /// The exponential moving average of the losses so far, corrected for its bias.
    pub smoothed_loss: f64,
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LrFindEnd {
    /// All steps were taken.
    AllSteps,
    /// The smoothed loss was far above the best.
    Diverged,
    /// The loss was not finite any more.
    NotFinite,
    /// It was asked to stop.
    Stopped,
}

/// What a search has found. The network and the optimizer are as before it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LrFind {
    /// The losses, step by step.
    pub points: Vec<LrPoint>,
    /// Why there are no more.
    pub ending: LrFindEnd,
    /// Where the smoothed loss falls most steeply, over the logarithm of the rate. None if it does not fall.
    pub steepest: Option<f64>,
    /// The middle of the longest valley, the stretch over which the loss falls: fastai's rule. None if the loss does not fall.
    pub valley: Option<f64>,
}

/// The fraction of the points, from the first on, that count for nothing: their average is of too few losses.
const SKIPPED: f64 = 0.1;
/// How many times the median difference of two losses that follow each other the smoothed loss must fall, to count as falling.
const ABOVE_NOISE: f64 = 1.0;
/// By which fraction of itself it must fall where there is no noise.
const FALL: f64 = 1e-4;

impl LrFind {
    /// The learning rate to train with: [`LrFind::valley`], which is steadier than [`LrFind::steepest`], rounded to two digits. None if the loss does not
    /// fall at any rate.
    pub fn suggestion(&self) -> Option<f64> {
        self.valley.map(two_digits)
    }

    /// The curve, with the suggestion, as SVG.
    pub fn svg(&self) -> String {
        let smoothed = self.points.iter().map(|p| [p.lr, p.smoothed_loss]);
        let highest = smoothed.clone().map(|[_, y]| y).fold(f64::NEG_INFINITY, f64::max);
        let lowest = self.points.iter().map(|p| p.loss).fold(f64::INFINITY, f64::min);
        // A last loss far above all others would leave them no room.
        let raw = self.points.iter().map(|p| [p.lr, if p.loss <= highest { p.loss } else { f64::NAN }]);
        let mut series = vec![Series::loss("smoothed loss", smoothed.collect()), Series::loss("loss", raw.collect())];
        if let Some(lr) = self.suggestion() {
            series.push(Series::loss(format!("suggestion: {lr}"), vec![[lr, lowest], [lr, highest]]));
        }
        curves_over_log(&series, "learning rate")
    }

    /// The result of steps that were taken.
    fn of(taken: &[Taken], halt: Halt, options: &LrFindOptions) -> LrFind {
        let mut average = Average::new(options.smoothing());
        let points: Vec<LrPoint> = taken
            .iter()
            .map(|step| LrPoint { lr: step.lr, loss: step.loss(), smoothed_loss: average.add(step.loss()) })
            .collect();
        let ending = match halt {
            Halt::NotFinite => LrFindEnd::NotFinite,
            Halt::Stopped => LrFindEnd::Stopped,
            Halt::Enough if points.len() < options.steps => LrFindEnd::Diverged,
            Halt::Enough => LrFindEnd::AllSteps,
        };
        let considered = &points[(points.len() as f64 * SKIPPED) as usize..];
        let (steepest, valley) = match falls(considered) {
            true => (steepest(considered), valley(considered)),
            false => (None, None),
        };
        LrFind { points, ending, steepest, valley }
    }
}

/// Searches with the steps of `trial`.
pub(crate) fn search<N: Module, T: Task<N>>(
    trial: Trial<N, T>,
    train: &dyn Batches<Batch = T::Batch>,
    options: &LrFindOptions,
) -> Result<LrFind, TrainError> {
    options.validate()?;
    let (mut average, mut best) = (Average::new(options.smoothing()), f64::INFINITY);
    let mut next = |taken: &[Taken]| {
        if let Some(last) = taken.last() {
            let smoothed = average.add(last.loss());
            if smoothed > options.stop_factor * best {
                return None;
            }
            best = best.min(smoothed);
        }
        (taken.len() < options.steps).then(|| options.lr(taken.len()))
    };
    let (taken, halt) = trial.run(train, &mut next)?;
    Ok(LrFind::of(&taken, halt, options))
}

/// An exponential moving average, corrected for its bias towards 0.
struct Average {
    beta: f64,
    sum: f64,
    values: i32,
}

impl Average {
    fn new(beta: f64) -> Self {
        Average { beta, sum: 0.0, values: 0 }
    }

    fn add(&mut self, value: f64) -> f64 {
        self.sum = self.beta * self.sum + (1.0 - self.beta) * value;
        self.values += 1;
        self.sum / (1.0 - self.beta.powi(self.values))
    }
}

/// Whether the smoothed loss comes to fall below what it was before, by more than its noise.
fn falls(points: &[LrPoint]) -> bool {
    let mut differences: Vec<f64> = points.windows(2).map(|pair| (pair[1].loss - pair[0].loss).abs()).collect();
    differences.sort_by(f64::total_cmp);
    let noise = ABOVE_NOISE * differences.get(differences.len() / 2).copied().unwrap_or(0.0);
    let mut highest = f64::NEG_INFINITY;
    points.iter().any(|p| {
        highest = highest.max(p.smoothed_loss);
        highest - p.smoothed_loss > noise.max(FALL * highest.abs())
    })
}

fn steepest(points: &[LrPoint]) -> Option<f64> {
    let slope =
        |pair: &[LrPoint]| (pair[1].smoothed_loss - pair[0].smoothed_loss) / (pair[1].lr.ln() - pair[0].lr.ln());
    let steepest = points.windows(2).min_by(|a, b| slope(a).total_cmp(&slope(b)))?;
    Some(steepest[0].lr)
}

/// The middle of the longest run of points, with gaps, of which each has a smaller loss than the one before.
fn valley(points: &[LrPoint]) -> Option<f64> {
    // For each point the length of the longest such run that ends there.
    let mut lengths: Vec<usize> = Vec::with_capacity(points.len());
    for (i, point) in points.iter().enumerate() {
        let before = (0..i).filter(|&j| points[j].smoothed_loss > point.smoothed_loss).map(|j| lengths[j]).max();
        lengths.push(before.unwrap_or(0) + 1);
    }
    let end = (0..points.len()).rev().max_by_key(|&i| lengths[i])?;
    let start = (end + 1).saturating_sub(lengths[end]);
    Some(points[start + (end - start) / 2].lr)
}

/// The nearest number of two digits.
fn two_digits(x: f64) -> f64 {
    format!("{x:.1e}").parse().expect("a number in scientific notation")
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_model::{Direction, Metric};

    fn found(losses: impl Iterator<Item = f64>) -> LrFind {
        let options = LrFindOptions::default();
        let step = |(i, loss)| Taken {
            lr: options.lr(i),
            metrics: vec![Metric::number("loss", loss, Direction::Minimize)],
            grad_norm: 1.0,
        };
        LrFind::of(&losses.enumerate().map(step).collect::<Vec<_>>(), Halt::Enough, &options)
    }

    /// A loss that falls around 0.001 and rises above 0.3, with some noise.
    fn usual(i: usize) -> f64 {
        let lr = LrFindOptions::default().lr(i);
        let fall = 1.8 / (1.0 + (-2.4 * (lr.log10() + 3.0)).exp());
        2.3 - fall + (lr - 0.3).max(0.0) * 1.5 + 0.05 * (i as f64 * 12.9898).sin()
    }

    #[test]
    fn rates_and_suggestions_are_those_of_fastai() {
        let options = LrFindOptions::default();
        assert_eq!((options.lr(0), options.smoothing()), (1e-7, 0.98));
        assert!((options.lr(99) - 10.0).abs() < 1e-12);
        let found = found((0..100).map(usual));
        assert_eq!(found.ending, LrFindEnd::AllSteps);
        // What fastai 2.7's `valley` and `steep` give for the same losses, without the first tenth.
        let near = |got: Option<f64>, expected: f64| assert!((got.unwrap() / expected).ln().abs() < 0.2, "{got:?}");
        near(found.valley, 1.59e-3);
        near(found.steepest, 3.35e-3);
        assert_eq!(found.suggestion(), found.valley.map(two_digits));
    }

    #[test]
    fn where_no_loss_falls_nothing_is_suggested() {
        for losses in
            [vec![2.3; 100], (0..100).map(|i| 2.3 + 0.01 * i as f64).collect(), vec![2.3], vec![], vec![0.0; 100]]
        {
            let found = found(losses.into_iter());
            assert_eq!((found.suggestion(), found.steepest), (None, None));
            assert!(found.svg().starts_with("<svg"));
        }
    }

    #[test]
    fn suggestions_have_two_digits() {
        assert_eq!([0.0031622, 1.96e-5, 0.999, 4.0].map(two_digits), [0.0032, 2e-5, 1.0, 4.0]);
    }
}
