//! The learning rate over a run, from a line of text.

use serde::{Deserialize, Serialize};
use striate_nn::schedule::{OneCycle, PlateauState};
use striate_nn::{ReduceOnPlateau, Schedule};

/// How a schedule is written: for `--help` and for messages.
pub const SCHEDULE_FORMS: &str = "constant, cosine [MIN_LR], onecycle [PCT_START], polynomial [POWER], step EPOCHS [FACTOR], \
                                  multistep EPOCH... [FACTOR], exponential FACTOR, restarts EPOCHS [TIMES], plateau [EPOCHS] [FACTOR]; \
                                  before any but onecycle: warmup STEPS,";

/// A schedule as it is written, such as `warmup 100, cosine`. Falls by epochs are counted from the run's start, whatever the warm-up;
/// curves over the whole run begin after it.
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulePlan {
    warmup: u64,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Constant,
    Cosine { min_lr: f64 },
    OneCycle { pct_start: f64 },
    Polynomial { power: f64 },
    Step { epochs: u64, gamma: f64 },
    MultiStep { epochs: Vec<u64>, gamma: f64 },
    Exponential { gamma: f64 },
    Restarts { epochs: u64, times: u64 },
    Plateau { patience: u64, factor: f64 },
}

/// PyTorch's default factor of a fall.
const FALL: f64 = 0.1;

fn count(word: &str) -> Result<u64, String> {
    match word.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(format!("'{word}' is not a whole number from 1")),
    }
}

/// A number within `range`, which is described by `need`.
fn number(word: &str, range: impl Fn(f64) -> bool, need: &str) -> Result<f64, String> {
    match word.parse() {
        Ok(x) if range(x) => Ok(x),
        _ => Err(format!("'{word}' is not {need}")),
    }
}

fn factor(word: &str) -> Result<f64, String> {
    number(word, |x| x > 0.0 && x < 1.0, "a factor between 0 and 1")
}

impl SchedulePlan {
    /// Reads a schedule; an error says in one line what is wrong and what could be written.
    pub fn parse(text: &str) -> Result<SchedulePlan, String> {
        read(text).map_err(|reason| format!("{reason}; a schedule is one of: {SCHEDULE_FORMS}"))
    }

    /// The learning rate as a function of the step, for a run of `epochs` epochs of `per_epoch` steps.
    fn schedule(&self, epochs: u64, per_epoch: u64) -> Schedule {
        let per_epoch = per_epoch.max(1);
        let rest = (epochs * per_epoch).saturating_sub(self.warmup).max(1);
        let over_the_rest = |schedule| Schedule::warmup(self.warmup).then(self.warmup, schedule);
        let from_the_start = |schedule| Schedule::Chained(vec![Schedule::warmup(self.warmup), schedule]);
        match &self.shape {
            Shape::Constant | Shape::Plateau { .. } => Schedule::warmup(self.warmup),
            Shape::Cosine { min_lr } => over_the_rest(Schedule::Cosine { t_max: rest, eta_min: *min_lr }),
            Shape::Polynomial { power } => over_the_rest(Schedule::Polynomial { total_iters: rest, power: *power }),
            Shape::Restarts { epochs, times } => {
                let t_0 = epochs.saturating_mul(per_epoch);
                over_the_rest(Schedule::CosineRestarts { t_0, t_mult: *times, eta_min: 0.0 })
            }
            Shape::OneCycle { pct_start } => {
                Schedule::OneCycle(OneCycle { pct_start: *pct_start, ..OneCycle::new(rest) })
            }
            Shape::Step { epochs, gamma } => {
                let step_size = epochs.saturating_mul(per_epoch);
                from_the_start(Schedule::Step { step_size, gamma: *gamma })
            }
            Shape::MultiStep { epochs, gamma } => {
                let milestones = epochs.iter().map(|e| e.saturating_mul(per_epoch)).collect();
                from_the_start(Schedule::MultiStep { milestones, gamma: *gamma })
            }
            Shape::Exponential { gamma } => from_the_start(Schedule::Step { step_size: per_epoch, gamma: *gamma }),
        }
    }

    /// Whether its curve is laid out over all epochs of a run, so that more epochs would change those before.
    pub fn spans_the_run(&self) -> bool {
        matches!(self.shape, Shape::Cosine { .. } | Shape::OneCycle { .. } | Shape::Polynomial { .. })
    }

