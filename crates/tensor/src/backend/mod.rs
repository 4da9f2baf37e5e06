//! The seam between what an op means and where it is computed.
//!
//! A [`Backend`] has one entry for all ops, [`Backend::run`], and one for the updates of optimizers. [`cpu::Cpu`] computes with the kernels;
//! [`reference::Reference`] in plain loops, as another device; a recording backend writes the ops down instead.

pub mod cpu;
pub mod reference;

use crate::array::Array;
use crate::device::Device;
use crate::dtype::DType;
use crate::op::{Binary, Compare, Op, Reduce, Spec, Unary};
use crate::profile;
use crate::shape::Shape;
use std::ops::Deref;
use std::sync::Arc;
use striate_kernels::PackedWeight;
use striate_kernels::settings::{ComputeSettings, Precision};

pub use striate_kernels::optim::{AdagradStep, AdamStep, LambStep, LionStep, NAdamStep, RmsPropStep, SgdStep, Update};

/// One place where ops are computed, or written down.
pub trait Backend: Send + Sync {
    /// The device that it computes on.
    fn device(&self) -> Device;
    /// Brings an array from this process's memory to the device. `tag` is the identity of the parameter or buffer that it belongs to, if any.
    fn upload(&self, x: &Array, tag: Option<u64>) -> Array;
    /// The results of `op`, of these shapes and types. The operands have been checked, and come by value, so that memory that nobody else holds may
    /// be used again.
    fn run(&self, op: &Op, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array>;
    /// As [`Backend::run`], for an op that runs many times with the same weight; `packed` belongs to it alone.
    fn run_packed(&self, op: &Op, _packed: &Packed, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
        self.run(op, inputs, outputs)
    }
    /// One step of an optimizer; `state` has [`Update::slots`] arrays.
    fn update(&self, step: &Update, param: &mut Array, grad: &Array, state: &mut [Array]);
    /// Whether it has the ops that [`Op`]s are joined to; otherwise each op comes by itself.
    fn has_fused_ops(&self) -> bool {
        false
    }
    /// Whether its ops take operands that are in this process's memory, as constants.
    fn takes_constants(&self) -> bool {
        false
    }
}

/// The backend that an array is kept by.
#[derive(Clone)]
pub enum Place {
    /// This process's memory.
    Cpu,
    /// Elsewhere.
    Remote(Arc<dyn Backend>),
}

impl Deref for Place {
    type Target = dyn Backend;
    fn deref(&self) -> &(dyn Backend + 'static) {
        match self {
            Place::Cpu => &cpu::Cpu,
            Place::Remote(b) => &**b,
        }
    }
}

/// Where the operands of an op are.
///
/// # Panics
/// If they are on two devices.
fn meet(op: &str, inputs: &[Array]) -> Place {
    let mut remote = inputs.iter().filter_map(Array::as_remote).map(|r| r.backend());
    let Some(backend) = remote.next() else { return Place::Cpu };
    let device = backend.device();
    for x in inputs {
        let other = x.device();
        let is_constant = other == Device::Cpu && backend.takes_constants();
        assert!(
            other == device || is_constant,
            "{op}: one tensor is on {device}, another on {other}: move one with to(Device::..)"
        );
    }
    Place::Remote(backend)
}

/// The results of `op` on arrays that are all on one device.
///
/// # Panics
/// If the operands do not fit ([`Op::outputs`]) or are on two devices.
pub fn run(op: &Op, inputs: Vec<Array>) -> Vec<Array> {
    run_packed(op, None, inputs)
}

/// As [`run`], for an op that runs many times with the same weight: `packed` keeps what the backend makes of the weight, from the first run on.
///
/// # Panics
/// As [`run`].
pub fn run_packed(op: &Op, packed: Option<&Packed>, inputs: Vec<Array>) -> Vec<Array> {
    let specs: Vec<Spec> = inputs.iter().map(Array::spec).collect();
    let outputs = op.outputs(&specs);
    let place = meet(op.name(), &inputs);
    profile::timed(op.name(), || match packed {
        Some(packed) => place.run_packed(op, packed, inputs, &outputs),
        None => place.run(op, inputs, &outputs),
    })
}

/// What a backend makes of the constant weights of one op that runs many times, up to three.
#[derive(Default)]
pub struct Packed([PackedWeight; 3]);

impl Packed {
    /// A place to keep it, if `op` has weights that packing helps.
    pub fn of(op: &Op) -> Option<Packed> {
        matches!(op, Op::Conv2d { .. } | Op::FusedConv2d(_) | Op::ConvChain(_) | Op::Linear).then(Packed::default)
    }

