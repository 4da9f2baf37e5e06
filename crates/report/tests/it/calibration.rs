//! Calibration, prediction sets, out-of-distribution scores and label errors against scikit-learn, NumPy and cleanlab: fixtures by `scripts/make_calibration.py`.

use serde_json::Value;
use std::path::Path;
use striate_model::ConformalMethod;
use striate_report::{
    Answers, CalibrationMeasures, CalibrationOptions, LabelledProbabilities, Mahalanobis, Representations, SuspectedBy,
    TEMPERATURE_BOUNDS, TemperatureFit, calibration, calibration_at, conformal_scores, label_errors,
    out_of_distribution, risk_coverage,
};

fn fixtures() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/calibration.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn list<T>(value: &Value, of: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().unwrap().iter().map(of).collect()
}

fn sizes(value: &Value) -> Vec<usize> {
    list(value, |x| x.as_u64().unwrap() as usize)
}

/// The numbers of a matrix, row by row.
fn flat(value: &Value) -> Vec<f64> {
    list(value, |row| list(row, number)).concat()
}

fn singles(value: &Value) -> Vec<f32> {
    flat(value).into_iter().map(|x| x as f32).collect()
}

fn answers(case: &Value) -> Answers {
    let labels = sizes(&case["labels"]);
    Answers {
        classes: case["classes"].as_u64().unwrap() as usize,
        logits: singles(&case["logits"]),
        names: labels.iter().enumerate().map(|(i, _)| format!("{i}")).collect(),
        indices: (0..labels.len()).collect(),
        labels,
    }
}

fn assert_near(what: &str, found: Option<f64>, wanted: &Value, tolerance: f64) {
    let (found, wanted) = (found.unwrap(), number(wanted));
    assert!((found - wanted).abs() <= tolerance * wanted.abs().max(1.0), "{what}: {found}, not {wanted}");
}

fn assert_measures(what: &str, found: &CalibrationMeasures, wanted: &Value) {
    for (name, value) in [
        ("nll", found.nll),
        ("brier", found.brier),
        ("ece", found.ece),
        ("ece_equal_mass", found.ece_equal_mass),
        ("mce", found.mce),
    ] {
        assert_near(&format!("{what}: {name}"), value, &wanted[name], 1e-7);
    }
}

#[test]
fn measures_are_those_of_scikit_learn_and_the_definitions() {
    for case in fixtures()["calibration"].as_array().unwrap() {
        let (name, answers) = (case["name"].as_str().unwrap(), answers(case));
        let options =
            CalibrationOptions { bins: case["bins"].as_u64().unwrap() as usize, ..CalibrationOptions::default() };
        let found = calibration(&answers, &options);
        assert_measures(name, &found.before, &case["before"]);
        let fit = found.temperature.unwrap();
        // SciPy's minimum is only as sharp as the loss, whose rounding hides 1e-8.
        assert_near(name, Some(fit.temperature), &case["temperature"], 1e-6);
        let at = number(&case["temperature"]);
        assert_measures(name, &calibration_at(&answers, at, &options), &case["after"]);
        assert_near(name, Some(fit.nll_after), &case["after"]["nll"], 1e-9);
        assert!(fit.nll_after <= number(&case["after"]["nll"]) + 1e-12, "{name}: nothing is better");
        if !case["aurc"].is_null() {
            assert_near(name, risk_coverage(&answers, 1.0).aurc, &case["aurc"], 1e-9);
        }
        let after = found.after.unwrap();
        assert_eq!((after.images, after.accuracy), (found.before.images, found.before.accuracy), "{name}");
        assert!(found.fold_temperatures.iter().all(|t| (TEMPERATURE_BOUNDS[0]..=TEMPERATURE_BOUNDS[1]).contains(t)));
    }
}

