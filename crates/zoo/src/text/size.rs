//! The shape of one sample on its way through a network.

use std::fmt;

/// The shape of one sample on its way through a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Channels, height and width.
    Image([usize; 3]),
    /// A list of so many numbers.
    Flat(usize),
}

impl Size {
    /// How many numbers these are; the largest number if that overflows.
    pub fn numel(self) -> usize {
        match self {
            Size::Image(sizes) => sizes.iter().fold(1, |n: usize, &s| n.saturating_mul(s)),
            Size::Flat(n) => n,
        }
    }

    /// Channels of an image, or the length of a list.
    pub fn features(self) -> usize {
        match self {
            Size::Image([c, ..]) => c,
            Size::Flat(n) => n,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::Image([c, h, w]) => write!(f, "{c}×{h}×{w}"),
            Size::Flat(n) => write!(f, "{n}"),
        }
    }
}
