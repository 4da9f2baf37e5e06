//! k-fold cross-validation: which images are held out in which fold.

use super::list::ImageList;
use super::split::{Unit, groups};
use super::survey::Survey;
use crate::error::DataError;
use striate_imaging::Split;

/// How images are divided into folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The fold whose images are held out, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// What the folds come from, with the contents of the images.
    pub seed: u64,
    /// Whether images that are nearly the same stay in one fold.
    pub near_duplicates: bool,
}

/// Holds out the images of a fold and marks the others for training. Those of a test split stay what they are. Images of equal content, of one group and, if asked
/// for, near duplicates are in one fold; each class is spread over the folds as evenly as these allow.
///
/// Fingerprints are put into the list.
///
/// # Errors
/// If there are fewer images, or groups of them, than folds.
///
/// # Panics
/// If the survey is of another list, or there is no such fold.
pub fn fold(list: &mut ImageList, survey: &Survey, fold: Fold, threads: usize) -> Result<(), DataError> {
    assert!((1..=fold.of).contains(&fold.number), "fold {} of {}", fold.number, fold.of);
    list.set_fingerprints(survey);
    let near = if fold.near_duplicates { survey.near_duplicates(threads) } else { Vec::new() };
    let is_test = |i: &usize| list.entries[*i].split == Some(Split::Test);
    let mut units: Vec<Unit> = (groups(list, &near).all().into_iter())
        .filter(|members| !members.iter().any(is_test))
        .map(|members| Unit::new(list, members, None, fold.seed))
        .collect();
    if units.len() < fold.of {
        let reason = format!(
            "{} folds need as many images, or groups of images that stay together, and there are {}",
            fold.of,
            units.len()
        );
        return Err(DataError::images(&list.path, reason));
    }
    // Large groups first, while there is room to make up for them.
    units.sort_by_key(|unit| (std::cmp::Reverse(unit.members.len()), unit.key));
    let mut of_class = vec![vec![0; fold.of]; list.classes.len()];
    let mut sizes = vec![0; fold.of];
    for unit in units {
        let own = |f: usize| unit.classes.keys().map(|&class| of_class[class][f]).sum::<usize>();
        let chosen = (0..fold.of).min_by_key(|&f| (own(f), sizes[f], f)).expect("there is a fold");
        unit.classes.iter().for_each(|(&class, n)| of_class[class][chosen] += n);
        sizes[chosen] += unit.members.len();
        let split = if chosen + 1 == fold.number { Split::Val } else { Split::Train };
        unit.members.iter().for_each(|&i| list.entries[i].split = Some(split));
    }
    Ok(())
}
