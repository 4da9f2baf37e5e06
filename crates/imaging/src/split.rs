//! [`Split`].

use serde::{Deserialize, Serialize};
use std::fmt;

/// What an image is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To learn from.
    Train,
    /// To measure on while settings are chosen.
    Val,
    /// To measure on at the very end.
    #[default]
    Test,
}

impl Split {
    /// All of them.
    pub const ALL: [Split; 3] = [Split::Train, Split::Val, Split::Test];

    /// The split that a folder or a manifest calls so: `train`, `val`, `test`, or the longer `training`, `valid`, `validation`, `testing`,
    /// in letters of any case.
    pub fn named(name: &str) -> Option<Split> {
        match name.to_lowercase().as_str() {
            "train" | "training" => Some(Split::Train),
            "val" | "valid" | "validation" => Some(Split::Val),
            "test" | "testing" => Some(Split::Test),
            _ => None,
        }
    }

    /// `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
        }
    }

    /// `training`, `validation` or `test`, as it stands before a noun.
    pub fn adjective(self) -> &'static str {
        match self {
            Split::Train => "training",
            Split::Val => "validation",
            Split::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
