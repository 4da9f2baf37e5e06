//! How kernels compute: settings of a thread and of the work that it starts.

use crate::instruction_set::{Isa, default_isa, has_bf16};
use std::cell::Cell;
use std::str::FromStr;

/// What the factors of products are rounded to; sums are of `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Nothing: they stay what they are.
    #[default]
    F32,
    /// `bf16`, in convolutions and linear layers for which that is faster.
    Bf16,
}

impl Precision {
    /// The name that it is typed by.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        }
    }

    /// Why this machine does not compute so, if it does not.
    pub fn check(self, isa: Isa) -> Result<(), String> {
        match self {
            Precision::Bf16 if isa != Isa::Avx512 => Err(format!("bf16 needs AVX-512, but kernels use {}", isa.name())),
            Precision::Bf16 if !has_bf16() => Err("bf16 needs AVX512_BF16, which this machine lacks".into()),
            _ => Ok(()),
        }
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Precision, String> {
        let all = [Precision::F32, Precision::Bf16];
        all.into_iter().find(|p| p.name() == name).ok_or_else(|| format!("'{name}' is neither f32 nor bf16"))
    }
}

/// How a thread's kernels compute.
///
/// The settings hold for one thread and for the tasks of its parallel loops, whichever threads run these. A new thread
/// starts with the defaults; to compute as the thread that starts it, it takes [`ComputeSettings::current`] along:
///
/// ```
/// use striate_kernels::settings::ComputeSettings;
/// use striate_kernels::threads::num_threads;
///
/// let two = ComputeSettings { threads: Some(2), ..ComputeSettings::default() };
/// two.scope(|| {
///     let settings = ComputeSettings::current();
///     let other = std::thread::spawn(move || settings.scope(num_threads));
///     assert_eq!((num_threads(), other.join().unwrap()), (2, 2));
/// });
/// assert_eq!(ComputeSettings::current(), ComputeSettings::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComputeSettings {
    /// The threads of a parallel loop. By default as many as the process may use: see [`num_threads`](crate::threads::num_threads).
    pub threads: Option<usize>,
    /// Whether convolutions may use Winograd's algorithm, as they do by default: faster, less accurate.
    ///
    /// The algorithm serves dense 3×3 kernels with stride 1 and at least 16 channels on both sides, where it pays. Its
    /// largest error is about 1e-6 of the largest output, and one NaN or infinity in the input spreads to up to 4 × 4
    /// neighbouring outputs beyond those that it belongs to.
    pub winograd: bool,
    /// What convolutions and linear layers round their factors to where their weights are packed, as in an executable. `f32` by default.
    pub precision: Precision,
    /// The instruction set. By default the best that this machine has: see [`isa`](crate::isa::isa()).
    pub isa: Option<Isa>,
}

const DEFAULT: ComputeSettings =
    ComputeSettings { threads: None, winograd: true, precision: Precision::F32, isa: None };

thread_local! {
    static CURRENT: Cell<ComputeSettings> = const { Cell::new(DEFAULT) };
}

impl Default for ComputeSettings {
    fn default() -> Self {
        DEFAULT
    }
}

impl ComputeSettings {
    /// Those of the calling thread.
    #[inline]
    pub fn current() -> ComputeSettings {
        CURRENT.get()
    }

    /// Makes them the calling thread's until `work` returns.
    ///
    /// # Panics
    /// If the number of threads is zero, or this machine lacks the instruction set or the precision.
    pub fn scope<R>(self, work: impl FnOnce() -> R) -> R {
        struct Restore(ComputeSettings);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(ComputeSettings::current());
        self.set();
        work()
    }

    /// Makes them the calling thread's from now on.
    ///
    /// # Panics
    /// If the number of threads is zero, or this machine lacks the instruction set or the precision.
    pub fn set(self) {
        assert!(self.threads != Some(0), "at least one thread is needed");
        if let Some(isa) = self.isa {
            assert!(isa.is_available(), "this machine cannot run {}", isa.name());
        }
        if self.precision != Precision::F32 {
            let isa = self.isa.unwrap_or_else(default_isa);
            self.precision.check(isa).unwrap_or_else(|message| panic!("{message}"));
        }
        self.adopt();
    }

    /// As [`ComputeSettings::set`], for settings that another thread has.
    pub(crate) fn adopt(self) {
        CURRENT.set(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::isa;
    use crate::threads::{num_threads, parallel_for};
    use std::sync::Barrier;

    #[test]
    fn threads_do_not_see_each_others_settings() {
        let portable = ComputeSettings {
            threads: Some(3),
            winograd: false,
            isa: Some(Isa::Portable),
            ..ComputeSettings::default()
        };
        let two_threads = ComputeSettings { threads: Some(2), ..ComputeSettings::default() };
        let together = Barrier::new(2);
        let check = |own: ComputeSettings| {
            for _ in 0..300 {
                together.wait();
                parallel_for(64, |_| {
                    assert_eq!(ComputeSettings::current(), own);
                    parallel_for(2, |_| assert_eq!(ComputeSettings::current(), own));
                });
                assert_eq!(num_threads(), own.threads.unwrap());
                assert_eq!(isa() == Isa::Portable, own.isa.is_some() || Isa::available().len() == 1);
            }
        };
        std::thread::scope(|scope| {
            for own in [portable, two_threads] {
                scope.spawn(move || own.scope(|| check(own)));
            }
        });
        assert_eq!(ComputeSettings::current(), ComputeSettings::default());
    }

    #[test]
    fn a_scope_ends_with_a_panic() {
        let one = ComputeSettings { threads: Some(1), ..ComputeSettings::default() };
        let nested = || one.scope(|| ComputeSettings { winograd: false, ..one }.scope(|| panic!("within")));
        assert!(std::panic::catch_unwind(nested).is_err());
        assert_eq!(ComputeSettings::current(), ComputeSettings::default());
    }

    #[test]
    #[should_panic(expected = "at least one thread")]
    fn no_threads_are_refused() {
        ComputeSettings { threads: Some(0), ..ComputeSettings::default() }.set();
    }
}
