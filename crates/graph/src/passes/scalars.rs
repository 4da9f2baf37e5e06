use crate::graph::{Graph, Node, ValueId};
use striate_tensor::op::{Binary, Unary};
use striate_tensor::{DType, Op};

/// Makes functions of one operand of sums, products, quotients and powers with a constant number, so that the passes after it find them in one form.
pub fn join_scalars(graph: &mut Graph) {
    for i in 0..graph.nodes.len() {
        if let Some((f, x)) = scalar(graph, &graph.nodes[i]) {
            let node = &mut graph.nodes[i];
            (node.op, node.inputs) = (Op::Unary(f), vec![x]);
        }
    }
}

fn scalar(graph: &Graph, node: &Node) -> Option<(Unary, ValueId)> {
    let Op::Binary(f) = node.op else { return None };
    let number = |id: ValueId| {
        let tensor = graph.value(id).tensor.as_ref()?;
        let is_number = tensor.numel() == 1 && tensor.dtype().is_float();
        is_number.then(|| tensor.clone().to_dtype(DType::F64).to_vec::<f64>()[0])
    };
    let (a, b) = (node.inputs[0], node.inputs[1]);
    let (x, f) = match (f, number(a), number(b)) {
        (Binary::Add, _, Some(c)) => (a, Unary::AddScalar(c)),
        (Binary::Add, Some(c), _) => (b, Unary::AddScalar(c)),
        (Binary::Sub, _, Some(c)) => (a, Unary::AddScalar(-c)),
        (Binary::Mul, _, Some(c)) => (a, Unary::MulScalar(c)),
        (Binary::Mul, Some(c), _) => (b, Unary::MulScalar(c)),
        (Binary::Div, _, Some(c)) if c != 0.0 && (1.0 / c).is_finite() => (a, Unary::MulScalar(1.0 / c)),
        (Binary::Pow, _, Some(2.0)) => (a, Unary::Square),
        (Binary::Pow, _, Some(0.5)) => (a, Unary::Sqrt),
        _ => return None,
    };
    // A constant of more dimensions gives its own to the result.
    let is_same = graph.value(x).dims == graph.value(node.outputs[0]).dims && !graph.value(x).is_known();
    is_same.then_some((f, x))
}
