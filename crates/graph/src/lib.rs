//! A network as data: every op it runs, with shapes and costs, found by running it on a backend that writes ops down.
//!
//! ```
//! use striate_graph::capture;
//! use striate_nn::Linear;
//! let net = Linear::new(4, 3, &mut striate_tensor::Generator::new(0));
//! let graph = capture(&net, &[2, 4]);
//! assert_eq!(graph.nodes.len(), 1);
//! assert_eq!(graph.nodes[0].macs, 2 * 4 * 3);
//! ```

mod capture;
mod graph;
mod layer_times;
mod summary;

pub use capture::capture;
pub use graph::{Graph, Node};
pub use layer_times::{LayerTime, time_layers};
pub use summary::{LayerRow, Summary};
