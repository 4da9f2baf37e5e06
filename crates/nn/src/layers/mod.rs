//! Layers.

pub mod activation;
pub mod adaptive_pool;
pub mod branches;
pub mod conv1d;
pub mod conv2d;
pub mod conv_transpose;
pub mod dropout;
pub mod embedding;
pub mod linear;
pub mod norm;
pub mod pad;
pub mod pool;
pub mod sequential;
pub mod squeeze_excitation;
pub mod upsample;

/// One number for both dimensions, or one for each (height, width).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair(pub [usize; 2]);

impl From<usize> for Pair {
    fn from(n: usize) -> Self {
        Pair([n, n])
    }
}

impl From<[usize; 2]> for Pair {
    fn from(pair: [usize; 2]) -> Self {
        Pair(pair)
    }
}

impl From<(usize, usize)> for Pair {
    fn from((height, width): (usize, usize)) -> Self {
        Pair([height, width])
    }
}
