//! Loops over operands with strides, and parallel loops over parts of several slices.

use crate::threads::parallel_for;
use std::sync::Mutex;

/// How many elements a task of a parallel loop takes: small enough to share out, large enough to pay for the hand-over.
pub(crate) const CHUNK: usize = 32 * 1024;

/// One loop over `N` operands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dim<const N: usize> {
    pub size: usize,
    pub strides: [usize; N],
}

/// How many elements lie between the first and the last element of a strided operand, both included.
pub(crate) fn span(shape: &[usize], strides: &[usize]) -> usize {
    if shape.contains(&0) {
        return 0;
    }
    let last = shape
        .iter()
        .zip(strides)
        .try_fold(0usize, |sum, (n, stride)| (n - 1).checked_mul(*stride).and_then(|x| x.checked_add(sum)));
    last.and_then(|x| x.checked_add(1)).expect("a strided operand is larger than the address space")
}

/// Stops unless `strides` fits `shape` and all elements lie within `len`.
pub(crate) fn check(op: &str, shape: &[usize], strides: &[usize], len: usize) {
    assert_eq!(shape.len(), strides.len(), "{op}: strides {strides:?} do not fit shape {shape:?}");
    let need = span(shape, strides);
    assert!(need <= len, "{op}: shape {shape:?} with strides {strides:?} needs {need} elements, got {len}");
}

/// The row-major strides of a dense operand.
pub(crate) fn dense(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for d in (0..shape.len().saturating_sub(1)).rev() {
        strides[d] = strides[d + 1] * shape[d + 1];
    }
    strides
}

/// The loops over `shape`, outermost first, without loops of one turn, and with neighbours merged where all operands walk
/// evenly through both. At least one loop.
pub(crate) fn collapse<const N: usize>(shape: &[usize], strides: [&[usize]; N]) -> Vec<Dim<N>> {
    let mut dims: Vec<Dim<N>> = Vec::with_capacity(shape.len().max(1));
    for (d, &size) in shape.iter().enumerate().filter(|(_, n)| **n != 1) {
        let inner = Dim { size, strides: strides.map(|s| s[d]) };
        match dims.last_mut() {
            Some(outer) if (0..N).all(|k| outer.strides[k] == inner.strides[k] * size) => {
                outer.size *= size;
                outer.strides = inner.strides;
            }
            _ => dims.push(inner),
        }
    }
    if dims.is_empty() {
        dims.push(Dim { size: 1, strides: [1; N] });
    }
    dims
}

/// The index of element number `start`, counted in row-major order, and its offsets in the operands.
#[inline(never)]
fn position<const N: usize>(dims: &[Dim<N>], start: usize) -> (Vec<usize>, [usize; N]) {
    let mut index = vec![0; dims.len()];
    let mut offsets = [0; N];
    let mut rest = start;
    for (d, dim) in dims.iter().enumerate().rev() {
        index[d] = rest % dim.size;
        rest /= dim.size;
        for k in 0..N {
            offsets[k] += index[d] * dim.strides[k];
        }
    }
    (index, offsets)
}

/// Visits the elements `start..start + len`, counted in row-major order, row by row of the innermost loop: calls
/// `row(offsets, at, n)` for `n` elements, of which the first is the `at`-th visited and lies at `offsets` in the operands.
#[inline(always)]
pub(crate) fn for_rows<const N: usize>(
    dims: &[Dim<N>],
    start: usize,
    len: usize,
    mut row: impl FnMut([usize; N], usize, usize),
) {
    if len == 0 {
        return;
    }
    let (mut index, mut offsets) = position(dims, start);
    let last = dims.len() - 1;
    let mut at = 0;
    loop {
        let n = (dims[last].size - index[last]).min(len - at);
        row(offsets, at, n);
        at += n;
        if at == len {
            return;
        }
        for k in 0..N {
            offsets[k] -= index[last] * dims[last].strides[k];
        }
        index[last] = 0;
        let mut d = last;
        loop {
            d -= 1;
            index[d] += 1;
            for k in 0..N {
                offsets[k] += dims[d].strides[k];
            }
            if index[d] < dims[d].size {
                break;
            }
            for k in 0..N {
                offsets[k] -= dims[d].size * dims[d].strides[k];
            }
            index[d] = 0;
        }
    }
}

/// Calls `task(i, part)` for each part, in parallel.
pub(crate) fn parallel_parts<P: Send>(parts: impl Iterator<Item = P>, task: impl Fn(usize, P) + Sync) {
    let parts: Vec<_> = parts.map(|p| Mutex::new(Some(p))).collect();
    parallel_for(parts.len(), |i| {
        let part = parts[i].lock().ok().and_then(|mut p| p.take());
        task(i, part.expect("each part is taken once"));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_merge_where_all_operands_allow_it() {
        let d = |size, strides| Dim { size, strides };
        assert_eq!(collapse(&[2, 3, 4], [&[12, 4, 1], &[12, 4, 1]]), [d(24, [1, 1])]);
        assert_eq!(collapse(&[2, 3, 4], [&[12, 4, 1], &[0, 0, 1]]), [d(6, [4, 0]), d(4, [1, 1])]);
        assert_eq!(collapse(&[2, 1, 4], [&[4, 9, 1], &[4, 7, 1]]), [d(8, [1, 1])]);
        assert_eq!(collapse(&[], [&[], &[]]), [d(1, [1, 1])]);
    }

    #[test]
    fn rows_visit_every_element_from_any_start() {
        let (shape, a, b) = ([2, 3, 5], [1, 2, 6], [20, 0, 3]);
        let dims = collapse(&shape, [&a, &b]);
        let all: Vec<[usize; 2]> = (0..30)
            .map(|i| [i / 15, i / 5 % 3, i % 5])
            .map(|i| [0, 1].map(|k| (0..3).map(|d| i[d] * [a, b][k][d]).sum()))
            .collect();
        for start in 0..30 {
            for len in 0..=30 - start {
                let mut seen = Vec::new();
                for_rows(&dims, start, len, |offsets, at, n| {
                    assert_eq!(at, seen.len());
                    seen.extend((0..n).map(|i| [offsets[0] + 6 * i, offsets[1] + 3 * i]));
                });
                assert_eq!(seen, all[start..start + len]);
            }
        }
    }

    #[test]
    #[should_panic(expected = "needs 8 elements, got 7")]
    fn operands_too_short_are_refused() {
        check("add", &[2, 4], &[4, 1], 7);
    }
}
