//! Convolution as a product of matrices whose left one, the patches, is never written out.
//!
//! In NHWC the elements under one kernel row are adjacent in memory, so the register tile reads patches where they lie.

use super::window::{Window, band_rows};
use super::{Conv2dShape, Input, zero_unless_positive};
use crate::gemm::tile::{self, MAX_ROWS, Panels, Walk};
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::target::Target;
use crate::threads;

/// A convolution as this algorithm sees it: the input gradient with stride 1 is one as well.
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

    /// The rectangle of the input under `rows` output rows from `first` on, in image `image` of `input`.
    pub fn window<'a>(&self, input: Input<'a, f32>, image: usize, first: usize, rows: usize) -> Window<'a> {
        let len = self.in_size[0] * self.in_size[1] * self.in_channels;
        let corner = [(first * self.stride[0]) as isize - self.before[0], -self.before[1]];
        let out = [rows, self.out_size[1]];
        let size = [0, 1].map(|d| (out[d] - 1) * self.stride[d] + self.dilation[d] * (self.kernel[d] - 1) + 1);
        let image = Input { values: &input.values[image * len..][..len], ..input };
        Window::new(image, self.in_size, self.in_channels, corner, size)
    }
}

/// Packs the weights of each group: panel rows in the order (ky, kx, channel), `at(o, ky, kx, c)` within a group.
fn pack(c: &Correlation, lanes: usize, at: impl Fn(usize, usize, usize, usize, usize) -> f32) -> Vec<Panels> {
    let [ci, co] = c.group();
    let [kh, kw] = c.kernel;
    (0..c.groups)
        .map(|g| Panels::pack(lanes, kh * kw * ci, co, |p, o| at(g, o, p / ci / kw, p / ci % kw, p % ci)))
        .collect()
}

/// As [`super::conv2d`].
pub fn forward(s: &Conv2dShape, input: Input<f32>, weight: &[f32], bias: Option<&[f32]>, output: &mut [f32]) {
    let target = Target::current();
    let c = Correlation::forward(s);
    let ([kh, kw], [ci, co]) = (s.kernel, c.group());
    let panels = pack(&c, target.lanes(), |g, o, ky, kx, i| weight[(((g * co + o) * kh + ky) * kw + kx) * ci + i]);
    correlate(target, &c, input, &panels, bias, None, output);
}

/// As [`super::conv2d_input_grad`], for stride 1: the convolution with the kernel turned around and its channels
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
    let ([kh, kw], [co, ci]) = (s.kernel, c.group());
    let panels = pack(&c, target.lanes(), |g, i, ky, kx, o| {
        weight[(((g * co + o) * kh + kh - 1 - ky) * kw + kw - 1 - kx) * ci + i]
    });
    correlate(target, &c, grad_output.into(), &panels, None, before_relu, grad_input);
}

fn correlate(
    target: Target,
    c: &Correlation,
    input: Input<f32>,
    panels: &[Panels],
    bias: Option<&[f32]>,
    before_relu: Option<&[f32]>,
    output: &mut [f32],
) {
    let [oh, ow] = c.out_size;
    if output.is_empty() {
        return;
    }
    let rows = band_rows(c.out_size);
    let bands = oh.div_ceil(rows);
    let image = oh * ow * c.out_channels;
    let out = threads::SendPtr(output.as_mut_ptr());
    threads::parallel_for(c.batch * bands, |task| {
        let (n, first) = (task / bands, task % bands * rows);
        let rows = rows.min(oh - first);
        let (start, len) = (n * image + first * ow * c.out_channels, rows * ow * c.out_channels);
        // SAFETY: bands of different tasks do not overlap and lie within `output`, which is borrowed exclusively.
        let output = unsafe { std::slice::from_raw_parts_mut(out.get().add(start), len) };
        let before_relu = before_relu.map(|x| &x[start..][..len]);
        target.run(Band { c, window: c.window(input, n, first, rows), rows, panels, bias, before_relu, output });
    });
}

