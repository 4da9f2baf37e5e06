//! A depthwise convolution, with the pointwise convolutions before and after it if there are any: an inverted residual (Sandler et al., 2018). It runs row by
//! row, so that what lies between the convolutions stays in the cache.

use super::depthwise_row::{self, DepthwiseRow};
use super::epilogue::Epilogue;
use super::implicit::RowProduct;
use super::input::Input;
use super::shape::Conv2dShape;
use crate::gemm::tile::{Panels, tile_cols};
use crate::isa::Kernel;
use crate::memory::NewBuffer;
use crate::packed::Weights;
use crate::settings::Precision;
use crate::simd::Simd;
use crate::target::Target;
use crate::{AlignedVec, threads};
use std::ops::Range;

/// About how many bytes the rows of a plane take: they should stay in the first-level cache.
const PLANE: usize = 24 << 10;
/// The most bytes of all planes: they should stay in the second-level cache.
const MOST: usize = 384 << 10;
/// An image of at most this many bytes fits the second-level cache.
const SMALL_IMAGE: usize = 768 << 10;
/// Narrower images are better put together than taken row by row.
const MIN_WIDTH: usize = 14;
/// About how many rows the parts have that an image is cut into for a depthwise convolution alone.
const BAND: usize = 7;

/// A convolution with a kernel of 1×1.
#[derive(Clone, Copy)]
pub struct Pointwise<'a> {
    /// Channels in and out.
    pub channels: [usize; 2],
    /// Out × in.
    pub weight: Weights<'a, f32>,
    /// One value for each channel of the output.
    pub bias: Option<&'a [f32]>,
    /// What follows it.
    pub epilogue: Epilogue<'a, f32>,
}

impl Pointwise<'_> {
    fn check(&self, pixels: usize) {
        let [inputs, outputs] = self.channels;
        assert!(
            self.weight.len() == inputs * outputs && self.bias.is_none_or(|b| b.len() == outputs),
            "depthwise_block: a pointwise convolution from {inputs} to {outputs} channels has a weight or a bias of other sizes"
        );
        self.epilogue.check(pixels * outputs);
    }

    fn with_panels<R>(&self, target: Target, run: impl FnOnce(&Panels) -> R) -> R {
        let [inputs, outputs] = self.channels;
        let pack =
            |new: NewBuffer| vec![Panels::from_columns(new, target.lanes(), inputs, outputs, self.weight.values)];
        match self.weight.panels(target.lanes(), Precision::F32, pack) {
            Some(panels) => run(&panels[0]),
            None => run(&pack(AlignedVec::unspecified)[0]),
        }
    }
}

/// A depthwise convolution and its neighbours.
#[derive(Clone, Copy)]
pub struct DepthwiseBlock<'a> {
    /// Of the depthwise convolution.
    pub shape: &'a Conv2dShape,
    /// The pointwise convolution before it.
    pub expand: Option<Pointwise<'a>>,
    /// Channels × kernel height × kernel width.
    pub weight: Weights<'a, f32>,
    /// One value for each channel.
    pub bias: Option<&'a [f32]>,
    /// What follows the depthwise convolution; no residual.
    pub epilogue: Epilogue<'a, f32>,
    /// The pointwise convolution after it.
    pub project: Option<Pointwise<'a>>,
}

/// Whether a depthwise convolution of this shape can be computed row by row.
pub(super) fn can(s: &Conv2dShape) -> bool {
    let [k, stride] = [s.kernel[0], s.stride[0]];
    s.kernel == [k; 2]
        && matches!(k, 3 | 5 | 7)
        && s.stride == [stride; 2]
        && matches!(stride, 1 | 2)
        && s.dilation == [1; 2]
}

/// Whether [`depthwise_block()`] serves a depthwise convolution of this shape, and is the faster way for some batches.
pub fn fits_block(s: &Conv2dShape) -> bool {
    s.is_depthwise()
        && can(s)
        && s.in_size[1].min(s.out_size()[1]) >= MIN_WIDTH
        && Rows::of(s, Target::current().lanes(), true).bytes() <= MOST
}

