//! Parameters and buffers: the numbers that a network keeps; and what tells layers apart.

use crate::pass::Pass;
use std::fmt;
use std::sync::RwLock;
use striate_tensor::autograd::next_id;
use striate_tensor::{Leaf, Tensor};

/// A tensor that training changes. Layers get at it through a [`Pass`], which decides whether its gradient is recorded.
pub struct Parameter {
    id: u64,
    value: Tensor,
}

impl Parameter {
    /// A parameter that starts as `value`.
    pub fn new(value: Tensor) -> Self {
        Parameter { id: next_id(), value: value.detach() }
    }

    /// The parameter's value in this pass.
    pub fn tensor(&self, pass: &Pass) -> Tensor {
        pass.parameter(self)
    }

    /// The numbers themselves, outside of any pass.
    pub fn value(&self) -> &Tensor {
        &self.value
    }

    /// Replaces the numbers.
    ///
    /// # Panics
    /// If the shape differs.
    pub fn set(&mut self, value: Tensor) {
        let (have, got) = (self.value.shape_value(), value.shape_value());
        assert!(have == got, "Parameter::set: the parameter has shape {have}, the new value {got}");
        self.value = value.detach();
    }

    /// The numbers, to change in place.
    pub fn value_mut(&mut self) -> &mut Tensor {
        &mut self.value
    }

    /// Its identity: no other parameter or buffer has it.
    pub fn id(&self) -> u64 {
        self.id
    }
}

impl Leaf for Parameter {
    fn leaf_id(&self) -> Option<u64> {
        Some(self.id)
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parameter({}, {})", self.value.shape_value(), self.value.dtype())
    }
}

/// A tensor that belongs to the network's state but is not trained, such as a running mean. A training pass may change it.
pub struct Buffer {
    id: u64,
    value: RwLock<Tensor>,
}

impl Buffer {
    /// A buffer that starts as `value`.
    pub fn new(value: Tensor) -> Self {
        Buffer { id: next_id(), value: RwLock::new(value.detach()) }
    }

    /// Its identity: no other parameter or buffer has it.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The current value.
    pub fn value(&self) -> Tensor {
        self.value.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Replaces the value.
    ///
    /// # Panics
    /// If the shape differs.
    pub fn set(&self, value: Tensor) {
        let mut current = self.value.write().unwrap_or_else(|e| e.into_inner());
        let (have, got) = (current.shape_value(), value.shape_value());
        assert!(have == got, "Buffer::set: the buffer has shape {have}, the new value {got}");
        *current = value.detach();
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value();
        write!(f, "Buffer({}, {})", value.shape_value(), value.dtype())
    }
}

/// The identity of a layer that draws random numbers: a field of it, so that a pass finds the layer's name ([`Pass::generator`]).
#[derive(Debug)]
pub struct LayerId(u64);

impl LayerId {
    /// One that no other layer has.
    pub fn new() -> Self {
        LayerId(next_id())
    }

    pub(crate) fn id(&self) -> u64 {
        self.0
    }
}

impl Default for LayerId {
    fn default() -> Self {
        LayerId::new()
    }
}

impl Clone for LayerId {
    /// A copy of a layer is another layer.
    fn clone(&self) -> Self {
        LayerId::new()
    }
}
