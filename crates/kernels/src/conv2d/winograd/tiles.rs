//! The tiles of a Winograd convolution: where they lie, and their transforms.

use super::super::Input;
use super::super::window::overlap;
use super::transform;
use crate::simd::Simd;

/// Output pixels of a tile in each direction.
pub(super) const STEP: usize = 4;
/// Elements of a transformed tile.
pub(super) const POINTS: usize = 36;

/// The distance between points whose tiles have `values` numbers in all: an odd number of cache lines, for otherwise the 36 points
/// of a tile share few sets of the first-level cache and drive each other out.
pub(super) const fn point_stride(values: usize) -> usize {
    (values.div_ceil(16) | 1) * 16
}

/// The distance between tiles whose channels lie one after another, where many tiles are read at the same channel: an odd number of cache
/// lines likewise.
pub(super) const fn tile_stride(channels: usize) -> usize {
    point_stride(channels)
}

/// A stack of images in NHWC.
#[derive(Clone, Copy)]
pub(super) struct Images<'a> {
    pub data: Input<'a, f32>,
    pub size: [usize; 2],
    pub channels: usize,
}

/// How the output of a convolution is cut into tiles.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub batch: usize,
    pub tiles: [usize; 2],
}

impl Grid {
    pub fn new(batch: usize, out_size: [usize; 2]) -> Grid {
        Grid { batch, tiles: out_size.map(|x| x.div_ceil(STEP)) }
    }

    pub fn len(&self) -> usize {
        self.batch * self.tiles[0] * self.tiles[1]
    }

    /// The image of a tile, and its first output pixel.
    pub fn get(&self, tile: usize) -> (usize, [usize; 2]) {
        let in_image = tile % (self.tiles[0] * self.tiles[1]);
        let at = [in_image / self.tiles[1] * STEP, in_image % self.tiles[1] * STEP];
        (tile / (self.tiles[0] * self.tiles[1]), at)
    }
}

/// Where the `N` × `N` pixels at `corner` of image `n` lie, each with as many values as there are channels; `zeros` stands for those outside.
#[inline(always)]
fn pixels<const N: usize>(images: &Images, n: usize, corner: [isize; 2], zeros: &[f32]) -> [[*const f32; N]; N] {
    let ([h, w], c) = (images.size, images.channels);
    let image = &images.data.values[n * h * w * c..][..h * w * c];
    let zeros = zeros[..c].as_ptr();
    let mut at = [[zeros; N]; N];
    let (y0, y1) = overlap(corner[0], N, h);
    let (x0, x1) = overlap(corner[1], N, w);
    for y in y0..y1 {
        let row = (y as isize + corner[0]) as usize * w;
        for x in x0..x1 {
            at[y][x] = image[(row + (x as isize + corner[1]) as usize) * c..][..c].as_ptr();
        }
    }
    at
}

/// Writes the transform of an input tile: point p of channel c goes to `to[p * stride + c]`. `zeros` has a 0 for each channel.
#[inline(always)]
pub(super) fn transform_input<S: Simd>(
    simd: S,
    images: &Images,
    n: usize,
    corner: [isize; 2],
    zeros: &[f32],
    to: &mut [f32],
    stride: usize,
) {
    let c = images.channels;
    let pixels = pixels::<6>(images, n, corner, zeros);
    // Nothing is below the lowest, so that without a ReLU the maximum changes nothing, NaN included.
    let lowest = simd.splat(if images.data.relu { 0.0 } else { f32::NEG_INFINITY });
    assert!(to.len() >= (POINTS - 1) * stride + c.next_multiple_of(S::LANES));
    for first in (0..c).step_by(S::LANES) {
        let lanes = S::LANES.min(c - first);
        let mut half = [[simd.splat(0.0); 6]; 6];
        for j in 0..6 {
            let mut column = [simd.splat(0.0); 6];
            for i in 0..6 {
                // SAFETY: each pixel has `c` values, of which `lanes` are left.
                unsafe {
                    let pixel = pixels[i][j].add(first);
                    let values = if lanes == S::LANES { simd.load(pixel) } else { simd.load_first(pixel, lanes) };
                    column[i] = simd.max(lowest, values);
                }
            }
            let column = transform::input(simd, column);
            for i in 0..6 {
                half[i][j] = column[i];
            }
        }
        for i in 0..6 {
            let row = transform::input(simd, half[i]);
            for j in 0..6 {
                // SAFETY: asserted above; the stride leaves room for a whole last vector.
                unsafe { simd.store(to.as_mut_ptr().add((i * 6 + j) * stride + first), row[j]) };
            }
        }
    }
}