/// Whether [`depthwise_block()`] is faster than one convolution after another, with a pointwise convolution before the depthwise one or only one after it.
pub fn serves_block(s: &Conv2dShape, expands: bool) -> bool {
    let shared = || {
        // Neighbouring bands both compute the rows that they share.
        let shared = (bands_of_threads(s.batch) - 1) * (s.kernel[0] - s.stride[0]);
        20 * shared <= 3 * s.in_size[0]
    };
    fits_block(s) && (!expands || shared())
}

/// How many parts each image has, so that all threads have work.
fn bands_of_threads(batch: usize) -> usize {
    let threads = threads::busy_threads();
    if batch.is_multiple_of(threads) || batch >= 4 * threads { 1 } else { threads }
}

/// Rows of the depthwise convolution's input that are kept, with zeros to the left and the right. Some neighbouring channels at a time lie together as a
/// plane of rows of pixels.
#[derive(Clone, Copy)]
struct Rows {
    /// Channels of a plane.
    chunk: usize,
    planes: usize,
    /// Pixels of a row.
    columns: usize,
    count: usize,
}

impl Rows {
    /// For vectors of `lanes` channels; planes of whole panels if they are written by a pointwise convolution.
    fn of(s: &Conv2dShape, lanes: usize, expands: bool) -> Rows {
        let seen = (s.out_size()[1] - 1) * s.stride[1] + s.kernel[1];
        let (columns, count) = (seen.max(s.padding[1][0] + s.in_size[1]), s.kernel[0]);
        let unit = if expands { tile_cols(lanes) } else { lanes };
        let units = s.in_channels.div_ceil(unit);
        let fitting = (PLANE / (4 * columns * count * unit)).clamp(1, units);
        let planes = units.div_ceil(fitting);
        Rows { chunk: units.div_ceil(planes) * unit, planes, columns, count }
    }

    fn row(&self) -> usize {
        self.columns * self.chunk
    }

    fn plane(&self) -> usize {
        self.count * self.row()
    }

    fn bytes(&self) -> usize {
        4 * self.planes * self.plane()
    }

    /// Where a row begins in its plane.
    fn start(&self, row: usize) -> usize {
        row % self.count * self.row()
    }

    /// The channels of a plane.
    fn channels(&self, plane: usize, of: usize) -> Range<usize> {
        (plane * self.chunk).min(of)..((plane + 1) * self.chunk).min(of)
    }
}

/// The convolutions of `block`, one after another. `input` and `output` are NHWC; writes `output` in full.
///
/// # Panics
/// If the depthwise convolution is none that [`serves_block`] could serve, or lengths do not fit.
pub fn depthwise_block(block: &DepthwiseBlock, input: Input<f32>, output: &mut [f32]) {
    let s = block.shape;
    assert!(s.is_depthwise() && can(s), "depthwise_block: does not serve {s:?}");
    let ([h, w], [oh, ow], c) = (s.in_size, s.out_size(), s.in_channels);
    let inputs = block.expand.map_or(c, |e| e.channels[0]);
    let outputs = block.project.map_or(c, |p| p.channels[1]);
    assert!(block.expand.is_none_or(|e| e.channels[1] == c && e.epilogue.residual.is_none() && !input.relu));
    assert!(block.project.is_none_or(|p| p.channels[0] == c) && block.epilogue.residual.is_none());
    assert!(input.values.len() == s.batch * h * w * inputs && output.len() == s.batch * oh * ow * outputs);
    assert!(block.weight.values.len() == s.weight_len() && block.bias.is_none_or(|b| b.len() == c));
    block.expand.iter().for_each(|e| e.check(s.batch * h * w));
    block.project.iter().for_each(|p| p.check(s.batch * oh * ow));
    if output.is_empty() {
        return;
    }
    let target = Target::current();
    let elements = s.kernel[0] * s.kernel[1];
    let make = |new: NewBuffer| {
        depthwise_row::pack(new, target.lanes(), c, elements, |c, k| block.weight.values[c * elements + k])
    };
    let own;
    let weights: &[f32] = match block.weight.packed.and_then(|packed| packed.kernels(target.lanes(), make)) {
        Some(kernels) => kernels,
        None => {
            own = make(AlignedVec::unspecified);
            &own
        }
    };
    let mut run = |expand: Option<&Panels>, project: Option<&Panels>| {
        Run { block, target, weights, expand, project, input }.all(output);
    };
    match (&block.expand, &block.project) {
        (None, None) => run(None, None),
        (Some(e), None) => e.with_panels(target, |e| run(Some(e), None)),
        (None, Some(p)) => p.with_panels(target, |p| run(None, Some(p))),
        (Some(e), Some(p)) => e.with_panels(target, |e| p.with_panels(target, |p| run(Some(e), Some(p)))),
    }
}

