//! A graph as a network that trains.

use crate::graph::{Graph, Origin, Value, ValueId};
use striate_nn::{Buffer, Entry, EntryMut, Forward, Module, Parameter, Pass};
use striate_tensor::{Op, Tensor};

/// The weight of the newest batch in running statistics, as in PyTorch.
const MOMENTUM: f64 = 0.1;

/// A graph as a network: its parameters train, its buffers are kept, both under their names. In training a batch normalization goes by the batch, and its
/// running statistics follow with PyTorch's momentum of 0.1, unless the pass says [`striate_nn::Statistics::Frozen`].
///
/// ```
/// use striate_graph::{GraphModule, capture};
/// use striate_nn::{Forward, Linear, Module, Pass};
/// use striate_tensor::{DType, Generator, Tensor};
/// let net = Linear::new(4, 3, &mut Generator::new(0));
/// let graph = GraphModule::new(capture(&net, &[1, 4]));
/// assert_eq!(graph.num_parameters(), net.num_parameters());
/// let x = Tensor::ones([2, 4], DType::F32);
/// assert_eq!(graph.forward(x.clone(), &Pass::eval()).to_vec::<f32>(), net.forward(x, &Pass::eval()).to_vec::<f32>());
/// ```
pub struct GraphModule {
    graph: Graph,
    last_reads: Vec<Vec<bool>>,
    parameters: Vec<(ValueId, Parameter)>,
    buffers: Vec<(ValueId, Buffer)>,
}

impl GraphModule {
    /// A network that computes what `graph` does.
    ///
    /// # Panics
    /// If the graph has not exactly one input and one output.
    pub fn new(graph: Graph) -> GraphModule {
        let (inputs, outputs) = (graph.inputs.len(), graph.outputs.len());
        assert!(
            inputs == 1 && outputs == 1,
            "GraphModule: a graph of one input and one output, got {inputs} and {outputs}"
        );
        let of = |origin: Origin| {
            let all = graph.values.iter().enumerate().filter(move |(_, v)| v.origin == origin);
            all.map(|(i, v)| (ValueId(i), v.tensor.clone().expect("parameters and buffers have elements")))
        };
        let parameters = of(Origin::Parameter).map(|(id, t)| (id, Parameter::new(t))).collect();
        let buffers = of(Origin::Buffer).map(|(id, t)| (id, Buffer::new(t))).collect();
        let last_reads = graph.last_reads();
        GraphModule { graph, last_reads, parameters, buffers }
    }

    /// The graph with the parameters and buffers as they are now.
    pub fn graph(&self) -> Graph {
        let mut graph = self.graph.clone();
        for (id, parameter) in &self.parameters {
            graph.values[id.0].tensor = Some(parameter.value().detach());
        }
        for (id, buffer) in &self.buffers {
            graph.values[id.0].tensor = Some(buffer.value());
        }
        graph
    }

    fn buffer(&self, id: ValueId) -> Option<&Buffer> {
        self.buffers.iter().find(|(b, _)| *b == id).map(|(_, buffer)| buffer)
    }

    /// A batch normalization by the batch, if that is what a node is to be in this pass; its running statistics follow.
    fn by_batch(&self, op: &Op, inputs: &[ValueId], operands: &[Tensor], pass: &Pass) -> Option<Tensor> {
        let Op::BatchNorm { eps, residual: false, activation: None, .. } = op else { return None };
        if !pass.uses_batch_statistics() {
            return None;
        }
        let (mean, var) = (self.buffer(inputs[1])?, self.buffer(inputs[2])?);
        let x = operands[0].clone();
        let n = (x.numel() / x.size(1)) as f64;
        let normed = x.batch_norm(Some(&operands[3]), Some(&operands[4]), *eps);
        let blend = |running: &Buffer, newest: Tensor| {
            running.set(running.value() * (1.0 - MOMENTUM) + newest * MOMENTUM);
        };
        blend(mean, normed.mean);
        blend(var, normed.var * (n / (n - 1.0)));
        Some(normed.output)
    }
}

impl Module for GraphModule {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        let name = |id: &ValueId| striate_nn::module::join(prefix, &self.graph.value(*id).name);
        for (id, parameter) in &self.parameters {
            f(&name(id), Entry::Parameter(parameter));
        }
        for (id, buffer) in &self.buffers {
            f(&name(id), Entry::Buffer(buffer));
        }
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        let name = |id: &ValueId| striate_nn::module::join(prefix, &self.graph.value(*id).name);
        for (id, parameter) in &mut self.parameters {
            f(&name(id), EntryMut::Parameter(parameter));
        }
        for (id, buffer) in &self.buffers {
            f(&name(id), EntryMut::Buffer(buffer));
        }
    }
}

impl Forward for GraphModule {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let graph = &self.graph;
        let batch = graph.batch_of(std::slice::from_ref(&x));
        let constant = |v: &Value| {
            let is_constant = v.origin == Origin::Constant;
            is_constant.then(|| pass.constant(v.tensor.clone().expect("a constant has elements")))
        };
        let mut values: Vec<Option<Tensor>> = graph.values.iter().map(constant).collect();
        values[graph.inputs[0].0] = Some(x);
        for (id, parameter) in &self.parameters {
            values[id.0] = Some(pass.parameter(parameter));
        }
        for (id, buffer) in &self.buffers {
            values[id.0] = Some(pass.buffer(buffer));
        }
        let step = |i: usize, operands: Vec<Tensor>| {
            let node = &graph.nodes[i];
            let op = node.op_at(batch);
            Ok(match self.by_batch(&op, &node.inputs, &operands, pass) {
                Some(y) => vec![y],
                None => op.apply(operands),
            })
        };
        let outputs = graph.evaluate(values, &self.last_reads, step, |_| ());
        outputs.unwrap_or_else(|e| panic!("graph: {e}")).swap_remove(0)
    }
}
