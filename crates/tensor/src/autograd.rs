//! Automatic differentiation: what was computed, written down as it ran, then walked backwards once.

use crate::array::Array;
use crate::node::{Node, State, check_has_gradients, watch};
use crate::op::Binary;
use crate::shape::Shape;
use crate::tensor::Tensor;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

pub use crate::node::{NonFinite, find_non_finite, next_id};

/// Makes a tensor of an op's result. If any input has a gradient the op is recorded: `save` keeps what its
/// backward pass needs, which gets the gradient of the result and which inputs want one.
pub(crate) fn record<const N: usize, F>(
    op: &'static str,
    result: Array,
    inputs: [Option<Arc<Node>>; N],
    save: impl FnOnce(&Array) -> F,
) -> Tensor
where
    F: FnOnce(Array, [bool; N]) -> [Option<Array>; N] + Send + 'static,
{
    record_many(op, result, inputs.into(), |result| {
        let backward = save(result);
        move |grad, wants: &[bool]| backward(grad, wants.try_into().expect("one flag per input")).into_iter().collect()
    })
}

/// As [`record`], for any number of inputs.
pub(crate) fn record_many<F>(
    op: &'static str,
    result: Array,
    inputs: Vec<Option<Arc<Node>>>,
    save: impl FnOnce(&Array) -> F,
) -> Tensor
where
    F: FnOnce(Array, &[bool]) -> Vec<Option<Array>> + Send + 'static,
{
    watch(op, &result, &inputs);
    if inputs.iter().all(Option::is_none) {
        return result.into();
    }
    check_has_gradients(op, result.dtype());
    let backward = Box::new(save(&result));
    let node = Some(Node::of(op, result.shape(), inputs, backward));
    Tensor { value: result.into(), node }
}

/// The record of an op that is computed later; none if no input has a gradient.
pub(crate) fn record_deferred<const N: usize, F>(
    op: &'static str,
    shape: Shape,
    inputs: [Option<Arc<Node>>; N],
    backward: F,
) -> Option<Arc<Node>>
where
    F: FnOnce(Array, [bool; N]) -> [Option<Array>; N] + Send + 'static,
{
    if inputs.iter().all(Option::is_none) {
        return None;
    }
    let backward = move |grad: Array, wants: &[bool]| {
        backward(grad, wants.try_into().expect("one flag per input")).into_iter().collect()
    };
    Some(Node::of(op, shape, inputs.into(), Box::new(backward)))
}

/// Something that has a gradient after [`Tensor::backward`]: a tensor made with [`Tensor::requires_grad`], or a parameter.
pub trait Leaf {
    /// Its identity, if it is a leaf.
    fn leaf_id(&self) -> Option<u64>;
}

impl Leaf for Tensor {
    fn leaf_id(&self) -> Option<u64> {
        let node = self.node.as_ref()?;
        matches!(*node.state(), State::Leaf).then_some(node.id)
    }
}

/// The gradients of one backward pass, by leaf.
#[derive(Default)]
pub struct Gradients {
    by_leaf: HashMap<u64, Array>,
}

impl Gradients {
    /// The gradient with respect to `leaf`, with its shape; none if the result does not depend on it.
    pub fn get(&self, leaf: &impl Leaf) -> Option<Tensor> {
        leaf.leaf_id().and_then(|id| self.by_id(id))
    }

    /// As [`Gradients::get`], by the leaf's identity.
    pub fn by_id(&self, id: u64) -> Option<Tensor> {
        self.by_leaf.get(&id).map(|array| array.clone().into())
    }

    /// Takes the gradient with respect to `leaf` out, so that it can be changed in place.
    pub fn take(&mut self, leaf: &impl Leaf) -> Option<Tensor> {
        let array = self.by_leaf.remove(&leaf.leaf_id()?)?;
        Some(array.into())
    }

    /// Replaces the gradient with respect to `leaf`.
    ///
    /// # Panics
    /// If `leaf` is none.
    pub fn set(&mut self, leaf: &impl Leaf, gradient: Tensor) {
        let id = leaf.leaf_id().expect("Gradients::set: the tensor is no leaf");
        self.by_leaf.insert(id, gradient.into_array());
    }

    /// How many leaves have a gradient.
    pub fn len(&self) -> usize {
        self.by_leaf.len()
    }

    /// Whether no leaf has a gradient.
    pub fn is_empty(&self) -> bool {
        self.by_leaf.is_empty()
    }
}