struct Run<'a> {
    block: &'a DepthwiseBlock<'a>,
    target: Target,
    weights: &'a [f32],
    expand: Option<&'a Panels>,
    project: Option<&'a Panels>,
    input: Input<'a, f32>,
}

impl Run<'_> {
    fn all(&self, output: &mut [f32]) {
        let s = self.block.shape;
        let oh = s.out_size()[0];
        let alone = self.expand.is_none() && self.project.is_none();
        let bands = if alone { oh.div_ceil(BAND).max(oh.min(2)) } else { bands_of_threads(s.batch).min(oh) };
        let rows = Rows::of(s, self.target.lanes(), self.expand.is_some());
        // Channels of a depthwise convolution do not meet. Of an image that fits the second-level cache it takes a plane at a time; a larger one is read row by row.
        let size = 4 * s.in_size[0] * s.in_size[1] * s.in_channels;
        let by_plane = alone && (size <= SMALL_IMAGE || rows.bytes() > MOST);
        let image = output.len() / s.batch;
        let row = image / oh;
        let residual = self.block.project.and_then(|p| p.epilogue.residual);
        let out = threads::SendPtr(output.as_mut_ptr());
        threads::parallel_for(s.batch * bands, |task| {
            let (n, band) = (task / bands, task % bands);
            let lines = oh * band / bands..oh * (band + 1) / bands;
            let (start, values) = (n * image + lines.start * row, lines.len() * row);
            // SAFETY: the lines of different tasks do not overlap and lie within the output, which is borrowed exclusively.
            let output = unsafe { std::slice::from_raw_parts_mut(out.get().add(start), values) };
            let residual = residual.map(|x| &x[start..][..values]);
            if by_plane {
                let mut ring = self.ring(rows, 1);
                for plane in 0..rows.planes {
                    self.band(n, lines.clone(), rows, plane..plane + 1, &mut ring, residual, output);
                }
            } else {
                self.band(n, lines, rows, 0..rows.planes, &mut self.ring(rows, rows.planes), residual, output);
            }
            if self.project.is_none() {
                // Lines are short enough that they are still in the cache.
                self.block.epilogue.activate(output);
            }
        });
    }

    /// Planes whose borders are zero.
    fn ring(&self, rows: Rows, planes: usize) -> AlignedVec<f32> {
        let s = self.block.shape;
        let (left, right) = (s.padding[1][0] * rows.chunk, (s.padding[1][0] + s.in_size[1]) * rows.chunk);
        let mut ring = AlignedVec::<f32>::unspecified(planes * rows.plane());
        for row in ring.chunks_exact_mut(rows.row()) {
            row[..left].fill(0.0);
            row[right..].fill(0.0);
        }
        ring
    }

    /// Some lines of the output of image `n`, of the depthwise convolution's channels in `planes`, for which there is a ring each.
    fn band(
        &self,
        n: usize,
        lines: Range<usize>,
        rows: Rows,
        planes: Range<usize>,
        ring: &mut [f32],
        residual: Option<&[f32]>,
        output: &mut [f32],
    ) {
        let s = self.block.shape;
        let ([h, w], ow, c) = (s.in_size, s.out_size()[1], s.in_channels);
        let width = output.len() / lines.len();
        let inputs = self.block.expand.map_or(c, |e| e.channels[0]);
        let image = &self.input.values[n * h * w * inputs..][..h * w * inputs];
        let mut sums = AlignedVec::<f32>::unspecified(if self.project.is_some() { ow * c } else { 0 });
        let pixels = |count: usize, apart: usize| -> Vec<usize> { (0..count).map(|x| x * apart).collect() };
        let expand_offsets = if self.expand.is_some() { pixels(w, inputs) } else { Vec::new() };
        let project_offsets = if self.project.is_some() { pixels(ow, c) } else { Vec::new() };
        let (top, stride, kernel) = (s.padding[0][0], s.stride[0], s.kernel[0]);
        let (left, right) = (s.padding[1][0] * rows.chunk, (s.padding[1][0] + w) * rows.chunk);
        let mut next = (lines.start * stride).saturating_sub(top);
        for (i, y) in lines.clone().enumerate() {
            let end = (y * stride + kernel).saturating_sub(top).min(h);
            for row in next..end {
                let from = &image[row * w * inputs..][..w * inputs];
                for (plane, ring) in planes.clone().zip(ring.chunks_exact_mut(rows.plane())) {
                    let to = &mut ring[rows.start(row)..][left..right];
                    let channels = rows.channels(plane, c);
                    match (self.expand, &self.block.expand) {
                        (Some(panels), Some(e)) => RowProduct {
                            data: from,
                            offsets: &expand_offsets,
                            panels,
                            columns: channels,
                            bias: e.bias,
                            epilogue: e.epilogue,
                            stride: rows.chunk,
                            output: to,
                        }
                        .run(self.target),
                        _ => CopyPixels { from, of: c, channels, relu: self.input.relu, apart: rows.chunk, to }
                            .run(self.target),
                    }
                }
            }
            next = next.max(end);
            let mut taps = [(0, 0); 7];
            let mut count = 0;
            for k in 0..kernel {
                if let Some(row) = (y * stride + k).checked_sub(top).filter(|&row| row < h) {
                    taps[count] = (k, rows.start(row));
                    count += 1;
                }
            }
            let line = &mut output[i * width..][..width];
            let to = if self.project.is_some() { &mut sums[..] } else { &mut line[..] };
            for (plane, ring) in planes.clone().zip(ring.chunks_exact(rows.plane())) {
                let channels = rows.channels(plane, c);
                DepthwiseRow {
                    rows: ring,
                    taps: &taps[..count],
                    pixel: rows.chunk,
                    kernel,
                    stride,
                    weights: &self.weights[channels.start..],
                    element: self.weights.len() / (kernel * kernel),
                    channels: channels.len(),
                    bias: self.block.bias.map(|b| &b[channels.clone()]),
                    epilogue: self.block.epilogue,
                    pixels: ow,
                    apart: c,
                    output: &mut to[channels.start..],
                }
                .run(self.target);
            }
            if let (Some(panels), Some(p)) = (self.project, &self.block.project) {
                self.block.epilogue.activate(&mut sums);
                let residual = residual.map(|x| &x[i * width..][..width]);
                RowProduct {
                    data: &sums,
                    offsets: &project_offsets,
                    panels,
                    columns: 0..p.channels[1],
                    bias: p.bias,
                    epilogue: Epilogue { residual, ..p.epilogue },
                    stride: p.channels[1],
                    output: line,
                }
                .run(self.target);
            }
        }
    }
}

