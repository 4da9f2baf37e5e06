//! Classes: what is measured of each, and which are taken for which.

use crate::answers::Answers;
use crate::bootstrap::{self, Ranked};
use crate::number::Number;
use schemars::JsonSchema;
use serde::Serialize;
use striate_data::parallel;
use striate_tensor::num_threads;
use striate_train::{ClassificationMetrics, ConfusionMatrix, Metrics};

/// What is measured of one class or label.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ClassRow {
    /// Its name.
    pub class: String,
    /// Images of it; objects of a detection, pixels of a segmentation.
    pub count: usize,
    /// What was measured of it against the rest.
    pub metrics: Vec<Number>,
}

/// How often each class was taken for each.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Confusion {
    /// The counts: a row for each actual class, in the order of the classes, a column for each predicted one. Missing where there are more than 500 classes.
    pub counts: Option<Vec<Vec<usize>>>,
    /// How many pairs of classes there are of which one is taken for the other.
    pub confused_pairs: usize,
    /// These pairs, the most frequent first: at most 100.
    pub most_confused: Vec<Confused>,
}

/// A class that is taken for another.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Confused {
    /// The number of the actual class.
    pub actual: usize,
    /// The number of the predicted one.
    pub predicted: usize,
    /// How many images.
    pub images: usize,
    /// The fraction of the images of the actual class.
    pub fraction_of_actual: f64,
}

/// More classes than these have no whole matrix in the report.
const MATRIX: usize = 500;
const PAIRS: usize = 100;

impl Confusion {
    /// Of a confusion matrix.
    pub fn of(confusion: &ConfusionMatrix) -> Confusion {
        let counts = confusion.counts();
        let mut most_confused = Vec::new();
        for (actual, row) in counts.iter().enumerate() {
            let of_class = confusion.actual(actual);
            for (predicted, &images) in row.iter().enumerate().filter(|&(p, &n)| n > 0 && p != actual) {
                let fraction_of_actual = images as f64 / of_class as f64;
                most_confused.push(Confused { actual, predicted, images, fraction_of_actual });
            }
        }
        most_confused
            .sort_by(|a, b| b.images.cmp(&a.images).then(b.fraction_of_actual.total_cmp(&a.fraction_of_actual)));
        let confused_pairs = most_confused.len();
        most_confused.truncate(PAIRS);
        Confusion { counts: (counts.len() <= MATRIX).then(|| counts.to_vec()), confused_pairs, most_confused }
    }
}

/// Metrics of a classification, over all classes and of each, with intervals: Wilson's where they are proportions, else over resampled images. How often
/// these were resampled comes third.
pub fn measured(
    metrics: &ClassificationMetrics,
    answers: &Answers,
    names: &[String],
    seed: u64,
) -> (Vec<Number>, Vec<ClassRow>, usize) {
    let (n, classes) = (answers.len(), answers.classes);
    let predicted: Vec<Option<usize>> = (0..n).map(|i| answers.predicted(i)).collect();
    let probabilities = parallel::map(n, num_threads(), |i| answers.probabilities(i));
    let ranked: Option<Vec<Ranked>> = parallel::map(classes, num_threads(), |class| {
        let of = |(p, &label): (&Vec<f64>, &usize)| (p[class] as f32, label == class);
        Ranked::of(probabilities.iter().zip(&answers.labels).map(of))
    })
    .into_iter()
    .collect();
    let headline = metrics.finish();
    let rounds = bootstrap::rounds(n * (classes + 2) * 2 + 10 * classes * classes);
    let intervals = bootstrap::intervals(n, rounds, seed, OVERALL.len() + classes * OF_CLASS.len(), |times| {
        let mut confusion = ConfusionMatrix::new(classes);
        for ((&label, &predicted), &n) in answers.labels.iter().zip(&predicted).zip(times) {
            match predicted {
                Some(predicted) => confusion.add_many(label, predicted, n as usize),
                None => confusion.add_many_unpredicted(label, n as usize),
            }
        }
        statistics(&confusion, ranked.as_deref(), times)
    });
    let (overall, by_class) = intervals.split_at(OVERALL.len());
    let number = |metric: &striate_train::Metric| {
        let place = OVERALL.iter().position(|name| *name == metric.name);
        Number::of(metric).bootstrapped(place.and_then(|i| overall[i]))
    };
    let confusion = metrics.confusion().expect("an evaluation counts by class");
    let row = |(class, name): (usize, &String)| {
        let of_class = &by_class[class * OF_CLASS.len()..];
        let number = |metric: &striate_train::Metric| {
            let place = OF_CLASS.iter().position(|name| *name == metric.name);
            Number::of(metric).bootstrapped(place.and_then(|i| of_class[i]))
        };
        let metrics = metrics.class_metrics(class);
        ClassRow { class: name.clone(), count: confusion.actual(class), metrics: metrics.iter().map(number).collect() }
    };
    (headline.iter().map(number).collect(), names.iter().enumerate().map(row).collect(), rounds)
}

