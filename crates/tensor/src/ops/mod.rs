//! The ops: each file has the shape rule, the forward and the backward side of what it defines.

pub mod batch_norm;
pub mod conv2d;
pub mod elementwise;
pub mod index;
pub mod log_sigmoid;
pub mod loss;
pub mod matmul;
pub mod pool2d;
pub mod reduce;
pub mod shape;
pub mod softmax;
mod update;
