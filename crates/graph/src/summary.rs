//! A network's layers as a table.

use crate::graph::Graph;
use std::collections::HashSet;

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
        let size = |name: &String| graph.parameters.iter().find(|p| p.0 == *name).map_or(0, |p| p.1);
        let rows: Vec<LayerRow> = graph
            .nodes
            .iter()
            .map(|node| LayerRow {
                name: node.layer.clone().unwrap_or_else(|| node.op.to_string()),
                op: node.op,
                output: node.shape.to_vec(),
                parameters: node.parameters.iter().filter(|p| counted.insert((*p).clone())).map(size).sum(),
                macs: node.macs,
                activation_bytes: if node.is_view { 0 } else { 4 * node.shape.numel() },
            })
            .collect();
        Summary {
            parameters: graph.parameters.iter().map(|p| p.1).sum(),
            macs: rows.iter().map(|r| r.macs).sum(),
            activation_bytes: rows.iter().map(|r| r.activation_bytes).sum(),
            rows,
        }
    }
}
