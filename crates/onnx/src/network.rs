//! An ONNX file as a network.

use crate::MAX_OPSET;
use crate::error::{Fault, OnnxError, one_line};
use crate::import::{Context, DOMAINS, Value, Work, captured, check_operator, parameter_operands};
use crate::inline::inline;
use crate::model::{External, Model};
use crate::proto::tensor_shape_proto::dimension;
use crate::proto::type_proto;
use crate::proto::{NodeProto, ValueInfoProto};
use crate::tensor::{dtype, tensor};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use striate_graph::{Graph, capture_with};
use striate_nn::{Entry, EntryMut, Forward, Module, Parameter, Pass};
use striate_tensor::{DType, Shape, Spec, Tensor};

/// The oldest version of operators that is read.
const OLDEST: i64 = 1;
/// The most elements of a result that is computed when a file is read.
const MOST_FOLDED: usize = 1 << 22;
/// As [`MOST_FOLDED`], of one that is a number many times over: files without their weights have such.
const MOST_FILLED: usize = 1 << 27;
/// The most bytes of all these results, besides those that are as many as the file's own.
const MOST_FOLDED_BYTES: usize = 1 << 30;
/// The most elements of a result: so many, or so many for each element of inputs and weights.
const MOST_ELEMENTS: usize = 1 << 24;
const GROWTH: usize = 256;

/// An input or output of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub dtype: DType,
    /// The sizes that the file promises; none where it leaves one open. Files are often wrong about them, so nothing goes by them.
    pub sizes: Vec<Option<usize>>,
}

enum Stored {
    Parameter(Parameter),
    Constant(Tensor),
}

/// A network that an ONNX file describes. Weights are its parameters, under their names in the file; what depends on nothing but constants is computed once.
///
/// It computes in evaluation. To train it, make a graph of it with [`capture`](striate_graph::capture()), and a
/// [`GraphModule`](striate_graph::GraphModule) of that.
pub struct Network {
    path: PathBuf,
    opset: i64,
    nodes: Vec<NodeProto>,
    stored: Vec<(String, Stored)>,
    places: HashMap<String, usize>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// How many elements the file itself has, in initializers and constants.
    own_elements: usize,
}

impl Network {
    /// Reads an ONNX file.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or has an operator that is not supported, which the error names with its node.
    pub fn read(path: &Path) -> Result<Network, OnnxError> {
        Network::of_model(Model::read(path)?, path)
    }

    /// The network of a model; `path` is what errors call it, and tensors that lie in other files are looked for beside it.
    ///
    /// # Errors
    /// As [`Network::read`].
    pub fn of_model(mut model: Model, path: &Path) -> Result<Network, OnnxError> {
        let bad = |reason: String| OnnxError::File { path: path.into(), reason: one_line(&reason) };
        let opset = model.0.opset_import.iter().find(|o| DOMAINS.contains(&o.domain())).map(|o| o.version());
        let opset = opset.ok_or_else(|| bad("it does not say which version of operators it uses".into()))?;
        if !(OLDEST..=MAX_OPSET).contains(&opset) {
            return Err(bad(format!("it uses opset {opset}, this program reads {OLDEST} to {MAX_OPSET}")));
        }
        let external = External::beside(path);
        let inside = model.0.graph.iter_mut().flat_map(|g| &mut g.node);
        for node in inside.chain(model.0.functions.iter_mut().flat_map(|f| &mut f.node)) {
            external.load_node(node).map_err(|e| OnnxError::at_node(path, node)(e))?;
        }
        inline(&mut model.0, opset, path)?;
        let mut graph = model.0.graph.expect("a model that was read has a graph");
        let mut network = Network {
            path: path.into(),
            opset,
            nodes: Vec::new(),
            stored: Vec::new(),
            places: HashMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            own_elements: 0,
        };
        let mut tensors = HashMap::new();
        let mut order = Vec::new();
        for mut proto in std::mem::take(&mut graph.initializer) {
            let t = external.load(&mut proto).and_then(|()| tensor(&proto));
            let t = t.map_err(|e| bad(format!("tensor '{}': {e}", proto.name())))?;
            network.own_elements = network.own_elements.saturating_add(t.numel());
            order.push(proto.name().to_string());
            if tensors.insert(proto.name().to_string(), t).is_some() {
                return Err(bad(format!("two tensors are called '{}'", proto.name())));
            }
        }
        if let Some(sparse) = graph.sparse_initializer.first() {
            let name = sparse.values.as_ref().map_or("", |t| t.name());
            return Err(bad(format!("tensor '{name}' is sparse, which is not supported")));
        }
        for info in graph.input.iter().filter(|info| !tensors.contains_key(info.name())) {
            network.inputs.push(port(info).map_err(|e| bad(format!("input '{}': {e}", info.name())))?);
        }
        for info in &graph.output {
            network.outputs.push(port(info).map_err(|e| bad(format!("output '{}': {e}", info.name())))?);
        }
        network.take_nodes(graph.node, tensors, order)?;
        network.check_order()?;
        Ok(network)
    }

