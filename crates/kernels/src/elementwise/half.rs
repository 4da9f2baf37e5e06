//! Conversions to and from the 16-bit floating-point types, by bits: without branches in the common case, and the same whether or not subnormal
//! numbers count as 0.

use half::{bf16, f16};

/// The bits of the `f32` 2⁻¹⁴, the smallest normal `f16`.
const SMALLEST: u32 = 113 << 23;

#[inline(always)]
pub fn f16_to_f32(x: f16) -> f32 {
    let bits = x.to_bits() as u32;
    let (sign, magnitude) = ((bits & 0x8000) << 16, (bits & 0x7fff) << 13);
    let exponent = magnitude & (0x1f << 23);
    let normal = magnitude + (112 << 23);
    let special = magnitude + (224 << 23);
    // 2⁻¹⁴ is put on top of the subnormal number, and taken off again.
    let subnormal = (f32::from_bits(magnitude + SMALLEST) - f32::from_bits(SMALLEST)).to_bits();
    let value = if exponent == 0 {
        subnormal
    } else if exponent == 0x1f << 23 {
        special
    } else {
        normal
    };
    f32::from_bits(sign | value)
}

/// Rounds to nearest, ties to even.
#[inline(always)]
pub fn f32_to_f16(x: f32) -> f16 {
    /// Of this size an `f32` has the spacing of the subnormal numbers of `f16`: 2⁻²⁴.
    const RULER: u32 = 126 << 23;
    let bits = x.to_bits();
    let (sign, magnitude) = (bits & 0x8000_0000, bits & 0x7fff_ffff);
    let special = if magnitude > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
    let subnormal = (f32::from_bits(magnitude) + f32::from_bits(RULER)).to_bits().wrapping_sub(RULER);
    let normal = magnitude.wrapping_sub(112 << 23).wrapping_add(0xfff + ((magnitude >> 13) & 1)) >> 13;
    let value = if magnitude >= 143 << 23 {
        special
    } else if magnitude < SMALLEST {
        subnormal
    } else {
        normal
    };
    f16::from_bits((sign >> 16 | value) as u16)
}

#[inline(always)]
pub fn bf16_to_f32(x: bf16) -> f32 {
    f32::from_bits((x.to_bits() as u32) << 16)
}

/// Rounds to nearest, ties to even.
#[inline(always)]
pub fn f32_to_bf16(x: f32) -> bf16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    let nan = bits >> 16 | 0x40;
    bf16::from_bits(if bits & 0x7fff_ffff > 0x7f80_0000 { nan } else { rounded } as u16)
}

/// The `f32` next to `x` towards 0, made odd where it is not `x`: what is then rounded to fewer bits is rounded as if it were `x`.
#[inline(always)]
pub fn f64_to_odd_f32(x: f64) -> f32 {
    let bits = x.to_bits();
    let sign = (bits >> 32) as u32 & 0x8000_0000;
    let (exponent, fraction) = ((bits >> 52) as i32 & 0x7ff, bits & ((1 << 52) - 1));
    let odd = |value: u64, shift: u32| (value >> shift) as u32 | (value & ((1 << shift) - 1) != 0) as u32;
    let magnitude = match exponent - 896 {
        1151 => 0x7f80_0000 | odd(fraction, 29),
        255.. => 0x7f7f_ffff,
        e @ 1..255 => (e as u32) << 23 | odd(fraction, 29),
        e => match exponent {
            0 => (fraction != 0) as u32,
            _ => odd(1 << 52 | fraction, (30 - e).min(63) as u32),
        },
    };
    f32::from_bits(sign | magnitude)
}

