//! ONNX files through the public API.

mod cases;
mod errors;
mod ops;
