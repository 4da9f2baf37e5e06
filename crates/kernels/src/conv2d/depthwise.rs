//! Depthwise convolution: as many groups as input and output channels.
//!
//! There is nothing to multiply as matrices: a vector holds adjacent channels of one pixel, and each kernel element is one
//! multiply-add of it.

use super::depthwise_block::{self, DepthwiseBlock};
use super::depthwise_row::pack;
use super::epilogue::Epilogue;
use super::input::{Input, zero_unless_positive};
use super::shape::Conv2dShape;
use crate::isa::Kernel;
use crate::memory::NewBuffer;
use crate::packed::Weights;
use crate::simd::Simd;
use crate::target::Target;
use crate::{AlignedVec, threads};
use std::ops::Range;

/// The most rows of a task, which reads most of its source rows for two or three of them.
const MAX_BAND: usize = 8;
/// The most partial sums of a weight gradient.
const MAX_PARTIALS: usize = 16;
/// A partial sum is worth its own pass over the weights if it adds this many terms to each.
const TERMS_PER_PARTIAL: usize = 1024;

/// Which source coordinates an output coordinate sums, each with its kernel element.
struct Taps {
    /// (kernel element, source coordinate)
    all: Vec<(usize, usize)>,
    /// Where each output coordinate's begin.
    starts: Vec<usize>,
    /// Output coordinates whose whole kernel lies within the source, one after the other in steps of `stride`.
    inner: Range<usize>,
    /// Steps between the windows of inner coordinates; 0 where they do not move evenly.
    stride: usize,
    /// Where a source coordinate serves two output coordinates, as in the input gradient of stride 2: pairs of output coordinates
    /// that have all their elements, the even ones at the first of a pair.
    pairs: Range<usize>,
}

impl Taps {
    fn new(out: usize, kernel: usize, stride: usize, of: impl Fn(usize, usize) -> Option<usize>) -> Taps {
        let mut all = Vec::new();
        let mut starts = vec![0];
        for o in 0..out {
            all.extend((0..kernel).filter_map(|k| Some((k, of(o, k)?))));
            starts.push(all.len());
        }
        let whole = |o: &usize| starts[o + 1] - starts[*o] == kernel;
        let first = (0..out).find(whole).unwrap_or(out);
        let count = (first..out).take_while(|o| whole(o)).count();
        Taps { inner: first..first + count, all, starts, stride, pairs: 0..0 }
    }

    /// Of the convolution, in dimension `d`.
    fn forward(s: &Conv2dShape, d: usize) -> Taps {
        let even = if s.dilation[d] == 1 { s.stride[d] } else { 0 };
        Taps::new(s.out_size()[d], s.kernel[d], even, |o, k| {
            let i = (o * s.stride[d] + k * s.dilation[d]).checked_sub(s.padding[d][0])?;
            (i < s.in_size[d]).then_some(i)
        })
    }

    /// Of its input gradient, with the kernel's elements counted from the last.
    fn backward(s: &Conv2dShape, d: usize) -> Taps {
        let out = s.out_size()[d];
        let even = (s.stride[d] == 1 && s.dilation[d] == 1) as usize;
        let mut taps = Taps::new(s.in_size[d], s.kernel[d], even, |i, k| {
            let from = (i + s.padding[d][0]).checked_sub((s.kernel[d] - 1 - k) * s.dilation[d])?;
            (from % s.stride[d] == 0 && from / s.stride[d] < out).then_some(from / s.stride[d])
        });
        if s.stride[d] == 2 && s.dilation[d] == 1 && matches!(s.kernel[d], 3 | 5) {
            let count =
                |i: usize, first: usize| taps.of(i).len() == s.kernel[d] / 2 + 1 - first && taps.of(i)[0].0 == first;
            let whole = |i: usize| i + 1 < s.in_size[d] && count(i, 0) && count(i + 1, 1);
            let first = (0..s.in_size[d]).find(|&i| whole(i)).unwrap_or(0);
            let pairs = (first..s.in_size[d]).step_by(2).take_while(|&i| whole(i)).count();
            taps.pairs = first..first + 2 * pairs;
        }
        taps
    }

