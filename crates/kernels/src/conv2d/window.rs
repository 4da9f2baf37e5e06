//! The parts of images that a band of output rows looks at, with their padding.

use super::input::{Input, zero_unless_positive};
use crate::AlignedVec;

/// About how many output pixels a band has: its patches should stay in the second-level cache.
const BAND_PIXELS: usize = 512;
/// About how many values the pixels of a band have, as far as they are at least this many pixels.
const BAND_VALUES: usize = 128 << 10;
const LEAST_PIXELS: usize = 112;
/// About how many output pixels small images are put together to: so many share one way through the weights.
const GROUP_PIXELS: usize = 192;
/// How the output of a convolution is cut into tasks: bands of rows of one image, or several whole images.
#[derive(Clone, Copy)]
pub(super) struct Bands {
    batch: usize,
    height: usize,
    rows: usize,
    images: usize,
}

/// Some rows of some images.
#[derive(Clone, Copy)]
pub(super) struct Band {
    /// The first image.
    pub image: usize,
    /// How many images.
    pub images: usize,
    /// The first output row.
    pub first: usize,
    /// How many output rows.
    pub rows: usize,
}

impl Bands {
    /// With at least `tasks` tasks, if there are so many images.
    pub fn new(batch: usize, size: [usize; 2], tasks: usize) -> Bands {
        Bands::of_pixels(batch, size, tasks, BAND_PIXELS)
    }

    /// As [`Bands::new`], with fewer pixels where they have many channels.
    pub fn of_channels(batch: usize, size: [usize; 2], tasks: usize, channels: usize) -> Bands {
        Bands::of_pixels(batch, size, tasks, (BAND_VALUES / channels.max(1)).clamp(LEAST_PIXELS, BAND_PIXELS))
    }

    fn of_pixels(batch: usize, [height, width]: [usize; 2], tasks: usize, pixels: usize) -> Bands {
        let rows = (pixels / width.max(1)).clamp(1, height.max(1));
        // Two threads then keep to their halves of a single image, from layer to layer.
        let rows = if batch == 1 { rows.min(height.div_ceil(2).max(1)) } else { rows };
        let most = (GROUP_PIXELS / (height * width).max(1)).max(1);
        let images = if rows < height { 1 } else { most.min(batch.div_ceil(tasks)).max(1) };
        Bands { batch, height, rows, images }
    }

    /// Bands of one image, or of several that are put together.
    pub fn per_image(&self) -> usize {
        self.height.div_ceil(self.rows).max(1)
    }

    pub fn len(&self) -> usize {
        self.batch.div_ceil(self.images) * self.per_image()
    }

    /// Whether all have as many rows.
    pub fn are_even(&self) -> bool {
        self.height.is_multiple_of(self.rows)
    }

    pub fn get(&self, task: usize) -> Band {
        let (image, first) = (task / self.per_image() * self.images, task % self.per_image() * self.rows);
        Band { image, images: self.images.min(self.batch - image), first, rows: self.rows.min(self.height - first) }
    }
}

/// The same rectangle of several images. Where it reaches beyond an image it reads zeros.
pub(super) struct Window<'a> {
    data: Data<'a>,
    /// The distance from one row to the next.
    pub row_stride: usize,
    /// The distance from one image to the next.
    pub image_stride: usize,
}

enum Data<'a> {
    Inside(&'a [f32]),
    Padded(AlignedVec<f32>),
}

impl<'a> Window<'a> {
    /// The `size` rectangles whose corners lie at `corner` of `images` images (H × W × `channels`) that follow one another, with pixels `pixel` numbers apart.
    pub fn new(
        images: Input<'a, f32>,
        in_size: [usize; 2],
        channels: usize,
        pixel: usize,
        corner: [isize; 2],
        size: [usize; 2],
    ) -> Self {
        let Input { values, relu } = images;
        let image = in_size[0] * in_size[1] * channels;
        let inside = |d: usize| corner[d] >= 0 && corner[d] as usize + size[d] <= in_size[d];
        if inside(0) && inside(1) && !relu && pixel == channels {
            let row_stride = in_size[1] * channels;
            let start = corner[0] as usize * row_stride + corner[1] as usize * channels;
            return Window { data: Data::Inside(&values[start..]), row_stride, image_stride: image };
        }
        let row_stride = size[1] * pixel;
        let image_stride = size[0] * row_stride;
        let mut data = AlignedVec::zeroed(values.len() / image.max(1) * image_stride);
        let (x0, x1) = overlap(corner[1], size[1], in_size[1]);
        if x0 < x1 {
            for (image, to) in values.chunks_exact(image).zip(data.chunks_exact_mut(image_stride)) {
                for (i, row) in to.chunks_exact_mut(row_stride).enumerate() {
                    let y = corner[0] + i as isize;
                    if y >= 0 && (y as usize) < in_size[0] {
                        let start = (y as usize * in_size[1]).wrapping_add_signed(corner[1] + x0 as isize) * channels;
                        let to = &mut row[x0 * pixel..x1 * pixel];
                        let from = &image[start..][..(x1 - x0) * channels];
                        let copy = |from: &[f32], to: &mut [f32]| {
                            to.copy_from_slice(from);
                            if relu {
                                zero_unless_positive(from, to);
                            }
                        };
                        if pixel == channels {
                            copy(from, to);
                        } else {
                            let pixels = from.chunks_exact(channels).zip(to.chunks_exact_mut(pixel));
                            pixels.for_each(|(from, to)| copy(from, &mut to[..channels]));
                        }
                    }
                }
            }
        }
        Window { data: Data::Padded(data), row_stride, image_stride }
    }

    /// The values, from the first corner on.
    pub fn data(&self) -> &[f32] {
        match &self.data {
            Data::Inside(data) => data,
            Data::Padded(data) => data,
        }
    }
}

/// Which of `size` positions from `start` on lie within `0..limit`.
pub(super) fn overlap(start: isize, size: usize, limit: usize) -> (usize, usize) {
    let first = (-start).max(0) as usize;
    let end = (limit as isize - start).clamp(0, size as isize) as usize;
    (first.min(end), end)
}
