//! What can be said of images without labels.

use crate::about::About;
use crate::classes::ClassRow;
use crate::failures::{Failure, Failures};
use crate::number::Number;
use crate::report::{Report, ReportOptions};
use striate_model::{Detection, ModelCard, TaskCard};
use striate_train::{Direction, MeasuredBatch, Metric};

/// What a model says of images without labels: how often it says what, and of which images it is least and most certain. An image for which it gives NaN counts
/// for nothing.
///
/// | task | what is counted | how certain it is |
/// |---|---|---|
/// | classification | images of each class | how far the likeliest class is above the second |
/// | multi-label | images with each label | how far the label that is nearest to its threshold is from it |
/// | regression | – | not known: images are in the order of the first number |
/// | detection | objects of each class | how far the score that is nearest to its threshold is from it; of an image without boxes, half |
/// | segmentation | pixels of each class | how far the likeliest class is above the second, the mean over pixels |
#[derive(Clone, Debug, PartialEq)]
pub struct UnlabelledAnswers {
    outputs: Vec<String>,
    task: TaskCard,
    images: usize,
    counts: Vec<usize>,
    numbers: Vec<Vec<f32>>,
    scored: Vec<Failure>,
}

/// What is said of one image.
struct Said {
    predicted: String,
    confidence: Option<f64>,
    score: f64,
    note: String,
}

impl UnlabelledAnswers {
    /// Of no images yet.
    pub fn new(card: &ModelCard) -> UnlabelledAnswers {
        let outputs = card.classes.clone();
        let counts = vec![0; outputs.len()];
        UnlabelledAnswers {
            counts,
            outputs,
            task: card.task.clone(),
            images: 0,
            numbers: Vec::new(),
            scored: Vec::new(),
        }
    }

    /// Images added.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Adds what the model of this card says of a batch.
    pub fn add(&mut self, card: &ModelCard, measured: &MeasuredBatch) {
        let said: Vec<Option<Said>> = match &self.task {
            TaskCard::Detection { .. } => {
                let [_, height, width] = card.preprocessing.output_shape();
                let found = card.task.detections(measured.output, [height, width]);
                found.iter().map(|found| Some(self.objects(card, found))).collect()
            }
            TaskCard::Segmentation { .. } => {
                let answers = card.answers(measured.output.clone()).permute(&[0, 2, 3, 1]).to_vec::<f32>();
                let pixels = answers.chunks_exact(answers.len() / measured.names.len().max(1));
                pixels.map(|image| self.pixels(image)).collect()
            }
            _ => {
                let answers = card.answers(measured.output.clone()).to_vec::<f32>();
                answers.chunks_exact(self.outputs.len()).map(|row| self.row(row)).collect()
            }
        };
        for ((said, name), &index) in said.into_iter().zip(measured.names).zip(&measured.batch.indices) {
            self.images += 1;
            self.scored.extend(said.map(|said| Failure {
                image: name.clone(),
                index,
                actual: None,
                predicted: Some(said.predicted),
                confidence: said.confidence,
                score: Some(said.score),
                note: said.note,
            }));
        }
    }

    /// Of the probabilities of classes or labels, or of numbers.
    fn row(&mut self, row: &[f32]) -> Option<Said> {
        if row.iter().any(|x| x.is_nan()) {
            return None;
        }
        Some(match &self.task {
            TaskCard::MultiLabel { thresholds } => {
                let has: Vec<usize> = (0..row.len()).filter(|&label| row[label] >= thresholds[label]).collect();
                let distance = |label: usize| f64::from(row[label] - thresholds[label]).abs();
                let nearest = (0..row.len()).min_by(|&a, &b| distance(a).total_cmp(&distance(b)))?;
                let names: Vec<&str> = has.iter().map(|&label| self.outputs[label].as_str()).collect();
                has.iter().for_each(|&label| self.counts[label] += 1);
                Said {
                    predicted: if names.is_empty() { "no label".into() } else { names.join("; ") },
                    confidence: None,
                    score: distance(nearest),
                    note: format!("{} {:.1}%", self.outputs[nearest], 100.0 * row[nearest]),
                }
            }
            TaskCard::Regression { .. } => {
                self.numbers.push(row.to_vec());
                let one = |(x, name): (&f32, &String)| match row.len() {
                    1 => format!("{x:.4}"),
                    _ => format!("{name} {x:.4}"),
                };
                let predicted = row.iter().zip(&self.outputs).map(one).collect::<Vec<_>>().join("; ");
                Said { predicted, confidence: None, score: f64::from(row[0]), note: String::new() }
            }
            _ => {
                let (class, margin) = likeliest(row);
                self.counts[class] += 1;
                Said {
                    predicted: self.outputs[class].clone(),
                    confidence: Some(f64::from(row[class])),
                    score: margin,
                    note: format!("margin {:.1} points", 100.0 * margin),
                }
            }
        })
    }