    fn of(&self, o: usize) -> &[(usize, usize)] {
        &self.all[self.starts[o]..self.starts[o + 1]]
    }
}

/// As [`super::conv2d`].
pub fn forward(
    s: &Conv2dShape,
    input: Input<f32>,
    weight: &Weights<f32>,
    bias: Option<&[f32]>,
    epilogue: Epilogue<f32>,
    output: &mut [f32],
) {
    if epilogue.residual.is_some() {
        forward(s, input, weight, bias, Epilogue::NONE, output);
        return epilogue.apply(output);
    }
    if depthwise_block::can(s) {
        let block = DepthwiseBlock { shape: s, expand: None, weight: *weight, bias, epilogue, project: None };
        return depthwise_block::depthwise_block(&block, input, output);
    }
    let target = Target::current();
    let elements = s.kernel[0] * s.kernel[1];
    let make =
        |new: NewBuffer| pack(new, target.lanes(), s.in_channels, elements, |c, k| weight.values[c * elements + k]);
    let taps = [0, 1].map(|d| Taps::forward(s, d));
    let mut run = |weights: &[f32]| {
        correlate(target, s, &taps, input, s.in_size, weights, bias, epilogue, None, output, s.out_size());
    };
    match weight.packed.and_then(|packed| packed.kernels(target.lanes(), make)) {
        Some(weights) => run(weights),
        None => run(&make(AlignedVec::unspecified)),
    }
}

/// As [`super::conv2d_input_grad`].
pub fn input_grad(
    s: &Conv2dShape,
    grad_output: &[f32],
    weight: &[f32],
    before_relu: Option<&[f32]>,
    grad_input: &mut [f32],
) {
    let target = Target::current();
    let elements = s.kernel[0] * s.kernel[1];
    let weights = pack(AlignedVec::unspecified, target.lanes(), s.in_channels, elements, |c, k| {
        weight[c * elements + elements - 1 - k]
    });
    let taps = [0, 1].map(|d| Taps::backward(s, d));
    let out_size = s.out_size();
    let source = grad_output.into();
    let epilogue = Epilogue::NONE;
    correlate(target, s, &taps, source, out_size, &weights, None, epilogue, before_relu, grad_input, s.in_size);
}

fn correlate(
    target: Target,
    s: &Conv2dShape,
    taps: &[Taps; 2],
    source: Input<f32>,
    source_size: [usize; 2],
    weights: &[f32],
    bias: Option<&[f32]>,
    epilogue: Epilogue<f32>,
    before_relu: Option<&[f32]>,
    output: &mut [f32],
    out_size: [usize; 2],
) {
    let c = s.in_channels;
    let image = source_size[0] * source_size[1] * c;
    let row_len = out_size[1] * c;
    if output.is_empty() {
        return;
    }
    let band = (s.batch * out_size[0] / 64).clamp(1, MAX_BAND);
    threads::parallel_chunks(output, band * row_len, |task, output| {
        for (row, output) in output.chunks_exact_mut(row_len).enumerate() {
            let row = task * band + row;
            let (n, y) = (row / out_size[0], row % out_size[0]);
            let source = Input { values: &source.values[n * image..][..image], ..source };
            let place = Place { channels: c, width: source_size[1], kernel_width: s.kernel[1], source };
            let row_output = &mut *output;
            target.run(Row { place, rows: taps[0].of(y), taps: &taps[1], weights, bias, epilogue, output: row_output });
            if let Some(x) = before_relu {
                zero_unless_positive(&x[row * row_len..][..row_len], output);
            }
            epilogue.activate(output);
        }
    });
}

