//! Groups against scikit-learn, fairlearn and SciPy.

use crate::{assert_near, floats, numbers, places, read};
use serde_json::Value;
use striate_data::Object;
use striate_model::Detection;
use striate_report::groups::{GapKind, GroupError, GroupOptions, Grouping, Groups, benjamini_hochberg, groups};
use striate_report::{Answers, LabelAnswers, NumberAnswers, Outcomes, TaskAnswers};
use striate_tensor::ComputeSettings;
use striate_train::{Detail, DetectionMetrics, SegmentationMetrics};

const EXACT: f64 = 1e-9;
/// Both p-values are of shuffles drawn at random.
const DRAWN: f64 = 0.02;

fn options() -> GroupOptions {
    GroupOptions { rounds: 9999, seed: 3, least: 1, ..GroupOptions::default() }
}

fn outcomes(answers: TaskAnswers, images: usize) -> Outcomes {
    Outcomes { names: (0..images).map(|i| format!("{i:03}.png")).collect(), indices: (0..images).collect(), answers }
}

fn classifier(case: &Value) -> Outcomes {
    let labels = places(&case["labels"]);
    let (n, classes) = (labels.len(), case["classes"].as_u64().unwrap() as usize);
    let logits = floats(&case["logits"]);
    let answers = Answers { classes, logits, labels, ..Answers::default() };
    outcomes(TaskAnswers::Classification(answers), n)
}

fn grouping(case: &Value) -> Grouping {
    Grouping::new("kind", places(&case["groups"]).iter().map(|g| Some(g.to_string()))).unwrap()
}

fn names(n: usize) -> Vec<String> {
    (0..n).map(|c| format!("class {c}")).collect()
}

fn metric(found: &Groups, group: usize, name: &str) -> Option<f64> {
    found.groups[group].metrics.iter().find(|m| m.name == name).unwrap().value
}

#[test]
fn classification_by_group() {
    for case in read("groups.json")["classification"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let classes = case["classes"].as_u64().unwrap() as usize;
        let found = groups(&classifier(case), &names(classes), &grouping(case), &options());
        for (g, group) in found.groups.iter().enumerate() {
            for what in ["accuracy", "balanced_accuracy", "f1_macro"] {
                assert_near(what, metric(&found, g, what), numbers(&case[what])[g], EXACT);
            }
            // The network's probabilities are of f32 logits, as the fixture's are.
            assert_near(name, group.calibration_error, numbers(&case["calibration_error"])[g], EXACT);
            for (c, output) in group.outputs.iter().enumerate() {
                let expected = &case["outputs"][c];
                assert_near("recall", output.recall.value, numbers(&expected["recall"])[g], EXACT);
                assert_near("precision", output.precision.value, numbers(&expected["precision"])[g], EXACT);
                assert_near("selection", output.selection_rate.value, numbers(&expected["selection_rate"])[g], EXACT);
            }
        }
        assert_eq!(found.main_gap().kind, GapKind::Main);
        assert_near("p of accuracy", found.main_gap().p_value, case["p_accuracy"].as_f64().unwrap(), DRAWN);
        for (c, expected) in case["outputs"].as_array().unwrap().iter().enumerate() {
            for (kind, difference, p) in [
                (GapKind::EqualOpportunity, "equal_opportunity", "p_recall"),
                (GapKind::PredictiveParity, "predictive_parity", "p_precision"),
                (GapKind::DemographicParity, "demographic_parity", "p_selection_rate"),
            ] {
                let of_class = Some(format!("class {c}"));
                let gap = found.gaps.iter().find(|gap| gap.kind == kind && gap.output == of_class).unwrap();
                assert_near(difference, gap.difference, expected[difference].as_f64().unwrap(), EXACT);
                assert_near(&format!("{name}: {p} {c}"), gap.p_value, expected[p].as_f64().unwrap(), DRAWN);
                assert!(gap.p_adjusted >= gap.p_value);
            }
        }
    }
}

