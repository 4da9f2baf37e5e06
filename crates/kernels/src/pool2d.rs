//! Maximum and average pooling of images, channels last: [batch, height, width, channels].

mod max_rows;

use crate::Element;
use crate::float::Float;
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::strided::{CHUNK, parallel_parts};
use crate::threads::parallel_chunks;

/// Channels that are pooled together.
const LANES: usize = 16;

/// Above this many positions in a window, gradients go to their places one by one instead of by masks.
const MASKS: usize = 16;

/// The sizes of a pooling. Pairs are [height, width].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2dShape {
    /// Images.
    pub batch: usize,
    /// Channels of the input and the output.
    pub channels: usize,
    /// Size of an input image.
    pub in_size: [usize; 2],
    /// Size of a window.
    pub kernel: [usize; 2],
    /// Steps between windows.
    pub stride: [usize; 2],
    /// Added on both sides.
    pub padding: [usize; 2],
    /// Steps between the positions of a window.
    pub dilation: [usize; 2],
    /// Whether a window may reach beyond the padded image, so that no pixel is left out.
    pub ceil_mode: bool,
}

/// The positions `low..high` of a window that lie in the image; position `k` is at `origin + k · dilation`.
#[derive(Clone, Copy)]
struct Window {
    low: usize,
    high: usize,
    origin: isize,
}

impl Pool2dShape {
    /// The size of an output image: that of PyTorch's pooling, where the last window starts in the image or in the padding
    /// before it.
    ///
    /// # Panics
    /// If a window is larger than the padded image, the padding is more than half a window, or a size is 0.
    pub fn out_size(&self) -> [usize; 2] {
        [0, 1].map(|d| {
            let (stride, padding) = (self.stride[d], self.padding[d]);
            assert!(self.kernel[d] > 0 && stride > 0 && self.dilation[d] > 0, "pool2d: a size of 0 in {self:?}");
            let window = self.dilation[d] * (self.kernel[d] - 1) + 1;
            let padded = self.in_size[d] + 2 * padding;
            assert!(2 * padding <= window, "pool2d: the padding is more than half a window in {self:?}");
            assert!(window <= padded, "pool2d: a window is larger than the padded image in {self:?}");
            let n = (padded - window + if self.ceil_mode { stride - 1 } else { 0 }) / stride + 1;
            if self.ceil_mode && (n - 1) * stride >= self.in_size[d] + padding { n - 1 } else { n }
        })
    }

    /// The number of input elements.
    pub fn input_len(&self) -> usize {
        self.batch * self.in_size[0] * self.in_size[1] * self.channels
    }

    /// The number of output elements.
    pub fn output_len(&self) -> usize {
        let [h, w] = self.out_size();
        self.batch * h * w * self.channels
    }

    fn window(&self, d: usize, out: usize) -> Window {
        let dilation = self.dilation[d] as isize;
        let origin = (out * self.stride[d]) as isize - self.padding[d] as isize;
        let ceil = |x: isize| if x <= 0 { 0 } else { ((x + dilation - 1) / dilation) as usize };
        let high = ceil(self.in_size[d] as isize - origin).min(self.kernel[d]);
        Window { low: ceil(-origin).min(high), high, origin }
    }

    /// Where position `k` of a window lies; `k` must be in `low..high`.
    fn at(&self, d: usize, window: Window, k: usize) -> usize {
        (window.origin + (k * self.dilation[d]) as isize) as usize
    }

    /// Lists the number and the place of each position of a window that lies in the image.
    fn list(&self, y: Window, x: Window, positions: &mut Vec<(i32, usize)>) {
        positions.clear();
        for ky in y.low..y.high {
            let row = self.at(0, y, ky) * self.in_size[1];
            for kx in x.low..x.high {
                positions.push(((ky * self.kernel[1] + kx) as i32, (row + self.at(1, x, kx)) * self.channels));
            }
        }
    }

