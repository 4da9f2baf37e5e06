use crate::graph::{Graph, Node, ValueId};
use std::collections::HashMap;
use striate_tensor::Op;
use striate_tensor::backend::cpu::is_one_pass;
use striate_tensor::op::FusedConv2d;

/// Makes one node of a depthwise convolution and the pointwise ones before and after it, where the rows between them then stay in the cache and nobody else
/// reads them. Weights must be known.
pub fn chain_convolutions(graph: &mut Graph) {
    let uses = graph.uses();
    let mut made: HashMap<ValueId, usize> = HashMap::new();
    let mut nodes: Vec<Option<Node>> = Vec::new();
    for mut node in std::mem::take(&mut graph.nodes) {
        if let Some(&place) = made.get(&node.inputs[0]).filter(|_| uses[&node.inputs[0]] == 1)
            && let Some(before) = &nodes[place]
            && let Some(chained) = chained(graph, before, &node)
        {
            nodes[place] = None;
            node = chained;
        }
        if convolutions(&node).is_some() {
            made.insert(node.outputs[0], nodes.len());
        }
        nodes.push(Some(node));
    }
    graph.nodes = nodes.into_iter().flatten().collect();
}

/// The convolutions of a node that is nothing else.
fn convolutions(node: &Node) -> Option<Vec<FusedConv2d>> {
    match &node.op {
        Op::Conv2d { options, input_relu } => {
            Some(vec![FusedConv2d::new(*options, *input_relu, node.inputs.len() == 3)])
        }
        Op::FusedConv2d(f) => Some(vec![*f]),
        Op::ConvChain(chain) => Some(chain.clone()),
        _ => None,
    }
}

/// Both as one node, if that can be computed in one pass.
fn chained(graph: &Graph, before: &Node, after: &Node) -> Option<Node> {
    let chain = [convolutions(before)?, convolutions(after)?].concat();
    let inputs: Vec<ValueId> = before.inputs.iter().chain(&after.inputs[1..]).copied().collect();
    let specs: Vec<_> = inputs.iter().map(|&id| graph.value(id).spec_at(graph.batch.captured())).collect();
    let are_known = weights(&chain).all(|at| graph.value(inputs[at]).is_known());
    let fits = are_known && is_one_pass(&chain, &specs);
    fits.then(|| Node { op: Op::ConvChain(chain), inputs, outputs: after.outputs.clone(), ..before.clone() })
}

/// Where the weights of a chain stand among its operands.
fn weights(chain: &[FusedConv2d]) -> impl Iterator<Item = usize> {
    chain.iter().scan(1, |next, f| {
        let at = *next;
        *next += f.operands() - 1;
        Some(at)
    })
}
