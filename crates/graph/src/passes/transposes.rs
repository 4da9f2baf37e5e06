use crate::graph::{Dim, Graph, Node, Origin, Value, ValueId};
use std::collections::{HashMap, HashSet};
use striate_tensor::{Op, Spec};

/// Moves permutations of dimensions towards the outputs, through ops that have a form for any order of dimensions, so that those that undo each other
/// meet and go: what a network of channels-last images has around each of its convolutions. The graph stays as it is where that leaves more of them.
pub fn move_transposes(graph: &mut Graph) {
    let count = |graph: &Graph| graph.nodes.iter().filter(|n| matches!(n.op, Op::Permute { .. })).count();
    if count(graph) == 0 {
        return;
    }
    let mut moved = graph.clone();
    let nodes = std::mem::take(&mut moved.nodes);
    let mut mover =
        Mover { graph: &mut moved, transposed: HashMap::new(), same: HashMap::new(), there: HashSet::new() };
    for node in nodes {
        mover.take(node);
    }
    mover.finish();
    super::drop_dead(&mut moved);
    if count(&moved) <= count(graph) {
        *graph = moved;
    }
}

/// A value as another one with its dimensions in another order: dimension `i` is dimension `order[i]` of the other.
type Transposed = (ValueId, Vec<usize>);

struct Mover<'a> {
    graph: &'a mut Graph,
    transposed: HashMap<ValueId, Transposed>,
    /// Values that are another one.
    same: HashMap<ValueId, ValueId>,
    /// Which of the transposed values a node computes.
    there: HashSet<ValueId>,
}