    /// What average pooling divides by.
    fn divisor(&self, count_include_pad: bool, y: Window, x: Window) -> usize {
        if !count_include_pad {
            return (y.high - y.low) * (x.high - x.low);
        }
        // What `ceil_mode` adds beyond the padding does not count.
        let size = |d: usize, w: Window| {
            let end = (w.origin + self.kernel[d] as isize).min((self.in_size[d] + self.padding[d]) as isize);
            (end - w.origin) as usize
        };
        size(0, y) * size(1, x)
    }

    fn check_lens(&self, op: &str, input: usize, outputs: [usize; 2]) {
        assert_eq!(input, self.input_len(), "{op}: {input} input elements do not fit {self:?}");
        assert_eq!(outputs, [self.output_len(); 2], "{op}: {outputs:?} output elements do not fit {self:?}");
    }
}

/// The type that keeps a position in a window, `ky · kernel width + kx`.
pub trait WindowIndex: Element {
    /// How many positions it can tell apart, besides none.
    const LIMIT: usize;
    /// What stands for no position: a window whose gradient goes nowhere.
    const NONE: i32;
    /// From a position.
    fn from_position(position: i32) -> Self;
    /// To a position.
    fn to_position(self) -> i32;
    /// The slice itself, if the type is a byte.
    fn as_bytes_mut(_: &mut [Self]) -> Option<&mut [u8]> {
        None
    }
}

impl WindowIndex for u8 {
    const LIMIT: usize = 255;
    const NONE: i32 = 255;
    #[inline(always)]
    fn from_position(position: i32) -> u8 {
        position as u8
    }
    #[inline(always)]
    fn to_position(self) -> i32 {
        self as i32
    }
    fn as_bytes_mut(index: &mut [u8]) -> Option<&mut [u8]> {
        Some(index)
    }
}

impl WindowIndex for i64 {
    const LIMIT: usize = i32::MAX as usize;
    const NONE: i32 = i32::MAX;
    #[inline(always)]
    fn from_position(position: i32) -> i64 {
        position as i64
    }
    #[inline(always)]
    fn to_position(self) -> i32 {
        self as i32
    }
}

fn check_index<I: WindowIndex>(s: &Pool2dShape) {
    let n = s.kernel[0] * s.kernel[1];
    assert!(n <= I::LIMIT, "max_pool2d: the index type cannot hold the {n} positions of a window");
}

/// Calls `$block::<LANES>` for groups of channels and `$block::<1>` for the rest.
macro_rules! by_lanes {
    ($channels:expr, $block:ident, |$c:ident| ($($arg:expr),*)) => {{
        let whole = $channels / LANES * LANES;
        for $c in (0..whole).step_by(LANES) {
            $block::<_, _, LANES>($($arg),*);
        }
        for $c in whole..$channels {
            $block::<_, _, 1>($($arg),*);
        }
    }};
}

struct MaxRows<'a, T, I> {
    s: &'a Pool2dShape,
    relu: bool,
    /// The first output row, counted over all images.
    first: usize,
    out_size: [usize; 2],
    x: &'a [T],
    out: &'a mut [T],
    argmax: &'a mut [I],
}

#[inline(always)]
fn max_block<T: Float, I: WindowIndex, const L: usize>(
    positions: &[(i32, usize)],
    relu: bool,
    x: &[T],
    out: &mut [T],
    argmax: &mut [I],
) {
    let mut best = [T::NEG_INFINITY; L];
    let mut position = [positions.first().map_or(0, |p| p.0); L];
    for &(k, at) in positions {
        let values = &x[at..at + L];
        for j in 0..L {
            let better = (values[j] > best[j]) | values[j].is_nan();
            best[j] = if better { values[j] } else { best[j] };
            position[j] = if better { k } else { position[j] };
        }
    }
    if relu {
        for j in 0..L {
            let dead = best[j] <= T::ZERO;
            best[j] = best[j].masked(!dead);
            position[j] = if dead { I::NONE } else { position[j] };
        }
    }
    out[..L].copy_from_slice(&best);
    for (argmax, position) in argmax[..L].iter_mut().zip(position) {
        *argmax = I::from_position(position);
    }
}

