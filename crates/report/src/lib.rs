//! What can be said of a trained model, and how far it can be trusted.

mod about;
mod answers;
mod bootstrap;
mod classes;
pub mod compare;
mod drawing;
pub mod explain;
mod explanations;
mod failures;
mod gallery;
pub mod groups;
mod model_card;
mod number;
mod outcomes;
mod page;
mod report;
pub mod robustness;
#[cfg(test)]
mod tests;
mod values;

pub use about::{About, TrainingFacts, Unreadable};
pub use answers::Answers;
pub use classes::{ClassRow, Confused, Confusion};
pub use drawing::{draw_classes, draw_objects, palette};
pub use explain::{ExplainError, Explainer, Explanation, Method, Options as ExplainOptions};
pub use explanations::{Checked, Explanations};
pub use failures::{Failure, Failures};
pub use gallery::{Gallery, Shot};
pub use number::{IntervalMethod, Number};
pub use outcomes::{LabelAnswers, MetricOf, NumberAnswers, Outcomes, TaskAnswers};
pub use report::{Curve, FORMAT, Report, ReportOptions};
