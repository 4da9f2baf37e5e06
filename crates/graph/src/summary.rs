//! A network's layers as a table.

use crate::graph::{Graph, Origin};
use std::collections::{HashMap, HashSet};

/// One row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerRow {
    /// The layer's name, or the op's where no parameter names it.
    pub name: String,
    /// What it does.
    pub op: &'static str,
    /// The shape of its result.
    pub output: Vec<usize>,
    /// How many numbers of it training changes.
    pub parameters: usize,
    /// Multiply-adds.
    pub macs: u64,
    /// Bytes of its result (`f32`); none for views.
    pub activation_bytes: usize,
}

/// The layers of a network and their totals.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// One row per op.
    pub rows: Vec<LayerRow>,
    /// All parameters, also those that no op used.
    pub parameters: usize,
    /// All multiply-adds.
    pub macs: u64,
    /// Bytes of all results together: about what training keeps for the backward pass.
    pub activation_bytes: usize,
}

impl Summary {
    /// The table of a captured network. A parameter that several ops share is counted at the first.
    pub fn of(graph: &Graph) -> Summary {
        let mut counted = HashSet::new();
        let sizes: HashMap<&str, usize> =
            graph.values_of(Origin::Parameter).map(|v| (v.name.as_str(), v.spec.shape.numel())).collect();
        let mut rows = Vec::new();
        for node in &graph.nodes {
            let parameters = graph.parameters_of(node).filter(|p| counted.insert(*p)).map(|p| sizes[p]).sum();
            let output = graph.output_spec(node);
            let op = node.op.name();
            rows.push(LayerRow {
                name: node.layer.clone().unwrap_or_else(|| op.to_string()),
                op,
                output: output.shape.to_vec(),
                parameters,
                macs: graph.macs(node),
                activation_bytes: if node.op.is_view() { 0 } else { output.dtype.size() * output.shape.numel() },
            });
        }
        Summary {
            parameters: sizes.values().sum(),
            macs: rows.iter().map(|r| r.macs).sum(),
            activation_bytes: rows.iter().map(|r| r.activation_bytes).sum(),
            rows,
        }
    }
}
