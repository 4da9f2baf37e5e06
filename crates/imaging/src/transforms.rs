//! Images to tensors, in torchvision's terms.

use crate::image::{Depth, Image};
use striate_tensor::Tensor;

/// What passes from one transform to the next.
#[derive(Clone)]
pub enum Value {
    /// Bytes.
    Image(Image),
    /// 16 bits per value.
    Deep(Image<u16>),
    /// `[c, h, w]`, `f32`.
    Tensor(Tensor),
}

impl Value {
    /// The tensor; an image becomes one as with [`ToTensor`].
    pub fn into_tensor(self) -> Tensor {
        match self {
            Value::Image(image) => to_tensor(&image),
            Value::Deep(image) => to_tensor(&image),
            Value::Tensor(tensor) => tensor,
        }
    }
}

/// One step from an image to a tensor.
pub trait Transform: Send + Sync {
    /// The step done.
    ///
    /// # Panics
    /// If the value is of a kind or shape that the step does not take.
    fn apply(&self, value: Value) -> Value;

    /// The step added to `recipe`, if a recipe can hold it: then whole batches are made in one pass.
    fn fuse(&self, recipe: Recipe) -> Option<Recipe> {
        let _ = recipe;
        None
    }
}

/// Steps that come to this: black pixels around the image, then a table lookup for each value.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Pixels added on each side.
    pub padding: usize,
    /// For each channel what each byte becomes, once the image has become a tensor.
    pub tables: Option<Vec<[f32; 256]>>,
    channels: usize,
}

impl Recipe {
    /// The recipe that does nothing to an image of this many channels.
    pub fn new(channels: usize) -> Recipe {
        Recipe { padding: 0, tables: None, channels }
    }
}

fn scaled(byte: u8) -> f32 {
    byte as f32 / 255.0
}

fn to_tensor<T: Depth>(image: &Image<T>) -> Tensor {
    let values: Vec<f32> = image.data.iter().map(|v| v.to_u32() as f32 / T::MAX as f32).collect();
    Tensor::from_channels_last(values, [1, image.channels, image.height, image.width]).select(0, 0)
}

/// Bytes 0 to 255, or 16-bit values 0 to 65535, become 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ToTensor;

impl Transform for ToTensor {
    fn apply(&self, value: Value) -> Value {
        Value::Tensor(value.into_tensor())
    }

    fn fuse(&self, recipe: Recipe) -> Option<Recipe> {
        if recipe.tables.is_some() {
            return Some(recipe);
        }
        let table = std::array::from_fn(|byte| scaled(byte as u8));
        Some(Recipe { tables: Some(vec![table; recipe.channels]), ..recipe })
    }
}

/// `(x - mean) / std` for each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalize {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Normalize {
    /// With the mean and the standard deviation of each channel.
    ///
    /// # Panics
    /// If there are not as many of the one as of the other, or a deviation is not positive.
    pub fn new(mean: impl Into<Vec<f32>>, std: impl Into<Vec<f32>>) -> Normalize {
        let (mean, std) = (mean.into(), std.into());
        assert!(mean.len() == std.len(), "Normalize: {} means and {} deviations", mean.len(), std.len());
        assert!(std.iter().all(|&s| s > 0.0), "Normalize: deviations must be positive, got {std:?}");
        Normalize { mean, std }
    }
}

impl Transform for Normalize {
    fn apply(&self, value: Value) -> Value {
        let tensor = value.into_tensor();
        let shape = tensor.shape().to_vec();
        let [c, h, w] = shape[..] else { panic!("Normalize: needs a tensor [c, h, w], got {shape:?}") };
        assert!(c == self.mean.len(), "Normalize: has {} channels, got a tensor {shape:?}", self.mean.len());
        let mut values = tensor.to_vec::<f32>();
        if h * w > 0 {
            for (channel, plane) in values.chunks_exact_mut(h * w).enumerate() {
                plane.iter_mut().for_each(|x| *x = (*x - self.mean[channel]) / self.std[channel]);
            }
        }
        Value::Tensor(Tensor::from_vec(values, [c, h, w]))
    }