/// One image, and where its pixels lie.
#[derive(Clone, Copy)]
struct Place<'a> {
    channels: usize,
    width: usize,
    kernel_width: usize,
    source: Input<'a, f32>,
}

impl Place<'_> {
    /// Panics unless the rows and the columns from `x` on, `columns` of them, lie within the image, and their kernel
    /// elements within `elements`.
    fn check(&self, rows: &[(usize, usize)], x: usize, columns: usize, elements: usize) {
        assert!(x + columns <= self.width);
        for &(k, y) in rows {
            assert!((y * self.width + x + columns) * self.channels <= self.source.values.len());
            assert!((k + 1) * self.kernel_width <= elements);
        }
    }
}

/// What is done along a row of output pixels.
trait Along {
    /// `T` adjacent pixels from `x` on, whose kernels lie within the image.
    fn tile<S: Simd, const K: usize, const STRIDE: usize, const T: usize>(&mut self, simd: S, x: usize);
    /// Pixels one by one, whatever part of their kernels lies within the image.
    fn pixels<S: Simd>(&mut self, simd: S, range: Range<usize>);
}

/// As many pixels as possible in tiles, for the usual kernels.
#[inline(always)]
fn along_row<S: Simd>(simd: S, kernel_width: usize, taps: &Taps, row: &mut impl Along) {
    match (kernel_width, taps.stride) {
        (3, 1) => tiled::<S, 3, 1>(simd, taps, row),
        (3, 2) => tiled::<S, 3, 2>(simd, taps, row),
        (5, 1) => tiled::<S, 5, 1>(simd, taps, row),
        (5, 2) => tiled::<S, 5, 2>(simd, taps, row),
        _ => row.pixels(simd, 0..taps.starts.len() - 1),
    }
}

#[inline(always)]
fn tiled<S: Simd, const K: usize, const STRIDE: usize>(simd: S, taps: &Taps, row: &mut impl Along) {
    let inner = taps.inner.clone();
    let mut x = inner.start;
    while x + 8 <= inner.end {
        row.tile::<S, K, STRIDE, 8>(simd, x);
        x += 8;
    }
    if x + 4 <= inner.end {
        row.tile::<S, K, STRIDE, 4>(simd, x);
        x += 4;
    }
    row.pixels(simd, 0..inner.start);
    row.pixels(simd, x..taps.starts.len() - 1);
}

/// One row of the output.
struct Row<'a> {
    place: Place<'a>,
    rows: &'a [(usize, usize)],
    taps: &'a Taps,
    weights: &'a [f32],
    bias: Option<&'a [f32]>,
    epilogue: Epilogue<'a, f32>,
    output: &'a mut [f32],
}

impl Kernel for Row<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        match self.place.kernel_width {
            3 if !self.taps.pairs.is_empty() => self.paired::<S, 3>(simd),
            5 if !self.taps.pairs.is_empty() => self.paired::<S, 5>(simd),
            width => along_row(simd, width, self.taps, &mut self),
        }
    }
}

