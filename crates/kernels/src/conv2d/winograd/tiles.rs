//! The tiles of a Winograd convolution: where they lie, and their transforms.

use super::transform::{self, Four, Tile};
use crate::conv2d::input::Input;
use crate::conv2d::window::overlap;
use crate::simd::Simd;

/// Output pixels of a tile in each direction, of the larger tiles.
pub(super) const STEP: usize = Four::STEP;
/// Elements of a transformed tile, of the larger ones.
pub(super) const POINTS: usize = Four::POINTS;

/// The distance between points whose tiles have `values` numbers in all: an odd number of cache lines, for otherwise the 36 points
/// of a tile share few sets of the first-level cache, which means conflict misses.
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
    /// Output pixels of a tile in each direction.
    pub step: usize,
}

impl Grid {
    /// Of the larger tiles.
    pub fn new(batch: usize, out_size: [usize; 2]) -> Grid {
        Grid::of::<Four>(batch, out_size)
    }

    pub fn of<F: Tile>(batch: usize, out_size: [usize; 2]) -> Grid {
        Grid { batch, tiles: out_size.map(|x| x.div_ceil(F::STEP)), step: F::STEP }
    }

    pub fn len(&self) -> usize {
        self.batch * self.tiles[0] * self.tiles[1]
    }

    /// The image of a tile, and its first output pixel.
    pub fn get(&self, tile: usize) -> (usize, [usize; 2]) {
        let in_image = tile % (self.tiles[0] * self.tiles[1]);
        let at = [in_image / self.tiles[1] * self.step, in_image % self.tiles[1] * self.step];
        (tile / (self.tiles[0] * self.tiles[1]), at)
    }
}

/// Where the `size` × `size` pixels at `corner` of image `n` lie, each with as many values as there are channels; `zeros` stands for those outside.
#[inline(always)]
fn pixels(images: &Images, n: usize, corner: [isize; 2], size: usize, zeros: &[f32]) -> [[*const f32; 6]; 6] {
    let ([h, w], c) = (images.size, images.channels);
    let image = &images.data.values[n * h * w * c..][..h * w * c];
    let zeros = zeros[..c].as_ptr();
    let mut at = [[zeros; 6]; 6];
    let (y0, y1) = overlap(corner[0], size, h);
    let (x0, x1) = overlap(corner[1], size, w);
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
pub(super) fn transform_input<S: Simd, F: Tile>(
    simd: S,
    images: &Images,
    n: usize,
    corner: [isize; 2],
    zeros: &[f32],
    to: &mut [f32],
    stride: usize,
) {
    let c = images.channels;
    let pixels = pixels(images, n, corner, F::SIZE, zeros);
    // Nothing is below the lowest, so that without a ReLU the maximum changes nothing, NaN included.
    let lowest = simd.splat(if images.data.relu { 0.0 } else { f32::NEG_INFINITY });
    assert!(to.len() >= (F::POINTS - 1) * stride + c.next_multiple_of(S::LANES));
    for first in (0..c).step_by(S::LANES) {
        let lanes = S::LANES.min(c - first);
        let mut half = [[simd.splat(0.0); 6]; 6];
        for j in 0..F::SIZE {
            let mut column = [simd.splat(0.0); 6];
            for i in 0..F::SIZE {
                // SAFETY: each pixel has `c` values, of which `lanes` are left.
                unsafe {
                    let pixel = pixels[i][j].add(first);
                    let values = if lanes == S::LANES { simd.load(pixel) } else { simd.load_first(pixel, lanes) };
                    column[i] = simd.max(lowest, values);
                }
            }
            let column = F::input(simd, column);
            for i in 0..F::SIZE {
                half[i][j] = column[i];
            }
        }
        for i in 0..F::SIZE {
            let row = F::input(simd, half[i]);
            for j in 0..F::SIZE {
                // SAFETY: asserted above; the stride leaves room for a whole last vector.
                unsafe { simd.store(to.as_mut_ptr().add((i * F::SIZE + j) * stride + first), row[j]) };
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
    let pixels = pixels(images, n, [corner[0] as isize, corner[1] as isize], STEP, zeros);
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
