//! Sparse linear maps along one dimension: interpolation, padding with what is there, averages of uneven windows.

use crate::float::Float;
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::strided::CHUNK;
use crate::threads::parallel_chunks;

/// A matrix [outputs, inputs] with few entries in each row, in which an output is a weighted sum of inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Taps {
    inputs: usize,
    /// Row `i` has the entries `starts[i]..starts[i + 1]`.
    starts: Vec<usize>,
    entries: Vec<(usize, f64)>,
}

impl Taps {
    /// A matrix of rows of (input, weight).
    ///
    /// # Panics
    /// If a row names an input that is not in `0..inputs`.
    pub fn new<R: IntoIterator<Item = (usize, f64)>>(inputs: usize, rows: impl IntoIterator<Item = R>) -> Taps {
        let mut taps = Taps { inputs, starts: vec![0], entries: Vec::new() };
        for row in rows {
            taps.entries.extend(row);
            taps.starts.push(taps.entries.len());
        }
        let largest = taps.entries.iter().map(|e| e.0).max();
        assert!(largest.is_none_or(|i| i < inputs), "resample: there is no input {largest:?} among {inputs}");
        taps
    }

    /// How many inputs it takes.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// How many outputs it gives.
    pub fn outputs(&self) -> usize {
        self.starts.len() - 1
    }

    fn row(&self, output: usize) -> &[(usize, f64)] {
        &self.entries[self.starts[output]..self.starts[output + 1]]
    }

    /// The transposed matrix, which takes gradients of outputs to gradients of inputs.
    pub fn transposed(&self) -> Taps {
        let mut rows = vec![Vec::new(); self.inputs];
        for output in 0..self.outputs() {
            for &(input, weight) in self.row(output) {
                rows[input].push((output, weight));
            }
        }
        Taps::new(self.outputs(), rows)
    }
}

struct Rows<'a, T> {
    /// The first output row, counted over all repetitions of the matrix.
    first: usize,
    inner: usize,
    taps: &'a Taps,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Kernel for Rows<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Rows { first, inner, taps, x, out } = self;
        let outputs = taps.outputs();
        for (r, out) in out.chunks_exact_mut(inner).enumerate() {
            let (outer, output) = ((first + r) / outputs, (first + r) % outputs);
            let x = &x[outer * taps.inputs * inner..][..taps.inputs * inner];
            let Some((&(input, weight), rest)) = taps.row(output).split_first() else {
                out.fill(T::ZERO);
                continue;
            };
            let row = &x[input * inner..][..inner];
            if weight == 1.0 {
                out.copy_from_slice(row);
            } else {
                let weight = T::from_f64(weight);
                out.iter_mut().zip(row).for_each(|(out, x)| *out = *x * weight);
            }
            for &(input, weight) in rest {
                let (row, weight) = (&x[input * inner..][..inner], T::from_f64(weight));
                out.iter_mut().zip(row).for_each(|(out, x)| *out += *x * weight);
            }
        }
    }
}

/// `out[o, j, i] = Σ taps[j, k] · x[o, k, i]`, with dense `x` [outer, inputs, inner] and dense `out` [outer, outputs, inner]. Each sum
/// is taken in the order of its entries.
///
/// # Panics
/// If a length does not fit.
pub fn resample<T: Float>(outer: usize, inner: usize, taps: &Taps, x: &[T], out: &mut [T]) {
    let (inputs, outputs) = (taps.inputs, taps.outputs());
    assert_eq!(x.len(), outer * inputs * inner, "resample: the input [{outer}, {inputs}, {inner}] has {}", x.len());
    assert_eq!(
        out.len(),
        outer * outputs * inner,
        "resample: the output [{outer}, {outputs}, {inner}] has {}",
        out.len()
    );
    if out.is_empty() {
        return;
    }
    let per_row = inner * taps.entries.len().div_ceil(outputs).max(1);
    let per_task = (CHUNK / per_row).max(1);
    parallel_chunks(out, per_task * inner, |i, out| T::dispatch(Rows { first: i * per_task, inner, taps, x, out }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(inputs: usize, outputs: usize) -> Taps {
        let row =
            |j: usize| (0..j % 4).map(move |k| ((j * 5 + k * 3) % inputs, if k == 1 { 1.0 } else { 0.25 * k as f64 }));
        Taps::new(inputs, (0..outputs).map(row))
    }

    #[test]
    fn matches_the_reference() {
        for [outer, inputs, outputs, inner] in
            [[1, 1, 1, 1], [3, 5, 7, 1], [2, 17, 3, 4], [200, 3, 33, 5], [2, 3, 2, 0], [0, 3, 2, 2]]
        {
            let taps = matrix(inputs, outputs);
            let x: Vec<f64> = (0..outer * inputs * inner).map(|i| (i % 31) as f64).collect();
            let mut out = vec![f64::NAN; outer * outputs * inner];
            resample(outer, inner, &taps, &x, &mut out);
            for (at, got) in out.iter().enumerate() {
                let (o, j, i) = (at / inner / outputs, at / inner % outputs, at % inner);
                let want: f64 = taps.row(j).iter().map(|&(k, w)| w * x[(o * inputs + k) * inner + i]).sum();
                assert_eq!(*got, want);
            }
        }
    }

    #[test]
    fn the_transpose_of_the_transpose_is_the_matrix() {
        // In its rows the inputs are sorted, as transposing sorts them.
        let taps = Taps::new(5, [vec![(0, 2.0), (3, 1.0)], vec![], vec![(1, 0.5), (3, 4.0), (4, 1.0)]]);
        assert_eq!(taps.transposed().transposed(), taps);
        assert_eq!((taps.transposed().inputs(), taps.transposed().outputs()), (3, 5));
    }

    #[test]
    #[should_panic(expected = "there is no input Some(3) among 3")]
    fn entries_out_of_range_are_refused() {
        Taps::new(3, [[(3, 1.0)]]);
    }
}
