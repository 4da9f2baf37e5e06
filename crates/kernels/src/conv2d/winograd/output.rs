//! Where a Winograd convolution's result goes, and the way back from the products to pixels.

use super::tiles::{FETCHED_FROM, Grid, Place};
use super::transform::{Half, Tile};
use crate::conv2d::epilogue::Epilogue;
use crate::gemm::tile;
use crate::simd::Simd;
use crate::threads::SendPtr;
use std::marker::PhantomData;
use std::ops::Range;

/// The result, of which tasks write the tiles and channels that are theirs.
pub(super) struct Output<'a> {
    grid: Grid,
    size: [usize; 2],
    channels: usize,
    bias: Option<&'a [f32]>,
    epilogue: Epilogue<'a, f32>,
    before_relu: Option<&'a [f32]>,
    pool: bool,
    values: SendPtr<f32>,
    len: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

impl<'a> Output<'a> {
    /// For images of `size` pixels, cut into the tiles of `grid`. Values become 0 where `before_relu` is not above 0; with `pool`, of each
    /// 2×2 pixels the largest is written, to a result of half the height and width, and the epilogue applies to that.
    pub fn new(
        grid: Grid,
        size: [usize; 2],
        channels: usize,
        bias: Option<&'a [f32]>,
        epilogue: Epilogue<'a, f32>,
        before_relu: Option<&'a [f32]>,
        pool: bool,
        values: &'a mut [f32],
    ) -> Output<'a> {
        let size = if pool { size.map(|n| n / 2) } else { size };
        assert!(values.len() == grid.batch * size[0] * size[1] * channels);
        assert!(before_relu.is_none_or(|x| x.len() == values.len() && !pool));
        assert!(epilogue.residual.is_none_or(|x| x.len() == values.len() && !pool) && epilogue.activation.is_none());
        assert!(bias.is_none_or(|b| b.len() == channels));
        let (values, len) = (SendPtr(values.as_mut_ptr()), values.len());
        Output { grid, size, channels, bias, epilogue, before_relu, pool, values, len, borrowed: PhantomData }
    }

    /// How many channels it has.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The bias of `cols` channels from `first` on, 0 without one and beyond.
    #[inline(always)]
    pub fn bias<S: Simd, const V: usize>(&self, simd: S, first: usize, cols: usize) -> [S::F32; V] {
        assert!(cols <= V * S::LANES);
        let Some(bias) = self.bias else { return [simd.splat(0.0); V] };
        let bias = &bias[first..][..cols];
        // SAFETY: the slice has `cols` values, no more than the vectors.
        let [row] = unsafe { tile::load::<S, 1, V>(simd, bias.as_ptr(), 0, 1, cols) };
        row
    }

    /// Writes `cols` channels from `first` on of `count` tiles from `tile` on: point p of tile t is at `products[p * stride + t * V * LANES]`.
    ///
    /// # Safety
    /// Nobody else may touch these channels of the tiles.
    #[inline(always)]
    pub unsafe fn write_panel<S: Simd, F: Tile, const V: usize>(
        &self,
        simd: S,
        [tile, count]: [usize; 2],
        [first, cols]: [usize; 2],
        products: &[f32],
        stride: usize,
    ) {
        let bias = self.bias::<S, V>(simd, first, cols);
        for t in 0..count {
            let Some(to) = self.tile(tile + t, first, cols) else { continue };
            for v in 0..V {
                let from = &products[(t * V + v) * S::LANES..];
                // SAFETY: the caller's promise; the output is borrowed as long as this is there.
                unsafe { to.write::<S, F>(simd, from, stride, v * S::LANES, bias[v]) };
            }
        }
    }

    /// Fetches what [`Output::write_panel`] will read and write of these tiles, so that a product passes while they are on their way.
    #[inline(always)]
    pub fn prefetch<S: Simd>(&self, simd: S, tiles: Range<usize>, [first, cols]: [usize; 2]) {
        if self.len < FETCHED_FROM {
            return;
        }
        for t in tiles {
            let Some(to) = self.tile(t, first, cols) else { continue };
            for i in 0..to.size[0] {
                for j in 0..to.size[1] {
                    for channel in (0..cols).step_by(16) {
                        let offset = i * to.row_stride + j * to.pixel_stride + channel;
                        simd.prefetch(to.at.wrapping_add(offset).cast());
                        for other in [to.residual, to.before_relu].into_iter().flatten() {
                            simd.prefetch(other.wrapping_add(offset).cast());
                        }
                    }
                }
            }
        }
    }

    /// Where `cols` channels from `first` on of tile `t` go; none if no pooled pixel comes of it.
    #[inline(always)]
    pub fn tile(&self, t: usize, first: usize, cols: usize) -> Option<OutputTile<'a>> {
        let part = if self.pool { 2 } else { 1 };
        let ([h, w], c) = (self.size, self.channels);
        let Place { n, at, short, size } = self.grid.get(t);
        let [y, x] = [at[0] / part, at[1] / part];
        assert!(n < self.grid.batch && first + cols <= c);
        if y >= h || x >= w {
            return None;
        }
        let start = ((n * h + y) * w + x) * c + first;
        Some(OutputTile {
            at: self.values.get().wrapping_add(start),
            before_relu: self.before_relu.map(|x| x[start..].as_ptr()),
            residual: self.epilogue.residual.map(|x| x[start..].as_ptr()),
            row_stride: w * c,
            pixel_stride: c,
            size: [(size[0] / part).min(h - y), (size[1] / part).min(w - x)],
            short,
            channels: cols,
            epilogue: self.epilogue,
            pool: self.pool,
        })
    }
}

