//! Trainings that were stopped or killed go on to the same bits, whatever their settings.

use crate::common::{config, patches, stop_after, train};
use crate::trainer::{loaders, network};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;
use striate_tensor::DType;
use striate_train::{
    Callback, Classification, Config, Context, FineTuneConfig, FineTuneMode, ImageConfig, OptimizerKind, Outcome,
    Session, Trainer,
};

/// What must be the same of two runs. Model files hold the settings besides the weights.
fn bits(run: &Path) -> [Vec<u8>; 3] {
    ["model.safetensors", "last.safetensors", "metrics.csv"].map(|name| fs::read(run.join(name)).unwrap())
}

/// Trains with these settings without a break; then stopped in the middle of its first epoch, at an end of one, and in the middle of the third, each time also as
/// if it had been killed later.
fn goes_on_to_the_same_bits(name: &str, dir: &Path, config: &Config) {
    let (whole, run) = (dir.join(format!("{name}-whole")), dir.join(name));
    train(config.clone(), &whole);
    let whole = bits(&whole);
    let checkpoint = run.join("checkpoint.safetensors");
    let mut earlier = Vec::new();
    for steps in [1, 2, 4] {
        let session = match earlier.is_empty() {
            true => Session::start(config.clone(), Some(&run)).unwrap(),
            false => Session::resume(&run).unwrap(),
        };
        assert!(stop_after(steps, session), "{name}: the training ended too early to be stopped");
        earlier.push(fs::read(&checkpoint).unwrap());
    }
    let end = || Session::resume(&run).unwrap().run(&mut ()).unwrap();
    assert!(matches!(end(), Outcome::Finished { .. }));
    assert!(bits(&run) == whole, "{name}: stopped");
    // A killed run has files that are newer than its checkpoint.
    for (i, checkpointed) in earlier.into_iter().enumerate() {
        fs::write(&checkpoint, checkpointed).unwrap();
        end();
        assert!(bits(&run) == whole, "{name}: killed after stop {i}");
    }
}

#[test]
fn every_optimizer_goes_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("patches");
    patches(&data, 10);
    for optimizer in OptimizerKind::ALL {
        let config = config(&data).optimizer(optimizer).weight_decay(0.01);
        goes_on_to_the_same_bits(optimizer.name(), dir.path(), &config);
    }
}

#[test]
fn every_setting_goes_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let data = d.join("patches");
    patches(&data, 10);
    train(config(&data).epochs(1), &d.join("start"));
    let start = d.join("start/model.safetensors").to_str().unwrap().to_string();
    let mixed = |off| ImageConfig::default().augment("flip, mixup 0.4, cutmix 1").mix_off_epochs(off);
    let gradual = FineTuneConfig::default().from(&*start).mode(FineTuneMode::Gradual).head_epochs(2usize);
    let (few, many) = (config(&data), config(&data).epochs(9));
    for (name, config) in [
        // Ends in the fifth epoch at the latest: no epoch is better by so much.
        ("patience", many.clone().patience(3usize).min_delta(0.9)),
        ("patience-loss", many.clone().patience(2usize).min_delta(0.05).monitor("loss")),
        ("time-budget", few.clone().time_budget(3600.0)),
        ("mix-off", few.clone().images(mixed(2))),
        ("never-mixed", few.clone().images(mixed(4))),
        ("lr-scales", few.clone().lr_scales("0.* 0.1, 5.* 2").schedule("cosine")),
        ("restarts", many.clone().epochs(6).schedule("warmup 2, restarts 1 2")),
        ("plateau", many.clone().schedule("plateau 1 0.5")),
        ("gradual", few.clone().finetune(gradual.clone())),
        ("gradual-patience", many.clone().finetune(gradual.head_epochs(3usize)).patience(2usize).schedule("onecycle")),
        ("average", few.clone().ema(0.9).accumulate(2usize).clip_norm(0.5).epoch_fraction(0.8)),
    ] {
        goes_on_to_the_same_bits(name, d, &config);
    }
}

#[test]
fn mixing_that_is_off_in_all_epochs_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let data = d.join("patches");
    patches(&data, 10);
    let run = |name: &str, augment: &str, off: usize| {
        let images = ImageConfig::default().augment(augment).mix_off_epochs(off);
        train(config(&data).images(images), &d.join(name));
        let csv = fs::read_to_string(d.join(name).join("metrics.csv")).unwrap();
        let weights = striate_formats::safetensors::read(&d.join(name).join("last.safetensors")).unwrap().tensors;
        (csv, weights.into_iter().map(|(_, t)| t.to_dtype(DType::F32).to_vec::<f32>()).collect::<Vec<_>>())
    };
    let plain = run("plain", "flip", 0);
    assert!(run("off", "flip, mixup 0.4, cutmix 1", 4) == plain);
    assert!(run("on", "flip, mixup 0.4, cutmix 1", 0).1 != plain.1);
    assert!(run("half", "flip, mixup 0.4, cutmix 1", 2).1 != plain.1);
}

/// Takes a while over each step, and stops after this many.
struct Slow<'a>(u64, &'a AtomicBool, &'a Cell<u64>);

impl<N> Callback<N> for Slow<'_> {
    fn after_step(&mut self, context: &mut Context<N>, _: f64) {
        sleep(Duration::from_millis(120));
        self.2.set(context.state.steps);
        self.1.store(context.state.steps == self.0, Ordering::Relaxed);
    }
}

#[test]
fn a_time_budget_counts_the_time_before_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let (train, held_out) = loaders();
    let steps = Cell::new(0);
    for stop_after in [1, 0] {
        let (mut net, stop) = (network(), AtomicBool::new(false));
        let trainer = Trainer::new(&mut net, Classification::new(3)).run_dir(dir.path()).resume(true);
        let trainer = trainer.time_budget(Duration::from_millis(200)).stop(&stop);
        trainer.callback(Slow(stop_after, &stop, &steps)).fit(&train, &held_out).unwrap();
    }
    // Two steps take more than the budget, and each process alone has time for two.
    assert!(steps.get() <= 2, "{} steps", steps.get());
}
