//! What can be said of a trained model, and how far it can be trusted.

mod answers;
pub mod compare;
pub mod groups;
mod number;
mod outcomes;
pub mod robustness;

pub use answers::Answers;
pub use number::Number;
pub use outcomes::{LabelAnswers, MetricOf, NumberAnswers, Outcomes, TaskAnswers};
