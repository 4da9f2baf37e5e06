//! Functions applied element by element.

mod activation;
mod binary;
mod cast;
mod clamp;
mod half;
pub(crate) mod math;
mod unary;
mod vector;
mod visit;

pub(crate) use self::half::f32_to_bf16;
pub use activation::Activation;
pub use binary::{Binary, Compare, Operand, binary, binary_assign, binary_i64, compare, select};
pub use cast::{CastTo, cast, first_non_finite};
pub use clamp::Clamp;
pub(crate) use clamp::{NO_CLAMP, clamped};
pub(crate) use unary::unary_assign_here;
pub use unary::{Unary, unary, unary_assign};
