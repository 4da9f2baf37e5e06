//! A graph as text (JSON) without the elements of its tensors, which a file keeps beside it by name.

use crate::graph::{Batch, Dim, Graph, Node, Origin, Value, ValueId};
use serde::{Deserialize, Serialize};
use striate_tensor::{DType, MAX_RANK, Op, Shape, Spec, Tensor};

/// The version of the text that [`Graph::to_text`] writes, and the newest that [`Graph::from_text`] reads.
pub const TEXT_VERSION: u32 = 1;
/// The largest number among sizes and attributes: arithmetic on sizes below it does not overflow.
const LARGEST: u64 = i32::MAX as u64;

#[derive(Serialize, Deserialize)]
struct Text {
    version: u32,
    /// How many samples the sizes below are for.
    samples: usize,
    /// Why it takes no other number of samples, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fixed: Option<String>,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
    values: Vec<TextValue>,
    nodes: Vec<TextNode>,
}

#[derive(Serialize, Deserialize)]
struct TextValue {
    name: String,
    origin: Origin,
    dtype: DType,
    shape: Vec<TextDim>,
}

#[derive(Serialize, Deserialize)]
struct TextNode {
    op: Op,
    /// The sizes among the op's attributes, where one depends on the number of samples.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sizes: Vec<TextDim>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer: Option<String>,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}

/// A size, or the fixed part and the part for each sample.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum TextDim {
    Fixed(usize),
    BySamples([isize; 2]),
}

impl From<Dim> for TextDim {
    fn from(d: Dim) -> Self {
        match d {
            Dim { fixed, per_sample: 0 } if fixed >= 0 => TextDim::Fixed(fixed as usize),
            Dim { fixed, per_sample } => TextDim::BySamples([fixed, per_sample]),
        }
    }
}

impl From<TextDim> for Dim {
    fn from(d: TextDim) -> Self {
        match d {
            TextDim::Fixed(n) => Dim::fixed(n),
            TextDim::BySamples([fixed, per_sample]) => Dim { fixed, per_sample },
        }
    }
}

fn places(ids: &[ValueId]) -> Vec<usize> {
    ids.iter().map(|id| id.0).collect()
}

fn ids(places: Vec<usize>) -> Vec<ValueId> {
    places.into_iter().map(ValueId).collect()
}

impl Graph {
    /// The graph as text, without the elements of parameters, buffers and constants ([`Graph::tensors`]).
    ///
    /// # Panics
    /// If an op belongs to training or comes from [`crate::passes::optimize`]: a file holds a network as it is captured.
    pub fn to_text(&self) -> String {
        let value = |v: &Value| TextValue {
            name: v.name.clone(),
            origin: v.origin,
            dtype: v.spec.dtype,
            shape: v.dims.iter().map(|&d| d.into()).collect(),
        };
        let node = |n: &Node| TextNode {
            op: n.op.clone(),
            sizes: match n.sizes.iter().any(|d| d.per_sample != 0) {
                true => n.sizes.iter().map(|&d| d.into()).collect(),
                false => Vec::new(),
            },
            layer: n.layer.clone(),
            inputs: places(&n.inputs),
            outputs: places(&n.outputs),
        };
        let text = Text {
            version: TEXT_VERSION,
            samples: self.batch.captured(),
            fixed: match &self.batch {
                Batch::Any(_) => None,
                Batch::Fixed(_, reason) => Some(reason.clone()),
            },
            inputs: places(&self.inputs),
            outputs: places(&self.outputs),
            values: self.values.iter().map(value).collect(),
            nodes: self.nodes.iter().map(node).collect(),
        };
        serde_json::to_string(&text).expect("a captured graph has no op of training or of a pass")
    }

    /// The names and elements of parameters, buffers and constants.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.values.iter().filter_map(|v| Some((v.name.as_str(), v.tensor.as_ref()?)))
    }

    /// The graph that [`Graph::to_text`] wrote. `tensor` gives the elements by name.
    ///
    /// # Errors
    /// What is wrong with the text, in words that go after the name of its file. A graph that is read runs: its nodes fit their operands.
    pub fn from_text(text: &str, mut tensor: impl FnMut(&str) -> Option<Tensor>) -> Result<Graph, String> {
        let raw: serde_json::Value = serde_json::from_str(text).map_err(|e| format!("its graph is no JSON: {e}"))?;
        match raw["version"].as_u64() {
            Some(v) if v > TEXT_VERSION as u64 => {
                return Err(format!("its graph has version {v}, this program reads up to {TEXT_VERSION}"));
            }
            Some(_) => {}
            None => return Err("its graph has no version".into()),
        }
        if let Some(n) = too_large(&raw) {
            return Err(format!("its graph has a size of {n}, at most {LARGEST} is possible"));
        }
        let text: Text = serde_json::from_value(raw).map_err(|e| format!("its graph cannot be read: {e}"))?;
        let samples = text.samples;
        let value = |v: TextValue| {
            if v.shape.len() > MAX_RANK {
                return Err(format!("its value '{}' has {} dimensions, at most {MAX_RANK}", v.name, v.shape.len()));
            }
            let dims: Vec<Dim> = v.shape.into_iter().map(Dim::from).collect();
            let spec = Spec::new(dims.iter().map(|d| d.at(samples)).collect::<Shape>(), v.dtype);
            let stored = !matches!(v.origin, Origin::Input | Origin::Result);
            let tensor = if stored { tensor(&v.name) } else { None };
            // Weights may be stored in 16 bits; they are computed with in 32.
            let tensor =
                tensor.map(|t| if (t.dtype(), v.dtype) == (DType::F16, DType::F32) { t.to_dtype(v.dtype) } else { t });
            Ok(Value { name: v.name, origin: v.origin, spec, dims, tensor })
        };
        let node = |n: TextNode| {
            let own = || crate::sizes::sizes(&n.op).into_iter().map(Dim::fixed).collect();
            let sizes = if n.sizes.is_empty() { own() } else { n.sizes.into_iter().map(Dim::from).collect() };
            Node { op: n.op, sizes, layer: n.layer, inputs: ids(n.inputs), outputs: ids(n.outputs) }
        };
        let graph = Graph {
            values: text.values.into_iter().map(value).collect::<Result<_, String>>()?,
            nodes: text.nodes.into_iter().map(node).collect(),
            inputs: ids(text.inputs),
            outputs: ids(text.outputs),
            batch: text.fixed.map_or(Batch::Any(samples), |reason| Batch::Fixed(samples, reason)),
        };
        graph.check().map_err(|reason| format!("its graph is damaged: {reason}"))?;
        Ok(graph)
    }
}

/// A whole number that is out of range, if there is one.
fn too_large(value: &serde_json::Value) -> Option<&serde_json::Number> {
    match value {
        serde_json::Value::Array(all) => all.iter().find_map(too_large),
        serde_json::Value::Object(all) => all.values().find_map(too_large),
        serde_json::Value::Number(n) if n.is_f64() => None,
        serde_json::Value::Number(n) => {
            let fits = n.as_i64().is_some_and(|n| n.unsigned_abs() <= LARGEST);
            (!fits).then_some(n)
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
