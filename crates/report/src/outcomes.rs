//! [`Outcomes`]: what a model gave for each image, so that its metrics over any of the images can be computed.

use crate::answers::Answers;
use striate_model::{ModelCard, Predictor, TaskCard};
use striate_tensor::Tensor;
use striate_train::{
    ClassificationMetrics, Detail, DetectionMetrics, Direction, Evaluation, HeldOut, MeasuredBatch, Metric, Metrics,
    MultiLabelMetrics, RegressionMetrics, Results, SegmentationMetrics, TrainError, evaluate_each,
};

/// A metric over some of the images, given their numbers, each as often as it is there.
pub type MetricOf<'a> = Box<dyn Fn(&[usize]) -> f64 + Sync + 'a>;

/// The metrics over some of the images, as [`MetricOf`].
pub type MetricsOf<'a> = Box<dyn Fn(&[usize]) -> Vec<Metric> + Sync + 'a>;

/// What a model gave for each of some images.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcomes {
    /// The names of the images.
    pub names: Vec<String>,
    /// The place of each image among those that were to be measured on.
    pub indices: Vec<usize>,
    /// What was given, by the task.
    pub answers: TaskAnswers,
}

/// What a model gave for some images, with what there is.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskAnswers {
    /// One class for each.
    Classification(Answers),
    /// Any number of labels for each.
    MultiLabel(LabelAnswers),
    /// Numbers for each.
    Regression(NumberAnswers),
    /// Objects with their boxes.
    Detection(DetectionMetrics),
    /// The class of each pixel.
    Segmentation(SegmentationMetrics),
}

/// The probability of each label of some images, image by image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelAnswers {
    /// The probability from which an image has a label, one for each label.
    pub thresholds: Vec<f32>,
    /// The probabilities.
    pub probabilities: Vec<f32>,
    /// Whether the image has the label.
    pub targets: Vec<bool>,
}

/// The numbers of some images, image by image, in their own units.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NumberAnswers {
    /// The names of the numbers.
    pub columns: Vec<String>,
    /// What was predicted.
    pub predicted: Vec<f32>,
    /// What there is.
    pub targets: Vec<f32>,
}

impl LabelAnswers {
    /// Whether image `i` is taken to have the label; none if the probability is NaN.
    pub fn decided(&self, i: usize, label: usize) -> Option<bool> {
        let probability = self.probabilities[i * self.thresholds.len() + label];
        (!probability.is_nan()).then_some(probability >= self.thresholds[label])
    }

    /// Whether image `i` has the label.
    pub fn target(&self, i: usize, label: usize) -> bool {
        self.targets[i * self.thresholds.len() + label]
    }

    /// The mean average precision of some images over the labels that they have: see [`MultiLabelMetrics`].
    fn map_of(&self) -> impl Fn(&[usize]) -> f64 + Sync + '_ {
        let labels = self.thresholds.len();
        let images = self.targets.len() / labels.max(1);
        let is_nan = self.probabilities.iter().any(|p| p.is_nan());
        let order = |label: usize| {
            let mut order: Vec<(f32, usize)> =
                (0..images).map(|i| (self.probabilities[i * labels + label], i)).collect();
            order.sort_by(|a, b| b.0.total_cmp(&a.0));
            order
        };
        let orders: Vec<Vec<(f32, usize)>> = (0..if is_nan { 0 } else { labels }).map(order).collect();
        move |of| {
            let mut times = vec![0; images];
            of.iter().for_each(|&i| times[i] += 1);
            let precision = |(label, order): (usize, &Vec<(f32, usize)>)| {
                let (mut seen, mut found, mut sum) = (0, 0, 0.0);
                for same in order.chunk_by(|a, b| a.0 == b.0) {
                    let gained: usize =
                        same.iter().filter(|(_, i)| self.target(*i, label)).map(|(_, i)| times[*i]).sum();
                    seen += same.iter().map(|(_, i)| times[*i]).sum::<usize>();
                    found += gained;
                    if gained > 0 {
                        sum += gained as f64 * found as f64 / seen as f64;
                    }
                }
                (found > 0).then(|| sum / found as f64)
            };
            let of_labels: Vec<f64> = orders.iter().enumerate().filter_map(precision).collect();
            of_labels.iter().sum::<f64>() / of_labels.len() as f64
        }
    }
}

impl NumberAnswers {
    /// The absolute error of image `i`, its mean over the numbers where there are several.
    pub fn error(&self, i: usize) -> f64 {
        let n = self.columns.len();
        let pairs = self.predicted[i * n..].iter().zip(&self.targets[i * n..]).take(n);
        pairs.map(|(p, t)| (f64::from(*p) - f64::from(*t)).abs()).sum::<f64>() / n as f64
    }
}

