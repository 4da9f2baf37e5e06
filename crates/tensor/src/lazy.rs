//! A ReLU that waits: the op that reads it next may apply it on the way in, and then it needs no pass of its own.

use crate::array::Array;
use crate::autograd::Node;
use crate::backend::{Input, Unary};
use crate::dtype::DType;
use crate::shape::Shape;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock};

/// An array, there already or still to be rectified.
pub(crate) enum Lazy {
    Ready(Array),
    Relu(Arc<PendingRelu>),
}

/// max(x, 0) of an array, computed when it is first read in full.
pub(crate) struct PendingRelu {
    shape: Shape,
    dtype: DType,
    /// Gone when the value is there, which may have taken its memory.
    raw: Mutex<Option<Array>>,
    value: OnceLock<Array>,
}

impl PendingRelu {
    pub fn new(x: Array) -> Arc<PendingRelu> {
        let (shape, dtype) = (x.shape(), x.dtype());
        Arc::new(PendingRelu { shape, dtype, raw: Mutex::new(Some(x)), value: OnceLock::new() })
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    fn value(&self) -> &Array {
        self.value.get_or_init(|| self.take_raw().unary(Unary::Relu))
    }

    fn take_raw(&self) -> Array {
        self.raw.lock().unwrap_or_else(|e| e.into_inner()).take().expect("the value is computed once")
    }

    /// What is there: the value, or what it is to be computed from. Both are above 0 at the same places.
    pub fn input(&self) -> Input {
        let raw = self.raw.lock().unwrap_or_else(|e| e.into_inner());
        match &*raw {
            Some(raw) => Input { array: raw.clone(), relu: true },
            // Another thread may be computing it now.
            None => {
                drop(raw);
                self.value().clone().into()
            }
        }
    }
}

impl Lazy {
    pub fn shape(&self) -> Shape {
        match self {
            Lazy::Ready(array) => array.shape(),
            Lazy::Relu(pending) => pending.shape,
        }
    }

    pub fn dtype(&self) -> DType {
        match self {
            Lazy::Ready(array) => array.dtype(),
            Lazy::Relu(pending) => pending.dtype,
        }
    }

    /// The array, to change.
    pub fn ready(&mut self) -> &mut Array {
        if let Lazy::Relu(pending) = self {
            *self = Lazy::Ready(pending.value().clone());
        }
        match self {
            Lazy::Ready(array) => array,
            Lazy::Relu(_) => unreachable!("it has just been made ready"),
        }
    }

    pub fn into_array(self) -> Array {
        match self {
            Lazy::Ready(array) => array,
            Lazy::Relu(pending) => pending.value().clone(),
        }
    }

    pub fn into_input(self) -> Input {
        match self {
            Lazy::Ready(array) => array.into(),
            Lazy::Relu(pending) => pending.input(),
        }
    }
}

impl From<Array> for Lazy {
    fn from(array: Array) -> Self {
        Lazy::Ready(array)
    }
}

impl Deref for Lazy {
    type Target = Array;
    fn deref(&self) -> &Array {
        match self {
            Lazy::Ready(array) => array,
            Lazy::Relu(pending) => pending.value(),
        }
    }
}

impl Clone for Lazy {
    /// Two readers are there now, so the value is computed once for both.
    fn clone(&self) -> Self {
        Lazy::Ready((**self).clone())
    }
}

/// The node before a ReLU whose result nobody else can use, if `node` is one: the op that reads the result may then give its
/// gradient there, past the ReLU. Otherwise `node` as it was.
pub(crate) fn skip_relu(node: Option<Arc<Node>>) -> (Option<Arc<Node>>, bool) {
    match node {
        Some(mut node) if node.is_relu => match Arc::get_mut(&mut node).and_then(Node::take_input) {
            Some(input) => (Some(input), true),
            None => (Some(node), false),
        },
        node => (node, false),
    }
}
