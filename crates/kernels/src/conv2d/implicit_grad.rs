//! The weight gradient, and the input gradient with a stride, as products with patches that are never written out.

use super::implicit::{Correlation, MIN_TASKS};
use super::input::{Input, zero_unless_positive};
use super::shape::Conv2dShape;
use super::window::{Band, Bands, Window, overlap};
use crate::copy::transpose::transpose;
use crate::gemm::tile::{self, MAX_ROWS, Panels, Walk, tile_cols};
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::strided::CHUNK;
use crate::target::Target;
use crate::{AlignedVec, threads};
use std::ops::Range;

/// The most partial sums of a weight gradient.
const MAX_PARTIALS: usize = 16;
/// A partial sum is worth its own pass over the weights if it adds this many terms to each.
const TERMS_PER_PARTIAL: usize = 4096;
/// Output channels whose sums are read together: those of a cache line.
const TOGETHER: usize = 16;

/// As [`super::conv2d_weight_grad`]. Images are split among a fixed number of partial sums.
pub fn weight_grad(s: &Conv2dShape, input: Input<f32>, grad_output: &[f32], grad_weight: &mut [f32]) {
    let target = Target::current();
    let c = Correlation::forward(s);
    let [ci, co] = c.group();
    let depth = c.kernel[0] * c.kernel[1] * ci;
    let pixels = c.out_size[0] * c.out_size[1];
    if grad_weight.is_empty() {
        return;
    }
    let bands = Bands::new(c.batch, c.out_size, 1);
    let wanted = (c.batch * pixels).div_ceil(TERMS_PER_PARTIAL).clamp(1, MAX_PARTIALS);
    let part = bands.per_image() * (bands.len() / bands.per_image()).div_ceil(wanted).max(1);
    let partials = bands.len().div_ceil(part).max(1);
    let len = c.groups * depth * co;
    // Few pixels and many weights: parts of the kernels are tasks instead.
    let splits = if partials == 1 && c.groups == 1 { MIN_TASKS.min(depth.div_ceil(MAX_ROWS)) } else { 1 };
    let rows = depth.div_ceil(splits).next_multiple_of(MAX_ROWS).min(depth);
    let mut sums = AlignedVec::<f32>::unspecified(partials * len);
    threads::parallel_chunks(&mut sums, c.groups * rows * co, |i, sums| {
        let (i, rows) = if splits == 1 { (i, 0..depth) } else { (0, i * rows..depth.min((i + 1) * rows)) };
        let first = i * part;
        if first >= bands.len() {
            sums.fill(0.0);
        }
        for b in first..(first + part).min(bands.len()) {
            let (band, fresh) = (bands.get(b), b == first);
            let start = (band.image * c.out_size[0] + band.first) * c.out_size[1] * c.out_channels;
            let grad = &grad_output[start..][..band.images * band.rows * c.out_size[1] * c.out_channels];
            let window = c.window(input, band);
            target.run(WeightBand { c: &c, window, band, grad, rows: rows.clone(), sums, fresh });
        }
    });
    let (sums, others) = sums.split_at_mut(len);
    if !others.is_empty() {
        threads::parallel_chunks(sums, CHUNK, |i, sums| {
            for other in others.chunks_exact(len) {
                sums.iter_mut().zip(&other[i * CHUNK..]).for_each(|(sum, x)| *sum += x);
            }
        });
    }
    let together = if c.groups == 1 { TOGETHER } else { co };
    threads::parallel_chunks(grad_weight, together * depth, |i, kernels| {
        let (g, o) = (i * together / co, i * together % co);
        transpose(depth, co, &sums[g * depth * co + o..], kernels);
    });
}

struct WeightBand<'a> {
    c: &'a Correlation,
    window: Window<'a>,
    band: Band,
    grad: &'a [f32],
    /// Which elements (ky, kx, in) of a kernel.
    rows: Range<usize>,
    /// groups × elements × out
    sums: &'a mut [f32],
    /// Whether the sums hold nothing yet.
    fresh: bool,
}

impl Kernel for WeightBand<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LANES == 16 { self.all::<S, MAX_ROWS>(simd) } else { self.all::<S, 6>(simd) }
    }
}

