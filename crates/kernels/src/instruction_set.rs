//! Instruction sets, and which of them this machine has.

use std::sync::OnceLock;

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Whatever the compiler's target guarantees.
    Portable,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, VL, BW and DQ.
    Avx512,
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

/// Whether this machine has AVX-512 with instructions for `bf16` (AVX512_BF16).
pub fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return Isa::Avx512.is_available() && is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// What the environment asks for, found once.
static DEFAULT: OnceLock<Isa> = OnceLock::new();

/// The instruction set of threads that have set none.
///
/// # Panics
/// As [`crate::isa::isa`].
pub(crate) fn default_isa() -> Isa {
    *DEFAULT.get_or_init(|| check_environment().unwrap_or_else(|message| panic!("{message}")))
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