impl<T: Float, I: WindowIndex> Kernel for MaxRows<'_, T, I> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let MaxRows { s, relu, first, out_size: [oh, ow], x, out, argmax } = self;
        if let (Some(x), Some(out), Some(argmax)) = (T::as_f32(x), T::as_f32_mut(out), I::as_bytes_mut(argmax)) {
            return max_rows::max_rows(simd, s, relu, first, x, out, argmax);
        }
        let c = s.channels;
        let image = s.in_size[0] * s.in_size[1] * c;
        let mut positions = Vec::new();
        for (r, (out, argmax)) in out.chunks_mut(ow * c).zip(argmax.chunks_mut(ow * c)).enumerate() {
            let x = &x[(first + r) / oh * image..][..image];
            let y = s.window(0, (first + r) % oh);
            for ox in 0..ow {
                s.list(y, s.window(1, ox), &mut positions);
                let (out, argmax) = (&mut out[ox * c..][..c], &mut argmax[ox * c..][..c]);
                by_lanes!(c, max_block, |j| (&positions, relu, &x[j..], &mut out[j..], &mut argmax[j..]));
            }
        }
    }
}

/// The largest value of each window, and its position in the window; padding never wins. As in PyTorch, the first of several
/// equals is taken, and NaN, the last of several, before all numbers.
///
/// With `relu` it is the pooling of max(x, 0): a window without anything above 0 has no position, so that its gradient is lost.
///
/// # Panics
/// If a length does not fit, as [`Pool2dShape::out_size`] does, or if `I` cannot hold the positions of a window.
pub fn max_pool2d<T: Float, I: WindowIndex>(s: &Pool2dShape, x: &[T], relu: bool, out: &mut [T], argmax: &mut [I]) {
    s.check_lens("max_pool2d", x.len(), [out.len(), argmax.len()]);
    check_index::<I>(s);
    if out.is_empty() {
        return;
    }
    let out_size = s.out_size();
    let row = out_size[1] * s.channels;
    let per_task = (CHUNK / (row * s.kernel[0] * s.kernel[1])).max(1);
    let parts = out.chunks_mut(per_task * row).zip(argmax.chunks_mut(per_task * row));
    parallel_parts(parts, |i, (out, argmax)| {
        T::dispatch(MaxRows { s, relu, first: i * per_task, out_size, x, out, argmax })
    });
}

struct MaxGradImages<'a, T, I> {
    s: &'a Pool2dShape,
    first: usize,
    out_size: [usize; 2],
    /// Whether the windows cover every pixel exactly once.
    tiled: bool,
    grad_out: &'a [T],
    argmax: &'a [I],
    grad_x: &'a mut [T],
}

#[inline(always)]
fn max_grad_block<T: Float, I: WindowIndex, const L: usize>(
    positions: &[(i32, usize)],
    tiled: bool,
    grad: &[T],
    argmax: &[I],
    grad_x: &mut [T],
) {
    let grad = &grad[..L];
    let mut position = [0; L];
    for (position, argmax) in position.iter_mut().zip(&argmax[..L]) {
        *position = argmax.to_position();
    }
    for &(k, at) in positions {
        let grad_x = &mut grad_x[at..at + L];
        for j in 0..L {
            let g = grad[j].masked(position[j] == k);
            grad_x[j] = if tiled { g } else { grad_x[j] + g };
        }
    }
}

/// As [`max_grad_block`], of any number of channels.
#[inline(always)]
fn max_grad_rest<T: Float, I: WindowIndex>(
    positions: &[(i32, usize)],
    tiled: bool,
    grad: &[T],
    argmax: &[I],
    grad_x: &mut [T],
) {
    for &(k, at) in positions {
        let grad_x = &mut grad_x[at..at + grad.len()];
        for ((grad_x, grad), position) in grad_x.iter_mut().zip(grad).zip(argmax) {
            let g = grad.masked(position.to_position() == k);
            *grad_x = if tiled { g } else { *grad_x + g };
        }
    }
}