impl Row<'_> {
    /// The whole row, where a source pixel serves two output pixels.
    #[inline(always)]
    fn paired<S: Simd, const K: usize>(mut self, simd: S) {
        let pairs = self.taps.pairs.clone();
        let mut x = pairs.start;
        while x + 8 <= pairs.end {
            self.pairs::<S, K>(simd, x);
            x += 8;
        }
        self.pixels(simd, 0..pairs.start);
        self.pixels(simd, x..self.taps.starts.len() - 1);
    }

    /// Four pairs of pixels from `x` on: element k of source pixel j goes to pixel 2j - k.
    #[inline(always)]
    fn pairs<S: Simd, const K: usize>(&mut self, simd: S, x: usize) {
        const T: usize = 8;
        let Place { channels: c, width, .. } = self.place;
        let columns = T / 2 + K / 2;
        let padded = c.next_multiple_of(S::LANES);
        let from = self.taps.of(x)[0].1;
        self.place.check(self.rows, from, columns, self.weights.len() / padded);
        let output = &mut self.output[x * c..][..T * c];
        assert!(self.bias.is_none() && self.epilogue.is_none());
        assert!(!self.place.source.relu);
        for first in (0..c).step_by(S::LANES) {
            let lanes = S::LANES.min(c - first);
            let mut acc = [simd.splat(0.0); T];
            // SAFETY: `lanes` channels are left from `first` on in each pixel; the rows, columns and kernel elements were
            // just checked, and a kernel element has `padded` channels.
            unsafe {
                for &(ky, y) in self.rows {
                    let row = self.place.source.values.as_ptr().add((y * width + from) * c + first);
                    let mut weight = [simd.splat(0.0); K];
                    for k in 0..K {
                        weight[k] = simd.load(self.weights.as_ptr().add((ky * K + k) * padded + first));
                    }
                    for j in 0..columns {
                        let pixel = row.add(j * c);
                        let v = if lanes == S::LANES { simd.load(pixel) } else { simd.load_first(pixel, lanes) };
                        for k in 0..K {
                            if 2 * j >= k && 2 * j - k < T {
                                acc[2 * j - k] = simd.mul_add(v, weight[k], acc[2 * j - k]);
                            }
                        }
                    }
                }
                for t in 0..T {
                    let to = output.as_mut_ptr().add(t * c + first);
                    if lanes == S::LANES { simd.store(to, acc[t]) } else { simd.store_first(to, acc[t], lanes) }
                }
            }
        }
    }
}