/// What a resample is measured by: of all classes, and of each.
const OVERALL: [&str; 8] = [
    "balanced_accuracy",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "cohen_kappa",
    "mcc",
    "roc_auc_macro",
    "average_precision_macro",
];
const OF_CLASS: [&str; 3] = ["f1", "roc_auc", "average_precision"];

fn statistics(confusion: &ConfusionMatrix, ranked: Option<&[Ranked]>, times: &[u32]) -> Vec<f64> {
    let classes = confusion.counts().len();
    let areas = |class: usize| ranked.map_or([f64::NAN; 2], |ranked| ranked[class].areas(times));
    let areas: Vec<[f64; 2]> = (0..classes).map(areas).collect();
    let mean = |which: usize| {
        let defined: Vec<f64> = areas.iter().map(|a| a[which]).filter(|x| !x.is_nan()).collect();
        defined.iter().sum::<f64>() / defined.len() as f64
    };
    let averages = confusion.macro_average();
    let mut all = vec![
        confusion.balanced_accuracy(),
        averages.precision,
        averages.recall,
        averages.f1,
        confusion.cohen_kappa(),
        confusion.mcc(),
        mean(0),
        mean(1),
    ];
    for (class, [auc, ap]) in areas.into_iter().enumerate() {
        all.extend([confusion.f1(class).unwrap_or(f64::NAN), auc, ap]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::Generator;
    use striate_train::Detail;

    fn answers(n: usize, classes: usize) -> (ClassificationMetrics, Answers) {
        let rng = &mut Generator::new(5);
        let mut answers = Answers::new(classes);
        for i in 0..n {
            let label = i % classes;
            let hit = rng.below(4) > 0;
            answers.logits.extend(
                (0..classes).map(|c| rng.below(100) as f32 / 100.0 + if hit && c == label { 1.0 } else { 0.0 }),
            );
            answers.labels.push(label);
            answers.names.push(format!("{i}.png"));
            answers.indices.push(i);
        }
        let mut metrics = ClassificationMetrics::new(classes, Detail::Scores);
        let labels: Vec<i64> = answers.labels.iter().map(|&l| l as i64).collect();
        metrics.add(&answers.logits, classes, &labels);
        (metrics, answers)
    }

    #[test]
    fn every_metric_has_an_interval_that_holds_it() {
        let (metrics, answers) = answers(120, 3);
        let names = ["a", "b", "c"].map(String::from);
        let (headline, rows, rounds) = measured(&metrics, &answers, &names, 0);
        assert_eq!((rounds, rows.len(), rows[0].count), (1000, 3, 40));
        for number in headline.iter().chain(rows.iter().flat_map(|row| &row.metrics)) {
            let (value, [low, high]) = (number.value.unwrap(), number.interval_95.unwrap());
            assert!(low <= value && value <= high && high - low < 0.5, "{number:?}");
        }
        let kappa = headline.iter().find(|n| n.name == "cohen_kappa").unwrap();
        assert!(kappa.interval_method == Some(IntervalMethod::Bootstrap));
    }

    use crate::number::IntervalMethod;

    #[test]
    fn no_images_and_an_empty_class_have_no_numbers() {
        let names = ["a", "b"].map(String::from);
        let metrics = ClassificationMetrics::new(2, Detail::Scores);
        let (headline, rows, _) = measured(&metrics, &Answers::new(2), &names, 0);
        assert!(headline.iter().chain(&rows[1].metrics).all(|n| n.value.is_none() && n.interval_95.is_none()));

        let (mut metrics, mut one) = (ClassificationMetrics::new(2, Detail::Scores), Answers::new(2));
        (one.logits, one.labels) = (vec![1.0, 0.0, 3.0, 1.0], vec![0, 0]);
        metrics.add(&one.logits, 2, &[0, 0]);
        let (_, rows, _) = measured(&metrics, &one, &names, 0);
        let auc = rows[1].metrics.iter().find(|n| n.name == "roc_auc").unwrap();
        assert_eq!((rows[1].count, auc.value), (0, None));
    }

    #[test]
    fn the_most_confused_pairs_come_first() {
        let mut m = ConfusionMatrix::new(4);
        for (actual, predicted, n) in [(0, 0, 9), (0, 1, 1), (1, 0, 3), (2, 1, 3), (2, 2, 3), (3, 3, 5)] {
            m.add_many(actual, predicted, n);
        }
        let pairs = Confusion::of(&m).most_confused;
        let pairs: Vec<_> = pairs.iter().map(|p| (p.actual, p.predicted, p.images, p.fraction_of_actual)).collect();
        assert_eq!(pairs, [(1, 0, 3, 1.0), (2, 1, 3, 0.5), (0, 1, 1, 0.1)]);
    }
}
