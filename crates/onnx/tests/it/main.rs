//! ONNX files through the public API.

mod case;
mod cases;
mod errors;
mod ops;
