//! Convolution as a product of matrices whose left one, the patches, is never written out.
//!
//! In NHWC the elements under one kernel row are adjacent in memory, so the register tile reads patches where they lie.

use super::epilogue::{Epilogue, InRegisters};
use super::input::Input;
use super::patches::Patches;
use super::shape::Conv2dShape;
use super::window::{Band, Bands, Window};
use crate::gemm::tile::{self, Bf16Pair, Factor, Panels, Prefetch, Single, Walk};
use crate::isa::Kernel;
use crate::memory::NewBuffer;
use crate::packed::Weights;
use crate::settings::Precision;
use crate::simd::Simd;
use crate::target::Target;
use crate::{AlignedVec, threads};
use std::marker::PhantomData;
use std::ops::Range;

/// Fewer tasks than this are split further.
pub(super) const MIN_TASKS: usize = 8;

/// A convolution as this algorithm sees it: the input gradient with stride 1 is one as well.
#[derive(Clone, Copy)]
pub(super) struct Correlation {
    pub batch: usize,
    pub in_channels: usize,
    pub in_size: [usize; 2],
    pub out_channels: usize,
    pub out_size: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
    /// Zeros above and left of the input; negative to leave some of it out.
    pub before: [isize; 2],
}

impl Correlation {
    pub fn forward(s: &Conv2dShape) -> Correlation {
        Correlation {
            batch: s.batch,
            in_channels: s.in_channels,
            in_size: s.in_size,
            out_channels: s.out_channels,
            out_size: s.out_size(),
            kernel: s.kernel,
            stride: s.stride,
            dilation: s.dilation,
            groups: s.groups,
            before: [0, 1].map(|d| s.padding[d][0] as isize),
        }
    }

    /// The convolution of the output's gradient that gives the input's, for stride 1.
    pub fn input_grad(s: &Conv2dShape) -> Correlation {
        Correlation {
            batch: s.batch,
            in_channels: s.out_channels,
            in_size: s.out_size(),
            out_channels: s.in_channels,
            out_size: s.in_size,
            kernel: s.kernel,
            stride: [1, 1],
            dilation: s.dilation,
            groups: s.groups,
            before: [0, 1].map(|d| (s.dilation[d] * (s.kernel[d] - 1)) as isize - s.padding[d][0] as isize),
        }
    }

    /// Channels of one group, in and out.
    pub fn group(&self) -> [usize; 2] {
        [self.in_channels / self.groups, self.out_channels / self.groups]
    }

