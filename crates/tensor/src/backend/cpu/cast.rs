//! Conversion between element types.

use crate::array::Array;
use crate::dtype::{DType, by_type};
use crate::element::Stored;
use striate_kernels::AlignedVec;
use striate_kernels::elementwise::{self as ew, CastTo};

pub fn cast(x: Array, dtype: DType) -> Array {
    fn cast<A: Stored + CastTo<B>, B: Stored>(x: &Array) -> Array {
        let mut out = AlignedVec::unspecified(x.shape.numel());
        ew::cast::<A, B>(&x.packed_default::<A>(), &mut out);
        Array::from_buffer(out, x.shape)
    }
    by_type!(x.dtype(), |A| by_type!(dtype, |B| cast::<A, B>(&x)))
}
