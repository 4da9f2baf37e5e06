//! Models for tests, put together by hand.

use crate::model::Model;
use crate::proto::tensor_shape_proto::{Dimension, dimension};
use crate::proto::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};

pub(crate) fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| s.to_string()).collect()
}

pub(crate) fn node(op_type: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        op_type: Some(op_type.into()),
        input: texts(inputs),
        output: texts(outputs),
        name: Some(format!("{}_{}", op_type, outputs[0])),
        ..NodeProto::default()
    }
}

pub(crate) fn with(mut node: NodeProto, a: AttributeProto) -> NodeProto {
    node.attribute.push(a);
    node
}

pub(crate) fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: Some(name.into()), f: Some(f), ..AttributeProto::default() }
}

pub(crate) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: Some(name.into()), i: Some(i), ..AttributeProto::default() }
}

pub(crate) fn graph_attribute(name: &str, nodes: Vec<NodeProto>, output: &str) -> AttributeProto {
    let output = vec![ValueInfoProto { name: Some(output.into()), ..ValueInfoProto::default() }];
    let g = GraphProto { node: nodes, output, ..GraphProto::default() };
    AttributeProto { name: Some(name.into()), g: Some(g), ..AttributeProto::default() }
}

pub(crate) fn port(name: &str) -> ValueInfoProto {
    let dim = vec![Dimension { value: Some(dimension::Value::DimValue(3)), denotation: None }];
    let tensor = type_proto::Tensor { elem_type: Some(1), shape: Some(TensorShapeProto { dim }) };
    let kind = TypeProto { denotation: None, value: Some(type_proto::Value::TensorType(tensor)) };
    ValueInfoProto { name: Some(name.into()), r#type: Some(kind), ..ValueInfoProto::default() }
}

/// Of the input `x`, three numbers, the output `y`.
pub(crate) fn model(functions: Vec<FunctionProto>, nodes: Vec<NodeProto>) -> Model {
    let version = OperatorSetIdProto { domain: None, version: Some(18) };
    let graph = GraphProto { node: nodes, input: vec![port("x")], output: vec![port("y")], ..GraphProto::default() };
    Model(ModelProto { opset_import: vec![version], graph: Some(graph), functions, ..ModelProto::default() })
}
