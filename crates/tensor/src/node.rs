//! The record of one op: what its gradient goes back to.

use crate::array::Array;
use crate::dtype::DType;
use crate::shape::Shape;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A number that no other leaf or recorded op has, larger than every earlier one.
pub fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

pub(crate) type Backward = Box<dyn FnOnce(Array, &[bool]) -> Vec<Option<Array>> + Send>;

/// A recorded op, or a leaf: a tensor whose gradient is asked for.
pub(crate) struct Node {
    pub(crate) id: u64,
    pub(crate) op: &'static str,
    pub(crate) shape: Shape,
    state: Mutex<State>,
}

pub(crate) enum State {
    Leaf,
    Op { inputs: Vec<Option<Arc<Node>>>, backward: Backward },
    Consumed,
}

impl Node {
    pub(crate) fn leaf(id: u64, shape: Shape) -> Arc<Node> {
        Arc::new(Node { id, op: "leaf", shape, state: Mutex::new(State::Leaf) })
    }

    pub(crate) fn of(op: &'static str, shape: Shape, inputs: Vec<Option<Arc<Node>>>, backward: Backward) -> Arc<Node> {
        Arc::new(Node { id: next_id(), op, shape, state: Mutex::new(State::Op { inputs, backward }) })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Drop for Node {
    /// Takes long graphs apart in a loop; the compiler's own way would recurse once per op.
    fn drop(&mut self) {
        let take = |node: &Node| match std::mem::replace(&mut *node.state(), State::Consumed) {
            State::Op { inputs, .. } => inputs,
            _ => Vec::new(),
        };
        let mut waiting = take(self);
        while let Some(input) = waiting.pop() {
            if let Some(node) = input.and_then(Arc::into_inner) {
                waiting.append(&mut take(&node));
            }
        }
    }
}

/// Checks that gradients can flow through tensors of this type.
///
/// # Panics
/// If it is a floating-point type of 16 bits.
pub(crate) fn check_has_gradients(op: &str, dtype: DType) {
    assert!(
        !dtype.is_half(),
        "{op}: a tensor of {dtype} cannot have a gradient (detach it, or convert it with to_dtype(DType::F32))"
    );
}

/// The first op of a computation whose result was not finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonFinite {
    /// The op's name, such as `conv2d`.
    pub op: &'static str,
    /// The shape of its result.
    pub shape: Shape,
    /// The leaf that was used last, by this op or one before it.
    pub leaf: Option<u64>,
}

#[derive(Default)]
struct Watch {
    leaf: Option<u64>,
    found: Option<NonFinite>,
}

thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// Runs `f` and finds the first op of this thread whose result has a NaN or an infinity. Slow: every result is read.
pub fn find_non_finite<R>(f: impl FnOnce() -> R) -> (R, Option<NonFinite>) {
    WATCH.with(|w| *w.borrow_mut() = Some(Watch::default()));
    let result = f();
    let found = WATCH.with(|w| w.borrow_mut().take()).and_then(|w| w.found);
    (result, found)
}

/// Whether results are searched for numbers that are not finite.
pub(crate) fn is_watched() -> bool {
    WATCH.with(|w| w.borrow().is_some())
}

/// Looks at the result of an op, where somebody does.
pub(crate) fn watch(op: &'static str, result: &Array, inputs: &[Option<Arc<Node>>]) {
    WATCH.with(|w| {
        let mut w = w.borrow_mut();
        let Some(w) = w.as_mut().filter(|w| w.found.is_none()) else { return };
        let leaves = inputs.iter().flatten().filter(|n| matches!(*n.state(), State::Leaf)).map(|n| n.id);
        w.leaf = leaves.max().or(w.leaf);
        if result.dtype().is_float() && !result.is_finite() {
            w.found = Some(NonFinite { op, shape: result.shape(), leaf: w.leaf });
        }
    });
}