#[test]
fn sets_are_those_of_the_definitions() {
    for case in fixtures()["conformal"].as_array().unwrap() {
        let (name, answers) = (case["name"].as_str().unwrap(), answers(case));
        let half = case["half"].as_u64().unwrap() as usize;
        for wanted in case["sets"].as_array().unwrap() {
            let method: ConformalMethod = wanted["method"].as_str().unwrap().parse().unwrap();
            let coverage = number(&wanted["coverage"]);
            let what = format!("{name}: {method} {coverage}");
            let scores = conformal_scores(&answers, &(0..half).collect::<Vec<_>>(), method, 1.0);
            match wanted["limit"].as_f64() {
                Some(limit) => assert!((scores.quantile(coverage).unwrap() - limit).abs() < 1e-7, "{what}"),
                None => assert_eq!(scores.quantile(coverage), None, "{what}"),
            }
            let sets = (half..answers.len()).map(|i| (answers.labels[i], scores.set(answers.row(i), 1.0, coverage)));
            let [mut covered, mut total] = [0, 0];
            for (label, set) in sets {
                covered += usize::from(set.classes.contains(&label));
                total += set.classes.len();
            }
            assert_eq!(
                [covered, total],
                [&wanted["covered"], &wanted["total"]].map(|n| n.as_u64().unwrap() as usize),
                "{what}"
            );
        }
    }
}

#[test]
fn scores_out_of_distribution_are_those_of_scikit_learn() {
    let case = &fixtures()["out_of_distribution"];
    let of = |part: &str| {
        let logits = singles(&case[part]);
        let labels = vec![0; logits.len() / 4];
        Representations { answers: Answers { classes: 4, logits, labels, ..Answers::default() }, features: Vec::new() }
    };
    let found = out_of_distribution(&of("inside"), &of("outside"), 0);
    for score in &found.scores {
        let wanted = &case["scores"][&score.name];
        assert_near(&score.name, score.auroc, &wanted["auroc"], 1e-9);
        assert_near(&score.name, score.aupr_inside, &wanted["aupr_inside"], 1e-9);
        assert_near(&score.name, score.aupr_outside, &wanted["aupr_outside"], 1e-9);
        assert_near(&score.name, score.fpr_at_95_tpr, &wanted["fpr_at_95_tpr"], 1e-9);
        let [low, high] = score.auroc_interval_95.unwrap();
        assert!(low < score.auroc.unwrap() && score.auroc.unwrap() < high && high - low < 0.2);
    }
    assert_eq!((found.scores.len(), found.no_mahalanobis.is_some()), (2, true));
}

#[test]
fn distances_are_those_of_scikit_learn() {
    let case = &fixtures()["mahalanobis"];
    let (features, queries) = (singles(&case["features"]), singles(&case["queries"]));
    let (features, queries): (Vec<&[f32]>, Vec<&[f32]>) = (features.chunks(12).collect(), queries.chunks(12).collect());
    let fitted = Mahalanobis::fit(&features, &sizes(&case["labels"]), 3).unwrap();
    assert_near("shrinkage", Some(fitted.shrinkage), &case["shrinkage"], 1e-9);
    for (found, wanted) in fitted.distances(&queries).into_iter().zip(case["distances"].as_array().unwrap()) {
        assert_near("distance", Some(found), wanted, 1e-9);
    }
}

#[test]
fn label_errors_are_those_of_cleanlab() {
    for case in fixtures()["label_errors"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let labels = sizes(&case["labels"]);
        let given = LabelledProbabilities {
            classes: (0..case["classes"].as_u64().unwrap()).map(|c| format!("class {c}")).collect(),
            probabilities: flat(&case["probabilities"]),
            names: labels.iter().enumerate().map(|(i, _)| format!("{i}.png")).collect(),
            labels,
        };
        for (by, key) in [(SuspectedBy::NoiseRate, "prune_by_noise_rate"), (SuspectedBy::Both, "both")] {
            let found = label_errors(&given, by);
            let suspects: Vec<usize> = found.suspects.iter().map(|suspect| suspect.index).collect();
            assert_eq!(suspects, sizes(&case[key]), "{name}: {key}");
            assert_eq!(found.joint, list(&case["joint"], sizes), "{name}");
            for (class, wanted) in found.classes.iter().zip(case["thresholds"].as_array().unwrap()) {
                match wanted.as_f64() {
                    Some(wanted) => assert!((class.threshold.unwrap() - wanted).abs() < 1e-12, "{name}"),
                    None => assert_eq!(class.threshold, None, "{name}"),
                }
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    use striate_tensor::ComputeSettings;
    let fixtures = fixtures();
    let answers = answers(&fixtures["calibration"][0]);
    let with = |threads| {
        let own = ComputeSettings { threads: Some(threads), ..ComputeSettings::current() };
        own.scope(|| {
            let all: Vec<usize> = (0..answers.len()).collect();
            (calibration(&answers, &CalibrationOptions::default()), TemperatureFit::of(&answers, &all))
        })
    };
    assert_eq!(with(1), with(3));
}
