//! Learning rates over 50 steps. PyTorch multiplies them on from step to step, so the last digits differ.

use super::fixtures::{Case, for_each_case};
use striate::nn::schedule::{Anneal, Mode, OneCycle, ReduceOnPlateau, Schedule, ThresholdMode};

fn number(case: &Case, arg: &str) -> f64 {
    case.float(arg).unwrap_or_else(|| panic!("{}: no number {arg}", case.name))
}

fn schedule(case: &Case) -> Schedule {
    let number = |arg| number(case, arg);
    let int = |arg| case.int(arg) as u64;
    let warm = Schedule::Linear { start_factor: 0.1, end_factor: 1.0, total_iters: 10 };
    match case.name.as_str() {
        "sequential_cosine" => warm.then(10, Schedule::Cosine { t_max: 40, eta_min: 0.0 }),
        "sequential_three" => Schedule::Sequential {
            schedules: vec![warm, Schedule::Exponential { gamma: 0.9 }, Schedule::Step { step_size: 5, gamma: 0.2 }],
            milestones: vec![10, 30],
        },
        "chained" => Schedule::Chained(vec![
            warm,
            Schedule::Exponential { gamma: 0.95 },
            Schedule::MultiStep { milestones: vec![25], gamma: 0.1 },
        ]),
        _ => match case.op.as_str() {
            "constant" => Schedule::Constant { factor: number("factor"), total_iters: int("total_iters") },
            "step" => Schedule::Step { step_size: int("step_size"), gamma: number("gamma") },
            "multistep" => {
                let milestones = case.ints("milestones").into_iter().map(|m| m as u64).collect();
                Schedule::MultiStep { milestones, gamma: number("gamma") }
            }
            "exponential" => Schedule::Exponential { gamma: number("gamma") },
            "cosine" => Schedule::Cosine { t_max: int("t_max"), eta_min: number("eta_min") },
            "restarts" => {
                Schedule::CosineRestarts { t_0: int("t_0"), t_mult: int("t_mult"), eta_min: number("eta_min") }
            }
            "linear" => Schedule::Linear {
                start_factor: number("start_factor"),
                end_factor: number("end_factor"),
                total_iters: int("total_iters"),
            },
            "polynomial" => Schedule::Polynomial { total_iters: int("total_iters"), power: number("power") },
            "onecycle" => {
                let mut cycle = OneCycle::new(int("total_steps"));
                cycle.pct_start = case.float("pct_start").unwrap_or(cycle.pct_start);
                cycle.div_factor = case.float("div_factor").unwrap_or(cycle.div_factor);
                cycle.final_div_factor = case.float("final_div_factor").unwrap_or(cycle.final_div_factor);
                cycle.three_phase = case.flag("three_phase", false);
                if case.text("anneal") == Some("linear") {
                    cycle.anneal = Anneal::Linear;
                }
                Schedule::OneCycle(cycle)
            }
            other => panic!("no such schedule: {other}"),
        },
    }
}

fn plateau(case: &Case) -> Vec<f64> {
    let mut plateau = ReduceOnPlateau::new().patience(case.int("patience") as u64);
    plateau.factor = case.float("factor").unwrap_or(plateau.factor);
    plateau.threshold = case.float("threshold").unwrap_or(plateau.threshold);
    plateau.min_lr = case.float("min_lr").unwrap_or(plateau.min_lr);
    if case.has("cooldown") {
        plateau.cooldown = case.int("cooldown") as u64;
    }
    if case.text("mode") == Some("max") {
        plateau.mode = Mode::Max;
    }
    if case.text("threshold_mode") == Some("abs") {
        plateau.threshold_mode = ThresholdMode::Abs;
    }
    let mut lr = number(case, "base");
    let step = |metric| {
        let next = plateau.step(metric, lr);
        std::mem::replace(&mut lr, next)
    };
    case.floats("metrics").expect("metrics").into_iter().map(step).collect()
}

#[test]
fn schedules() {
    for_each_case("schedules", |case| {
        let want = case.floats("lrs").expect("learning rates");
        let got = if case.op == "plateau" {
            plateau(case)
        } else {
            let (schedule, base) = (schedule(case), number(case, "base"));
            (0..want.len() as u64).map(|step| schedule.lr(base, step)).collect()
        };
        let near = |(g, w): (&f64, &f64)| (g - w).abs() <= 1e-12 * number(case, "base") + 1e-9 * w.abs();
        match got.iter().zip(&want).position(|pair| !near(pair)) {
            Some(at) => Err(format!("{}: step {at}: {}, PyTorch has {}", case.name, got[at], want[at])),
            None => Ok(()),
        }
    });
}
