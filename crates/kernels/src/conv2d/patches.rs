//! What the patches of a band are read from: the input where it lies, or a copy.

use super::implicit::Correlation;
use super::input::Input;
use super::window::{Band, Window};
use crate::AlignedVec;
use crate::gemm::tile::Factor;
use crate::isa::Kernel;
use crate::settings::Precision;
use crate::simd::{MAX_LANES, Simd};
use crate::target::Target;
use half::bf16;

/// Where the rows of a register tile lie a page apart they share few sets of the first-level cache, and conflict misses would follow.
const PAGE: usize = 1024;

/// What the patches of a band are read from, in [`Factor`]s.
pub(super) struct Patches<'a> {
    from: Source<'a>,
    /// Where each patch begins.
    pub offsets: Vec<usize>,
    /// The distance of two pixels, and of two rows.
    pub pixel: usize,
    pub row_stride: usize,
}

enum Source<'a> {
    Window(Window<'a>),
    Copy(AlignedVec<f32>),
}

impl<'a> Patches<'a> {
    pub fn of<F: Factor>(c: &Correlation, input: Input<'a, f32>, band: Band, target: Target) -> Patches<'a> {
        let lanes = target.lanes();
        if F::PRECISION == Precision::Bf16 {
            return Patches::rounded(c, input, band, target);
        }
        let channels = c.in_channels;
        let moves = Patches::move_pixels(c, lanes);
        let pixel = if moves { channels + MAX_LANES } else { channels };
        if moves && c.kernel == [1, 1] && c.before == [0, 0] && !input.relu {
            return Patches::gather(c, input.values, band, pixel);
        }
        let window = c.window_apart(input, band, pixel);
        let row_stride = window.row_stride;
        let offsets = c.pixel_offsets(band, pixel, row_stride, window.image_stride);
        Patches { from: Source::Window(window), offsets, pixel, row_stride }
    }

    /// In pairs of `bf16`.
    fn rounded(c: &Correlation, input: Input<'a, f32>, band: Band, target: Target) -> Patches<'a> {
        let pairs = c.in_channels.div_ceil(2);
        let is_page = target.lanes() == MAX_LANES && (c.stride[1] * pairs).is_multiple_of(PAGE);
        let pixel = if is_page { pairs + MAX_LANES } else { pairs };
        let round = |from: &[f32], starts: &[usize], len: usize, step: usize| {
            let mut to = AlignedVec::unspecified(starts.len() * step);
            target.run_bf16(Round { from, starts, len, step, to: &mut to });
            Source::Copy(to)
        };
        if c.kernel == [1, 1] && c.before == [0, 0] && !input.relu {
            let (from, starts) = c.pixels(input.values, band);
            let offsets = (0..starts.len()).map(|p| p * pixel).collect();
            return Patches { from: round(from, &starts, c.in_channels, pixel), offsets, pixel, row_stride: 0 };
        }
        let size = c.window_size(band);
        let window = c.window(input, band);
        let rows = (0..band.images * size[0])
            .map(|row| row / size[0] * window.image_stride + row % size[0] * window.row_stride);
        let row_stride = size[1] * pixel;
        let from = if pixel * 2 == c.in_channels {
            round(window.data(), &rows.collect::<Vec<_>>(), size[1] * c.in_channels, row_stride)
        } else {
            let pixels = rows.flat_map(|row| (0..size[1]).map(move |x| row + x * c.in_channels));
            round(window.data(), &pixels.collect::<Vec<_>>(), c.in_channels, pixel)
        };
        let offsets = c.pixel_offsets(band, pixel, row_stride, size[0] * row_stride);
        Patches { from, offsets, pixel, row_stride }
    }

    /// Only the pixels that are read.
    fn gather(c: &Correlation, input: &[f32], band: Band, pixel: usize) -> Patches<'a> {
        let (input, from) = c.pixels(input, band);
        let mut values = AlignedVec::unspecified(from.len() * pixel);
        for (&at, to) in from.iter().zip(values.chunks_exact_mut(pixel)) {
            to[..c.in_channels].copy_from_slice(&input[at..][..c.in_channels]);
        }
        let offsets = (0..from.len()).map(|p| p * pixel).collect();
        Patches { from: Source::Copy(values), offsets, pixel, row_stride: 0 }
    }

    /// Whether pixels are better moved to other distances.
    fn move_pixels(c: &Correlation, lanes: usize) -> bool {
        lanes == MAX_LANES && c.groups == 1 && (c.stride[1] * c.in_channels).is_multiple_of(PAGE)
    }

    /// Whether some band's are a copy.
    pub fn are_copied<F: Factor>(c: &Correlation, input: Input<f32>, lanes: usize) -> bool {
        let whole = [0, 1].map(|d| (c.out_size[d] - 1) * c.stride[d] + c.dilation[d] * (c.kernel[d] - 1) + 1);
        let reaches = |d: usize| c.before[d] > 0 || whole[d] as isize - c.before[d] > c.in_size[d] as isize;
        let rounds = F::PRECISION == Precision::Bf16;
        rounds || input.relu || reaches(0) || reaches(1) || Patches::move_pixels(c, lanes)
    }

    pub fn data(&self) -> &[f32] {
        match &self.from {
            Source::Window(window) => window.data(),
            Source::Copy(values) => values,
        }
    }
}

/// Rounds runs of `len` values to `bf16`, each to the first of `step` places of two; a last one by itself is followed by a zero.
struct Round<'a> {
    from: &'a [f32],
    starts: &'a [usize],
    len: usize,
    to: &'a mut [f32],
    step: usize,
}

impl Kernel for Round<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Round { from, starts, len, to, step } = self;
        let pairs = len.div_ceil(2);
        assert!(pairs <= step && to.len() == starts.len() * step);
        let whole = len - len % S::LANES;
        for (&start, to) in starts.iter().zip(to.chunks_exact_mut(step.max(1))) {
            let (from, to) = (&from[start..][..len], to.as_mut_ptr().cast::<bf16>());
            let mut rest = [bf16::ZERO; MAX_LANES];
            // SAFETY: the run has `len` values, as sliced, and its places, of two each, hold as many, as asserted; `rest` has a vector's.
            unsafe {
                for i in (0..whole).step_by(S::LANES) {
                    simd.store_bf16(to.add(i), simd.load(from.as_ptr().add(i)));
                }
                if whole < len {
                    simd.store_bf16(rest.as_mut_ptr(), simd.load_first(from.as_ptr().add(whole), len - whole));
                    std::ptr::copy_nonoverlapping(rest.as_ptr(), to.add(whole), 2 * pairs - whole);
                }
            }
        }
    }
}
