//! [`Answers`]: what a classifier says of each image.

use striate_train::MeasuredBatch;

/// The logits that a classifier gives for each of some images, with their classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// How many classes there are.
    pub classes: usize,
    /// The logits, row by row.
    pub logits: Vec<f32>,
    /// The actual class of each image.
    pub labels: Vec<usize>,
    /// The name of each image.
    pub names: Vec<String>,
    /// The place of each image among those that were to be measured on. Images that cannot be read are not here.
    pub indices: Vec<usize>,
}

impl Answers {
    /// Of no images yet.
    pub fn new(classes: usize) -> Answers {
        Answers { classes, ..Answers::default() }
    }

    /// Adds a batch of a classification.
    ///
    /// # Panics
    /// If its outputs are not a logit for each class.
    pub fn add(&mut self, measured: &MeasuredBatch) {
        let logits = measured.output.to_vec::<f32>();
        let images = measured.batch.images.size(0);
        assert_eq!(logits.len(), images * self.classes, "Answers::add: {images} images of {} classes", self.classes);
        self.logits.extend(logits);
        self.labels.extend(measured.batch.targets.to_vec::<i64>().iter().map(|&label| label as usize));
        self.names.extend_from_slice(measured.names);
        self.indices.extend_from_slice(&measured.batch.indices);
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The logits of image `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.logits[i * self.classes..][..self.classes]
    }

    /// The class of the highest logit of image `i`, the first of several; none if a logit is NaN.
    pub fn predicted(&self, i: usize) -> Option<usize> {
        let row = self.row(i);
        if row.iter().any(|x| x.is_nan()) {
            return None;
        }
        (0..row.len()).reduce(|best, class| if row[class] > row[best] { class } else { best })
    }

    /// The logarithms of the probabilities of image `i`, in `f64`, with the logits divided by `temperature` first.
    pub fn log_probabilities(&self, i: usize, temperature: f64) -> Vec<f64> {
        let row: Vec<f64> = self.row(i).iter().map(|&x| f64::from(x) / temperature).collect();
        let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum = row.iter().map(|x| (x - highest).exp()).sum::<f64>();
        row.iter().map(|x| x - highest - sum.ln()).collect()
    }

    /// The probabilities of image `i`.
    pub fn probabilities(&self, i: usize) -> Vec<f64> {
        self.log_probabilities(i, 1.0).into_iter().map(f64::exp).collect()
    }

    /// The cross-entropy of image `i`.
    pub fn loss(&self, i: usize) -> f64 {
        -self.log_probabilities(i, 1.0)[self.labels[i]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Answers {
        Answers {
            classes: 3,
            logits: vec![1.0, 3.0, 3.0, 0.0, f32::NAN, 1.0],
            labels: vec![2, 0],
            ..Answers::default()
        }
    }

    #[test]
    fn the_first_of_the_highest_is_predicted() {
        assert_eq!((answers().predicted(0), answers().predicted(1)), (Some(1), None));
    }

    #[test]
    fn probabilities_are_of_a_softmax() {
        let p = answers().probabilities(0);
        let e = [1f64, 3.0, 3.0].map(f64::exp);
        let sum: f64 = e.iter().sum();
        assert!(p.iter().zip(e).all(|(p, e)| (p - e / sum).abs() < 1e-15), "{p:?}");
        assert!((answers().loss(0) + p[2].ln()).abs() < 1e-15 && answers().loss(1).is_nan());
        let cold = answers().log_probabilities(0, 1e-3);
        assert!((cold[1] - 0.5f64.ln()).abs() < 1e-12 && cold[0] == -2000.0 - 2f64.ln(), "{cold:?}");
    }
}
