//! [`Provenance`]: which images a model was trained and validated on.

use crate::fingerprints::Fingerprints;
use serde::{Deserialize, Serialize};
use striate_imaging::Split;

/// The images that a model was trained and validated on, including those of the models that it started from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The training images.
    pub learnt_from: Fingerprints,
    /// The images on which its best epoch was chosen.
    pub chosen_on: Fingerprints,
}

impl Provenance {
    /// The side of a split that an image belongs on, if it was seen.
    pub fn side(&self, fingerprint: u64) -> Option<Split> {
        if self.learnt_from.contains(fingerprint) {
            Some(Split::Train)
        } else {
            self.chosen_on.contains(fingerprint).then_some(Split::Val)
        }
    }

    /// The images of both.
    pub fn union(&self, other: &Provenance) -> Provenance {
        Provenance {
            learnt_from: self.learnt_from.union(&other.learnt_from),
            chosen_on: self.chosen_on.union(&other.chosen_on),
        }
    }
}

/// Which split the images of an evaluation are to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvalSplit {
    /// It has not seen any of them.
    Test,
    /// Its best epoch was chosen on some of them.
    Validation,
    /// The model file does not say what was learnt from.
    Unknown,
}

impl EvalSplit {
    /// What `images` are to a model of this provenance, if none of them was learnt from.
    pub fn of(provenance: Option<&Provenance>, images: impl IntoIterator<Item = u64>) -> EvalSplit {
        match provenance {
            None => EvalSplit::Unknown,
            Some(p) if images.into_iter().any(|f| p.chosen_on.contains(f)) => EvalSplit::Validation,
            Some(_) => EvalSplit::Test,
        }
    }

    /// The images, as they are called: `test images`.
    pub fn images(self) -> &'static str {
        match self {
            EvalSplit::Test => "test images",
            EvalSplit::Validation => "validation images",
            EvalSplit::Unknown => "images",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learnt_from_stays_on_that_side() {
        let one = Provenance { learnt_from: Fingerprints::of([1, 2]), chosen_on: Fingerprints::of([3]) };
        // A later model may learn from what an earlier one was chosen on.
        let other = Provenance { learnt_from: Fingerprints::of([3]), chosen_on: Fingerprints::of([4]) };
        let both = one.union(&other);
        assert_eq!(
            [1, 3, 4, 5].map(|f| both.side(f)),
            [Some(Split::Train), Some(Split::Train), Some(Split::Val), None]
        );
        assert_eq!(EvalSplit::of(Some(&both), [5, 6]), EvalSplit::Test);
        assert_eq!(EvalSplit::of(Some(&both), [5, 4]), EvalSplit::Validation);
        assert_eq!(EvalSplit::of(None, [5, 4]), EvalSplit::Unknown);
    }
}
