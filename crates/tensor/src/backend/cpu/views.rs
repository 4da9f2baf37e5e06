//! Views share their source's memory; what cannot be a view is copied.

use crate::array::{Array, memory_order};
use crate::dtype::by_type;
use crate::element::Stored;
use crate::shape::Shape;
use striate_kernels::{AlignedVec, copy};

pub fn permute(mut x: Array, order: &[usize]) -> Array {
    x.strides = x.strides.permuted(order);
    x.shape = x.shape.permuted(order);
    x
}

/// The strides of `x` seen through `shape`, where repeated dimensions have stride 0.
pub fn expanded_strides(x: &Array, shape: Shape) -> Shape {
    let extra = shape.rank() - x.shape.rank();
    (0..shape.rank())
        .map(|d| if d < extra || (x.shape[d - extra] == 1 && shape[d] != 1) { 0 } else { x.strides[d - extra] })
        .collect()
}

pub fn expand(mut x: Array, shape: Shape) -> Array {
    x.strides = expanded_strides(&x, shape);
    x.shape = shape;
    x
}

pub fn narrow(mut x: Array, dim: usize, start: usize, len: usize) -> Array {
    x.shape = x.shape.with(dim, len);
    // An empty view keeps its offset within the buffer.
    if x.shape.numel() > 0 {
        x.offset += start * x.strides[dim];
    }
    x
}

/// The strides that give `x`'s elements, in row-major order, the shape `shape`; none if that takes a copy.
fn reshaped_strides(x: &Array, shape: Shape) -> Option<Shape> {
    let old: Vec<(usize, usize)> =
        x.shape.iter().zip(x.strides.iter()).filter(|(n, _)| **n != 1).map(|(&n, &s)| (n, s)).collect();
    let mut strides = shape.row_major();
    let mut d = 0;
    let mut i = 0;
    while i < old.len() {
        // The smallest run of old dimensions, from `i` on, that fills a run of new dimensions, from `d` on.
        let (first, mut have, mut want) = (d, old[i].0, 1);
        let begin = i;
        loop {
            if want < have {
                if d == shape.rank() {
                    return None;
                }
                want *= shape[d];
                d += 1;
            } else if have < want {
                i += 1;
                if i == old.len() {
                    return None;
                }
                have *= old[i].0;
            } else {
                break;
            }
        }
        // The old run must be evenly spaced.
        if old[begin..=i].windows(2).any(|w| w[0].1 != w[1].0 * w[1].1) {
            return None;
        }
        let mut step = old[i].1;
        for k in (first..d).rev() {
            strides[k] = step;
            step *= shape[k];
        }
        i += 1;
    }
    Some(strides)
}

pub fn reshape(x: Array, shape: Shape) -> Array {
    if x.shape == shape {
        return x;
    }
    if x.shape.numel() > 0
        && let Some(strides) = reshaped_strides(&x, shape)
    {
        return Array { strides, shape, ..x };
    }
    let rows: Vec<usize> = (0..x.shape.rank()).collect();
    let order: Vec<usize> = (0..shape.rank()).collect();
    by_type!(x.dtype(), |T| Array::in_order(x.packed::<T>(&rows).into_buffer(), shape, &order))
}

/// Copies `x` into the part of `out` (default layout of `shape`) that starts at `start`.
fn place<T: Stored>(x: &Array, out: &mut [T], shape: Shape, start: &[usize]) {
    if x.shape.numel() == 0 {
        return;
    }
    let order = memory_order(shape.rank());
    let strides = shape.strides_in(order);
    let offset: usize = start.iter().zip(strides.iter()).map(|(a, b)| a * b).sum();
    let (xs, from, to) = (x.shape.permuted(order), x.strides.permuted(order), strides.permuted(order));
    copy::copy_into_strided(&xs, x.data::<T>(), &from, &mut out[offset..], &to);
}

pub fn cat<T: Stored>(xs: &[Array], dim: usize) -> Array {
    let shape = xs[0].shape.with(dim, xs.iter().map(|x| x.shape[dim]).sum());
    let mut out = AlignedVec::unspecified(shape.numel());
    let mut start = vec![0; shape.rank()];
    for x in xs {
        place::<T>(x, &mut out, shape, &start);
        start[dim] += x.shape[dim];
    }
    Array::from_buffer(out, shape)
}

pub fn pad<T: Stored>(x: &Array, padding: &[[usize; 2]], value: f64) -> Array {
    let shape: Shape = x.shape.iter().zip(padding).map(|(n, p)| n + p[0] + p[1]).collect();
    let mut out = AlignedVec::unspecified(shape.numel());
    out.fill(T::from_f64(value));
    let start: Vec<usize> = padding.iter().map(|p| p[0]).collect();
    place::<T>(x, &mut out, shape, &start);
    Array::from_buffer(out, shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(shape: &[usize]) -> Array {
        let shape = Shape::new(shape);
        Array::from_slice(&(0..shape.numel() as i64).collect::<Vec<_>>(), shape)
    }

    #[test]
    fn reshape_keeps_row_major_order() {
        for (from, to) in [
            (vec![2, 3, 4, 5], vec![2, 60]),
            (vec![2, 60], vec![2, 3, 4, 5]),
            (vec![2, 3, 4, 5], vec![6, 20]),
            (vec![2, 1, 4, 5], vec![2, 20]),
            (vec![1, 3, 1, 1], vec![3]),
            (vec![4], vec![1, 2, 1, 2, 1]),
            (vec![], vec![1, 1]),
            (vec![0, 3], vec![3, 0, 2]),
        ] {
            let x = numbers(&from);
            let y = reshape(x.clone(), Shape::new(&to));
            assert_eq!(y.to_vec::<i64>(), x.to_vec::<i64>(), "{from:?} -> {to:?}");
            let z = reshape(permute(x.clone(), &(0..from.len()).rev().collect::<Vec<_>>()), Shape::new(&to));
            let mut all = z.to_vec::<i64>();
            all.sort_unstable();
            assert_eq!(all, x.to_vec::<i64>());
        }
    }

    #[test]
    fn reshape_of_a_permuted_array_reads_it_in_its_new_order() {
        let x = permute(numbers(&[2, 3]), &[1, 0]);
        assert_eq!(reshape(x, Shape::from([6])).to_vec::<i64>(), [0, 3, 1, 4, 2, 5]);
    }

    #[test]
    fn splitting_a_dimension_shares_memory() {
        let x = numbers(&[6, 4]);
        let y = reshape(x.clone(), Shape::from([2, 3, 4]));
        assert!(std::ptr::eq(x.data::<i64>().as_ptr(), y.data::<i64>().as_ptr()));
    }

    #[test]
    fn expanded_arrays_are_never_written_in_place() {
        let mut x = expand(numbers(&[1, 3]), Shape::from([2, 3]));
        assert!(x.exclusive::<i64>().is_none());
        x.make_mut::<i64>()[0] = 9;
        assert_eq!(x.to_vec::<i64>(), [9, 1, 2, 0, 1, 2]);
    }
}
