//! Views share their source's memory; what cannot be a view is copied.

use crate::array::{Array, memory_order};
use crate::dtype::by_type;
use crate::element::Stored;
use crate::shape::Shape;
use std::ops::Range;
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

/// The smallest runs of these dimensions, none of size 1, that fill runs of the dimensions of `shape`, which has as many elements: what each covers of both.
fn matching_runs(old: &[usize], shape: Shape) -> Vec<[Range<usize>; 2]> {
    let mut all = Vec::new();
    let (mut i, mut d) = (0, 0);
    while i < old.len() {
        let (begin, first, mut have, mut want) = (i, d, old[i], 1);
        while want != have {
            if want < have {
                want *= shape[d];
                d += 1;
            } else {
                i += 1;
                have *= old[i];
            }
        }
        i += 1;
        all.push([begin..i, first..d]);
    }
    all
}

/// The dimensions of `x` that have more than one element.
fn wide_dims(x: &Array) -> Vec<usize> {
    (0..x.shape.rank()).filter(|&d| x.shape[d] != 1).collect()
}

fn sizes_of(x: &Array, dims: &[usize]) -> Vec<usize> {
    dims.iter().map(|&d| x.shape[d]).collect()
}

/// The strides that give `x`'s elements, in row-major order, the shape `shape`; none if that takes a copy.
fn reshaped_strides(x: &Array, shape: Shape) -> Option<Shape> {
    let wide = wide_dims(x);
    let mut strides = shape.row_major();
    for [old, new] in matching_runs(&sizes_of(x, &wide), shape) {
        let run = &wide[old];
        let is_even = |w: &[usize]| x.strides[w[0]] == x.shape[w[1]] * x.strides[w[1]];
        if !run.windows(2).all(is_even) {
            return None;
        }
        let mut step = x.strides[run[run.len() - 1]];
        for d in new.rev() {
            strides[d] = step;
            step *= shape[d];
        }
    }
    Some(strides)
}

/// The order of `x`'s dimensions in which its elements, reshaped to `shape`, lie in the default layout; none if there is no such order.
fn order_for(x: &Array, shape: Shape) -> Option<Vec<usize>> {
    let wide = wide_dims(x);
    let runs = matching_runs(&sizes_of(x, &wide), shape);
    let mut order: Vec<usize> = (0..x.shape.rank()).filter(|d| x.shape[*d] == 1).collect();
    let memory: Vec<usize> = memory_order(shape.rank()).iter().copied().filter(|&d| shape[d] != 1).collect();
    let mut at = 0;
    while at < memory.len() {
        let [old, new] = runs.iter().find(|[_, new]| new.contains(&memory[at]))?;
        for d in new.clone().filter(|&d| shape[d] != 1) {
            if memory.get(at) != Some(&d) {
                return None;
            }
            at += 1;
        }
        order.extend_from_slice(&wide[old.clone()]);
    }
    Some(order)
}

/// A view of `x` where strides can express it; else a copy, in the default layout where one strided copy gives that.
pub fn reshape(x: Array, shape: Shape) -> Array {
    if x.shape == shape {
        return x;
    }
    let is_empty = x.shape.numel() == 0;
    if !is_empty && let Some(strides) = reshaped_strides(&x, shape) {
        return Array { strides, shape, ..x };
    }
    let rows = |rank: usize| (0..rank).collect::<Vec<_>>();
    let (from, to) = match if is_empty { None } else { order_for(&x, shape) } {
        Some(order) => (order, memory_order(shape.rank()).to_vec()),
        None => (rows(x.shape.rank()), rows(shape.rank())),
    };
    by_type!(x.dtype(), |T| Array::in_order(x.packed::<T>(&from).into_buffer(), shape, &to))
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
    fn a_reshape_that_copies_gives_the_default_layout_where_one_copy_can() {
        let shuffle = |x: Array| {
            let [n, c, h, w] = [x.shape[0], x.shape[1], x.shape[2], x.shape[3]];
            let groups = permute(reshape(x, Shape::from([n, 2, c / 2, h, w])), &[0, 2, 1, 3, 4]);
            reshape(groups, Shape::from([n, c, h, w]))
        };
        let pixels = |x: Array| {
            let [n, c, h, w] = [x.shape[0], x.shape[1], x.shape[2], x.shape[3]];
            let apart = permute(reshape(x, Shape::from([n, c / 6, 2, 3, h, w])), &[0, 1, 4, 2, 5, 3]);
            reshape(apart, Shape::from([n, c / 6, 2 * h, 3 * w]))
        };
        let tokens = |x: Array| {
            let [n, c, h, w] = [x.shape[0], x.shape[1], x.shape[2], x.shape[3]];
            reshape(reshape(x, Shape::from([n, c, h * w])), Shape::from([n, c, w, h]))
        };
        for shape in [[1, 6, 1, 1], [1, 6, 2, 3], [2, 6, 5, 4], [3, 36, 17, 1], [2, 12, 1, 7]] {
            let x = numbers(&shape);
            let plain = Array::in_order(AlignedVec::from_slice(&x.to_vec::<i64>()), x.shape, &[0, 1, 2, 3]);
            for f in [&shuffle as &dyn Fn(Array) -> Array, &pixels, &tokens] {
                let y = f(x.clone());
                assert_eq!(y.to_vec::<i64>(), f(plain.clone()).to_vec::<i64>(), "{shape:?}");
                assert!(y.is_dense_in(memory_order(4)), "{shape:?}");
            }
        }
        let merged = reshape(numbers(&[2, 3, 4, 5]), Shape::from([2, 12, 5, 1]));
        assert_eq!(merged.to_vec::<i64>(), (0..120).collect::<Vec<_>>());
    }

    #[test]
    fn expanded_arrays_are_never_written_in_place() {
        let mut x = expand(numbers(&[1, 3]), Shape::from([2, 3]));
        assert!(x.exclusive::<i64>().is_none());
        x.make_mut::<i64>()[0] = 9;
        assert_eq!(x.to_vec::<i64>(), [9, 1, 2, 0, 1, 2]);
    }
}