    /// Keeps the nodes that depend on inputs, and computes the others.
    fn take_nodes(
        &mut self,
        nodes: Vec<NodeProto>,
        mut known: HashMap<String, Tensor>,
        mut order: Vec<String>,
    ) -> Result<(), OnnxError> {
        let (pass, work) = (Pass::eval(), Work::new());
        let bytes = |t: &Tensor| t.numel() * t.dtype().size();
        let mut left = known.values().map(bytes).fold(MOST_FOLDED_BYTES, usize::saturating_add);
        for node in nodes {
            check_operator(&node).map_err(|e| self.node_error(&node, e))?;
            let captures = captured(&node);
            if node.input.iter().all(|name| name.is_empty() || known.contains_key(name))
                && captures.iter().all(|&name| known.contains_key(name))
            {
                let scope = captures.iter().map(|&name| (name, Value::known(known[name].clone()))).collect();
                let operand = |name: &String| known.get(name).map(|t| Value::known(t.clone()));
                let operands = node.input.iter().map(operand).collect();
                let context = Context::new(&node, self.opset, &pass, operands, &work);
                let most = if node.op_type() == "ConstantOfShape" { MOST_FILLED } else { MOST_FOLDED };
                let results = context.limited(most).with_scope(scope).run().map_err(|e| self.node_error(&node, e))?;
                for (name, value) in node.output.iter().zip(results).filter(|(name, _)| !name.is_empty()) {
                    let t = value.into_tensor();
                    if node.op_type() == "Constant" {
                        self.own_elements = self.own_elements.saturating_add(t.numel());
                    } else {
                        let rest = left.checked_sub(bytes(&t));
                        let too_many = || self.node_error(&node, Fault::new("constants take too much memory"));
                        left = rest.ok_or_else(too_many)?;
                    }
                    order.push(name.clone());
                    known.insert(name.clone(), t);
                }
                continue;
            }
            self.nodes.push(node);
        }
        let outputs = self.outputs.iter().map(|o| o.name.as_str());
        let read: HashSet<&str> = self.nodes.iter().flat_map(reads).chain(outputs).collect();
        let trained: HashSet<&String> = self.nodes.iter().flat_map(parameter_operands).collect();
        for name in order {
            if !read.contains(name.as_str()) {
                continue;
            }
            let Some(t) = known.remove(&name) else { continue };
            let stored = match trained.contains(&name) && t.dtype() == DType::F32 {
                true => Stored::Parameter(Parameter::new(t)),
                false => Stored::Constant(t),
            };
            self.places.insert(name.clone(), self.stored.len());
            self.stored.push((name, stored));
        }
        Ok(())
    }

    /// Whether each node comes after those whose results it reads.
    fn check_order(&self) -> Result<(), OnnxError> {
        let stored = self.stored.iter().map(|(name, _)| name.as_str());
        let mut there: HashSet<&str> = stored.chain(self.inputs.iter().map(|i| i.name.as_str())).collect();
        for node in &self.nodes {
            if let Some(name) = reads(node).find(|name| !there.contains(name)) {
                return Err(
                    self.node_error(node, Fault::new(format!("reads '{name}', which nothing before it computes")))
                );
            }
            for name in node.output.iter().filter(|name| !name.is_empty()) {
                if !there.insert(name) {
                    return Err(self.node_error(node, Fault::new(format!("computes '{name}', which is there already"))));
                }
            }
        }
        match self.outputs.iter().find(|o| !there.contains(o.name.as_str())) {
            Some(o) => Err(self.file_error(format!("its output '{}' is not computed", o.name))),
            None => Ok(()),
        }
    }

