//! Several runs: k-fold cross-validation and sweeps.

use crate::common::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use striate::train::{
    Config, Event, Layers, RunsOutcome, Sink, cross_validate, resume_cross_validation, resume_sweep, sweep,
};

/// Folders of three classes of images: grey patches of other brightness, `per_class` of each, with noise.
pub fn patches(d: &Path, per_class: usize) {
    let mut state = 3u32;
    let mut noise = move || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 24) as u8 / 6
    };
    for (class, level) in [("dark", 20), ("middle", 110), ("bright", 200)] {
        let dir = d.join("patches").join(class);
        fs::create_dir_all(&dir).unwrap();
        for i in 0..per_class {
            let pixels: Vec<u8> = (0..144).map(|_| level + noise()).collect();
            fs::write(dir.join(format!("{i}.pgm")), [&b"P5 12 12 255\n"[..], &pixels].concat()).unwrap();
        }
    }
}

pub const NET: &str = "conv 6 3, batchnorm, relu, globalavgpool, linear";

fn predictions(file: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| line.split(',').map(String::from).collect()).collect()
}

#[test]
fn each_image_is_held_out_once() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    patches(d, 10);
    let settings = ["--model", NET, "--epochs", "12", "--batch-size", "8", "--lr", "0.02", "--augment", "none"];
    let said = succeed(d, &[&["train", "patches", "--folds", "3", "--out", "cv"][..], &settings].concat());
    assert!(said.contains("Over 3 folds: accuracy ") && said.contains(" ± ") && said.contains("fold 3"), "{said}");
    let rows = predictions(&d.join("cv/predictions.csv"));
    assert_eq!(rows[0][..4], ["image", "fold", "target", "answer"]);
    let mut held_out: BTreeMap<&str, &str> = BTreeMap::new();
    for row in &rows[1..] {
        assert!(held_out.insert(&row[0], &row[1]).is_none(), "{} is held out twice", row[0]);
        assert!(row[0].starts_with(&row[2]), "{row:?}: the class is the folder");
        let sum: f64 = row[4..].iter().map(|p| p.parse::<f64>().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5);
    }
    assert_eq!(held_out.len(), 30);
    for fold in ["1", "2", "3"] {
        assert_eq!(held_out.values().filter(|f| **f == fold).count(), 10, "folds are of one size");
    }
    // All have the settings of the first, also what it was told to leave out.
    let settings_of = |fold: &str| {
        let text = fs::read_to_string(d.join(format!("cv/fold-{fold}/config.toml"))).unwrap();
        text.lines().filter(|line| !line.starts_with("fold = ")).map(String::from).collect::<Vec<_>>()
    };
    assert!(settings_of("2").iter().any(|line| line == "augment = \"none\""), "{:?}", settings_of("2"));
    assert_eq!((settings_of("2"), settings_of("3")), (settings_of("1"), settings_of("1")));
    let right = rows[1..].iter().filter(|row| row[2] == row[3]).count();
    let all: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(d.join("cv/cross-validation.json")).unwrap()).unwrap();
    let accuracy = all["metrics"].as_array().unwrap().iter().find(|m| m["name"] == "accuracy").unwrap();
    assert!((accuracy["value"].as_f64().unwrap() - right as f64 / 30.0).abs() < 1e-9, "{accuracy}");
    // Built-in and idx data have folds, too, and the test images are left alone.
    idx_dir(d, 60, 20, 28);
    let idx = ["train", "squares", "--model", "flatten, linear", "--epochs", "1", "--folds", "2", "--out", "idx"];
    succeed(d, &idx);
    assert_eq!(predictions(&d.join("idx/predictions.csv")).len(), 61);
}

struct StopAfter<'a>(u32, &'a AtomicBool);

impl Sink for StopAfter<'_> {
    fn event(&mut self, event: &Event) {
        if let Event::Step { .. } = event {
            self.0 = self.0.saturating_sub(1);
            self.1.store(self.0 == 0, Ordering::Relaxed);
        }
    }
}

/// What a directory of runs holds that must be the same: models and tables, by their path.
pub fn bits(d: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![d.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if ["model.safetensors", "last.safetensors", "predictions.csv", "metrics.csv", "sweep.csv"]
                .contains(&name.as_str())
            {
                all.insert(path.strip_prefix(d).unwrap().to_path_buf(), fs::read(&path).unwrap());
            }
        }
    }
    all
}

