//! Random numbers from an explicit generator.

use crate::dtype::DType;
use crate::shape::Shape;
use crate::tensor::Tensor;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// A source of random numbers. What it gives depends on its key alone, not on what others have drawn.
#[derive(Clone, Debug)]
pub struct Generator {
    rng: ChaCha8Rng,
}

impl Generator {
    /// The generator of `seed`.
    pub fn new(seed: u64) -> Self {
        Generator::keyed([seed, 0, 0, 0])
    }

    /// The generator of a key: a seed and up to three numbers that tell one use from another, such as step and layer.
    pub fn keyed(key: [u64; 4]) -> Self {
        let mut bytes = [0; 32];
        for (part, number) in bytes.chunks_exact_mut(8).zip(key) {
            part.copy_from_slice(&number.to_le_bytes());
        }
        Generator { rng: ChaCha8Rng::from_seed(bytes) }
    }

    /// A number from 0 (included) to 1 (excluded).
    pub fn uniform(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number of the standard normal distribution.
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.rng)
    }
}

impl Tensor {
    fn drawn(shape: Shape, dtype: DType, mut draw: impl FnMut() -> f64) -> Tensor {
        let n = shape.numel();
        match dtype {
            DType::F32 => Tensor::from_vec((0..n).map(|_| draw() as f32).collect(), shape),
            DType::F64 => Tensor::from_vec((0..n).map(|_| draw()).collect(), shape),
            other => panic!("random: needs a floating-point type, got {other}"),
        }
    }

    /// Numbers drawn evenly from `low` (included) to `high` (excluded).
    ///
    /// # Panics
    /// If `dtype` is not floating-point.
    pub fn rand_uniform(
        shape: impl Into<Shape>,
        low: f64,
        high: f64,
        dtype: DType,
        generator: &mut Generator,
    ) -> Tensor {
        Tensor::drawn(shape.into(), dtype, || low + (high - low) * generator.uniform())
    }

    /// Numbers of the standard normal distribution.
    ///
    /// # Panics
    /// If `dtype` is not floating-point.
    pub fn randn(shape: impl Into<Shape>, dtype: DType, generator: &mut Generator) -> Tensor {
        Tensor::drawn(shape.into(), dtype, || generator.normal())
    }

    /// 1 with probability `p`, else 0.
    ///
    /// # Panics
    /// If `dtype` is not floating-point.
    pub fn bernoulli(shape: impl Into<Shape>, p: f64, dtype: DType, generator: &mut Generator) -> Tensor {
        Tensor::drawn(shape.into(), dtype, || (generator.uniform() < p) as u8 as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_give_streams_of_their_own() {
        let draw = |key| Generator::keyed(key).uniform();
        assert_eq!(draw([1, 2, 3, 0]), draw([1, 2, 3, 0]));
        assert_ne!(draw([1, 2, 3, 0]), draw([1, 2, 4, 0]));
        assert_ne!(draw([1, 2, 3, 0]), draw([2, 1, 3, 0]));
    }

    #[test]
    fn moments_are_right() {
        let g = &mut Generator::new(7);
        let n = 100_000;
        let x = Tensor::randn([n], DType::F64, g);
        let mean = x.clone().mean(&[], false).item::<f64>();
        let var = x.square().mean(&[], false).item::<f64>();
        assert!(mean.abs() < 0.02 && (var - 1.0).abs() < 0.02, "{mean} {var}");
        let u = Tensor::rand_uniform([n], -1.0, 3.0, DType::F64, g).to_vec::<f64>();
        assert!(u.iter().all(|x| (-1.0..3.0).contains(x)));
        assert!((u.iter().sum::<f64>() / n as f64 - 1.0).abs() < 0.02);
    }
}
