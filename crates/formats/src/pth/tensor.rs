//! From a pickle's description of a tensor and the bytes of its storage to a tensor.

use crate::elements::{self, Elements};
use crate::error::FormatError;
use crate::names::shown;
use crate::pickle::TensorRef;
use crate::values::check_shape;
use std::path::Path;
use striate_tensor::{Element, Tensor};

/// Bytes that the tensors of a file may take. A view can repeat its storage, so that the file's own size is no limit.
pub(super) struct Budget {
    left: u64,
    limit: u64,
}

impl Budget {
    pub fn of_file(length: usize) -> Budget {
        // Every element counts as eight bytes, and tied weights are read twice.
        let limit = (64 << 20) + 16 * length as u64;
        Budget { left: limit, limit }
    }

    fn spend(&mut self, path: &Path, bytes: u64) -> Result<(), FormatError> {
        let Some(left) = self.left.checked_sub(bytes) else {
            let what = format!("tensors that repeat their storages to more than {} bytes", self.limit);
            return Err(FormatError::TooMuch { path: path.to_path_buf(), what });
        };
        self.left = left;
        Ok(())
    }
}

/// The tensor `name`, whose elements lie in `bytes` and are of a type that a tensor can hold.
pub(super) fn read(
    path: &Path,
    name: &str,
    tensor: &TensorRef,
    bytes: &[u8],
    big_endian: bool,
    budget: &mut Budget,
) -> Result<Tensor, FormatError> {
    let shape = {
        let sizes: Option<Vec<u64>> = tensor.sizes.iter().map(|&size| size.try_into().ok()).collect();
        let negative = || FormatError::damaged(path, format!("tensor '{}' has a negative size", shown(name)));
        check_shape(path, &shown(name), &sizes.ok_or_else(negative)?)?
    };
    let layout = layout(tensor, &shape, bytes.len() / tensor.kind.size())
        .map_err(|reason| FormatError::damaged(path, format!("tensor '{}' {reason}", shown(name))))?;
    let count: usize = shape.iter().product();
    budget.spend(path, 8 * count as u64)?;
    let source = Source { bytes, big_endian, layout, shape: &shape, count };
    Ok(elements::read(tensor.kind, source).expect("other types were left out"))
}

/// Where a tensor's elements lie: the first one and the strides, in elements.
struct Layout {
    offset: usize,
    strides: Vec<usize>,
}

/// The layout, if every element lies among the `available` ones.
fn layout(tensor: &TensorRef, shape: &[usize], available: usize) -> Result<Layout, String> {
    if tensor.strides.len() != shape.len() {
        return Err(format!("has {} sizes but {} strides", shape.len(), tensor.strides.len()));
    }
    if tensor.offset < 0 || tensor.strides.iter().any(|&stride| stride < 0) {
        return Err("has a negative offset or stride".into());
    }
    if shape.contains(&0) {
        return Ok(Layout { offset: 0, strides: vec![0; shape.len()] });
    }
    let last = tensor.strides.iter().zip(shape).try_fold(tensor.offset, |last, (&stride, &size)| {
        stride.checked_mul(size as i64 - 1).and_then(|way| last.checked_add(way))
    });
    match last {
        Some(last) if (last as u64) < available as u64 => {}
        _ => return Err(format!("reaches past the {available} elements of its storage")),
    }
    // A dimension of one element may have any stride.
    let strides = tensor.strides.iter().zip(shape).map(|(&s, &size)| if size == 1 { 0 } else { s as usize }).collect();
    Ok(Layout { offset: tensor.offset as usize, strides })
}

struct Source<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    layout: Layout,
    shape: &'a [usize],
    count: usize,
}

impl Elements for Source<'_> {
    fn collect<T: Element, const N: usize>(self, element: impl Fn([u8; N]) -> T) -> Tensor {
        if self.count == 0 {
            return Tensor::from_vec(Vec::<T>::new(), self.shape);
        }
        let elements = self.bytes.as_chunks::<N>().0;
        let element = |at: usize| {
            let mut bytes = elements[at];
            if self.big_endian {
                bytes.reverse();
            }
            element(bytes)
        };
        let (row, stride) = match (self.shape.last(), self.layout.strides.last()) {
            (Some(&row), Some(&stride)) => (row, stride),
            _ => (1, 0),
        };
        let outer = self.shape.len().saturating_sub(1);
        let mut values = Vec::with_capacity(self.count);
        let mut index = vec![0; outer];
        let mut start = self.layout.offset;
        for _ in 0..self.count / row {
            values.extend((0..row).map(|i| element(start + i * stride)));
            // The next row: as a counter counts, from the last digit on.
            for dim in (0..outer).rev() {
                index[dim] += 1;
                start += self.layout.strides[dim];
                if index[dim] < self.shape[dim] {
                    break;
                }
                start -= self.layout.strides[dim] * self.shape[dim];
                index[dim] = 0;
            }
        }
        Tensor::from_vec(values, self.shape)
    }
}