/// As [`f64_to_odd_f32`].
#[inline(always)]
pub fn i64_to_odd_f32(x: i64) -> f32 {
    let magnitude = x.unsigned_abs();
    // An `f64` holds 53 bits: what is cut off below leaves its trace in the last one kept.
    let cut = magnitude & !0x7ff | ((magnitude & 0x7ff != 0) as u64) << 11;
    let value = if magnitude < 1 << 53 { magnitude } else { cut } as f64;
    f64_to_odd_f32(if x < 0 { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: f32, b: f32) -> bool {
        a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
    }

    #[test]
    fn every_number_of_16_bits_is_read_and_written_as_it_is() {
        for bits in 0..=u16::MAX {
            let (h, b) = (f16::from_bits(bits), bf16::from_bits(bits));
            assert!(same(f16_to_f32(h), h.to_f32()), "{bits:#x}");
            assert!(same(bf16_to_f32(b), b.to_f32()), "{bits:#x}");
            let (back_h, back_b) = (f32_to_f16(f16_to_f32(h)), f32_to_bf16(bf16_to_f32(b)));
            assert!(back_h.to_bits() == bits || h.is_nan() && back_h.is_nan(), "{bits:#x}");
            assert!(back_b.to_bits() == bits || b.is_nan() && back_b.is_nan(), "{bits:#x}");
        }
    }

    /// The middle between two neighbours goes to the even one, all else to the nearer one, up to the middle beyond the largest.
    #[test]
    fn rounding_is_to_nearest_even() {
        type Table<'a> = (&'a dyn Fn(f64) -> u16, &'a dyn Fn(u16) -> f64, u16, f64);
        let h = |x: f64| f32_to_f16(f64_to_odd_f32(x)).to_bits();
        let b = |x: f64| f32_to_bf16(f64_to_odd_f32(x)).to_bits();
        let tables: [Table; 2] = [
            (&h, &|bits| f16::from_bits(bits).to_f64(), 0x7c00, 65536.0),
            (&b, &|bits| bf16::from_bits(bits).to_f64(), 0x7f80, 2f64.powi(128)),
        ];
        for (round, value, infinity, beyond) in tables {
            for low in 0..infinity {
                let (x, high) = (value(low), low + 1);
                let y = if high == infinity { beyond } else { value(high) };
                let middle = (x + y) / 2.0;
                let even = if low % 2 == 0 { low } else { high };
                let near = |x: f64, steps: i64| f64::from_bits((x.to_bits() as i64 + steps) as u64);
                for (x, want) in [(middle, even), (near(middle, -1), low), (near(middle, 1), high), (x, low)] {
                    assert_eq!(round(x), want, "{x:e}");
                    assert_eq!(round(-x), want | 0x8000, "-{x:e}");
                }
            }
            assert_eq!([f64::MAX, f64::INFINITY].map(round), [infinity; 2]);
            assert_eq!([0.0, f64::MIN_POSITIVE, 5e-324].map(round), [0; 3]);
            assert!(value(round(f64::NAN)).is_nan());
        }
    }

    #[test]
    fn single_precision_is_rounded_as_the_crate_does() {
        for bits in (0..=u32::MAX).step_by(997) {
            let x = f32::from_bits(bits);
            let (h, b) = (f32_to_f16(x), f32_to_bf16(x));
            assert!(h.to_bits() == f16::from_f32(x).to_bits() || x.is_nan() && h.is_nan(), "{x:e}");
            assert!(b.to_bits() == bf16::from_f32(x).to_bits() || x.is_nan() && b.is_nan(), "{x:e}");
        }
    }

    #[test]
    fn large_integers_are_rounded_once() {
        let tie = (1 << 60) + (1 << 52);
        let rounded = |x: i64| f32_to_bf16(i64_to_odd_f32(x)).to_f64();
        assert_eq!(rounded(tie), 2f64.powi(60));
        assert_eq!(rounded(tie + 1), 2f64.powi(60) + 2f64.powi(53));
        assert_eq!(rounded(-tie - 1), -(2f64.powi(60) + 2f64.powi(53)));
        assert_eq!(rounded(i64::MIN), -(2f64.powi(63)));
        assert_eq!(f32_to_f16(i64_to_odd_f32(65519)).to_f64(), 65504.0);
        assert_eq!(f32_to_f16(i64_to_odd_f32(-65520)).to_f64(), f64::NEG_INFINITY);
    }
}
