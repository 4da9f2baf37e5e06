//! The ops: each file has the shape rule, the forward and the backward side of what it defines.

pub mod batch_norm;
pub mod compare;
pub mod conv2d;
pub mod custom;
pub mod einsum;
pub mod elementwise;
pub mod functions;
pub mod hints;
pub mod index;
pub mod log_sigmoid;
pub mod loss;
pub mod matmul;
pub mod ordering;
pub mod pool2d;
pub mod rearrange;
pub mod reduce;
pub mod scatter;
pub mod shape;
pub mod slicing;
pub mod softmax;
pub mod statistics;
pub mod unfold;
mod update;
