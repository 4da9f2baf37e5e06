//! The tasks that come with Striate.

mod classification;
mod evaluator;

pub use classification::Classification;
pub use evaluator::Evaluator;
