//! The answers of a cross-validation on all images, each by the model that has not learnt from it.

use crate::cross_validation::{fold_dir, folds_in};
use crate::data::{Images, Splits};
use crate::error::TrainError;
use crate::evaluate::{Evaluation, HeldOut, MeasuredBatch, Measuring};
use crate::metrics::Detail;
use crate::run_data;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use striate_data::Batch;
use striate_imaging::Split;
use striate_model::{EvalSplit, ModelCard, Predictor, TaskCard};

/// A finished cross-validation: the model of each fold and the images that it held out.
pub struct OutOfFold {
    /// The folds, in their order.
    pub folds: Vec<FoldHeldOut>,
    /// The card of the first fold's model. Thresholds of labels are the means over the folds.
    pub card: ModelCard,
}

/// A fold of a finished cross-validation.
pub struct FoldHeldOut {
    /// Its model file.
    pub file: PathBuf,
    /// The images that it held out: its model has not learnt from them, but its best epoch was chosen on them.
    pub held_out: HeldOut,
    /// The place of the first of them among the images of all folds.
    pub first: usize,
}

impl OutOfFold {
    /// The folds in the directory of a finished cross-validation.
    ///
    /// # Errors
    /// If it is none, or its data is not there any more.
    pub fn open(path: &Path) -> Result<OutOfFold, TrainError> {
        let (mut folds, mut cards, mut first) = (Vec::new(), Vec::new(), 0);
        for fold in 1..=folds_in(path)? {
            let dir = fold_dir(path, fold);
            let data = run_data::of_run(&dir)?;
            let data = Splits { train: data.train.spread(0), run_files: Vec::new(), ..data };
            let images = data.held_out.len();
            let held_out = HeldOut { data, split: EvalSplit::Validation, left_out: 0, error_rate: 0.0, places: None };
            let file = dir.join("model.safetensors");
            cards.push(Predictor::load(&file)?.card);
            folds.push(FoldHeldOut { file, held_out, first });
            first += images;
        }
        Ok(OutOfFold { folds, card: pooled(&cards) })
    }

    /// How well the images of all folds are answered, each by the model of the fold that held it out. `each` sees every batch with the card of its model; the
    /// places of its images are those among all. Images in memory, which have no names, are called `image 7 of fold 2`.
    ///
    /// # Errors
    /// As [`crate::evaluate`].
    pub fn evaluate(&self, mut each: impl FnMut(&ModelCard, &MeasuredBatch)) -> Result<Evaluation, TrainError> {
        let mut measuring = Measuring::new(&self.card, 1, Detail::Scores);
        for (number, fold) in self.folds.iter().enumerate() {
            let model = Predictor::load(&fold.file)?;
            let is_named = matches!(fold.held_out.data.held_out, Images::Files { .. });
            measuring.add(&model, &fold.held_out, &mut |batch, _, _| batch.images.clone(), &mut |_, measured| {
                let indices = measured.batch.indices.iter().map(|index| fold.first + index).collect();
                let batch = &Batch { indices, ..measured.batch.clone() };
                let named = |name: &String| match is_named {
                    true => name.clone(),
                    false => format!("{name} of fold {}", number + 1),
                };
                let names: Vec<String> = measured.names.iter().map(named).collect();
                each(&model.card, &MeasuredBatch { batch, names: &names, ..*measured });
            })?;
        }
        let mut evaluation = measuring.finish(Split::Val)?.swap_remove(0);
        // What cannot be read is set aside before images are divided, and so for each fold again.
        let mut seen = BTreeSet::new();
        evaluation.bad.retain(|bad| seen.insert(bad.path.clone()));
        Ok(evaluation)
    }
}

fn pooled(cards: &[ModelCard]) -> ModelCard {
    let mut card = cards[0].clone();
    if let TaskCard::MultiLabel { thresholds } = &mut card.task {
        let of_others = cards[1..].iter().filter_map(|other| match &other.task {
            TaskCard::MultiLabel { thresholds } => Some(thresholds),
            _ => None,
        });
        of_others.for_each(|others| thresholds.iter_mut().zip(others).for_each(|(sum, other)| *sum += other));
        thresholds.iter_mut().for_each(|sum| *sum /= cards.len() as f32);
    }
    card
}