impl Tensor {
    /// The gradients of this scalar with respect to every leaf that it depends on. The graph is used up.
    ///
    /// # Panics
    /// If the tensor has more than one element, depends on no leaf, or if a part of its graph has been used up by an
    /// earlier call.
    pub fn backward(self) -> Gradients {
        let shape = self.shape_value();
        assert!(
            shape.numel() == 1,
            "backward: needs a tensor of one element (a loss), got shape {shape}; take its mean or sum first"
        );
        let one = Tensor::full_like(&self, 1.0);
        self.backward_with(one)
    }

    /// As [`Tensor::backward`], for a tensor of any shape: `grad` is the gradient of what follows with respect to it.
    ///
    /// # Panics
    /// As [`Tensor::backward`], and if `grad` has another shape or type.
    pub fn backward_with(self, grad: Tensor) -> Gradients {
        assert!(
            grad.shape_value() == self.shape_value() && grad.dtype() == self.dtype(),
            "backward: the gradient is {} {}, the tensor {} {}",
            grad.dtype(),
            grad.shape_value(),
            self.dtype(),
            self.shape_value()
        );
        let Some(root) = self.node else {
            panic!("backward: the tensor depends on nothing that has a gradient (was it computed with Pass::eval?)")
        };
        drop(self.value);

        let mut gradients = Gradients::default();
        let mut pending: HashMap<u64, (Arc<Node>, Array)> = HashMap::new();
        let mut order = BinaryHeap::from([root.id]);
        pending.insert(root.id, (root, grad.into_array()));
        // An op's number is larger than its inputs', so the largest pending one has all its gradient.
        while let Some(id) = order.pop() {
            let (node, grad) = pending.remove(&id).expect("each number is queued once");
            debug_assert_eq!(grad.shape(), node.shape, "{}: gradient of another shape", node.op);
            let mut state = node.state();
            let (inputs, backward) = match std::mem::replace(&mut *state, State::Consumed) {
                State::Op { inputs, backward } => (inputs, backward),
                State::Leaf => {
                    *state = State::Leaf;
                    gradients.by_leaf.insert(id, grad);
                    continue;
                }
                State::Consumed => {
                    panic!("backward: this graph was used up by an earlier call to backward (op {})", node.op)
                }
            };
            drop(state);
            let wants: Vec<bool> = inputs.iter().map(Option::is_some).collect();
            for (input, grad) in inputs.into_iter().zip(backward(grad, &wants)) {
                let (Some(input), Some(grad)) = (input, grad) else { continue };
                match pending.get_mut(&input.id) {
                    Some((_, sum)) => {
                        let so_far = std::mem::replace(sum, Array::full(0.0, Shape::from([]), grad.dtype()));
                        *sum = so_far.binary(Binary::Add, grad);
                    }
                    None => {
                        order.push(input.id);
                        pending.insert(input.id, (input, grad));
                    }
                }
            }
        }
        gradients
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    fn scalar(x: f64) -> Tensor {
        Tensor::from_vec(vec![x], []).requires_grad()
    }

    #[test]
    fn a_leaf_used_twice_gets_the_sum() {
        let x = scalar(3.0);
        let y = &x * &x + &x;
        assert_eq!(y.backward().get(&x).unwrap().item::<f64>(), 7.0);
    }

    #[test]
    fn what_wants_no_gradient_gets_none() {
        let (x, c) = (scalar(3.0), Tensor::from_vec(vec![2.0f64], []));
        let grads = (&x * &c).backward();
        assert!(grads.get(&c).is_none());
        assert_eq!(grads.len(), 1);
    }

    #[test]
    #[should_panic(expected = "used up by an earlier call")]
    fn a_graph_serves_once() {
        let x = scalar(3.0);
        let y = x.clone().exp();
        y.clone().backward();
        y.backward();
    }

    #[test]
    #[should_panic(expected = "needs a tensor of one element")]
    fn only_scalars_have_a_gradient() {
        Tensor::zeros([2], DType::F32).requires_grad().exp().backward();
    }

    #[test]
    fn a_graph_of_a_million_ops_is_dropped_and_walked() {
        let x = scalar(0.0);
        let grow = || (0..1_000_000).fold(x.clone(), |y, _| y + 1.0);
        drop(grow());
        assert_eq!(grow().backward().get(&x).unwrap().item::<f64>(), 1.0);
    }

    #[test]
    fn the_first_op_that_is_not_finite_is_named() {
        let (a, b) = (scalar(0.0), scalar(2.0));
        let (_, found) = find_non_finite(|| (&b * 3.0 + a.clone().log()).exp());
        let found = found.unwrap();
        assert_eq!((found.op, found.leaf), ("log", a.leaf_id()));
        assert_eq!(find_non_finite(|| (&b * 3.0).exp()).1, None);
    }
}
