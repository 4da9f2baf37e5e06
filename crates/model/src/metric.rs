//! A number that was measured, and how to read it.

use crate::interval::wilson_interval;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whether more or less of a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// More is better, as of accuracy.
    Maximize,
    /// Less is better, as of an error.
    Minimize,
}

/// How a metric is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// A fraction from 0 to 1, as a percentage.
    Fraction,
    /// Any number, as it is.
    Number,
}

/// A number that was measured.
///
/// NaN says that the number is not defined, such as the accuracy on no samples. Serialized, a value that is not finite is null, and null reads back as NaN.
///
/// ```
/// use striate_model::Metric;
///
/// let accuracy = Metric::proportion("accuracy", 90, 100);
/// assert!(accuracy.is_better(0.85) && !Metric::fraction("accuracy", f64::NAN).is_better(0.0));
/// assert_eq!(accuracy.interval_95.map(|[low, high]| (low > 0.82, high < 0.95)), Some((true, true)));
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Metric {
    /// What was measured, such as `balanced_accuracy`.
    pub name: String,
    /// The number.
    #[serde(default = "nan", serialize_with = "nan_as_null", deserialize_with = "null_as_nan")]
    pub value: f64,
    /// Whether more or less is better.
    pub direction: Direction,
    /// How it is shown.
    pub scale: Scale,
    /// A 95 % confidence interval, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_95: Option<[f64; 2]>,
}

impl Metric {
    /// A fraction of which more is better.
    pub fn fraction(name: impl Into<String>, value: f64) -> Self {
        Metric { name: name.into(), value, direction: Direction::Maximize, scale: Scale::Fraction, interval_95: None }
    }

    /// A number that is no fraction.
    pub fn number(name: impl Into<String>, value: f64, direction: Direction) -> Self {
        Metric { direction, scale: Scale::Number, ..Metric::fraction(name, value) }
    }

    /// The fraction of trials that succeeded, with its interval by [`wilson_interval`].
    pub fn proportion(name: impl Into<String>, successes: usize, trials: usize) -> Self {
        let metric = Metric::fraction(name, successes as f64 / trials as f64);
        if trials == 0 { metric } else { metric.interval(wilson_interval(successes, trials).into()) }
    }

    /// With this 95 % confidence interval.
    pub fn interval(self, interval: [f64; 2]) -> Self {
        Metric { interval_95: Some(interval), ..self }
    }

    /// With this direction.
    pub fn direction(self, direction: Direction) -> Self {
        Metric { direction, ..self }
    }

    /// Whether the value is better than another one. NaN never is, and every number is better than NaN.
    pub fn is_better(&self, than: f64) -> bool {
        if self.value.is_nan() || than.is_nan() {
            return !self.value.is_nan();
        }
        match self.direction {
            Direction::Maximize => self.value > than,
            Direction::Minimize => self.value < than,
        }
    }

    /// Its name as the field writes it: `F1 (macro)`; `MAE of width` of a column.
    pub fn title(&self) -> String {
        let (name, column) = self.name.split_once('/').map_or((self.name.as_str(), None), |(n, c)| (n, Some(c)));
        let known = TITLES.iter().find(|(known, _)| *known == name);
        let top = name.strip_prefix("top_").and_then(|rest| rest.strip_suffix("_accuracy"));
        let title = match (known, top) {
            (Some((_, title)), _) => title.to_string(),
            (None, Some(k)) => format!("top-{k} accuracy"),
            (None, None) => name.replace('_', " "),
        };
        column.map_or(title.clone(), |column| format!("{title} of {column}"))
    }

    /// The title at the beginning of a line: `Balanced accuracy`.
    pub fn heading(&self) -> String {
        let mut title = self.title();
        // Not of mAP.
        if title.get(1..2).is_some_and(|second| second.chars().all(char::is_lowercase)) {
            title[..1].make_ascii_uppercase();
        }
        title
    }

    /// A value of this metric for people: `98.32%`, `0.0512`.
    pub fn format(&self, value: f64) -> String {
        match self.scale {
            _ if value.is_nan() => "–".into(),
            Scale::Fraction => format!("{:.2}%", 100.0 * value),
            Scale::Number => format!("{value:.4}"),
        }
    }

    /// Its value for people.
    pub fn shown(&self) -> String {
        self.format(self.value)
    }
}