    /// What of the input lies under a band.
    pub fn window<'a>(&self, input: Input<'a, f32>, band: Band) -> Window<'a> {
        self.window_apart(input, band, self.in_channels)
    }

    /// As [`Correlation::window`], with pixels `pixel` numbers apart.
    pub fn window_apart<'a>(&self, input: Input<'a, f32>, band: Band, pixel: usize) -> Window<'a> {
        let len = self.in_size[0] * self.in_size[1] * self.in_channels;
        let corner = [(band.first * self.stride[0]) as isize - self.before[0], -self.before[1]];
        let size = self.window_size(band);
        let images = Input { values: &input.values[band.image * len..][..band.images * len], ..input };
        Window::new(images, self.in_size, self.in_channels, pixel, corner, size)
    }

    /// Height and width of what of the input lies under a band.
    pub fn window_size(&self, band: Band) -> [usize; 2] {
        let out = [band.rows, self.out_size[1]];
        [0, 1].map(|d| (out[d] - 1) * self.stride[d] + self.dilation[d] * (self.kernel[d] - 1) + 1)
    }

    /// Of a kernel of one pixel without padding: the input from a band's first pixel on, and where in it each pixel lies.
    pub fn pixels<'a>(&self, input: &'a [f32], band: Band) -> (&'a [f32], Vec<usize>) {
        let row_stride = self.in_size[1] * self.in_channels;
        let start = (band.image * self.in_size[0] + band.first * self.stride[0]) * row_stride;
        (&input[start..], self.pixel_offsets(band, self.in_channels, row_stride, self.in_size[0] * row_stride))
    }

    /// The same of a product whose operands are these factors.
    fn of_factors<F: Factor>(&self) -> Correlation {
        match F::PRECISION {
            Precision::F32 => *self,
            Precision::Bf16 => Correlation { in_channels: self.group()[0].div_ceil(2) * self.groups, ..*self },
        }
    }

    /// Where the window of each output pixel of a band starts, in rows of pixels that are `pixel` numbers apart.
    pub fn pixel_offsets(&self, band: Band, pixel: usize, row_stride: usize, image_stride: usize) -> Vec<usize> {
        let (down, right) = (self.stride[0] * row_stride, self.stride[1] * pixel);
        let mut offsets = Vec::with_capacity(band.images * band.rows * self.out_size[1]);
        for image in 0..band.images {
            for y in 0..band.rows {
                let start = image * image_stride + y * down;
                offsets.extend((0..self.out_size[1]).map(|x| start + x * right));
            }
        }
        offsets
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
    let target = Target::current();
    let c = Correlation::forward(s);
    let [ci, co] = c.group();
    let depth = s.kernel[0] * s.kernel[1] * ci;
    let lanes = target.lanes();
    let precision = if s.groups == 1 || ci.is_multiple_of(2) { weight.precision() } else { Precision::F32 };
    let runs = [s.kernel[0] * s.kernel[1], ci];
    let pack = |new: NewBuffer| {
        let groups = weight.values.chunks_exact(co * depth);
        groups.map(|w| Panels::in_precision(precision, new, lanes, runs, co, w)).collect()
    };
    let own;
    let panels = match weight.panels(lanes, precision, pack) {
        Some(panels) => panels,
        None => {
            own = pack(AlignedVec::unspecified);
            &own
        }
    };
    correlate_panels(target, &c, input, panels, bias, epilogue, output);
}

/// The product of `rows` rows, one after another, with a packed matrix of `outputs` columns: a convolution of pixels by themselves.
pub(crate) fn pointwise(
    target: Target,
    [rows, inputs, outputs]: [usize; 3],
    x: &[f32],
    panels: &Panels,
    bias: Option<&[f32]>,
    output: &mut [f32],
) {
    let c = Correlation {
        batch: 1,
        in_channels: inputs,
        in_size: [rows, 1],
        out_channels: outputs,
        out_size: [rows, 1],
        kernel: [1, 1],
        stride: [1, 1],
        dilation: [1, 1],
        groups: 1,
        before: [0, 0],
    };
    let all = std::slice::from_ref(panels);
    correlate_panels(target, &c, x.into(), all, bias, Epilogue::NONE, output);
}

/// [`correlate`] in the precision of the panels.
fn correlate_panels(
    target: Target,
    c: &Correlation,
    input: Input<f32>,
    panels_of_groups: &[Panels],
    bias: Option<&[f32]>,
    epilogue: Epilogue<f32>,
    output: &mut [f32],
) {
    match panels_of_groups[0].precision() {
        Precision::F32 => correlate::<Single>(target, c, input, panels_of_groups, bias, epilogue, None, output),
        Precision::Bf16 => correlate::<Bf16Pair>(target, c, input, panels_of_groups, bias, epilogue, None, output),
    }
}

/// As [`super::conv2d_input_grad`], for stride 1: the convolution with the kernel rotated by 180° and its channels
/// exchanged.
pub fn input_grad(
    s: &Conv2dShape,
    grad_output: &[f32],
    weight: &[f32],
    before_relu: Option<&[f32]>,
    grad_input: &mut [f32],
) {
    assert_eq!(s.stride, [1, 1]);
    let target = Target::current();
    let c = Correlation::input_grad(s);
    let (elements, [co, ci]) = (s.kernel[0] * s.kernel[1], c.group());
    let panels: Vec<Panels> = weight
        .chunks_exact(co * elements * ci)
        .map(|weight| {
            Panels::from_rows(target.lanes(), elements * co, ci, |p| {
                let (element, o) = (elements - 1 - p / co, p % co);
                &weight[(o * elements + element) * ci..]
            })
        })
        .collect();
    correlate::<Single>(target, &c, grad_output.into(), &panels, None, Epilogue::NONE, before_relu, grad_input);
}