    fn plateau(&self) -> Option<ReduceOnPlateau> {
        match self.shape {
            Shape::Plateau { patience, factor } => Some(ReduceOnPlateau::new().patience(patience).factor(factor)),
            _ => None,
        }
    }
}

fn read(text: &str) -> Result<SchedulePlan, String> {
    let mut parts: Vec<Vec<&str>> = text.split(',').map(|part| part.split_whitespace().collect()).collect();
    let mut warmup = 0;
    if parts[0].first() == Some(&"warmup") {
        let [_, steps] = parts[0][..] else { return Err("warmup takes a number of steps".into()) };
        warmup = count(steps)?;
        parts.remove(0);
        if parts.is_empty() {
            parts.push(vec!["constant"]);
        }
    }
    let [words] = &parts[..] else { return Err("only warmup can come before another schedule".into()) };
    let Some((&name, args)) = words.split_first() else { return Err("there is no schedule".into()) };
    let shape = match (name, args) {
        ("constant", []) => Shape::Constant,
        ("cosine", []) => Shape::Cosine { min_lr: 0.0 },
        ("cosine", [min]) => Shape::Cosine { min_lr: number(min, |x| x >= 0.0 && x.is_finite(), "a learning rate")? },
        ("onecycle", _) if warmup > 0 => return Err("onecycle warms up by itself".into()),
        ("onecycle", []) => Shape::OneCycle { pct_start: 0.3 },
        ("onecycle", [fraction]) => Shape::OneCycle { pct_start: factor(fraction)? },
        ("polynomial", []) => Shape::Polynomial { power: 1.0 },
        ("polynomial", [power]) => {
            Shape::Polynomial { power: number(power, |x| x > 0.0 && x.is_finite(), "a positive power")? }
        }
        ("step", [epochs]) => Shape::Step { epochs: count(epochs)?, gamma: FALL },
        ("step", [epochs, gamma]) => Shape::Step { epochs: count(epochs)?, gamma: factor(gamma)? },
        ("multistep", [.., last]) => {
            let (epochs, gamma) = match factor(last) {
                Ok(gamma) => (&args[..args.len() - 1], gamma),
                Err(_) => (args, FALL),
            };
            let epochs: Vec<u64> = epochs.iter().map(|e| count(e)).collect::<Result<_, _>>()?;
            if epochs.is_empty() || !epochs.is_sorted() {
                return Err("multistep takes epochs in their order".into());
            }
            Shape::MultiStep { epochs, gamma }
        }
        ("exponential", [gamma]) => Shape::Exponential { gamma: factor(gamma)? },
        ("restarts", [epochs]) => Shape::Restarts { epochs: count(epochs)?, times: 1 },
        ("restarts", [epochs, times]) => Shape::Restarts { epochs: count(epochs)?, times: count(times)? },
        ("plateau", []) => Shape::Plateau { patience: 10, factor: FALL },
        ("plateau", [patience]) => Shape::Plateau { patience: count(patience)?, factor: FALL },
        ("plateau", [patience, by]) => Shape::Plateau { patience: count(patience)?, factor: factor(by)? },
        ("warmup", _) => return Err("warmup comes once, and first".into()),
        (
            "constant" | "cosine" | "onecycle" | "polynomial" | "step" | "multistep" | "exponential" | "restarts"
            | "plateau",
            _,
        ) => return Err(format!("{name} does not take {} numbers", args.len())),
        _ => return Err(format!("there is no schedule '{name}'")),
    };
    Ok(SchedulePlan { warmup, shape })
}

/// What a learning rate that falls on a plateau has come to: the only part of a schedule that the step's number does not tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlateauPosition {
    /// The learning rate.
    pub lr: f64,
    /// The best loss so far on samples held out.
    pub best: Option<f64>,
    /// Epochs since then.
    pub bad_epochs: u64,
}

/// The learning rate over a run.
#[derive(Clone, Debug)]
pub struct LearningRate {
    first: u64,
    base: f64,
    schedule: Schedule,
    plateau: Option<ReduceOnPlateau>,
}

impl LearningRate {
    /// That of a run of `epochs` epochs of `per_epoch` steps, which stands at `position` if it falls on a plateau.
    pub fn new(
        plan: &SchedulePlan,
        base: f64,
        epochs: usize,
        per_epoch: usize,
        position: Option<&PlateauPosition>,
    ) -> Self {
        let schedule = plan.schedule(epochs as u64, per_epoch as u64);
        let mut rate = LearningRate { first: 0, base, schedule, plateau: plan.plateau() };
        if let (Some(plateau), Some(p)) = (&mut rate.plateau, position) {
            rate.base = p.lr;
            plateau.state = PlateauState { best: p.best, num_bad_epochs: p.bad_epochs, cooldown_counter: 0 };
        }
        rate
    }

