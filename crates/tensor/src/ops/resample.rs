//! Ops that take images apart and put them together again in another size: padding with what is there, interpolation, adaptive pooling, and
//! normalization across channels.

use crate::array::Array;
use crate::autograd::record;
use crate::op::hints::{are_images, check_images, is_float};
use crate::op::{Interpolation, Op, PaddingMode, Resize, Spec, ensure, must};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The window `start..end` of output `i` (`torch.nn.AdaptiveAvgPool2d`).
pub(crate) fn window(i: usize, size: usize, out: usize) -> std::ops::Range<usize> {
    i * size / out..((i + 1) * size).div_ceil(out)
}

/// Height and width of the largest windows of adaptive pooling.
pub(crate) fn longest_windows(x: Shape, output_size: [usize; 2]) -> [usize; 2] {
    [0, 1].map(|d| (0..output_size[d]).map(|i| window(i, x[2 + d], output_size[d]).len()).max().unwrap_or(1))
}

/// Shape and type of adaptive pooling's result.
pub(crate) fn adaptive_rule(op: &str, x: &Spec, output_size: &[usize]) -> Result<Spec, String> {
    let (shape, layout) = (x.shape, if output_size.len() == 1 { "[n, c, l]" } else { "[n, c, h, w]" });
    ensure!((1..=2).contains(&output_size.len()), "{op}: has one or two dimensions, got {output_size:?}");
    ensure!(shape.rank() == 2 + output_size.len(), "{op}: the input must be {layout}, got {shape}");
    ensure!(
        output_size.iter().chain(&shape[2..]).all(|&n| n > 0),
        "{op}: an input of shape {shape} and an output size of {output_size:?} must have at least one element"
    );
    is_float(op, x)?;
    Ok(x.reshaped([&shape[..2], output_size].concat()))
}

/// Shape and type of `interpolate`'s result.
pub(crate) fn interpolate_rule(x: &Spec, size: [usize; 2], factor: Option<[f64; 2]>) -> Result<Spec, String> {
    are_images("interpolate", x.shape)?;
    ensure!(
        x.shape[2] > 0 && x.shape[3] > 0 && size[0] > 0 && size[1] > 0,
        "interpolate: an image of shape {} resized to {size:?} has no pixels",
        x.shape
    );
    if let Some(f) = factor {
        let by_factor = [0, 1].map(|d| (x.shape[2 + d] as f64 * f[d]) as usize);
        ensure!(by_factor == size, "interpolate: a factor of {f:?} gives a size of {by_factor:?}, not {size:?}");
    }
    is_float("interpolate", x)?;
    Ok(x.reshaped([x.shape[0], x.shape[1], size[0], size[1]]))
}

/// Shape and type of `local_response_norm`'s result.
pub(crate) fn local_response_norm_rule(x: &Spec, size: usize) -> Result<Spec, String> {
    ensure!(x.shape.rank() >= 2, "local_response_norm: the input must be [n, c, ..], got {}", x.shape);
    ensure!(size > 0, "local_response_norm: size must be at least 1");
    is_float("local_response_norm", x)?;
    Ok(*x)
}

