//! Settings that go together, convolution without Winograd's algorithm, and weights from and to other programs.

use crate::common::*;
use std::fs;
use std::path::Path;

fn train(d: &Path, out: &str, more: &[&str]) -> String {
    let args = ["train", "squares", "--model", "lenet", "--epochs", "1", "--batch-size", "20", "--out", out];
    succeed(d, &args.iter().chain(more).copied().collect::<Vec<_>>())
}

fn config(d: &Path, run: &str) -> String {
    fs::read_to_string(d.join(run).join("config.toml")).unwrap()
}

#[test]
fn a_recipe_sets_what_was_not_typed() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    succeed(d, &["train", "squares", "--recipe", "fast", "--batch-size", "30", "--out", "fast", "--quiet"]);
    let text = config(d, "fast");
    let usual = ["model = \"mnist-net\"", "schedule = \"onecycle", "dropout_scale = 0.0", "augment = \"pad-crop 1\""];
    for line in usual.into_iter().chain(["batch_size = 30", "epoch_fraction = 0.7", "betas = [0.85, 0.98]"]) {
        assert!(text.contains(line), "{line} is not in: {text}");
    }
    let typed = ["--recipe", "fast", "--dropout-scale", "1", "--augment", "none", "--out", "typed", "--quiet"];
    succeed(d, &[&["train", "squares"][..], &typed].concat());
    let text = config(d, "typed");
    assert!(text.contains("dropout_scale = 1.0") && text.contains("augment = \"none\""), "what was typed wins: {text}");
    let again = ["--config", "typed/config.toml", "--recipe", "fast", "--out", "again", "--quiet"];
    succeed(d, &[&["train", "squares"][..], &again].concat());
    assert!(
        config(d, "again").contains("augment = \"none\""),
        "what a run left out, another with its settings leaves out"
    );
    succeed(d, &["train", "squares", "--recipe", "fast", "--optimizer", "sgd", "--out", "sgd", "--quiet"]);
    assert!(!config(d, "sgd").contains("betas"), "a recipe's betas go with its optimizer");
    let photos = ["--recipe", "small-data", "--epochs", "1", "--out", "photos", "--quiet"];
    succeed(d, &[&["train", "squares"][..], &photos].concat());
    assert!(config(d, "photos").contains("augment = \"none\""), "what suits photos is not done to digits");
    for fraction in ["0", "1.5", "nan"] {
        fail(d, &["train", "squares", "--epoch-fraction", fraction], 2, &["--epoch-fraction", "above 0 and at most 1"]);
    }
    fail(d, &["train", "squares", "--dropout-scale", "1.5"], 2, &["--dropout-scale", "from 0 to 1"]);
    for betas in ["0.9", "0.9,1", "0.9,0.99,0.5", "x,y"] {
        fail(d, &["train", "squares", "--betas", betas], 2, &["--betas", "such as 0.9,0.99"]);
    }
    fail(
        d,
        &["train", "squares", "--optimizer", "sgd", "--betas", "0.9,0.99"],
        1,
        &["--betas 0.9,0.99 cannot be used: this optimizer has none"],
    );
    fail(d, &["train", "squares", "--recipe", "slow"], 2, &["slow", "small-data", "fast"]);
}

#[test]
fn an_epoch_may_be_a_fraction_of_the_images() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    let half = ["--epoch-fraction", "0.55", "--log-every", "1"];
    let said = train(d, "part", &half);
    assert!(said.contains("1 epoch (epoch fraction 0.55), batch 20"), "{said}");
    // 33 of the 60 images are two batches of 20.
    assert!(said.contains("Step: [2/2]") && !said.contains("/3]"), "{said}");
    assert!(config(d, "part").contains("epoch_fraction = 0.55"));
    assert!(succeed(d, &["inspect", "part/model.safetensors"]).contains("(epochs: 1, epoch fraction: 0.55)"));
    train(d, "whole", &[]);
    assert!(config(d, "whole").contains("epoch_fraction = 1.0"));
    fail(d, &["train", "--resume", "part", "--epoch-fraction", "1"], 2, &["--epoch-fraction", "--resume"]);
}

