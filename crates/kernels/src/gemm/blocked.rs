//! The general product: blocks of the right operand are packed into panels, of the left one where its rows are not
//! contiguous.

use super::matrix::Matrix;
use super::split::{add_partials, split_depth};
use super::tile::{self, MAX_ROWS, Panels, Walk, tile_cols, tile_rows};
use crate::copy::transpose::transpose;
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::target::Target;
use crate::{AlignedVec, threads};

/// Rows of a block: a multiple of every tile's rows.
const BLOCK_ROWS: usize = 120;
/// The most columns of a block.
const BLOCK_COLS: usize = 256;
/// Terms of a block: a panel of this depth stays in the first-level cache.
const BLOCK_DEPTH: usize = 256;

/// The right operand.
#[derive(Clone, Copy)]
pub(super) enum Right<'a> {
    Plain(Matrix<'a, f32>),
    Packed(&'a Panels),
}

pub(super) fn gemm(
    target: Target,
    m: usize,
    n: usize,
    k: usize,
    a: Matrix<f32>,
    b: Right,
    c: &mut [f32],
    accumulate: bool,
) {
    let row_blocks = m.div_ceil(BLOCK_ROWS);
    // Long sums are cut rather than columns, so that each task reads rows of its own of both operands.
    let cuts = (k / (2 * BLOCK_DEPTH)).clamp(1, 8);
    let cols = (n * row_blocks * cuts).div_ceil(8).next_multiple_of(tile_cols(target.lanes())).min(BLOCK_COLS);
    let col_blocks = n.div_ceil(cols);
    let tasks = row_blocks * col_blocks;
    let (parts, depth) = split_depth(k, tasks, BLOCK_DEPTH);
    let mut partials = AlignedVec::unspecified(if parts > 1 { parts * m * n } else { 0 });
    let out = threads::SendPtr(if parts > 1 { partials.as_mut_ptr() } else { c.as_mut_ptr() });
    threads::parallel_for(tasks * parts, |task| {
        let (part, block) = (task / tasks, task % tasks);
        let (row, col, first) = (block / col_blocks * BLOCK_ROWS, block % col_blocks * cols, part * depth);
        let block = Block {
            a: Matrix { data: &a.data[row * a.row_stride + first * a.col_stride..], ..a },
            b,
            at: [first, col],
            rows: BLOCK_ROWS.min(m - row),
            cols: cols.min(n - col),
            depth: depth.min(k - first),
            c: out.get().wrapping_add(part * m * n + row * n + col),
            c_stride: n,
            accumulate: accumulate && parts == 1,
        };
        target.run(block);
    });
    if parts > 1 {
        add_partials(&partials, c, accumulate);
    }
}

struct Block<'a> {
    a: Matrix<'a, f32>,
    b: Right<'a>,
    /// The row and the column of `b` where the block starts.
    at: [usize; 2],
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
        if S::LANES == 16 { self.all::<S, MAX_ROWS>(simd) } else { self.all::<S, 6>(simd) }
    }
}

impl Block<'_> {
    #[inline(always)]
    fn all<S: Simd, const R: usize>(self, simd: S) {
        assert_eq!(R, tile_rows(S::LANES));
        let width = tile_cols(S::LANES);
        let stored = self.cols.next_multiple_of(S::LANES);
        let depth = BLOCK_DEPTH.min(self.depth);
        let pack_b = matches!(self.b, Right::Plain(_));
        let mut packed_b = AlignedVec::<f32>::unspecified(if pack_b { depth * stored } else { 0 });
        let pack_a = self.a.col_stride != 1;
        let mut packed_a =
            AlignedVec::<f32>::unspecified(if pack_a { depth * self.rows.next_multiple_of(R) } else { 0 });
        for first in (0..self.depth).step_by(BLOCK_DEPTH) {
            let depth = BLOCK_DEPTH.min(self.depth - first);
            let a = &self.a.data[first * self.a.col_stride..];
            if let Right::Plain(b) = self.b {
                let b =
                    Matrix { data: &b.data[(self.at[0] + first) * b.row_stride + self.at[1] * b.col_stride..], ..b };
                pack_panels(simd, b, depth, self.cols, &mut packed_b);
            }
            if pack_a {
                pack_rows(a, &self.a, self.rows, depth, R, &mut packed_a);
            }
            let tiles = Tiles {
                a: if pack_a { &packed_a } else { a },
                tile_stride: if pack_a { R * depth } else { R * self.a.row_stride },
                row_stride: if pack_a { 1 } else { self.a.row_stride },
                walk: Walk::run(depth, if pack_a { R } else { 1 }),
                rows: self.rows,
                c_stride: self.c_stride,
                accumulate: self.accumulate || first > 0,
            };
            for col in (0..self.cols).step_by(width) {
                let cols = width.min(self.cols - col);
                let b = match self.b {
                    Right::Plain(_) => &packed_b[col * depth..],
                    Right::Packed(panels) => {
                        let (start, used, rows) = panels.get((self.at[1] + col) / width);
                        assert!(start == self.at[1] + col && used >= cols);
                        &rows[(self.at[0] + first) * used.next_multiple_of(S::LANES)..]
                    }
                };
                // SAFETY: `c` is valid for `rows` rows of `cols` values from `col` on.
                unsafe {
                    let c = self.c.add(col);
                    if tile::is_narrow(S::LANES, cols) {
                        tiles.multiply::<S, R, 1>(simd, b, cols, c)
                    } else {
                        tiles.multiply::<S, R, 2>(simd, b, cols, c)
                    }
                }
            }
        }
    }
}