    fn objects(&mut self, card: &ModelCard, found: &[Detection]) -> Said {
        let mut counts = vec![0; self.outputs.len()];
        let above = |d: &Detection| f64::from(d.score - card.task.threshold(d.class));
        found.iter().filter(|d| above(d) >= 0.0).for_each(|d| counts[d.class] += 1);
        let nearest = found.iter().min_by(|a, b| above(a).abs().total_cmp(&above(b).abs()));
        self.counts.iter_mut().zip(&counts).for_each(|(all, n)| *all += n);
        let named = counts.iter().zip(&self.outputs).filter(|(n, _)| **n > 0).map(|(n, name)| format!("{n} {name}"));
        let named = named.collect::<Vec<_>>().join(", ");
        Said {
            predicted: if named.is_empty() { "no object".into() } else { named },
            confidence: None,
            score: nearest.map_or(0.5, |d| above(d).abs()),
            note: nearest.map_or(String::new(), |d| format!("{} at {:.1}%", self.outputs[d.class], 100.0 * d.score)),
        }
    }

    /// Of the probabilities of the classes of one pixel after the other.
    fn pixels(&mut self, image: &[f32]) -> Option<Said> {
        if image.iter().any(|x| x.is_nan()) {
            return None;
        }
        let classes = self.outputs.len();
        let (mut counts, mut sum) = (vec![0; classes], 0.0);
        for pixel in image.chunks_exact(classes) {
            let (class, margin) = likeliest(pixel);
            counts[class] += 1;
            sum += margin;
        }
        self.counts.iter_mut().zip(&counts).for_each(|(all, n)| *all += n);
        let all = image.len() / classes;
        let percentage = |n: usize| 100.0 * n as f64 / all as f64;
        let named = counts.iter().zip(&self.outputs).filter(|(n, _)| **n > 0);
        let margin = sum / all as f64;
        Some(Said {
            predicted: named.map(|(&n, name)| format!("{:.1}% {name}", percentage(n))).collect::<Vec<_>>().join(", "),
            confidence: None,
            score: margin,
            note: format!("mean margin {:.1} points", 100.0 * margin),
        })
    }

    /// A line for each class, label or column: how often it is predicted, or the lowest number, the median and the highest.
    pub fn rows(&self) -> Vec<ClassRow> {
        let row = |(output, name): (usize, &String)| {
            let mut numbers: Vec<f32> = self.numbers.iter().map(|row| row[output]).collect();
            numbers.sort_unstable_by(f32::total_cmp);
            let places = [("lowest", 0), ("median", numbers.len() / 2), ("highest", numbers.len().saturating_sub(1))];
            let number = |(name, place): (&str, usize)| {
                let value = numbers.get(place).map_or(f64::NAN, |x| f64::from(*x));
                Number::of(&Metric::number(name, value, Direction::Maximize))
            };
            let is_numbers = matches!(self.task, TaskCard::Regression { .. });
            ClassRow {
                class: name.clone(),
                count: if is_numbers { numbers.len() } else { self.counts[output] },
                metrics: if is_numbers { places.map(number).into() } else { Vec::new() },
            }
        };
        self.outputs.iter().enumerate().map(row).collect()
    }
}

/// The class of the highest probability, the first of equal ones, and by how much it is above the second.
fn likeliest(row: &[f32]) -> (usize, f64) {
    let (mut best, mut first, mut second) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
    for (class, &p) in row.iter().enumerate() {
        if p > first {
            (best, first, second) = (class, p, first);
        } else {
            second = second.max(p);
        }
    }
    (best, f64::from(first) - f64::from(second.max(0.0)))
}

