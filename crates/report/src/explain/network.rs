//! A model's network as a graph whose layers have names: run up to a layer without gradients, and from it on with them.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, OnceLock};
use striate_graph::{Batch, Executable, Graph, Node, Origin, Value, ValueId, capture_with, passes};
use striate_model::Model;
use striate_nn::{Module, Pass};
use striate_tensor::op::{Activation, Unary};
use striate_tensor::{DType, Op, Spec, Tensor};

/// How many numbers of a network's results may lie in memory at once, where they are kept for a gradient and where not.
const KEPT_NUMBERS: usize = 1 << 26;
const PASSING_NUMBERS: usize = 1 << 28;
/// The most images in a batch.
const BATCH: usize = 16;

/// A layer of a network, whose output can be explained.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Layer {
    /// Its name: the path of its parameters, as in `layer4.1.conv2`, or for a layer without parameters its op and a number, as in `relu_3`.
    pub name: String,
    /// The op that computes its output, such as `conv2d`.
    pub op: String,
    /// The shape of its output for one image, without the dimension of the batch.
    pub shape: Vec<usize>,
    /// Further names of the same output: of the last layer in a part that ends with it.
    pub aliases: Vec<String>,
    #[serde(skip)]
    pub(crate) value: ValueId,
}

impl Layer {
    /// Whether it has this name.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias == name)
    }

    /// Height and width of its output, if that is a map `[c, h, w]` with more than one row and column.
    pub fn map_size(&self) -> Option<[usize; 2]> {
        match self.shape[..] {
            [_, h, w] if h > 1 && w > 1 => Some([h, w]),
            _ => None,
        }
    }
}

/// How the gradient goes back through ReLUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ReluRule {
    /// As it is.
    #[default]
    Plain,
    /// Where it is positive alone, too (guided backpropagation: Springenberg et al., 2015).
    Guided,
}

/// A graph with names for its layers.
pub(crate) struct Network {
    pub graph: Graph,
    pub layers: Vec<Layer>,
    /// The graph without what costs a pass with gradients time for nothing: constants and batch normalizations are folded.
    folded: OnceLock<Graph>,
}

/// What a layer divides a network into.
pub(crate) struct Cut {
    /// Gives the layer's output, then the other values that are computed before it and read after it.
    before: Executable,
    layer: ValueId,
    others: Vec<ValueId>,
    /// The nodes that depend on the layer, and that the output depends on.
    after: Vec<usize>,
}

/// The values that are there before the nodes after a layer run.
pub(crate) struct AtLayer {
    /// The layer's output.
    pub output: Tensor,
    others: Vec<(ValueId, Tensor)>,
    batch: usize,
}

impl Network {
    fn new(graph: Graph, layers: Vec<Layer>) -> Network {
        Network { graph, layers, folded: OnceLock::new() }
    }

    /// Captures a model's network.
    pub fn of(model: &Model) -> Network {
        let [c, h, w] = model.card.preprocessing.output_shape();
        let network = &*model.network;
        let names = Mutex::new(Vec::new());
        let run = |mut x: Vec<Tensor>, pass: &Pass| {
            let part: &dyn Module = network;
            let (y, seen) = pass.watch(part, |name| !name.is_empty(), || network.forward(x.swap_remove(0), pass));
            let (seen, outputs): (Vec<String>, Vec<Tensor>) = seen.into_iter().unzip();
            *names.lock().unwrap_or_else(|e| e.into_inner()) = seen;
            Ok::<_, std::convert::Infallible>([vec![y], outputs].concat())
        };
        let Ok(mut graph) = capture_with(network, &[("input", Spec::new([1, c, h, w], DType::F32))], run);
        let observed = graph.outputs.split_off(1);
        let names = names.into_inner().unwrap_or_else(|e| e.into_inner());
        let layers = layers_of(&graph, names.into_iter().zip(observed));
        Network::new(graph, layers)
    }

    /// The same layers with other parameters: `change` gets the name of each and its value.
    pub fn with_parameters(&self, mut change: impl FnMut(&str, &Tensor) -> Option<Tensor>) -> Network {
        let mut graph = self.graph.clone();
        for value in graph.values.iter_mut().filter(|value| value.origin == Origin::Parameter) {
            if let Some(changed) = value.tensor.as_ref().and_then(|tensor| change(&value.name, tensor)) {
                value.tensor = Some(changed);
            }
        }
        Network::new(graph, self.layers.clone())
    }

    pub fn output(&self) -> ValueId {
        self.graph.outputs[0]
    }

    fn input(&self) -> ValueId {
        self.graph.inputs[0]
    }

    /// The last layer with parameters that the output depends on.
    pub fn top_layer(&self) -> Option<String> {
        let needed = needed_for(&self.graph, &self.graph.outputs);
        let nodes = self.graph.nodes.iter().zip(needed).filter(|(_, needed)| *needed);
        let with_parameters = nodes.filter(|(node, _)| self.graph.parameters_of(node).next().is_some());
        with_parameters.filter_map(|(node, _)| node.layer.clone()).next_back()
    }

