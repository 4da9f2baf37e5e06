//! Vectors of `f32`, one type per instruction set.
//!
//! A kernel is written once, over [`Simd`], and compiled for each set by [`crate::isa::dispatch`].

use crate::elementwise::f32_to_bf16;
use half::bf16;

/// The vector operations of one instruction set.
///
/// A value of an implementing type proves that the machine has that instruction set.
pub trait Simd: Copy + Send + Sync + 'static {
    /// How many `f32` a vector holds.
    const LANES: usize;
    /// A vector of `f32`.
    type F32: Copy;

    /// All lanes equal to `x`.
    fn splat(self, x: f32) -> Self::F32;
    /// Reads `LANES` values.
    ///
    /// # Safety
    /// `from` must be valid for reading `LANES` values; it need not be aligned.
    unsafe fn load(self, from: *const f32) -> Self::F32;
    /// Writes `LANES` values.
    ///
    /// # Safety
    /// `to` must be valid for writing `LANES` values; it need not be aligned.
    unsafe fn store(self, to: *mut f32, v: Self::F32);
    /// Prefetches a cache line into L2, whatever the address; a no-op without such an instruction.
    #[inline(always)]
    fn prefetch(self, _: *const u8) {}
    /// `a + b`
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a - b`
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b`
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b + c`, rounded once where the instruction set has fused multiply-add.
    fn mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// `a / b`
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `v · 2^n` for whole numbers `n` from -160 to 200.
    fn scale(self, v: Self::F32, n: Self::F32) -> Self::F32;
    /// `a` where it is below `b`, else `b`: where either is NaN, `b`.
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a` where it is above `b`, else `b`: where either is NaN, `b`.
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The larger of the two; NaN where either is.
    fn max_or_nan(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// 0 where `x` ≤ 0, else `v`: where `x` is NaN, `v`.
    fn zero_unless_positive(self, x: Self::F32, v: Self::F32) -> Self::F32;

    /// `low` where `v` ≤ `low`, else `v`: where either is NaN, `v`.
    fn at_least(self, low: Self::F32, v: Self::F32) -> Self::F32;
    /// `high` where `v` ≥ `high`, else `v`: where either is NaN, `v`.
    fn at_most(self, high: Self::F32, v: Self::F32) -> Self::F32;

    /// `x` and `k` where `x` is above `best` or NaN, else `best` and `at`.
    #[inline(always)]
    fn better(self, best: Self::F32, at: Self::F32, x: Self::F32, k: f32) -> (Self::F32, Self::F32) {
        let mut lanes = [[0.0f32; MAX_LANES]; 3];
        // SAFETY: a vector has at most `MAX_LANES`.
        unsafe {
            self.store(lanes[0].as_mut_ptr(), best);
            self.store(lanes[1].as_mut_ptr(), at);
            self.store(lanes[2].as_mut_ptr(), x);
            for j in 0..Self::LANES {
                let x = lanes[2][j];
                if x > lanes[0][j] || x.is_nan() {
                    (lanes[0][j], lanes[1][j]) = (x, k);
                }
            }
            (self.load(lanes[0].as_ptr()), self.load(lanes[1].as_ptr()))
        }
    }
    /// Writes the first `n` lanes, whole numbers below 256, as bytes.
    ///
    /// # Safety
    /// `n` must be at most `LANES`, and `to` valid for writing `n` bytes.
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, v: Self::F32, n: usize) {
        let mut lanes = [0.0f32; MAX_LANES];
        // SAFETY: a vector has at most `MAX_LANES`; `n` bytes are the caller's promise.
        unsafe {
            self.store(lanes.as_mut_ptr(), v);
            for j in 0..n {
                *to.add(j) = lanes[j] as u8;
            }
        }
    }

    /// Reads `n` values; the other lanes are zero.
    ///
    /// # Safety
    /// `n` must be at most `LANES`, and `from` valid for reading `n` values.
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> Self::F32 {
        let mut lanes = [0.0f32; MAX_LANES];
        // SAFETY: the caller promises `n` readable values; a vector has at most `MAX_LANES`.
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n);
            self.load(lanes.as_ptr())
        }
    }
    /// Writes the first `n` lanes.
    ///
    /// # Safety
    /// `n` must be at most `LANES`, and `to` valid for writing `n` values.
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, v: Self::F32, n: usize) {
        let mut lanes = [0.0f32; MAX_LANES];
        // SAFETY: the caller promises `n` writable values; a vector has at most `MAX_LANES`.
        unsafe {
            self.store(lanes.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, n);
        }
    }
    /// `a * b + c` in the lower half of the lanes, as [`Simd::mul_add`]; the upper ones are not specified.
    #[inline(always)]
    fn mul_add_lower(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32 {
        self.mul_add(a, b, c)
    }
    /// Adds the products of pairs of `bf16` to `acc`. A lane of `x` and of `y` holds two numbers, the first in its lower half.
    #[inline(always)]
    fn dot_bf16(self, x: Self::F32, y: Self::F32, acc: Self::F32) -> Self::F32 {
        let mut lanes = [[0.0f32; MAX_LANES]; 3];
        // SAFETY: a vector has at most `MAX_LANES`.
        unsafe {
            self.store(lanes[0].as_mut_ptr(), x);
            self.store(lanes[1].as_mut_ptr(), y);
            self.store(lanes[2].as_mut_ptr(), acc);
            for j in 0..Self::LANES {
                let [x, y] = [lanes[0][j].to_bits(), lanes[1][j].to_bits()];
                let (high, low) = (|bits| f32::from_bits(bits & 0xffff_0000), |bits| f32::from_bits(bits << 16));
                lanes[2][j] = lanes[2][j] + high(x) * high(y) + low(x) * low(y);
            }
            self.load(lanes[2].as_ptr())
        }
    }
    /// Writes `LANES` values rounded to `bf16`.
    ///
    /// # Safety
    /// `to` must be valid for writing `LANES` values; it need not be aligned.
    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16, v: Self::F32) {
        let mut lanes = [0.0f32; MAX_LANES];
        // SAFETY: a vector has at most `MAX_LANES`; `LANES` values are the caller's promise.
        unsafe {
            self.store(lanes.as_mut_ptr(), v);
            for j in 0..Self::LANES {
                to.add(j).write_unaligned(f32_to_bf16(lanes[j]));
            }
        }
    }
    /// The sum of all lanes, added in pairs.
    #[inline(always)]
    fn sum(self, v: Self::F32) -> f32 {
        let mut lanes = [0.0f32; MAX_LANES];
        // SAFETY: a vector has at most `MAX_LANES`.
        unsafe { self.store(lanes.as_mut_ptr(), v) };
        let mut half = Self::LANES;
        while half > 1 {
            half /= 2;
            for i in 0..half {
                lanes[i] += lanes[i + half];
            }
        }
        lanes[0]
    }
}