impl Report {
    /// Of what a model says of images without labels.
    ///
    /// # Panics
    /// If it is not of the outputs that `about` names.
    pub fn unlabelled(about: About, said: &UnlabelledAnswers, options: &ReportOptions) -> Report {
        assert_eq!(about.outputs, said.outputs, "Report::unlabelled: answers of a model of other outputs");
        let mut scored = said.scored.clone();
        scored.sort_by(|a, b| a.score.unwrap_or(0.0).total_cmp(&b.score.unwrap_or(0.0)));
        let last: Vec<Failure> = scored.iter().rev().take(options.failures).cloned().collect();
        scored.truncate(options.failures);
        let lists = match said.task {
            TaskCard::Regression { .. } => [("lowest", "Lowest", scored), ("highest", "Highest", last)],
            _ => [("least_certain", "Least certain", scored), ("most_certain", "Most certain", last)],
        };
        let failures = lists.into_iter().map(|(kind, title, images)| Failures { kind, title, images });
        Report {
            classes: said.rows(),
            failures: failures.filter(|list| !list.images.is_empty()).collect(),
            ..Report::empty(about, options)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Gallery;
    use crate::explain::tests::card;
    use crate::tests::about;
    use striate_data::Batch;
    use striate_tensor::{DType, Tensor};

    fn said(task: TaskCard, outputs: &[&str], output: Tensor) -> UnlabelledAnswers {
        let card = ModelCard { classes: outputs.iter().map(|x| x.to_string()).collect(), ..card(task) };
        let n = output.shape()[0];
        let names: Vec<String> = (0..n).map(|i| ["a", "b", "c", "d"][i].to_string()).collect();
        let images = Tensor::zeros([n, 1, 1, 1], DType::F32);
        let targets = Tensor::zeros([n], DType::I64);
        let batch = Batch { images, targets, soft_labels: None, indices: (0..n).collect() };
        let mut said = UnlabelledAnswers::new(&card);
        said.add(&card, &MeasuredBatch { batch: &batch, output: &output, features: None, names: &names });
        said
    }

    fn names(said: &UnlabelledAnswers) -> [String; 2] {
        let about =
            About { outputs: said.outputs.clone(), measured_on: "unlabelled", loss: None, images: 4, ..about() };
        let report = Report::unlabelled(about, said, &ReportOptions::default());
        let page = report.page(&Gallery::default());
        assert!(page.contains("without labels") && !page.contains("How good it is"), "{page}");
        assert!(report.metrics.is_empty() && report.confusion.is_none() && report.about.loss.is_none());
        assert!(report.model_card("").contains("without labels"));
        [0, 1].map(|i| report.failures[i].images.iter().map(|f| f.image.as_str()).collect::<String>())
    }

    fn counts(said: &UnlabelledAnswers) -> Vec<usize> {
        said.rows().iter().map(|row| row.count).collect()
    }

    #[test]
    fn of_classes_the_least_certain_come_first() {
        let logits = Tensor::from_vec(vec![5.0f32, 0.0, 0.1, 0.0, 0.0, 2.0, f32::NAN, 0.0], [4, 2]);
        let said = said(TaskCard::Classification, &["cat", "dog"], logits);
        assert_eq!((counts(&said), said.images()), (vec![2, 1], 4));
        assert_eq!(names(&said), ["bca", "acb"]);
    }

    #[test]
    fn labels_are_certain_where_all_are_far_from_their_thresholds() {
        let logits = Tensor::from_vec(vec![4.0f32, -4.0, 0.1, 5.0, -2.0, -2.0], [3, 2]);
        let said = said(TaskCard::MultiLabel { thresholds: vec![0.5; 2] }, &["x", "y"], logits);
        assert_eq!((counts(&said), names(&said)), (vec![2, 1], ["bca".into(), "acb".into()]));
        let predicted: Vec<&str> = said.scored.iter().map(|f| f.predicted.as_deref().unwrap()).collect();
        assert_eq!(predicted, ["x", "x; y", "no label"]);
    }

    #[test]
    fn numbers_are_in_their_order() {
        let outputs = Tensor::from_vec(vec![1.0f32, -2.0, f32::NAN, 0.5], [4, 1]);
        let said = said(TaskCard::Regression { mean: vec![10.0], std: vec![2.0] }, &["count"], outputs);
        assert_eq!(names(&said), ["bda", "adb"]);
        let rows = said.rows();
        let values: Vec<f64> = rows[0].metrics.iter().map(|m| m.value.unwrap()).collect();
        assert_eq!((rows[0].count, values), (3, vec![6.0, 11.0, 12.0]));
    }

    #[test]
    fn pixels_are_counted() {
        // Two images of two pixels, the classes one after the other.
        let outputs = Tensor::from_vec(vec![9.0f32, 0.0, 0.0, 9.0, 1.0, 1.0, 0.0, 0.0], [2, 2, 1, 2]);
        let said = said(TaskCard::Segmentation { palette: vec![[0; 3]; 2] }, &["sky", "sea"], outputs);
        assert_eq!((counts(&said), names(&said)), (vec![3, 1], ["ba".into(), "ab".into()]));
        assert_eq!(said.scored[0].predicted.as_deref(), Some("50.0% sky, 50.0% sea"));
    }
}
