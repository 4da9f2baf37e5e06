//! A graph made ready to run: optimized, with a plan of its memory.

use crate::capture;
use crate::graph::{Batch, Graph, Node, Origin};
use crate::passes::optimize;
use crate::plan::MemoryPlan;
use crate::run::RunError;
use std::collections::HashMap;
use striate_nn::Forward;
use striate_tensor::{Array, Running, Spec, Tensor, backend, reusing_larger_memory, trim_memory};

/// A network for inference: its optimized graph, which nodes read which values last, and what each node's weights are packed to.
///
/// ```
/// use striate_graph::Executable;
/// use striate_nn::{Conv2d, ReLU, Sequential};
/// use striate_tensor::{DType, Generator, Tensor};
/// let net = Sequential::new().add(Conv2d::new(1, 4, 3, &mut Generator::new(0))).add(ReLU);
/// let run = Executable::of(&net, &[1, 1, 8, 8]);
/// assert_eq!(run.graph().nodes.len(), 1);
/// assert_eq!(run.forward(Tensor::ones([5, 1, 8, 8], DType::F32)).shape(), [5, 4, 6, 6]);
/// ```
pub struct Executable {
    graph: Graph,
    last_reads: Vec<Vec<bool>>,
    packed: Vec<Option<backend::Packed>>,
}

impl Executable {
    /// Optimizes a graph and makes it ready to run.
    pub fn new(graph: Graph) -> Executable {
        Executable::as_is(optimize(graph))
    }

    /// Captures a network and makes it ready to run. `input` is the shape of its input; the first dimension is how many samples it
    /// has, which later runs need not keep to ([`crate::Batch`]).
    ///
    /// # Panics
    /// As [`capture()`].
    pub fn of<F: Forward + ?Sized>(network: &F, input: &[usize]) -> Executable {
        Executable::new(capture(network, input))
    }

    /// A graph as it is, without passes.
    pub(crate) fn as_is(mut graph: Graph) -> Executable {
        hold_packed(&mut graph);
        let last_reads = graph.last_reads();
        // A weight that is computed differs from run to run.
        let has_constant_weight = |node: &&Node| node.inputs.get(1).is_some_and(|&id| graph.value(id).is_known());
        let packed = |node| Some(node).filter(has_constant_weight).and_then(|node| backend::Packed::of(&node.op));
        let packed = graph.nodes.iter().map(packed).collect();
        Executable { graph, last_reads, packed }
    }

    /// The optimized graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Where each result lies in memory in a run of this many samples.
    pub fn memory_plan(&self, batch: usize) -> MemoryPlan {
        MemoryPlan::of(&self.graph, batch)
    }

    /// Bytes of weights that are packed: those that are held so alone, and those that nodes make when they first run.
    pub fn packed_bytes(&self) -> usize {
        let held = self.graph.values.iter().filter_map(|v| v.tensor.as_ref()?.array().packed_bytes());
        self.packed.iter().flatten().map(backend::Packed::bytes).chain(held).sum()
    }

    /// Whether it takes these inputs.
    pub fn takes(&self, inputs: &[Tensor]) -> bool {
        self.graph.check_inputs(inputs).is_ok()
    }

    /// The only output for the only input.
    ///
    /// # Panics
    /// As [`Executable::run`].
    pub fn forward(&self, x: Tensor) -> Tensor {
        self.run(&[x]).swap_remove(0)
    }

    /// The outputs for these inputs. Nothing is recorded for a gradient.
    ///
    /// # Panics
    /// As [`Executable::try_run`] fails, and if inputs are on another device than the graph's parameters.
    pub fn run(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        self.try_run(inputs).unwrap_or_else(|e| panic!("graph: {e}"))
    }

    /// The outputs for these inputs.
    ///
    /// # Errors
    /// If the inputs are not those that the graph takes, or a position that they give or lead to is outside of what it picks from.
    ///
    /// # Panics
    /// If inputs are on another device than the graph's parameters.
    pub fn try_run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        self.run_watched(inputs, |_| ())
    }

    /// As [`Executable::try_run`], with the most bytes of memory that results took at a time, which [`MemoryPlan::arena`] bounds.
    ///
    /// # Errors
    /// As [`Executable::try_run`].
    pub fn run_measured(&self, inputs: &[Tensor]) -> Result<(Vec<Tensor>, usize), RunError> {
        let mut most = 0;
        let outputs = self.run_watched(inputs, |arrays| {
            let results = self.graph.values.iter().zip(arrays).filter(|(v, _)| v.origin == Origin::Result);
            // Views share what they show.
            let memory: HashMap<_, _> = results.filter_map(|(_, a)| a.as_ref()).map(Array::memory).collect();
            most = most.max(memory.values().sum::<usize>());
        })?;
        Ok((outputs, most))
    }

    /// As [`Executable::try_run`]; `watch` sees which values are there after each node, by the number of their [`crate::ValueId`].
    pub(crate) fn run_watched(
        &self,
        inputs: &[Tensor],
        watch: impl FnMut(&[Option<Array>]),
    ) -> Result<Vec<Tensor>, RunError> {
        let _running = Running::begin();
        let graph = &self.graph;
        let batch = graph.check_inputs(inputs).map_err(RunError::Inputs)?;
        let step = |i: usize, operands: Vec<Array>| {
            graph.check_positions(&graph.nodes[i], &operands)?;
            Ok(backend::run_packed(&graph.nodes[i].op_at(batch), self.packed[i].as_ref(), operands))
        };
        let run = || graph.evaluate(graph.arrays(inputs), &self.last_reads, step, watch);
        let outputs = reusing_larger_memory(run)?;
        Ok(outputs.into_iter().map(Tensor::from).collect())
    }
}

/// Bytes of weights given up after which idle memory goes back to the system.
const TRIM: usize = 1 << 20;

/// Packs the weights that one node alone reads, and reads only packed, in the place of their values; but those whose values a network holds, too, stay as they are.
fn hold_packed(graph: &mut Graph) {
    let (uses, mut given_up) = (graph.uses(), 0);
    let fewest = match graph.batch {
        Batch::Any(_) => 1,
        Batch::Fixed(n, _) => n,
    };
    for node in &graph.nodes {
        let specs: Vec<Spec> = node.inputs.iter().map(|&id| graph.values[id.0].spec_at(fewest)).collect();
        for (at, id) in node.inputs.iter().enumerate().filter(|(_, id)| uses[id] == 1) {
            let Some(weight) = &mut graph.values[id.0].tensor else { continue };
            if let Some(packed) = backend::Packed::alone(&node.op, &specs, at, weight.array()) {
                given_up += packed.memory().1;
                *weight = packed.into();
            }
            if given_up >= TRIM {
                given_up = 0;
                trim_memory();
            }
        }
    }
}

#[cfg(test)]
#[path = "executable_tests.rs"]
mod tests;