fn correlate<F: Factor>(
    target: Target,
    c: &Correlation,
    input: Input<f32>,
    panels_of_groups: &[Panels],
    bias: Option<&[f32]>,
    epilogue: Epilogue<f32>,
    before_relu: Option<&[f32]>,
    output: &mut [f32],
) {
    let [oh, ow] = c.out_size;
    if output.is_empty() {
        return;
    }
    let bands = Bands::of_channels(c.batch, c.out_size, MIN_TASKS, c.in_channels);
    // Small outputs are split by columns as well, so that there is work for several threads. The one that has the smaller bands takes over a part of the others',
    // which must be small for that.
    let widest = panels_of_groups.iter().map(Panels::len).max().unwrap_or(0);
    let tasks = if bands.are_even() { MIN_TASKS } else { 2 * MIN_TASKS };
    let splits = tasks.div_ceil(bands.len()).min(widest).max(1);
    let row = ow * c.out_channels;
    let lanes = target.lanes();
    // Several tasks of a band share what is copied for it.
    let shares = splits > 1 && Patches::are_copied::<F>(c, input, lanes);
    let mut shared: Vec<Option<Patches>> = (0..if shares { bands.len() } else { 0 }).map(|_| None).collect();
    threads::parallel_chunks(&mut shared, 1, |i, patches| {
        patches[0] = Some(Patches::of::<F>(c, input, bands.get(i), target));
    });
    let factors = &c.of_factors::<F>();
    let out = threads::SendPtr(output.as_mut_ptr());
    threads::parallel_for(bands.len() * splits, |task| {
        let (band, split) = (bands.get(task / splits), task % splits);
        let own;
        let patches = match shared.get(task / splits) {
            Some(patches) => patches.as_ref().expect("all are made"),
            None => {
                own = Patches::of::<F>(c, input, band, target);
                &own
            }
        };
        let (start, pixels) = ((band.image * oh + band.first) * row, band.images * band.rows * ow);
        let panels = |len: usize| len * split / splits..len * (split + 1) / splits;
        F::run(
            target,
            Task::<_, F> {
                c: factors,
                patches,
                all: panels_of_groups,
                panels: &panels,
                bias,
                epilogue: epilogue.part(start, pixels * c.out_channels),
                before_relu: before_relu.map(|x| &x[start..][..pixels * c.out_channels]),
                output: out.get().wrapping_add(start),
                factor: PhantomData,
            },
        );
        if epilogue.activation.is_some() {
            activate(c, panels_of_groups, &panels, epilogue, pixels, out.get().wrapping_add(start));
        }
    });
}

/// The activation of what a task has just written: `pixels` of a band from `output` on, and of each the columns of its panels.
fn activate(
    c: &Correlation,
    all: &[Panels],
    panels: &impl Fn(usize) -> Range<usize>,
    epilogue: Epilogue<f32>,
    pixels: usize,
    output: *mut f32,
) {
    let [_, co] = c.group();
    let is_whole = all.iter().all(|group| panels(group.len()) == (0..group.len()));
    let run = |start: usize, values: usize| {
        assert!(start + values <= pixels * c.out_channels);
        // SAFETY: the values lie within the band, as asserted, and are of this task's panels, which nobody else touches.
        epilogue.activate(unsafe { std::slice::from_raw_parts_mut(output.add(start), values) });
    };
    if is_whole {
        return run(0, pixels * c.out_channels);
    }
    for (g, group) in all.iter().enumerate() {
        let range = panels(group.len());
        if range.is_empty() {
            continue;
        }
        let (last, cols, _) = group.get(range.end - 1);
        let (first, end) = (g * co + group.get(range.start).0, g * co + last + cols);
        (0..pixels).for_each(|p| run(p * c.out_channels + first, end - first));
    }
}

