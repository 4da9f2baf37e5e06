//! [`RunsOutcome`]: how several runs ended.

use std::path::PathBuf;

/// How several runs ended that belong together, as [`Outcome`](crate::Outcome) of one.
#[derive(Clone, Debug, PartialEq)]
pub enum RunsOutcome<T> {
    /// All are done, and this is what they say together.
    Finished(T),
    /// They were asked to stop, and can go on.
    Stopped {
        /// The directory that they are in.
        directory: PathBuf,
    },
}

impl<T> RunsOutcome<T> {
    /// What the runs say together; none if they were stopped.
    pub fn finished(self) -> Option<T> {
        match self {
            RunsOutcome::Finished(found) => Some(found),
            RunsOutcome::Stopped { .. } => None,
        }
    }
}