/// Where some channels of a tile go: values of `size[0]` × `size[1]` pixels.
pub(super) struct OutputTile<'a> {
    at: *mut f32,
    before_relu: Option<*const f32>,
    residual: Option<*const f32>,
    row_stride: usize,
    pixel_stride: usize,
    size: [usize; 2],
    short: [bool; 2],
    channels: usize,
    epilogue: Epilogue<'a, f32>,
    pool: bool,
}

impl OutputTile<'_> {
    /// Transforms one vector of channels back, the tile's from `first` on, adds the bias, applies the epilogue and writes it; point p is at
    /// `from[p * stride]`.
    ///
    /// # Safety
    /// The output that the tile is of must still be borrowed, and nobody else may touch these channels of the tile.
    #[inline(always)]
    pub unsafe fn write<S: Simd, F: Tile>(&self, simd: S, from: &[f32], stride: usize, first: usize, bias: S::F32) {
        assert!(first < self.channels);
        let lanes = S::LANES.min(self.channels - first);
        let pixels = back::<S, F>(simd, from, stride, self.short);
        for i in 0..F::STEP {
            for j in 0..F::STEP {
                if i >= self.size[0] || j >= self.size[1] {
                    continue;
                }
                let mut value = pixels[i][j];
                if self.pool && i < F::STEP / 2 && j < F::STEP / 2 {
                    let [upper, lower] = [pixels[2 * i], pixels[2 * i + 1]];
                    let (x, y) = (2 * j, 2 * j + 1);
                    value = simd.max_or_nan(simd.max_or_nan(upper[x], upper[y]), simd.max_or_nan(lower[x], lower[y]));
                }
                value = simd.add(value, bias);
                let offset = i * self.row_stride + j * self.pixel_stride + first;
                // SAFETY: the pixel belongs to the tile, and `lanes` of its channels are left.
                unsafe {
                    if let Some(x) = self.before_relu {
                        let x = x.add(offset);
                        let x = if lanes == S::LANES { simd.load(x) } else { simd.load_first(x, lanes) };
                        value = simd.zero_unless_positive(x, value);
                    }
                    let at = self.at.add(offset);
                    if lanes == S::LANES { simd.store(at, value) } else { simd.store_first(at, value, lanes) }
                }
            }
        }
        if self.epilogue.is_none() {
            return;
        }
        // A second time over values that are still in the first-level cache: above, there are no registers to spare.
        let epilogue = self.epilogue.in_registers(simd);
        for i in 0..self.size[0] {
            for j in 0..self.size[1] {
                // SAFETY: as above.
                unsafe {
                    let offset = i * self.row_stride + j * self.pixel_stride + first;
                    let residual = self.residual.map(|x| x.add(offset));
                    epilogue.in_place(simd, self.at.add(offset), residual, lanes);
                }
            }
        }
    }
}

/// Transforms one vector of channels back; point p is at `from[p * stride]`.
#[inline(always)]
fn back<S: Simd, F: Tile>(simd: S, from: &[f32], stride: usize, short: [bool; 2]) -> [[S::F32; 4]; 4] {
    assert!(from.len() >= (F::POINTS - 1) * stride + S::LANES);
    let mut half = Half::<S, 4, 6>::new();
    for j in 0..F::SIZE {
        let mut column = [simd.splat(0.0); 6];
        for i in 0..F::SIZE {
            // SAFETY: asserted above.
            column[i] = unsafe { simd.load(from.as_ptr().add((i * F::SIZE + j) * stride)) };
        }
        half.set_column(j, &F::output(simd, column, short[0]));
    }
    let mut pixels = [[simd.splat(0.0); 4]; 4];
    for i in 0..F::STEP {
        // SAFETY: as many columns are set.
        pixels[i] = F::output(simd, unsafe { half.row(simd, i, F::SIZE) }, short[1]);
    }
    pixels
}
