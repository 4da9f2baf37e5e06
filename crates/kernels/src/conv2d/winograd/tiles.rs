//! The tiles of a Winograd convolution: where they lie, and their transforms.

use super::transform::{Four, Half, LEFT_OUT, Tile, TileGrad};
use crate::conv2d::input::Input;
use crate::conv2d::window::overlap;
use crate::simd::Simd;
use std::ops::Range;

/// Elements of a transformed tile, of the larger ones.
pub(super) const POINTS: usize = Four::POINTS;

/// Fewer values than these are in a cache already, so that to fetch them only takes time.
pub(super) const FETCHED_FROM: usize = 1 << 17;

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
///
/// Tiles are in order of where they are short: those that are short in x alone, in none, in y alone, in both; so at each point, those that have
/// something there follow each other.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub batch: usize,
    /// Tiles in each direction, those that are not short and those that are.
    tiles: [[usize; 2]; 2],
    /// Output pixels in each direction of a tile that is not short.
    step: usize,
}

/// Where a tile lies.
pub(super) struct Place {
    /// The image.
    pub n: usize,
    /// The first output pixel.
    pub at: [usize; 2],
    /// Whether it is short, in each direction.
    pub short: [bool; 2],
    /// Output pixels in each direction, also beyond the image.
    pub size: [usize; 2],
}

impl Place {
    /// The first pixel that it is computed from, where `before` pixels of padding are in front of the image.
    pub fn corner(&self, before: [isize; 2]) -> [isize; 2] {
        [self.at[0] as isize - before[0], self.at[1] as isize - before[1]]
    }
}

impl Grid {
    pub fn of<F: Tile>(batch: usize, out_size: [usize; 2]) -> Grid {
        let tiles = out_size.map(|size| {
            let tiles = size.div_ceil(F::STEP);
            let short = if F::SHORTENS { tiles.min(tiles * F::STEP - size) } else { 0 };
            [tiles - short, short]
        });
        Grid { batch, tiles, step: F::STEP }
    }

    pub fn len(&self) -> usize {
        self.batch * self.tiles.map(|[long, short]| long + short).iter().product::<usize>()
    }

    /// How many tiles are short or not in y and in x.
    fn count(&self, short: [bool; 2]) -> usize {
        self.batch * self.tiles[0][usize::from(short[0])] * self.tiles[1][usize::from(short[1])]
    }

    pub fn get(&self, tile: usize) -> Place {
        let mut index = tile;
        for short in [[false, true], [false, false], [true, false], [true, true]] {
            let count = self.count(short);
            if index >= count {
                index -= count;
                continue;
            }
            let tiles = [0, 1].map(|d| self.tiles[d][usize::from(short[d])]);
            let in_image = index % (tiles[0] * tiles[1]);
            let [y, x] = [in_image / tiles[1], in_image % tiles[1]];
            let size = short.map(|short| self.step - usize::from(short));
            let first = [0, 1].map(|d| usize::from(short[d]) * self.tiles[d][0] * self.step);
            let at = [first[0] + y * size[0], first[1] + x * size[1]];
            return Place { n: index / (tiles[0] * tiles[1]), at, short, size };
        }
        panic!("tile {tile} of {}", self.len());
    }

    /// The tiles that have something at this one of the [`POINTS`]: all, if none is short.
    pub fn at_point(&self, point: usize) -> Range<usize> {
        let [no_y, no_x] = [point / Four::SIZE, point % Four::SIZE].map(|p| p == LEFT_OUT);
        let x_alone = self.count([false, true]);
        let no_y_end = x_alone + self.count([false, false]);
        let end = match [no_y, no_x] {
            [true, _] => no_y_end,
            [false, true] => no_y_end + self.count([true, false]),
            [false, false] => self.len(),
        };
        if no_x { x_alone..end } else { 0..end }
    }
}

/// Where the `size` pixels at `corner` of image `n` lie, each with as many values as there are channels; `zeros` stands for those outside.
#[inline(always)]
fn pixels(images: &Images, n: usize, corner: [isize; 2], size: [usize; 2], zeros: &[f32]) -> [[*const f32; 6]; 6] {
    let ([h, w], c) = (images.size, images.channels);
    let image = &images.data.values[n * h * w * c..][..h * w * c];
    let zeros = zeros[..c].as_ptr();
    let mut at = [[zeros; 6]; 6];
    let (y0, y1) = overlap(corner[0], size[0], h);
    let (x0, x1) = overlap(corner[1], size[1], w);
    for y in y0..y1 {
        let row = (y as isize + corner[0]) as usize * w;
        for x in x0..x1 {
            at[y][x] = image[(row + (x as isize + corner[1]) as usize) * c..][..c].as_ptr();
        }
    }
    at
}

/// Fetches the pixels of an input tile that the tile to its left does not have, so that they come while that one is transformed.
#[inline(always)]
pub(super) fn prefetch_input<S: Simd>(simd: S, images: &Images, place: &Place, before: [isize; 2]) {
    let [y, x] = place.corner(before);
    prefetch(simd, images, place.n, [y, x + 2], [place.size[0] + 2, place.size[1]]);
}

/// As [`prefetch_input`], of the output's gradient.
#[inline(always)]
pub(super) fn prefetch_output_grad<S: Simd>(simd: S, images: &Images, place: &Place) {
    prefetch(simd, images, place.n, place.corner([0, 0]), place.size);
}