    /// The weight of `op` at operand `at` held packed and in no other form, if that is all that `op` reads of it, however many samples there are, and if nobody
    /// else holds its values: `specs` are those of the operands where samples are fewest.
    pub fn alone(op: &Op, specs: &[Spec], at: usize, weight: &Array) -> Option<Array> {
        let is_f32 = ComputeSettings::current().precision == Precision::F32;
        (is_f32 && weight.is_sole_f32() && cpu::reads_packed(op, specs, at)).then(|| weight.to_packed())
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(PackedWeight::bytes).sum()
    }
}

impl Op {
    /// The only result of an op.
    pub(crate) fn run1<const N: usize>(&self, inputs: [Array; N]) -> Array {
        self.run_all(inputs.into()).swap_remove(0)
    }

    /// All results of an op.
    pub(crate) fn run_all(&self, inputs: Vec<Array>) -> Vec<Array> {
        run(self, inputs)
    }

    /// The results of an op that has `N`.
    pub(crate) fn run_many<const N: usize>(&self, inputs: Vec<Array>) -> [Array; N] {
        run(self, inputs).try_into().unwrap_or_else(|_| unreachable!("{} has {N} results", self.name()))
    }
}

/// The ops that gradients are made of.
impl Array {
    pub(crate) fn unary(self, op: Unary) -> Array {
        Op::Unary(op).run1([self])
    }
    pub(crate) fn binary(self, op: Binary, other: Array) -> Array {
        Op::Binary(op).run1([self, other])
    }
    pub(crate) fn scale(self, factor: f64) -> Array {
        if factor == 1.0 { self } else { self.unary(Unary::MulScalar(factor)) }
    }
    /// Reduces dimensions to size 1.
    pub(crate) fn reduce(self, op: Reduce, dims: &[usize]) -> Array {
        Op::Reduce { op, dims: dims.to_vec(), keepdim: true }.run1([self])
    }
    pub(crate) fn reshape(self, shape: Shape) -> Array {
        if self.shape == shape { self } else { Op::Reshape { shape }.run1([self]) }
    }
    pub(crate) fn expand(self, shape: Shape) -> Array {
        if self.shape == shape { self } else { Op::Expand { shape }.run1([self]) }
    }
    pub(crate) fn permute(self, order: &[usize]) -> Array {
        Op::Permute { dims: order.to_vec() }.run1([self])
    }
    pub(crate) fn narrow(self, dim: usize, start: usize, length: usize) -> Array {
        if length == self.shape[dim] { self } else { Op::Narrow { dim, start, length }.run1([self]) }
    }
    /// Swaps the last two dimensions.
    pub(crate) fn transposed(self) -> Array {
        let rank = self.shape.rank();
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(rank - 2, rank - 1);
        self.permute(&order)
    }
    pub(crate) fn matmul(self, other: Array) -> Array {
        Op::MatMul.run1([self, other])
    }
    pub(crate) fn select(self, a: Array, b: Array) -> Array {
        Op::Where.run1([self, a, b])
    }
    pub(crate) fn compare(self, op: Compare, other: Array) -> Array {
        Op::Compare(op).run1([self, other])
    }
    /// A scalar of this array's type, on its device.
    pub(crate) fn like(&self, value: f64) -> Array {
        self.filled_like(value, Shape::from([]))
    }
    /// An array of this one's type, on its device.
    pub(crate) fn filled_like(&self, value: f64, shape: Shape) -> Array {
        self.beside(Array::full(value, shape, self.dtype()))
    }
    /// `other`, which is in memory, on the device of this array.
    pub(crate) fn beside(&self, other: Array) -> Array {
        match self.place() {
            Place::Cpu => other,
            Place::Remote(backend) => backend.upload(&other, None),
        }
    }
    /// Sums the dimensions that broadcasting from `shape` repeated.
    pub(crate) fn unbroadcast(self, shape: Shape) -> Array {
        if self.shape == shape {
            return self;
        }
        let extra = self.shape.rank() - shape.rank();
        let dims: Vec<usize> =
            (0..self.shape.rank()).filter(|&d| d < extra || (shape[d - extra] == 1 && self.shape[d] != 1)).collect();
        self.reduce(Reduce::Sum, &dims).reshape(shape)
    }
    pub(crate) fn cast(self, dtype: DType) -> Array {
        if self.dtype() == dtype { self } else { Op::Cast { dtype }.run1([self]) }
    }
    /// Whether every element is finite.
    pub(crate) fn is_finite(&self) -> bool {
        Op::IsFinite.run1([self.clone()]).to_vec::<u8>()[0] != 0
    }
}
