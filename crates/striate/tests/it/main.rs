//! The whole library, as a user of the façade sees it: against PyTorch, against central differences, and through the book and examples.

mod book;
mod conversions;
mod devices;
mod examples;
mod gradcheck;
mod gradcheck_layers;
mod gradcheck_losses;
mod gradcheck_tensor;
mod graphs;
mod onnx;
mod parity;
mod pretrained;