/// Writes the transform of a tile of the output's gradient: point p of channel c goes to `to[p * stride + c]`. `zeros` as above.
#[inline(always)]
pub(super) fn transform_output_grad<S: Simd>(
    simd: S,
    images: &Images,
    n: usize,
    corner: [usize; 2],
    zeros: &[f32],
    to: &mut [f32],
    stride: usize,
) {
    let c = images.channels;
    let pixels = pixels::<STEP>(images, n, [corner[0] as isize, corner[1] as isize], zeros);
    assert!(to.len() >= (POINTS - 1) * stride + c.next_multiple_of(S::LANES));
    for first in (0..c).step_by(S::LANES) {
        let lanes = S::LANES.min(c - first);
        let mut half = [[simd.splat(0.0); 4]; 6];
        for j in 0..4 {
            let mut column = [simd.splat(0.0); 4];
            for i in 0..4 {
                // SAFETY: each pixel has `c` values, of which `lanes` are left.
                unsafe {
                    let pixel = pixels[i][j].add(first);
                    column[i] = if lanes == S::LANES { simd.load(pixel) } else { simd.load_first(pixel, lanes) };
                }
            }
            let column = transform::output_grad(simd, column);
            for i in 0..6 {
                half[i][j] = column[i];
            }
        }
        for i in 0..6 {
            let row = transform::output_grad(simd, half[i]);
            for j in 0..6 {
                // SAFETY: asserted above; the stride leaves room for a whole last vector.
                unsafe { simd.store(to.as_mut_ptr().add((i * 6 + j) * stride + first), row[j]) };
            }
        }
    }
}

/// Where a tile of the output goes.
pub(super) struct OutputTile {
    /// Valid for writing `cols` values of `size[0]` × `size[1]` pixels, which nobody else touches.
    pub at: *mut f32,
    /// The same place in an array like the output; where it is not above 0 the output becomes 0.
    pub before_relu: Option<*const f32>,
    pub row_stride: usize,
    pub pixel_stride: usize,
    pub size: [usize; 2],
    pub cols: usize,
}

/// Transforms one vector of channels back; point p is at `from[p * stride]`.
#[inline(always)]
fn back<S: Simd>(simd: S, from: &[f32], stride: usize) -> [[S::F32; STEP]; STEP] {
    assert!(from.len() >= (POINTS - 1) * stride + S::LANES);
    let mut half = [[simd.splat(0.0); 6]; STEP];
    for j in 0..6 {
        let mut column = [simd.splat(0.0); 6];
        for i in 0..6 {
            // SAFETY: asserted above.
            column[i] = unsafe { simd.load(from.as_ptr().add((i * 6 + j) * stride)) };
        }
        let column = transform::output(simd, column);
        for i in 0..STEP {
            half[i][j] = column[i];
        }
    }
    let mut pixels = [[simd.splat(0.0); STEP]; STEP];
    for i in 0..STEP {
        pixels[i] = transform::output(simd, half[i]);
    }
    pixels
}

/// Transforms one vector of channels back, adds the bias and writes it; point p is at `from[p * stride]`.
///
/// # Safety
/// `to` must be as [`OutputTile`] says, with `first < to.cols`.
#[inline(always)]
pub(super) unsafe fn transform_output<S: Simd>(
    simd: S,
    from: &[f32],
    stride: usize,
    first: usize,
    bias: S::F32,
    to: &OutputTile,
) {
    let lanes = S::LANES.min(to.cols - first);
    let pixels = back(simd, from, stride);
    for i in 0..STEP {
        for j in 0..STEP {
            if i < to.size[0] && j < to.size[1] {
                let mut value = simd.add(pixels[i][j], bias);
                let offset = i * to.row_stride + j * to.pixel_stride + first;
                // SAFETY: the pixel belongs to the tile, and `lanes` of its columns are left.
                unsafe {
                    if let Some(x) = to.before_relu {
                        let x = x.add(offset);
                        let x = if lanes == S::LANES { simd.load(x) } else { simd.load_first(x, lanes) };
                        value = simd.zero_unless_positive(x, value);
                    }
                    let at = to.at.add(offset);
                    if lanes == S::LANES { simd.store(at, value) } else { simd.store_first(at, value, lanes) }
                }
            }
        }
    }
}

/// As [`transform_output`], but of each 2×2 pixels the largest, for a tile `to` of an output with half the height and width.
///
/// # Safety
/// As [`transform_output`].
#[inline(always)]
pub(super) unsafe fn transform_pooled_output<S: Simd>(
    simd: S,
    from: &[f32],
    stride: usize,
    first: usize,
    bias: S::F32,
    to: &OutputTile,
) {
    let lanes = S::LANES.min(to.cols - first);
    let pixels = back(simd, from, stride);
    for i in 0..STEP / 2 {
        for j in 0..STEP / 2 {
            if i < to.size[0] && j < to.size[1] {
                let [upper, lower] = [pixels[2 * i], pixels[2 * i + 1]];
                let (x, y) = (2 * j, 2 * j + 1);
                let largest = simd.max_or_nan(simd.max_or_nan(upper[x], upper[y]), simd.max_or_nan(lower[x], lower[y]));
                let value = simd.add(largest, bias);
                // SAFETY: the pixel belongs to the tile, and `lanes` of its columns are left.
                unsafe {
                    let at = to.at.add(i * to.row_stride + j * to.pixel_stride + first);
                    if lanes == S::LANES { simd.store(at, value) } else { simd.store_first(at, value, lanes) }
                }
            }
        }
    }
}
