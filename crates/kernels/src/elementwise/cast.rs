//! Conversions between element types, and the search for values that are not finite.

use super::half::{bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16, f64_to_odd_f32, i64_to_odd_f32};
use crate::float::Float;
use crate::isa::{Kernel, dispatch};
use crate::simd::Simd;
use crate::strided::CHUNK;
use crate::threads::parallel_chunks;
use crate::{Bool, Element};
use ::half::{bf16, f16};

/// An element type that converts to `B`.
pub trait CastTo<B> {
    /// The value as a `B`. In an integer fractions are cut off, what lies outside its range becomes its nearest end, and NaN becomes 0; a
    /// floating-point number is rounded to nearest, ties to even; a truth value is whether it is not 0.
    fn cast(self) -> B;
}

macro_rules! casts {
    (|$x:ident: $from:ident| $($to:ident: $value:expr),* $(,)?) => {
        $(impl CastTo<$to> for $from {
            #[inline(always)]
            fn cast(self) -> $to {
                let $x = self;
                $value
            }
        })*
    };
}

casts!(|x: f32|
    f32: x, f64: x as f64, f16: f32_to_f16(x), bf16: f32_to_bf16(x),
    i64: x as i64, i32: x as i32, i8: x as i8, u8: x as u8,
    Bool: Bool::from(x.abs() >= f32::MIN_POSITIVE || x.is_nan()),
);
casts!(|x: f64|
    f32: x as f32, f64: x, f16: f32_to_f16(f64_to_odd_f32(x)), bf16: f32_to_bf16(f64_to_odd_f32(x)),
    i64: x as i64, i32: x as i32, i8: x as i8, u8: x as u8,
    Bool: Bool::from(x.abs() >= f64::MIN_POSITIVE || x.is_nan()),
);
casts!(|x: f16|
    f32: f16_to_f32(x), f64: f16_to_f32(x) as f64, f16: x, bf16: f32_to_bf16(f16_to_f32(x)),
    i64: f16_to_f32(x) as i64, i32: f16_to_f32(x) as i32, i8: f16_to_f32(x) as i8, u8: f16_to_f32(x) as u8,
    Bool: Bool::from(x.to_bits() << 1 != 0),
);
casts!(|x: bf16|
    f32: bf16_to_f32(x), f64: x.to_f64(), f16: f32_to_f16(bf16_to_f32(x)), bf16: x,
    i64: bf16_to_f32(x) as i64, i32: bf16_to_f32(x) as i32, i8: bf16_to_f32(x) as i8, u8: bf16_to_f32(x) as u8,
    Bool: Bool::from(x.to_bits() & 0x7F80 != 0),
);
casts!(|x: i64|
    f32: x as f32, f64: x as f64, f16: f32_to_f16(i64_to_odd_f32(x)), bf16: f32_to_bf16(i64_to_odd_f32(x)),
    i64: x, i32: x.clamp(i32::MIN as i64, i32::MAX as i64) as i32, i8: x.clamp(-128, 127) as i8,
    u8: x.clamp(0, 255) as u8, Bool: Bool::from(x != 0),
);
casts!(|x: i32|
    f32: x as f32, f64: x as f64, f16: f32_to_f16(f64_to_odd_f32(x as f64)),
    bf16: f32_to_bf16(f64_to_odd_f32(x as f64)),
    i64: x as i64, i32: x, i8: x.clamp(-128, 127) as i8, u8: x.clamp(0, 255) as u8, Bool: Bool::from(x != 0),
);
casts!(|x: i8|
    f32: x as f32, f64: x as f64, f16: f32_to_f16(x as f32), bf16: f32_to_bf16(x as f32),
    i64: x as i64, i32: x as i32, i8: x, u8: x.max(0) as u8, Bool: Bool::from(x != 0),
);
casts!(|x: u8|
    f32: x as f32, f64: x as f64, f16: f32_to_f16(x as f32), bf16: f32_to_bf16(x as f32),
    i64: x as i64, i32: x as i32, i8: x.min(127) as i8, u8: x, Bool: Bool::from(x != 0),
);
casts!(|x: Bool|
    f32: x.get() as u8 as f32, f64: x.get() as u8 as f64, f16: if x.get() { f16::ONE } else { f16::ZERO },
    bf16: if x.get() { bf16::ONE } else { bf16::ZERO },
    i64: x.get() as i64, i32: x.get() as i32, i8: x.get() as i8, u8: x.get() as u8, Bool: Bool::from(x.get()),
);

struct Cast<'a, A, B> {
    x: &'a [A],
    out: &'a mut [B],
}

impl<A: Element + CastTo<B>, B: Element> Kernel for Cast<'_, A, B> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (out, x) in self.out.iter_mut().zip(self.x) {
            *out = x.cast();
        }
    }
}

/// `out[i] = x[i]`, converted.
///
/// # Panics
/// If the lengths differ.
pub fn cast<A: Element + CastTo<B>, B: Element>(x: &[A], out: &mut [B]) {
    assert_eq!(x.len(), out.len(), "cast: {} inputs, {} outputs", x.len(), out.len());
    parallel_chunks(out, CHUNK, |i, out| dispatch(Cast { x: &x[i * CHUNK..][..out.len()], out }));
}

