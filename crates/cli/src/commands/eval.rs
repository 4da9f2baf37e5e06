use super::is_same_file;
use super::run::watched;
use crate::advice;
use crate::args::Eval;
use crate::model_arg::model_path;
use crate::output::{Failure, count_of, json_path, note, say, say_json, shown, shown_path, thousands};
use crate::table::Table;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use striate::data::images::path_text;
use striate::model::{EvalSplit, Predictor};
use striate::train::{ConfusionMatrix, Evaluation, HeldOut, MNIST, evaluate, load_to_measure, wilson_interval};

/// More classes than these are not printed one by one, nor is their matrix.
const MANY: usize = 20;
/// How many reasons a line gives.
const REASONS: usize = 3;

/// What is printed.
struct Measured<'a> {
    model: &'a Path,
    network: String,
    held_out: &'a HeldOut,
    classes: &'a [String],
    imported_from: Option<&'a str>,
    evaluation: &'a Evaluation,
}

pub fn run(args: Eval) -> Result<ExitCode, Failure> {
    super::set_up(&args.compute);
    let file = model_path(&args.model)?;
    check_csv(&args, &file)?;
    let model = Predictor::load(&file)?;
    let typed = args.data.as_deref().map(data_to_measure).transpose()?;
    let options = args.columns.options();
    let quiet = args.json;
    let held_out = watched(quiet, |watch| load_to_measure(&model.card, typed.as_deref(), &options, watch))
        .map_err(advice::failure)?;
    held_out.data.notes.iter().for_each(|text| note(text));
    let evaluation = evaluate(&model, &held_out).map_err(advice::failure)?;
    let network = striate::zoo::title_of(&model.card.architecture);
    let classes = &model.card.classes;
    let imported_from = model.card.imported_from();
    let measured =
        Measured { model: &file, network, held_out: &held_out, classes, imported_from, evaluation: &evaluation };
    [measured.unreadable(), measured.learnt_from()].into_iter().flatten().for_each(|line| note(&line));
    if let Some(csv) = &args.csv {
        striate::formats::write_atomic(csv, &measured.csv()?)?;
    }
    if args.json {
        say_json(&measured.json())?;
    } else {
        measured.print(args.all)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The data as it was typed. A file or folder called mnist comes before what is built in.
fn data_to_measure(typed: &Path) -> Result<String, Failure> {
    let name = path_text(typed);
    Ok(if name == MNIST && typed.exists() { format!("./{name}") } else { name })
}

/// What is read is not written over.
fn check_csv(args: &Eval, model: &Path) -> Result<(), Failure> {
    let Some(csv) = &args.csv else { return Ok(()) };
    if is_same_file(csv, model) || args.data.as_ref().is_some_and(|data| is_same_file(csv, data)) {
        return Err(format!("--csv {} would write over what is read: name another file", shown_path(csv)).into());
    }
    Ok(())
}

fn percent(x: Option<f64>) -> String {
    x.map_or("–".into(), |x| format!("{:.2}%", 100.0 * x))
}

/// Classes that are taken for each other: how often, and in which share of the images of the actual one.
struct Confused {
    actual: usize,
    predicted: usize,
    count: usize,
    share: f64,
}

/// Pairs of classes of which the one is taken for the other, the most frequent ones first.
fn confused(confusion: &ConfusionMatrix) -> Vec<Confused> {
    let mut pairs = Vec::new();
    for (actual, row) in confusion.counts().iter().enumerate() {
        let images: usize = row.iter().sum();
        for (predicted, &count) in row.iter().enumerate().filter(|&(predicted, &n)| n > 0 && predicted != actual) {
            pairs.push(Confused { actual, predicted, count, share: count as f64 / images as f64 });
        }
    }
    // A stable sort: pairs of one count are in the order of their shares, then of the classes.
    pairs.sort_by(|a, b| b.count.cmp(&a.count).then(b.share.total_cmp(&a.share)));
    pairs
}

impl Measured<'_> {
    fn confusion(&self) -> &ConfusionMatrix {
        &self.evaluation.confusion
    }

    fn images(&self, class: usize) -> usize {
        self.confusion().counts()[class].iter().sum()
    }

    /// What was learnt from, or that this is not known, in one line.
    fn learnt_from(&self) -> Option<String> {
        let HeldOut { split, left_out, error_rate, .. } = self.held_out;
        match (split, left_out) {
            (EvalSplit::Unknown, _) => {
                let origin = match self.imported_from {
                    Some(file) => format!("the model comes from {}, which", shown(file)),
                    None => "this model file is of an earlier version and".into(),
                };
                Some(format!(
                    "{origin} does not say what it learnt from: these images may be among that, and then the numbers are too good"
                ))
            }
            (_, 0) => None,
            (_, n) => {
                let by_mistake = match error_rate {
                    0.0 => String::new(),
                    rate => format!(" ({:.2}% of other images are taken for such, by mistake)", 100.0 * rate),
                };
                let images = count_of(*n, "image");
                Some(format!(
                    "{images} left out, for the model has learnt from {}{by_mistake}",
                    if *n == 1 { "it" } else { "them" }
                ))
            }
        }
    }

    /// Images that could not be read, in one line.
    fn unreadable(&self) -> Option<String> {
        let bad = &self.evaluation.bad;
        let reasons: Vec<&str> = bad.iter().take(REASONS).map(|bad| bad.reason.as_str()).collect();
        let more = bad.len().saturating_sub(REASONS);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let line = || {
            format!("{} left out, for they cannot be read: {}{more}", count_of(bad.len(), "image"), reasons.join("; "))
        };
        (!bad.is_empty()).then(line)
    }

    fn json(&self) -> Value {
        let confusion = self.confusion();
        let (low, high) = wilson_interval(confusion.correct(), confusion.total());
        let (model, model_bytes) = json_path(self.model);
        let classes: Vec<_> = (self.classes.iter().enumerate())
            .map(|(c, name)| {
                json!({
                    "class": name, "precision": confusion.precision(c), "recall": confusion.recall(c),
                    "images": self.images(c),
                })
            })
            .collect();
        let unreadable: Vec<Value> = (self.evaluation.bad.iter())
            .map(|bad| {
                let (image, bytes) = json_path(&bad.path);
                let mut value = json!({ "image": image, "reason": bad.reason });
                bytes.into_iter().for_each(|bytes| value["image_bytes"] = bytes.into());
                value
            })
            .collect();
        let mut value = json!({
            "model": model,
            "data": self.held_out.data.name,
            "images": confusion.total(),
            "measured_on": self.held_out.split,
            "learnt_from_left_out": self.held_out.left_out,
            "learnt_from_error_rate": self.held_out.error_rate,
            "unreadable": unreadable.len(),
            "unreadable_images": unreadable,
            "accuracy": confusion.accuracy(),
            "accuracy_interval_95": [low, high],
            "loss": self.evaluation.loss,
            "classes": classes,
            "confusion": confusion.counts(),
        });
        model_bytes.into_iter().for_each(|bytes| value["model_bytes"] = bytes.into());
        value
    }

    /// The confusion matrix as a table.
    fn csv(&self) -> Result<Vec<u8>, Failure> {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record([CORNER].into_iter().chain(self.classes.iter().map(String::as_str)))?;
        for (name, counts) in self.classes.iter().zip(self.confusion().counts()) {
            table.write_record([name.clone()].into_iter().chain(counts.iter().map(usize::to_string)))?;
        }
        Ok(table.into_inner()?)
    }

    fn print(&self, all: bool) -> Result<(), Failure> {
        let confusion = self.confusion();
        let (low, high) = wilson_interval(confusion.correct(), confusion.total());
        say(format_args!(
            "{}: {} on {} ({} {}{})",
            shown_path(self.model),
            shown(&self.network),
            shown(&self.held_out.data.name),
            thousands(confusion.total()),
            self.held_out.split.images(),
            if self.held_out.split == EvalSplit::Validation { ": its best epoch was chosen on them" } else { "" }
        ))?;
        say(format_args!(
            "Accuracy: {:.2}% (95% interval: {:.2}% to {:.2}%), loss: {:.4}",
            100.0 * confusion.accuracy(),
            100.0 * low,
            100.0 * high,
            self.evaluation.loss
        ))?;
        let few = all || self.classes.len() <= MANY;
        self.print_classes(few)?;
        if few { self.print_matrix() } else { self.print_confused() }
    }

    fn print_classes(&self, all: bool) -> Result<(), Failure> {
        let mut order: Vec<usize> = (0..self.classes.len()).collect();
        if !all {
            // Those without images come last.
            let recall = |c: usize| self.confusion().recall(c).unwrap_or(f64::INFINITY);
            order.sort_by(|&a, &b| recall(a).total_cmp(&recall(b)));
            order.truncate(MANY);
        }
        let mut table = Table::new(&["class", "precision", "recall", "images"]);
        for &c in &order {
            let (precision, recall) = (self.confusion().precision(c), self.confusion().recall(c));
            table.row(vec![self.classes[c].clone(), percent(precision), percent(recall), thousands(self.images(c))]);
        }
        say(format_args!("\n{table}"))?;
        match self.classes.len() - order.len() {
            0 => Ok(()),
            more => say(format_args!(
                "These are the {} classes of the lowest recall; --all prints {} more, --json has all.",
                order.len(),
                thousands(more)
            )),
        }
    }

    fn print_matrix(&self) -> Result<(), Failure> {
        let header: Vec<&str> = [CORNER].into_iter().chain(self.classes.iter().map(String::as_str)).collect();
        let mut table = Table::new(&header);
        for (name, counts) in self.classes.iter().zip(self.confusion().counts()) {
            table.row([name.clone()].into_iter().chain(counts.iter().map(usize::to_string)).collect());
        }
        say(format_args!("\n{table}"))
    }

    fn print_confused(&self) -> Result<(), Failure> {
        let pairs = confused(self.confusion());
        if pairs.is_empty() {
            return say("\nNo class was taken for another.");
        }
        let mut table = Table::new(&["actual", "predicted", "images", "share of actual"]).left(2);
        for pair in pairs.iter().take(MANY) {
            let name = |c: usize| self.classes[c].clone();
            let share = percent(Some(pair.share));
            table.row(vec![name(pair.actual), name(pair.predicted), thousands(pair.count), share]);
        }
        say(format_args!("\n{table}"))?;
        let n = pairs.len().min(MANY);
        say(format_args!(
            "These are the {n} of {} pairs that are confused most often; --csv FILE.csv writes the whole matrix, --json has it.",
            thousands(pairs.len())
        ))
    }
}

/// What stands above the classes of the rows.
const CORNER: &str = "actual \\ predicted";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_confused_pairs_come_first() {
        let mut m = ConfusionMatrix::new(4);
        for (actual, predicted, n) in [(0, 0, 9), (0, 1, 1), (1, 0, 3), (2, 1, 3), (2, 2, 3), (3, 3, 5)] {
            (0..n).for_each(|_| m.add(actual, predicted));
        }
        let pairs: Vec<_> = confused(&m).iter().map(|p| (p.actual, p.predicted, p.count, p.share)).collect();
        assert_eq!(pairs, [(1, 0, 3, 1.0), (2, 1, 3, 0.5), (0, 1, 1, 0.1)]);
    }
}
