//! Element types.

use std::fmt;

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