struct AllFinite<'a, T>(&'a [T]);

impl<T: Float> Kernel for AllFinite<'_, T> {
    type Output = bool;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> bool {
        self.0.iter().fold(true, |all, x| all & (x.abs() < T::INFINITY))
    }
}

/// Where the first infinite or NaN value stands.
pub fn first_non_finite<T: Float>(x: &[T]) -> Option<usize> {
    x.chunks(4096).enumerate().find(|(_, part)| !T::dispatch(AllFinite(part))).map(|(i, part)| {
        i * 4096 + part.iter().position(|x| !x.is_finite()).expect("a value of this part is not finite")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn casted<A: Element + CastTo<B>, B: Element>(x: &[A]) -> Vec<B> {
        let mut out = vec![B::default(); x.len()];
        cast(x, &mut out);
        out
    }

    #[test]
    fn casts_truncate_and_saturate() {
        let x = [1.9, -1.9, 300.0, -3.0, f64::NAN, f64::INFINITY];
        assert_eq!(casted::<f64, i64>(&x), [1, -1, 300, -3, 0, i64::MAX]);
        assert_eq!(casted::<f64, u8>(&x), [1, 0, 255, 0, 0, 255]);
        assert_eq!(casted::<i64, u8>(&[-5, 5, 256]), [0, 5, 255]);
        assert_eq!(casted::<i64, f32>(&[-5, 1 << 24]), [-5.0, 16777216.0]);
        assert_eq!(casted::<u8, f32>(&[0, 255]), [0.0, 255.0]);
        assert_eq!(casted::<f32, f64>(&[0.5; 17]), [0.5; 17]);
        assert_eq!(casted::<i64, i8>(&[-129, 5, 128]), [-128, 5, 127]);
        assert_eq!(casted::<i64, i32>(&[i64::MIN, -5, i64::MAX]), [i32::MIN, -5, i32::MAX]);
        assert_eq!(casted::<i32, i8>(&[i32::MIN, i32::MAX]), [-128, 127]);
        assert_eq!(casted::<i32, u8>(&[-1, 256]), [0, 255]);
        assert_eq!(casted::<i8, u8>(&[-1, 127]), [0, 127]);
        assert_eq!(casted::<u8, i8>(&[127, 128]), [127, 127]);
        assert_eq!(casted::<f32, i8>(&[-200.0, -1.9, f32::NAN]), [-128, -1, 0]);
        let none: [f64; 0] = casted::<u8, f64>(&[]).try_into().unwrap();
        assert_eq!(none, []);
    }

    #[test]
    fn what_is_not_0_is_true() {
        let truth = |x: Vec<Bool>| x.into_iter().map(Bool::get).collect::<Vec<_>>();
        // Numbers too small to be normal count as 0, as in all kernels.
        let x = [0.0, -0.0, f32::from_bits(1), f32::MIN_POSITIVE, f32::NAN, -2.0, f32::INFINITY];
        let expected = [false, false, false, true, true, true, true];
        assert_eq!(truth(casted(&x)), expected);
        assert_eq!(truth(casted(&x.map(bf16::from_f32))), expected);
        let x = [0.0, -0.0, f64::from_bits(1), f64::MIN_POSITIVE, f64::NAN, -2.0, f64::INFINITY];
        assert_eq!(truth(casted(&x)), expected);
        assert_eq!(truth(casted(&[f16::from_bits(0x8000), f16::from_bits(1)])), [false, true]);
        assert_eq!(truth(casted(&[0i64, i64::MIN])), [false, true]);
        let both = [Bool::from(false), Bool::from(true)];
        assert_eq!(casted::<_, f16>(&both), [f16::ZERO, f16::ONE]);
        assert_eq!(casted::<_, i8>(&both), [0, 1]);
        assert_eq!(casted::<_, f64>(&both), [0.0, 1.0]);
    }

    #[test]
    fn long_rows_of_16_bits_are_the_crates() {
        let x: Vec<f32> =
            (0..100_000u32).map(|i| f32::from_bits(i.wrapping_mul(42_949))).filter(|x| !x.is_nan()).collect();
        assert!(casted::<f32, bf16>(&x) == x.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>());
        let halves: Vec<f16> = casted(&x);
        let want: Vec<f16> = x.iter().map(|&x| f16::from_f32(x)).collect();
        assert!(halves == want);
        assert!(casted::<f16, f32>(&halves) == want.iter().map(|h| h.to_f32()).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_of_several_is_found() {
        let mut x = vec![f32::MAX; 10_000];
        assert_eq!(first_non_finite(&x), None);
        assert_eq!(first_non_finite::<f64>(&[]), None);
        x[9_999] = f32::NAN;
        assert_eq!(first_non_finite(&x), Some(9_999));
        x[4_100] = f32::NEG_INFINITY;
        assert_eq!(first_non_finite(&x), Some(4_100));
    }
}
