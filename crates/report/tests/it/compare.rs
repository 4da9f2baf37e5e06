//! Comparisons against statsmodels and SciPy.

use crate::{assert_near, floats, numbers, places, read};
use striate_report::compare::{CompareError, CompareOptions, McNemar, compare};
use striate_report::{Answers, NumberAnswers, Outcomes, TaskAnswers};

fn names(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{i:03}.png")).collect()
}

fn classifier(names: Vec<String>, labels: Vec<usize>, logits: Vec<f32>, classes: usize) -> Outcomes {
    let indices = (0..names.len()).collect();
    let answers = Answers { classes, logits, labels, ..Answers::default() };
    Outcomes { names, indices, answers: TaskAnswers::Classification(answers) }
}

fn classes(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| n.to_string()).collect()
}

#[test]
fn mcnemar_as_statsmodels_has_it() {
    for case in read("compare.json")["mcnemar"].as_array().unwrap() {
        let [only_a, only_b] = ["only_a", "only_b"].map(|key| case[key].as_u64().unwrap() as usize);
        let images = [((true, false), only_a), ((false, true), only_b), ((true, true), 10)];
        let test = McNemar::of(images.into_iter().flat_map(|(image, n)| std::iter::repeat_n(image, n)));
        assert_near("exact", Some(test.p_exact), case["p_exact"].as_f64().unwrap(), 1e-10);
        assert_near("mid-p", Some(test.p_mid), case["p_mid"].as_f64().unwrap(), 1e-10);
    }
}

#[test]
fn classifiers_whose_classes_stand_in_other_orders() {
    let case = &read("compare.json")["paired"];
    let labels = places(&case["labels"]);
    let n = labels.len();
    let order = places(&case["order"]);
    let own = ["a", "b", "c", "d"];
    let others: Vec<&str> = order.iter().map(|&class| own[class]).collect();
    let a = classifier(names(n), labels.clone(), floats(&case["a"]), 4);
    // The images come in another order, too.
    let logits = floats(&case["b"]);
    let backwards: Vec<f32> = (0..n).rev().flat_map(|i| logits[i * 4..][..4].to_vec()).collect();
    let of_b = |class: usize| order.iter().position(|&c| c == class).unwrap();
    let b =
        classifier(names(n).into_iter().rev().collect(), labels.iter().rev().map(|&l| of_b(l)).collect(), backwards, 4);
    let options = CompareOptions { rounds: 4000, seed: 1 };
    let found = compare([&a, &b], [&classes(&own), &classes(&others)], &options).unwrap();
    let accuracy = numbers(&case["accuracy"]);
    assert_eq!((found.images, found.main_metric.as_str(), found.higher_is_better), (n, "accuracy", true));
    assert_near("a", found.a.value, accuracy[0], 1e-12);
    assert_near("b", found.b.value, accuracy[1], 1e-12);
    assert_near("difference", found.difference.value, case["difference"].as_f64().unwrap(), 1e-12);
    for (found, expected) in found.difference.interval_95.unwrap().into_iter().zip(numbers(&case["interval"])) {
        assert_near("interval", Some(found), expected, 0.006);
    }
    let test = found.mcnemar.unwrap();
    let table = [[test.both_right, test.only_a_right], [test.only_b_right, test.both_wrong]];
    for (found, expected) in table.iter().zip(case["table"].as_array().unwrap()) {
        assert_eq!(*found, places(expected)[..]);
    }
    for (class, expected) in found.classes.iter().zip(numbers(&case["by_class"])) {
        assert_near(&class.class, class.difference.value, expected, 1e-12);
        let [low, high] = class.difference.interval_95.unwrap();
        assert!(low <= expected && expected <= high);
    }
    let differ: Vec<String> = places(&case["differ"]).iter().map(|i| format!("{i:03}.png")).collect();
    assert_eq!(found.disagreements.iter().map(|d| d.image.clone()).collect::<Vec<_>>(), differ);
    let first = &found.disagreements[0];
    assert!(first.a.class != first.b.class && first.a.is_right == (first.a.class.as_ref() == Some(&first.class)));
}

#[test]
fn odd_comparisons() {
    let own = classes(&["a", "b"]);
    let of = |n: usize, logit: f32| classifier(names(n), vec![0; n], (0..n).flat_map(|_| [logit, 0.0]).collect(), 2);
    let go = |a: &Outcomes, b: &Outcomes| compare([a, b], [&own, &own], &CompareOptions::default());
    // The same model twice.
    let same = go(&of(5, 1.0), &of(5, 1.0)).unwrap();
    assert_eq!((same.difference.value, same.difference.interval_95), (Some(0.0), None));
    assert!(same.disagreements.is_empty() && same.mcnemar.unwrap().p_exact == 1.0);
    assert_eq!((same.classes[1].difference.value, same.classes[1].difference.interval_95), (None, None));
    // One image, NaN, and images that only one has.
    let one = go(&of(1, f32::NAN), &of(3, 1.0)).unwrap();
    assert_eq!((one.images, one.a.value, one.difference.value), (1, Some(0.0), Some(1.0)));
    let said = &one.disagreements[0].a;
    assert_eq!((said.class.clone(), said.confidence, said.is_right), (None, None, false));
    assert_eq!(go(&of(0, 1.0), &of(3, 1.0)), Err(CompareError::NoImages));
    let numbers = |predicted: Vec<f32>| {
        let answers = NumberAnswers { columns: vec!["x".into()], predicted, targets: vec![1.0, 2.0] };
        Outcomes { names: names(2), indices: vec![0, 1], answers: TaskAnswers::Regression(answers) }
    };
    assert!(matches!(go(&of(2, 1.0), &numbers(vec![1.0, 2.0])), Err(CompareError::Tasks { .. })));
    let regression = go(&numbers(vec![1.5, 2.5]), &numbers(vec![1.0, 2.0])).unwrap();
    assert_eq!(
        (regression.difference.value, regression.higher_is_better, regression.mcnemar),
        (Some(-0.5), false, None)
    );
    assert_eq!(regression.difference.interval_95, None);
    let broken = go(&numbers(vec![f32::NAN, 2.5]), &numbers(vec![1.0, 2.0])).unwrap();
    assert_eq!((broken.difference.value, broken.difference.interval_95), (None, None));
}
