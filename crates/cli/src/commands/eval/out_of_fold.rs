//! The report of a cross-validation, on all its images together.

use super::Kept;
use super::report::{self, Shown};
use crate::advice;
use crate::output::Failure;
use std::path::PathBuf;
use striate::report::{About, Part, Report, ReportOptions};
use striate::train::{CrossValidation, OutOfFold};

/// Writes the report of a finished cross-validation into its directory, and gives the path of its page.
pub fn report_of_folds(done: &CrossValidation) -> Result<PathBuf, Failure> {
    let dir = done.directory.join("report");
    report::make(&dir)?;
    let all = OutOfFold::open(&done.directory).map_err(advice::failure)?;
    let mut kept = Kept::new(&all.card, true, false);
    let evaluation = all.evaluate(|card, batch| kept.add(card, batch)).map_err(advice::failure)?;
    let given = kept.given(evaluation);
    let network = striate::zoo::title_of(&all.card.architecture);
    let model = done.directory.to_string_lossy().into_owned();
    let about = About::out_of_fold(&all, model, network, &given.evaluation);
    let mut report = Report::new(about, &given.evaluation, &given.outcomes, None, &ReportOptions::default());
    report.certainty = given.certainty(&all.card, report.seed);
    let (metrics, monitor) = (&all.card.training.metrics[..], all.card.training.monitor.as_deref());
    let runs = all.folds.iter().filter_map(|fold| Some((fold.file.parent()?, metrics, monitor)));
    report.add_folds(&done.folds, runs);
    let part = |fold: usize| {
        let fold = &all.folds[fold];
        Shown { file: &fold.file, part: Part { images: &fold.held_out.data.held_out, first: fold.first } }
    };
    let parts: Vec<Shown> = (0..all.folds.len()).map(part).collect();
    report::finish(&dir, &parts, report)
}
