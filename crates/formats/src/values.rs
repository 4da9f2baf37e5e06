//! Bytes to tensors and back.

use crate::error::FormatError;
use std::path::Path;
use striate_tensor::{DType, Element, MAX_RANK, Tensor, bf16, f16};

/// The sizes of a shape, if a tensor can have it: no more dimensions than [`MAX_RANK`], no product that overflows.
pub(crate) fn check_shape(path: &Path, name: &str, sizes: &[u64]) -> Result<Vec<usize>, FormatError> {
    let bad = |reason: &str| FormatError::damaged(path, format!("tensor '{name}' has shape {sizes:?}, {reason}"));
    if sizes.len() > MAX_RANK {
        return Err(bad(&format!("at most {MAX_RANK} dimensions are supported")));
    }
    // A size of 0 does not excuse the others: strides are products of them.
    let product = sizes.iter().try_fold(8u64, |n, &size| n.checked_mul(size.max(1)));
    if product.is_none_or(|n| n > isize::MAX as u64) {
        return Err(bad("which no memory can hold"));
    }
    Ok(sizes.iter().map(|&size| size as usize).collect())
}

/// The elements of a tensor in row-major order, little-endian.
pub(crate) fn to_le_bytes(tensor: &Tensor) -> Vec<u8> {
    fn flat<T: Element, const N: usize>(tensor: &Tensor, bytes: fn(T) -> [u8; N]) -> Vec<u8> {
        tensor.to_vec::<T>().into_iter().flat_map(bytes).collect()
    }
    match tensor.dtype() {
        DType::F32 => flat(tensor, f32::to_le_bytes),
        DType::F64 => flat(tensor, f64::to_le_bytes),
        DType::F16 => flat(tensor, f16::to_le_bytes),
        DType::BF16 => flat(tensor, bf16::to_le_bytes),
        DType::I64 => flat(tensor, i64::to_le_bytes),
        DType::I32 => flat(tensor, i32::to_le_bytes),
        DType::I8 => flat(tensor, i8::to_le_bytes),
        DType::U8 => tensor.to_vec::<u8>(),
        DType::Bool => flat(tensor, |truth: bool| [truth as u8]),
    }
}
