//! The register tile on which all products rest: a few rows by one or two vectors of columns.
//!
//! The left operand is read where it lies, one broadcast value at a time, through one pointer per row and a walk that
//! all rows share. That covers row-major matrices, packed panels, and the patches of a convolution without ever writing
//! them out. The right operand comes as rows of adjacent columns: usually a packed panel.

use crate::copy::transpose::transpose;
use crate::elementwise::f32_to_bf16;
use crate::isa::Kernel;
use crate::memory::NewBuffer;
use crate::settings::Precision;
use crate::simd::{MAX_LANES, Simd};
use crate::target::Target;
use crate::{AlignedVec, threads};

/// The most rows that a tile has on any instruction set.
pub(crate) const MAX_ROWS: usize = 12;

/// Rows of a tile: with two vectors of columns the accumulators fill most of the register file, which is 16 vectors on
/// AVX2 and 32 on AVX-512.
pub(crate) const fn tile_rows(lanes: usize) -> usize {
    if lanes == 16 { 12 } else { 6 }
}

/// Columns of a tile of two vectors.
pub(crate) const fn tile_cols(lanes: usize) -> usize {
    2 * lanes
}

/// The offsets that the rows of the left operand step through: `outer` times `inner` runs of `len` elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    pub outer: usize,
    pub outer_stride: usize,
    pub inner: usize,
    pub inner_stride: usize,
    pub len: usize,
    pub step: usize,
}

impl Walk {
    /// One run.
    pub fn run(len: usize, step: usize) -> Walk {
        Walk { outer: 1, outer_stride: 0, inner: 1, inner_stride: 0, len, step }
    }

    /// How many elements each row yields.
    pub fn count(&self) -> usize {
        self.outer * self.inner * self.len
    }

    /// The largest offset, if there is any.
    pub fn last(&self) -> Option<usize> {
        (self.count() > 0).then(|| {
            (self.outer - 1) * self.outer_stride + (self.inner - 1) * self.inner_stride + (self.len - 1) * self.step
        })
    }
}

/// What lies in the place of each `f32` of a product's operands.
pub(crate) trait Factor: Send + Sync {
    const PRECISION: Precision;
    /// How many numbers.
    const COUNT: usize;
    /// All of them `x`.
    fn of(x: f32) -> f32;

    fn mul_add<S: Simd>(simd: S, x: S::F32, y: S::F32, acc: S::F32) -> S::F32;

    /// As [`Factor::mul_add`] in the lower half of the lanes; the upper ones are not specified.
    #[inline(always)]
    fn mul_add_lower<S: Simd>(simd: S, x: S::F32, y: S::F32, acc: S::F32) -> S::F32 {
        Self::mul_add(simd, x, y, acc)
    }

    /// Runs a kernel that multiplies them.
    fn run<K: Kernel>(target: Target, kernel: K) -> K::Output;
}

/// An `f32`.
pub(crate) struct Single;

impl Factor for Single {
    const PRECISION: Precision = Precision::F32;
    const COUNT: usize = 1;

    fn of(x: f32) -> f32 {
        x
    }

    #[inline(always)]
    fn mul_add<S: Simd>(simd: S, x: S::F32, y: S::F32, acc: S::F32) -> S::F32 {
        simd.mul_add(x, y, acc)
    }

    #[inline(always)]
    fn mul_add_lower<S: Simd>(simd: S, x: S::F32, y: S::F32, acc: S::F32) -> S::F32 {
        simd.mul_add_lower(x, y, acc)
    }

    fn run<K: Kernel>(target: Target, kernel: K) -> K::Output {
        target.run(kernel)
    }
}

/// Two `bf16` that follow each other in the sum.
pub(crate) struct Bf16Pair;

impl Bf16Pair {
    fn join(first: f32, second: f32) -> f32 {
        let bits = |x: f32| u32::from(f32_to_bf16(x).to_bits());
        f32::from_bits(bits(first) | bits(second) << 16)
    }
}

