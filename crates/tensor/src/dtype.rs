//! Element types.

use crate::array::Storage;
use half::{bf16, f16};
use std::fmt;
use std::sync::Arc;
use striate_kernels::elementwise::CastTo;
use striate_kernels::{AlignedVec, Bool};

/// The type of a tensor's elements.
///
/// Elements of all types are stored, moved, compared, sorted and converted ([`Tensor::to_dtype`](crate::Tensor::to_dtype)). Arithmetic is
/// there for `f32` and `f64`, and where it makes sense for `i64`; elsewhere the message says what to convert to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// 32-bit floating point, the default.
    F32,
    /// 64-bit floating point, for gradient checks.
    F64,
    /// 16-bit floating point with 11 bits of precision, up to 65504 (`torch.float16`).
    F16,
    /// 16-bit floating point with 8 bits of precision and the range of `f32` (`torch.bfloat16`).
    BF16,
    /// 64-bit integers: labels and indices.
    I64,
    /// 32-bit integers.
    I32,
    /// 8-bit integers: quantized numbers.
    I8,
    /// Bytes: raw pixels and masks.
    U8,
    /// Truth values: masks.
    Bool,
}

impl DType {
    /// Every type.
    pub const ALL: [DType; 9] =
        [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I64, DType::I32, DType::I8, DType::U8, DType::Bool];

    /// Bytes an element takes.
    pub fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 => 4,
            DType::F16 | DType::BF16 => 2,
            DType::I8 | DType::U8 | DType::Bool => 1,
        }
    }

    /// Whether it is a floating-point type.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64) || self.is_half()
    }

    /// Whether it is a floating-point type of 16 bits, which has no arithmetic and no gradients yet.
    pub fn is_half(self) -> bool {
        matches!(self, DType::F16 | DType::BF16)
    }

    /// Whether a condition can have it: what a comparison gives, or truth values.
    pub fn is_mask(self) -> bool {
        matches!(self, DType::U8 | DType::Bool)
    }

    /// Whether sums of it are `i64`: truth values, and integers of fewer bits.
    pub(crate) fn is_small_integer(self) -> bool {
        matches!(self, DType::I32 | DType::I8 | DType::U8 | DType::Bool)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::I64 => "i64",
            DType::I32 => "i32",
            DType::I8 => "i8",
            DType::U8 => "u8",
            DType::Bool => "bool",
        })
    }
}

/// `$body` with the type `$t` that stores the elements of a [`DType`].
macro_rules! by_type {
    ($dtype:expr, |$t:ident| $body:expr) => {
        by_type!(@ $dtype, $t, $body, F32 f32, F64 f64, F16 half::f16, BF16 half::bf16, I64 i64, I32 i32, I8 i8, U8 u8,
            Bool striate_kernels::Bool)
    };
    (@ $dtype:expr, $t:ident, $body:expr, $($variant:ident $stored:ty),*) => {
        match $dtype {
            $($crate::DType::$variant => {
                type $t = $stored;
                $body
            })*
        }
    };
}

pub(crate) use by_type;

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
    fn store(values: &[Self]) -> AlignedVec<Self::Stored>;
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
                fn store(values: &[Self]) -> AlignedVec<Self> {
                    AlignedVec::from_slice(values)
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
    fn store(values: &[Self]) -> AlignedVec<Bool> {
        let mut buffer = AlignedVec::unspecified(values.len());
        for (stored, &value) in buffer.iter_mut().zip(values) {
            *stored = value.into();
        }
        buffer
    }
    fn load(stored: &[Bool]) -> Vec<Self> {
        stored.iter().map(|x| x.get()).collect()
    }
}
