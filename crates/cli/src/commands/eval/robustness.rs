//! What is measured on corrupted and attacked images.

use crate::args::Eval;
use crate::output::{Failure, count_of, note, quoted, say, shown_path, thousands};
use crate::progress::passes_bar;
use crate::table::Table;
use serde_json::Value;
use std::fs;
use std::path::Path;
use striate::model::{Model, Predictor};
use striate::report::Number;
use striate::report::robustness::{
    AttackOptions, Attacks, Robustness, RobustnessOptions, attack_cost, attacks, robustness, robustness_cost,
};
use striate::train::{HeldOut, TrainError};

/// What was asked for.
pub struct Measured {
    corrupted: Option<Robustness>,
    attacked: Option<Attacks>,
}

/// Makes the folder of examples, if there is something to show.
pub fn check(args: &Eval) -> Result<(), Failure> {
    let Some(folder) = &args.robustness.robustness_examples else { return Ok(()) };
    if !args.robustness.robustness && args.robustness.attack.is_empty() {
        return Err("--robustness-examples shows what --robustness and --attack measure: add one of them".into());
    }
    fs::create_dir_all(folder).map_err(|e| format!("{}: cannot make the folder: {e}", shown_path(folder)).into())
}

pub fn measure(args: &Eval, file: &Path, model: &Predictor, held_out: &HeldOut) -> Result<Measured, Failure> {
    let asked = &args.robustness;
    let images = asked.robustness_images as usize;
    let mut measured = Measured { corrupted: None, attacked: None };
    if asked.robustness {
        let options = RobustnessOptions { images, ..RobustnessOptions::default() };
        let cost = robustness_cost(model, held_out, &options).map_err(crate::advice::failure)?;
        announce("corruptions", cost.images, cost.forward_passes, "forward passes", cost.seconds);
        let run = |progress: &mut dyn FnMut(usize, usize)| robustness(model, held_out, &options, progress);
        measured.corrupted = Some(with_bar(args.json, run).map_err(|e: TrainError| crate::advice::failure(e))?);
    }
    if !asked.attack.is_empty() {
        let options = AttackOptions {
            attacks: asked.attack.clone(),
            epsilons: asked.epsilon.clone(),
            steps: asked.attack_steps as usize,
            step_size: asked.attack_step_size,
            images,
            ..AttackOptions::default()
        };
        let network = Model::load(file)?.network;
        let cost = attack_cost(model, &*network, held_out, &options)?;
        announce("attacks", cost.images, cost.gradient_passes, "passes forwards and backwards", cost.seconds);
        let run = |progress: &mut dyn FnMut(usize, usize)| attacks(model, &*network, held_out, &options, progress);
        measured.attacked = Some(with_bar(args.json, run)?);
    }
    if let Some(folder) = &asked.robustness_examples {
        measured.write_examples(folder)?;
    }
    Ok(measured)
}

/// What it costs, before it starts.
fn announce(what: &str, images: usize, passes: usize, of: &str, seconds: f64) {
    let time = match seconds {
        s if s < 1.0 => "less than a second".into(),
        s if s < 120.0 => format!("about {s:.0} s"),
        s => format!("about {:.0} min", s / 60.0),
    };
    note(&format!("{what}: {}, {} {of}, {time}", count_of(images, "image"), thousands(passes)));
}