    /// What the last linear layer reads, if that is `[n, features]`.
    pub fn last_linear(&self) -> Option<ValueId> {
        let needed = needed_for(&self.graph, &self.graph.outputs);
        let nodes = self.graph.nodes.iter().zip(needed).filter(|(_, needed)| *needed).map(|(node, _)| node);
        let input = nodes.rev().find(|node| matches!(node.op, Op::Linear))?.inputs[0];
        (self.graph.value(input).spec.shape.rank() == 2).then_some(input)
    }

    /// The network up to a value, for inference.
    pub fn up_to(&self, value: ValueId) -> Executable {
        let needed = needed_for(&self.graph, &[value]);
        let nodes = self.graph.nodes.iter().zip(needed).filter(|(_, needed)| *needed).map(|(node, _)| node.clone());
        Executable::new(Graph { nodes: nodes.collect(), outputs: vec![value], ..self.graph.clone() })
    }

    /// The whole network for inference.
    pub fn executable(&self) -> Executable {
        Executable::new(self.graph.clone())
    }

    /// How many images may be run at once: for a gradient, and without one.
    pub fn batches(&self) -> [usize; 2] {
        if let Batch::Fixed(..) = self.graph.batch {
            return [1; 2];
        }
        let results = self.graph.nodes.iter().flat_map(|node| &node.outputs);
        let numbers = results.map(|&id| self.graph.value(id).spec.shape.numel()).sum::<usize>().max(1);
        [KEPT_NUMBERS, PASSING_NUMBERS].map(|limit| (limit / numbers).clamp(1, BATCH))
    }

    /// The network before and after a layer.
    pub fn cut(&self, layer: ValueId) -> Cut {
        let after = nodes_after(&self.graph, layer);
        let computed: HashSet<ValueId> = after.iter().flat_map(|&i| &self.graph.nodes[i].outputs).copied().collect();
        let mut others = Vec::new();
        for &id in after.iter().flat_map(|&i| &self.graph.nodes[i].inputs) {
            let is_there = id == layer || id == self.input() || computed.contains(&id);
            if !is_there && !self.graph.value(id).is_known() && !others.contains(&id) {
                others.push(id);
            }
        }
        let outputs = [vec![layer], others.clone()].concat();
        let needed = needed_for(&self.graph, &outputs);
        let nodes = self.graph.nodes.iter().zip(needed).filter(|(_, needed)| *needed).map(|(node, _)| node.clone());
        let graph = Graph { nodes: nodes.collect(), outputs, ..self.graph.clone() };
        Cut { before: Executable::new(graph), layer, others, after }
    }

    /// Runs the network up to the layer.
    pub fn run_before(&self, cut: &Cut, x: &Tensor) -> Result<AtLayer, String> {
        let mut outputs = cut.before.try_run(std::slice::from_ref(x)).map_err(|e| e.to_string())?.into_iter();
        let output = outputs.next().expect("the layer's output comes first");
        let others = cut.others.iter().copied().zip(outputs).chain([(self.input(), x.clone())]).collect();
        Ok(AtLayer { output, others, batch: x.size(0) })
    }

    /// Runs the rest, with `output` in the place of the layer's.
    pub fn run_after(&self, cut: &Cut, at: &AtLayer, output: Tensor) -> Tensor {
        let given = at.others.iter().cloned().chain([(cut.layer, output)]);
        run_nodes(&self.graph, &cut.after, at.batch, given, |op, operands| op.apply(operands))
    }

    /// Runs the whole network op by op, with gradients if `x` has one.
    pub fn forward(&self, x: Tensor, rule: ReluRule) -> Tensor {
        self.forward_by(x, |op, operands| {
            let y = op.apply(operands);
            if rule == ReluRule::Guided && is_relu(op) { y.into_iter().map(guided).collect() } else { y }
        })
    }

    /// Runs the whole network with `step` in the place of each op.
    pub fn forward_by(&self, x: Tensor, step: impl FnMut(&Op, Vec<Tensor>) -> Vec<Tensor>) -> Tensor {
        let graph = self.folded.get_or_init(|| {
            let mut graph = self.graph.clone();
            passes::fold_constants(&mut graph);
            passes::drop_dead(&mut graph);
            passes::fold_batch_norm(&mut graph);
            passes::drop_dead(&mut graph);
            graph
        });
        let nodes: Vec<usize> = (0..graph.nodes.len()).collect();
        run_nodes(graph, &nodes, x.size(0), [(graph.inputs[0], x)], step)
    }
}

/// The nodes that the output depends on and that depend on `from`, in order; all that the output depends on where `from` is the input.
fn nodes_after(graph: &Graph, from: ValueId) -> Vec<usize> {
    let needed = needed_for(graph, &graph.outputs);
    let mut depends = HashSet::from([from]);
    let mut after = Vec::new();
    for (i, node) in graph.nodes.iter().enumerate() {
        if needed[i] && !node.outputs.contains(&from) && node.inputs.iter().any(|id| depends.contains(id)) {
            depends.extend(&node.outputs);
            after.push(i);
        }
    }
    after
}