impl WeightBand<'_> {
    #[inline(always)]
    fn all<S: Simd, const R: usize>(self, simd: S) {
        let c = self.c;
        let [ci, co] = c.group();
        let row_stride = self.window.row_stride;
        let kw = c.kernel[1];
        let offsets: Vec<usize> = self
            .rows
            .clone()
            .map(|p| {
                let (ky, kx) = (p / ci / kw, p / ci % kw);
                ky * c.dilation[0] * row_stride + kx * c.dilation[1] * c.in_channels + p % ci
            })
            .collect();
        let walk = Walk {
            outer: self.band.images,
            outer_stride: self.window.image_stride,
            inner: self.band.rows,
            inner_stride: c.stride[0] * row_stride,
            len: c.out_size[1],
            step: c.stride[1] * c.in_channels,
        };
        let data = self.window.data();
        let pixels = self.band.images * self.band.rows * c.out_size[1];
        let last = offsets.iter().max().expect("a kernel has elements") + (c.groups - 1) * ci;
        assert!(walk.last().is_none_or(|w| last + w < data.len()));
        assert!(self.grad.len() == pixels * c.out_channels && walk.count() == pixels);
        let width = tile_cols(S::LANES);
        let mut padded = AlignedVec::zeroed(if co % S::LANES == 0 { 0 } else { pixels * width });
        for g in 0..c.groups {
            for first in (0..co).step_by(width) {
                let cols = width.min(co - first);
                let stored = cols.next_multiple_of(S::LANES);
                let grad = &self.grad[g * co + first..];
                let (b, b_step) = if cols == stored {
                    (grad, c.out_channels)
                } else {
                    for (to, from) in padded.chunks_exact_mut(width).zip(grad.chunks(c.out_channels)) {
                        to[..cols].copy_from_slice(&from[..cols]);
                        to[cols..].fill(0.0);
                    }
                    (&*padded, width)
                };
                let sums = &mut self.sums[g * offsets.len() * co + first..][..(offsets.len() - 1) * co + cols];
                let job = Terms {
                    data: &data[g * ci..],
                    offsets: &offsets,
                    walk: &walk,
                    b,
                    b_step,
                    cols,
                    stride: co,
                    fresh: self.fresh,
                };
                if tile::is_narrow(S::LANES, cols) {
                    job.tiles::<S, R, 1>(simd, sums)
                } else {
                    job.tiles::<S, R, 2>(simd, sums)
                }
            }
        }
    }
}

struct Terms<'a> {
    data: &'a [f32],
    offsets: &'a [usize],
    walk: &'a Walk,
    b: &'a [f32],
    b_step: usize,
    cols: usize,
    stride: usize,
    /// Whether the sums hold nothing yet.
    fresh: bool,
}

impl Terms<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const R: usize, const V: usize>(&self, simd: S, sums: &mut [f32]) {
        assert!(self.b.len() >= (self.walk.count() - 1) * self.b_step + V * S::LANES && self.cols <= V * S::LANES);
        let depth = self.offsets.len();
        for p in (0..depth).step_by(R) {
            let mut rows = [self.data.as_ptr(); R];
            for r in 0..R {
                rows[r] = self.data.as_ptr().wrapping_add(self.offsets[(p + r).min(depth - 1)]);
            }
            let to = &mut sums[p * self.stride..];
            let count = R.min(depth - p);
            assert!(to.len() >= (count - 1) * self.stride + self.cols);
            // SAFETY: just asserted for the sums; every offset plus the walk's last lies within `data`, as the caller
            // asserts, and `b` has `V` vectors for every step of the walk.
            unsafe {
                let mut acc = [[simd.splat(0.0); V]; R];
                if !self.fresh {
                    acc = tile::load::<S, R, V>(simd, to.as_ptr(), self.stride, count, self.cols);
                }
                let acc = tile::multiply(simd, &rows, self.walk, self.b.as_ptr(), self.b_step, acc);
                tile::store(simd, &acc, to.as_mut_ptr(), self.stride, count, self.cols);
            }
        }
    }
}

