//! The tasks that come with Striate.

mod classification;
mod evaluator;
mod multi_label;
mod regression;

pub use classification::Classification;
pub use evaluator::Evaluator;
pub use multi_label::MultiLabel;
pub(crate) use multi_label::THRESHOLDS;
pub use regression::Regression;