/// Packs `depth` × `cols` into panels of two vectors, the last of one if that is enough.
#[inline(always)]
fn pack_panels<S: Simd>(simd: S, b: Matrix<f32>, depth: usize, cols: usize, packed: &mut [f32]) {
    let width = tile_cols(S::LANES);
    if b.col_stride == 1 {
        return pack_rows_of_panels(simd, b, depth, cols, packed);
    }
    for first in (0..cols).step_by(width) {
        let used = width.min(cols - first);
        let stored = used.next_multiple_of(S::LANES);
        let panel = &mut packed[first * depth..][..stored * depth];
        if b.row_stride == 1 && used == stored {
            transpose(stored, b.col_stride, &b.data[first * b.col_stride..], panel);
        } else {
            // Eight rows at a time, so that what is written stays in the cache until it is complete.
            for (block, rows) in panel.chunks_mut(8 * stored).enumerate() {
                for j in 0..stored {
                    for (p, row) in rows.chunks_exact_mut(stored).enumerate() {
                        let at = (block * 8 + p) * b.row_stride + (first + j) * b.col_stride;
                        row[j] = if j < used { b.data[at] } else { 0.0 };
                    }
                }
            }
        }
    }
}

/// [`pack_panels`], where columns are adjacent: along the rows, for these may lie far apart.
#[inline(always)]
fn pack_rows_of_panels<S: Simd>(simd: S, b: Matrix<f32>, depth: usize, cols: usize, packed: &mut [f32]) {
    let width = tile_cols(S::LANES);
    let whole = cols / width * width;
    assert!(depth == 0 || cols == 0 || (depth - 1) * b.row_stride + cols <= b.data.len());
    assert!(packed.len() >= depth * cols.next_multiple_of(S::LANES));
    for p in 0..depth {
        let row = b.data.as_ptr().wrapping_add(p * b.row_stride);
        for first in (0..whole).step_by(width) {
            // SAFETY: the row has `cols` values, and each panel a row of `width` for every step of the depth, as asserted above.
            unsafe {
                let (from, to) = (row.add(first), packed.as_mut_ptr().add(first * depth + p * width));
                for v in 0..2 {
                    simd.store(to.add(v * S::LANES), simd.load(from.add(v * S::LANES)));
                }
            }
        }
    }
    let used = cols - whole;
    if used > 0 {
        let stored = used.next_multiple_of(S::LANES);
        for (p, row) in packed[whole * depth..][..stored * depth].chunks_exact_mut(stored).enumerate() {
            row[..used].copy_from_slice(&b.data[p * b.row_stride + whole..][..used]);
            row[used..].fill(0.0);
        }
    }
}

/// Packs `rows` × `depth` into tiles of `tile` rows, each stored column after column.
#[inline(always)]
fn pack_rows(a: &[f32], strides: &Matrix<f32>, rows: usize, depth: usize, tile: usize, packed: &mut [f32]) {
    for (t, packed) in packed[..rows.next_multiple_of(tile) * depth].chunks_exact_mut(tile * depth).enumerate() {
        for (p, column) in packed.chunks_exact_mut(tile).enumerate() {
            for (r, x) in column.iter_mut().enumerate() {
                let row = t * tile + r;
                *x = if row < rows { a[row * strides.row_stride + p * strides.col_stride] } else { 0.0 };
            }
        }
    }
}

struct Tiles<'a> {
    a: &'a [f32],
    tile_stride: usize,
    row_stride: usize,
    walk: Walk,
    rows: usize,
    c_stride: usize,
    accumulate: bool,
}

impl Tiles<'_> {
    /// # Safety
    /// `c` must be valid for `rows` rows of `cols` values.
    #[inline(always)]
    unsafe fn multiply<S: Simd, const R: usize, const V: usize>(&self, simd: S, b: &[f32], cols: usize, c: *mut f32) {
        assert!(b.len() >= self.walk.count() * V * S::LANES && cols <= V * S::LANES);
        for (t, row) in (0..self.rows).step_by(R).enumerate() {
            let count = R.min(self.rows - row);
            let a = &self.a[t * self.tile_stride..];
            assert!(self.walk.last().is_none_or(|w| (count - 1) * self.row_stride + w < a.len()));
            let mut rows = [a.as_ptr(); R];
            for r in 0..R {
                rows[r] = a.as_ptr().wrapping_add(r.min(count - 1) * self.row_stride);
            }
            // SAFETY: asserted above; `c` is the caller's promise.
            unsafe {
                let c = c.add(row * self.c_stride);
                let start = if self.accumulate {
                    tile::load::<S, R, V>(simd, c, self.c_stride, count, cols)
                } else {
                    [[simd.splat(0.0); V]; R]
                };
                let acc = tile::multiply(simd, &rows, &self.walk, b.as_ptr(), V * S::LANES, start);
                tile::store(simd, &acc, c, self.c_stride, count, cols);
            }
        }
    }
}