impl<T: Float, I: WindowIndex> MaxGradImages<'_, T, I> {
    /// Adds each gradient to its place.
    fn scatter(s: &Pool2dShape, windows: [Window; 2], grad: &[T], argmax: &[I], grad_x: &mut [T]) {
        let [y, x] = windows;
        for (j, (g, k)) in grad.iter().zip(argmax).enumerate() {
            let k = k.to_position() as usize;
            let (ky, kx) = (k / s.kernel[1], k % s.kernel[1]);
            if (y.low..y.high).contains(&ky) && (x.low..x.high).contains(&kx) {
                grad_x[(s.at(0, y, ky) * s.in_size[1] + s.at(1, x, kx)) * s.channels + j] += *g;
            }
        }
    }
}

impl<T: Float, I: WindowIndex> Kernel for MaxGradImages<'_, T, I> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let MaxGradImages { s, first, out_size: [oh, ow], tiled, grad_out, argmax, grad_x } = self;
        let c = s.channels;
        let (image, out_image) = (s.in_size[0] * s.in_size[1] * c, oh * ow * c);
        let whole = c / LANES * LANES;
        let columns: Vec<Window> = (0..ow).map(|ox| s.window(1, ox)).collect();
        let mut positions = Vec::new();
        for (i, grad_x) in grad_x.chunks_mut(image).enumerate() {
            if !tiled {
                grad_x.fill(T::ZERO);
            }
            for oy in 0..oh {
                let y = s.window(0, oy);
                for (ox, &x) in columns.iter().enumerate() {
                    let at = (first + i) * out_image + (oy * ow + ox) * c;
                    let (grad, argmax) = (&grad_out[at..at + c], &argmax[at..at + c]);
                    if s.kernel[0] * s.kernel[1] > MASKS {
                        Self::scatter(s, [y, x], grad, argmax, grad_x);
                        continue;
                    }
                    s.list(y, x, &mut positions);
                    for j in (0..whole).step_by(LANES) {
                        max_grad_block::<_, _, LANES>(&positions, tiled, &grad[j..], &argmax[j..], &mut grad_x[j..]);
                    }
                    if whole < c {
                        let (grad, argmax) = (&grad[whole..], &argmax[whole..]);
                        max_grad_rest(&positions, tiled, grad, argmax, &mut grad_x[whole..]);
                    }
                }
            }
        }
    }
}

/// The gradient of [`max_pool2d`]'s input, written in full: each output's gradient goes to the position in `argmax`.
///
/// # Panics
/// If a length does not fit, as [`Pool2dShape::out_size`] does, or if `I` cannot hold the positions of a window.
pub fn max_pool2d_grad<T: Float, I: WindowIndex>(s: &Pool2dShape, grad_out: &[T], argmax: &[I], grad_x: &mut [T]) {
    s.check_lens("max_pool2d", grad_x.len(), [grad_out.len(), argmax.len()]);
    check_index::<I>(s);
    if grad_x.is_empty() {
        return;
    }
    let out_size = s.out_size();
    let tiled = s.padding == [0, 0]
        && s.dilation == [1, 1]
        && s.kernel == s.stride
        && s.kernel[0] * s.kernel[1] <= MASKS
        && (0..2).all(|d| out_size[d] * s.stride[d] == s.in_size[d]);
    let image = s.in_size[0] * s.in_size[1] * s.channels;
    let per_task = (CHUNK / image).max(1);
    parallel_chunks(grad_x, per_task * image, |i, grad_x| {
        T::dispatch(MaxGradImages { s, first: i * per_task, out_size, tiled, grad_out, argmax, grad_x })
    });
}

