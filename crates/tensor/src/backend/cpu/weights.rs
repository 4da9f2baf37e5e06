//! The weights of convolutions and linear layers, and their packed forms.

use super::conv::conv_shape;
use crate::array::{Array, Packed};
use crate::element::Stored;
use crate::op::{Conv2dOptions, Op, Spec, operands_of_chain};
use crate::shape::Shape;
use striate_kernels::{PackedWeight, Weights, gemm};

/// Whether operand `at` of `op` is a weight that it reads packed as a matrix and in no other form, for operands of these `specs` and for more samples.
pub fn reads_packed(op: &Op, specs: &[Spec], at: usize) -> bool {
    let shape = specs[at].shape;
    let is_pointwise = |o: &Conv2dOptions| {
        let pixel = Shape::from([1, shape[1] * o.groups, 1, 1]);
        shape.numel() > 0 && conv_shape(pixel, shape, o).is_pointwise()
    };
    match op {
        Op::Conv2d { options, .. } => at == 1 && is_pointwise(options),
        Op::FusedConv2d(f) => at == 1 && is_pointwise(&f.options),
        Op::ConvChain(chain) => {
            let places: Vec<usize> = (0..specs.len()).collect();
            chain.iter().zip(operands_of_chain(chain, &places)).any(|(f, of)| of[0] == at && is_pointwise(&f.options))
        }
        Op::Linear if at == 1 => {
            let rows = specs[0].shape.numel() / shape[1].max(1);
            gemm::reads_packed(rows, shape[1], shape[0])
        }
        _ => false,
    }
}

/// The operands with those unpacked that are held packed and that `op` would read in another form.
pub(super) fn readable(op: &Op, operands: Vec<Array>) -> Vec<Array> {
    let specs: Vec<Spec> = operands.iter().map(Array::spec).collect();
    let is_read = |at: usize, x: &Array| x.as_packed().is_none_or(|m| m.fits() && reads_packed(op, &specs, at));
    let unpack = |(at, x)| if is_read(at, &x) { x } else { x.to_cpu().into_owned() };
    operands.into_iter().enumerate().map(unpack).collect()
}

/// A weight, and where its packed form is kept, if it is.
#[derive(Clone, Copy)]
pub(super) struct Weight<'a> {
    pub array: &'a Array,
    pub packed: Option<&'a PackedWeight>,
}

impl<'a> Weight<'a> {
    /// The elements in the default layout; none of a weight that is held only packed.
    pub fn values<T: Stored>(&self) -> Packed<'a, T> {
        self.array.as_packed().map_or_else(|| self.array.packed_default(), |_| Packed::Borrowed(&[]))
    }

    /// What kernels take: these [`Weight::values`], or what is held packed.
    pub fn of_values<T: Stored>(&self, values: &'a [T]) -> Weights<'a, T> {
        match (self.array.as_packed(), self.packed) {
            (Some(matrix), _) => Weights::held(matrix),
            (None, Some(packed)) => Weights::packed(values, packed),
            (None, None) => values.into(),
        }
    }
}