struct Task<'a, P, F> {
    /// With channels of `F`.
    c: &'a Correlation,
    patches: &'a Patches<'a>,
    all: &'a [Panels],
    /// Which of a group's panels are this task's, given how many there are.
    panels: &'a P,
    bias: Option<&'a [f32]>,
    epilogue: Epilogue<'a, f32>,
    /// Where this is not above 0, the output becomes 0.
    before_relu: Option<&'a [f32]>,
    /// The band's pixels, of which this task writes the columns of its panels and nobody else does.
    output: *mut f32,
    factor: PhantomData<F>,
}

impl<P: Fn(usize) -> Range<usize>, F: Factor> Kernel for Task<'_, P, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LANES == 16 { self.all::<S, 14, 14, 7>(simd) } else { self.all::<S, 6, 5, 2>(simd) }
    }
}

impl<P: Fn(usize) -> Range<usize>, F: Factor> Task<'_, P, F> {
    /// In tiles of `R` rows, with as many of `LESS` as it takes to have no partial tile, and of `REST` where no more are left.
    #[inline(always)]
    fn all<S: Simd, const R: usize, const LESS: usize, const REST: usize>(self, simd: S) {
        let c = self.c;
        let [ci, co] = c.group();
        let [kh, kw] = c.kernel;
        let down = c.dilation[0] * self.patches.row_stride;
        let right = c.dilation[1] * self.patches.pixel;
        let walk = if c.groups == 1 && right == ci {
            Walk { outer: kh, outer_stride: down, inner: 1, inner_stride: 0, len: kw * ci, step: 1 }
        } else {
            Walk { outer: kh, outer_stride: down, inner: kw, inner_stride: right, len: ci, step: 1 }
        };
        let (offsets, data) = (&self.patches.offsets, self.patches.data());
        let last = offsets[offsets.len() - 1] + (c.groups - 1) * ci;
        assert!(walk.last().is_none_or(|w| last + w < data.len()));
        let is_whole = |x: &[f32]| x.len() == offsets.len() * c.out_channels;
        assert!(self.before_relu.is_none_or(is_whole) && self.epilogue.residual.is_none_or(is_whole));
        for (g, panels) in self.all.iter().enumerate() {
            for j in (self.panels)(panels.len()) {
                let (first, cols, b) = panels.get(j);
                let first = g * co + first;
                assert!(first + cols <= c.out_channels);
                let job = Columns {
                    data: &data[(g * ci).min(data.len())..],
                    offsets,
                    walk: &walk,
                    b,
                    bias: self.bias.map(|bias| &bias[first..][..cols]),
                    before_relu: self.before_relu.map(|x| &x[first..]),
                    residual: self.epilogue.residual.map(|x| &x[first..]),
                    out_stride: c.out_channels,
                    cols,
                };
                // SAFETY: the output has `out_channels` values for each offset, and the columns from `first` on are this
                // task's.
                unsafe {
                    let output = self.output.add(first);
                    job.product::<S, F, R, LESS, REST>(simd, self.epilogue.in_registers(simd), output);
                }
            }
        }
    }
}

/// One panel's columns of a band's product.
struct Columns<'a> {
    data: &'a [f32],
    offsets: &'a [usize],
    walk: &'a Walk,
    b: &'a [f32],
    bias: Option<&'a [f32]>,
    before_relu: Option<&'a [f32]>,
    residual: Option<&'a [f32]>,
    out_stride: usize,
    cols: usize,
}

