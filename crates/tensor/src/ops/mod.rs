//! The ops: each file has the shape rule, the forward and the backward side of what it defines.

pub mod activation;
pub mod batch_norm;
pub mod conv1d;
pub mod conv2d;
pub mod conv_transpose;
pub mod elementwise;
pub mod embedding;
pub mod group_norm;
pub mod index;
pub mod loss;
pub mod matmul;
pub mod pool2d;
pub mod reduce;
pub mod resample;
pub mod shape;
pub mod softmax;
mod update;
