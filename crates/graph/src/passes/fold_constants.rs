use crate::graph::{Graph, Node, Origin};
use striate_tensor::{Op, backend};

/// Results that are larger than what they come from by more elements than this are computed in each run: they would only take memory.
const GROWTH: usize = 1 << 16;

/// Computes once what depends on parameters, buffers and constants alone. What only that depended on is given up at once.
pub fn fold_constants(graph: &mut Graph) {
    let mut uses = graph.uses();
    for node in std::mem::take(&mut graph.nodes) {
        if !is_constant(graph, &node) {
            graph.nodes.push(node);
            continue;
        }
        let operand = |v: &_| graph.value(*v).tensor.as_ref().expect("known").array().clone();
        let results = backend::run(&node.op, node.inputs.iter().map(operand).collect());
        for (id, y) in node.outputs.iter().zip(results) {
            let value = &mut graph.values[id.0];
            // A view would keep all that it shows a part of, and run slower; a broadcast one takes no memory.
            let y = if matches!(node.op, Op::Expand { .. }) { y } else { y.dense() };
            (value.origin, value.tensor) = (Origin::Constant, Some(y.into()));
        }
        for id in &node.inputs {
            graph.read_once(*id, &mut uses);
        }
    }
}

fn is_constant(graph: &Graph, node: &Node) -> bool {
    let numel = |ids: &[_]| ids.iter().map(|&v| graph.value(v).spec.shape.numel()).sum::<usize>();
    let is_known = node.inputs.iter().all(|&v| graph.value(v).is_known());
    let is_fixed = node.sizes.iter().all(|d| d.per_sample == 0);
    is_known && is_fixed && numel(&node.outputs) <= numel(&node.inputs) + GROWTH
}
