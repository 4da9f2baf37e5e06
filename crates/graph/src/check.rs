//! Whether a graph that comes from outside is one that runs.

use crate::graph::{Batch, Dim, Graph, Node, Origin, Value, ValueId};
use crate::sizes;
use std::collections::HashSet;
use striate_tensor::{DType, Op, Spec};

/// The most elements of a value.
const MOST_ELEMENTS: usize = 1 << 31;

impl Graph {
    /// Whether every node reads what is there and fits its operands, for one sample more too; else what is wrong, with the node or value.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut names = HashSet::new();
        for value in &self.values {
            if !names.insert(&value.name) {
                return Err(format!("two values are called '{}'", value.name));
            }
        }
        self.values.iter().try_for_each(|value| check_value(value, self.batch.captured()))?;
        let mut is_there: Vec<bool> = self.values.iter().map(Value::is_known).collect();
        for &id in &self.inputs {
            if self.get(id)?.origin != Origin::Input || std::mem::replace(&mut is_there[id.0], true) {
                return Err(format!("'{}' is no input, or one twice", self.value(id).name));
            }
        }
        for node in &self.nodes {
            self.check_node(node, &mut is_there)?;
        }
        for &id in &self.outputs {
            if !is_there.get(id.0).is_some_and(|x| *x) {
                return Err(format!("its output {} is not computed", id.0));
            }
        }
        match self.outputs.is_empty() {
            true => Err("it has no output".into()),
            false => Ok(()),
        }
    }

    fn get(&self, id: ValueId) -> Result<&Value, String> {
        self.values.get(id.0).ok_or_else(|| format!("there is no value {}", id.0))
    }

    fn check_node(&self, node: &Node, is_there: &mut [bool]) -> Result<(), String> {
        let name = || node.outputs.first().and_then(|id| self.values.get(id.0)).map_or("?", |v| v.name.as_str());
        let bad = |reason: String| format!("node '{}': {reason}", name());
        for &id in &node.inputs {
            let value = self.get(id).map_err(bad)?;
            if !is_there[id.0] {
                return Err(bad(format!("reads '{}' before it is computed", value.name)));
            }
        }
        for &id in &node.outputs {
            let value = self.get(id).map_err(bad)?;
            if value.origin != Origin::Result || std::mem::replace(&mut is_there[id.0], true) {
                return Err(bad(format!("writes '{}', which is no result or is computed twice", value.name)));
            }
        }
        self.check_index(node).map_err(bad)?;
        let (captured, own) = (self.batch.captured(), sizes::sizes(&node.op));
        if node.sizes.len() != own.len() || !node.sizes.iter().zip(&own).all(|(d, &n)| d.at(captured) == n) {
            return Err(bad("its sizes are not those of its op".into()));
        }
        let batches = match self.batch {
            Batch::Any(n) => n..=n + 1,
            Batch::Fixed(n, _) => n..=n,
        };
        for batch in batches {
            let specs = |ids: &[ValueId]| ids.iter().map(|&id| self.value(id).spec_at(batch)).collect::<Vec<Spec>>();
            let (expected, got) = (specs(&node.outputs), node.op_at(batch).try_outputs(&specs(&node.inputs)));
            let got = got.map_err(bad)?;
            if expected != got {
                return Err(bad(format!("gives {got:?} for {batch} samples, not {expected:?}")));
            }
        }
        Ok(())
    }

    /// Whether the numbers of a constant index are among those of the dimension that it picks from.
    fn check_index(&self, node: &Node) -> Result<(), String> {
        let (dim, size) = match &node.op {
            Op::Gather { dim } | Op::IndexSelect { dim } => (*dim, None),
            Op::ScatterAdd { dim, shape } => (*dim, shape.get(*dim).copied()),
            Op::IndexAdd { dim, size } => (*dim, Some(*size)),
            _ => return Ok(()),
        };
        let [x, index] = node.inputs[..] else { return Ok(()) };
        let size = size.or_else(|| self.value(x).spec.shape.get(dim).copied()).unwrap_or(0);
        match &self.value(index).tensor {
            Some(t) if t.dtype() == DType::I64 => {
                let outside = t.to_vec::<i64>().into_iter().find(|&i| !usize::try_from(i).is_ok_and(|i| i < size));
                outside.map_or(Ok(()), |i| Err(format!("its index {i} is out of range for {size} elements")))
            }
            _ => Ok(()),
        }
    }
}

fn check_value(value: &Value, captured: usize) -> Result<(), String> {
    let bad = |reason: &str| Err(format!("value '{}' {reason}", value.name));
    let stored = matches!(value.origin, Origin::Parameter | Origin::Buffer | Origin::Constant);
    if stored != value.is_known() {
        return bad(if stored { "has no elements" } else { "is computed, but has elements" });
    }
    let elements = value.spec.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    if elements.is_none_or(|n| n > MOST_ELEMENTS) {
        return bad("has too many elements");
    }
    if value.spec_at(captured) != value.spec {
        return bad("has other sizes than its shape says");
    }
    match &value.tensor {
        Some(t) if t.spec() != value.spec => {
            Err(format!("value '{}' is {}, its tensor {}", value.name, value.spec, t.spec()))
        }
        Some(_) if value.dims.iter().any(|d| *d != Dim::fixed(d.at(0))) => {
            bad("is stored, but depends on the number of samples")
        }
        _ => Ok(()),
    }
}
