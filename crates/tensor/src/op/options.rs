//! The settings of convolutions and poolings.

use serde::{Deserialize, Serialize};

/// The settings of a 2-D convolution, each for height, then width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conv2dOptions {
    /// Steps between windows.
    pub stride: [usize; 2],
    /// Zeros added before and after.
    pub padding: [[usize; 2]; 2],
    /// Distance between the elements of a window.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Default for Conv2dOptions {
    fn default() -> Self {
        Conv2dOptions { stride: [1; 2], padding: [[0; 2]; 2], dilation: [1; 2], groups: 1 }
    }
}

/// The settings of a 2-D transposed convolution, each for height, then width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConvTranspose2dOptions {
    /// Steps between the places that neighbouring inputs are spread around.
    pub stride: [usize; 2],
    /// Cut off from both sides of the output.
    pub padding: [usize; 2],
    /// Added to the output's end.
    pub output_padding: [usize; 2],
    /// Distance between the elements of a window.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Default for ConvTranspose2dOptions {
    fn default() -> Self {
        ConvTranspose2dOptions { stride: [1; 2], padding: [0; 2], output_padding: [0; 2], dilation: [1; 2], groups: 1 }
    }
}

/// The settings of 2-D pooling, each for height, then width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pool2dOptions {
    /// Size of a window.
    pub kernel_size: [usize; 2],
    /// Steps between windows.
    pub stride: [usize; 2],
    /// Elements added on both sides.
    pub padding: [usize; 2],
    /// Distance between the elements of a window.
    pub dilation: [usize; 2],
    /// Whether windows that hang over the end count.
    pub ceil_mode: bool,
    /// Whether average pooling divides by padded elements too.
    pub count_include_pad: bool,
}

impl Pool2dOptions {
    /// Windows of `kernel_size` that do not overlap, without padding.
    pub fn new(kernel_size: [usize; 2]) -> Self {
        Pool2dOptions {
            kernel_size,
            stride: kernel_size,
            padding: [0; 2],
            dilation: [1; 2],
            ceil_mode: false,
            count_include_pad: true,
        }
    }
}

impl From<usize> for Pool2dOptions {
    /// Square windows that do not overlap.
    fn from(kernel_size: usize) -> Self {
        Pool2dOptions::new([kernel_size; 2])
    }
}

/// What lies outside an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