    /// Its inputs, without those that have a default ([`Model::optional_inputs`]).
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// Its outputs.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// The outputs for these inputs, in the order of [`Network::inputs`].
    ///
    /// # Errors
    /// If the inputs are too few or of other types, or a node cannot be run with them.
    pub fn run(&self, inputs: Vec<Tensor>, pass: &Pass) -> Result<Vec<Tensor>, OnnxError> {
        if inputs.len() != self.inputs.len() {
            return Err(self.file_error(format!("it takes {} inputs, got {}", self.inputs.len(), inputs.len())));
        }
        let mut uses: HashMap<&str, usize> = HashMap::new();
        let read = self.nodes.iter().flat_map(reads).chain(self.outputs.iter().map(|o| o.name.as_str()));
        read.for_each(|name| *uses.entry(name).or_default() += 1);
        let mut values: HashMap<&str, Value> = HashMap::new();
        let given = inputs.iter().map(Tensor::numel).fold(self.own_elements, usize::saturating_add);
        let most = given.saturating_mul(GROWTH).max(MOST_ELEMENTS);
        // Many files are written for one sample and have that 1 in their shapes.
        let promised = self.inputs.first().and_then(|port| *port.sizes.first()?);
        let batch = promised.zip(inputs.first().and_then(|x| x.shape().first().copied()));
        let batch = batch.filter(|(promised, given)| promised != given).map(|(promised, given)| [promised, given]);
        for (port, x) in self.inputs.iter().zip(inputs) {
            if x.dtype() != port.dtype {
                let reason = format!("input '{}' is {}, got {}", port.name, port.dtype, x.dtype());
                return Err(self.file_error(reason));
            }
            values.insert(&port.name, Value::computed(x));
        }
        let work = Work::new();
        for node in &self.nodes {
            let operands = node.input.iter().map(|name| self.take(name, &mut values, &mut uses, pass)).collect();
            let captures = captured(node).into_iter();
            let scope = captures.filter_map(|name| Some((name, self.take(name, &mut values, &mut uses, pass)?)));
            let scope = scope.collect();
            let context = Context::new(node, self.opset, pass, operands, &work);
            let context = context.limited(most).with_batch(batch).with_scope(scope);
            let results = context.run().map_err(|e| self.node_error(node, e))?;
            let results = node.output.iter().zip(results).filter(|(name, _)| uses.contains_key(name.as_str()));
            values.extend(results.map(|(name, value)| (name.as_str(), value)));
        }
        let mut outputs = Vec::new();
        for port in &self.outputs {
            let value = self.take(&port.name, &mut values, &mut uses, pass);
            let value = value.ok_or_else(|| self.file_error(format!("output '{}' is not computed", port.name)))?;
            outputs.push(value.into_tensor());
        }
        Ok(outputs)
    }

    /// What it does with inputs of these shapes, as a graph under the file's names.
    ///
    /// # Errors
    /// As [`Network::run`], and if a shape depends on what the inputs hold: such a network can only be run.
    pub fn graph(&self, shapes: &[Shape]) -> Result<Graph, OnnxError> {
        if shapes.len() != self.inputs.len() {
            return Err(self.file_error(format!("it takes {} inputs, got {}", self.inputs.len(), shapes.len())));
        }
        let spec = |(port, &shape): (&'_ Port, &Shape)| Spec::new(shape, port.dtype);
        let specs = self.inputs.iter().zip(shapes).map(spec);
        let inputs: Vec<(&str, Spec)> = self.inputs.iter().map(|port| port.name.as_str()).zip(specs).collect();
        capture_with(self, &inputs, |x, pass| self.run(x, pass))
    }

    /// A value by name; its last reader takes it.
    fn take<'a>(
        &'a self,
        name: &'a str,
        values: &mut HashMap<&'a str, Value>,
        uses: &mut HashMap<&'a str, usize>,
        pass: &Pass,
    ) -> Option<Value> {
        if let Some(&place) = self.places.get(name) {
            return Some(match &self.stored[place].1 {
                Stored::Parameter(p) => Value::computed(pass.parameter(p)),
                Stored::Constant(t) => Value::known(t.clone()),
            });
        }
        let left = uses.get_mut(name)?;
        *left -= 1;
        if *left == 0 { values.remove(name) } else { values.get(name).cloned() }
    }

    fn file_error(&self, reason: String) -> OnnxError {
        OnnxError::File { path: self.path.clone(), reason: one_line(&reason) }
    }

    fn node_error(&self, node: &NodeProto, fault: Fault) -> OnnxError {
        OnnxError::at_node(&self.path, node)(fault)
    }
}

/// The names of values that a node reads, its own graphs' too.
fn reads(node: &NodeProto) -> impl Iterator<Item = &str> {
    node.input.iter().map(String::as_str).filter(|name| !name.is_empty()).chain(captured(node))
}

pub(crate) fn port(info: &ValueInfoProto) -> Result<Port, Fault> {
    let Some(type_proto::Value::TensorType(t)) = info.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return Err(Fault::new("it is no tensor"));
    };
    let sizes = t.shape.iter().flat_map(|s| &s.dim).map(|d| match d.value {
        // Some write -1 for a size that is open.
        Some(dimension::Value::DimValue(n)) => usize::try_from(n).ok(),
        _ => None,
    });
    let sizes = sizes.collect();
    Ok(Port { name: info.name().into(), dtype: dtype(t.elem_type())?, sizes })
}

impl Module for Network {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        for (name, stored) in &self.stored {
            if let Stored::Parameter(p) = stored {
                f(&striate_nn::module::join(prefix, name), Entry::Parameter(p));
            }
        }
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        for (name, stored) in &mut self.stored {
            if let Stored::Parameter(p) = stored {
                f(&striate_nn::module::join(prefix, name), EntryMut::Parameter(p));
            }
        }
    }
}

impl Forward for Network {
    /// # Panics
    /// If it has not one input and one output, or as [`Network::run`] fails.
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        assert!(self.outputs.len() == 1, "{}: it has {} outputs, not one", self.path.display(), self.outputs.len());
        self.run(vec![x], pass).unwrap_or_else(|e| panic!("{e}")).swap_remove(0)
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
