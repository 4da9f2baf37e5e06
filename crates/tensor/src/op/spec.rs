//! Shape and type of an op's operand or result.

use crate::dtype::DType;
use crate::shape::Shape;
use std::fmt;

/// Shape and type of an array, without its elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spec {
    /// The sizes of its dimensions.
    pub shape: Shape,
    /// The type of its elements.
    pub dtype: DType,
}

impl Spec {
    /// Of a shape and a type.
    pub fn new(shape: impl Into<Shape>, dtype: DType) -> Spec {
        Spec { shape: shape.into(), dtype }
    }

    /// The same type under another shape.
    pub fn reshaped(self, shape: impl Into<Shape>) -> Spec {
        Spec::new(shape, self.dtype)
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.dtype, self.shape)
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