impl Along for Row<'_> {
    #[inline(always)]
    fn tile<S: Simd, const K: usize, const STRIDE: usize, const T: usize>(&mut self, simd: S, x: usize) {
        let Place { channels: c, width, .. } = self.place;
        let columns = (T - 1) * STRIDE + K;
        let padded = c.next_multiple_of(S::LANES);
        let from = self.taps.of(x)[0].1;
        self.place.check(self.rows, from, columns, self.weights.len() / padded);
        let output = &mut self.output[x * c..][..T * c];
        assert!(self.bias.is_none_or(|b| b.len() == c));
        let lowest = simd.splat(if self.place.source.relu { 0.0 } else { f32::NEG_INFINITY });
        for first in (0..c).step_by(S::LANES) {
            let lanes = S::LANES.min(c - first);
            let mut acc = [simd.splat(0.0); T];
            // SAFETY: `lanes` channels are left from `first` on in each pixel; the rows, columns and kernel elements were
            // just checked, and a kernel element has `padded` channels.
            unsafe {
                if let Some(bias) = self.bias {
                    acc = [simd.load_first(bias.as_ptr().add(first), lanes); T];
                }
                for &(ky, y) in self.rows {
                    let row = self.place.source.values.as_ptr().add((y * width + from) * c + first);
                    let mut weight = [simd.splat(0.0); K];
                    for k in 0..K {
                        weight[k] = simd.load(self.weights.as_ptr().add((ky * K + k) * padded + first));
                    }
                    for j in 0..columns {
                        let pixel = row.add(j * c);
                        let v = if lanes == S::LANES { simd.load(pixel) } else { simd.load_first(pixel, lanes) };
                        let v = simd.max(lowest, v);
                        for k in 0..K {
                            if j >= k && (j - k).is_multiple_of(STRIDE) && (j - k) / STRIDE < T {
                                let t = (j - k) / STRIDE;
                                acc[t] = simd.mul_add(v, weight[k], acc[t]);
                            }
                        }
                    }
                }
                for t in 0..T {
                    let to = output.as_mut_ptr().add(t * c + first);
                    if lanes == S::LANES { simd.store(to, acc[t]) } else { simd.store_first(to, acc[t], lanes) }
                }
                if !self.epilogue.is_none() {
                    // A second time over values that are still in the first-level cache: above, there are no registers to spare.
                    let epilogue = self.epilogue.in_registers(simd);
                    for t in 0..T {
                        epilogue.in_place(simd, output.as_mut_ptr().add(t * c + first), None, lanes);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn pixels<S: Simd>(&mut self, simd: S, range: Range<usize>) {
        let Place { channels: c, width, kernel_width, .. } = self.place;
        let padded = c.next_multiple_of(S::LANES);
        assert!(self.bias.is_none_or(|b| b.len() == c));
        let lowest = simd.splat(if self.place.source.relu { 0.0 } else { f32::NEG_INFINITY });
        for x in range {
            let columns = self.taps.of(x);
            for &(k, from) in columns {
                assert!(k < kernel_width);
                self.place.check(self.rows, from, 1, self.weights.len() / padded);
            }
            let output = &mut self.output[x * c..][..c];
            for first in (0..c).step_by(S::LANES) {
                let lanes = S::LANES.min(c - first);
                let mut acc = simd.splat(0.0);
                // SAFETY: as in `tile`; the kernel's columns were checked as well.
                unsafe {
                    if let Some(bias) = self.bias {
                        acc = simd.load_first(bias.as_ptr().add(first), lanes);
                    }
                    for &(ky, y) in self.rows {
                        for &(kx, from) in columns {
                            let pixel = self.place.source.values.as_ptr().add((y * width + from) * c + first);
                            let v = if lanes == S::LANES { simd.load(pixel) } else { simd.load_first(pixel, lanes) };
                            let weight = self.weights.as_ptr().add((ky * kernel_width + kx) * padded + first);
                            acc = simd.mul_add(simd.max(lowest, v), simd.load(weight), acc);
                        }
                    }
                    let to = output.as_mut_ptr().add(first);
                    if lanes == S::LANES {
                        simd.store(to, acc)
                    } else {
                        simd.store_first(to, acc, lanes)
                    }
                    if !self.epilogue.is_none() {
                        self.epilogue.in_registers(simd).in_place(simd, to, None, lanes);
                    }
                }
            }
        }
    }
}

/// As [`super::conv2d_weight_grad`]. Output rows are split among a fixed number of partial sums.
pub fn weight_grad(s: &Conv2dShape, input: Input<f32>, grad_output: &[f32], grad_weight: &mut [f32]) {
    let target = Target::current();
    let c = s.in_channels;
    let [oh, ow] = s.out_size();
    let elements = s.kernel[0] * s.kernel[1];
    let taps = [0, 1].map(|d| Taps::forward(s, d));
    let rows = s.batch * oh;
    let part = rows.div_ceil((rows * ow).div_ceil(TERMS_PER_PARTIAL).clamp(1, MAX_PARTIALS)).max(1);
    let len = elements * c.next_multiple_of(target.lanes());
    let partials = rows.div_ceil(part);
    let mut sums = AlignedVec::<f32>::unspecified(partials * len);
    let image = s.in_size[0] * s.in_size[1] * c;
    threads::parallel_chunks(&mut sums, len, |i, sums| {
        sums.fill(0.0);
        for row in i * part..((i + 1) * part).min(rows) {
            let (n, y) = (row / oh, row % oh);
            let source = Input { values: &input.values[n * image..][..image], ..input };
            let place = Place { channels: c, width: s.in_size[1], kernel_width: s.kernel[1], source };
            let grad = &grad_output[row * ow * c..][..ow * c];
            target.run(GradRow { place, rows: taps[0].of(y), taps: &taps[1], grad, sums });
        }
    });
    let padded = len / elements;
    for (channel, kernel) in grad_weight.chunks_exact_mut(elements).enumerate() {
        for (k, w) in kernel.iter_mut().enumerate() {
            *w = (0..partials).map(|i| sums[i * len + k * padded + channel]).sum();
        }
    }
}

/// What one row of the output's gradient adds to the weight's.
struct GradRow<'a> {
    place: Place<'a>,
    rows: &'a [(usize, usize)],
    taps: &'a Taps,
    grad: &'a [f32],
    /// kernel element × channel, whole vectors
    sums: &'a mut [f32],
}

impl Kernel for GradRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        along_row(simd, self.place.kernel_width, self.taps, &mut self);
    }
}

impl Along for GradRow<'_> {
    #[inline(always)]
    fn tile<S: Simd, const K: usize, const STRIDE: usize, const T: usize>(&mut self, simd: S, x: usize) {
        let Place { channels: c, width, .. } = self.place;
        let columns = (T - 1) * STRIDE + K;
        let padded = c.next_multiple_of(S::LANES);
        let from = self.taps.of(x)[0].1;
        self.place.check(self.rows, from, columns, self.sums.len() / padded);
        let grad = &self.grad[x * c..][..T * c];
        let lowest = simd.splat(if self.place.source.relu { 0.0 } else { f32::NEG_INFINITY });
        for first in (0..c).step_by(S::LANES) {
            let lanes = S::LANES.min(c - first);
            // SAFETY: `lanes` channels are left from `first` on in each pixel; the rows, columns and kernel elements were
            // just checked, and a kernel element has `padded` channels.
            unsafe {
                let mut d = [simd.splat(0.0); T];
                for t in 0..T {
                    let at = grad.as_ptr().add(t * c + first);
                    d[t] = if lanes == S::LANES { simd.load(at) } else { simd.load_first(at, lanes) };
                }
                for &(ky, y) in self.rows {
                    let row = self.place.source.values.as_ptr().add((y * width + from) * c + first);
                    let sums = self.sums.as_mut_ptr().add(ky * K * padded + first);
                    let mut acc = [simd.splat(0.0); K];
                    for k in 0..K {
                        acc[k] = simd.load(sums.add(k * padded));
                    }
                    for j in 0..columns {
                        let pixel = row.add(j * c);
                        let v = if lanes == S::LANES { simd.load(pixel) } else { simd.load_first(pixel, lanes) };
                        let v = simd.max(lowest, v);
                        for k in 0..K {
                            if j >= k && (j - k).is_multiple_of(STRIDE) && (j - k) / STRIDE < T {
                                acc[k] = simd.mul_add(v, d[(j - k) / STRIDE], acc[k]);
                            }
                        }
                    }
                    for k in 0..K {
                        simd.store(sums.add(k * padded), acc[k]);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn pixels<S: Simd>(&mut self, simd: S, range: Range<usize>) {
        let Place { channels: c, width, kernel_width, .. } = self.place;
        let padded = c.next_multiple_of(S::LANES);
        let lowest = simd.splat(if self.place.source.relu { 0.0 } else { f32::NEG_INFINITY });
        for x in range {
            let columns = self.taps.of(x);
            for &(k, from) in columns {
                assert!(k < kernel_width);
                self.place.check(self.rows, from, 1, self.sums.len() / padded);
            }
            let grad = &self.grad[x * c..][..c];
            for first in (0..c).step_by(S::LANES) {
                let lanes = S::LANES.min(c - first);
                // SAFETY: as in `tile`; the kernel's columns were checked as well.
                unsafe {
                    let d = simd.load_first(grad.as_ptr().add(first), lanes);
                    for &(ky, y) in self.rows {
                        for &(kx, from) in columns {
                            let pixel = self.place.source.values.as_ptr().add((y * width + from) * c + first);
                            let v = if lanes == S::LANES { simd.load(pixel) } else { simd.load_first(pixel, lanes) };
                            let sum = self.sums.as_mut_ptr().add((ky * kernel_width + kx) * padded + first);
                            simd.store(sum, simd.mul_add(simd.max(lowest, v), d, simd.load(sum)));
                        }
                    }
                }
            }
        }
    }
}