#[test]
fn folds_that_were_stopped_go_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    patches(d, 8);
    let data = d.join("patches");
    let config = Config::default().data(data.to_str().unwrap()).model(NET).epochs(2).batch_size(6).ema(0.9);
    let asked = Layers::from(config.schedule("cosine"));
    let none = AtomicBool::new(false);
    let quiet = |_: usize, _: usize| {};
    let whole = d.join("whole");
    cross_validate(&asked, 2, Some(&whole), &quiet, &mut (), &none).unwrap().finished().unwrap();
    for steps in [1, 3, 5] {
        let path = d.join(format!("stopped-{steps}"));
        let stop = AtomicBool::new(false);
        let mut sink = StopAfter(steps, &stop);
        let stopped = cross_validate(&asked, 2, Some(&path), &quiet, &mut sink, &stop).unwrap();
        assert_eq!(stopped, RunsOutcome::Stopped { directory: path.clone() });
        assert!(resume_cross_validation(&path, &quiet, &mut (), &none).unwrap().finished().is_some());
        assert!(bits(&path) == bits(&whole), "stopped after {steps}");
    }
}

const PLAN: &str = "\
data = \"patches\"
model = \"conv 4 3, batchnorm, relu, globalavgpool, linear\"
epochs = 4
batch_size = 8

[images]
augment = \"none\"

[sweep]
method = \"METHOD\"
runs = 4
metric = \"loss\"
[sweep.space]
lr = [0.05, 1e-6]
optimizer = [\"adam\", \"sgd\"]
";

#[test]
fn sweeps_rank_their_trials() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    patches(d, 10);
    fs::write(d.join("grid.toml"), PLAN.replace("METHOD", "grid")).unwrap();
    let said = succeed(d, &["sweep", "grid.toml", "--out", "grid"]);
    assert!(
        said.contains("Trial 4 of 4: lr ") && said.contains("All 4 trials") && said.contains("Best run: "),
        "{said}"
    );
    let rows = predictions(&d.join("grid/sweep.csv"));
    assert_eq!(rows[0], ["rank", "trial", "epochs", "lr", "optimizer", "loss", "failure"]);
    let losses: Vec<f64> = rows[1..].iter().map(|row| row[5].parse().unwrap()).collect();
    assert!(losses.is_sorted() && losses[0] < 0.9 * losses[3], "{rows:?}");
    assert_eq!(rows[1][3], "0.05");
    assert!(fs::read_to_string(d.join("grid/sweep.svg")).unwrap().starts_with("<svg"));
    let best = said.lines().find_map(|line| line.strip_prefix("Best run: ")).unwrap();
    succeed(d, &["eval", best]);
    // A trial whose numbers are infinite is ranked last, with the reason.
    let wild = PLAN.replace("METHOD", "grid").replace("1e-6", "1e30");
    fs::write(d.join("wild.toml"), wild).unwrap();
    let swept: serde_json::Value =
        serde_json::from_str(&succeed(d, &["sweep", "wild.toml", "--out", "wild", "--json"])).unwrap();
    let trials = swept["trials"].as_array().unwrap();
    assert!(trials[0]["best"].is_object() && trials[3]["failure"].as_str().unwrap().contains("step"), "{swept}");
    fs::write(d.join("halving.toml"), PLAN.replace("METHOD", "halving").replace("runs = 4", "runs = 4\neta = 2"))
        .unwrap();
    succeed(d, &["sweep", "halving.toml", "--out", "halving", "--quiet"]);
    let rows = predictions(&d.join("halving/sweep.csv"));
    let epochs: Vec<&str> = rows[1..].iter().map(|row| row[2].as_str()).collect();
    assert_eq!(epochs, ["4", "2", "1", "1"]);
}

#[test]
fn sweeps_that_were_stopped_go_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    patches(d, 8);
    let plan = PLAN.replace("METHOD", "random").replace("\"patches\"", &format!("{:?}", d.join("patches")));
    fs::write(
        d.join("plan.toml"),
        plan.replace("1e-6]", "1e-6]\nweight_decay = { min = 1e-4, max = 0.1, log = true }"),
    )
    .unwrap();
    let (file, quiet, none) = (d.join("plan.toml"), |_: usize, _: usize| {}, AtomicBool::new(false));
    sweep(&file, Some(&d.join("whole")), &quiet, &mut (), &none).unwrap().finished().unwrap();
    for steps in [2, 13, 30] {
        let path = d.join(format!("stopped-{steps}"));
        let stop = AtomicBool::new(false);
        let mut sink = StopAfter(steps, &stop);
        let stopped = sweep(&file, Some(&path), &quiet, &mut sink, &stop).unwrap();
        assert_eq!(stopped, RunsOutcome::Stopped { directory: path.clone() });
        assert!(resume_sweep(&path, &quiet, &mut (), &none).unwrap().finished().is_some());
        assert!(bits(&path) == bits(&d.join("whole")), "stopped after {steps}");
    }
}