    fn fuse(&self, recipe: Recipe) -> Option<Recipe> {
        let mut recipe = ToTensor.fuse(recipe)?;
        let tables = recipe.tables.as_mut()?;
        if tables.len() != self.mean.len() {
            return None;
        }
        for (channel, table) in tables.iter_mut().enumerate() {
            table.iter_mut().for_each(|x| *x = (*x - self.mean[channel]) / self.std[channel]);
        }
        Some(recipe)
    }
}

/// This many pixels of value 0 on each side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pad(pub usize);

impl Transform for Pad {
    fn apply(&self, value: Value) -> Value {
        let p = [self.0; 2];
        match value {
            Value::Image(image) => Value::Image(image.padded(self.0)),
            Value::Deep(image) => Value::Deep(image.padded(self.0)),
            Value::Tensor(tensor) => Value::Tensor(tensor.pad(&[p, p], 0.0)),
        }
    }

    fn fuse(&self, recipe: Recipe) -> Option<Recipe> {
        // Once values are normalized, 0 is no longer what a black pixel became.
        recipe.tables.is_none().then(|| Recipe { padding: recipe.padding + self.0, ..recipe })
    }
}

/// Transforms one after another.
#[derive(Default)]
pub struct Compose(Vec<Box<dyn Transform>>);

impl Compose {
    /// No transforms yet.
    pub fn new() -> Compose {
        Compose::default()
    }

    /// These, and then `transform`.
    pub fn then(mut self, transform: impl Transform + 'static) -> Compose {
        self.0.push(Box::new(transform));
        self
    }
}

impl Transform for Compose {
    fn apply(&self, value: Value) -> Value {
        self.0.iter().fold(value, |value, transform| transform.apply(value))
    }

    fn fuse(&self, recipe: Recipe) -> Option<Recipe> {
        self.0.iter().try_fold(recipe, |recipe, transform| transform.fuse(recipe))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colours() -> Image {
        Image::new(2, 1, 3, vec![0, 51, 255, 102, 153, 204])
    }

    fn run(transform: impl Transform) -> Tensor {
        transform.apply(Value::Image(colours())).into_tensor()
    }

    #[test]
    fn to_tensor_puts_channels_first_and_divides() {
        let tensor = run(ToTensor);
        assert_eq!(tensor.shape(), [3, 1, 2]);
        assert_eq!(tensor.to_vec::<f32>(), [0.0, 0.4, 0.2, 0.6, 1.0, 0.8]);
    }

    #[test]
    fn normalize_works_by_channel() {
        let tensor = run(Compose::new().then(ToTensor).then(Normalize::new([0.0, 0.2, 0.8], [1.0, 2.0, 0.5])));
        let expected = [0.0, 0.4, 0.0, 0.2, 0.4, 0.0];
        for (got, expected) in tensor.to_vec::<f32>().into_iter().zip(expected) {
            assert!((got - expected).abs() < 1e-6, "{got} {expected}");
        }
    }

    #[test]
    fn pad_before_and_after_normalizing_differ() {
        let normalize = || Normalize::new([0.5; 3], [0.5; 3]);
        let before = run(Compose::new().then(Pad(1)).then(ToTensor).then(normalize()));
        let after = run(Compose::new().then(ToTensor).then(normalize()).then(Pad(1)));
        assert_eq!((before.shape(), after.shape()), (&[3, 3, 4][..], &[3, 3, 4][..]));
        assert_eq!((before.to_vec::<f32>()[0], after.to_vec::<f32>()[0]), (-1.0, 0.0));
    }

    #[test]
    fn only_what_a_recipe_can_hold_is_fused() {
        let fused = |c: &Compose| c.fuse(Recipe::new(3));
        let normalize = || Normalize::new([0.5; 3], [0.5; 3]);
        let recipe = fused(&Compose::new().then(Pad(2)).then(ToTensor).then(normalize())).unwrap();
        assert_eq!(recipe.padding, 2);
        assert_eq!(recipe.tables.unwrap()[2][255], 1.0);
        assert_eq!(fused(&Compose::new().then(normalize()).then(Pad(2))), None);
        assert_eq!(Normalize::new([0.5], [0.5]).fuse(Recipe::new(3)), None);
    }

    #[test]
    #[should_panic(expected = "Normalize: has 1 channels")]
    fn normalize_refuses_another_number_of_channels() {
        run(Compose::new().then(ToTensor).then(Normalize::new([0.5], [0.5])));
    }
}
