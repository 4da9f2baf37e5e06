use crate::graph::{Graph, Origin, ValueId};
use std::collections::{HashMap, HashSet};

/// Drops nodes whose results nobody reads, and values that nobody reads or computes. Inputs stay.
pub fn drop_dead(graph: &mut Graph) {
    let mut wanted: HashSet<ValueId> = graph.outputs.iter().copied().collect();
    let mut kept = Vec::new();
    for node in std::mem::take(&mut graph.nodes).into_iter().rev() {
        if node.outputs.iter().any(|v| wanted.contains(v)) {
            wanted.extend(node.inputs.iter().chain(&node.outputs));
            kept.push(node);
        }
    }
    kept.reverse();
    let mut places = HashMap::new();
    let mut values = Vec::new();
    for (i, value) in std::mem::take(&mut graph.values).into_iter().enumerate() {
        if wanted.contains(&ValueId(i)) || value.origin == Origin::Input {
            places.insert(ValueId(i), ValueId(values.len()));
            values.push(value);
        }
    }
    let move_all = |ids: &mut Vec<ValueId>| ids.iter_mut().for_each(|v| *v = places[v]);
    for node in &mut kept {
        move_all(&mut node.inputs);
        move_all(&mut node.outputs);
    }
    move_all(&mut graph.inputs);
    move_all(&mut graph.outputs);
    (graph.nodes, graph.values) = (kept, values);
}