#[test]
fn mistakes_of_folds_and_sweeps_are_answered_in_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    patches(d, 2);
    fail(d, &["train", "patches", "--folds", "1"], 2, &["--folds"]);
    fail(d, &["train", "patches", "--folds", "50", "--out", "cv"], 1, &["50 folds", "there are 6"]);
    assert!(!d.join("cv").exists(), "a mistake leaves nothing behind");
    fail(d, &["sweep"], 2, &["FILE.toml"]);
    fail(d, &["sweep", "nowhere.toml"], 1, &["nowhere.toml"]);
    fs::write(d.join("bad.toml"), "data = \"patches\"\nepochz = 3\n[sweep.space]\nlr = [0.1]\n").unwrap();
    fail(d, &["sweep", "bad.toml", "--out", "s"], 1, &["bad.toml: line 2", "epochz", "did you mean epochs"]);
    fs::write(d.join("none.toml"), "data = \"nowhere\"\n[sweep.space]\nlr = [0.1]\n").unwrap();
    fail(d, &["sweep", "none.toml", "--out", "s"], 1, &["nowhere"]);
    assert!(!d.join("s").exists());
    fs::write(
        d.join("one.toml"),
        "data = \"patches\"\nmodel = \"flatten, linear\"\nepochs = 1\n[sweep.space]\nlr = [0.1]\n",
    )
    .unwrap();
    succeed(d, &["sweep", "one.toml", "--out", "s", "--quiet"]);
    fail(d, &["sweep", "one.toml", "--out", "s"], 1, &["s is not empty"]);
    fail(d, &["train", "--resume", "s"], 1, &["sweep --resume"]);
    succeed(d, &["sweep", "--resume", "s", "--quiet"]);
}

