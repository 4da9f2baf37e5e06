//! What is said of the images that a model is measured on.

use crate::output::{count_of, json_path, shown, thousands};
use serde_json::{Value, json};
use std::path::Path;
use striate::data::images::{BadImage, path_text};
use striate::model::{EvalSplit, FittedOn, ModelCard};
use striate::train::{Evaluation, HeldOut, MNIST};

/// How many reasons a line gives.
const REASONS: usize = 3;

/// The data as it was typed. A file or folder called mnist comes before what is built in.
pub fn data_name(typed: &Path) -> String {
    let name = path_text(typed);
    if name == MNIST && typed.exists() { format!("./{name}") } else { name }
}

/// `photos (1,000 test images)`
pub fn described(held_out: &HeldOut, images: usize) -> String {
    let chosen = if held_out.split == EvalSplit::Validation { ": its best epoch was chosen on them" } else { "" };
    format!("{} ({} {}{chosen})", shown(&held_out.data.name), thousands(images), held_out.split.images())
}

/// `1,000 test images of photos`
pub fn fitted_on(fitted: &FittedOn) -> String {
    let of = if fitted.data.is_empty() { String::new() } else { format!(" of {}", shown(&fitted.data)) };
    format!("{} {}{of}", thousands(fitted.images), fitted.split.images())
}

/// What could not be read, and what was learnt from, a line each.
pub fn notes(held_out: &HeldOut, card: &ModelCard, bad: &[BadImage]) -> Vec<String> {
    [unreadable(bad), learnt_from(held_out, card)].into_iter().flatten().collect()
}

/// What was learnt from, or that this is not known.
fn learnt_from(held_out: &HeldOut, card: &ModelCard) -> Option<String> {
    let HeldOut { split, left_out, error_rate, .. } = held_out;
    match (split, left_out) {
        (EvalSplit::Unknown, _) => {
            let origin = match card.imported_from() {
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

/// Images that could not be read.
pub fn unreadable(bad: &[BadImage]) -> Option<String> {
    let reasons: Vec<&str> = bad.iter().take(REASONS).map(|bad| bad.reason.as_str()).collect();
    let more = bad.len().saturating_sub(REASONS);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let line =
        || format!("{} left out, for they cannot be read: {}{more}", count_of(bad.len(), "image"), reasons.join("; "));
    (!bad.is_empty()).then(line)
}

/// Images that could not be read, each with its reason.
pub fn unreadable_json(evaluation: &Evaluation) -> Vec<Value> {
    let one = |bad: &BadImage| {
        let (image, bytes) = json_path(&bad.path);
        let mut value = json!({ "image": image, "reason": bad.reason });
        bytes.into_iter().for_each(|bytes| value["image_bytes"] = bytes.into());
        value
    };
    evaluation.bad.iter().map(one).collect()
}
