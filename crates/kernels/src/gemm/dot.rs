//! The product of a row-major matrix with the transpose of another, as in a linear layer: both operands are contiguous
//! along the sum, so vectors run along it and nothing is packed.

use super::matrix::Matrix;
use super::split::{add_partials, split_depth};
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::target::Target;
use crate::{AlignedVec, threads};

/// Whether sums are long enough for adding up the lanes at their end, and the product too small to pay for packing the right operand.
pub(super) fn pays(rows: usize, cols: usize, depth: usize) -> bool {
    depth >= 128 && (rows < 96 || cols < 64)
}

/// Rows of a block.
const BLOCK_ROWS: usize = 120;
/// Columns of a block: at most this many rows of the right operand's transpose share the second-level cache.
const BLOCK_COLS: usize = 48;
/// Terms of a block.
const BLOCK_DEPTH: usize = 768;

pub(super) fn gemm(
    target: Target,
    m: usize,
    n: usize,
    k: usize,
    a: Matrix<f32>,
    b: Matrix<f32>,
    c: &mut [f32],
    accumulate: bool,
) {
    let (row_blocks, col_blocks) = (m.div_ceil(BLOCK_ROWS), n.div_ceil(BLOCK_COLS));
    let tasks = row_blocks * col_blocks;
    let (parts, depth) = split_depth(k, tasks, BLOCK_DEPTH / 2);
    let mut partials = AlignedVec::unspecified(if parts > 1 { parts * m * n } else { 0 });
    let out = threads::SendPtr(if parts > 1 { partials.as_mut_ptr() } else { c.as_mut_ptr() });
    threads::parallel_for(tasks * parts, |task| {
        let (part, block) = (task / tasks, task % tasks);
        let (row, col, first) = (block / col_blocks * BLOCK_ROWS, block % col_blocks * BLOCK_COLS, part * depth);
        target.run(Block {
            a: &a.data[row * a.row_stride + first..],
            a_stride: a.row_stride,
            b: &b.data[col * b.col_stride + first..],
            b_stride: b.col_stride,
            rows: BLOCK_ROWS.min(m - row),
            cols: BLOCK_COLS.min(n - col),
            depth: depth.min(k - first),
            c: out.get().wrapping_add(part * m * n + row * n + col),
            c_stride: n,
            accumulate: accumulate && parts == 1,
        });
    });
    if parts > 1 {
        add_partials(&partials, c, accumulate);
    }
}

struct Block<'a> {
    a: &'a [f32],
    a_stride: usize,
    b: &'a [f32],
    b_stride: usize,
    rows: usize,
    cols: usize,
    depth: usize,
    /// Valid for `rows` rows of `cols` values, which nobody else touches.
    c: *mut f32,
    c_stride: usize,
    accumulate: bool,
}

impl Kernel for Block<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LANES == 16 { self.all::<S, 6, 4>(simd) } else { self.all::<S, 4, 3>(simd) }
    }
}

impl Block<'_> {
    #[inline(always)]
    fn all<S: Simd, const R: usize, const C: usize>(self, simd: S) {
        for first in (0..self.depth).step_by(BLOCK_DEPTH) {
            for row in (0..self.rows).step_by(R) {
                // One row alone takes as long as its columns take to be read, if no others are computed in vain.
                if self.rows - row == 1 {
                    self.block::<S, 1, 8>(simd, row, first)
                } else {
                    self.block::<S, R, C>(simd, row, first)
                }
            }
        }
    }

    /// At most `R` rows from `row` on, and the terms of one block from `first` on.
    #[inline(always)]
    fn block<S: Simd, const R: usize, const C: usize>(&self, simd: S, row: usize, first: usize) {
        let (rows, depth) = (R.min(self.rows - row), BLOCK_DEPTH.min(self.depth - first));
        let accumulate = self.accumulate || first > 0;
        assert!((self.rows - 1) * self.a_stride + self.depth <= self.a.len());
        assert!((self.cols - 1) * self.b_stride + self.depth <= self.b.len());
        for col in (0..self.cols).step_by(C) {
            let cols = C.min(self.cols - col);
            let mut a = [self.a.as_ptr(); R];
            for r in 0..R {
                a[r] = a[r].wrapping_add((row + r.min(rows - 1)) * self.a_stride + first);
            }
            let mut b = [self.b.as_ptr(); C];
            for j in 0..C {
                b[j] = b[j].wrapping_add((col + j.min(cols - 1)) * self.b_stride + first);
            }
            // SAFETY: every row and column has `depth` values from `first` on, as asserted above.
            let dots = unsafe { dots(simd, &a, &b, depth) };
            for r in 0..rows {
                for j in 0..cols {
                    // SAFETY: `c` is valid for `rows` × `cols` values of this block.
                    unsafe {
                        let c = self.c.add((row + r) * self.c_stride + col + j);
                        *c = if accumulate { *c + dots[r][j] } else { dots[r][j] };
                    }
                }
            }
        }
    }
}

/// The dot product of each `a` with each `b`.
///
/// # Safety
/// Each must be valid for reading `depth` values.
#[inline(always)]
unsafe fn dots<S: Simd, const R: usize, const C: usize>(
    simd: S,
    a: &[*const f32; R],
    b: &[*const f32; C],
    depth: usize,
) -> [[f32; C]; R] {
    let (a, b) = (*a, *b);
    let mut acc = [[simd.splat(0.0); C]; R];
    let whole = depth / S::LANES * S::LANES;
    let mut p = 0;
    while p < whole {
        let mut y = [simd.splat(0.0); C];
        for j in 0..C {
            // SAFETY: `p + LANES` ≤ `depth`.
            y[j] = unsafe { simd.load(b[j].add(p)) };
        }
        for r in 0..R {
            // SAFETY: as above.
            let x = unsafe { simd.load(a[r].add(p)) };
            for j in 0..C {
                acc[r][j] = simd.mul_add(x, y[j], acc[r][j]);
            }
        }
        p += S::LANES;
    }
    let rest = depth - whole;
    let mut sums = [[0.0; C]; R];
    for r in 0..R {
        for j in 0..C {
            if rest > 0 {
                // SAFETY: `rest` values are left.
                let (x, y) =
                    unsafe { (simd.load_first(a[r].add(whole), rest), simd.load_first(b[j].add(whole), rest)) };
                acc[r][j] = simd.mul_add(x, y, acc[r][j]);
            }
            sums[r][j] = simd.sum(acc[r][j]);
        }
    }
    sums
}
