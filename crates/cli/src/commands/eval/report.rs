//! `--report`: the page, its numbers and the model card.

use super::Given;
use super::calibrated::fitted_here;
use crate::output::{Failure, shown_path};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use striate::formats::write_atomic;
use striate::model::{Model, Predictor};
use striate::report::groups::Groups;
use striate::report::robustness::{Attacks, Robustness};
use striate::report::{
    About, Explainer, Explanations, Features, Gallery, Number, OutOfDistribution, Part, Report, ReportOptions,
};
use striate::train::{HeldOut, Metric, training_images};

const PAGE: &str = "report.html";
const NUMBERS: &str = "report.json";
const CARD: &str = "MODEL_CARD.md";

/// What was measured beside, because it was asked for.
#[derive(Default)]
pub struct Beside {
    pub groups: Option<Groups>,
    pub robustness: Option<Robustness>,
    pub attacks: Option<Attacks>,
    pub out_of_distribution: Option<OutOfDistribution>,
    pub top_k: Option<Metric>,
}

/// What was evaluated.
pub struct Evaluated<'a> {
    pub file: &'a Path,
    pub model: &'a Predictor,
    pub held_out: &'a HeldOut,
    pub given: &'a Given,
}

/// Makes the directory of a report: what takes long comes after.
pub fn make(dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir)
        .map_err(|e| format!("cannot make the folder {} for the report: {e}", shown_path(dir)).into())
}

/// The report of what was evaluated alone.
pub fn of(Evaluated { file, model, held_out, given }: &Evaluated) -> Report {
    let (evaluation, outcomes) = (&given.evaluation, &given.outcomes);
    let card = &model.card;
    let network = striate::zoo::title_of(&card.architecture);
    let about = About::new(card, file.to_string_lossy().into_owned(), network, held_out, evaluation);
    let run = file.parent().map(|dir| (dir, &card.training.metrics[..], card.training.monitor.as_deref()));
    let temperature = card.calibration.as_ref().map_or(1.0, |calibration| calibration.temperature(0));
    let options = ReportOptions { temperature, ..ReportOptions::default() };
    Report::new(about, evaluation, outcomes, run, &options)
}

/// Writes the report into `dir` with what was measured beside, and gives the path of its page.
pub fn write(dir: &Path, evaluated: &Evaluated, mut report: Report, beside: Beside) -> Result<PathBuf, Failure> {
    let Evaluated { file, model, held_out, given } = evaluated;
    let card = &model.card;
    let Beside { groups, robustness, attacks, out_of_distribution, top_k } = beside;
    report.metrics.extend(top_k.as_ref().map(Number::of));
    report.certainty = given.certainty(card, report.seed);
    if let (Some(certainty), Some(calibration)) = (&mut report.certainty, &card.calibration) {
        certainty.fitted_on_these = fitted_here(calibration, held_out);
    }
    (report.groups, report.robustness, report.attacks) = (groups, robustness, attacks);
    report.out_of_distribution = out_of_distribution;
    finish(dir, &[Shown { file, part: Part { images: &held_out.data.held_out, first: 0 } }], report)
}

/// Images that a report shows, and the model that has answered them.
pub struct Shown<'a> {
    pub file: &'a Path,
    pub part: Part<'a>,
}

/// Explains the images of a report and writes it into `dir`. Gives the path of its page.
pub fn finish(dir: &Path, shown: &[Shown], mut report: Report) -> Result<PathBuf, Failure> {
    let mut gallery = Gallery::default();
    for Shown { file, part } in shown {
        gallery.add_images(&Predictor::load(file)?, part, report.shown_images());
        let explainer = Explainer::new(&Model::load(file)?);
        if part.first == 0 {
            let training = file.parent().map_or(Ok(None), training_images);
            let training = training.as_ref().map(Option::as_ref).map_err(ToString::to_string);
            report.features = Features::of(&explainer, part, &report.failures, training);
        }
        let found = Explanations::of(&explainer, part, &report.failures, &mut gallery, report.seed)?;
        report.explanations = match (report.explanations.take(), found) {
            (Some(before), Some(found)) => Some(before.join(&found)),
            (before, found) => before.or(found),
        };
    }
    let card = dir.join(CARD);
    let before = match std::fs::read(&card) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| {
            format!("{} is not UTF-8, and what its author wrote would be lost: move it away", shown_path(&card))
        })?,
        Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
        Err(e) => {
            return Err(format!("cannot read {}, whose author's parts would be kept: {e}", shown_path(&card)).into());
        }
    };
    let page = dir.join(PAGE);
    write_atomic(&page, report.page(&gallery).as_bytes())?;
    write_atomic(&dir.join(NUMBERS), &serde_json::to_vec_pretty(&report)?)?;
    write_atomic(&card, report.model_card(&before).as_bytes())?;
    Ok(page)
}
