//! The CPU's side of the seam: each op calls a kernel, or is made of ops that have some. A file for each family.

mod adaptive_pool;
mod cast;
mod concat;
mod conv;
mod conv_chain;
mod conv_transpose;
mod elementwise;
mod index;
mod matrix;
mod norm;
mod pool;
mod reduction;
mod resample;
mod shape;
mod softmax;
mod unary;
mod views;
mod weights;

pub use conv_chain::is_one_pass;
pub use weights::reads_packed;

use super::{Backend, Packed};
use crate::array::Array;
use crate::device::Device;
use crate::dtype::DType;
use crate::op::{Family, Op, Spec};
use striate_kernels::optim::{self, Update};
use striate_kernels::{PackedWeight, TRAINING, no_training};

/// Computes on this machine's processor.
#[derive(Clone, Copy, Debug)]
pub struct Cpu;

/// Calls `$f::<T>($args)` with the Rust type of a floating-point array.
macro_rules! by_float {
    ($x:expr, $op:expr, |$t:ident| $body:expr) => {
        match $x.dtype() {
            $crate::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::DType::F64 if $crate::backend::cpu::TRAINING => {
                type $t = f64;
                $body
            }
            $crate::DType::F64 => panic!("{}: this build computes in f32, not in f64 (feature `training`)", $op),
            other => panic!("{}: needs a floating-point tensor, got {other}", $op),
        }
    };
}

/// As `by_float`, for `i64` too.
macro_rules! by_number {
    ($x:expr, $op:expr, |$t:ident| $body:expr) => {
        match $x.dtype() {
            $crate::DType::I64 => {
                type $t = i64;
                $body
            }
            _ => $crate::backend::cpu::by_float!($x, $op, |$t| $body),
        }
    };
}

/// `$body` with the Rust type of a [`comparable`] array.
macro_rules! by_comparable {
    ($x:expr, $op:expr, |$t:ident| $body:expr) => {
        match $x.dtype() {
            $crate::DType::U8 => {
                type $t = u8;
                $body
            }
            _ => $crate::backend::cpu::by_number!($x, $op, |$t| $body),
        }
    };
}

use {by_comparable, by_float, by_number};

/// `x` in a type that holds every value of its own and has kernels that compare.
fn comparable(x: Array) -> Array {
    match x.dtype() {
        DType::F16 | DType::BF16 => cast::cast(x, DType::F32),
        DType::I32 | DType::I8 => cast::cast(x, DType::I64),
        DType::Bool => cast::cast(x, DType::U8),
        DType::F32 | DType::F64 | DType::I64 | DType::U8 => x,
    }
}

/// Stops at an op that is none of its family's, or one of training where there is none.
fn no_such_op(op: &Op, family: &str) -> ! {
    if !TRAINING {
        no_training(op.name());
    }
    unreachable!("{} is no {family}", op.name())
}

/// Dimension `dim` last, the others in order.
fn dim_last(rank: usize, dim: usize) -> Vec<usize> {
    (0..rank).filter(|&d| d != dim).chain([dim]).collect()
}

/// The operands of an op that takes `N`.
fn take<const N: usize>(inputs: Vec<Array>) -> [Array; N] {
    let n = inputs.len();
    inputs.try_into().unwrap_or_else(|_| panic!("{N} operands expected, got {n}"))
}

/// The operands of an op that takes `N`, and perhaps one more.
fn take_more<const N: usize>(mut inputs: Vec<Array>) -> ([Array; N], Option<Array>) {
    let more = (inputs.len() > N).then(|| inputs.pop()).flatten();
    (take(inputs), more)
}

/// The results of an op; `packed` is where the packed form of its weights is kept, if it is.
fn run(op: &Op, packed: Option<&[PackedWeight; 3]>, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
    use Family as F;
    let inputs = if inputs.iter().any(|x| x.as_packed().is_some()) { weights::readable(op, inputs) } else { inputs };
    // What a build leaves out is named behind a constant, so that the compiler leaves it out.
    let run = match op.family() {
        F::Shape => shape::run,
        F::Unary => unary::run,
        F::Pooling => pool::run,
        F::Softmax => softmax::run,
        F::Matrix => return matrix::run(op, packed.map(|p| &p[0]), inputs, outputs),
        F::Convolution => match op {
            Op::ConvChain(chain) => return vec![conv_chain::run(chain, packed, inputs)],
            _ => return conv::run(op, packed.map(|p| &p[0]), inputs),
        },
        F::Concatenation if const { F::Concatenation.is_built() } => concat::run,
        F::Indexing if const { F::Indexing.is_built() } => index::run,
        F::Conversion if const { F::Conversion.is_built() } => cast::run,
        F::Elementwise if const { F::Elementwise.is_built() } => elementwise::run,
        F::Reduction if const { F::Reduction.is_built() } => reduction::run,
        F::TransposedConvolution if const { F::TransposedConvolution.is_built() } => conv_transpose::run,
        F::AdaptivePooling if const { F::AdaptivePooling.is_built() } => adaptive_pool::run,
        F::Resampling if const { F::Resampling.is_built() } => resample::run,
        F::Normalization if const { F::Normalization.is_built() } => norm::run,
        family => {
            let feature = family.feature().map_or("", |(name, _)| name);
            panic!("{}: this build has no such op (feature `{feature}` of striate-tensor)", op.name())
        }
    };
    run(op, inputs, outputs)
}

impl Backend for Cpu {
    fn device(&self) -> Device {
        Device::Cpu
    }
    fn upload(&self, x: &Array, _tag: Option<u64>) -> Array {
        x.clone()
    }
    fn has_fused_ops(&self) -> bool {
        true
    }
    fn run(&self, op: &Op, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
        run(op, None, inputs, outputs)
    }
    fn run_packed(&self, op: &Op, packed: &Packed, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
        run(op, Some(&packed.0), inputs, outputs)
    }
    fn update(&self, step: &Update, param: &mut Array, grad: &Array, state: &mut [Array]) {
        if !TRAINING {
            no_training(step.name());
        }
        by_float!(grad, step.name(), |T| {
            let state = state.iter_mut().map(|s| s.make_mut::<T>()).collect();
            optim::update(step, param.make_mut::<T>(), &grad.packed_default(), state)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    #[test]
    fn memory_that_nobody_else_holds_is_reused() {
        let x = Tensor::ones([1000], DType::F32);
        let place = x.array().data::<f32>().as_ptr();
        let y = (x.relu() + 1.0) * Tensor::ones([1000], DType::F32);
        assert_eq!(y.array().data::<f32>().as_ptr(), place);
        let kept = y.clone();
        assert_ne!(y.neg().array().data::<f32>().as_ptr(), place);
        assert_eq!(kept.to_vec::<f32>(), vec![2.0; 1000]);
    }
}