impl Outcomes {
    /// Runs `model` on images held out.
    ///
    /// # Errors
    /// As [`striate_train::evaluate`].
    pub fn measure(model: &Predictor, held_out: &HeldOut) -> Result<(Outcomes, Evaluation), TrainError> {
        let mut outcomes = Outcomes::new(&model.card);
        let evaluation = evaluate_each(model, held_out, |measured| outcomes.add(&model.card, measured))?;
        outcomes.complete(&evaluation.results);
        Ok((outcomes, evaluation))
    }

    /// Of no images yet, for a model of this card.
    pub fn new(card: &ModelCard) -> Outcomes {
        let answers = match &card.task {
            TaskCard::Classification => TaskAnswers::Classification(Answers::new(card.classes.len())),
            TaskCard::MultiLabel { thresholds } => {
                TaskAnswers::MultiLabel(LabelAnswers { thresholds: thresholds.clone(), ..LabelAnswers::default() })
            }
            TaskCard::Regression { .. } => {
                TaskAnswers::Regression(NumberAnswers { columns: card.classes.clone(), ..NumberAnswers::default() })
            }
            TaskCard::Detection { .. } => TaskAnswers::Detection(DetectionMetrics::new(card.classes.len())),
            TaskCard::Segmentation { .. } => {
                TaskAnswers::Segmentation(SegmentationMetrics::new(card.classes.len(), Detail::Full))
            }
        };
        Outcomes { names: Vec::new(), indices: Vec::new(), answers }
    }

    /// Adds a batch that was measured. Of objects and masks [`Outcomes::complete`] adds what is in them.
    ///
    /// # Panics
    /// If it is not of the task.
    pub fn add(&mut self, card: &ModelCard, measured: &MeasuredBatch) {
        self.names.extend_from_slice(measured.names);
        self.indices.extend_from_slice(&measured.batch.indices);
        let answers = |output: &Tensor| card.answers(output.clone()).to_vec::<f32>();
        match &mut self.answers {
            TaskAnswers::Classification(of) => of.add(measured),
            TaskAnswers::MultiLabel(of) => {
                of.probabilities.extend(answers(measured.output));
                of.targets.extend(measured.batch.targets.to_vec::<f32>().iter().map(|t| *t > 0.5));
            }
            TaskAnswers::Regression(of) => {
                of.predicted.extend(answers(measured.output));
                of.targets.extend(measured.batch.targets.to_vec::<f32>());
            }
            TaskAnswers::Detection(_) | TaskAnswers::Segmentation(_) => {}
        }
    }

    /// Takes what was measured of objects and masks over.
    pub fn complete(&mut self, results: &Results) {
        match (&mut self.answers, results) {
            (TaskAnswers::Detection(of), Results::Detection(results)) => *of = results.clone(),
            (TaskAnswers::Segmentation(of), Results::Segmentation(results)) => *of = results.clone(),
            _ => {}
        }
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name of the metric that stands for the task: `accuracy`, `mean_average_precision`, `mae`, `map`, `mean_iou`.
    pub fn main_metric(&self) -> &'static str {
        match self.answers {
            TaskAnswers::Classification(_) => "accuracy",
            TaskAnswers::MultiLabel(_) => "mean_average_precision",
            TaskAnswers::Regression(_) => "mae",
            TaskAnswers::Detection(_) => "map",
            TaskAnswers::Segmentation(_) => "mean_iou",
        }
    }

    /// The main metric with this value.
    pub fn as_metric(&self, value: f64) -> Metric {
        match self.answers {
            TaskAnswers::Regression(_) => Metric::number(self.main_metric(), value, Direction::Minimize),
            _ => Metric::fraction(self.main_metric(), value),
        }
    }

