//! [`ImageDataset`]: images in memory as bytes, made into tensors when asked for.

use crate::collate::{Batch, Sample};
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::image::Image;
use crate::transforms::{Recipe, ToTensor, Transform, Value};
use std::sync::Arc;
use striate_tensor::Tensor;

/// Images of one size with their labels, and the transform that makes tensors of them. A clone shares the pixels.
#[derive(Clone)]
pub struct ImageDataset {
    width: usize,
    height: usize,
    channels: usize,
    pixels: Arc<Vec<u8>>,
    labels: Arc<Vec<usize>>,
    transform: Arc<dyn Transform>,
    recipe: Option<Recipe>,
}

impl ImageDataset {
    /// Images of `width`×`height` pixels of `channels` values, one after another, with a label each. The transform is
    /// [`ToTensor`].
    ///
    /// # Panics
    /// If `channels` is not 1 or 3, the images have no pixels, or there is not one label for each image.
    pub fn new(width: usize, height: usize, channels: usize, pixels: Vec<u8>, labels: Vec<usize>) -> ImageDataset {
        assert!(channels == 1 || channels == 3, "ImageDataset: needs 1 or 3 channels, got {channels}");
        assert!(width > 0 && height > 0, "ImageDataset: the images have no pixels ({width}×{height})");
        assert!(
            pixels.len() == width * height * channels * labels.len(),
            "ImageDataset: {} values are not {} images of {width}×{height} pixels of {channels} channels",
            pixels.len(),
            labels.len()
        );
        let (pixels, labels) = (Arc::new(pixels), Arc::new(labels));
        let plain =
            ImageDataset { width, height, channels, pixels, labels, transform: Arc::new(ToTensor), recipe: None };
        plain.with_transform(ToTensor)
    }

    /// The same images under another transform.
    pub fn with_transform(&self, transform: impl Transform + 'static) -> ImageDataset {
        let recipe = transform.fuse(Recipe::new(self.channels)).and_then(|r| ToTensor.fuse(r));
        ImageDataset { transform: Arc::new(transform), recipe, ..self.clone() }
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Height and width in pixels.
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// Values per pixel.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The labels, in the order of the images.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// Image `index` before the transform.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn image(&self, index: usize) -> Image {
        assert!(index < self.len(), "ImageDataset: image {index} was asked for, there are {}", self.len());
        Image { width: self.width, height: self.height, channels: self.channels, data: self.pixels_of(index).to_vec() }
    }

    fn pixels_of(&self, index: usize) -> &[u8] {
        let n = self.width * self.height * self.channels;
        &self.pixels[index * n..(index + 1) * n]
    }

    fn check(&self, index: usize) -> Result<(), DataError> {
        if index < self.len() { Ok(()) } else { Err(DataError::Index { index, len: self.len() }) }
    }

    /// A batch in one pass over its pixels.
    fn fused(&self, recipe: &Recipe, tables: &[[f32; 256]], indices: &[usize]) -> Batch {
        let (p, c) = (recipe.padding, self.channels);
        let (h, w) = (self.height + 2 * p, self.width + 2 * p);
        let row = self.width * c;
        let mut values = vec![tables[0][0]; indices.len() * h * w * c];
        if let [_, _, _] = tables {
            values.as_chunks_mut::<3>().0.fill(std::array::from_fn(|channel| tables[channel][0]));
        }
        for (out, &index) in values.chunks_exact_mut(h * w * c).zip(indices) {
            let pixels = self.pixels_of(index);
            for y in 0..self.height {
                let line = &pixels[y * row..(y + 1) * row];
                let at = ((y + p) * w + p) * c;
                let out = &mut out[at..at + row];
                match tables {
                    [table] => out.iter_mut().zip(line).for_each(|(x, &v)| *x = table[v as usize]),
                    [r, g, b] => {
                        for (x, v) in out.as_chunks_mut().0.iter_mut().zip(line.as_chunks::<3>().0) {
                            *x = [r[v[0] as usize], g[v[1] as usize], b[v[2] as usize]];
                        }
                    }
                    _ => unreachable!("an ImageDataset has 1 or 3 channels"),
                }
            }
        }
        let labels: Vec<i64> = indices.iter().map(|&i| self.labels[i] as i64).collect();
        Batch {
            images: Tensor::from_channels_last(values, [indices.len(), c, h, w]),
            labels: Tensor::from_vec(labels, [indices.len()]),
            shares: None,
            indices: indices.to_vec(),
        }
    }
}