struct Band<'a> {
    c: &'a Correlation,
    window: Window<'a>,
    rows: usize,
    panels: &'a [Panels],
    bias: Option<&'a [f32]>,
    /// Where this is not above 0, the output becomes 0.
    before_relu: Option<&'a [f32]>,
    output: &'a mut [f32],
}

impl Kernel for Band<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LANES == 16 { self.all::<S, MAX_ROWS>(simd) } else { self.all::<S, 6>(simd) }
    }
}

/// Where the window of each output pixel of a band starts.
pub(super) fn pixel_offsets(c: &Correlation, rows: usize, row_stride: usize) -> Vec<usize> {
    let step = c.stride[1] * c.in_channels;
    (0..rows).flat_map(|y| (0..c.out_size[1]).map(move |x| y * c.stride[0] * row_stride + x * step)).collect()
}

impl Band<'_> {
    #[inline(always)]
    fn all<S: Simd, const R: usize>(self, simd: S) {
        let c = self.c;
        let [ci, co] = c.group();
        let [kh, kw] = c.kernel;
        let row_stride = self.window.row_stride();
        let down = c.dilation[0] * row_stride;
        let walk = if c.groups == 1 && c.dilation[1] == 1 {
            Walk { outer: kh, outer_stride: down, inner: 1, inner_stride: 0, len: kw * ci, step: 1 }
        } else {
            let right = c.dilation[1] * c.in_channels;
            Walk { outer: kh, outer_stride: down, inner: kw, inner_stride: right, len: ci, step: 1 }
        };
        let offsets = pixel_offsets(c, self.rows, row_stride);
        let data = self.window.data();
        let last = offsets[offsets.len() - 1] + (c.groups - 1) * ci;
        assert!(walk.last().is_none_or(|w| last + w < data.len()));
        assert!(self.output.len() == offsets.len() * c.out_channels);
        for (g, panels) in self.panels.iter().enumerate() {
            for j in 0..panels.len() {
                let (first, cols, b) = panels.get(j);
                let first = g * co + first;
                let job = Columns {
                    data: &data[(g * ci).min(data.len())..],
                    offsets: &offsets,
                    walk: &walk,
                    b,
                    bias: self.bias.map(|bias| &bias[first..][..cols]),
                    out_stride: c.out_channels,
                    first,
                    cols,
                };
                if tile::is_narrow(S::LANES, cols) {
                    job.tiles::<S, R, 1>(simd, self.output)
                } else {
                    job.tiles::<S, R, 2>(simd, self.output)
                }
            }
        }
        if let Some(x) = self.before_relu {
            zero_unless_positive(x, self.output);
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
    out_stride: usize,
    first: usize,
    cols: usize,
}

impl Columns<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const R: usize, const V: usize>(&self, simd: S, output: &mut [f32]) {
        assert!(self.b.len() == self.walk.count() * V * S::LANES && self.cols <= V * S::LANES);
        let mut start = [[simd.splat(0.0); V]; R];
        if let Some(bias) = self.bias {
            // SAFETY: the bias has `cols` values.
            let row = unsafe { tile::load::<S, 1, V>(simd, bias.as_ptr(), 0, 1, bias.len().min(self.cols)) };
            start = [row[0]; R];
        }
        let pixels = self.offsets.len();
        for q in (0..pixels).step_by(R) {
            let mut rows = [self.data.as_ptr(); R];
            for r in 0..R {
                rows[r] = self.data.as_ptr().wrapping_add(self.offsets[(q + r).min(pixels - 1)]);
            }
            // SAFETY: every offset plus the walk's last lies within `data`, as the caller asserts, and `b` has a row
            // of `V` vectors for every step of the walk.
            let acc = unsafe { tile::multiply(simd, &rows, self.walk, self.b.as_ptr(), V * S::LANES, start) };
            let to = &mut output[q * self.out_stride + self.first..];
            let count = R.min(pixels - q);
            assert!(to.len() >= (count - 1) * self.out_stride + self.cols);
            // SAFETY: just asserted.
            unsafe { tile::store(simd, &acc, to.as_mut_ptr(), self.out_stride, count, self.cols) };
        }
    }
}
