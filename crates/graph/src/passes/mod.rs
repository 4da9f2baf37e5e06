//! Passes: small functions from graph to graph, for inference.

mod chain;
mod dead;
mod flatten_channels_last;
mod fold_batch_norm;
mod fold_constants;
mod fold_padding;
mod functions;
mod fuse;
mod lower_prelu;
mod scalars;
mod transposes;

pub use chain::chain_convolutions;
pub use dead::drop_dead;
pub use flatten_channels_last::flatten_channels_last;
pub use fold_batch_norm::fold_batch_norm;
pub use fold_constants::fold_constants;
pub use fold_padding::fold_padding;
pub use functions::fuse_functions;
pub use fuse::fuse_epilogues;
pub use lower_prelu::lower_prelu;
pub use scalars::join_scalars;
pub use transposes::move_transposes;

use crate::graph::Graph;

/// The graph with all passes applied: constants folded, functions that are written as several nodes made one op, transposes moved to where they cancel,
/// what follows a convolution folded into its weight or fused into it, maps flattened in the order in which they lie in memory, and what nobody reads dropped. Its
/// outputs agree with the graph's within rounding.
pub fn optimize(graph: Graph) -> Graph {
    let mut graph = simplify(graph);
    fuse_epilogues(&mut graph);
    chain_convolutions(&mut graph);
    drop_dead(&mut graph);
    graph
}

/// The graph with those passes of [`optimize`] applied after which a file can still hold it. Those that are left join ops and compute nothing, so that a program that
/// reads such a file needs no other ops than it has.
pub fn simplify(mut graph: Graph) -> Graph {
    fold_constants(&mut graph);
    join_scalars(&mut graph);
    fuse_functions(&mut graph);
    move_transposes(&mut graph);
    drop_dead(&mut graph);
    fold_batch_norm(&mut graph);
    fold_padding(&mut graph);
    flatten_channels_last(&mut graph);
    lower_prelu(&mut graph);
    drop_dead(&mut graph);
    graph
}

#[cfg(test)]
mod tests;