impl Tensor {
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
        let padding = self.padding_of_all(padding);
        if padding.iter().all(|p| *p == [0; 2]) {
            return self;
        }
        let (x, node) = self.into_parts();
        let y = Op::Pad { padding: padding.clone(), mode, value: 0.0 }.run1([x]);
        record("pad", y, [node], move |_| move |g: Array, _| [Some(Op::PadGrad { padding, mode }.run1([g]))])
    }

    /// An image `[n, c, h, w]` in another size (`torch.nn.functional.interpolate`, without antialiasing).
    ///
    /// # Panics
    /// If the tensor is not `[n, c, h, w]`, or a size is or becomes 0.
    pub fn interpolate(self, to: impl Into<Resize>, mode: Interpolation) -> Tensor {
        let input = self.shape_value();
        check_images("interpolate", input);
        let to = to.into();
        let (size, scale_factor) = match to {
            Resize::Size(size) => (size, None),
            Resize::ScaleFactor(f) => ([0, 1].map(|d| (input[2 + d] as f64 * f[d]) as usize), Some(f)),
        };
        assert!(
            input[2] > 0 && input[3] > 0 && size[0] > 0 && size[1] > 0,
            "interpolate: an image of shape {input} resized to {to:?} has no pixels"
        );
        if size == input[2..] && scale_factor.is_none_or(|f| f == [1.0; 2]) {
            return self;
        }
        let (x, node) = self.into_parts();
        let y = Op::Interpolate { size, scale_factor, mode }.run1([x]);
        record("interpolate", y, [node], move |_| {
            move |g: Array, _| [Some(Op::InterpolateGrad { input, scale_factor, mode }.run1([g]))]
        })
    }

    fn adaptive_avg_pool(self, output_size: Vec<usize>) -> Tensor {
        let op = Op::AdaptiveAvgPool { output_size };
        let (x, node) = self.into_parts();
        let input = x.shape();
        record(op.name(), op.run1([x]), [node], move |_| {
            move |g: Array, _| [Some(Op::AdaptiveAvgPoolGrad { input }.run1([g]))]
        })
    }

    /// The means of `output_size` windows of `[n, c, h, w]` that cover it evenly (`torch.nn.functional.adaptive_avg_pool2d`).
    ///
    /// # Panics
    /// If the tensor is not `[n, c, h, w]`, or a size is 0.
    pub fn adaptive_avg_pool2d(self, output_size: [usize; 2]) -> Tensor {
        self.adaptive_avg_pool(output_size.to_vec())
    }

    /// The means of `output_size` windows of `[n, c, l]` that cover it evenly (`torch.nn.functional.adaptive_avg_pool1d`).
    ///
    /// # Panics
    /// If the tensor is not `[n, c, l]`, or a size is 0.
    pub fn adaptive_avg_pool1d(self, output_size: usize) -> Tensor {
        self.adaptive_avg_pool(vec![output_size])
    }

    /// The maxima of `output_size` windows of `[n, c, h, w]` that cover it evenly (`torch.nn.functional.adaptive_max_pool2d`).
    /// A NaN wins; of equal maxima the first gets the gradient.
    ///
    /// # Panics
    /// If the tensor is not `[n, c, h, w]`, or a size is 0.
    pub fn adaptive_max_pool2d(self, output_size: [usize; 2]) -> Tensor {
        let (x, node) = self.into_parts();
        let input = x.shape();
        let op = Op::AdaptiveMaxPool2d { output_size, with_positions: node.is_some() };
        let mut results = op.run_all(vec![x]).into_iter();
        let y = results.next().expect("the maxima");
        record(op.name(), y, [node], move |_| {
            let positions = results.next().expect("asked for");
            move |g: Array, _| [Some(Op::AdaptiveMaxPool2dGrad { input }.run1([g, positions]))]
        })
    }

    /// The maxima of `output_size` windows of `[n, c, l]` that cover it evenly (`torch.nn.functional.adaptive_max_pool1d`).
    ///
    /// # Panics
    /// If the tensor is not `[n, c, l]`, or a size is 0.
    pub fn adaptive_max_pool1d(self, output_size: usize) -> Tensor {
        must(adaptive_rule("adaptive_max_pool1d", &self.spec(), &[output_size]));
        self.unsqueeze(2).adaptive_max_pool2d([1, output_size]).squeeze(2)
    }

    /// Each element divided by (`k` + `alpha` · mean of the squares of `size` neighbouring channels)^`beta`
    /// (`torch.nn.functional.local_response_norm`; Krizhevsky et al., 2012). Channels that do not exist count as zeros.
    ///
    /// # Panics
    /// If the tensor is not `[n, c, ..]`, or `size` is 0.
    pub fn local_response_norm(self, size: usize, alpha: f64, beta: f64, k: f64) -> Tensor {
        let (x, node) = self.into_parts();
        let saved = node.is_some().then(|| x.clone());
        let y = Op::LocalResponseNorm { size, alpha, beta, k }.run1([x]);
        record("local_response_norm", y, [node], move |_| {
            move |g: Array, _| [saved.map(|x| Op::LocalResponseNormGrad { size, alpha, beta, k }.run1([g, x]))]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_everything() {
        for (size, out) in [(1, 1), (7, 3), (3, 7), (10, 4), (5, 5)] {
            let all: Vec<_> = (0..out).map(|i| window(i, size, out)).collect();
            assert!(all[0].start == 0 && all[out - 1].end == size && all.iter().all(|w| !w.is_empty()));
            assert!(all.windows(2).all(|w| w[1].start <= w[0].end));
        }
    }
}
