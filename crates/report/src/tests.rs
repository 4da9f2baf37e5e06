//! A small report for tests.

use crate::*;
use striate_model::TaskCard;
use striate_train::{ClassificationMetrics, Detail, Evaluation, Results};

pub fn about() -> About {
    About {
        model: "model.safetensors".into(),
        network: "mnist-net".into(),
        task: "classification".into(),
        outputs: vec!["cat".into(), "<script>alert(1)</script>".into()],
        preprocessing: "grey 28×28".into(),
        data: "photos".into(),
        images: 3,
        measured_on: "test",
        learnt_from_left_out: 0,
        learnt_from_error_rate: 0.0,
        unreadable: Vec::new(),
        loss: 0.5,
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
    answers.names = ["a.png", "b&b.png", "<b>.png"].map(String::from).to_vec();
    answers.indices = vec![0, 1, 2];
    let mut metrics = ClassificationMetrics::new(2, Detail::Scores);
    metrics.add(&answers.logits, 2, &[0, 1, 1]);
    let results = Results::Classification(metrics);
    let evaluation = Evaluation { loss: 0.5, results, names: answers.names.clone(), bad: Vec::new() };
    let observed = Observed::Classes(answers);
    Report::new(about(), &TaskCard::Classification, &evaluation, &observed, None, &ReportOptions::default())
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
