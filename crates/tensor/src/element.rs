//! Rust types as elements of tensors.

use crate::array::Storage;
use crate::dtype::DType;
use half::{bf16, f16};
use std::fmt;
use std::sync::Arc;
use striate_kernels::elementwise::CastTo;
use striate_kernels::{AlignedVec, Bool};

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that a tensor gives and takes: `f32`, `f64`, [`f16`](struct@f16), [`bf16`](struct@bf16), `i64`, `i32`, `i8`, `u8` or `bool`.
pub trait Element:
    Copy + Send + Sync + PartialOrd + Default + fmt::Debug + fmt::Display + sealed::Sealed + 'static
{
    /// The matching [`DType`].
    const DTYPE: DType;
    /// The type that memory holds.
    type Stored: Stored;
    /// The nearest value to `x`.
    fn from_f64(x: f64) -> Self;
    /// The value as `f64`.
    fn to_f64(self) -> f64;
    #[doc(hidden)]
    fn store(values: impl ExactSizeIterator<Item = Self>) -> AlignedVec<Self::Stored>;
    #[doc(hidden)]
    fn load(stored: &[Self::Stored]) -> Vec<Self>;
}

/// An [`Element`] that memory holds as it is: all but `bool`, of which not every byte is one.
pub trait Stored: Element<Stored = Self> + striate_kernels::Element {
    #[doc(hidden)]
    fn wrap(buffer: Arc<AlignedVec<Self>>) -> Storage;
    #[doc(hidden)]
    fn of(storage: &Storage) -> Option<&Arc<AlignedVec<Self>>>;
    #[doc(hidden)]
    fn of_mut(storage: &mut Storage) -> Option<&mut Arc<AlignedVec<Self>>>;
}

macro_rules! stored {
    ($($t:ty, $variant:ident;)*) => {
        $(
            impl sealed::Sealed for $t {}
            impl Element for $t {
                const DTYPE: DType = DType::$variant;
                type Stored = $t;
                fn from_f64(x: f64) -> Self {
                    CastTo::<$t>::cast(x)
                }
                fn to_f64(self) -> f64 {
                    CastTo::<f64>::cast(self)
                }
                fn store(values: impl ExactSizeIterator<Item = Self>) -> AlignedVec<Self> {
                    let mut buffer = AlignedVec::unspecified(values.len());
                    buffer.iter_mut().zip(values).for_each(|(stored, value)| *stored = value);
                    buffer
                }
                fn load(stored: &[Self]) -> Vec<Self> {
                    stored.to_vec()
                }
            }
            impl Stored for $t {
                fn wrap(buffer: Arc<AlignedVec<Self>>) -> Storage {
                    Storage::$variant(buffer)
                }
                fn of(storage: &Storage) -> Option<&Arc<AlignedVec<Self>>> {
                    match storage {
                        Storage::$variant(b) => Some(b),
                        _ => None,
                    }
                }
                fn of_mut(storage: &mut Storage) -> Option<&mut Arc<AlignedVec<Self>>> {
                    match storage {
                        Storage::$variant(b) => Some(b),
                        _ => None,
                    }
                }
            }
        )*
    };
}

stored! {
    f32, F32;
    f64, F64;
    f16, F16;
    bf16, BF16;
    i64, I64;
    i32, I32;
    i8, I8;
    u8, U8;
    Bool, Bool;
}

impl sealed::Sealed for bool {}

impl Element for bool {
    const DTYPE: DType = DType::Bool;
    type Stored = Bool;
    fn from_f64(x: f64) -> Self {
        x != 0.0
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn store(values: impl ExactSizeIterator<Item = Self>) -> AlignedVec<Bool> {
        let mut buffer = AlignedVec::unspecified(values.len());
        buffer.iter_mut().zip(values).for_each(|(stored, value)| *stored = value.into());
        buffer
    }
    fn load(stored: &[Bool]) -> Vec<Self> {
        stored.iter().map(|x| x.get()).collect()
    }
}
