//! One instruction set for all parts of one operation.

use crate::isa::{self, Isa, Kernel};
use crate::simd::Simd;

/// The instruction set that an operation read once and hands to its parallel parts, so that all agree on the layout of packed data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Isa(Isa),
    /// Sixteen lanes in plain Rust: runs the code paths of AVX-512 on any machine.
    #[cfg(test)]
    Wide,
}

struct Lanes;

impl Kernel for Lanes {
    type Output = usize;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        S::LANES
    }
}

impl Target {
    /// The one in use.
    pub fn current() -> Target {
        #[cfg(test)]
        if let Some(target) = tests::FORCED.get() {
            return target;
        }
        Target::Isa(isa::isa())
    }

    /// How many `f32` its vectors hold.
    pub fn lanes(self) -> usize {
        self.run(Lanes)
    }

    /// Runs `kernel` compiled for it.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Target::Isa(isa) => isa::dispatch_on(isa, kernel),
            #[cfg(test)]
            Target::Wide => kernel.run(tests::Wide),
        }
    }

    /// As [`Target::run`], with the machine's instructions for `bf16`.
    ///
    /// # Panics
    /// If it is not AVX-512, or this machine lacks them.
    #[inline]
    pub fn run_bf16<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Target::Isa(Isa::Avx512) => isa::dispatch_bf16(kernel),
            Target::Isa(isa) => panic!("{} has no instructions for bf16", isa.name()),
            #[cfg(test)]
            Target::Wide => kernel.run(tests::Wide),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        pub(super) static FORCED: Cell<Option<Target>> = const { Cell::new(None) };
    }

    /// Calls `check` once for each instruction set that this machine can run, and once with sixteen plain lanes.
    pub fn on_every_target(check: impl Fn(Target)) {
        for target in Isa::available().into_iter().map(Target::Isa).chain([Target::Wide]) {
            FORCED.set(Some(target));
            check(target);
        }
        FORCED.set(None);
    }

    /// As [`on_every_target`], for what computes with `bf16`.
    pub fn on_every_bf16_target(check: impl Fn(Target)) {
        for target in isa::has_bf16().then_some(Target::Isa(Isa::Avx512)).into_iter().chain([Target::Wide]) {
            FORCED.set(Some(target));
            check(target);
        }
        FORCED.set(None);
    }

    #[derive(Clone, Copy)]
    pub struct Wide;

    impl Simd for Wide {
        const LANES: usize = 16;
        type F32 = [f32; 16];

        #[inline(always)]
        fn splat(self, x: f32) -> [f32; 16] {
            [x; 16]
        }
        #[inline(always)]
        unsafe fn load(self, from: *const f32) -> [f32; 16] {
            // SAFETY: the caller promises sixteen readable values.
            unsafe { from.cast::<[f32; 16]>().read_unaligned() }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32, v: [f32; 16]) {
            // SAFETY: the caller promises sixteen writable values.
            unsafe { to.cast::<[f32; 16]>().write_unaligned(v) }
        }
        #[inline(always)]
        fn add(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
            std::array::from_fn(|i| a[i] + b[i])
        }
        #[inline(always)]
        fn sub(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
            std::array::from_fn(|i| a[i] - b[i])
        }
        #[inline(always)]
        fn mul(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
            std::array::from_fn(|i| a[i] * b[i])
        }
        #[inline(always)]
        fn mul_add(self, a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
            std::array::from_fn(|i| a[i] * b[i] + c[i])
        }
        #[inline(always)]
        fn div(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
            std::array::from_fn(|i| a[i] / b[i])
        }
        #[inline(always)]
        fn scale(self, v: [f32; 16], n: [f32; 16]) -> [f32; 16] {
            std::array::from_fn(|i| crate::simd::scaled(v[i], n[i]))
        }
        #[inline(always)]
        fn min(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
            std::array::from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
        }
        #[inline(always)]
        fn max(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
            std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
        }
        #[inline(always)]
        fn max_or_nan(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
            std::array::from_fn(|i| if a[i] > b[i] || a[i].is_nan() { a[i] } else { b[i] })
        }
        #[inline(always)]
        fn zero_unless_positive(self, x: [f32; 16], v: [f32; 16]) -> [f32; 16] {
            std::array::from_fn(|i| if x[i] <= 0.0 { 0.0 } else { v[i] })
        }
        #[inline(always)]
        fn at_least(self, low: [f32; 16], v: [f32; 16]) -> [f32; 16] {
            std::array::from_fn(|i| if v[i] <= low[i] { low[i] } else { v[i] })
        }
        #[inline(always)]
        fn at_most(self, high: [f32; 16], v: [f32; 16]) -> [f32; 16] {
            std::array::from_fn(|i| if v[i] >= high[i] { high[i] } else { v[i] })
        }
    }

    #[test]
    fn part_of_a_vector_and_its_sum() {
        struct Parts(usize);
        impl Kernel for Parts {
            type Output = (Vec<f32>, f32);
            #[inline(always)]
            fn run<S: Simd>(self, simd: S) -> Self::Output {
                let from: Vec<f32> = (1..=self.0).map(|x| x as f32).collect();
                let mut to = vec![-1.0; self.0];
                // SAFETY: both have exactly the length that is passed, which is at most `LANES`.
                let v = unsafe { simd.load_first(from.as_ptr(), self.0) };
                // SAFETY: as above.
                unsafe { simd.store_first(to.as_mut_ptr(), v, self.0) };
                (to, simd.sum(v))
            }
        }
        on_every_target(|target| {
            for n in 0..=target.lanes() {
                let (copied, sum) = target.run(Parts(n));
                assert_eq!(copied, (1..=n).map(|x| x as f32).collect::<Vec<_>>());
                assert_eq!(sum, (n * (n + 1) / 2) as f32);
            }
        });
    }

    #[test]
    fn the_better_value_and_its_place_as_a_byte() {
        struct Better(usize);
        impl Kernel for Better {
            type Output = (Vec<f32>, Vec<u8>);
            #[inline(always)]
            fn run<S: Simd>(self, simd: S) -> Self::Output {
                let best: Vec<f32> = (0..S::LANES).map(|j| if j == 4 { f32::NAN } else { j as f32 }).collect();
                let x: Vec<f32> = (0..S::LANES).map(|j| [j as f32 + 1.0, j as f32, f32::NAN, -1.0][j % 4]).collect();
                let (mut values, mut bytes) = (vec![0.0; S::LANES], vec![9; self.0 + 1]);
                // SAFETY: all have `LANES` values, and `bytes` more than are written.
                unsafe {
                    let (best, x) = (simd.load(best.as_ptr()), simd.load(x.as_ptr()));
                    let (best, at) = simd.better(best, simd.splat(7.0), x, 200.0);
                    simd.store(values.as_mut_ptr(), best);
                    simd.store_bytes(bytes.as_mut_ptr(), at, self.0);
                }
                (values, bytes)
            }
        }
        on_every_target(|target| {
            for n in 0..=target.lanes() {
                let (values, bytes) = target.run(Better(n));
                // A number is not better than NaN, and neither is an equal one.
                let wins = |j: usize| j % 4 == 2 || (j.is_multiple_of(4) && j != 4);
                for (j, value) in values.iter().enumerate() {
                    let want = [j as f32 + 1.0, j as f32, f32::NAN, j as f32][j % 4];
                    assert!(*value == want || (value.is_nan() && (want.is_nan() || j == 4)), "{target:?} {j}: {value}");
                }
                let want: Vec<u8> = (0..n).map(|j| if wins(j) { 200 } else { 7 }).chain([9]).collect();
                assert_eq!(bytes, want, "{target:?}");
            }
        });
    }
}
