//! Passes: small functions from graph to graph, for inference.

mod dead;
mod fold_batch_norm;
mod fold_constants;
mod fuse;

pub use dead::drop_dead;
pub use fold_batch_norm::fold_batch_norm;
pub use fold_constants::fold_constants;
pub use fuse::fuse_epilogues;

use crate::graph::Graph;

/// The graph with all passes applied: constants folded, batch normalizations folded into the weights before them, what follows a convolution fused
/// into it, and what nobody reads dropped. Its outputs agree with the graph's within rounding.
pub fn optimize(mut graph: Graph) -> Graph {
    fold_constants(&mut graph);
    fold_batch_norm(&mut graph);
    fuse_epilogues(&mut graph);
    drop_dead(&mut graph);
    graph
}

#[cfg(test)]
mod tests;
