//! Attributes of nodes.

use crate::proto::AttributeProto;
use crate::proto::attribute_proto::AttributeType;

fn named(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: Some(name.into()), r#type: Some(kind as i32), ..Default::default() }
}

pub(crate) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i: Some(i), ..named(name, AttributeType::Int) }
}

pub(crate) fn ints(name: &str, ints: &[usize]) -> AttributeProto {
    AttributeProto { ints: ints.iter().map(|&n| n as i64).collect(), ..named(name, AttributeType::Ints) }
}

pub(crate) fn float(name: &str, f: f64) -> AttributeProto {
    AttributeProto { f: Some(f as f32), ..named(name, AttributeType::Float) }
}

pub(crate) fn string(name: &str, s: &str) -> AttributeProto {
    AttributeProto { s: Some(bytes::Bytes::copy_from_slice(s.as_bytes())), ..named(name, AttributeType::String) }
}