/// Some channels of the pixels of a row, or their ReLU, `apart` from one another.
struct CopyPixels<'a> {
    from: &'a [f32],
    /// How many channels the pixels have.
    of: usize,
    channels: Range<usize>,
    relu: bool,
    apart: usize,
    to: &'a mut [f32],
}

impl CopyPixels<'_> {
    fn run(self, target: Target) {
        target.run(self);
    }
}

impl Kernel for CopyPixels<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let count = self.channels.len();
        assert!(self.channels.end <= self.of && count <= self.apart);
        for (from, to) in self.from.chunks_exact(self.of).zip(self.to.chunks_exact_mut(self.apart)) {
            let from = &from[self.channels.clone()];
            for first in (0..count).step_by(S::LANES) {
                let lanes = S::LANES.min(count - first);
                // SAFETY: `lanes` values are left in both, as `count` is at most the length of either.
                unsafe {
                    let from = from.as_ptr().add(first);
                    let v = if lanes == S::LANES { simd.load(from) } else { simd.load_first(from, lanes) };
                    let v = if self.relu { simd.zero_unless_positive(v, v) } else { v };
                    let to = to.as_mut_ptr().add(first);
                    if lanes == S::LANES { simd.store(to, v) } else { simd.store_first(to, v, lanes) }
                }
            }
        }
    }
}
