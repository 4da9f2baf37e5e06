//! Element types.

use crate::array::Storage;
use std::fmt;
use std::sync::Arc;
use striate_kernels::Buffer;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit floating point, the default.
    F32,
    /// 64-bit floating point, for gradient checks.
    F64,
    /// 64-bit integers: labels and indices.
    I64,
    /// Bytes: raw pixels and masks.
    U8,
}

impl DType {
    /// Bytes an element takes.
    pub fn size(self) -> usize {
        match self {
            DType::F32 => 4,
            DType::F64 | DType::I64 => 8,
            DType::U8 => 1,
        }
    }

    /// Whether it is a floating-point type, and so one that has gradients.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::I64 => "i64",
            DType::U8 => "u8",
        })
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for i64 {}
    impl Sealed for u8 {}
}

/// A Rust type that a tensor can hold: `f32`, `f64`, `i64` or `u8`.
pub trait Element: striate_kernels::Element + PartialOrd + fmt::Display + sealed::Sealed {
    /// The matching [`DType`].
    const DTYPE: DType;
    /// The nearest value to `x`.
    fn from_f64(x: f64) -> Self;
    /// The value as `f64`.
    fn to_f64(self) -> f64;
    #[doc(hidden)]
    fn wrap(buffer: Arc<Buffer<Self>>) -> Storage;
    #[doc(hidden)]
    fn of(storage: &Storage) -> Option<&Arc<Buffer<Self>>>;
    #[doc(hidden)]
    fn of_mut(storage: &mut Storage) -> Option<&mut Arc<Buffer<Self>>>;
}

macro_rules! element {
    ($t:ty, $variant:ident) => {
        impl Element for $t {
            const DTYPE: DType = DType::$variant;
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            fn to_f64(self) -> f64 {
                self as f64
            }
            fn wrap(buffer: Arc<Buffer<Self>>) -> Storage {
                Storage::$variant(buffer)
            }
            fn of(storage: &Storage) -> Option<&Arc<Buffer<Self>>> {
                match storage {
                    Storage::$variant(b) => Some(b),
                    _ => None,
                }
            }
            fn of_mut(storage: &mut Storage) -> Option<&mut Arc<Buffer<Self>>> {
                match storage {
                    Storage::$variant(b) => Some(b),
                    _ => None,
                }
            }
        }
    };
}

element!(f32, F32);
element!(f64, F64);
element!(i64, I64);
element!(u8, U8);
