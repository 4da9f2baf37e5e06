//! [`Input`]: between what a network sees and the values of an image.

use striate_imaging::{Depth, Image, Preprocessing};
use striate_tensor::Tensor;

/// How images of a network's input are taken out of it and put back: without the padding and before normalization.
pub(super) struct Input<'a> {
    preprocessing: &'a Preprocessing,
}

impl<'a> Input<'a> {
    pub fn new(preprocessing: &'a Preprocessing) -> Input<'a> {
        Input { preprocessing }
    }

    fn normal(&self, channel: usize, x: f32) -> f32 {
        (x - self.preprocessing.mean[channel]) / self.preprocessing.std[channel]
    }

    /// The colour that the network takes for the mean.
    pub fn mean(&self) -> Vec<u8> {
        self.preprocessing.mean.iter().map(|m| u8::from_f32(m * 255.0)).collect()
    }

    /// The values of a batch from 0 to 1, `[n, c, h, w]` with its padding.
    pub fn values(&self, images: &Tensor) -> Vec<f32> {
        let p = self.preprocessing;
        let plane = images.size(2) * images.size(3);
        let value = |(i, x): (usize, f32)| {
            let channel = i / plane.max(1) % p.channels;
            (x * p.std[channel] + p.mean[channel]).clamp(0.0, 1.0)
        };
        images.to_vec::<f32>().into_iter().enumerate().map(value).collect()
    }

    /// The batch of these values.
    pub fn tensor(&self, values: &[f32], shape: [usize; 4]) -> Tensor {
        let plane = shape[2] * shape[3];
        let value = |(i, x): (usize, &f32)| self.normal(i / plane.max(1) % shape[1], *x);
        Tensor::from_vec(values.iter().enumerate().map(value).collect::<Vec<f32>>(), shape)
    }

    /// Whether each value of an image `[c, h, w]` is one of the image, and not of the padding.
    pub fn inside(&self) -> Vec<bool> {
        let [c, h, w] = self.preprocessing.output_shape();
        let pad = self.preprocessing.pad;
        let inside = |at: usize, side: usize| (pad..side - pad).contains(&at);
        (0..c * h * w).map(|i| inside(i / w % h, h) && inside(i % w, w)).collect()
    }

    /// The images of values from 0 to 1, `[n, c, h, w]`, in bytes.
    pub fn images(&self, values: &[f32]) -> Vec<Image> {
        let [c, h, w] = self.preprocessing.output_shape();
        let pad = self.preprocessing.pad;
        let image = |values: &[f32]| {
            let mut data = Vec::with_capacity((h - 2 * pad) * (w - 2 * pad) * c);
            for (y, x) in (pad..h - pad).flat_map(|y| (pad..w - pad).map(move |x| (y, x))) {
                data.extend((0..c).map(|channel| u8::from_f32(values[(channel * h + y) * w + x] * 255.0)));
            }
            Image::new(w - 2 * pad, h - 2 * pad, c, data)
        };
        values.chunks_exact(c * h * w).map(image).collect()
    }

    /// The batch of these images.
    pub fn batch(&self, images: &[Image]) -> Tensor {
        let [c, h, w] = self.preprocessing.output_shape();
        let pad = self.preprocessing.pad;
        // Padding is black.
        let tables: Vec<Vec<f32>> =
            (0..c).map(|channel| (0..256).map(|v| self.normal(channel, v as f32 / 255.0)).collect()).collect();
        let mut values: Vec<f32> = Vec::with_capacity(images.len() * c * h * w);
        for image in images {
            let start = values.len();
            values.extend((0..h * w * c).map(|i| tables[i % c][0]));
            for (y, line) in image.data.chunks_exact(image.width * c).enumerate() {
                let out = &mut values[start + ((y + pad) * w + pad) * c..][..line.len()];
                out.iter_mut().zip(line).enumerate().for_each(|(i, (x, &v))| *x = tables[i % c][usize::from(v)]);
            }
        }
        Tensor::from_channels_last(values, [images.len(), c, h, w])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_imaging::Fit;

    #[test]
    fn images_come_back_as_they_went_in() {
        for (channels, pad) in [(1, 2), (3, 0), (3, 1)] {
            let mut p = Preprocessing::new(channels, [3, 5], Fit::Resize);
            p.pad = pad;
            p.light_on_dark = false;
            p.mean = vec![0.485, 0.456, 0.406][..channels].to_vec();
            p.std = vec![0.229, 0.224, 0.225][..channels].to_vec();
            let images: Vec<Image> = (0..2)
                .map(|n| Image::new(5, 3, channels, (0..15 * channels).map(|i| (i * 37 + n * 91) as u8).collect()))
                .collect();
            let input = Input::new(&p);
            let batch = input.batch(&images);
            for (n, image) in images.iter().enumerate() {
                let (own, _) = p.apply(image);
                let of_batch = batch.to_vec::<f32>();
                let size = own.numel();
                assert_eq!(of_batch[n * size..][..size], own.to_vec::<f32>()[..], "{channels} {pad}");
            }
            let values = input.values(&batch);
            assert_eq!(input.images(&values), images);
            let shape = [2, channels, 3 + 2 * pad, 5 + 2 * pad];
            let again = input.tensor(&values, shape).to_vec::<f32>();
            assert!(again.iter().zip(batch.to_vec::<f32>()).all(|(a, b)| (a - b).abs() < 1e-5));
            let inside = input.inside();
            assert_eq!(inside.iter().filter(|i| **i).count(), 15 * channels);
        }
    }
}
