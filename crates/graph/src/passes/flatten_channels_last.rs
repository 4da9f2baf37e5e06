use crate::graph::{Dim, Graph, Node, ValueId};
use std::collections::HashMap;
use striate_tensor::Op;

/// The most elements of a weight that is reordered: it is when the network is loaded, and a larger one takes longer than many runs gain.
const MOST: usize = 1 << 22;

/// Flattens maps in the order in which they lie in memory, channels last, where a linear layer alone reads them: instead of the maps in each run, the columns of its
/// weight are reordered, once.
pub fn flatten_channels_last(graph: &mut Graph) {
    let uses = graph.uses();
    let small = |id: ValueId| graph.value(id).is_known() && graph.value(id).spec.shape.numel() <= MOST;
    let of_layer = |node: &Node| matches!(node.op, Op::Linear) && small(node.inputs[1]);
    let read: Vec<ValueId> = graph.nodes.iter().filter(|n| of_layer(n)).map(|n| n.inputs[0]).collect();
    let mut flat: HashMap<ValueId, (ValueId, [usize; 3])> = HashMap::new();
    for mut node in std::mem::take(&mut graph.nodes) {
        let y = node.outputs[0];
        if uses.get(&y) == Some(&1)
            && read.contains(&y)
            && let Some(sizes) = flattened(graph, &node)
            && is_channels_last(graph, node.inputs[0])
        {
            let moved = graph.append(Op::Permute { dims: vec![0, 2, 3, 1] }, &[node.inputs[0]]);
            let moved = graph.append(Op::Flatten { start_dim: 1, end_dim: 3 }, &[moved]);
            flat.insert(y, (moved, sizes));
            continue;
        }
        if let Some(&(moved, [c, h, w])) = flat.get(node.inputs.first().unwrap_or(&y)) {
            let weight = graph.value(node.inputs[1]).tensor.clone().expect("known");
            let rows = weight.size(0);
            let weight = weight.reshape([rows, c, h, w]).permute(&[0, 2, 3, 1]).reshape([rows, c * h * w]);
            (node.inputs[0], node.inputs[1]) = (moved, graph.add_constant(weight));
        }
        graph.nodes.push(node);
    }
}

/// Channels, height and width of the maps that a node flattens, if their order makes a difference.
fn flattened(graph: &Graph, node: &Node) -> Option<[usize; 3]> {
    if !matches!(node.op, Op::Flatten { .. } | Op::Reshape { .. }) {
        return None;
    }
    let (from, to) = (graph.value(node.inputs[0]), graph.value(node.outputs[0]));
    let (&[n, c, h, w], &[samples, _]) = (&from.dims[..], &to.dims[..]) else { return None };
    let [.., height, width] = from.spec.shape[..] else { return None };
    let channels = from.spec.shape[1];
    let is_fixed = [c, h, w] == [channels, height, width].map(Dim::fixed);
    (n == samples && is_fixed && channels > 1 && height * width > 1).then_some([channels, height, width])
}

/// Whether a value lies in memory with its channels last, as a convolution leaves it.
fn is_channels_last(graph: &Graph, mut id: ValueId) -> bool {
    while let Some(node) = graph.producer(id) {
        match node.op {
            Op::Conv2d { .. } => return true,
            Op::Unary(_)
            | Op::BatchNorm { .. }
            | Op::MaxPool2d { .. }
            | Op::AvgPool2d { .. }
            | Op::AdaptiveAvgPool { .. } => {
                id = node.inputs[0];
            }
            _ => return false,
        }
    }
    false
}
