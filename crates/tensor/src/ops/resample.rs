//! Ops that are sparse linear maps along dimensions: padding with what is there, interpolation, adaptive pooling.

use crate::array::Array;
use crate::autograd::record;
use crate::backend::{Pool2dOptions, Taps};
use crate::ops::hints::check_images;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// What lies outside an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PaddingMode {
    /// Zeros.
    #[default]
    Zeros,
    /// The image mirrored at its outermost pixel, which is not repeated.
    Reflect,
    /// The outermost pixel.
    Replicate,
    /// The image again, from its other side.
    Circular,
}

impl From<&str> for PaddingMode {
    /// # Panics
    /// If the name is none of `zeros`, `reflect`, `replicate` and `circular`.
    fn from(name: &str) -> Self {
        match name {
            "zeros" => PaddingMode::Zeros,
            "reflect" => PaddingMode::Reflect,
            "replicate" => PaddingMode::Replicate,
            "circular" => PaddingMode::Circular,
            _ => panic!("padding mode '{name}' is not one of 'zeros', 'reflect', 'replicate' and 'circular'"),
        }
    }
}

/// How pixels between pixels are made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The pixel before (`nearest`).
    Nearest,
    /// The pixel whose centre is nearest (`nearest-exact`).
    NearestExact,
    /// Straight lines between the two pixels around, in each dimension.
    Bilinear {
        /// Whether the centres of the corner pixels stay corners, rather than the pixels' edges.
        align_corners: bool,
    },
    /// Cubic curves through the four pixels around, in each dimension (Keys, 1981, with a = −3/4).
    Bicubic {
        /// As for `Bilinear`.
        align_corners: bool,
    },
}

/// The size of an interpolated image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resize {
    /// Height and width.
    Size([usize; 2]),
    /// What to multiply height and width with; the products are rounded down.
    ScaleFactor([f64; 2]),
}

impl From<[usize; 2]> for Resize {
    fn from(size: [usize; 2]) -> Self {
        Resize::Size(size)
    }
}

impl From<f64> for Resize {
    fn from(factor: f64) -> Self {
        Resize::ScaleFactor([factor; 2])
    }
}

/// The pixel that stands at `i` of the padded dimension, counted from the start of the image of `size` pixels.
fn outside(mode: PaddingMode, i: isize, size: usize) -> usize {
    let last = size as isize - 1;
    let at = match mode {
        PaddingMode::Reflect => last - (last - i.abs()).abs(),
        PaddingMode::Circular => i.rem_euclid(size as isize),
        PaddingMode::Replicate | PaddingMode::Zeros => i.clamp(0, last),
    };
    at as usize
}

/// Weights of the pixels around `source`, which may be out of range and then stand for the outermost pixel.
fn cubic(t: f64) -> [f64; 4] {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}

/// The weights of one dimension; `factor` is the scale factor, if the size was given by one.
fn interpolation(mode: Interpolation, size: usize, out: usize, factor: Option<f64>) -> Taps {
    let scale = factor.map_or(size as f64 / out as f64, |f| 1.0 / f);
    let last = size - 1;
    let source = |i: usize, align_corners: bool| {
        if align_corners {
            if out > 1 { i as f64 * (last as f64 / (out - 1) as f64) } else { 0.0 }
        } else {
            (i as f64 + 0.5) * scale - 0.5
        }
    };
    let row = |i: usize| match mode {
        // As in PyTorch, whatever the factor was that gave these sizes.
        Interpolation::Nearest if out == size || out == 2 * size => vec![(i * size / out, 1.0)],
        Interpolation::Nearest => vec![(((i as f64 * scale) as usize).min(last), 1.0)],
        Interpolation::NearestExact => vec![((((i as f64 + 0.5) * scale) as usize).min(last), 1.0)],
        Interpolation::Bilinear { .. } if size == out => vec![(i, 1.0)],
        Interpolation::Bilinear { align_corners } => {
            let x = source(i, align_corners).max(0.0);
            let first = (x as usize).min(last);
            let t = (x - first as f64).min(1.0);
            vec![(first, 1.0 - t), ((first + 1).min(last), t)]
        }
        Interpolation::Bicubic { align_corners } => {
            let x = source(i, align_corners);
            let first = x.floor().min(last as f64);
            let weights = cubic((x - first).min(1.0));
            (0..4).map(|k| ((first as isize - 1 + k).clamp(0, last as isize) as usize, weights[k as usize])).collect()
        }
    };
    Taps::new(size, (0..out).map(row))
}

/// The window `start..end` of output `i` (`torch.nn.AdaptiveAvgPool2d`).
fn window(i: usize, size: usize, out: usize) -> std::ops::Range<usize> {
    i * size / out..((i + 1) * size).div_ceil(out)
}