#[test]
fn numbers_by_group() {
    let case = &read("groups.json")["regression"];
    let answers = NumberAnswers {
        columns: vec!["age".into()],
        predicted: floats(&case["predicted"]),
        targets: floats(&case["targets"]),
    };
    let n = answers.targets.len();
    let outcomes = outcomes(TaskAnswers::Regression(answers), n);
    let found = groups(&outcomes, &["age".into()], &grouping(case), &options());
    for g in 0..found.groups.len() {
        assert_near("mae", metric(&found, g, "mae"), numbers(&case["mae"])[g], EXACT);
        assert_near("rmse", metric(&found, g, "rmse"), numbers(&case["rmse"])[g], EXACT);
        let [low, high] = found.groups[g].metrics[0].interval_95.unwrap();
        assert!(low < numbers(&case["mae"])[g] && numbers(&case["mae"])[g] < high);
    }
    assert_eq!(found.gaps.len(), 1);
    assert_near("p", found.main_gap().p_value, case["p_mae"].as_f64().unwrap(), DRAWN);
}

#[test]
fn p_values_are_adjusted_as_scipy_does() {
    for case in read("groups.json")["adjusted"].as_array().unwrap() {
        let adjusted = benjamini_hochberg(&numbers(&case["p"]));
        for (found, expected) in adjusted.into_iter().zip(numbers(&case["adjusted"])) {
            assert_near("adjusted", Some(found), expected, 1e-12);
        }
    }
    assert!(benjamini_hochberg(&[]).is_empty());
}

#[test]
fn results_do_not_depend_on_threads() {
    let case = &read("groups.json")["classification"][0];
    let of = |threads: usize| {
        let settings = ComputeSettings { threads: Some(threads), ..ComputeSettings::current() };
        settings.scope(|| groups(&classifier(case), &names(3), &grouping(case), &options()))
    };
    assert_eq!(of(1), of(5));
}

#[test]
fn labels_by_group() {
    let answers = LabelAnswers {
        thresholds: vec![0.5, 0.25],
        probabilities: vec![0.75, 0.125, 0.25, 0.5, 0.625, 0.25, f32::NAN, 0.0],
        targets: vec![true, false, false, true, false, true, true, false],
    };
    let grouping = Grouping::new("site", ["x", "x", "y", "y"].map(|s| Some(s.to_string()))).unwrap();
    let found = groups(&outcomes(TaskAnswers::MultiLabel(answers), 4), &names(2), &grouping, &options());
    let [x, y] = &found.groups[..] else { panic!("{found:?}") };
    assert_eq!((x.outputs[0].recall.value, x.outputs[1].precision.value), (Some(1.0), Some(1.0)));
    // NaN has not been found; the false alarm is there.
    assert_eq!(
        (y.outputs[0].recall.value, y.outputs[0].precision.value, y.outputs[0].predicted),
        (Some(0.0), Some(0.0), 1)
    );
    assert!(x.is_small && found.gaps.iter().all(|gap| gap.kind != GapKind::Calibration));
    let gap = found.gaps.iter().find(|g| g.kind == GapKind::EqualOpportunity && g.difference.is_some()).unwrap();
    assert_eq!((gap.difference, gap.lowest, gap.highest), (Some(1.0), Some(1), Some(0)));
}

