//! A graph as an ONNX model.

mod attributes;
mod builder;
mod images;
mod nms;
mod norms;
mod ops;
mod raw_images;
mod resize;

use crate::error::OnnxError;
use crate::model::Model;
use crate::proto::tensor_shape_proto::{Dimension, dimension};
use crate::proto::type_proto::{self, Tensor as TensorType};
use crate::proto::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorShapeProto, TypeProto,
    ValueInfoProto,
};
use crate::tensor::data_type;
use crate::{MAX_OPSET, MIN_OPSET};
use builder::Builder;
pub use nms::NonMaxSuppression;
pub use raw_images::{RawFit, RawImages};
use std::collections::HashSet;
use striate_graph::{Dim, Graph, Value};
use striate_tensor::DType;

/// The version of the file's own structure. It goes with every opset that is written, and older runtimes read it.
const IR_VERSION: i64 = 8;
/// The name of the dimension that counts samples.
const BATCH: &str = "batch";
const OUTPUT: &str = "output";

/// The text of a file that prepares images itself: the name of what its network takes.
pub(crate) const PREPARED: &str = "prepared";

/// What an ONNX file is to be like.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportOptions {
    /// The version of the operators, from [`MIN_OPSET`] to [`MAX_OPSET`].
    pub opset: i64,
    /// Whether a softmax over the last dimension follows, so that the outputs are probabilities.
    pub softmax: bool,
    /// What the outputs are divided by before that softmax.
    pub temperature: f64,
    /// Whether weights of two and more dimensions are stored in 16 bits. Runtimes widen them and compute in 32.
    pub half: bool,
    /// What the outputs are called, in their order [default: `output`, `output_1`, …].
    pub names: Vec<String>,
    /// Whether boxes of one object are reduced to the best of them: the outputs called `boxes` and `scores` become a further one, `detections`.
    pub nms: Option<NonMaxSuppression>,
    /// How the network's input is made, if the file is to take images of any size and prepare them itself.
    pub images: Option<RawImages>,
    /// Texts that go with the model, such as class names.
    pub metadata: Vec<(String, String)>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        ExportOptions {
            opset: 17,
            softmax: false,
            temperature: 1.0,
            half: false,
            names: Vec::new(),
            nms: None,
            images: None,
            metadata: Vec::new(),
        }
    }
}

impl Model {
    /// The graph as an ONNX model that computes the same. Parameters, buffers and inputs keep their names; a single output is called `output`.
    ///
    /// With [`ExportOptions::images`] the input is `images`, `u8 [batch, height, width, 3]`.
    ///
    /// # Errors
    /// [`OnnxError::Opset`], [`OnnxError::RawOpset`], or [`OnnxError::NotExported`] if an op has no form in ONNX.
    ///
    /// # Panics
    /// If images are to be prepared for a graph that does not take one batch of them.
    pub fn of_graph(graph: &Graph, options: &ExportOptions) -> Result<Model, OnnxError> {
        if !(MIN_OPSET..=MAX_OPSET).contains(&options.opset) {
            return Err(OnnxError::Opset(options.opset));
        }
        let mut b = Builder::new(graph, options.opset, options.half);
        let raw = options.images.as_ref().map(|images| with_raw_images(&mut b, images)).transpose()?;
        for node in &graph.nodes {
            b.prefix = node.layer.clone().unwrap_or_default();
            let name = ops::write(&mut b, node).map_err(|fault| OnnxError::NotExported {
                node: node.layer.clone().unwrap_or_else(|| graph.value(node.outputs[0]).name.clone()),
                op: node.op.name(),
                reason: fault.to_string(),
            })?;
            b.set_name(node.outputs[0], name);
        }
        b.prefix.clear();
        let mut outputs = Vec::new();
        for (i, &id) in graph.outputs.iter().enumerate() {
            let mut name = b.value(id);
            if options.softmax {
                if options.temperature != 1.0 {
                    let temperature = b.scalar(options.temperature, graph.value(id).spec.dtype);
                    name = b.node("Div", &[&name, &temperature], vec![]);
                }
                name = b.node("Softmax", &[&name], vec![attributes::int("axis", -1)]);
            }
            let usual = || if i == 0 { OUTPUT.to_string() } else { format!("{OUTPUT}_{i}") };
            let wanted = options.names.get(i).cloned().unwrap_or_else(usual);
            let wanted = b.fresh(&wanted);
            let is_result = b.nodes.iter().any(|n| n.output.contains(&name));
            let is_taken = outputs.iter().any(|v: &ValueInfoProto| v.name() == name);
            match is_result && !is_taken {
                true => rename(&mut b.nodes, &name, &wanted),
                false => b.node_to(vec![wanted.clone()], "Identity", &[&name], vec![]),
            }
            outputs.push(value_info(wanted, graph.value(id)));
        }
        if let Some(nms) = &options.nms {
            let find = |name: &str| outputs.iter().position(|output: &ValueInfoProto| output.name() == name);
            let (Some(boxes), Some(scores)) = (find(nms::BOXES), find(nms::SCORES)) else {
                panic!("Model::of_graph: suppression needs outputs called {} and {}", nms::BOXES, nms::SCORES)
            };
            let [boxes, scores] = [boxes, scores].map(|i| outputs[i].name().to_string());
            outputs.push(nms.write(&mut b, &boxes, &scores));
        }
        drop_unused(&mut b);
        let mut inputs: Vec<ValueInfoProto> =
            graph.inputs.iter().map(|&id| value_info(graph.value(id).name.clone(), graph.value(id))).collect();
        let text = |key: &str, value: &str| StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) };
        let mut texts: Vec<_> = options.metadata.iter().map(|(key, value)| text(key, value)).collect();
        let mut inside = Vec::new();
        if let Some([raw, prepared]) = raw {
            texts.push(text(PREPARED, &prepared));
            inside.push(value_info(prepared, graph.value(graph.inputs[0])));
            inputs = vec![images_info(raw)];
        }
        Ok(Model(ModelProto {
            ir_version: Some(IR_VERSION),
            opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(options.opset) }],
            producer_name: Some("striate".into()),
            producer_version: Some(env!("CARGO_PKG_VERSION").into()),
            graph: Some(GraphProto {
                name: Some("network".into()),
                node: b.nodes,
                initializer: b.initializers,
                input: inputs,
                output: outputs,
                value_info: inside,
                ..Default::default()
            }),
            metadata_props: texts,
            ..Default::default()
        }))
    }
}