#[test]
fn runs_without_winograd_keep_the_setting_and_measure_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    let net = "conv 16 3, relu, conv 16 3, relu, maxpool 4, flatten, linear";
    let train = |out: &str, more: &[&str]| {
        let args = ["train", "squares", "--model", net, "--epochs", "1", "--batch-size", "20", "--out", out, "--quiet"];
        succeed(d, &args.iter().chain(more).copied().collect::<Vec<_>>());
        fs::read(d.join(out).join("checkpoint.safetensors")).unwrap()
    };
    let (usual, exact) = (train("usual", &[]), train("exact", &["--no-winograd"]));
    assert!(usual != exact, "the usual algorithm rounds otherwise");
    assert!(exact == train("again", &["--no-winograd"]), "and both are always the same");
    assert!(config(d, "exact").contains("winograd = false") && config(d, "usual").contains("winograd = true"));
    for flags in [&["--json"][..], &["--json", "--no-winograd"]] {
        let text = succeed(d, &[&["eval", "exact/model.safetensors"], flags].concat());
        let measured: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(measured["images"], 20, "{text}");
    }
    fail(d, &["train", "--resume", "exact", "--no-winograd"], 2, &["--no-winograd", "--resume"]);
}

#[test]
fn bf16_says_so_or_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    let net = "conv 16 5, relu, conv 40 1, relu, maxpool 2, flatten, linear 100, relu, linear";
    succeed(d, &["train", "squares", "--model", net, "--epochs", "1", "--batch-size", "20", "--out", "run", "--quiet"]);
    let eval = |more: &[&str]| -> serde_json::Value {
        serde_json::from_str(&succeed(d, &[&["eval", "run", "--json"], more].concat())).unwrap()
    };
    let exact = eval(&[]);
    assert_eq!(exact["precision"], "f32");
    let with = |isa: &str| {
        let output = striate(d).args(["eval", "run", "--precision", "bf16"]).env("STRIATE_ISA", isa).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        stderr(&output)
    };
    assert!(with("portable").contains("bf16 needs AVX-512, but kernels use portable"));
    fail(d, &["eval", "run", "--precision", "f16"], 2, &["'f16' is neither f32 nor bf16"]);
    if !striate::isa::has_bf16() {
        println!("skipped: this machine has no AVX512_BF16");
        fail(d, &["eval", "run", "--precision", "bf16"], 2, &["--precision", "bf16 needs AVX"]);
        return;
    }
    let rounded = eval(&["--precision", "bf16"]);
    assert_eq!(rounded["precision"], "bf16");
    assert_eq!(rounded, eval(&["--precision", "bf16", "--threads", "1"]), "on any number of threads");
    let loss = |measured: &serde_json::Value| measured["loss"].as_f64().unwrap();
    let difference = (loss(&rounded) - loss(&exact)).abs();
    assert!(difference > 0.0 && difference < 0.02 * loss(&exact), "{exact} {rounded}");
    assert!(succeed(d, &["eval", "run", "--precision", "bf16"]).contains("), computed in bf16\n"));
    succeed(d, &["eval", "run", "--precision", "bf16", "--report", "report"]);
    let report: serde_json::Value = serde_json::from_slice(&fs::read(d.join("report/report.json")).unwrap()).unwrap();
    assert_eq!(report["about"]["precision"], "bf16");
    fail(d, &["bench", "--precision", "bf16"], 1, &["--precision is for --infer"]);
}