impl Tensor {
    /// Applies each matrix along its dimension.
    fn resampled(self, op: &'static str, steps: Vec<(usize, Taps)>) -> Tensor {
        if steps.is_empty() {
            return self;
        }
        let (x, node) = self.into_parts();
        record(op, x.place().resample(op, x, &steps), [node], move |_| {
            move |g: Array, _| {
                let back: Vec<_> = steps.iter().rev().map(|(d, taps)| (*d, taps.transposed())).collect();
                [Some(g.place().resample(op, g, &back))]
            }
        })
    }

    /// Pads the last dimensions with what `mode` says: `padding[0]` is for the last one, before and after, as in
    /// `torch.nn.functional.pad`.
    ///
    /// # Panics
    /// If there are more pairs than dimensions, or more padding than the mode can fill: `reflect` has less than the size of the
    /// dimension, `circular` no more than it.
    pub fn pad_mode(self, padding: &[[usize; 2]], mode: PaddingMode) -> Tensor {
        if mode == PaddingMode::Zeros {
            return self.pad(padding, 0.0);
        }
        let shape = self.shape_value();
        let rank = shape.rank();
        assert!(padding.len() <= rank, "pad: {} pairs for shape {shape}", padding.len());
        let mut steps = Vec::new();
        for (i, &[before, after]) in padding.iter().enumerate().filter(|(_, p)| **p != [0; 2]) {
            let d = rank - 1 - i;
            let size = shape[d];
            let most = match mode {
                PaddingMode::Reflect => size.saturating_sub(1),
                PaddingMode::Circular => size,
                _ if size == 0 => 0,
                _ => usize::MAX,
            };
            assert!(
                before.max(after) <= most,
                "pad: mode {mode:?} can add at most {most} to dimension {d} of shape {shape}, got {before} and {after}"
            );
            let rows = (0..before + size + after).map(|i| [(outside(mode, i as isize - before as isize, size), 1.0)]);
            steps.push((d, Taps::new(size, rows)));
        }
        self.resampled("pad", steps)
    }

    /// An image `[n, c, h, w]` in another size (`torch.nn.functional.interpolate`, without antialiasing).
    ///
    /// # Panics
    /// If the tensor is not `[n, c, h, w]`, or a size is or becomes 0.
    pub fn interpolate(self, to: impl Into<Resize>, mode: Interpolation) -> Tensor {
        let shape = self.shape_value();
        check_images("interpolate", shape);
        let to = to.into();
        let (size, factors) = match to {
            Resize::Size(size) => (size, [None; 2]),
            Resize::ScaleFactor(f) => ([0, 1].map(|d| (shape[2 + d] as f64 * f[d]) as usize), f.map(Some)),
        };
        assert!(
            shape[2] > 0 && shape[3] > 0 && size[0] > 0 && size[1] > 0,
            "interpolate: an image of shape {shape} resized to {to:?} has no pixels"
        );
        let unchanged = size == shape[2..] && factors.iter().all(|f| f.is_none_or(|f| f == 1.0));
        if unchanged {
            return self;
        }
        let step = |d: usize| (2 + d, interpolation(mode, shape[2 + d], size[d], factors[d]));
        self.resampled("interpolate", vec![step(0), step(1)])
    }

    fn check_adaptive(&self, op: &str, output_size: &[usize], layout: &str) -> Shape {
        let shape = self.shape_value();
        assert!(shape.rank() == 2 + output_size.len(), "{op}: the input must be {layout}, got {shape}");
        assert!(
            output_size.iter().chain(&shape[2..]).all(|&n| n > 0),
            "{op}: an input of shape {shape} and an output size of {output_size:?} must have at least one element"
        );
        shape
    }

    fn adaptive_avg_pool(self, op: &'static str, output_size: &[usize], layout: &str) -> Tensor {
        let shape = self.check_adaptive(op, output_size, layout);
        if output_size.iter().all(|&n| n == 1) {
            let dims: Vec<isize> = (2..shape.rank() as isize).collect();
            return self.mean(&dims, true);
        }
        let steps = output_size.iter().enumerate().filter(|(i, out)| shape[2 + i] != **out).map(|(i, &out)| {
            let size = shape[2 + i];
            let row = |o: usize| {
                let window = window(o, size, out);
                let weight = 1.0 / window.len() as f64;
                window.map(move |i| (i, weight))
            };
            (2 + i, Taps::new(size, (0..out).map(row)))
        });
        let steps = steps.collect();
        self.resampled(op, steps)
    }