fn rename(nodes: &mut [NodeProto], from: &str, to: &str) {
    let names = nodes.iter_mut().flat_map(|n| n.input.iter_mut().chain(&mut n.output));
    names.filter(|name| *name == from).for_each(|name| *name = to.to_string());
}

/// Drops initializers that no node reads, such as one that was only wanted under another shape.
fn drop_unused(b: &mut Builder) {
    let read: HashSet<&String> = b.nodes.iter().flat_map(|n| &n.input).collect();
    b.initializers.retain(|t| t.name.as_ref().is_some_and(|name| read.contains(name)));
}

/// Writes what makes the graph's input of images; gives the names of the two.
fn with_raw_images(b: &mut Builder, images: &RawImages) -> Result<[String; 2], OnnxError> {
    images.check(b.opset)?;
    let input = match b.graph.inputs[..] {
        [input] => b.graph.value(input),
        _ => panic!("Model::of_graph: images are prepared for a graph of one input, it has {}", b.graph.inputs.len()),
    };
    let (takes, gives) = (input.spec_at(1), images.output_shape());
    assert!(
        takes.shape[..] == [&[1], &gives[..]].concat() && takes.dtype == DType::F32,
        "Model::of_graph: images are prepared as {gives:?}, the graph takes {takes}"
    );
    let names = images.write(b);
    b.set_name(b.graph.inputs[0], names[1].clone());
    Ok(names)
}

fn value_info(name: String, value: &Value) -> ValueInfoProto {
    let dim = |d: &Dim| match d {
        Dim { fixed, per_sample: 0 } => Some(dimension::Value::DimValue(*fixed as i64)),
        Dim { fixed: 0, per_sample: 1 } => Some(dimension::Value::DimParam(BATCH.into())),
        _ => None,
    };
    tensor_info(name, value.spec.dtype, value.dims.iter().map(dim))
}

fn images_info(name: String) -> ValueInfoProto {
    let open = |name: &str| Some(dimension::Value::DimParam(name.into()));
    let sizes = [open(BATCH), open("height"), open("width"), Some(dimension::Value::DimValue(3))];
    tensor_info(name, DType::U8, sizes)
}

fn tensor_info(
    name: String,
    dtype: DType,
    sizes: impl IntoIterator<Item = Option<dimension::Value>>,
) -> ValueInfoProto {
    let dim = sizes.into_iter().map(|value| Dimension { value, ..Default::default() }).collect();
    let tensor = TensorType { elem_type: Some(data_type(dtype) as i32), shape: Some(TensorShapeProto { dim }) };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: Some(name), r#type: Some(kind), ..Default::default() }
}
