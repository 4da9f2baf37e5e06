//! Conversion between element types.

use super::{no_such_op, take};
use crate::array::Array;
use crate::dtype::{DType, by_type};
use crate::element::Stored;
use crate::op::{Op, Spec};
use striate_kernels::AlignedVec;
use striate_kernels::elementwise::{self as ew, CastTo};

/// The result of an op of this family.
pub fn run(op: &Op, inputs: Vec<Array>, _outputs: &[Spec]) -> Vec<Array> {
    let Op::Cast { dtype } = op else { no_such_op(op, "conversion") };
    let [x] = take(inputs);
    vec![cast(x, *dtype)]
}

pub fn cast(x: Array, dtype: DType) -> Array {
    fn cast<A: Stored + CastTo<B>, B: Stored>(x: &Array) -> Array {
        let mut out = AlignedVec::unspecified(x.shape.numel());
        ew::cast::<A, B>(&x.packed_default::<A>(), &mut out);
        Array::from_buffer(out, x.shape)
    }
    by_type!(x.dtype(), |A| by_type!(dtype, |B| cast::<A, B>(&x)))
}