    /// The means of `output_size` windows of `[n, c, h, w]` that cover it evenly (`torch.nn.functional.adaptive_avg_pool2d`).
    ///
    /// # Panics
    /// If the tensor is not `[n, c, h, w]`, or a size is 0.
    pub fn adaptive_avg_pool2d(self, output_size: [usize; 2]) -> Tensor {
        self.adaptive_avg_pool("adaptive_avg_pool2d", &output_size, "[n, c, h, w]")
    }

    /// The means of `output_size` windows of `[n, c, l]` that cover it evenly (`torch.nn.functional.adaptive_avg_pool1d`).
    ///
    /// # Panics
    /// If the tensor is not `[n, c, l]`, or a size is 0.
    pub fn adaptive_avg_pool1d(self, output_size: usize) -> Tensor {
        self.adaptive_avg_pool("adaptive_avg_pool1d", &[output_size], "[n, c, l]")
    }

    /// The maxima of `output_size` windows of `[n, c, h, w]` that cover it evenly (`torch.nn.functional.adaptive_max_pool2d`).
    /// A NaN wins; of equal maxima the first gets the gradient.
    ///
    /// # Panics
    /// If the tensor is not `[n, c, h, w]`, or a size is 0.
    pub fn adaptive_max_pool2d(self, output_size: [usize; 2]) -> Tensor {
        let shape = self.check_adaptive("adaptive_max_pool2d", &output_size, "[n, c, h, w]");
        let mut kernel = [0; 2];
        let mut steps = Vec::new();
        for (d, &out) in output_size.iter().enumerate() {
            let size = shape[2 + d];
            let windows = || (0..out).map(|i| window(i, size, out));
            kernel[d] = windows().map(|w| w.len()).max().unwrap_or(1);
            if !size.is_multiple_of(out) {
                // Windows side by side, all as long as the longest: the last pixel again changes no maximum.
                let long = kernel[d];
                let rows = windows().flat_map(|w| (0..long).map(move |k| [((w.start + k).min(w.end - 1), 1.0)]));
                steps.push((2 + d, Taps::new(size, rows)));
            }
        }
        self.resampled("adaptive_windows", steps).max_pool2d(Pool2dOptions::new(kernel))
    }

    /// The maxima of `output_size` windows of `[n, c, l]` that cover it evenly (`torch.nn.functional.adaptive_max_pool1d`).
    ///
    /// # Panics
    /// If the tensor is not `[n, c, l]`, or a size is 0.
    pub fn adaptive_max_pool1d(self, output_size: usize) -> Tensor {
        self.check_adaptive("adaptive_max_pool1d", &[output_size], "[n, c, l]");
        self.unsqueeze(2).adaptive_max_pool2d([1, output_size]).squeeze(2)
    }

    /// Each element divided by (`k` + `alpha` · mean of the squares of `size` neighbouring channels)^`beta`
    /// (`torch.nn.functional.local_response_norm`; Krizhevsky et al., 2012). Channels that do not exist count as zeros.
    ///
    /// # Panics
    /// If the tensor is not `[n, c, ..]`, or `size` is 0.
    pub fn local_response_norm(self, size: usize, alpha: f64, beta: f64, k: f64) -> Tensor {
        let shape = self.shape_value();
        assert!(shape.rank() >= 2, "local_response_norm: the input must be [n, c, ..], got {shape}");
        assert!(size > 0, "local_response_norm: size must be at least 1");
        let c = shape[1];
        let row = |j: usize| {
            let window = j.saturating_sub(size / 2)..c.min(j + size.div_ceil(2));
            window.map(move |i| (i, alpha / size as f64))
        };
        let means = self.clone().square().resampled("local_response_norm", vec![(1, Taps::new(c, (0..c).map(row)))]);
        self / (means + k).powf(beta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside() {
        let row = |mode| (-2..5).map(|i| outside(mode, i, 3)).collect::<Vec<_>>();
        assert_eq!(row(PaddingMode::Reflect), [2, 1, 0, 1, 2, 1, 0]);
        assert_eq!(row(PaddingMode::Replicate), [0, 0, 0, 1, 2, 2, 2]);
        assert_eq!(row(PaddingMode::Circular), [1, 2, 0, 1, 2, 0, 1]);
    }

    #[test]
    fn windows_cover_everything() {
        for (size, out) in [(1, 1), (7, 3), (3, 7), (10, 4), (5, 5)] {
            let all: Vec<_> = (0..out).map(|i| window(i, size, out)).collect();
            assert!(all[0].start == 0 && all[out - 1].end == size && all.iter().all(|w| !w.is_empty()));
            assert!(all.windows(2).all(|w| w[1].start <= w[0].end));
        }
    }
}