#[test]
fn mistakes_of_a_sweep_are_found_before_its_first_run() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    patches(d, 6);
    let plan = |more: &str| {
        let settings = "data = \"patches\"\nmodel = \"flatten, linear\"\nepochs = 1\n";
        fs::write(d.join("plan.toml"), format!("{settings}{more}")).unwrap();
    };
    // Line 6 of the file is that of the space.
    for (space, parts) in [
        ("lr = [0.1, -1.0]", &["line 6: [sweep.space] lr: -1 must be"][..]),
        ("batch_size = [8, 0]", &["line 6: [sweep.space] batch_size: 0 must be"]),
        ("lr = [\"fast\"]", &["line 6: [sweep.space] lr: ", "expected a number"]),
        ("optimizer = [\"adam\", \"adm\"]", &["line 6: [sweep.space] optimizer: unknown value `adm`"]),
        ("learning_rate = [0.1]", &["line 6: [sweep.space] names 'learning_rate', which is no setting"]),
        ("lr = 0.1", &["line 6: ", "expected a list of values or a range { min, max }"]),
        (
            "schedule = [\"cosin\"]",
            &["line 6: [sweep.space] schedule: 'cosin': there is no schedule", "cosine [MIN_LR]"],
        ),
        ("lr_scales = [\"conv1.*\"]", &["line 6: [sweep.space] lr_scales: conv1.* must be a pattern"]),
        (
            "\"images.augment\" = [\"flip\", \"flop\"]",
            &["line 6: [sweep.space] images.augment: 'flop'", "trivialaugment"],
        ),
        ("images.size = [8, 9999]", &["line 6: [sweep.space] images.size: 9999 must be from 1 to 4096"]),
        (
            "[sweep.space.images]\nsise = [8]",
            &["line 7: [sweep.space] names 'images.sise'", "did you mean size in [images]"],
        ),
        (
            "model = [\"lenet\", \"lennet\"]",
            &["line 6: [sweep.space] model: there is no network 'lennet': did you mean lenet"],
        ),
        ("model = [\"flatten, linar\"]", &["line 6: [sweep.space] model: ", "linar"]),
        ("weights = [\"nowhere.pth\"]", &["line 6: [sweep.space] weights: there is no ", "nowhere.pth"]),
        (
            "monitor = [\"loss\", \"acuracy\"]",
            &["line 6: [sweep.space] monitor: there is no metric 'acuracy'", "loss, accuracy"],
        ),
    ] {
        plan(&format!("[sweep]\n[sweep.space]\n{space}\n"));
        fail(d, &["sweep", "plan.toml", "--out", "s"], 1, &[&["plan.toml: "][..], parts].concat());
        assert!(!d.join("s").exists(), "{space}");
    }
    // Line 4 begins what comes after the settings.
    let lr = "[sweep.space]\nlr = [0.1]\n";
    for (more, parts) in [
        (
            "[sweep]\nmetric = \"acuracy\"\n",
            &["line 5: [sweep] metric: there is no metric 'acuracy'", "loss, accuracy"][..],
        ),
        // What is measured where another metric is monitored does not go by all scores.
        (
            "monitor = \"loss\"\n[sweep]\nmetric = \"roc_auc_macro\"\n",
            &["line 6: [sweep] metric: there is no metric 'roc_auc_macro'"],
        ),
        ("[sweep]\nmethod = \"random\"\nruns = 0\n", &["line 6: [sweep] runs is 0, it must be at least 1"]),
        ("[sweep]\neta = 1\n", &["line 5: [sweep] eta is 1, it must be at least 2"]),
        ("[sweep]\nmin_epochs = 0\n", &["line 5: [sweep] min_epochs is 0, it must be at least 1"]),
        ("lr = -1.0\nlabel_smoothing = 2.0\n", &["line 5: label_smoothing: 2 must be at least 0 and below 1"]),
        ("schedule = \"cosin\"\n", &["line 4: schedule: 'cosin': there is no schedule", "cosine [MIN_LR]"]),
        ("[images]\nsize = 0\n", &["line 5: images.size: 0 must be from 1 to 4096"]),
        ("folds = 2\n", &["line 4: folds: 2 cannot be used: one run holds one fold out"]),
        ("monitor = \"acuracy\"\n", &["line 4: monitor: there is no metric 'acuracy'", "loss, accuracy"]),
    ] {
        plan(&format!("{more}{lr}"));
        let line = fail(d, &["sweep", "plan.toml", "--out", "s"], 1, parts);
        assert!(line.starts_with(&format!("error: plan.toml: {}", parts[0])) && !line.contains("--monitor"), "{line}");
        assert!(!d.join("s").exists(), "{more}");
    }
    let settings = ["train", "patches", "--model", "flatten, linear", "--monitor", "acuracy", "--out", "run"];
    for folds in [&[][..], &["--folds", "2"]] {
        let bad = [&settings[..], folds].concat();
        fail(d, &bad, 1, &["--monitor: there is no metric 'acuracy': a classification run measures loss, accuracy"]);
        assert!(!d.join("run").exists(), "{folds:?}");
    }
    // Nor of the directory of all runs.
    for bad in [&settings[..6], &[&settings[..6], &["--folds", "2"]].concat(), &["sweep", "plan.toml"]] {
        fail(d, bad, 1, &["there is no metric 'acuracy'"]);
        assert!(!d.join("runs").exists(), "{bad:?}");
    }
}

/// Weights that say nothing of what they have seen, in `start.safetensors`, and others in `other.safetensors`.
fn start_weights(d: &Path) {
    let train = ["train", "patches", "--model", NET, "--epochs", "1", "--quiet", "--out"];
    for (seed, name) in [("1", "start"), ("2", "other")] {
        succeed(d, &[&train[..], &[name, "--seed", seed]].concat());
        let (model, file) = (format!("{name}/model.safetensors"), format!("{name}.safetensors"));
        succeed(d, &["export", &model, "--format", "safetensors", "--out", &file]);
    }
}

