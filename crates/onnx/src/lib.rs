//! ONNX out and in: a [`Graph`](striate_graph::Graph) as an ONNX file ([`Model::of_graph`]), and an ONNX file as a network that runs and trains
//! ([`Network`]).

mod error;
mod export;
mod import;
mod inline;
mod model;
mod network;
#[allow(missing_docs, clippy::all)]
mod proto;
mod tensor;
#[cfg(test)]
mod test_models;

pub use error::OnnxError;
pub use export::{ExportOptions, NonMaxSuppression, RawFit, RawImages};
pub use model::Model;
pub use network::{Network, Port};
pub use tensor::read_tensor;

/// The oldest version of operators that is written.
pub const MIN_OPSET: i64 = 17;
/// The oldest version that resizes with antialiasing, which files that prepare images themselves need.
pub const MIN_RAW_OPSET: i64 = 18;
/// The newest version of operators that is written and read.
pub const MAX_OPSET: i64 = 28;