impl Factor for Bf16Pair {
    const PRECISION: Precision = Precision::Bf16;
    const COUNT: usize = 2;

    fn of(x: f32) -> f32 {
        Bf16Pair::join(x, x)
    }

    #[inline(always)]
    fn mul_add<S: Simd>(simd: S, x: S::F32, y: S::F32, acc: S::F32) -> S::F32 {
        simd.dot_bf16(x, y, acc)
    }

    fn run<K: Kernel>(target: Target, kernel: K) -> K::Output {
        target.run_bf16(kernel)
    }
}

/// `acc[r] + Σ rows[r][walk(p)] · b[p]` for each row `r`.
///
/// # Safety
/// Each row must be valid for reading at every offset of the walk, and `b` for reading `V` vectors at each of
/// `walk.count()` multiples of `b_step`.
#[inline(always)]
pub(crate) unsafe fn multiply<S: Simd, const R: usize, const V: usize>(
    simd: S,
    rows: &[*const f32; R],
    walk: &Walk,
    b: *const f32,
    b_step: usize,
    acc: [[S::F32; V]; R],
) -> [[S::F32; V]; R] {
    // SAFETY: the caller's promise.
    unsafe { multiply_each::<S, Single, false, R, V>(simd, rows, walk, b, b_step, acc, || ()) }
}

/// As [`multiply`] for these factors, and prefetches. With `HALF` only the lower half of the last vector of columns is computed.
///
/// # Safety
/// As [`multiply`].
#[inline(always)]
pub(crate) unsafe fn multiply_prefetching<S: Simd, F: Factor, const HALF: bool, const R: usize, const V: usize>(
    simd: S,
    rows: &[*const f32; R],
    walk: &Walk,
    b: *const f32,
    b_step: usize,
    acc: [[S::F32; V]; R],
    prefetch: Prefetch,
) -> [[S::F32; V]; R] {
    let mut at = prefetch.from.cast::<u8>();
    let each = || {
        simd.prefetch(at);
        at = at.wrapping_add(prefetch.step);
    };
    // SAFETY: the caller's promise.
    unsafe { multiply_each::<S, F, HALF, R, V>(simd, rows, walk, b, b_step, acc, each) }
}

/// What a product prefetches: the cache line at `from`, and at each further step of its walk the one `step` bytes after the last.
#[derive(Clone, Copy)]
pub(crate) struct Prefetch {
    from: *const f32,
    step: usize,
}

impl Prefetch {
    /// Over how many row tiles the prefetches of the next panel are spread. More repeat each line more often; fewer come in a burst that saturates memory.
    const TILES: usize = 4;
    /// A larger panel, in bytes, and the next one do not fit into L2 together.
    const MOST: usize = 1 << 18;

    /// Part `index` of the panel after `panel`, for one of `tiles` row tiles that multiply by `panel`, whose rows have `row` values.
    #[inline(always)]
    pub fn of(panel: &[f32], row: usize, index: usize, tiles: usize) -> Prefetch {
        let parts = tiles.min(Prefetch::TILES);
        if index >= parts || size_of_val(panel) > Prefetch::MOST {
            return Prefetch { from: panel.as_ptr(), step: 0 };
        }
        let from = panel.as_ptr().wrapping_add(panel.len() + panel.len() * index / parts);
        Prefetch { from, step: size_of::<f32>() * row / parts }
    }
}

