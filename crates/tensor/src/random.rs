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
    blank: bool,
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
        Generator { rng: ChaCha8Rng::from_seed(bytes), blank: false }
    }

    /// A generator for networks whose weights come from elsewhere: initializers that get it take no time to draw numbers, and leave zeros.
    pub fn blank() -> Self {
        Generator { blank: true, ..Generator::new(0) }
    }

    /// Whether this is [`Generator::blank`].
    pub fn is_blank(&self) -> bool {
        self.blank
    }

    /// A number from 0 (included) to 1 (excluded).
    pub fn uniform(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A whole number from 0 to `n - 1`, all equally likely.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "Generator::below: there is no whole number below 0");
        // The largest multiple of n that 64 bits hold; what lies beyond would favour small numbers.
        let limit = u64::MAX - (u64::MAX % n + 1) % n;
        loop {
            let drawn = self.rng.next_u64();
            if drawn <= limit {
                return drawn % n;
            }
        }
    }

    /// Draws `n` of the items without replacement, each at most once and in random order, to the front of the slice, and gives those.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn partial_shuffle<'a, T>(&mut self, items: &'a mut [T], n: usize) -> &'a mut [T] {
        assert!(n <= items.len(), "partial_shuffle: {n} of {} items", items.len());
        for i in 0..n {
            let other = i + self.below((items.len() - i) as u64) as usize;
            items.swap(i, other);
        }
        &mut items[..n]
    }

    /// A number of the standard normal distribution, given that it lies from `a` to `b` (Robert, Simulation of truncated normal
    /// variables, 1995).
    fn normal_between(&mut self, a: f64, b: f64) -> f64 {
        if b < 0.0 {
            return -self.normal_between(-b, -a);
        }
        // Draws that the interval is likely to hold are taken from the normal distribution itself.
        if a <= 0.0 && b - a > 2.0 {
            loop {
                let x = self.normal();
                if (a..=b).contains(&x) {
                    return x;
                }
            }
        }
        let low = a.max(0.0);
        let rate = (low + (low * low + 4.0).sqrt()) / 2.0;
        if b - low > 1.0 / rate && a > 0.0 {
            // A tail: an exponential distribution that lies close above it.
            loop {
                let x = a - (1.0 - self.uniform()).ln() / rate;
                if x <= b && self.uniform() <= (-(x - rate).powi(2) / 2.0).exp() {
                    return x;
                }
            }
        }
        loop {
            let x = a + (b - a) * self.uniform();
            if self.uniform() <= ((low * low - x * x) / 2.0).exp() {
                return x;
            }
        }
    }

    /// A number of the standard normal distribution.
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.rng)
    }
}

