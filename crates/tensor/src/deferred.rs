//! Results that are computed when they are read, so that the op that reads them may take their op in: see `op/join.rs`.

use crate::array::Array;
use crate::autograd::{Node, is_watched};
use crate::device::Device;
use crate::op::{Binary, Op, Spec, Unary, join};
use crate::ops::{activation, batch_norm, conv2d, elementwise, pool2d};
use crate::shape::Shape;
use crate::tensor::Tensor;
use std::sync::{Arc, Mutex, OnceLock};

/// An operand with its record.
#[derive(Clone)]
pub(crate) struct Input {
    pub array: Array,
    pub node: Option<Arc<Node>>,
}

/// What a tensor holds: elements, or an op on elements. All clones of a tensor share either.
#[derive(Clone)]
pub(crate) enum Value {
    Ready(Array),
    Deferred(Arc<Deferred>),
}

/// A result that is computed when it is first read.
pub(crate) struct Deferred {
    op: Op,
    spec: Spec,
    device: Device,
    /// Gone when the value is there, which may have taken their memory.
    inputs: Mutex<Option<Vec<Input>>>,
    value: OnceLock<Array>,
}

impl Deferred {
    pub fn new(op: Op, inputs: Vec<Input>, spec: Spec) -> Arc<Deferred> {
        let device = inputs[0].array.device();
        Arc::new(Deferred { op, spec, device, inputs: Mutex::new(Some(inputs)), value: OnceLock::new() })
    }

    /// The operands, if the value has not been computed from them yet.
    fn inputs(&self) -> Option<Vec<Input>> {
        self.inputs.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    fn value(&self) -> &Array {
        self.value.get_or_init(|| {
            let inputs = self.inputs.lock().unwrap_or_else(|e| e.into_inner()).take();
            let inputs = inputs.expect("the value is computed once");
            self.op.run_all(inputs.into_iter().map(|x| x.array).collect()).swap_remove(0)
        })
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// Of a ReLU: its result, or what it is to be computed from. Both are above 0 at the same places.
    pub fn positive_where_result_is(&self) -> Array {
        match self.inputs() {
            Some(mut inputs) => inputs.swap_remove(0).array,
            // Another thread may be computing it now.
            None => self.value().clone(),
        }
    }
}

impl Value {
    pub fn spec(&self) -> Spec {
        match self {
            Value::Ready(array) => array.spec(),
            Value::Deferred(deferred) => deferred.spec,
        }
    }

    pub fn shape(&self) -> &Shape {
        match self {
            Value::Ready(array) => &array.shape,
            Value::Deferred(deferred) => &deferred.spec.shape,
        }
    }

    pub fn array(&self) -> &Array {
        match self {
            Value::Ready(array) => array,
            Value::Deferred(deferred) => deferred.value(),
        }
    }

    pub fn into_array(self) -> Array {
        match self {
            Value::Ready(array) => array,
            Value::Deferred(deferred) => match Arc::try_unwrap(deferred) {
                // Nobody else holds the elements, so that the next op may write over them.
                Ok(own) => {
                    own.value();
                    own.value.into_inner().expect("it has just been computed")
                }
                Err(shared) => shared.value().clone(),
            },
        }
    }

    /// The array, to change.
    pub fn array_mut(&mut self) -> &mut Array {
        if let Value::Deferred(deferred) = self {
            *self = Value::Ready(deferred.value().clone());
        }
        match self {
            Value::Ready(array) => array,
            Value::Deferred(_) => unreachable!("it has just been computed"),
        }
    }
}

impl From<Array> for Value {
    fn from(array: Array) -> Self {
        Value::Ready(array)
    }
}

/// Whether `op` of these operands waits for the op that reads its result.
pub(crate) fn is_deferred(op: &Op, inputs: &[Input]) -> bool {
    // While results are searched for NaN each op comes by itself.
    op.is_deferred() && inputs[0].array.place().has_fused_ops() && !is_watched()
}

/// The result of an op that takes part in joining: of `op`, or of what it becomes with the deferred op before it.
///
/// # Panics
/// If the operands do not fit.
pub(crate) fn apply(op: Op, operands: Vec<Tensor>) -> Tensor {
    let specs: Vec<Spec> = operands.iter().map(Tensor::spec).collect();
    op.outputs(&specs);
    let (op, inputs) = joined(op, operands);
    match op {
        Op::Unary(Unary::Relu) => elementwise::relu_of(inputs),
        Op::Unary(Unary::Activation(a)) => activation::activation_of(a, inputs),
        Op::Binary(Binary::Add) => elementwise::sum_of(inputs),
        Op::Conv2d { options, input_relu } => conv2d::conv2d_of(options, input_relu, inputs),
        Op::MaxPool2d { options, input_relu, .. } => pool2d::max_pool2d_of(options, input_relu, inputs),
        Op::BatchNorm { .. } => batch_norm::batch_norm_of(op, inputs),
        other => unreachable!("{} is not joined with others", other.name()),
    }
}

pub(crate) fn result_spec(op: &Op, inputs: &[Input]) -> Spec {
    let specs: Vec<Spec> = inputs.iter().map(|x| x.array.spec()).collect();
    op.outputs(&specs)[0]
}

fn joined(op: Op, mut operands: Vec<Tensor>) -> (Op, Vec<Input>) {
    // A sum may join what stands on either side.
    let sides = if op == Op::Binary(Binary::Add) { 2 } else { 1 };
    for side in 0..sides {
        let Value::Deferred(deferred) = &operands[side].value else { continue };
        if sides == 2 && operands[0].spec() != operands[1].spec() {
            break;
        }
        let others = || operands.iter().enumerate().filter(|(i, _)| *i != side).map(|(_, t)| t);
        let Some(joint) = join(&deferred.op, &op) else { continue };
        let Some(before) = deferred.inputs() else { continue };
        if others().any(|t| t.device() != deferred.device) {
            continue;
        }
        operands.remove(side);
        let rest = operands.into_iter().map(Tensor::into_input);
        return (joint, before.into_iter().chain(rest).collect());
    }
    (op, operands.into_iter().map(Tensor::into_input).collect())
}