/// As [`super::conv2d_input_grad`], for any stride: the gradient of each patch, added into the image.
pub fn strided_input_grad(
    s: &Conv2dShape,
    grad_output: &[f32],
    weight: &[f32],
    before_relu: Option<&[f32]>,
    grad_input: &mut [f32],
) {
    let target = Target::current();
    let c = Correlation::forward(s);
    let [ci, co] = c.group();
    let depth = c.kernel[0] * c.kernel[1] * ci;
    if grad_input.is_empty() {
        return;
    }
    let panels: Vec<Panels> = weight
        .chunks_exact(co * depth)
        .map(|weight| Panels::from_rows(target.lanes(), co, depth, |o| &weight[o * depth..]))
        .collect();
    let image = c.in_size[0] * c.in_size[1] * c.in_channels;
    let out_image = c.out_size[0] * c.out_size[1] * c.out_channels;
    let images = Bands::new(c.batch, c.out_size, MIN_TASKS).get(0).images;
    threads::parallel_chunks(grad_input, images * image, |i, grad_input| {
        let band = Band { image: i * images, images: grad_input.len() / image, first: 0, rows: c.out_size[0] };
        let size = [0, 1].map(|d| (c.out_size[d] - 1) * c.stride[d] + c.dilation[d] * (c.kernel[d] - 1) + 1);
        let row_stride = size[1] * c.in_channels;
        let mut padded = AlignedVec::zeroed(band.images * size[0] * row_stride);
        let grad = &grad_output[band.image * out_image..][..band.images * out_image];
        target.run(Scatter { c: &c, band, grad, panels: &panels, padded: &mut padded, row_stride, size });
        grad_input.fill(0.0);
        let corner = [-c.before[0], -c.before[1]];
        let ((y0, y1), (x0, x1)) =
            (overlap(corner[0], size[0], c.in_size[0]), overlap(corner[1], size[1], c.in_size[1]));
        for (padded, grad) in padded.chunks_exact(size[0] * row_stride).zip(grad_input.chunks_exact_mut(image)) {
            for y in y0..y1 {
                let row = (y as isize + corner[0]) * c.in_size[1] as isize;
                let to = (row + x0 as isize + corner[1]) as usize * c.in_channels;
                let len = (x1 - x0) * c.in_channels;
                grad[to..][..len].copy_from_slice(&padded[y * row_stride + x0 * c.in_channels..][..len]);
            }
        }
        if let Some(x) = before_relu {
            zero_unless_positive(&x[band.image * image..], grad_input);
        }
    });
}

struct Scatter<'a> {
    c: &'a Correlation,
    band: Band,
    grad: &'a [f32],
    panels: &'a [Panels],
    /// The padded images, which patches are added into.
    padded: &'a mut [f32],
    row_stride: usize,
    size: [usize; 2],
}

impl Kernel for Scatter<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LANES == 16 { self.all::<S, MAX_ROWS>(simd) } else { self.all::<S, 6>(simd) }
    }
}

impl Scatter<'_> {
    #[inline(always)]
    fn all<S: Simd, const R: usize>(self, simd: S) {
        let c = self.c;
        let [ci, co] = c.group();
        let [kh, kw] = c.kernel;
        let depth = kh * kw * ci;
        let offsets = c.pixel_offsets(self.band, c.in_channels, self.row_stride, self.size[0] * self.row_stride);
        let mut patches = AlignedVec::<f32>::unspecified(R * depth);
        for (g, panels) in self.panels.iter().enumerate() {
            for q in (0..offsets.len()).step_by(R) {
                let count = R.min(offsets.len() - q);
                for j in 0..panels.len() {
                    let (first, cols, b) = panels.get(j);
                    let patches = &mut patches[first..];
                    let grad = &self.grad[q * c.out_channels + g * co..];
                    if tile::is_narrow(S::LANES, cols) {
                        patch_tile::<S, R, 1>(simd, grad, c.out_channels, co, b, count, cols, patches, depth)
                    } else {
                        patch_tile::<S, R, 2>(simd, grad, c.out_channels, co, b, count, cols, patches, depth)
                    }
                }
                for (patch, &at) in patches.chunks_exact(depth).zip(&offsets[q..][..count]) {
                    for (i, from) in patch.chunks_exact(ci).enumerate() {
                        let (ky, kx) = (i / kw, i % kw);
                        let at = at + ky * c.dilation[0] * self.row_stride + kx * c.dilation[1] * c.in_channels;
                        for (x, &d) in self.padded[at + g * ci..][..ci].iter_mut().zip(from) {
                            *x += d;
                        }
                    }
                }
            }
        }
    }
}

/// The gradients of `count` patches, `cols` elements of each.
#[inline(always)]
fn patch_tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    grad: &[f32],
    grad_stride: usize,
    channels: usize,
    b: &[f32],
    count: usize,
    cols: usize,
    patches: &mut [f32],
    stride: usize,
) {
    assert!(grad.len() >= (count - 1) * grad_stride + channels && cols <= V * S::LANES);
    assert!(b.len() == channels * V * S::LANES && patches.len() >= (count - 1) * stride + cols);
    let mut rows = [grad.as_ptr(); R];
    for r in 0..R {
        rows[r] = grad.as_ptr().wrapping_add(r.min(count - 1) * grad_stride);
    }
    let zero = [[simd.splat(0.0); V]; R];
    // SAFETY: just asserted.
    unsafe {
        let acc = tile::multiply(simd, &rows, &Walk::run(channels, 1), b.as_ptr(), V * S::LANES, zero);
        tile::store(simd, &acc, patches.as_mut_ptr(), stride, count, cols);
    }
}
