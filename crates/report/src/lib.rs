//! What can be said of a trained model, and how far it can be trusted.

mod about;
mod answers;
mod bootstrap;
mod classes;
mod drawing;
mod failures;
mod gallery;
mod model_card;
mod number;
mod observed;
mod page;
mod report;
#[cfg(test)]
mod tests;
mod values;

pub use about::{About, TrainingFacts, Unreadable};
pub use answers::Answers;
pub use classes::{ClassRow, Confused, Confusion};
pub use drawing::{draw_classes, draw_objects, palette};
pub use failures::{Failure, Failures};
pub use gallery::{Gallery, Shot};
pub use number::{Interval, IntervalMethod, Number};
pub use observed::{Observed, Values};
pub use report::{Curve, FORMAT, Report, ReportOptions};
