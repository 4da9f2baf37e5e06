//! The choice of instruction set: made once, at the first use.

use crate::simd::{Portable, Simd};
use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Isa {
    /// Whatever the compiler's target guarantees.
    Portable = 1,
    /// x86-64 with AVX2 and FMA.
    Avx2 = 2,
    /// x86-64 with AVX-512 F, VL, BW and DQ.
    Avx512 = 3,
}

impl Isa {
    /// The name that `STRIATE_ISA` takes.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }

    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        match self {
            Isa::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                Isa::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// Every instruction set that this machine can run, the simplest first.
    pub fn available() -> Vec<Isa> {
        [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter(|i| i.is_available()).collect()
    }
}

static CHOSEN: AtomicU8 = AtomicU8::new(0);

/// The instruction set in use: the one that the environment variable `STRIATE_ISA` names
/// (`portable`, `avx2` or `avx512`), or else the best that this machine has.
///
/// # Panics
/// If `STRIATE_ISA` names none of these, or one that this machine lacks. [`check_environment`] says
/// so without a panic.
pub fn isa() -> Isa {
    match CHOSEN.load(Ordering::Relaxed) {
        1 => Isa::Portable,
        2 => Isa::Avx2,
        3 => Isa::Avx512,
        _ => {
            let isa = check_environment().unwrap_or_else(|message| panic!("{message}"));
            CHOSEN.store(isa as u8, Ordering::Relaxed);
            isa
        }
    }
}

/// The instruction set that the environment asks for, or what is wrong with the request.
pub fn check_environment() -> Result<Isa, String> {
    let available = Isa::available();
    let best = *available.last().expect("the portable rung is always there");
    let Ok(name) = std::env::var("STRIATE_ISA") else { return Ok(best) };
    let names: Vec<_> = available.iter().map(|i| i.name()).collect();
    available
        .into_iter()
        .find(|i| i.name() == name)
        .ok_or_else(|| format!("STRIATE_ISA is '{name}', but this machine has {}", names.join(", ")))
}

/// Makes every later kernel use `isa`. For tests and benchmarks that run each rung in turn.
///
/// # Panics
/// If this machine cannot run it.
pub fn force_isa(isa: Isa) {
    assert!(isa.is_available(), "this machine cannot run {}", isa.name());
    CHOSEN.store(isa as u8, Ordering::Relaxed);
}

/// A piece of work that is compiled once for each instruction set.
///
/// Mark `run`, and every function that it calls in its inner loops, `#[inline(always)]`: only then are they compiled with the
/// instruction set's features switched on.
pub trait Kernel {
    /// What the work gives back.
    type Output;
    /// Does the work; `simd` has the vector operations of the chosen instruction set.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Runs `kernel` compiled for the instruction set in use.
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    dispatch_on(isa(), kernel)
}

/// Runs `kernel` compiled for `isa`: for work whose parts must agree on one instruction set.
///
/// # Panics
/// If this machine cannot run it.
#[inline]
pub fn dispatch_on<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    assert!(isa.is_available(), "this machine cannot run {}", isa.name());
    match isa {
        Isa::Portable => kernel.run(Portable),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: asserted above that this machine has it.
        Isa::Avx2 => unsafe { x86::avx2(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx512 => unsafe { x86::avx512(kernel) },
        #[cfg(not(target_arch = "x86_64"))]
        _ => kernel.run(Portable),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Kernel;
    use crate::simd::x86::{Avx2, Avx512};

    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn avx2<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the caller has made sure that the machine has the features.
        kernel.run(unsafe { Avx2::new_unchecked() })
    }

    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]
    pub unsafe fn avx512<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the caller has made sure that the machine has the features.
        kernel.run(unsafe { Avx512::new_unchecked() })
    }
}
