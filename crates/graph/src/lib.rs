//! A network as data: [`capture`] runs it on a backend that writes ops down, and nothing is lost. A [`Graph`] has every op with its attributes and
//! operands, the parameters and buffers by name, inputs and outputs, and sizes that depend on the number of samples. It can be run, printed, counted,
//! timed and trained ([`GraphModule`]); [`passes`] make it faster without changing what it computes, and an [`Executable`] runs it.
//!
//! ```
//! use striate_graph::capture;
//! use striate_nn::{Forward, Linear, Pass};
//! use striate_tensor::{DType, Generator, Tensor};
//! let net = Linear::new(4, 3, &mut Generator::new(0));
//! let graph = capture(&net, &[1, 4]);
//! let x = Tensor::ones([5, 4], DType::F32);
//! assert_eq!(graph.run(&[x.clone()])[0].to_vec::<f32>(), net.forward(x, &Pass::eval()).to_vec::<f32>());
//! println!("{graph}");
//! ```

mod capture;
mod check;
mod classifier;
mod executable;
mod file;
mod graph;
mod layer_times;
mod module;
mod node_times;
pub mod passes;
mod plan;
mod print;
mod run;
mod sizes;
mod summary;

pub use capture::{capture, capture_with};
pub use classifier::GraphClassifier;
pub use executable::Executable;
pub use file::TEXT_VERSION;
pub use graph::{Batch, Dim, Graph, Node, Origin, Value, ValueId};
pub use layer_times::{LayerTime, time_layers};
pub use module::GraphModule;
pub use node_times::{NodeTime, NodeTimes};
pub use plan::{MemoryPlan, Region};
pub use run::RunError;
pub use summary::{LayerRow, Summary};