/// Fetches what of the `size` pixels at `corner` lies in image `n`.
#[inline(always)]
fn prefetch<S: Simd>(simd: S, images: &Images, n: usize, corner: [isize; 2], size: [usize; 2]) {
    let ([h, w], c) = (images.size, images.channels);
    if images.data.values.len() < FETCHED_FROM {
        return;
    }
    let (y0, y1) = overlap(corner[0], size[0], h);
    let (x0, x1) = overlap(corner[1], size[1], w);
    for y in y0..y1 {
        let row = (n * h + (y as isize + corner[0]) as usize) * w;
        let [start, end] = [x0, x1].map(|x| (row as isize + corner[1] + x as isize) * c as isize);
        for at in (start..end).step_by(16) {
            simd.prefetch(images.data.values.as_ptr().wrapping_offset(at).cast());
        }
    }
}

/// Writes the transform of an input tile: point p of channel c goes to `to[p * stride + c]`. `zeros` has a 0 for each channel.
#[inline(always)]
pub(super) fn transform_input<S: Simd, F: Tile>(
    simd: S,
    images: &Images,
    place: &Place,
    before: [isize; 2],
    zeros: &[f32],
    to: &mut [f32],
    stride: usize,
) {
    let c = images.channels;
    let pixels = pixels(images, place.n, place.corner(before), place.size.map(|n| n + 2), zeros);
    // Nothing is below the lowest, so that without a ReLU the maximum changes nothing, NaN included.
    let lowest = simd.splat(if images.data.relu { 0.0 } else { f32::NEG_INFINITY });
    assert!(to.len() >= (F::POINTS - 1) * stride + c.next_multiple_of(S::LANES));
    for first in (0..c).step_by(S::LANES) {
        let lanes = S::LANES.min(c - first);
        let mut half = Half::<S, 6, 6>::new();
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
            half.set_column(j, &F::input(simd, column, place.short[0]));
        }
        for i in 0..F::SIZE {
            // SAFETY: as many columns are set.
            let row = F::input(simd, unsafe { half.row(simd, i, F::SIZE) }, place.short[1]);
            for j in 0..F::SIZE {
                // SAFETY: asserted above; the stride leaves room for a whole last vector.
                unsafe { simd.store(to.as_mut_ptr().add((i * F::SIZE + j) * stride + first), row[j]) };
            }
        }
    }
}

/// Writes the transform of a tile of the output's gradient: point p of channel c goes to `to[p * stride + c]`. `zeros` as above.
#[inline(always)]
pub(super) fn transform_output_grad<S: Simd, F: TileGrad>(
    simd: S,
    images: &Images,
    place: &Place,
    zeros: &[f32],
    to: &mut [f32],
    stride: usize,
) {
    let c = images.channels;
    let pixels = pixels(images, place.n, place.corner([0, 0]), place.size, zeros);
    assert!(to.len() >= (POINTS - 1) * stride + c.next_multiple_of(S::LANES));
    for first in (0..c).step_by(S::LANES) {
        let lanes = S::LANES.min(c - first);
        let mut half = Half::<S, 6, 4>::new();
        for j in 0..4 {
            let mut column = [simd.splat(0.0); 4];
            for i in 0..4 {
                // SAFETY: each pixel has `c` values, of which `lanes` are left.
                unsafe {
                    let pixel = pixels[i][j].add(first);
                    column[i] = if lanes == S::LANES { simd.load(pixel) } else { simd.load_first(pixel, lanes) };
                }
            }
            half.set_column(j, &F::output_grad(simd, column, place.short[0]));
        }
        for i in 0..6 {
            // SAFETY: all columns are set.
            let row = F::output_grad(simd, unsafe { half.row(simd, i, 4) }, place.short[1]);
            for j in 0..6 {
                // SAFETY: asserted above; the stride leaves room for a whole last vector.
                unsafe { simd.store(to.as_mut_ptr().add((i * 6 + j) * stride + first), row[j]) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv2d::winograd::transform::{FourOrThree, Two};

    fn check<F: Tile>(batch: usize, size: [usize; 2]) {
        let grid = Grid::of::<F>(batch, size);
        let mut covered = vec![0; batch * size[0] * size[1]];
        for tile in 0..grid.len() {
            let Place { n, at, short, size: tile_size } = grid.get(tile);
            assert_eq!(tile_size, short.map(|short| F::STEP - usize::from(short)));
            for y in at[0]..size[0].min(at[0] + tile_size[0]) {
                for x in at[1]..size[1].min(at[1] + tile_size[1]) {
                    covered[(n * size[0] + y) * size[1] + x] += 1;
                }
            }
            for point in 0..POINTS {
                let [y, x] = [point / Four::SIZE, point % Four::SIZE].map(|p| p == LEFT_OUT);
                let nothing = short[0] && y || short[1] && x;
                assert_eq!(grid.at_point(point).contains(&tile), !nothing, "{size:?}: tile {tile} at point {point}");
            }
        }
        assert!(covered.iter().all(|&times| times == 1), "{size:?}");
    }

    #[test]
    fn each_pixel_is_in_one_tile_and_each_point_has_its_tiles() {
        for height in 0..16 {
            for width in [1, 2, 3, 4, 5, 7, 9, 14, 15] {
                check::<Two>(2, [height, width]);
                check::<Four>(2, [height, width]);
                check::<FourOrThree>(2, [height, width]);
            }
        }
    }

    #[test]
    fn images_of_fourteen_and_seven_pixels_waste_nothing() {
        let products =
            |size| (0..POINTS).map(|p| Grid::of::<FourOrThree>(1, [size, size]).at_point(p).len()).sum::<usize>();
        assert_eq!([7, 8, 14].map(products), [11 * 11, 12 * 12, 22 * 22]);
    }
}
