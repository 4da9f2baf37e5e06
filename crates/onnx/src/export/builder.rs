//! An ONNX graph as it is written node by node.

use crate::export::attributes;
use crate::proto::{AttributeProto, NodeProto, TensorProto};
use crate::tensor::tensor_proto;
use std::collections::{HashMap, HashSet};
use striate_graph::{Dim, Graph, Origin, ValueId};
use striate_tensor::{DType, Tensor};

/// Numbers of 16 bits reach this far.
const LARGEST_HALF: f32 = 65504.0;

pub(crate) struct Builder<'a> {
    pub graph: &'a Graph,
    pub opset: i64,
    /// Whether weights are stored in 16 bits.
    half: bool,
    pub nodes: Vec<NodeProto>,
    pub initializers: Vec<TensorProto>,
    /// Names of values and nodes.
    taken: HashSet<String>,
    names: HashMap<ValueId, String>,
    /// The name of the number of samples, `i64 [1]`.
    batch: Option<String>,
    constants: HashMap<Vec<i64>, String>,
    /// What new names start with.
    pub prefix: String,
}

impl<'a> Builder<'a> {
    pub fn new(graph: &'a Graph, opset: i64, half: bool) -> Builder<'a> {
        // Parameters and inputs keep their names, so nothing else may have them.
        let kept = graph.values.iter().filter(|v| !matches!(v.origin, Origin::Result | Origin::Constant));
        let taken = kept.map(|v| v.name.clone()).collect();
        let names = graph.inputs.iter().map(|&id| (id, graph.value(id).name.clone())).collect();
        Builder {
            graph,
            opset,
            half,
            nodes: Vec::new(),
            initializers: Vec::new(),
            taken,
            names,
            batch: None,
            constants: HashMap::new(),
            prefix: String::new(),
        }
    }

    /// A name that nothing has yet.
    pub fn fresh(&mut self, base: &str) -> String {
        let base = if self.prefix.is_empty() { base.to_string() } else { format!("{}/{base}", self.prefix) };
        let mut name = base.clone();
        let mut n = 1;
        while !self.taken.insert(name.clone()) {
            n += 1;
            name = format!("{base}_{n}");
        }
        name
    }

    /// Says what a value of the graph is called.
    pub fn set_name(&mut self, id: ValueId, name: String) {
        self.names.insert(id, name);
    }

    /// The name of a value of the graph; one that is stored becomes an initializer when it is first read.
    pub fn value(&mut self, id: ValueId) -> String {
        if let Some(name) = self.names.get(&id) {
            return name.clone();
        }
        let value = self.graph.value(id);
        let tensor = value.tensor.as_ref().expect("what is not computed is stored");
        let name = match value.origin {
            Origin::Constant => self.plain_fresh("constant"),
            _ => value.name.clone(),
        };
        let name = self.stored(name, tensor, value.origin == Origin::Parameter);
        self.set_name(id, name.clone());
        name
    }

    /// As [`Builder::value`], of a stored value that this node needs under another shape.
    pub fn reshaped(&mut self, id: ValueId, shape: &[usize]) -> String {
        let Some(tensor) = self.graph.value(id).tensor.clone() else {
            let (x, to) = (self.value(id), self.ints(&as_i64(shape)));
            return self.node("Reshape", &[&x, &to], vec![]);
        };
        let name = match self.names.contains_key(&id) || self.graph.value(id).origin == Origin::Constant {
            true => self.plain_fresh(&self.graph.value(id).name.clone()),
            false => self.graph.value(id).name.clone(),
        };
        self.stored(name, &tensor.reshape(shape.to_vec()), false)
    }

    fn plain_fresh(&mut self, base: &str) -> String {
        let prefix = std::mem::take(&mut self.prefix);
        let name = self.fresh(base);
        self.prefix = prefix;
        name
    }

    /// Adds an initializer; gives the name of its elements in their own type.
    fn stored(&mut self, name: String, tensor: &Tensor, is_weight: bool) -> String {
        let in_range = || tensor.to_vec::<f32>().iter().all(|x| x.abs() <= LARGEST_HALF);
        if !(self.half && is_weight && tensor.dtype() == DType::F32 && tensor.rank() > 1 && in_range()) {
            self.initializers.push(tensor_proto(&name, tensor));
            return name;
        }
        self.initializers.push(tensor_proto(&name, &tensor.clone().to_dtype(DType::F16)));
        let wide = self.plain_fresh(&format!("{name}.f32"));
        self.node_to(vec![wide.clone()], "Cast", &[&name], vec![attributes::int("to", 1)]);
        wide
    }

    /// Adds a node with one result, and gives that one's name.
    pub fn node(&mut self, op_type: &str, inputs: &[&str], attribute: Vec<AttributeProto>) -> String {
        let output = self.fresh(op_type);
        self.node_to(vec![output.clone()], op_type, inputs, attribute);
        output
    }

    /// Adds a node with these results, the first of which names it.
    pub fn node_to(&mut self, output: Vec<String>, op_type: &str, inputs: &[&str], attribute: Vec<AttributeProto>) {
        self.nodes.push(NodeProto {
            name: output.first().cloned(),
            op_type: Some(op_type.into()),
            input: inputs.iter().map(|s| s.to_string()).collect(),
            output,
            attribute,
            ..Default::default()
        });
    }

    /// A list of whole numbers.
    pub fn ints(&mut self, values: &[i64]) -> String {
        if let Some(name) = self.constants.get(values) {
            return name.clone();
        }
        let text: Vec<String> = values.iter().map(i64::to_string).collect();
        let name = self.plain_fresh(&format!("i64[{}]", text.join(",")));
        let tensor = Tensor::from_vec(values.to_vec(), [values.len()]);
        self.initializers.push(tensor_proto(&name, &tensor));
        self.constants.insert(values.to_vec(), name.clone());
        name
    }

    /// One number of the type of an operand.
    pub fn scalar(&mut self, value: f64, dtype: DType) -> String {
        self.constant(&Tensor::full(value, [], dtype))
    }

    /// A tensor of the exporter's own.
    pub fn constant(&mut self, tensor: &Tensor) -> String {
        let name = self.plain_fresh("constant");
        self.initializers.push(tensor_proto(&name, tensor));
        name
    }

    /// Sizes as a list of `i64`, which depends on the number of samples where one does.
    pub fn sizes(&mut self, dims: &[Dim]) -> String {
        if dims.iter().all(|d| d.per_sample == 0) {
            let fixed: Vec<i64> = dims.iter().map(|d| d.fixed as i64).collect();
            return self.ints(&fixed);
        }
        let parts: Vec<String> = dims.iter().map(|&d| self.size(d)).collect();
        if let [one] = &parts[..] {
            return one.clone();
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.node("Concat", &parts, vec![attributes::int("axis", 0)])
    }

    fn size(&mut self, d: Dim) -> String {
        if d.per_sample == 0 {
            return self.ints(&[d.fixed as i64]);
        }
        let mut n = self.number_of_samples();
        if d.per_sample != 1 {
            let factor = self.ints(&[d.per_sample as i64]);
            n = self.node("Mul", &[&n, &factor], vec![]);
        }
        if d.fixed != 0 {
            let more = self.ints(&[d.fixed as i64]);
            n = self.node("Add", &[&n, &more], vec![]);
        }
        n
    }

    fn number_of_samples(&mut self) -> String {
        if let Some(name) = &self.batch {
            return name.clone();
        }
        let prefix = std::mem::take(&mut self.prefix);
        let input = self.value(self.graph.inputs[0]);
        let (shape, first) = (self.node("Shape", &[&input], vec![]), self.ints(&[0]));
        let name = self.node("Gather", &[&shape, &first], vec![attributes::int("axis", 0)]);
        self.prefix = prefix;
        self.batch = Some(name.clone());
        name
    }

    /// A shape for `Reshape`: one size that depends on the number of samples is left to the runtime.
    pub fn shape(&mut self, dims: &[Dim]) -> String {
        let open = dims.iter().filter(|d| d.per_sample != 0).count();
        if open != 1 || dims.iter().any(|d| d.per_sample == 0 && d.fixed == 0) {
            return self.sizes(dims);
        }
        let sizes: Vec<i64> = dims.iter().map(|d| if d.per_sample == 0 { d.fixed as i64 } else { -1 }).collect();
        self.ints(&sizes)
    }
}

pub(crate) fn as_i64(sizes: &[usize]) -> Vec<i64> {
    sizes.iter().map(|&n| n as i64).collect()
}
