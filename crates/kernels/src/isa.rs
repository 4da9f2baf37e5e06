//! Work that is compiled once for each instruction set.

use crate::instruction_set::default_isa;
pub use crate::instruction_set::{Isa, check_environment, has_bf16};
use crate::settings::ComputeSettings;
use crate::simd::{Portable, Simd};

/// The instruction set that the calling thread's kernels use: that of its [`ComputeSettings`], or else the one that the environment
/// variable `STRIATE_ISA` names (`portable`, `avx2` or `avx512`), or else the best that this machine has.
///
/// # Panics
/// If `STRIATE_ISA` names none of these, or one that this machine lacks. [`check_environment`] says
/// so without a panic.
pub fn isa() -> Isa {
    ComputeSettings::current().isa.unwrap_or_else(default_isa)
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

/// As [`dispatch_on`] AVX-512, with its instructions for `bf16`.
///
/// # Panics
/// If this machine lacks them.
#[inline]
pub(crate) fn dispatch_bf16<K: Kernel>(kernel: K) -> K::Output {
    assert!(has_bf16(), "this machine has no AVX512_BF16");
    #[cfg(target_arch = "x86_64")]
    // SAFETY: asserted above that this machine has it.
    unsafe {
        x86::avx512_bf16(kernel)
    }
    #[cfg(not(target_arch = "x86_64"))]
    kernel.run(Portable)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Kernel;
    use crate::simd::x86::{Avx2, Avx512, Avx512Bf16};

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

    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq,avx512bf16")]
    pub unsafe fn avx512_bf16<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the caller has made sure that the machine has the features.
        kernel.run(unsafe { Avx512Bf16::new_unchecked() })
    }
}