/// Names that are no plain words.
const TITLES: [(&str, &str); 37] = [
    ("precision_micro", "precision (micro)"),
    ("recall_micro", "recall (micro)"),
    ("precision_macro", "precision (macro)"),
    ("recall_macro", "recall (macro)"),
    ("f1", "F1"),
    ("f1_macro", "F1 (macro)"),
    ("f1_micro", "F1 (micro)"),
    ("cohen_kappa", "Cohen's kappa"),
    ("mcc", "MCC"),
    ("roc_auc", "ROC-AUC"),
    ("average_precision", "average precision"),
    ("roc_auc_macro", "ROC-AUC (macro)"),
    ("average_precision_macro", "average precision (macro)"),
    ("mean_average_precision", "mAP"),
    ("map", "mAP@[.5:.95]"),
    ("map50", "mAP@.5"),
    ("map75", "mAP@.75"),
    ("map_small", "mAP (small)"),
    ("map_medium", "mAP (medium)"),
    ("map_large", "mAP (large)"),
    ("ap", "AP@[.5:.95]"),
    ("ap50", "AP@.5"),
    ("ap75", "AP@.75"),
    ("ar1", "AR@1"),
    ("ar10", "AR@10"),
    ("ar100", "AR@100"),
    ("ar_small", "AR (small)"),
    ("ar_medium", "AR (medium)"),
    ("ar_large", "AR (large)"),
    ("iou", "IoU"),
    ("mean_iou", "mean IoU"),
    ("dice", "Dice"),
    ("mean_dice", "mean Dice"),
    ("boundary_f1", "boundary F1"),
    ("mae", "MAE"),
    ("rmse", "RMSE"),
    ("r2", "R²"),
];

/// The value of a number that is left out.
fn nan() -> f64 {
    f64::NAN
}

fn nan_as_null<S: Serializer>(x: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if x.is_finite() { serializer.serialize_f64(*x) } else { serializer.serialize_none() }
}

fn null_as_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// As the fields; two NaN values are equal, so that what was written equals what is read back.
impl PartialEq for Metric {
    fn eq(&self, other: &Metric) -> bool {
        (self.value == other.value || self.value.is_nan() && other.value.is_nan())
            && self.name == other.name
            && self.direction == other.direction
            && self.scale == other.scale
            && self.interval_95 == other.interval_95
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_null_and_reads_back() {
        for metric in [
            Metric::fraction("accuracy", f64::NAN),
            Metric::number("rmse", 0.1, Direction::Minimize),
            Metric::proportion("recall", 3, 4),
        ] {
            let text = serde_json::to_string(&metric).unwrap();
            assert_eq!(text.contains("null"), metric.value.is_nan(), "{text}");
            assert_eq!(serde_json::from_str::<Metric>(&text).unwrap(), metric);
        }
        let text = r#"{"name":"mcc","value":0.5,"direction":"maximize","scale":"number"}"#;
        let metric: Metric = serde_json::from_str(text).unwrap();
        assert_eq!(metric, Metric::number("mcc", 0.5, Direction::Maximize));
        assert_eq!(serde_json::to_string(&metric).unwrap(), text);
    }

    #[test]
    fn titles_are_those_of_the_field() {
        let of = |name: &str| Metric::fraction(name, 0.5);
        assert_eq!([of("f1_macro"), of("balanced_accuracy")].map(|m| m.title()), ["F1 (macro)", "balanced accuracy"]);
        assert_eq!(of("mae/width").title(), "MAE of width");
        assert_eq!([of("map50"), of("mean_iou")].map(|m| m.heading()), ["mAP@.5", "Mean IoU"]);
        let headings = ["mean_average_precision", "balanced_accuracy", "f1", "r2", "x", ""].map(|n| of(n).heading());
        assert_eq!(headings, ["mAP", "Balanced accuracy", "F1", "R²", "x", ""]);
    }

    #[test]
    fn nan_is_never_better() {
        let up = |x| Metric::fraction("x", x);
        let down = |x| Metric::number("x", x, Direction::Minimize);
        assert!(up(0.6).is_better(0.5) && !up(0.5).is_better(0.5) && !up(0.4).is_better(0.5));
        assert!(down(0.4).is_better(0.5) && !down(0.5).is_better(0.5) && !down(0.6).is_better(0.5));
        for of in [up, down] {
            assert!(!of(f64::NAN).is_better(0.5) && !of(f64::NAN).is_better(f64::NAN) && of(0.5).is_better(f64::NAN));
        }
    }

    #[test]
    fn nothing_has_no_interval() {
        let nothing = Metric::proportion("accuracy", 0, 0);
        assert!(nothing.value.is_nan() && nothing.interval_95.is_none());
    }
}
