//! [`Provenance`]: what a model's numbers can be trusted on.

use crate::fingerprints::Fingerprints;
use serde::{Deserialize, Serialize};
use striate_data::images::Split;

/// The images that a model has seen while it came about, those of the models that it was started from among them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Those that it has learnt from.
    pub learnt_from: Fingerprints,
    /// Those by which its best epoch was chosen.
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

    /// This and what `other` has seen.
    pub fn union(&self, other: &Provenance) -> Provenance {
        Provenance {
            learnt_from: self.learnt_from.union(&other.learnt_from),
            chosen_on: self.chosen_on.union(&other.chosen_on),
        }
    }
}

/// What measured images are to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// It has not seen any of them.
    Test,
    /// Its best epoch was chosen on some of them.
    Validation,
    /// The model file does not say what was learnt from.
    Unknown,
}

impl Basis {
    /// What `images` are to a model of this provenance, if none of them was learnt from.
    pub fn of(provenance: Option<&Provenance>, images: impl IntoIterator<Item = u64>) -> Basis {
        match provenance {
            None => Basis::Unknown,
            Some(p) if images.into_iter().any(|f| p.chosen_on.contains(f)) => Basis::Validation,
            Some(_) => Basis::Test,
        }
    }

    /// The images, as they are called: `test images`.
    pub fn images(self) -> &'static str {
        match self {
            Basis::Test => "test images",
            Basis::Validation => "validation images",
            Basis::Unknown => "images",
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
        assert_eq!(Basis::of(Some(&both), [5, 6]), Basis::Test);
        assert_eq!(Basis::of(Some(&both), [5, 4]), Basis::Validation);
        assert_eq!(Basis::of(None, [5, 4]), Basis::Unknown);
    }
}
