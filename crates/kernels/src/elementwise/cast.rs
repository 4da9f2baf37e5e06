//! Conversions between element types, and the search for values that are not finite.

use crate::Element;
use crate::float::Float;
use crate::isa::{Kernel, dispatch};
use crate::simd::Simd;
use crate::strided::CHUNK;
use crate::threads::parallel_chunks;

/// An element type that converts to `B`.
pub trait CastTo<B> {
    /// The value as a `B`: fractions are cut off, what lies outside `B`'s range becomes its nearest end, NaN becomes 0 in an
    /// integer.
    fn cast(self) -> B;
}

macro_rules! casts {
    ($($from:ident => $($to:ident)*;)*) => {
        $($(impl CastTo<$to> for $from {
            #[inline(always)]
            fn cast(self) -> $to {
                self as $to
            }
        })*)*
    };
}

casts! {
    f32 => f32 f64 i64 u8;
    f64 => f32 f64 i64 u8;
    i64 => f32 f64 i64;
    u8 => f32 f64 i64 u8;
}

impl CastTo<u8> for i64 {
    #[inline(always)]
    fn cast(self) -> u8 {
        self.clamp(0, 255) as u8
    }
}

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
    x.chunks(4096).enumerate().find(|(_, part)| !dispatch(AllFinite(part))).map(|(i, part)| {
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
        let none: [f64; 0] = casted::<u8, f64>(&[]).try_into().unwrap();
        assert_eq!(none, []);
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