#[test]
fn training_starts_from_weights_that_fit() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    train(d, "first", &[]);
    let said = train(d, "second", &["--weights", "first/model.safetensors", "--seed", "7"]);
    assert!(said.contains("(safetensors): 10 of 10 tensors taken"), "{said}");
    assert!(config(d, "second").contains("first/model.safetensors"));
    // Of another network hardly anything fits, and that is said, too.
    let line = fail(
        d,
        &["train", "squares", "--model", "mnist-net", "--out", "third", "--weights", "first/model.safetensors"],
        1,
        &["first/model.safetensors", "none of its 10 tensors", "--model"],
    );
    assert!(line.contains("conv1.bias"), "{line}");
    assert!(!d.join("third").exists(), "a mistake leaves no run behind");
    // A counter of batches under the same name is nothing in common.
    let nets = ["conv 4 3, batchnorm, relu, flatten, linear", "conv 5 5, batchnorm, relu, maxpool 2, flatten, linear"];
    let norm = ["train", "squares", "--epochs", "1", "--quiet", "--model"];
    succeed(d, &[&norm[..], &[nets[0], "--out", "norm"]].concat());
    let other = [nets[1], "--out", "other", "--weights", "norm/model.safetensors"];
    fail(d, &[&norm[..], &other].concat(), 1, &["norm/model.safetensors", "none of its"]);
    fs::write(d.join("page.pth"), "<!DOCTYPE html><html>404</html>").unwrap();
    fail(d, &["train", "squares", "--weights", "page.pth"], 1, &["page.pth", "web page"]);
    fail(d, &["train", "squares", "--weights", "nowhere.pth"], 1, &["nowhere.pth"]);
}

#[test]
fn weights_are_written_for_others_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    train(d, "run", &[]);
    for (format, file) in [
        ("torch", "run/model-weights.pth"),
        ("npz", "run/model-weights.npz"),
        ("safetensors", "run/model-weights.safetensors"),
    ] {
        let said = succeed(d, &["export", "run/model.safetensors", "--format", format]);
        assert!(said.starts_with(&format!("{file}: 10 tensors of 61,706 numbers")), "{said}");
        let again = train(d, &format!("from-{format}"), &["--weights", file]);
        assert!(again.contains("10 of 10 tensors taken"), "{again}");
    }
    let own = ["export", "run/model.safetensors", "--format", "safetensors", "--out", "run/model.safetensors"];
    fail(d, &own, 1, &["run/model.safetensors", "--out"]);
    fail(d, &["export", "run/model-weights.pth"], 1, &["run/model-weights.pth"]);
    fail(d, &["export", "run/model.safetensors", "--out", "nowhere/w.pth"], 1, &["nowhere"]);
}

#[test]
fn layers_learn_at_rates_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    train(d, "first", &[]);
    let frozen = ["--weights", "first/model.safetensors", "--lr-scales", "conv1.* 0, fc3.* 2"];
    train(d, "second", &frozen);
    let tensor = |run: &str, name: &str| {
        let file = striate::formats::safetensors::read(&d.join(run).join("last.safetensors")).unwrap();
        file.tensors.into_iter().find(|(n, _)| n == name).unwrap().1.to_vec::<f32>()
    };
    assert_eq!(tensor("first", "conv1.weight"), tensor("second", "conv1.weight"), "a factor of 0 freezes");
    assert_ne!(tensor("first", "conv2.weight"), tensor("second", "conv2.weight"));
    assert!(config(d, "second").contains("lr_scales = \"conv1.* 0, fc3.* 2\""));
    let wrong = |scales: &str, parts: &[&str]| fail(d, &["train", "squares", "--lr-scales", scales], 1, parts);
    wrong("conv9.* 0.1", &["--lr-scales is conv9.*", "conv1.weight"]);
    wrong("conv1.*", &["--lr-scales is conv1.*", "features.* 0.1"]);
    wrong("conv1.* -1", &["--lr-scales", "0 or more"]);
}