/// Objects and masks: every second image is of group x, and all there is in group y is missed.
#[test]
fn objects_and_masks_by_group() {
    let bbox = [4.0, 4.0, 20.0, 20.0];
    let mut boxes = DetectionMetrics::new(2);
    let mut masks = SegmentationMetrics::new(2, Detail::Scores);
    for i in 0..40 {
        let found = Detection { class: 1, score: 0.5 + 0.01 * i as f32, bbox };
        let wrong = Detection { class: 1, score: 0.9, bbox: [40.0, 40.0, 60.0, 60.0] };
        boxes.add(&[if i % 2 == 0 { found } else { wrong }], &[Object::new(1, bbox)]);
        masks.add(&[i64::from(i % 2 == 0); 4], &[1, 1, 1, (i / 2) % 2], [2, 2]);
    }
    let values = (0..40).map(|i| Some(["x", "y"][i % 2].to_string()));
    let grouping = Grouping::new("site", values).unwrap();
    let options = GroupOptions { rounds: 300, seed: 3, ..GroupOptions::default() };
    for (answers, names_of, main) in [
        (TaskAnswers::Detection(boxes), &["map", "map50", "map75", "ar100"], "map"),
        (TaskAnswers::Segmentation(masks), &["mean_iou", "pixel_accuracy", "mean_dice", "boundary_f1"], "mean_iou"),
    ] {
        let found = groups(&outcomes(answers.clone(), 40), &names(2), &grouping, &options);
        assert_eq!(found.main_metric, main);
        let named: Vec<&str> = found.groups[0].metrics.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(&named[..], &names_of[..]);
        let [x, y] = [0, 1].map(|group| metric(&found, group, main).unwrap());
        assert!(x > y + 0.3 && found.groups.iter().all(|group| group.images == 20 && group.outputs.is_empty()));
        // Where every image is right, resamples tell nothing.
        let interval = found.groups[0].metrics[0].interval_95;
        assert!(interval.map_or(x == 1.0, |[low, high]| low <= x && x <= high && low < high), "{interval:?} {x}");
        let gap = found.main_gap();
        assert_near("gap", gap.difference, x - y, EXACT);
        assert_eq!((found.gaps.len(), gap.lowest, gap.highest, gap.p_value), (1, Some(1), Some(0), Some(1.0 / 301.0)));
        let alone = ComputeSettings { threads: Some(3), ..ComputeSettings::current() };
        assert_eq!(alone.scope(|| groups(&outcomes(answers, 40), &names(2), &grouping, &options)), found);
    }
}

#[test]
fn odd_groups() {
    let of = |labels: &[usize], logits: &[f32], values: &[&str], least: usize| {
        let answers = Answers { classes: 2, logits: logits.to_vec(), labels: labels.to_vec(), ..Answers::default() };
        let n = labels.len();
        let values = values.iter().map(|v| (!v.is_empty()).then(|| v.to_string()));
        let grouping = Grouping::new("site", values)?;
        let options = GroupOptions { least, ..options() };
        Ok(groups(&outcomes(TaskAnswers::Classification(answers), n), &names(2), &grouping, &options))
    };
    // All wrong, one class alone, a single group.
    let one = of(&[0, 0, 0], &[0.0, 1.0, 0.0, 1.0, 0.0, 1.0], &["a", "a", "a"], 1).unwrap();
    assert_eq!(
        (metric(&one, 0, "accuracy"), one.main_gap().difference, one.main_gap().p_value),
        (Some(0.0), None, None)
    );
    assert_eq!((one.groups[0].outputs[1].recall.value, one.groups[0].outputs[0].precision.value), (None, None));
    // NaN scores, missing values.
    let nan = of(&[0, 1, 0, 1], &[f32::NAN; 8], &["a", "", "a", ""], 1).unwrap();
    assert_eq!((nan.groups.len(), nan.groups[1].value.clone()), (2, None));
    assert!(nan.groups.iter().all(|g| g.calibration_error.is_none() && g.images == 2));
    assert_eq!((nan.main_gap().difference, nan.main_gap().p_value), (Some(0.0), Some(1.0)));
    // Too few images for a gap.
    let few = of(&[0, 1, 0, 1], &[1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0], &["a", "a", "b", "b"], 10).unwrap();
    assert!(few.gaps.iter().all(|gap| gap.difference.is_none() && gap.p_value.is_none() && gap.p_adjusted.is_none()));
    assert!(matches!(of(&[0, 1], &[0.0; 4], &["a", "b"], 1), Err(GroupError::TooMany { .. })));
    // An image that could not be read is in no group.
    let mut unread = outcomes(
        TaskAnswers::Classification(Answers {
            classes: 2,
            logits: vec![1.0, 0.0],
            labels: vec![0],
            ..Answers::default()
        }),
        1,
    );
    unread.indices = vec![2];
    let grouping = Grouping::new("site", ["a", "b", "b"].map(|s| Some(s.to_string()))).unwrap();
    let found = groups(&unread, &names(2), &grouping, &options());
    assert_eq!(found.groups.iter().map(|g| g.images).collect::<Vec<_>>(), [0, 1]);
    assert_eq!((metric(&found, 0, "accuracy"), found.main_gap().compared), (None, 0));
}
