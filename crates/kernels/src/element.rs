//! What a buffer can hold.

use crate::isa::{self, Kernel};
use crate::simd::Portable;
use half::{bf16, f16};
use std::cmp::Ordering;
use std::fmt;

/// A number that an [`AlignedVec`](crate::AlignedVec) can hold.
///
/// Every bit pattern is a valid value, which is what lets buffers be recycled without clearing them.
///
/// # Safety
/// Implement it only for types for which all bit patterns, all zeros included, are valid.
pub unsafe trait Element: Copy + Send + Sync + PartialEq + std::fmt::Debug + Default + 'static {
    /// Runs a kernel on values of this type. Kernels on `f32` are compiled for each instruction set, those on other types once, for any machine.
    #[doc(hidden)]
    #[inline]
    fn dispatch<K: Kernel>(kernel: K) -> K::Output {
        kernel.run(Portable)
    }
}

// SAFETY: all bit patterns of these are valid.
unsafe impl Element for f32 {
    #[inline]
    fn dispatch<K: Kernel>(kernel: K) -> K::Output {
        isa::dispatch(kernel)
    }
}
// SAFETY: as above.
unsafe impl Element for f64 {}
// SAFETY: as above; it is a `u16` in memory.
unsafe impl Element for f16 {}
// SAFETY: as above.
unsafe impl Element for bf16 {}
// SAFETY: as above.
unsafe impl Element for i64 {}
// SAFETY: as above.
unsafe impl Element for i32 {}
// SAFETY: as above.
unsafe impl Element for i8 {}
// SAFETY: as above.
unsafe impl Element for u8 {}
// SAFETY: as above; it is a `u8` in memory.
unsafe impl Element for Bool {}

/// A truth value as a buffer keeps it: any byte, since recycled memory holds any. A `bool` may be nothing but 0 or 1.
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
pub struct Bool(u8);

impl Bool {
    /// The truth value: false for 0, true for every other byte.
    #[inline(always)]
    pub fn get(self) -> bool {
        self.0 != 0
    }
}

impl From<bool> for Bool {
    #[inline(always)]
    fn from(truth: bool) -> Bool {
        Bool(truth as u8)
    }
}

impl PartialEq for Bool {
    #[inline(always)]
    fn eq(&self, other: &Bool) -> bool {
        self.get() == other.get()
    }
}

impl PartialOrd for Bool {
    #[inline(always)]
    fn partial_cmp(&self, other: &Bool) -> Option<Ordering> {
        self.get().partial_cmp(&other.get())
    }
}

impl fmt::Display for Bool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.get(), f)
    }
}

impl fmt::Debug for Bool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_but_0_is_true() {
        let [no, yes, odd] = [Bool(0), Bool(1), Bool(255)];
        assert_eq!([no, yes, odd].map(Bool::get), [false, true, true]);
        assert!(yes == odd && no < odd && yes <= odd && odd <= yes && no != odd);
        assert_eq!((Bool::from(true), Bool::from(false)), (odd, Bool::default()));
        assert_eq!(format!("{odd} {no:?}"), "true false");
    }
}
