//! Results that are computed when they are read, so that the op that reads them may take their op in: see `op/join.rs`.

use crate::array::Array;
use crate::device::Device;
use crate::node::{Node, is_watched};
use crate::op::{Op, Spec, join};
use crate::shape::Shape;
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

    /// What it becomes with the op after it, where the value has not been computed yet: that op, and its first operands.
    pub fn joined(&self, next: &Op) -> Option<(Op, Vec<Input>)> {
        Some((join(&self.op, next)?, self.inputs()?))
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

pub(crate) fn result_spec(op: &Op, inputs: &[Input]) -> Spec {
    let specs: Vec<Spec> = inputs.iter().map(|x| x.array.spec()).collect();
    op.outputs(&specs)[0]
}
