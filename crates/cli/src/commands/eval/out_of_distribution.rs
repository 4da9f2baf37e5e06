//! How well scores tell the images that a model is measured on from those of a second folder.

use crate::advice;
use crate::commands::held_out::{self, unreadable};
use crate::commands::run::watched;
use crate::output::{Failure, count_of, note, percent, say, shown, thousands};
use crate::table::Table;
use serde_json::{Value, json};
use std::path::Path;
use striate::model::Predictor;
use striate::report::{OutOfDistribution, OutOfDistributionScore, Representations, out_of_distribution};
use striate::train::{HeldOut, Unlabelled, infer_each, load_unlabelled};

/// The scores, with the name of the second folder.
pub struct Outside {
    name: String,
    found: OutOfDistribution,
    left_out: usize,
}

const SEED: u64 = 0;

/// The images of the second folder without those that are in the first, or were learnt from.
pub fn load(model: &Predictor, held_out: &HeldOut, typed: &Path, quiet: bool) -> Result<(Unlabelled, usize), Failure> {
    let data = held_out::data_name(typed);
    let mut outside = watched(quiet, |watch| load_unlabelled(&model.card, &data, watch)).map_err(advice::failure)?;
    let inside: std::collections::HashSet<u64> = held_out.data.held_out.fingerprints().into_iter().flatten().collect();
    let learnt = model.card.training.provenance.as_ref().map(|provenance| &provenance.learnt_from);
    let known = |image| inside.contains(&image) || learnt.is_some_and(|learnt| learnt.contains(image));
    let left_out = outside.leave_out(known).map_err(advice::failure)?;
    if left_out > 0 {
        note(&format!(
            "{} of {} left out: they are among the images that the model is measured on, or has learnt from",
            count_of(left_out, "image"),
            shown(&outside.name)
        ));
    }
    Ok((outside, left_out))
}

impl Outside {
    pub fn measure(
        model: &Predictor,
        inside: &Representations,
        (outside, left_out): &(Unlabelled, usize),
    ) -> Result<Outside, Failure> {
        let mut given = Representations::new(model.card.classes.len());
        let bad = infer_each(model, outside, |batch| given.add(batch)).map_err(advice::failure)?;
        unreadable(&bad).iter().for_each(|line| note(line));
        let found = out_of_distribution(inside, &given, SEED);
        if let Some(reason) = &found.no_mahalanobis {
            note(&format!("the Mahalanobis distance is left out: {reason}"));
        }
        Ok(Outside { name: outside.name.clone(), found, left_out: *left_out })
    }

    /// What was measured.
    pub fn into_found(self) -> OutOfDistribution {
        self.found
    }

    pub fn json(&self) -> Value {
        let mut value = json!(self.found);
        value["data"] = self.name.as_str().into();
        value["known_left_out"] = self.left_out.into();
        value
    }

    pub fn print(&self) -> Result<(), Failure> {
        let mut table =
            Table::new(&["score", "AUROC", "95% interval", "AUPR inside", "AUPR outside", "FPR at 95% TPR"]);
        for score in &self.found.scores {
            let OutOfDistributionScore { name, auroc, auroc_interval_95, .. } = score;
            let interval = auroc_interval_95
                .map_or(String::new(), |[low, high]| format!("{:.2}% to {:.2}%", 100.0 * low, 100.0 * high));
            table.row(vec![
                name.replace('_', " "),
                percent(*auroc),
                interval,
                percent(score.aupr_inside),
                percent(score.aupr_outside),
                percent(score.fpr_at_95_tpr),
            ]);
        }
        say(format_args!(
            "\nOut of distribution: {} of {} against these {}",
            thousands(self.found.outside),
            shown(&self.name),
            thousands(self.found.inside)
        ))?;
        say(table)
    }
}
