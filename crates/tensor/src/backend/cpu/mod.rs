//! The CPU's side of the seam: each op calls a kernel, or is made of ops that have some. A file for each family or two.

mod cast;
mod conv;
mod conv_chain;
mod elementwise;
mod index;
mod matrix;
mod norm;
mod pool;
mod resample;
mod shape;
mod softmax;
mod views;

pub use conv_chain::is_one_pass;

use super::{Backend, Packed};
use crate::array::Array;
use crate::device::Device;
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
            _ => by_float!($x, $op, |$t| $body),
        }
    };
}

use {by_float, by_number};

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
    match op.family() {
        Family::Shape => shape::run(op, inputs, outputs),
        Family::Elementwise | Family::Reduction => elementwise::run(op, inputs, outputs),
        Family::Matrix => matrix::run(op, packed.map(|p| &p[0]), inputs, outputs),
        Family::Convolution => match op {
            Op::ConvChain(chain) => vec![conv_chain::run(chain, packed, inputs)],
            _ => conv::run(op, packed.map(|p| &p[0]), inputs, outputs),
        },
        Family::Pooling => pool::run(op, inputs, outputs),
        Family::Resampling => resample::run(op, inputs, outputs),
        Family::Normalization => norm::run(op, inputs, outputs),
        Family::Softmax => softmax::run(op, inputs, outputs),
    }
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