fn with_bar<T>(quiet: bool, run: impl FnOnce(&mut dyn FnMut(usize, usize)) -> T) -> T {
    let mut bar = None;
    let done = run(&mut |done, total| {
        if !quiet {
            bar.get_or_insert_with(|| passes_bar(total)).set_position(done as u64);
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    done
}

fn formatted(x: Option<f64>, is_fraction: bool) -> String {
    match x {
        None => "–".into(),
        Some(x) if is_fraction => format!("{:.1}%", 100.0 * x),
        Some(x) => format!("{x:.4}"),
    }
}

fn value(number: &Number) -> String {
    formatted(number.value, number.name != "mae")
}

fn interval(number: &Number) -> String {
    let end = |x: f64| formatted(Some(x), number.name != "mae");
    number.interval_95.map_or(String::new(), |[low, high]| format!(" (95% interval: {} to {})", end(low), end(high)))
}

fn title(name: &str) -> &str {
    match name {
        "mae" => "MAE",
        "mean_average_precision" => "mAP",
        "map" => "mAP@[.5:.95]",
        "mean_iou" => "mean IoU",
        other => other,
    }
}

impl Measured {
    /// What was measured on corrupted images, and under attack.
    pub fn into_parts(self) -> (Option<Robustness>, Option<Attacks>) {
        (self.corrupted, self.attacked)
    }

    /// Adds what was measured to a JSON object.
    pub fn add_to(&self, value: &mut Value) -> Result<(), Failure> {
        if let Some(corrupted) = &self.corrupted {
            value["robustness"] = serde_json::to_value(corrupted)?;
        }
        if let Some(attacked) = &self.attacked {
            value["attacks"] = serde_json::to_value(attacked)?;
        }
        Ok(())
    }

    pub fn print(&self) -> Result<(), Failure> {
        self.corrupted.as_ref().map_or(Ok(()), corruptions)?;
        self.attacked.as_ref().map_or(Ok(()), attacked)
    }

    fn write_examples(&self, folder: &Path) -> Result<(), Failure> {
        let write = |name: String, png: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, png).map_err(|e| format!("{}: cannot write it: {e}", shown_path(&path)))
        };
        for example in self.corrupted.iter().flat_map(|corrupted| &corrupted.examples) {
            let name = example.corruption.map_or("clean".into(), |c| format!("{} {}", c.name(), example.strength));
            write(name.replace(' ', "-") + ".png", &example.png)?;
        }
        for (i, example) in self.attacked.iter().flat_map(|attacked| &attacked.examples).enumerate() {
            let name = format!("{}-{}-{i}", example.attack.name(), example.epsilon);
            let parts =
                [("original", &example.original), ("attacked", &example.attacked), ("added", &example.difference)];
            parts.into_iter().try_for_each(|(part, png)| write(format!("{name}-{part}.png"), png))?;
        }
        note(&format!("examples are in {}", quoted(folder)));
        Ok(())
    }
}

fn corruptions(results: &Robustness) -> Result<(), Failure> {
    let metric = title(&results.main_metric);
    say(format_args!(
        "\nOn corrupted images ({}): clean {metric} {}{}",
        count_of(results.images, "image"),
        value(&results.clean),
        interval(&results.clean)
    ))?;
    let mut table = Table::new(&["corruption", "1", "2", "3", "4", "5", "mean error", "increase"]);
    let is_fraction = results.main_metric != "mae";
    for result in &results.corruptions {
        let mut row = vec![result.corruption.name().to_string()];
        row.extend(result.strengths.iter().map(|strength| value(&strength.metric)));
        row.extend([result.mean_error, result.error_increase].map(|error| formatted(error, is_fraction)));
        table.row(row);
    }
    say(format_args!("\n{table}"))?;
    let relative = results.relative_corruption_error.map_or("–".into(), |x| format!("{x:.2}"));
    say(format_args!(
        "Mean corruption error: {}, clean error: {}, increase: {}, relative to the clean error: {relative}",
        formatted(results.mean_corruption_error, is_fraction),
        formatted(results.clean_error, is_fraction),
        formatted(results.mean_error_increase, is_fraction),
    ))
}

fn attacked(results: &Attacks) -> Result<(), Failure> {
    let metric = title(&results.main_metric);
    say(format_args!(
        "\nUnder attack ({}): clean {metric} {}{}",
        count_of(results.images, "image"),
        value(&results.clean),
        interval(&results.clean)
    ))?;
    let mut table = Table::new(&["attack", "epsilon", "steps", "step size", metric, "95% interval", "no gradient"]);
    for result in &results.attacks {
        let end = |x: f64| formatted(Some(x), results.main_metric != "mae");
        table.row(vec![
            result.attack.name().into(),
            format!("{}/255", result.epsilon),
            result.steps.to_string(),
            format!("{:.3}/255", result.step_size),
            value(&result.metric),
            result.metric.interval_95.map_or("–".into(), |[low, high]| format!("{} to {}", end(low), end(high))),
            thousands(result.without_gradient),
        ]);
    }
    say(format_args!("\n{table}"))?;
    let masked = results.attacks.iter().map(|result| result.without_gradient).max().unwrap_or(0);
    if masked > 0 {
        note(&format!(
            "the loss of {} has no gradient, for the model is too sure of it: that is no robustness, another attack would find a direction",
            count_of(masked, "image")
        ));
    }
    Ok(())
}