impl Columns<'_> {
    /// # Safety
    /// `output` must be valid for writing `cols` values at a multiple of `out_stride` for each offset, which nobody else touches.
    #[inline(always)]
    unsafe fn product<S: Simd, F: Factor, const R: usize, const LESS: usize, const REST: usize>(
        &self,
        simd: S,
        epilogue: InRegisters<S>,
        output: *mut f32,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            match (tile::is_narrow(S::LANES, self.cols), tile::ends_in_half(S::LANES, self.cols)) {
                (true, true) => self.tiles::<S, F, true, R, LESS, REST, 1>(simd, epilogue, output),
                (true, false) => self.tiles::<S, F, false, R, LESS, REST, 1>(simd, epilogue, output),
                (false, true) => self.tiles::<S, F, true, R, LESS, REST, 2>(simd, epilogue, output),
                (false, false) => self.tiles::<S, F, false, R, LESS, REST, 2>(simd, epilogue, output),
            }
        }
    }

    /// In tiles of `V` vectors of columns; with `HALF` no column is in the upper half of the last.
    ///
    /// # Safety
    /// As [`Columns::product`].
    #[inline(always)]
    unsafe fn tiles<
        S: Simd,
        F: Factor,
        const HALF: bool,
        const R: usize,
        const LESS: usize,
        const REST: usize,
        const V: usize,
    >(
        &self,
        simd: S,
        epilogue: InRegisters<S>,
        output: *mut f32,
    ) {
        assert!(self.b.len() == self.walk.count() * V * S::LANES && self.cols <= V * S::LANES);
        let pixels = self.offsets.len();
        let reaches = |x: &[f32]| x.len() >= (pixels - 1) * self.out_stride + self.cols;
        assert!(self.before_relu.is_none_or(reaches) && self.residual.is_none_or(reaches));
        let mut bias = [simd.splat(0.0); V];
        if let Some(values) = self.bias {
            // SAFETY: the bias has as many values as are read.
            bias = unsafe { tile::load::<S, 1, V>(simd, values.as_ptr(), 0, 1, values.len().min(self.cols)) }[0];
        }
        let (mut q, mut index, tiles) = (0, 0, pixels.div_ceil(R));
        let of_less = if LESS < R { (tiles * R - pixels) / (R - LESS) } else { 0 };
        while q < pixels {
            let prefetch = Prefetch::of(self.b, V * S::LANES, index, tiles);
            // SAFETY: the caller's promise, with what was asserted above.
            unsafe {
                if pixels - q > REST && index < of_less {
                    self.tile::<S, F, HALF, LESS, V>(simd, epilogue, bias, q, prefetch, output);
                    q += LESS;
                } else if pixels - q > REST {
                    self.tile::<S, F, HALF, R, V>(simd, epilogue, bias, q, prefetch, output);
                    q += R;
                } else {
                    self.tile::<S, F, HALF, REST, V>(simd, epilogue, bias, q, prefetch, output);
                    q += REST;
                }
            }
            index += 1;
        }
    }

    /// The tile whose first row is pixel `q`.
    ///
    /// # Safety
    /// As [`Columns::tiles`], with `b` a panel of `V` vectors for every step of the walk, `before_relu` and the residual as long as the output, and `q` a pixel.
    #[inline(always)]
    unsafe fn tile<S: Simd, F: Factor, const HALF: bool, const R: usize, const V: usize>(
        &self,
        simd: S,
        epilogue: InRegisters<S>,
        bias: [S::F32; V],
        q: usize,
        prefetch: Prefetch,
        output: *mut f32,
    ) {
        let pixels = self.offsets.len();
        let mut rows = [self.data.as_ptr(); R];
        for r in 0..R {
            rows[r] = self.data.as_ptr().wrapping_add(self.offsets[(q + r).min(pixels - 1)]);
        }
        let (at, count) = (q * self.out_stride, R.min(pixels - q));
        // The rows of the residual and of the output are in cache when the sums are done.
        if let Some(x) = self.residual {
            for r in 0..R {
                simd.prefetch(x.as_ptr().wrapping_add(at + r * self.out_stride).cast());
            }
        }
        for r in 0..R {
            simd.prefetch(output.wrapping_add(at + r * self.out_stride).cast_const().cast());
        }
        // SAFETY: every offset plus the walk's last lies within `data`, as the caller asserts, and `b` has a row
        // of `V` vectors for every step of the walk; `before_relu` and the residual are as long as the output from here on.
        unsafe {
            let (b, step) = (self.b.as_ptr(), V * S::LANES);
            let mut acc =
                tile::multiply_prefetching::<S, F, HALF, R, V>(simd, &rows, self.walk, b, step, [bias; R], prefetch);
            if let Some(x) = self.residual {
                let x = tile::load::<S, R, V>(simd, x.as_ptr().add(at), self.out_stride, count, self.cols);
                for r in 0..R {
                    for v in 0..V {
                        acc[r][v] = epilogue.of(simd, acc[r][v], Some(x[r][v]));
                    }
                }
            } else {
                for r in 0..R {
                    for v in 0..V {
                        acc[r][v] = epilogue.of(simd, acc[r][v], None);
                    }
                }
            }
            if let Some(x) = self.before_relu {
                let x = tile::load::<S, R, V>(simd, x.as_ptr().add(at), self.out_stride, count, self.cols);
                for r in 0..R {
                    for v in 0..V {
                        acc[r][v] = simd.zero_unless_positive(x[r][v], acc[r][v]);
                    }
                }
            }
            tile::store(simd, &acc, output.add(at), self.out_stride, count, self.cols);
        }
    }
}