#[test]
fn settings_come_from_flags_files_and_recipes() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    let list = succeed(d, &["recipe", "list"]);
    assert!(list.contains("small-data") && list.contains("finetune-gradual"), "{list}");
    let fast = succeed(d, &["recipe", "show", "fast"]);
    assert!(fast.starts_with("# ") && fast.contains("lr = 0.005"), "{fast}");
    // What is shown is a file that --config takes.
    fs::write(d.join("fast.toml"), &fast).unwrap();
    let by_file = succeed(d, &["train", "squares", "--config", "fast.toml", "--show-config"]);
    let by_recipe = succeed(d, &["train", "squares", "--recipe", "fast", "--show-config"]);
    let plain =
        |text: &str| text.lines().map(|l| l.split('#').next().unwrap().trim_end().to_string()).collect::<Vec<_>>();
    assert_eq!(plain(&by_file), plain(&by_recipe));
    // Typed over file, file over recipe, recipe over default; each says so.
    fs::write(d.join("my.toml"), "lr = 0.01\nbatch_size = 30\n").unwrap();
    let typed = ["train", "squares", "--recipe", "fast", "--config", "my.toml", "--batch-size", "20", "--show-config"];
    let shown = succeed(d, &typed);
    let is = |shown: &str, key: &str, value: &str, origin: &str| {
        let line = shown.lines().find(|l| l.starts_with(&format!("{key} = "))).unwrap_or_else(|| panic!("{shown}"));
        assert!(line.starts_with(&format!("{key} = {value} ")) && line.ends_with(&format!("# {origin}")), "{line}");
    };
    is(&shown, "batch_size", "20", "typed");
    is(&shown, "lr", "0.01", "my.toml");
    is(&shown, "schedule", "\"onecycle 0.25\"", "recipe fast 1");
    is(&shown, "accumulate", "1", "default");
    assert!(!d.join("runs").exists(), "nothing is trained");
    // The settings of a run train again to the same weights.
    train(d, "once", &["--schedule", "cosine", "--label-smoothing", "0.1"]);
    succeed(d, &["train", "--config", "once/config.toml", "--out", "again", "--quiet"]);
    assert!(weights(&d.join("once/model.safetensors")) == weights(&d.join("again/model.safetensors")));
    for (text, parts) in [
        ("recipe = \"fast\"\n", &["bad.toml", "recipe = \"fast\"", ": add --recipe fast"][..]),
        ("epochs = 1\nrecipe = \"fsat 1\"\n", &["bad.toml", "line 2", "no recipe 'fsat 1'", "fast, small-data"][..]),
        ("epoch = 3\n", &["bad.toml: line 1", "'epoch'", "epochs"]),
        ("lr = 0.1\n\n[images]\nsize = \"big\"\n", &["line 4", "invalid type", "expected an integer, 0 or more"]),
        ("epochs = 1.5\n", &["line 1", "float `1.5`, expected an integer, 0 or more"]),
        ("lr = [0.1]\n", &["line 1", "array, expected a number"]),
        ("optimizer = 3\n", &["line 1: expected a string"]),
        ("lr = -1\n", &["--lr is -1"]),
        ("[sweep]\n", &["line 1", "sweep"]),
    ] {
        fs::write(d.join("bad.toml"), text).unwrap();
        fail(d, &["train", "squares", "--config", "bad.toml"], 1, parts);
    }
    fail(d, &["train", "--config", "nowhere.toml"], 1, &["nowhere.toml"]);
    fail(d, &["recipe", "show", "slow"], 2, &["fast, small-data"]);
}

#[test]
fn a_fraction_of_the_images_is_the_same_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    let said = train(d, "part", &["--fraction", "0.5"]);
    assert!(said.contains("30 of the 60 training images are used"), "{said}");
    train(d, "again", &["--fraction", "0.5"]);
    assert!(weights(&d.join("part/model.safetensors")) == weights(&d.join("again/model.safetensors")));
    let mut ends = train(d, "short", &["--time-budget", "1h"]);
    assert!(!ends.contains("stopped early"));
    ends = succeed(d, &["train", "squares", "--epochs", "9999", "--time-budget", "0.5s", "--out", "budget"]);
    assert!(ends.contains("stopped early: the time budget of 0.5 s is used up") && ends.contains("Done in"), "{ends}");
    for (budget, part) in [("10", "10m"), ("-1s", "10m"), ("soon", "10m")] {
        fail(d, &["train", "squares", &format!("--time-budget={budget}")], 2, &[part]);
    }
}
