//! What shape rules are made of: messages, and checks that several ops have.

use super::hints;
use super::{Spec, Unary};
use crate::dtype::DType;
use crate::shape::Shape;

/// Returns an error with this message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        let holds: bool = $condition;
        if !holds {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;

/// The result, or a panic with the message.
#[track_caller]
pub(crate) fn must<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|message| panic!("{message}"))
}

/// That two operands have one type.
pub(crate) fn same_dtype(op: &str, a: &Spec, b: &Spec) -> Result<(), String> {
    let (a, b) = (a.dtype, b.dtype);
    ensure!(a == b, "{op}: needs tensors of one type, got {a} and {b} (convert one with to_dtype)");
    Ok(())
}

pub(crate) fn needs_number(op: &str, x: &Spec) -> Result<(), String> {
    hints::has_kernel(op, x)?;
    ensure!(
        x.dtype.is_float() || x.dtype == DType::I64,
        "{op}: needs a tensor of floating-point numbers or i64, got {} (convert it with to_dtype)",
        x.dtype
    );
    Ok(())
}

pub(crate) fn needs_index(op: &str, index: &Spec) -> Result<(), String> {
    ensure!(index.dtype == DType::I64, "{op}: the index must be i64, got {} (convert it with to_dtype)", index.dtype);
    Ok(())
}

pub(crate) fn has_dim(op: &str, x: Shape, dim: usize) -> Result<(), String> {
    ensure!(dim < x.rank(), "{op}: dimension {dim} is out of range for shape {x}");
    Ok(())
}

/// The shape after `dims` are gone, or kept with size 1.
pub(crate) fn reduced(shape: Shape, dims: &[usize], keepdim: bool) -> Shape {
    if keepdim {
        dims.iter().fold(shape, |s, &d| s.with(d, 1))
    } else {
        (0..shape.rank()).filter(|d| !dims.contains(d)).map(|d| shape[d]).collect()
    }
}

pub(crate) fn flattened(x: Shape, start: usize, end: usize) -> Shape {
    let middle = x[start..=end].iter().product();
    x[..start].iter().copied().chain([middle]).chain(x[end + 1..].iter().copied()).collect()
}

pub(crate) fn index_list(op: &str, index: &Spec) -> Result<usize, String> {
    ensure!(index.dtype == DType::I64 && index.shape.rank() == 1, "{op}: the index must be a list of i64, got {index}");
    Ok(index.shape[0])
}

/// Whether a function of one number is a clamp, and its bounds; NaN is a bound that nothing reaches.
pub(crate) fn as_clamp(f: Unary) -> Option<[f64; 2]> {
    match f {
        Unary::Relu => Some([0.0, f64::NAN]),
        Unary::Activation(super::Activation::Hardtanh(low, high)) => Some([low, high]),
        _ => None,
    }
}