    /// Beginning at step `first` instead of 0.
    pub fn starting_at(self, first: u64) -> Self {
        LearningRate { first, ..self }
    }

    /// The learning rate of a step, which counts from 0.
    pub fn at(&self, step: u64) -> f64 {
        self.schedule.lr(self.base, step.saturating_sub(self.first))
    }

    /// Takes in the loss on samples held out after an epoch, and says where a plateau has brought the learning rate to.
    pub fn measured(&mut self, loss: f64) -> Option<PlateauPosition> {
        let plateau = self.plateau.as_mut()?;
        self.base = plateau.step(loss, self.base);
        let state = plateau.state;
        Some(PlateauPosition { lr: self.base, best: state.best, bad_epochs: state.num_bad_epochs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lrs(text: &str) -> Vec<f64> {
        let rate = LearningRate::new(&SchedulePlan::parse(text).unwrap(), 1.0, 4, 5, None);
        (0..20).map(|step| rate.at(step)).collect()
    }

    #[test]
    fn schedules_reach_over_the_run() {
        assert_eq!(lrs("constant"), vec![1.0; 20]);
        let step = lrs("step 2 0.5");
        assert_eq!((step[9], step[10]), (1.0, 0.5));
        let multi = lrs("multistep 1 3");
        assert!((multi[4], multi[5]) == (1.0, 0.1) && (multi[15] - 0.01).abs() < 1e-12);
        let exponential = lrs("exponential 0.5");
        assert_eq!((exponential[4], exponential[5], exponential[19]), (1.0, 0.5, 0.125));
        let cosine = lrs("cosine 0.2");
        assert!(cosine[0] == 1.0 && cosine.is_sorted_by(|a, b| a > b) && cosine[19] > 0.2 && cosine[19] < 0.21);
        let warm = lrs("warmup 4, cosine");
        assert_eq!(warm[..5], [0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert!((warm[12] - 0.5).abs() < 1e-12);
        let both = lrs("warmup 3,step 1 0.1");
        assert_eq!(both[..5], [0.25, 0.5, 0.75, 1.0, 1.0]);
        assert!((both[5] - 0.1).abs() < 1e-12);
        assert_eq!(lrs("restarts 1")[5], 1.0);
        assert_eq!(lrs("polynomial")[5], 0.75);
        assert!(lrs("onecycle 0.25")[4] == 1.0 && lrs("onecycle")[19] < 1e-5);
    }

    #[test]
    fn a_plateau_goes_on_where_it_was() {
        let plan = SchedulePlan::parse("plateau 1 0.5").unwrap();
        let mut rate = LearningRate::new(&plan, 0.1, 9, 5, None);
        let mut positions = Vec::new();
        for loss in [1.0, 2.0, 2.0] {
            positions.push(rate.measured(loss).unwrap());
        }
        assert_eq!(rate.at(0), 0.05);
        let mut resumed = LearningRate::new(&plan, 0.1, 9, 5, Some(&positions[1]));
        assert_eq!(resumed.at(0), 0.1);
        assert_eq!(resumed.measured(2.0).as_ref(), Some(&positions[2]));
    }

    #[test]
    fn what_is_no_schedule_is_answered_with_what_is_one() {
        for (text, reason) in [
            ("cosin", "there is no schedule 'cosin'"),
            ("", "there is no schedule"),
            ("warmup, cosine", "warmup takes a number of steps"),
            ("warmup -3, cosine", "'-3' is not a whole number from 1"),
            ("cosine, step 2", "only warmup can come before another schedule"),
            ("warmup 3, onecycle", "onecycle warms up by itself"),
            ("step", "step does not take 0 numbers"),
            ("step 2 3", "'3' is not a factor between 0 and 1"),
            ("multistep 3 2", "multistep takes epochs in their order"),
            ("multistep 0.1", "multistep takes epochs in their order"),
            ("exponential nan", "'nan' is not a factor between 0 and 1"),
        ] {
            let got = SchedulePlan::parse(text).unwrap_err();
            assert!(got.starts_with(reason) && got.contains("multistep EPOCH..."), "{text}: {got}");
        }
    }
}
