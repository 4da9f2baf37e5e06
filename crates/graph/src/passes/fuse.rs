use crate::graph::{Graph, Node, ValueId};
use std::collections::HashMap;
use striate_tensor::op::{Binary, FusedConv2d, Unary};
use striate_tensor::{Op, Pool2dOptions};

/// Fuses into each convolution what follows it: the addition of a residual, an activation, a max pooling of 2×2. Each is fused if nobody else reads
/// what it takes.
pub fn fuse_epilogues(graph: &mut Graph) {
    let uses = graph.uses();
    let mut convolutions: HashMap<ValueId, usize> = HashMap::new();
    let mut nodes: Vec<Option<Node>> = Vec::new();
    for mut node in std::mem::take(&mut graph.nodes) {
        // Of two convolutions that are added the later one takes the other's result as its residual.
        let own = |&(_, v): &(usize, &ValueId)| uses[v] == 1 && convolutions.contains_key(v);
        let before = node.inputs.iter().enumerate().filter(own).max_by_key(|(_, v)| convolutions[v]);
        if let Some((side, &value)) = before {
            let place = convolutions[&value];
            let conv = nodes[place].as_ref().expect("each convolution is fused once");
            if let Some(fused) = fused(graph, conv, &node, side) {
                nodes[place] = None;
                node = fused;
            }
        }
        if matches!(node.op, Op::Conv2d { .. } | Op::FusedConv2d(_)) {
            convolutions.insert(node.outputs[0], nodes.len());
        }
        nodes.push(Some(node));
    }
    graph.nodes = nodes.into_iter().flatten().collect();
}

/// `next`, which takes the result of `conv` on one side, and `conv` as one node.
fn fused(graph: &Graph, conv: &Node, next: &Node, side: usize) -> Option<Node> {
    let before = match &conv.op {
        Op::Conv2d { options, input_relu } => FusedConv2d::new(*options, *input_relu, conv.inputs.len() == 3),
        Op::FusedConv2d(f) => *f,
        _ => return None,
    };
    let mut inputs = conv.inputs.clone();
    let op = match &next.op {
        Op::Binary(Binary::Add) if before.takes_residual() => {
            let residual = next.inputs[1 - side];
            if graph.value(residual).dims != graph.value(conv.outputs[0]).dims {
                return None;
            }
            inputs.push(residual);
            FusedConv2d { residual: true, ..before }
        }
        Op::Unary(f) if before.takes_activation() && is_activation(*f) => {
            FusedConv2d { activation: Some(*f), ..before }
        }
        Op::MaxPool2d { options, input_relu: false, with_positions: false } if before.takes_max_pool2() => {
            let halves = Pool2dOptions { count_include_pad: options.count_include_pad, ..Pool2dOptions::new([2; 2]) };
            if *options != halves {
                return None;
            }
            FusedConv2d { max_pool2: true, ..before }
        }
        _ => return None,
    };
    Some(Node { op: Op::FusedConv2d(op), inputs, outputs: next.outputs.clone(), ..conv.clone() })
}

/// Functions that stand after convolutions; scalars and powers are left to themselves.
fn is_activation(f: Unary) -> bool {
    matches!(f, Unary::Relu | Unary::LeakyRelu(_) | Unary::Sigmoid | Unary::Tanh | Unary::Activation(_))
}