    /// The main metric over some of the images, given their numbers, each as often as it is there. NaN where it is not defined.
    pub fn main_metric_of(&self) -> MetricOf<'_> {
        fn mean(values: Vec<f64>) -> impl Fn(&[usize]) -> f64 + Sync {
            move |of| of.iter().map(|&i| values[i]).sum::<f64>() / of.len() as f64
        }
        match &self.answers {
            TaskAnswers::Classification(of) => {
                let right = |i: usize| f64::from(u8::from(of.predicted(i) == Some(of.labels[i])));
                Box::new(mean((0..of.len()).map(right).collect()))
            }
            TaskAnswers::MultiLabel(of) => Box::new(of.map_of()),
            TaskAnswers::Regression(of) => Box::new(mean((0..self.len()).map(|i| of.error(i)).collect())),
            TaskAnswers::Detection(of) => Box::new(of.map_of()),
            TaskAnswers::Segmentation(of) => Box::new(of.mean_iou_of().expect("it was made with all detail")),
        }
    }

    /// The metrics of the task over some of the images, given their numbers, each as often as it is there: all but those of objects by size.
    pub fn metrics_of(&self) -> MetricsOf<'_> {
        fn rows<T: Copy>(values: &[T], width: usize, of: &[usize]) -> Vec<T> {
            of.iter().flat_map(|&i| &values[i * width..][..width]).copied().collect()
        }
        match &self.answers {
            TaskAnswers::Classification(answers) => Box::new(move |of| {
                let n = answers.classes;
                let mut metrics = ClassificationMetrics::new(n, Detail::Scores);
                let labels: Vec<i64> = of.iter().map(|&i| answers.labels[i] as i64).collect();
                metrics.add(&rows(&answers.logits, n, of), n, &labels);
                metrics.finish()
            }),
            TaskAnswers::MultiLabel(answers) => Box::new(move |of| {
                let n = answers.thresholds.len();
                let mut metrics = MultiLabelMetrics::new(n, Detail::Full).thresholds(&answers.thresholds);
                let targets: Vec<f32> =
                    rows(&answers.targets, n, of).into_iter().map(|has| f32::from(u8::from(has))).collect();
                metrics.add_probabilities(&rows(&answers.probabilities, n, of), &targets);
                metrics.finish()
            }),
            TaskAnswers::Regression(answers) => Box::new(move |of| {
                let n = answers.columns.len();
                let mut metrics = RegressionMetrics::new(answers.columns.clone());
                metrics.add(&rows(&answers.predicted, n, of), &rows(&answers.targets, n, of));
                metrics.finish()
            }),
            TaskAnswers::Detection(of) => Box::new(of.metrics_of()),
            TaskAnswers::Segmentation(of) => Box::new(of.metrics_of().expect("it was made with all detail")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_train::Ranking;

    fn labels() -> LabelAnswers {
        let probabilities = (0..60).map(|i| (i * 37 % 20) as f32 / 20.0).collect();
        let targets = (0..60).map(|i| i * 7 % 5 < 2).collect();
        LabelAnswers { thresholds: vec![0.5; 3], probabilities, targets }
    }

    #[test]
    fn map_of_images_is_that_of_their_rankings() {
        let of = labels();
        let map = of.map_of();
        for images in [(0..20).collect::<Vec<usize>>(), vec![3, 3, 7, 11, 19, 0], vec![5]] {
            let precision = |label: usize| {
                let pairs = images.iter().map(|&i| (of.probabilities[i * 3 + label], of.target(i, label)));
                Ranking::of(pairs).unwrap().average_precision()
            };
            let all: Vec<f64> = (0..3).filter_map(precision).collect();
            let wanted = all.iter().sum::<f64>() / all.len() as f64;
            let got = map(&images);
            assert!((got - wanted).abs() < 1e-12 || got.is_nan() && wanted.is_nan(), "{images:?}: {got} {wanted}");
        }
        assert!(map(&[]).is_nan());
        let mut broken = labels();
        broken.probabilities[4] = f32::NAN;
        assert!(broken.map_of()(&[0, 1]).is_nan());
        assert_eq!((broken.decided(1, 1), broken.decided(0, 0)), (None, Some(false)));
    }

    #[test]
    fn the_main_metric_is_among_all_metrics() {
        let numbers = NumberAnswers {
            columns: vec!["a".into(), "b".into()],
            predicted: vec![1.0, 2.0, 3.0, 4.0],
            targets: vec![1.5, 2.0, 0.0, 5.0],
        };
        let answers =
            Answers { classes: 2, logits: vec![1.0, 0.0, 0.0, 2.0], labels: vec![1, 1], ..Answers::default() };
        for answers in [
            TaskAnswers::Regression(numbers),
            TaskAnswers::Classification(answers),
            TaskAnswers::MultiLabel(LabelAnswers {
                thresholds: vec![0.5],
                probabilities: vec![0.9, 0.8],
                targets: vec![false, true],
            }),
        ] {
            let outcomes = Outcomes { names: vec!["a".into(), "b".into()], indices: vec![0, 1], answers };
            let value = outcomes.main_metric_of()(&[0, 1]);
            let all = outcomes.metrics_of()(&[0, 1]);
            let metric = all.iter().find(|m| m.name == outcomes.main_metric()).unwrap();
            assert!((metric.value - value).abs() < 1e-12, "{metric:?} {value}");
            assert_eq!(outcomes.as_metric(value).direction, metric.direction);
        }
    }
}
