//! A network as data: ops on values, in the order in which they run.

use std::borrow::Cow;
use std::collections::HashMap;
use striate_tensor::{Op, Spec, Tensor};

/// A value of a graph, by its place in [`Graph::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub usize);

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Given with each run.
    Input,
    /// Trained; its name is its path in the network.
    Parameter,
    /// Kept but not trained, such as a running mean; its name is its path in the network.
    Buffer,
    /// A number or tensor that the network makes itself.
    Constant,
    /// Computed by a node.
    Result,
}

/// A size that may depend on how many samples a batch has: `fixed + per_sample · samples`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dim {
    /// The part that is always there.
    pub fixed: isize,
    /// The part for each sample.
    pub per_sample: isize,
}

impl Dim {
    /// A size that depends on nothing.
    pub fn fixed(size: usize) -> Dim {
        Dim { fixed: size as isize, per_sample: 0 }
    }

    /// The size for a batch of this many samples.
    pub fn at(self, batch: usize) -> usize {
        (self.fixed + self.per_sample * batch as isize).max(0) as usize
    }

    /// The size that is `a` for a batch of `n` samples and `b` for one of `n + 1`.
    pub(crate) fn through(n: usize, a: usize, b: usize) -> Dim {
        let per_sample = b as isize - a as isize;
        Dim { fixed: a as isize - per_sample * n as isize, per_sample }
    }
}

/// A value: an input, a parameter, a buffer, a constant or what a node computes.
#[derive(Clone)]
pub struct Value {
    /// Its name, which no other value has.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Shape and type at the batch size of the capture.
    pub spec: Spec,
    /// The sizes of its dimensions at any batch size.
    pub dims: Vec<Dim>,
    /// The elements of a parameter, buffer or constant.
    pub tensor: Option<Tensor>,
}

impl Value {
    /// Shape and type for a batch of this many samples.
    pub fn spec_at(&self, batch: usize) -> Spec {
        Spec::new(self.dims.iter().map(|d| d.at(batch)).collect::<Vec<_>>(), self.spec.dtype)
    }

    /// Whether its elements are there before a run.
    pub fn is_known(&self) -> bool {
        self.tensor.is_some()
    }
}

/// One op on values.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it does, at the batch size of the capture.
    pub op: Op,
    /// The sizes among the op's attributes, at any batch size.
    pub sizes: Vec<Dim>,
    /// The layer whose parameters it uses, such as `conv1`.
    pub layer: Option<String>,
    /// Its operands.
    pub inputs: Vec<ValueId>,
    /// Its results.
    pub outputs: Vec<ValueId>,
}

impl Node {
    /// The op for a batch of this many samples.
    pub fn op_at(&self, batch: usize) -> Cow<'_, Op> {
        if self.sizes.iter().all(|d| d.per_sample == 0) {
            return Cow::Borrowed(&self.op);
        }
        let sizes: Vec<usize> = self.sizes.iter().map(|d| d.at(batch)).collect();
        Cow::Owned(crate::sizes::with_sizes(&self.op, &sizes))
    }
}

/// How many samples a graph takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Batch {
    /// Any number, the first dimension of each input. The capture saw this many.
    Any(usize),
    /// As many as the capture saw, for the reason given.
    Fixed(usize, String),
}

impl Batch {
    /// How many samples the capture saw.
    pub fn captured(&self) -> usize {
        match self {
            Batch::Any(n) | Batch::Fixed(n, _) => *n,
        }
    }
}

/// A network as data.
#[derive(Clone)]
pub struct Graph {
    /// All values.
    pub values: Vec<Value>,
    /// The ops, each after those whose results it takes.
    pub nodes: Vec<Node>,
    /// The inputs.
    pub inputs: Vec<ValueId>,
    /// The outputs.
    pub outputs: Vec<ValueId>,
    /// How many samples it takes.
    pub batch: Batch,
}