/// As [`multiply_prefetching`], calling `each` at every step of the walk.
///
/// # Safety
/// As [`multiply`].
#[inline(always)]
unsafe fn multiply_each<S: Simd, F: Factor, const HALF: bool, const R: usize, const V: usize>(
    simd: S,
    rows: &[*const f32; R],
    walk: &Walk,
    mut b: *const f32,
    b_step: usize,
    mut acc: [[S::F32; V]; R],
    mut each: impl FnMut(),
) -> [[S::F32; V]; R] {
    let rows = *rows;
    for outer in 0..walk.outer {
        for inner in 0..walk.inner {
            let mut at = outer * walk.outer_stride + inner * walk.inner_stride;
            for _ in 0..walk.len {
                let mut y = [simd.splat(0.0); V];
                for v in 0..V {
                    // SAFETY: the caller's promise about `b`.
                    y[v] = unsafe { simd.load(b.add(v * S::LANES)) };
                }
                each();
                for r in 0..R {
                    // SAFETY: the caller's promise about the rows.
                    let x = simd.splat(unsafe { *rows[r].add(at) });
                    for v in 0..V {
                        acc[r][v] = if HALF && v + 1 == V {
                            F::mul_add_lower(simd, x, y[v], acc[r][v])
                        } else {
                            F::mul_add(simd, x, y[v], acc[r][v])
                        };
                    }
                }
                at += walk.step;
                // The last step may leave the buffer, so it must not promise to stay inside.
                b = b.wrapping_add(b_step);
            }
        }
    }
    acc
}

/// Reads `rows` × `cols` values into a tile; the rest is zero.
///
/// # Safety
/// `c` must be valid for reading `cols` values at each of the first `rows` multiples of `stride`; `rows` ≤ `R` and
/// `cols` ≤ `V * S::LANES`.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd, const R: usize, const V: usize>(
    simd: S,
    c: *const f32,
    stride: usize,
    rows: usize,
    cols: usize,
) -> [[S::F32; V]; R] {
    let mut tile = [[simd.splat(0.0); V]; R];
    for r in 0..R {
        if r < rows {
            for v in 0..V {
                let n = cols.saturating_sub(v * S::LANES);
                // SAFETY: the caller's promise; `n` values are left in the row.
                unsafe {
                    let from = c.add(r * stride + (v * S::LANES).min(cols));
                    tile[r][v] = if n >= S::LANES { simd.load(from) } else { simd.load_first(from, n) };
                }
            }
        }
    }
    tile
}

/// Writes the first `rows` × `cols` values of a tile.
///
/// # Safety
/// As [`load`], for writing.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd, const R: usize, const V: usize>(
    simd: S,
    tile: &[[S::F32; V]; R],
    c: *mut f32,
    stride: usize,
    rows: usize,
    cols: usize,
) {
    for r in 0..R {
        if r < rows {
            for v in 0..V {
                let n = cols.saturating_sub(v * S::LANES);
                // SAFETY: the caller's promise; `n` values are left in the row.
                unsafe {
                    let to = c.add(r * stride + (v * S::LANES).min(cols));
                    if n >= S::LANES { simd.store(to, tile[r][v]) } else { simd.store_first(to, tile[r][v], n) }
                }
            }
        }
    }
}

/// A right operand cut into panels of adjacent columns, each stored row after row.
///
/// All panels are [`tile_cols`] wide, except that the last has one vector if that is enough. Missing columns are zero.
pub(crate) struct Panels {
    data: AlignedVec<f32>,
    precision: Precision,
    lanes: usize,
    depth: usize,
    cols: usize,
}

