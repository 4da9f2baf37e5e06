//! `MODEL_CARD.md`: what a run tells by itself, and places for what only its author knows (after Mitchell et al., "Model Cards for Model Reporting", 2019).

use crate::about::{About, OUT_OF_FOLD, UNLABELLED};
use crate::report::Report;
use askama::Template;

#[derive(Template)]
#[template(path = "MODEL_CARD.md", escape = "none")]
struct Card<'a> {
    report: &'a Report,
    about: &'a About,
    outputs: String,
    limits: Vec<String>,
    /// The card that is there.
    before: &'a str,
}

/// Outputs that are named.
const NAMED: usize = 50;

impl Report {
    /// The model card as Markdown. What an author has written in `before`, the card that is there, is kept.
    pub fn model_card(&self, before: &str) -> String {
        let names: Vec<String> = self.about.outputs.iter().take(NAMED).map(|name| md(name)).collect();
        let more = self.about.outputs.len() - names.len();
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let outputs = names.join(", ") + &more;
        let card = Card { report: self, about: &self.about, outputs, limits: self.limits(), before };
        card.render().expect("a template of text and numbers is written into memory") + "\n"
    }

    /// What the numbers say against the model, a sentence each.
    fn limits(&self) -> Vec<String> {
        let mut limits = Vec::new();
        match self.about.measured_on {
            "validation" => limits.push(
                "It was measured on images on which its best epoch was chosen: on new ones it does worse.".into(),
            ),
            OUT_OF_FOLD => limits.push(
                "Each fold's best epoch was chosen on the images it was measured on: on new ones it does worse. A model of all images was not measured.".into(),
            ),
            UNLABELLED => limits.push("How right it is was not measured: the images have no labels.".into()),
            "unknown" => {
                limits.push("It is not known whether it has learnt from the images it was measured on.".into())
            }
            _ => {}
        }
        let weakest = |name: &str| {
            let rows = self.classes.iter().filter(|row| row.count > 0);
            let valued = rows.filter_map(|row| {
                let number = row.metrics.iter().find(|number| number.name == name)?;
                Some((row, number, number.value?))
            });
            valued.min_by(|a, b| a.2.total_cmp(&b.2))
        };
        let counted = match self.about.task.as_str() {
            "detection" => "objects",
            "segmentation" => "pixels",
            _ => "images",
        };
        let is_measured = self.about.loss.is_some();
        for name in ["recall", "ap", "iou"] {
            if let Some((row, number, _)) = weakest(name) {
                let interval = match number.shown_interval() {
                    text if text.is_empty() => String::new(),
                    text => format!(" (95% interval: {text})"),
                };
                limits.push(format!(
                    "{} is lowest for {}: {}{interval}, of {} {counted}.",
                    number.title,
                    row.class,
                    number.shown(),
                    row.count
                ));
                break;
            }
        }
        let empty: Vec<&str> =
            self.classes.iter().filter(|row| row.count == 0).map(|row| row.class.as_str()).take(10).collect();
        if is_measured && !empty.is_empty() {
            limits.push(format!("Not measured at all, for there were no {counted} of them: {}.", empty.join(", ")));
        }
        if let Some(pair) = self.confusion.as_ref().and_then(|confusion| confusion.most_confused.first()) {
            limits.push(format!(
                "{} is most often taken for {}: {:.1}% of its {counted}.",
                self.about.outputs[pair.actual],
                self.about.outputs[pair.predicted],
                100.0 * pair.fraction_of_actual
            ));
        }
        if let Some(list) = self.failures.iter().find(|list| list.kind == "confidently_wrong") {
            let sure = list.images.first().and_then(|failure| failure.confidence);
            limits.extend(sure.map(|p| format!("It can be wrong and sure: up to a probability of {:.1}%.", 100.0 * p)));
        }
        limits.extend(self.calibration_limit());
        limits.extend(self.group_limit());
        limits.extend(self.robustness_limit());
        if limits.is_empty() {
            limits.push("None of those that were looked for.".into());
        }
        limits
    }
}

/// A gap between groups counts as more than chance below this.
const SIGNIFICANT: f64 = 0.05;

impl Report {
    /// What is to be said of its probabilities, if they are further off than chance alone makes them.
    fn calibration_limit(&self) -> Option<String> {
        let own = self.certainty.as_ref()?.own()?;
        let ece = own.ece?;
        let (confidence, accuracy) = (own.confidence?, own.accuracy?);
        let way = if confidence > accuracy { "too sure" } else { "not sure enough" };
        let line = || format!("Its probabilities are {:.1} points off on average (ECE), mostly {way}.", 100.0 * ece);
        own.is_miscalibrated().then(line)
    }

    /// The largest gap between groups, if it is more than chance.
    fn group_limit(&self) -> Option<String> {
        let groups = self.groups.as_ref()?;
        let gap = groups.main_gap();
        let name = |place: usize| groups.groups[place].value.clone().unwrap_or_else(|| "no value".into());
        let (difference, lowest, highest) = (gap.difference?, name(gap.lowest?), name(gap.highest?));
        let size = match groups.main_metric.as_str() {
            "mae" => format!("{difference:.4}"),
            _ => format!("{:.1} points", 100.0 * difference),
        };
        let metric = groups.main_title();
        let line = || {
            format!(
                "By {}, {metric} differs by {size} between {lowest} and {highest}, more than by chance.",
                groups.column
            )
        };
        gap.p_adjusted.is_some_and(|p| p < SIGNIFICANT).then(line)
    }

    /// Under which corruption it does worst.
    fn robustness_limit(&self) -> Option<String> {
        let robustness = self.robustness.as_ref()?;
        let rows = robustness.corruptions.iter().filter_map(|row| Some((row, row.error_increase?)));
        let (worst, _) = rows.max_by(|a, b| a.1.total_cmp(&b.1))?;
        let strongest = worst.strengths.last()?;
        let changes = if robustness.clean.more_is_better { "falls" } else { "rises" };
        Some(format!(
            "{} {changes} from {} to {} under {} at its strongest.",
            robustness.clean.title,
            robustness.clean.shown(),
            strongest.metric.shown(),
            worst.corruption.name()
        ))
    }
}

impl Card<'_> {
    fn md(&self, text: impl AsRef<str>) -> String {
        md(text.as_ref())
    }

    /// What the author has written in a place, or what to write there.
    fn author(&self, place: &str, ask: &str) -> String {
        let written = self.before.split_once(&format!("<!-- author: {place} -->\n"));
        match written.and_then(|(_, rest)| rest.split_once("\n<!-- end -->")) {
            Some((written, _)) => written.to_string(),
            None => format!("*To be written by the author.* {ask}"),
        }
    }
}

/// Text that Markdown shows as it is, in one line.
fn md(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '|' | '#' | '~' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::report;

    #[test]
    fn what_the_author_wrote_is_kept() {
        let report = report();
        let first = report.model_card("");
        assert_eq!(first.matches("*To be written by the author.*").count(), 5);
        assert!(first.contains("| Accuracy | 66.7% |"), "{first}");
        let use_ask = first.lines().find(|line| line.contains("must not be used for")).unwrap();
        let edited = first.replace(use_ask, "Counting cats.\n\nNot dogs.");
        let again = report.model_card(&edited);
        assert_eq!(again, edited);
        assert_eq!(again.matches("*To be written by the author.*").count(), 4);
    }

    #[test]
    fn names_are_text() {
        assert_eq!(md("a|b <i>*x*\n"), "a\\|b &lt;i&gt;\\*x\\* ");
    }
}