/// For each node whether one of these values depends on it.
fn needed_for(graph: &Graph, values: &[ValueId]) -> Vec<bool> {
    let mut wanted: HashSet<ValueId> = values.iter().copied().collect();
    let mut needed = vec![false; graph.nodes.len()];
    for (i, node) in graph.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|id| wanted.contains(id)) {
            needed[i] = true;
            wanted.extend(&node.inputs);
        }
    }
    needed
}

fn run_nodes(
    graph: &Graph,
    nodes: &[usize],
    batch: usize,
    given: impl IntoIterator<Item = (ValueId, Tensor)>,
    mut step: impl FnMut(&Op, Vec<Tensor>) -> Vec<Tensor>,
) -> Tensor {
    let mut values: HashMap<ValueId, Tensor> = given.into_iter().collect();
    let mut reads: HashMap<ValueId, usize> = HashMap::from([(graph.outputs[0], 1)]);
    nodes.iter().flat_map(|&i| &graph.nodes[i].inputs).for_each(|&id| *reads.entry(id).or_default() += 1);
    for &i in nodes {
        let node: &Node = &graph.nodes[i];
        let mut operand = |&id: &ValueId| {
            if let Some(tensor) = &graph.value(id).tensor {
                return tensor.clone();
            }
            let left = reads.get_mut(&id).expect("every operand was counted");
            *left -= 1;
            let value = if *left == 0 { values.remove(&id) } else { values.get(&id).cloned() };
            value.expect("an operand is computed before it is read")
        };
        let operands = node.inputs.iter().map(&mut operand).collect();
        values.extend(node.outputs.iter().copied().zip(step(&node.op_at(batch), operands)));
    }
    values.remove(&graph.outputs[0]).expect("the output is computed")
}

/// What an op is called in names of layers.
fn name_of(op: &Op) -> &'static str {
    match op {
        Op::Unary(Unary::Activation(Activation::Hardtanh(0.0, 6.0))) => "relu6",
        op => op.name(),
    }
}

/// ReLU, and ReLU6, whatever it is written as.
fn is_relu(op: &Op) -> bool {
    matches!(op, Op::Unary(Unary::Relu | Unary::ClampMin(0.0) | Unary::Activation(Activation::Hardtanh(0.0, _))))
}

fn guided(y: Tensor) -> Tensor {
    Tensor::custom("guided_relu", [&y], y.detach(), |gradient, _| [Some(gradient.relu())])
}

/// The names of the results that the output depends on: those under which the network shows them, those of the layers whose parameters they are computed with, and
/// for the others the op and a number. Where a layer has several results under one name, the last one has it.
fn layers_of(graph: &Graph, observed: impl Iterator<Item = (String, ValueId)>) -> Vec<Layer> {
    let mut names: HashMap<ValueId, Vec<String>> = HashMap::new();
    let mut holders: HashMap<String, ValueId> = HashMap::new();
    for (name, value) in observed {
        if let Some(older) = holders.insert(name.clone(), value) {
            names.entry(older).or_default().retain(|other| *other != name);
        }
        names.entry(value).or_default().push(name);
    }
    let mut by_layer: HashMap<&str, ValueId> = HashMap::new();
    for node in &graph.nodes {
        if let Some(layer) = node.layer.as_deref().filter(|layer| !layer.is_empty() && !holders.contains_key(*layer)) {
            by_layer.insert(layer, node.outputs[0]);
        }
    }
    for (layer, value) in by_layer {
        holders.insert(layer.to_string(), value);
        names.entry(value).or_default().insert(0, layer.to_string());
    }
    let mut counts: HashMap<&'static str, usize> = HashMap::new();
    let needed = needed_for(graph, &graph.outputs[..1]);
    let from_input: HashSet<usize> = nodes_after(graph, graph.inputs[0]).into_iter().collect();
    let mut layers = Vec::new();
    let is_used = |i: &usize| needed[*i] && from_input.contains(i);
    for (_, node) in graph.nodes.iter().enumerate().filter(|(i, _)| is_used(i)) {
        let count = counts.entry(name_of(&node.op)).or_default();
        *count += 1;
        let value = node.outputs[0];
        let Value { spec, .. } = graph.value(value);
        if spec.dtype != DType::F32 || spec.shape.rank() == 0 {
            continue;
        }
        // A part shows its output after the layers in it.
        let mut aliases = names.remove(&value).unwrap_or_default();
        let name = aliases.pop().unwrap_or_else(|| {
            let mut tries = (*count..).map(|n| format!("{}_{n}", name_of(&node.op)));
            let name = tries.find(|name| !holders.contains_key(name)).expect("there are numbers enough");
            holders.insert(name.clone(), value);
            name
        });
        let shape = spec.shape.iter().skip(1).copied().collect();
        layers.push(Layer { name, op: name_of(&node.op).to_string(), shape, aliases, value });
    }
    layers
}
