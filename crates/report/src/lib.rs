//! What can be said of a trained model, and how far it can be trusted.

mod answers;
pub mod explain;

pub use answers::Answers;
pub use explain::{ExplainError, Explainer, Explanation, Method, Options as ExplainOptions};