impl Panels {
    /// Packs a matrix of `depth` × `cols` whose row `p` is what `row(p)` begins with.
    pub fn from_rows<'a>(lanes: usize, depth: usize, cols: usize, row: impl Fn(usize) -> &'a [f32] + Sync) -> Panels {
        Panels::fill(AlignedVec::unspecified, lanes, depth, cols, |first, used, panel| {
            let stored = panel.len() / depth;
            for (p, to) in panel.chunks_exact_mut(stored).enumerate() {
                to[..used].copy_from_slice(&row(p)[first..][..used]);
                to[used..].fill(0.0);
            }
        })
    }

    /// Packs the transpose of a matrix of `cols` × `depth`, whose rows lie one after the other.
    pub fn from_columns(new: NewBuffer, lanes: usize, depth: usize, cols: usize, matrix: &[f32]) -> Panels {
        assert!(matrix.len() >= cols * depth);
        Panels::fill(new, lanes, depth, cols, |first, used, panel| {
            let stored = panel.len() / depth;
            let columns = &matrix[first * depth..][..used * depth];
            if used == stored {
                transpose(stored, depth, columns, panel);
                return;
            }
            for (p, to) in panel.chunks_exact_mut(stored).enumerate() {
                for (i, x) in to.iter_mut().enumerate() {
                    *x = if i < used { columns[i * depth + p] } else { 0.0 };
                }
            }
        })
    }

    /// As [`Panels::from_columns`], of columns that have `runs` of `len` values.
    pub fn in_precision(
        precision: Precision,
        new: NewBuffer,
        lanes: usize,
        [runs, len]: [usize; 2],
        cols: usize,
        matrix: &[f32],
    ) -> Panels {
        match precision {
            Precision::F32 => Panels::from_columns(new, lanes, runs * len, cols, matrix),
            Precision::Bf16 => Panels::bf16_from_columns(new, lanes, [runs, len], cols, matrix),
        }
    }

    /// As [`Panels::from_columns`] in pairs of `bf16` ([`Bf16Pair`]). Each column has `runs` of `len` values, whose last pair is filled up with a zero where they
    /// are an odd number; what it is multiplied by has pairs in the same places.
    fn bf16_from_columns(new: NewBuffer, lanes: usize, [runs, len]: [usize; 2], cols: usize, matrix: &[f32]) -> Panels {
        assert!(matrix.len() >= cols * runs * len);
        let depth = runs * len.div_ceil(2);
        let mut panels = Panels::fill(new, lanes, depth, cols, |first, used, panel| {
            let stored = panel.len() / depth;
            panel.fill(0.0);
            for (i, column) in matrix[first * runs * len..][..used * runs * len].chunks_exact(runs * len).enumerate() {
                let pairs = column.chunks_exact(len).flat_map(|run| run.chunks(2));
                for (pair, to) in pairs.zip(panel[i..].iter_mut().step_by(stored)) {
                    *to = Bf16Pair::join(pair[0], pair.get(1).copied().unwrap_or(0.0));
                }
            }
        });
        panels.precision = Precision::Bf16;
        panels
    }

    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// `write` gets each panel's first column, how many of its columns are used, and its rows.
    fn fill(
        new: NewBuffer,
        lanes: usize,
        depth: usize,
        cols: usize,
        write: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) -> Panels {
        let width = tile_cols(lanes);
        let mut data = new(depth * cols.next_multiple_of(lanes));
        if !data.is_empty() {
            threads::parallel_chunks(&mut data, depth * width, |j, panel| {
                write(j * width, width.min(cols - j * width), panel);
            });
        }
        Panels { data, precision: Precision::F32, lanes, depth, cols }
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> usize {
        4 * self.data.len()
    }

    /// How many rows the matrix has, in pairs where it is of pairs.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// How many panels there are.
    pub fn len(&self) -> usize {
        self.cols.div_ceil(tile_cols(self.lanes))
    }

    /// Panel `j`: its first column, how many of its columns are used, and its rows.
    pub fn get(&self, j: usize) -> (usize, usize, &[f32]) {
        let width = tile_cols(self.lanes);
        let cols = width.min(self.cols - j * width);
        let stored = cols.next_multiple_of(self.lanes);
        (j * width, cols, &self.data[j * width * self.depth..][..stored * self.depth])
    }
}

/// `V` for a panel with `cols` used columns.
pub(crate) const fn is_narrow(lanes: usize, cols: usize) -> bool {
    cols <= lanes
}

/// Whether the last vector of a panel with `cols` used columns has no more than half of them, where vectors of half the length take less time.
pub(crate) const fn ends_in_half(lanes: usize, cols: usize) -> bool {
    lanes == MAX_LANES && cols > 0 && (cols - 1) % lanes < lanes / 2
}

const _: () = assert!(tile_rows(MAX_LANES) == MAX_ROWS);
