//! A graph as text.

use crate::graph::{Dim, Graph, Node, Value, ValueId};
use std::fmt;

impl fmt::Display for Dim {
    /// `64`, `n`, `4n`, `n+1`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.per_sample, self.fixed) {
            (0, fixed) => write!(f, "{fixed}"),
            (1, 0) => f.write_str("n"),
            (k, 0) => write!(f, "{k}n"),
            (1, fixed) => write!(f, "n{fixed:+}"),
            (k, fixed) => write!(f, "{k}n{fixed:+}"),
        }
    }
}

impl fmt::Display for Value {
    /// `f32 [n, 3, 224, 224]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.dims.iter().map(Dim::to_string).collect();
        write!(f, "{} [{}]", self.spec.dtype, dims.join(", "))
    }
}

/// The op's attributes as Rust writes them, without the op's name.
fn attributes(node: &Node) -> String {
    let text = format!("{:?}", node.op);
    let rest = text.find([' ', '(']).map_or("", |at| text[at..].trim());
    if rest.is_empty() { String::new() } else { format!(" {rest}") }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |ids: &[ValueId]| ids.iter().map(|&v| self.value(v).name.as_str()).collect::<Vec<_>>().join(", ");
        for &id in &self.inputs {
            writeln!(f, "{}: {}", self.value(id).name, self.value(id))?;
        }
        for node in &self.nodes {
            let first = self.value(node.outputs[0]);
            let (results, operands) = (list(&node.outputs), list(&node.inputs));
            writeln!(f, "{results} = {}({operands}){}: {first}", node.op.name(), attributes(node))?;
        }
        writeln!(f, "return {}", list(&self.outputs))
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
