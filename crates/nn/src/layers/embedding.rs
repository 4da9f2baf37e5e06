//! Tables of vectors, and pixels moved between channels and places.

use crate::module::Forward;
use crate::parameter::Parameter;
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::{DType, Generator, Tensor};

/// A vector for each number: `i64` of any shape becomes `[.., embedding_dim]` (`torch.nn.Embedding`).
#[derive(Debug, Module)]
pub struct Embedding {
    /// `[num_embeddings, embedding_dim]`
    pub weight: Parameter,
    /// The row that stands for nothing and gets no gradient.
    #[module(skip)]
    pub padding_idx: Option<usize>,
}

impl Embedding {
    /// Rows of standard normal numbers.
    pub fn new(num_embeddings: usize, embedding_dim: usize, rng: &mut Generator) -> Self {
        let weight = Tensor::randn([num_embeddings, embedding_dim], DType::F32, rng);
        Embedding { weight: Parameter::new(weight), padding_idx: None }
    }

    /// With row `padding_idx` zero and without a gradient.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn padding_idx(mut self, padding_idx: usize) -> Self {
        let w = self.weight.value();
        let rows = w.shape()[0];
        assert!(padding_idx < rows, "Embedding: padding_idx {padding_idx} is not one of the {rows} rows");
        let kept = (0..rows).map(|i| f32::from(i != padding_idx)).collect();
        let value = w * Tensor::from_vec(kept, [rows, 1]);
        self.weight.set(value);
        self.padding_idx = Some(padding_idx);
        self
    }
}

impl Forward for Embedding {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        pass.observe(self, x.embedding(&self.weight.tensor(pass), self.padding_idx))
    }
}

/// `[n, c · r², h, w]` to `[n, c, h · r, w · r]` (`torch.nn.PixelShuffle`; Shi et al., 2016).
#[derive(Clone, Debug, Module)]
pub struct PixelShuffle {
    /// r
    pub upscale_factor: usize,
}

impl PixelShuffle {
    /// By a factor in both dimensions.
    pub fn new(upscale_factor: usize) -> Self {
        PixelShuffle { upscale_factor }
    }
}

impl Forward for PixelShuffle {
    fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
        x.pixel_shuffle(self.upscale_factor)
    }
}

/// `[n, c, h · r, w · r]` to `[n, c · r², h, w]` (`torch.nn.PixelUnshuffle`).
#[derive(Clone, Debug, Module)]
pub struct PixelUnshuffle {
    /// r
    pub downscale_factor: usize,
}

impl PixelUnshuffle {
    /// By a factor in both dimensions.
    pub fn new(downscale_factor: usize) -> Self {
        PixelUnshuffle { downscale_factor }
    }
}

impl Forward for PixelUnshuffle {
    fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
        x.pixel_unshuffle(self.downscale_factor)
    }
}