/// The product of some pixels with columns of one pointwise convolution, on the calling thread.
pub(super) struct RowProduct<'a> {
    pub data: &'a [f32],
    /// Where each pixel begins.
    pub offsets: &'a [usize],
    pub panels: &'a Panels,
    /// Those of whole panels.
    pub columns: Range<usize>,
    /// Of all columns.
    pub bias: Option<&'a [f32]>,
    pub epilogue: Epilogue<'a, f32>,
    /// The distance of two pixels of the output, which has the columns alone.
    pub stride: usize,
    pub output: &'a mut [f32],
}

impl RowProduct<'_> {
    pub fn run(mut self, target: Target) {
        target.run(Panelwise(&mut self));
        if self.epilogue.activation.is_some() {
            self.epilogue.activate(self.output);
        }
    }
}

struct Panelwise<'a, 'b>(&'a mut RowProduct<'b>);

impl Kernel for Panelwise<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LANES == 16 { self.all::<S, 14, 14, 7>(simd) } else { self.all::<S, 6, 5, 2>(simd) }
    }
}

impl Panelwise<'_, '_> {
    #[inline(always)]
    fn all<S: Simd, const R: usize, const LESS: usize, const REST: usize>(self, simd: S) {
        let product = self.0;
        let walk = Walk::run(product.panels.depth(), 1);
        let furthest = product.offsets.iter().max().copied().unwrap_or(0);
        assert!(!product.offsets.is_empty() && furthest + walk.len <= product.data.len());
        let epilogue = product.epilogue.in_registers(simd);
        let Range { start, end } = product.columns;
        let width = tile::tile_cols(S::LANES);
        assert!(start.is_multiple_of(width));
        for j in start / width..end.div_ceil(width) {
            let (first, cols, b) = product.panels.get(j);
            let (pixels, to) = (product.offsets.len(), first - start);
            assert!(first + cols <= end && to + cols <= product.stride);
            assert!((pixels - 1) * product.stride + to + cols <= product.output.len());
            let job = Columns {
                data: product.data,
                offsets: product.offsets,
                walk: &walk,
                b,
                bias: product.bias.map(|bias| &bias[first..][..cols]),
                before_relu: None,
                residual: product.epilogue.residual.map(|x| &x[to..]),
                out_stride: product.stride,
                cols,
            };
            // SAFETY: the output has `cols` values at each pixel from `to` on, as asserted, and is borrowed exclusively; every pixel has `depth` values.
            unsafe {
                let output = product.output.as_mut_ptr().add(to);
                job.product::<S, Single, R, LESS, REST>(simd, epilogue, output);
            }
        }
    }
}