impl Dataset for ImageDataset {
    type Item = Sample;

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        self.check(index)?;
        let image = self.transform.apply(Value::Image(self.image(index))).into_tensor();
        Ok(Sample { image, label: self.labels[index] })
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch, DataError> {
        indices.iter().try_for_each(|&i| self.check(i))?;
        if let Some(recipe) = &self.recipe
            && let Some(tables) = &recipe.tables
        {
            return Ok(self.fused(recipe, tables, indices));
        }
        let items = indices.iter().map(|&i| self.get(i)).collect::<Result<Vec<_>, _>>()?;
        crate::collate::Collate::collate(items, indices)
    }
}

/// The mean and the standard deviation of each channel over all pixels, bytes 0 to 255 counted as 0 to 1. Exact up to the last rounding.
/// A channel that never varies has deviation 1, so that it can be divided by; so has one without pixels.
pub fn measure(images: &ImageDataset) -> (Vec<f32>, Vec<f32>) {
    let c = images.channels;
    let mut counts = vec![[0u64; 256]; c];
    for pixel in images.pixels.chunks_exact(c) {
        for (count, &value) in counts.iter_mut().zip(pixel) {
            count[value as usize] += 1;
        }
    }
    counts
        .iter()
        .map(|count| {
            let moment = |k: u32| count.iter().zip(0u64..).map(|(&n, v)| n as u128 * v.pow(k) as u128).sum::<u128>();
            let (n, sum, squares) = (moment(0), moment(1), moment(2));
            if n == 0 {
                return (0.0, 1.0);
            }
            let variance = (n * squares - sum * sum) as f64 / (n as f64 * n as f64);
            let std = if variance > 0.0 { variance.sqrt() / 255.0 } else { 1.0 };
            ((sum as f64 / n as f64 / 255.0) as f32, std as f32)
        })
        .unzip()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collate::Collate;
    use crate::transforms::{Compose, Normalize, Pad};

    fn sample(channels: usize) -> ImageDataset {
        let (n, w, h) = (5, 3, 4);
        let pixels = (0..n * w * h * channels).map(|i| (i * 37 % 256) as u8).collect();
        ImageDataset::new(w, h, channels, pixels, vec![0, 1, 2, 1, 0])
    }

    fn reference_batch(data: &ImageDataset, indices: &[usize]) -> Batch {
        Sample::collate(indices.iter().map(|&i| data.get(i).unwrap()).collect(), indices).unwrap()
    }

    #[test]
    fn a_fused_batch_has_the_bits_of_its_samples() {
        for channels in [1, 3] {
            for padding in [0, 1, 3] {
                let normalize = Normalize::new(vec![0.13; channels], vec![0.31; channels]);
                let transform = Compose::new().then(Pad(padding)).then(ToTensor).then(normalize);
                let data = sample(channels).with_transform(transform);
                assert!(data.recipe.is_some());
                for indices in [&[4usize, 0, 0][..], &[1]] {
                    let (fast, slow) = (data.batch(indices).unwrap(), reference_batch(&data, indices));
                    assert_eq!(fast.images.shape(), [indices.len(), channels, 4 + 2 * padding, 3 + 2 * padding]);
                    assert_eq!(fast.images.shape(), slow.images.shape());
                    assert_eq!(fast.images.to_vec::<f32>(), slow.images.to_vec::<f32>(), "{channels} {padding}");
                    assert_eq!(fast.labels.to_vec::<i64>(), slow.labels.to_vec::<i64>());
                    assert_eq!(fast.indices, indices);
                }
            }
        }
    }

    #[test]
    fn a_transform_of_the_users_own_is_used() {
        struct Half;
        impl Transform for Half {
            fn apply(&self, value: Value) -> Value {
                Value::Tensor(value.into_tensor() * 0.5)
            }
        }
        let data = sample(1);
        let halved = data.with_transform(Half).batch(&[2, 3]).unwrap().images.to_vec::<f32>();
        let whole = data.batch(&[2, 3]).unwrap().images.to_vec::<f32>();
        assert!(halved.iter().zip(&whole).all(|(h, w)| *h == w * 0.5));
    }

    #[test]
    fn a_sample_that_does_not_exist() {
        let data = sample(1);
        assert!(matches!(data.get(5), Err(DataError::Index { index: 5, len: 5 })));
        assert!(matches!(data.batch(&[0, 7]), Err(DataError::Index { index: 7, len: 5 })));
    }

    #[test]
    fn mean_and_deviation_by_channel() {
        let data = ImageDataset::new(1, 2, 3, vec![0, 10, 255, 255, 10, 0], vec![0]);
        let (mean, std) = measure(&data);
        assert_eq!(mean, [0.5, 10.0 / 255.0, 0.5]);
        assert_eq!(std, [0.5, 1.0, 0.5]);
        assert_eq!(measure(&ImageDataset::new(2, 2, 1, vec![], vec![])), (vec![0.0], vec![1.0]));
    }
}
