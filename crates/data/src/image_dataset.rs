//! [`ImageDataset`]: images in memory as bytes, made into tensors when asked for.

use crate::collate::{Batch, Sample};
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::target::Target;
use crate::transforms::{Augmentations, RandomChanges, Targets};
use std::borrow::Cow;
use std::sync::Arc;
use striate_imaging::{Fit, Image, Preprocessing, Recipe, ToTensor, Transform, Value};
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
    changes: Option<Arc<RandomChanges>>,
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
        let transform = Arc::new(ToTensor);
        let (recipe, changes) = (None, None);
        ImageDataset { width, height, channels, pixels, labels, transform, recipe, changes }.with_transform(ToTensor)
    }

    /// The same images under another transform.
    ///
    /// # Panics
    /// As [`ImageDataset::augmented`].
    pub fn with_transform(&self, transform: impl Transform + 'static) -> ImageDataset {
        let recipe = transform.fuse(Recipe::new(self.channels)).and_then(|r| ToTensor.fuse(r));
        ImageDataset { transform: Arc::new(transform), recipe, ..self.clone() }.mixable()
    }

    /// The same images, changed at random before the transform. What is drawn depends on the seed, the epoch and the image's number alone.
    /// `classes` is how many there are, for labels of mixed images.
    ///
    /// # Panics
    /// If images are to be mixed and the transform is more than padding, [`ToTensor`] and normalizing.
    pub fn augmented(&self, augmentations: Augmentations, classes: usize, seed: u64) -> ImageDataset {
        let changes = RandomChanges::new(augmentations, classes, seed);
        ImageDataset { changes: Some(Arc::new(changes)), ..self.clone() }.mixable()
    }

    /// Without mixup and CutMix from an epoch on, counted from 0: the last epochs see images as they are.
    pub fn mix_until(&self, epoch: usize) -> ImageDataset {
        let changes = self.changes.as_ref().map(|changes| Arc::new(changes.mix_until(epoch)));
        ImageDataset { changes, ..self.clone() }
    }

    fn mixable(self) -> ImageDataset {
        assert!(
            self.recipe.is_some() || self.changes.as_ref().is_none_or(|changes| !changes.mixes()),
            "ImageDataset: images are mixed after padding, ToTensor and Normalize alone, not after another transform"
        );
        self
    }

    /// The images at these places, in this order, with the same transform.
    ///
    /// # Panics
    /// If one of them does not exist.
    pub fn subset(&self, places: &[usize]) -> ImageDataset {
        let pixels = places.iter().flat_map(|&i| self.pixels_of(i)).copied().collect();
        let labels = places.iter().map(|&i| self.labels[i]).collect();
        ImageDataset { pixels: Arc::new(pixels), labels: Arc::new(labels), ..self.clone() }
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

    /// Image `index` as it is in `epoch`, before the transform.
    fn changed(&self, epoch: usize, index: usize) -> Option<Image> {
        let changes = self.changes.as_ref()?;
        let image = self.image(index);
        let p = Preprocessing::new(self.channels, self.size(), Fit::Resize);
        Some(changes.apply(&image, Targets::None, &p, (epoch, index), (self.len(), &|_| None)).0)
    }

    fn sample(&self, epoch: usize, index: usize) -> Result<Sample, DataError> {
        self.check(index)?;
        let image = self.changed(epoch, index).unwrap_or_else(|| self.image(index));
        let image = self.transform.apply(Value::Image(image)).into_tensor();
        Ok(Sample { image, target: self.labels[index].into() })
    }

    fn check(&self, index: usize) -> Result<(), DataError> {
        if index < self.len() { Ok(()) } else { Err(DataError::Index { index, len: self.len() }) }
    }

    /// A batch in one pass over its pixels.
    fn fused(&self, recipe: &Recipe, tables: &[[f32; 256]], epoch: usize, indices: &[usize]) -> Batch {
        let (p, c) = (recipe.padding, self.channels);
        let (h, w) = (self.height + 2 * p, self.width + 2 * p);
        let row = self.width * c;
        let mut values = vec![tables[0][0]; indices.len() * h * w * c];
        if let [_, _, _] = tables {
            values.as_chunks_mut::<3>().0.fill(std::array::from_fn(|channel| tables[channel][0]));
        }
        for (out, &index) in values.chunks_exact_mut(h * w * c).zip(indices) {
            let pixels = self.changed(epoch, index).map_or(Cow::Borrowed(self.pixels_of(index)), |i| i.data.into());
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
        let targets: Vec<Target> = indices.iter().map(|&i| self.labels[i].into()).collect();
        let changes = self.changes.as_ref().filter(|_| !indices.is_empty());
        let mixed = changes.and_then(|changes| changes.mix(&mut values, [h, w, c], &targets, epoch, indices[0]));
        let images = Tensor::from_channels_last(values, [indices.len(), c, h, w]);
        Batch::of(images, &targets, mixed, indices.to_vec())
    }
}

impl Dataset for ImageDataset {
    type Item = Sample;

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        self.sample(0, index)
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch, DataError> {
        self.batch_in(0, indices)
    }

    fn batch_in(&self, epoch: usize, indices: &[usize]) -> Result<Batch, DataError> {
        indices.iter().try_for_each(|&i| self.check(i))?;
        if let Some(recipe) = &self.recipe
            && let Some(tables) = &recipe.tables
        {
            return Ok(self.fused(recipe, tables, epoch, indices));
        }
        let items = indices.iter().map(|&i| self.sample(epoch, i)).collect::<Result<Vec<_>, _>>()?;
        crate::collate::Collate::collate(items, indices)
    }
}

/// The mean and the standard deviation of each channel over all pixels, bytes 0 to 255 counted as 0 to 1. Exact up to the last rounding.
/// A channel that never varies has deviation 1, so that it can be divided by; so has one without pixels.
pub fn measure(images: &ImageDataset) -> (Vec<f32>, Vec<f32>) {
    const NEIGHBOURS: usize = 4;
    let c = images.channels;
    // Neighbours are often equal, and a count that is raised twice in a row has to wait for itself: each has its own.
    let mut counts = vec![[0u64; 256]; NEIGHBOURS * c];
    let mut groups = images.pixels.chunks_exact(NEIGHBOURS * c);
    let rest = groups.remainder();
    for group in groups.by_ref().chain([rest]) {
        for (count, &value) in counts.iter_mut().zip(group) {
            count[value as usize] += 1;
        }
    }
    let (sum, others) = counts.split_at_mut(c);
    for other in others.chunks_exact(c) {
        for (sum, other) in sum.iter_mut().flatten().zip(other.iter().flatten()) {
            *sum += other;
        }
    }
    sum.iter()
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
    use striate_imaging::{Compose, Normalize, Pad};

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
                    assert_eq!(fast.targets.to_vec::<i64>(), slow.targets.to_vec::<i64>());
                    assert_eq!(fast.indices, indices);
                }
            }
        }
    }

    #[test]
    fn changed_images_depend_on_seed_epoch_and_number_alone() {
        let changed = |text: &str, seed| sample(3).augmented(text.parse().unwrap(), 3, seed);
        let batch = |data: &ImageDataset, epoch, indices: &[usize]| data.batch_in(epoch, indices).unwrap();
        let values = |b: Batch| b.images.to_vec::<f32>();
        let data = changed("crop-resize 0.5, pad-crop 2, flip, jitter 0.5 0.5 0.5 0.1", 1);
        let both = values(batch(&data, 2, &[3, 1]));
        assert_eq!(both[both.len() / 2..], values(batch(&data, 2, &[1]))[..], "the batch has no say");
        assert_eq!(both, values(batch(&data, 2, &[3, 1])));
        assert_ne!(both, values(batch(&data, 1, &[3, 1])));
        assert_ne!(both, values(batch(&changed("pad-crop 2", 1), 2, &[3, 1])));
        let one = data.get(3).unwrap().image.to_vec::<f32>();
        assert_eq!(one, values(batch(&data, 0, &[3])));

        // Moved by at most one pixel: each row of the result is a row of the image, or black.
        let (plain, moved) = (sample(1), sample(1).augmented("pad-crop 1".parse().unwrap(), 3, 7));
        let seen: Vec<Vec<f32>> = (0..30).map(|epoch| values(batch(&moved, epoch, &[4]))).collect();
        let middle = values(plain.batch(&[4]).unwrap());
        assert!(seen.contains(&middle) && seen.iter().any(|image| *image != middle));
        for image in seen {
            let shift = |y: isize, x: isize| {
                (0..4).flat_map(move |i| (0..3).map(move |j| (i + y, j + x))).map(|(i, j)| {
                    let inside = (0..4).contains(&i) && (0..3).contains(&j);
                    if inside { middle[(i * 3 + j) as usize] } else { 0.0 }
                })
            };
            let moves = (-1..=1).flat_map(|y| (-1..=1).map(move |x| (y, x)));
            assert!(moves.into_iter().any(|(y, x)| shift(y, x).eq(image.iter().copied())), "{image:?}");
        }

        let mixed = batch(&changed("mixup 1", 1), 0, &[0, 1]);
        let soft_labels = mixed.soft_labels.unwrap();
        assert_eq!(soft_labels.shape(), [2, 3]);
        assert!(soft_labels.to_vec::<f32>().iter().any(|s| *s > 0.0 && *s < 1.0));
        assert_eq!(batch(&changed("mixup 1", 1), 0, &[]).indices, [0; 0]);
    }

    #[test]
    #[should_panic(expected = "mixed after padding, ToTensor and Normalize alone")]
    fn images_are_not_mixed_after_a_transform_of_the_users_own() {
        struct Same;
        impl Transform for Same {
            fn apply(&self, value: Value) -> Value {
                value
            }
        }
        sample(1).augmented("mixup".parse().unwrap(), 3, 0).with_transform(Same);
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
