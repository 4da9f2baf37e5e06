//! What can be said of a trained model, and how far it can be trusted.

mod answers;

pub use answers::Answers;