#[test]
fn a_sweep_goes_on_from_another_directory() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    patches(d, 6);
    start_weights(d);
    let elsewhere = d.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let net = format!("# All paths are relative.\nmodel = \"{NET}\"\nepochs = 1\n");
    let (start, both) = ("\"start.safetensors\"", "[\"start.safetensors\", \"other.safetensors\"]");
    let full = "[finetune]\nmode = \"full\"\n";
    for (name, more) in [
        ("weights", format!("data = \"patches\"\nweights = {start}\n[sweep.space]\nlr = [0.1, 0.01]\n")),
        ("data", format!("weights = {start}\n[sweep.space]\ndata = [\"patches\"]\nlr = [0.1, 0.01]\n")),
        ("all-weights", format!("data = \"patches\"\n[sweep.space]\nweights = {both}\n")),
        ("from", format!("data = \"patches\"\n{full}from = {start}\n[sweep.space]\nlr = [0.1, 0.01]\n")),
        ("all-from", format!("data = \"patches\"\n{full}[sweep.space]\n\"finetune.from\" = {both}\n")),
    ] {
        let (plan, out) = (format!("{name}.toml"), d.join(name));
        fs::write(d.join(&plan), format!("{net}{more}")).unwrap();
        succeed(d, &["sweep", &plan, "--out", name, "--quiet"]);
        let whole = bits(&out);
        assert_eq!(whole.len(), 7, "{name}: two trials, and the table");
        // As if it had been killed before its second trial began.
        fs::remove_dir_all(out.join("trial-002")).unwrap();
        fs::remove_file(out.join("sweep.csv")).unwrap();
        succeed(&elsewhere, &["sweep", "--resume", &format!("../{name}"), "--quiet"]);
        assert!(bits(&out) == whole, "{name}");
        let kept = fs::read_to_string(out.join("sweep.toml")).unwrap();
        assert!(kept.starts_with("# All paths are relative.\n") && !kept.contains("\"start."), "{kept}");
    }
}

#[test]
fn folds_may_be_asked_for_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    patches(d, 4);
    let settings = "data = \"patches\"\nmodel = \"flatten, linear\"\nepochs = 1\nfolds = 2\n";
    fs::write(d.join("folds.toml"), settings).unwrap();
    let said = succeed(d, &["train", "--config", "folds.toml", "--out", "two"]);
    assert!(said.contains("Over 2 folds: "), "{said}");
    // What is typed wins, and the settings of a fold train it alone.
    let said = succeed(d, &["train", "--config", "folds.toml", "--folds", "3", "--out", "three"]);
    assert!(said.contains("Over 3 folds: "), "{said}");
    succeed(d, &["train", "--config", "two/fold-2/config.toml", "--out", "second", "--quiet"]);
    assert!(weights(&d.join("second/model.safetensors")) == weights(&d.join("two/fold-2/model.safetensors")));
    fail(d, &["train", "--config", "folds.toml", "--ui", "--out", "ui"], 1, &["--ui shows one training"]);
    assert!(!d.join("ui").exists());
    succeed(d, &["train", "--config", "folds.toml", "--smoke", "--quiet"]);
}

#[test]
fn folds_go_on_from_another_directory() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    patches(d, 6);
    start_weights(d);
    let elsewhere = d.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for (name, more) in [
        ("weights", "weights = \"start.safetensors\"\n"),
        ("from", "[finetune]\nmode = \"full\"\nfrom = \"start.safetensors\"\n"),
    ] {
        let (settings, out) = (format!("{name}.toml"), d.join(name));
        fs::write(d.join(&settings), format!("data = \"patches\"\nmodel = \"{NET}\"\nepochs = 1\n{more}")).unwrap();
        succeed(d, &["train", "--config", &settings, "--folds", "2", "--out", name, "--quiet"]);
        let whole = bits(&out);
        // As if it had been killed before its second fold began.
        fs::remove_dir_all(out.join("fold-2")).unwrap();
        fs::remove_file(out.join("predictions.csv")).unwrap();
        succeed(&elsewhere, &["train", "--resume", &format!("../{name}"), "--quiet"]);
        assert!(bits(&out) == whole, "{name}");
    }
}

#[test]
fn a_sweep_all_of_whose_trials_failed_has_no_best_run() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    patches(d, 6);
    let plan =
        PLAN.replace("METHOD", "grid").replace("[0.05, 1e-6]", "[1e30]").replace("[\"adam\", \"sgd\"]", "[\"sgd\"]");
    fs::write(d.join("plan.toml"), plan).unwrap();
    let output = run(d, &["sweep", "plan.toml", "--out", "s"]);
    let (said, errors) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "{said}{errors}");
    assert!(said.contains("failed") && !said.contains("Best run"), "{said}");
    assert!(errors.ends_with("error: all trials failed: the notes above say why\n"), "{errors}");
    assert!(said.contains(" 1e30 ") && errors.contains("note: trial 1: step "), "{said}{errors}");
    let json = run(d, &["sweep", "--resume", "s", "--json"]);
    assert_eq!(json.status.code(), Some(1));
    let swept: serde_json::Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert!(swept["best_run"].is_null() && swept["trials"][0]["failure"].is_string(), "{swept}");
}