impl Graph {
    /// A value.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    /// Shapes and types of a node's operands at the batch size of the capture.
    pub fn input_specs(&self, node: &Node) -> Vec<Spec> {
        node.inputs.iter().map(|&v| self.value(v).spec).collect()
    }

    /// Shape and type of a node's first result at the batch size of the capture.
    pub fn output_spec(&self, node: &Node) -> Spec {
        self.value(node.outputs[0]).spec
    }

    /// Multiply-adds of a node at the batch size of the capture, by the plain algorithm.
    pub fn macs(&self, node: &Node) -> u64 {
        node.op.macs(&self.input_specs(node))
    }

    /// The names of the parameters that a node uses.
    pub fn parameters_of<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = &'a str> {
        let parameters = node.inputs.iter().map(|&v| self.value(v)).filter(|v| v.origin == Origin::Parameter);
        parameters.map(|v| v.name.as_str())
    }

    /// The values of one origin, in their order.
    pub fn values_of(&self, origin: Origin) -> impl Iterator<Item = &Value> {
        self.values.iter().filter(move |v| v.origin == origin)
    }

    /// The node that computes a value.
    pub fn producer(&self, id: ValueId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.outputs.contains(&id))
    }

    /// How many nodes and outputs read each value.
    pub(crate) fn uses(&self) -> HashMap<ValueId, usize> {
        let mut uses = HashMap::new();
        for &id in self.nodes.iter().flat_map(|n| &n.inputs).chain(&self.outputs) {
            *uses.entry(id).or_default() += 1;
        }
        uses
    }

    /// Counts one use less of a value, and gives up the elements of one that nothing uses any more. One that was added after the count is used once.
    pub(crate) fn read_once(&mut self, id: ValueId, uses: &mut HashMap<ValueId, usize>) {
        let left = uses.entry(id).or_insert(1);
        *left -= 1;
        if *left == 0 {
            self.values[id.0].tensor = None;
        }
    }

    /// Adds a node at the end, and gives its first result.
    ///
    /// # Panics
    /// If the operands do not fit ([`Op::outputs`]), for any number of samples that the graph takes.
    pub fn append(&mut self, op: Op, inputs: &[ValueId]) -> ValueId {
        let n = self.batch.captured();
        let more = if matches!(self.batch, Batch::Any(_)) { n + 1 } else { n };
        let results = |n: usize| op.outputs(&inputs.iter().map(|&id| self.value(id).spec_at(n)).collect::<Vec<_>>());
        let (own, larger) = (results(n), results(more));
        let mut outputs = Vec::new();
        for (a, b) in own.into_iter().zip(larger) {
            let dims = a.shape.iter().zip(b.shape.iter());
            let dims = dims.map(|(&a, &b)| if more == n { Dim::fixed(a) } else { Dim::through(n, a, b) }).collect();
            outputs.push(ValueId(self.values.len()));
            let name = self.unused_name();
            self.values.push(Value { name, origin: Origin::Result, spec: a, dims, tensor: None });
        }
        let sizes = crate::sizes::sizes(&op).into_iter().map(Dim::fixed).collect();
        let first = outputs[0];
        self.nodes.push(Node { op, sizes, layer: None, inputs: inputs.to_vec(), outputs });
        first
    }

    fn unused_name(&self) -> String {
        let mut names = (self.values.len()..).map(|n| format!("%{n}"));
        names.find(|name| self.values.iter().all(|v| v.name != *name)).expect("names do not run out")
    }

    /// Adds a constant.
    pub(crate) fn add_constant(&mut self, tensor: Tensor) -> ValueId {
        let id = ValueId(self.values.len());
        let spec = tensor.spec();
        let dims = spec.shape.iter().map(|&n| Dim::fixed(n)).collect();
        let name = format!("constant.{}", id.0);
        self.values.push(Value { name, origin: Origin::Constant, spec, dims, tensor: Some(tensor) });
        id
    }
}
