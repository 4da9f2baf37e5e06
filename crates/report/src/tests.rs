//! A small report for tests.

use crate::*;
use striate_train::{ClassificationMetrics, Detail, Evaluation, Results};

pub fn about() -> About {
    About {
        model: "model.safetensors".into(),
        network: "mnist-net".into(),
        task: "classification".into(),
        outputs: vec!["cat".into(), "<script>alert(1)</script>".into()],
        precision: "f32",
        preprocessing: "grey 28×28".into(),
        data: "photos".into(),
        images: 3,
        measured_on: "test",
        folds: None,
        learnt_from_left_out: 0,
        learnt_from_error_rate: 0.0,
        unreadable: Vec::new(),
        loss: Some(0.5),
        training: TrainingFacts {
            data: Some("photos".into()),
            from: None,
            epochs: 2,
            optimizer: "adam".into(),
            lr: 0.001,
            batch_size: 8,
            seed: 0,
            striate_version: "0.1.0".into(),
        },
    }
}

/// Of three images of two classes, one of which is taken for the other.
pub fn report() -> Report {
    let mut answers = Answers::new(2);
    (answers.logits, answers.labels) = (vec![2.0, 0.0, 0.0, 1.0, 3.0, 0.0], vec![0, 1, 1]);
    let names = ["a.png", "b&b.png", "<b>.png"].map(String::from).to_vec();
    let mut metrics = ClassificationMetrics::new(2, Detail::Scores);
    metrics.add(&answers.logits, 2, &[0, 1, 1]);
    let results = Results::Classification(metrics);
    let evaluation = Evaluation { loss: 0.5, results, names: names.clone(), bad: Vec::new() };
    let outcomes = Outcomes { names, indices: vec![0, 1, 2], answers: TaskAnswers::Classification(answers) };
    Report::new(about(), &evaluation, &outcomes, None, &ReportOptions::default())
}

/// With `STRIATE_WRITE_SCHEMA` set, the committed schema is written anew.
#[test]
fn the_committed_schema_is_that_of_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.json");
    let schema = serde_json::to_string_pretty(&Report::schema()).unwrap() + "\n";
    if std::env::var_os("STRIATE_WRITE_SCHEMA").is_some() {
        std::fs::write(path, &schema).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), schema);
}

#[test]
fn a_report_is_valid_by_its_schema() {
    let validator = jsonschema::validator_for(&Report::schema()).unwrap();
    let mut value = serde_json::to_value(report()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    value["metrics"][0]["value"] = "much".into();
    assert!(!validator.is_valid(&value));
}

/// 10,000 images of 100 classes: the page stays small.
#[test]
fn a_large_report_is_a_small_page() {
    let (n, classes) = (10_000, 100);
    let rng = &mut striate_tensor::Generator::new(1);
    let (mut answers, mut names) = (Answers::new(classes), Vec::new());
    for i in 0..n {
        let label = i % classes;
        answers
            .logits
            .extend((0..classes).map(|c| rng.below(1000) as f32 / 300.0 + if c == label { 2.0 } else { 0.0 }));
        answers.labels.push(label);
        names.push(format!("images/class-{label:03}/photograph-{i:05}.jpg"));
    }
    let mut metrics = ClassificationMetrics::new(classes, Detail::Scores);
    metrics.add(&answers.logits, classes, &answers.labels.iter().map(|&l| l as i64).collect::<Vec<_>>());
    let results = Results::Classification(metrics);
    let evaluation = Evaluation { loss: 0.5, results, names: names.clone(), bad: Vec::new() };
    let outputs = (0..classes).map(|c| format!("class-{c:03}")).collect();
    let about = About { outputs, images: n, ..about() };
    let outcomes = Outcomes { names, indices: (0..n).collect(), answers: TaskAnswers::Classification(answers) };
    let report = Report::new(about, &evaluation, &outcomes, None, &ReportOptions::default());
    let mut gallery = Gallery::default();
    let noise = (0..112 * 112 * 3).map(|_| rng.below(256) as u8).collect();
    let image = striate_imaging::Image::new(112, 112, 3, noise);
    report.shown_images().for_each(|index| gallery.add(index, Shot::new("", &image, 112).unwrap()));
    let page = report.page(&gallery);
    assert!(page.len() < 5_000_000 && page.len() > 100_000, "{}", page.len());
    assert_eq!(report.classes.len(), 100);
    assert!(report.roc.len() == 101 && page.contains("the lowest 11 of 100"));
    assert!(serde_json::to_vec(&report).unwrap().len() < 5_000_000);
}
