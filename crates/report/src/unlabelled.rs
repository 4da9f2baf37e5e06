//! What can be said of images without labels.

use crate::about::About;
use crate::answers::Answers;
use crate::classes::ClassRow;
use crate::failures::{Failure, Failures};
use crate::report::{Report, ReportOptions};

impl Report {
    /// Of what a classifier says of images without labels: how many it takes for each class, and of which it is least and most certain.
    ///
    /// # Panics
    /// If the answers have no names, or are not of the classes that `about` names.
    pub fn unlabelled(about: About, answers: &Answers, options: &ReportOptions) -> Report {
        let outputs = &about.outputs;
        assert_eq!(
            outputs.len(),
            answers.classes,
            "Report::unlabelled: the answers are of {} classes",
            answers.classes
        );
        let mut counts = vec![0; outputs.len()];
        let mut scored = Vec::new();
        for i in 0..answers.len() {
            let Some(class) = answers.predicted(i) else { continue };
            counts[class] += 1;
            let mut p: Vec<f64> = answers.log_probabilities(i, options.temperature).iter().map(|x| x.exp()).collect();
            let confidence = p[class];
            p.sort_unstable_by(|a, b| b.total_cmp(a));
            let margin = confidence - p.get(1).copied().unwrap_or(0.0);
            scored.push(Failure {
                image: answers.names[i].clone(),
                index: answers.indices[i],
                actual: None,
                predicted: Some(outputs[class].clone()),
                confidence: Some(confidence),
                score: Some(margin),
                note: format!("margin {:.1} points", 100.0 * margin),
            });
        }
        scored.sort_by(|a, b| a.score.unwrap_or(0.0).total_cmp(&b.score.unwrap_or(0.0)));
        let most = options.failures;
        let surest: Vec<Failure> = scored.iter().rev().take(most).cloned().collect();
        scored.truncate(most);
        let row = |(class, &count): (&String, &usize)| ClassRow { class: class.clone(), count, metrics: Vec::new() };
        let classes = outputs.iter().zip(&counts).map(row).collect();
        let lists = [("least_certain", "Least certain", scored), ("most_certain", "Most certain", surest)];
        let failures = lists.into_iter().map(|(kind, title, images)| Failures { kind, title, images });
        Report {
            classes,
            failures: failures.filter(|list| !list.images.is_empty()).collect(),
            ..Report::empty(about, options)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Gallery;
    use crate::tests::about;

    #[test]
    fn the_least_certain_come_first_and_nothing_is_measured() {
        let mut answers = Answers::new(2);
        answers.logits = vec![5.0, 0.0, 0.1, 0.0, 0.0, 2.0, f32::NAN, 0.0];
        answers.names = ["a", "b", "c", "d"].map(String::from).to_vec();
        (answers.labels, answers.indices) = (vec![0; 4], vec![0, 1, 2, 3]);
        let about = About { measured_on: "unlabelled", loss: None, images: 4, ..about() };
        let report = Report::unlabelled(about, &answers, &ReportOptions::default());
        let names = |i: usize| report.failures[i].images.iter().map(|f| f.image.as_str()).collect::<Vec<_>>();
        assert_eq!((names(0), names(1)), (vec!["b", "c", "a"], vec!["a", "c", "b"]));
        assert_eq!(report.classes.iter().map(|row| row.count).collect::<Vec<_>>(), [2, 1]);
        assert!(report.metrics.is_empty() && report.confusion.is_none() && report.about.loss.is_none());
        let page = report.page(&Gallery::default());
        assert!(page.contains("without labels") && !page.contains("How good it is"), "{page}");
        assert!(report.model_card("").contains("without labels"));
    }
}
