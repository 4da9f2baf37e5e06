//! [`Segmenter`]: a decoder with a class for each pixel.

use crate::conv_norm::kaiming_biased;
use striate_nn::{Classifier, Conv2d, Forward, Module, Pass};
use striate_tensor::{Generator, Interpolation, Resize, Tensor};

const BILINEAR: Interpolation = Interpolation::Bilinear { align_corners: false };

/// What makes one map of an image, whose pixels stand for `stride`×`stride` pixels of it.
pub(crate) trait Decoder: Module + Send + Sync {
    /// Of `[n, c, h, w]`, a map of [`Decoder::channels`] and a `stride`th of the size, rounded up.
    fn map(&self, x: Tensor, pass: &Pass) -> Tensor;

    /// Channels of the map.
    fn channels(&self) -> usize;

    /// How many pixels of the image one of the map stands for, along each side.
    fn stride(&self) -> usize;
}

/// A decoder and a 1×1 convolution to the classes, whose logits are brought to the size of the image by bilinear interpolation.
///
/// Takes `[n, c, h, w]`, gives `[n, classes, h, w]`.
#[derive(Module)]
pub(crate) struct Segmenter<D: Decoder> {
    decoder: D,
    classifier: Conv2d,
}

impl<D: Decoder> Segmenter<D> {
    pub fn new(decoder: D, classes: usize, rng: &mut Generator) -> Segmenter<D> {
        let classifier = kaiming_biased(Conv2d::options(decoder.channels(), classes, 1), rng);
        Segmenter { decoder, classifier }
    }
}

impl<D: Decoder> Forward for Segmenter<D> {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let size = [x.size(2), x.size(3)];
        let y = self.head(self.features(x, pass), pass);
        // The map of an image whose sides are no multiples of the stride stands for a larger one.
        [2, 3].into_iter().zip(size).fold(y, |y, (dim, n)| if y.size(dim) == n { y } else { y.narrow(dim, 0, n) })
    }
}

impl<D: Decoder> Classifier for Segmenter<D> {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.decoder.map(x, pass)
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        let logits = self.classifier.forward(features, pass);
        match self.decoder.stride() {
            1 => logits,
            stride => logits.interpolate(Resize::ScaleFactor([stride as f64; 2]), BILINEAR),
        }
    }

    fn head_name(&self) -> String {
        "classifier".to_string()
    }
}