/// `v · 2^n`, in two factors, as 2^n may lie outside the range of normal numbers.
#[inline(always)]
pub(crate) fn scaled(v: f32, n: f32) -> f32 {
    let n = n as i32;
    let half = n >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    v * power(half) * power(n.wrapping_sub(half))
}

/// No vector has more lanes.
pub const MAX_LANES: usize = 16;

/// Eight lanes in plain Rust.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Simd for Portable {
    const LANES: usize = 8;
    type F32 = [f32; 8];

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 8] {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> [f32; 8] {
        // SAFETY: the caller promises eight readable values.
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: [f32; 8]) {
        // SAFETY: the caller promises eight writable values.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(v) }
    }
    #[inline(always)]
    fn add(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn mul_add(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn div(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn scale(self, v: [f32; 8], n: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| scaled(v[i], n[i]))
    }
    #[inline(always)]
    fn min(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn max(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn max_or_nan(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| if a[i] > b[i] || a[i].is_nan() { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn zero_unless_positive(self, x: [f32; 8], v: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| if x[i] <= 0.0 { 0.0 } else { v[i] })
    }
    #[inline(always)]
    fn at_least(self, low: [f32; 8], v: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| if v[i] <= low[i] { low[i] } else { v[i] })
    }
    #[inline(always)]
    fn at_most(self, high: [f32; 8], v: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| if v[i] >= high[i] { high[i] } else { v[i] })
    }
}

/// The x86-64 instruction sets.
#[cfg(target_arch = "x86_64")]
pub mod x86 {
    use super::Simd;
    use half::bf16;
    use std::arch::x86_64::*;

    macro_rules! x86_simd {
        ($name:ident, $lanes:literal, $vec:ty, $doc:literal, $splat:ident, $load:ident, $store:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $fma:ident, $max:ident, $min:ident, $scale:expr, $max_or_nan:expr, $unless:expr, $at_least:expr, $at_most:expr, $load_first:expr, $store_first:expr, $sum:expr, $better:expr, $bytes:expr $(, $more:tt)?) => {
            #[doc = $doc]
            #[derive(Clone, Copy, Debug)]
            pub struct $name(());

            impl $name {
                /// # Safety
                /// The machine must have the instruction set.
                #[inline(always)]
                pub unsafe fn new_unchecked() -> Self {
                    Self(())
                }
            }

            // SAFETY (every block below): a value of this type exists only where the machine has
            // the instruction set; the pointers are the caller's promise.
            #[allow(clippy::undocumented_unsafe_blocks)]
            impl Simd for $name {
                const LANES: usize = $lanes;
                type F32 = $vec;

                #[inline(always)]
                fn splat(self, x: f32) -> $vec {
                    unsafe { $splat(x) }
                }
                #[inline(always)]
                unsafe fn load(self, from: *const f32) -> $vec {
                    unsafe { $load(from) }
                }
                #[inline(always)]
                fn prefetch(self, at: *const u8) {
                    unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut f32, v: $vec) {
                    unsafe { $store(to, v) }
                }
                #[inline(always)]
                fn add(self, a: $vec, b: $vec) -> $vec {
                    unsafe { $add(a, b) }
                }
                #[inline(always)]
                fn sub(self, a: $vec, b: $vec) -> $vec {
                    unsafe { $sub(a, b) }
                }
                #[inline(always)]
                fn mul(self, a: $vec, b: $vec) -> $vec {
                    unsafe { $mul(a, b) }
                }
                #[inline(always)]
                fn mul_add(self, a: $vec, b: $vec, c: $vec) -> $vec {
                    unsafe { $fma(a, b, c) }
                }
                #[inline(always)]
                fn max(self, a: $vec, b: $vec) -> $vec {
                    unsafe { $max(a, b) }
                }
                #[inline(always)]
                fn div(self, a: $vec, b: $vec) -> $vec {
                    unsafe { $div(a, b) }
                }
                #[inline(always)]
                fn scale(self, v: $vec, n: $vec) -> $vec {
                    unsafe { $scale(v, n) }
                }
                #[inline(always)]
                fn min(self, a: $vec, b: $vec) -> $vec {
                    unsafe { $min(a, b) }
                }
                #[inline(always)]
                fn max_or_nan(self, a: $vec, b: $vec) -> $vec {
                    unsafe { $max_or_nan(a, b) }
                }
                #[inline(always)]
                fn zero_unless_positive(self, x: $vec, v: $vec) -> $vec {
                    unsafe { $unless(x, v) }
                }
                #[inline(always)]
                fn at_least(self, low: $vec, v: $vec) -> $vec {
                    unsafe { $at_least(low, v) }
                }
                #[inline(always)]
                fn at_most(self, high: $vec, v: $vec) -> $vec {
                    unsafe { $at_most(high, v) }
                }
                #[inline(always)]
                unsafe fn load_first(self, from: *const f32, n: usize) -> $vec {
                    unsafe { $load_first(from, n) }
                }
                #[inline(always)]
                unsafe fn store_first(self, to: *mut f32, v: $vec, n: usize) {
                    unsafe { $store_first(to, v, n) }
                }
                #[inline(always)]
                fn sum(self, v: $vec) -> f32 {
                    unsafe { $sum(v) }
                }
                #[inline(always)]
                fn better(self, best: $vec, at: $vec, x: $vec, k: f32) -> ($vec, $vec) {
                    unsafe { $better(best, at, x, $splat(k)) }
                }
                #[inline(always)]
                unsafe fn store_bytes(self, to: *mut u8, v: $vec, n: usize) {
                    let bytes = unsafe { $bytes(v) };
                    if n == $lanes {
                        unsafe { to.cast::<[u8; $lanes]>().write_unaligned(bytes) }
                    } else {
                        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, n) }
                    }
                }
                $(x86_simd! { $more })?
            }
        };
        (avx512) => {
            #[inline(always)]
            fn mul_add_lower(self, a: __m512, b: __m512, c: __m512) -> __m512 {
                let half = |v| unsafe { _mm512_castps512_ps256(v) };
                unsafe { _mm512_castps256_ps512(_mm256_fmadd_ps(half(a), half(b), half(c))) }
            }
        };
        (avx512_bf16) => {
            x86_simd! { avx512 }
            #[inline(always)]
            fn dot_bf16(self, x: __m512, y: __m512, acc: __m512) -> __m512 {
                unsafe { _mm512_dpbf16_ps(acc, std::mem::transmute::<__m512, __m512bh>(x), std::mem::transmute::<__m512, __m512bh>(y)) }
            }
            #[inline(always)]
            unsafe fn store_bf16(self, to: *mut bf16, v: __m512) {
                unsafe { to.cast::<__m256bh>().write_unaligned(_mm512_cvtneps_pbh(v)) }
            }
        };
    }

    x86_simd!(
        Avx2,
        8,
        __m256,
        "AVX2 with FMA.",
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_div_ps,
        _mm256_fmadd_ps,
        _mm256_max_ps,
        _mm256_min_ps,
        scale_8,
        |a, b| _mm256_blendv_ps(_mm256_max_ps(a, b), a, _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a)),
        |x, v| _mm256_and_ps(_mm256_cmp_ps::<_CMP_NLE_UQ>(x, _mm256_setzero_ps()), v),
        |low, v| _mm256_blendv_ps(v, low, _mm256_cmp_ps::<_CMP_LE_OQ>(v, low)),
        |high, v| _mm256_blendv_ps(v, high, _mm256_cmp_ps::<_CMP_GE_OQ>(v, high)),
        |from, n| _mm256_maskload_ps(from, first_of_8(n)),
        store_first_of_8,
        sum_of_8,
        |best, at, x, k| {
            let better = _mm256_or_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(x, best), _mm256_cmp_ps::<_CMP_UNORD_Q>(x, x));
            (_mm256_blendv_ps(best, x, better), _mm256_blendv_ps(at, k, better))
        },
        bytes_of_8
    );
    macro_rules! avx512 {
        ($name:ident, $doc:literal, $more:tt) => {
            x86_simd!(
                $name,
                16,
                __m512,
                $doc,
                _mm512_set1_ps,
                _mm512_loadu_ps,
                _mm512_storeu_ps,
                _mm512_add_ps,
                _mm512_sub_ps,
                _mm512_mul_ps,
                _mm512_div_ps,
                _mm512_fmadd_ps,
                _mm512_max_ps,
                _mm512_min_ps,
                _mm512_scalef_ps,
                |a, b| _mm512_mask_mov_ps(_mm512_max_ps(a, b), _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a), a),
                |x, v| _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NLE_UQ>(x, _mm512_setzero_ps()), v),
                |low, v| _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask::<_CMP_LE_OQ>(v, low), low),
                |high, v| _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask::<_CMP_GE_OQ>(v, high), high),
                |from, n| _mm512_maskz_loadu_ps(first_of_16(n), from),
                |to, v, n| _mm512_mask_storeu_ps(to, first_of_16(n), v),
                |v| sum_of_8(_mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v))),
                |best, at, x, k| {
                    let better = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, best) | _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x);
                    (_mm512_mask_mov_ps(best, better, x), _mm512_mask_mov_ps(at, better, k))
                },
                |v| std::mem::transmute::<__m128i, [u8; 16]>(_mm512_cvtepi32_epi8(_mm512_cvttps_epi32(v))),
                $more
            );
        };
    }
    avx512!(Avx512, "AVX-512.", avx512);
    avx512!(Avx512Bf16, "AVX-512 with AVX512_BF16.", avx512_bf16);

    /// In two factors, as 2^n may lie outside the range of normal numbers.
    ///
    /// # Safety
    /// The machine must have AVX2.
    #[inline(always)]
    unsafe fn scale_8(v: __m256, n: __m256) -> __m256 {
        // SAFETY: the caller's promise.
        unsafe {
            let n = _mm256_cvttps_epi32(n);
            let half = _mm256_srai_epi32::<1>(n);
            let bias = _mm256_set1_epi32(127);
            let first = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(half, bias)));
            let rest = _mm256_add_epi32(_mm256_sub_epi32(n, half), bias);
            _mm256_mul_ps(_mm256_mul_ps(v, first), _mm256_castsi256_ps(_mm256_slli_epi32::<23>(rest)))
        }
    }

    /// # Safety
    /// The machine must have AVX2.
    #[inline(always)]
    unsafe fn bytes_of_8(v: __m256) -> [u8; 8] {
        // SAFETY: the caller's promise.
        unsafe {
            let whole = _mm256_cvttps_epi32(v);
            let words = _mm_packus_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256::<1>(whole));
            (_mm_cvtsi128_si64(_mm_packus_epi16(words, words)) as u64).to_le_bytes()
        }
    }

    #[inline(always)]
    fn first_of_16(n: usize) -> __mmask16 {
        ((1u32 << n) - 1) as __mmask16
    }

    /// # Safety
    /// The machine must have AVX2.
    #[inline(always)]
    unsafe fn first_of_8(n: usize) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
    }

    /// Halves rather than a masked store, which takes some machines tens of cycles.
    ///
    /// # Safety
    /// The machine must have AVX2, and `to` must be valid for writing `n` ≤ 8 values.
    #[inline(always)]
    unsafe fn store_first_of_8(mut to: *mut f32, v: __m256, n: usize) {
        // SAFETY: the caller's promise: the parts written add up to `n` values.
        unsafe {
            if n >= 8 {
                return _mm256_storeu_ps(to, v);
            }
            let mut part = _mm256_castps256_ps128(v);
            if n & 4 != 0 {
                _mm_storeu_ps(to, part);
                to = to.add(4);
                part = _mm256_extractf128_ps::<1>(v);
            }
            if n & 2 != 0 {
                _mm_storel_epi64(to.cast(), _mm_castps_si128(part));
                to = to.add(2);
                part = _mm_movehl_ps(part, part);
            }
            if n & 1 != 0 {
                _mm_store_ss(to, part);
            }
        }
    }

    /// In the order of [`Simd::sum`].
    ///
    /// # Safety
    /// The machine must have AVX2.
    #[inline(always)]
    unsafe fn sum_of_8(v: __m256) -> f32 {
        // SAFETY: the caller's promise.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
}