impl Tensor {
    fn drawn(shape: Shape, dtype: DType, generator: &mut Generator, draw: impl Fn(&mut Generator) -> f64) -> Tensor {
        let n = shape.numel();
        match dtype {
            DType::F32 | DType::F64 if generator.blank => Tensor::zeros(shape, dtype),
            DType::F32 => Tensor::from_vec((0..n).map(|_| draw(generator) as f32).collect(), shape),
            DType::F64 => Tensor::from_vec((0..n).map(|_| draw(generator)).collect(), shape),
            half if half.is_half() => {
                panic!("random: has no kernel for {half} (draw f32 and convert it with to_dtype)")
            }
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
        Tensor::drawn(shape.into(), dtype, generator, |g| low + (high - low) * g.uniform())
    }

    /// Numbers drawn evenly from 0 (included) to 1 (excluded) (`torch.rand`). As with all random tensors, they are not those
    /// that PyTorch draws from the same seed.
    ///
    /// # Panics
    /// If `dtype` is not floating-point.
    pub fn rand(shape: impl Into<Shape>, dtype: DType, generator: &mut Generator) -> Tensor {
        Tensor::rand_uniform(shape, 0.0, 1.0, dtype, generator)
    }

    /// Whole numbers (`i64`) from `low` to `high - 1`, all equally likely (`torch.randint`).
    ///
    /// # Panics
    /// If there are none.
    pub fn randint(low: i64, high: i64, shape: impl Into<Shape>, generator: &mut Generator) -> Tensor {
        assert!(low < high, "randint: there is no whole number from {low} to before {high}");
        let (shape, span) = (shape.into(), high.wrapping_sub(low) as u64);
        let values = (0..shape.numel()).map(|_| low.wrapping_add(generator.below(span) as i64)).collect();
        Tensor::from_vec(values, shape)
    }

    /// The numbers (`i64`) from 0 to `n - 1` in random order, all orders equally likely (`torch.randperm`).
    pub fn randperm(n: usize, generator: &mut Generator) -> Tensor {
        let mut order: Vec<i64> = (0..n as i64).collect();
        for last in (1..n).rev() {
            order.swap(last, generator.below(last as u64 + 1) as usize);
        }
        Tensor::from_vec(order, [n])
    }

    /// Numbers of the normal distribution, given that they lie from `a` to `b` (`torch.nn.init.trunc_normal_`).
    ///
    /// # Panics
    /// If `dtype` is not floating-point, `a` is not below `b`, or `std` is not positive.
    pub fn trunc_normal(
        shape: impl Into<Shape>,
        mean: f64,
        std: f64,
        a: f64,
        b: f64,
        dtype: DType,
        generator: &mut Generator,
    ) -> Tensor {
        assert!(a < b && std > 0.0, "trunc_normal: needs a < b and std > 0, got a {a}, b {b} and std {std}");
        let (low, high) = ((a - mean) / std, (b - mean) / std);
        Tensor::drawn(shape.into(), dtype, generator, |g| (mean + std * g.normal_between(low, high)).clamp(a, b))
    }

    /// Numbers of the standard normal distribution (`torch.randn`).
    ///
    /// # Panics
    /// If `dtype` is not floating-point.
    pub fn randn(shape: impl Into<Shape>, dtype: DType, generator: &mut Generator) -> Tensor {
        Tensor::drawn(shape.into(), dtype, generator, |g| g.normal())
    }

    /// 1 with probability `p`, else 0.
    ///
    /// # Panics
    /// If `dtype` is not floating-point.
    pub fn bernoulli(shape: impl Into<Shape>, p: f64, dtype: DType, generator: &mut Generator) -> Tensor {
        Tensor::drawn(shape.into(), dtype, generator, |g| (g.uniform() < p) as u8 as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_generators_leave_zeros() {
        let g = &mut Generator::blank();
        let all = [Tensor::randn([3], DType::F64, g), Tensor::rand_uniform([3], 1.0, 2.0, DType::F64, g)];
        assert!(all.into_iter().all(|t| t.to_vec::<f64>() == [0.0; 3]));
        assert!(g.is_blank() && !Generator::new(0).is_blank());
    }

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
        let mean = x.clone().mean_all().item::<f64>();
        let var = x.square().mean_all().item::<f64>();
        assert!(mean.abs() < 0.02 && (var - 1.0).abs() < 0.02, "{mean} {var}");
        let u = Tensor::rand_uniform([n], -1.0, 3.0, DType::F64, g).to_vec::<f64>();
        assert!(u.iter().all(|x| (-1.0..3.0).contains(x)));
        assert!((u.iter().sum::<f64>() / n as f64 - 1.0).abs() < 0.02);
    }

    #[test]
    fn whole_numbers_are_equally_likely() {
        let g = &mut Generator::new(3);
        let drawn = Tensor::randint(-2, 5, [7000], g).to_vec::<i64>();
        for value in -2..5 {
            let count = drawn.iter().filter(|&&x| x == value).count();
            assert!((900..1100).contains(&count), "{value} came {count} times");
        }
        assert_eq!(drawn.iter().filter(|x| !(-2..5).contains(*x)).count(), 0);
        // Each of the six orders of three numbers.
        let mut seen = std::collections::HashMap::new();
        for _ in 0..6000 {
            *seen.entry(Tensor::randperm(3, g).to_vec::<i64>()).or_insert(0) += 1;
        }
        assert!(seen.len() == 6 && seen.values().all(|n| (850..1150).contains(n)), "{seen:?}");
        let (mut order, n) = (Tensor::randperm(1000, g).to_vec::<i64>(), 1000);
        order.sort_unstable();
        assert_eq!(order, (0..n).collect::<Vec<i64>>());
        assert_eq!(Tensor::randperm(0, g).shape(), [0]);
        assert_eq!((0..100).map(|_| g.below(1)).max(), Some(0));
    }

    #[test]
    fn a_partial_shuffle_draws_each_item_at_most_once() {
        let g = &mut Generator::new(6);
        let mut seen = [[0u32; 5]; 2];
        for _ in 0..5000 {
            let mut items = [0, 1, 2, 3, 4];
            let drawn = g.partial_shuffle(&mut items, 2).to_vec();
            seen.iter_mut().zip(&drawn).for_each(|(seen, &item)| seen[item] += 1);
            items.sort_unstable();
            assert_eq!((items, drawn[0] != drawn[1]), ([0, 1, 2, 3, 4], true));
        }
        assert!(seen.as_flattened().iter().all(|n| (850..1150).contains(n)), "{seen:?}");
        assert!(g.partial_shuffle(&mut [0; 0], 0).is_empty());
    }

    #[test]
    fn truncated_normals_have_the_right_mean() {
        // From the density: (φ(a) − φ(b)) / (Φ(b) − Φ(a)).
        let rows = [
            (-2.0, 2.0, 0.0),
            (-1.0, 3.0, 0.282_786_1),
            (0.0, 0.5, 0.244_836_3),
            (3.0, 100.0, 3.283_098_6),
            (3.0, 3.2, 3.089_745_8),
            (-6.0, -5.0, -5.183_147_1),
            (-0.1, 9.0, 0.735_331_7),
        ];
        for (a, b, mean) in rows {
            let x = Tensor::trunc_normal([50_000], 0.0, 1.0, a, b, DType::F64, &mut Generator::new(5)).to_vec::<f64>();
            assert!(x.iter().all(|x| (a..=b).contains(x)));
            let got = x.iter().sum::<f64>() / x.len() as f64;
            assert!((got - mean).abs() < 0.02 * (b - a).min(1.0), "from {a} to {b}: {got}, expected {mean}");
        }
        let x = Tensor::trunc_normal([1000], 5.0, 0.1, 4.9, 5.0, DType::F32, &mut Generator::new(5)).to_vec::<f32>();
        assert!(x.iter().all(|x| (4.9f32..=5.0).contains(x)));
    }
}