impl Mover<'_> {
    fn take(&mut self, mut node: Node) {
        for id in &mut node.inputs {
            *id = self.same.get(id).copied().unwrap_or(*id);
        }
        if let Op::Permute { dims } = &node.op {
            let (from, order) = match self.transposed.get(&node.inputs[0]) {
                Some((from, order)) => (*from, dims.iter().map(|&d| order[d]).collect()),
                None => (node.inputs[0], dims.clone()),
            };
            return self.set(node.outputs[0], from, order);
        }
        if !self.absorb(&node) {
            node.inputs.iter().for_each(|&id| self.compute(id));
            self.graph.nodes.push(node);
        }
    }

    fn set(&mut self, y: ValueId, from: ValueId, order: Vec<usize>) {
        if order.iter().enumerate().all(|(i, &d)| i == d) {
            self.same.insert(y, from);
        } else {
            self.transposed.insert(y, (from, order));
        }
    }

    /// Makes sure that a node computes a value.
    fn compute(&mut self, id: ValueId) {
        let Some((from, dims)) = self.transposed.get(&id).filter(|_| !self.there.contains(&id)).cloned() else {
            return;
        };
        self.there.insert(id);
        let op = Op::Permute { dims };
        self.graph.nodes.push(Node { op, sizes: Vec::new(), layer: None, inputs: vec![from], outputs: vec![id] });
    }

    fn finish(mut self) {
        let mut outputs = std::mem::take(&mut self.graph.outputs);
        for id in &mut outputs {
            *id = self.same.get(id).copied().unwrap_or(*id);
            self.compute(*id);
        }
        self.graph.outputs = outputs;
    }

    /// Runs a node before the permutation of its operands instead of after it, if it has a form for that.
    fn absorb(&mut self, node: &Node) -> bool {
        let Some((first, order)) = node.inputs.iter().find_map(|id| self.transposed.get(id)).cloned() else {
            return false;
        };
        let rank = order.len();
        let at = |d: usize| order[d];
        let y = node.outputs[0];
        if node.outputs.len() != 1 {
            return false;
        }
        let mut sizes = node.sizes.clone();
        // The order of the result's dimensions, too, where some are gone.
        let mut kept = order.clone();
        let op = match &node.op {
            Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Where | Op::Cast { .. } => node.op.clone(),
            Op::Cat { dim } => Op::Cat { dim: at(*dim) },
            Op::Narrow { dim, start, length } => Op::Narrow { dim: at(*dim), start: *start, length: *length },
            Op::IndexSelect { dim } if self.transposed.contains_key(&node.inputs[0]) => {
                Op::IndexSelect { dim: at(*dim) }
            }
            Op::Softmax { dim } => Op::Softmax { dim: at(*dim) },
            Op::LogSoftmax { dim } => Op::LogSoftmax { dim: at(*dim) },
            Op::CumSum { dim, reverse } => Op::CumSum { dim: at(*dim), reverse: *reverse },
            Op::Pad { padding, mode, value } => {
                let (mut own, mut own_sizes) = (padding.clone(), sizes.clone());
                for d in 0..rank {
                    own[at(d)] = padding[d];
                    own_sizes[2 * at(d)..][..2].copy_from_slice(&sizes[2 * d..][..2]);
                }
                sizes = own_sizes;
                Op::Pad { padding: own, mode: *mode, value: *value }
            }
            Op::Reduce { op, dims, keepdim } => {
                let mut own: Vec<usize> = dims.iter().map(|&d| at(d)).collect();
                own.sort_unstable();
                if !keepdim {
                    let left: Vec<usize> = (0..rank).filter(|d| !dims.contains(d)).map(at).collect();
                    kept = left.iter().map(|d| left.iter().filter(|e| *e < d).count()).collect();
                }
                Op::Reduce { op: *op, dims: own, keepdim: *keepdim }
            }
            Op::Reshape { .. } => {
                let is_kept = self.keeps_elements(first, &order);
                if is_kept {
                    self.graph.nodes.push(Node { inputs: vec![first], ..node.clone() });
                }
                return is_kept;
            }
            _ => return false,
        };
        let inputs = if let Op::IndexSelect { .. } = op {
            self.compute(node.inputs[1]);
            Some(vec![first, node.inputs[1]])
        } else {
            self.operands(&node.inputs, &order, matches!(op, Op::Cat { .. }))
        };
        let Some(inputs) = inputs else { return false };
        let result = self.before(y, &kept);
        self.graph.nodes.push(Node { op, sizes, inputs, outputs: vec![result], ..node.clone() });
        self.set(y, result, kept);
        true
    }

    /// The operands of a node as they are before the permutation `order`; none if one has no such form.
    fn operands(&mut self, ids: &[ValueId], order: &[usize], is_whole: bool) -> Option<Vec<ValueId>> {
        let rank = order.len();
        let is_constant = |id: ValueId| {
            let value = self.graph.value(id);
            value.is_known() && if is_whole { value.dims.len() == rank } else { value.dims.len() <= rank }
        };
        let is_transposed = |id: ValueId| self.transposed.get(&id).is_some_and(|(_, other)| other == order);
        if !ids.iter().all(|&id| is_transposed(id) || is_constant(id)) {
            return None;
        }
        let mut back = vec![0; rank];
        order.iter().enumerate().for_each(|(i, &d)| back[d] = i);
        let mut all = Vec::new();
        for &id in ids {
            all.push(match self.transposed.get(&id) {
                Some(&(from, _)) => from,
                // Numbers have no order.
                None if self.graph.value(id).spec.shape.numel() == 1 && !is_whole => id,
                None => {
                    let tensor = self.graph.value(id).tensor.clone()?;
                    let wide = [vec![1; rank - tensor.rank()], tensor.shape().to_vec()].concat();
                    let dims: Vec<isize> = back.iter().map(|&d| d as isize).collect();
                    self.graph.add_constant(tensor.reshape(wide).permute(&dims))
                }
            });
        }
        Some(all)
    }

    /// A new value that becomes `y` by the permutation `order`.
    fn before(&mut self, y: ValueId, order: &[usize]) -> ValueId {
        let value = self.graph.value(y);
        let (mut dims, mut shape) = (value.dims.clone(), value.spec.shape.to_vec());
        for (i, &d) in order.iter().enumerate() {
            (dims[d], shape[d]) = (value.dims[i], value.spec.shape[i]);
        }
        let (spec, name) = (Spec::new(shape, value.spec.dtype), format!("{}.transposed", value.name));
        self.graph.values.push(Value { name, origin: Origin::Result, spec, dims, tensor: None });
        ValueId(self.graph.values.len() - 1)
    }

    /// Whether a permutation of a value leaves its elements in their order: it moves dimensions of size 1 alone.
    fn keeps_elements(&self, id: ValueId, order: &[usize]) -> bool {
        let dims = &self.graph.value(id).dims;
        order.iter().filter(|&&d| dims[d] != Dim::fixed(1)).is_sorted()
    }
}