struct AvgRows<'a, T> {
    s: &'a Pool2dShape,
    count_include_pad: bool,
    first: usize,
    out_size: [usize; 2],
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Kernel for AvgRows<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let AvgRows { s, count_include_pad, first, out_size: [oh, ow], x, out } = self;
        let c = s.channels;
        let image = s.in_size[0] * s.in_size[1] * c;
        let mut positions = Vec::new();
        for (r, out) in out.chunks_mut(ow * c).enumerate() {
            let x = &x[(first + r) / oh * image..][..image];
            let y = s.window(0, (first + r) % oh);
            for (ox, out) in out.chunks_mut(c).enumerate() {
                let xs = s.window(1, ox);
                out.fill(T::ZERO);
                s.list(y, xs, &mut positions);
                for &(_, at) in &positions {
                    for (out, x) in out.iter_mut().zip(&x[at..at + c]) {
                        *out += *x;
                    }
                }
                let divisor = T::from_f64(s.divisor(count_include_pad, y, xs) as f64);
                for out in out.iter_mut() {
                    *out /= divisor;
                }
            }
        }
    }
}

fn check_avg(s: &Pool2dShape) {
    assert_eq!(s.dilation, [1, 1], "avg_pool2d: has no dilation, in {s:?}");
}

/// The mean of each window. With `count_include_pad` the padding counts as zeros, otherwise not at all.
///
/// # Panics
/// If a length does not fit, as [`Pool2dShape::out_size`] does, or if the dilation is not 1.
pub fn avg_pool2d<T: Float>(s: &Pool2dShape, count_include_pad: bool, x: &[T], out: &mut [T]) {
    s.check_lens("avg_pool2d", x.len(), [out.len(); 2]);
    check_avg(s);
    if out.is_empty() {
        return;
    }
    let out_size = s.out_size();
    let row = out_size[1] * s.channels;
    let per_task = (CHUNK / (row * s.kernel[0] * s.kernel[1])).max(1);
    parallel_chunks(out, per_task * row, |i, out| {
        T::dispatch(AvgRows { s, count_include_pad, first: i * per_task, out_size, x, out })
    });
}

struct AvgGradImages<'a, T> {
    s: &'a Pool2dShape,
    count_include_pad: bool,
    first: usize,
    out_size: [usize; 2],
    grad_out: &'a [T],
    grad_x: &'a mut [T],
}

impl<T: Float> Kernel for AvgGradImages<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let AvgGradImages { s, count_include_pad, first, out_size: [oh, ow], grad_out, grad_x } = self;
        let c = s.channels;
        let mut positions = Vec::new();
        for (i, grad_x) in grad_x.chunks_mut(s.in_size[0] * s.in_size[1] * c).enumerate() {
            grad_x.fill(T::ZERO);
            for (oy, ox) in (0..oh).flat_map(|oy| (0..ow).map(move |ox| (oy, ox))) {
                let (y, x) = (s.window(0, oy), s.window(1, ox));
                let grad = &grad_out[(((first + i) * oh + oy) * ow + ox) * c..][..c];
                let divisor = T::from_f64(s.divisor(count_include_pad, y, x) as f64);
                s.list(y, x, &mut positions);
                for &(_, at) in &positions {
                    for (out, g) in grad_x[at..at + c].iter_mut().zip(grad) {
                        *out += *g / divisor;
                    }
                }
            }
        }
    }
}

/// The gradient of [`avg_pool2d`]'s input, written in full.
///
/// # Panics
/// If a length does not fit, as [`Pool2dShape::out_size`] does, or if the dilation is not 1.
pub fn avg_pool2d_grad<T: Float>(s: &Pool2dShape, count_include_pad: bool, grad_out: &[T], grad_x: &mut [T]) {
    s.check_lens("avg_pool2d", grad_x.len(), [grad_out.len(); 2]);
    check_avg(s);
    if grad_x.is_empty() {
        return;
    }
    let out_size = s.out_size();
    let image = s.in_size[0] * s.in_size[1] * s.channels;
    let per_task = (CHUNK / image).max(1);
    parallel_chunks(grad_x, per_task * image, |i, grad_x| {
        T::dispatch(AvgGradImages { s, count_include_pad, first: i * per_task, out_size, grad_out, grad_x })
    });
}

#[cfg(test)]
mod tests;
