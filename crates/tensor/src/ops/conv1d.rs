//! 1-D convolution and pooling: those of images one pixel high.

use crate::op::{Conv2dOptions, Pool2dOptions};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The settings of a 1-D convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv1dOptions {
    /// Steps between windows.
    pub stride: usize,
    /// Zeros added before and after.
    pub padding: [usize; 2],
    /// Distance between the elements of a window.
    pub dilation: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Default for Conv1dOptions {
    fn default() -> Self {
        Conv1dOptions { stride: 1, padding: [0; 2], dilation: 1, groups: 1 }
    }
}

/// The settings of 1-D pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool1dOptions {
    /// Size of a window.
    pub kernel_size: usize,
    /// Steps between windows.
    pub stride: usize,
    /// Elements added on both sides.
    pub padding: usize,
    /// Distance between the elements of a window.
    pub dilation: usize,
    /// Whether windows that hang over the end count.
    pub ceil_mode: bool,
    /// Whether average pooling divides by padded elements too.
    pub count_include_pad: bool,
}

impl Pool1dOptions {
    /// Windows of `kernel_size` that do not overlap, without padding.
    pub fn new(kernel_size: usize) -> Self {
        Pool1dOptions {
            kernel_size,
            stride: kernel_size,
            padding: 0,
            dilation: 1,
            ceil_mode: false,
            count_include_pad: true,
        }
    }

    fn two_dimensional(self) -> Pool2dOptions {
        Pool2dOptions {
            kernel_size: [1, self.kernel_size],
            stride: [1, self.stride],
            padding: [0, self.padding],
            dilation: [1, self.dilation],
            ceil_mode: self.ceil_mode,
            count_include_pad: self.count_include_pad,
        }
    }
}

impl From<usize> for Pool1dOptions {
    /// Windows that do not overlap.
    fn from(kernel_size: usize) -> Self {
        Pool1dOptions::new(kernel_size)
    }
}

/// `[a, b, l]` as `[a, b, 1, l]`.
pub(crate) fn as_image(x: Tensor) -> Tensor {
    x.unsqueeze(2)
}

fn check_rank(op: &str, x: Shape) {
    assert!(x.rank() == 3, "{op}: the input must be [n, c, l], got {x}");
}

impl Tensor {
    /// Convolves `[n, c, l]` with `weight [out, c/groups, k]` and adds `bias [out]` (`torch.nn.functional.conv1d`). The padding is
    /// zeros.
    ///
    /// # Panics
    /// If shapes and options do not fit, or types differ.
    pub fn conv1d(self, weight: &Tensor, bias: Option<&Tensor>, options: &Conv1dOptions) -> Tensor {
        let (x, w, o) = (self.shape_value(), weight.shape_value(), *options);
        check_rank("conv1d", x);
        assert!(w.rank() == 3, "conv1d: the weight must be [out, in/groups, k], got {w}");
        assert!(
            w[1] * o.groups == x[1],
            "conv1d: got an input of shape {x}; a weight of shape {w} with groups {} takes [n, {}, l]",
            o.groups,
            w[1] * o.groups
        );
        assert!(
            x[2] + o.padding[0] + o.padding[1] > o.dilation * w[2].saturating_sub(1),
            "conv1d: a kernel of {} with dilation {} does not fit an input of shape {x} with padding {:?}",
            w[2],
            o.dilation,
            o.padding
        );
        let o = Conv2dOptions {
            stride: [1, o.stride],
            padding: [[0; 2], o.padding],
            dilation: [1, o.dilation],
            groups: o.groups,
        };
        as_image(self).conv2d(&as_image(weight.clone()), bias, &o).squeeze(2)
    }

    /// The maximum of each window of `[n, c, l]` (`torch.nn.functional.max_pool1d`). A NaN wins; of equal maxima the first gets the
    /// gradient.
    ///
    /// # Panics
    /// If the windows do not fit.
    pub fn max_pool1d(self, options: impl Into<Pool1dOptions>) -> Tensor {
        check_rank("max_pool1d", self.shape_value());
        as_image(self).max_pool2d(options.into().two_dimensional()).squeeze(2)
    }

    /// The mean of each window of `[n, c, l]` (`torch.nn.functional.avg_pool1d`).
    ///
    /// # Panics
    /// If the windows do not fit, or the dilation is not 1.
    pub fn avg_pool1d(self, options: impl Into<Pool1dOptions>) -> Tensor {
        check_rank("avg_pool1d", self.shape_value());
        as_image(self).avg_pool2d(options.into().two_dimensional()).squeeze(2)
    }
}
