use crate::graph::{Graph, ValueId};
use std::collections::HashMap;
use striate_tensor::{Op, PaddingMode};

/// Makes zeros that are added around images the padding of the convolutions that read them.
pub fn fold_padding(graph: &mut Graph) {
    let pads: HashMap<ValueId, usize> = graph.nodes.iter().enumerate().map(|(i, n)| (n.outputs[0], i)).collect();
    for i in 0..graph.nodes.len() {
        let node = &graph.nodes[i];
        let Op::Conv2d { options, input_relu } = node.op else { continue };
        let Some(pad) = pads.get(&node.inputs[0]).map(|&i| &graph.nodes[i]) else { continue };
        let Op::Pad { padding, mode: PaddingMode::Zeros, value: 0.0 } = &pad.op else { continue };
        let [[0, 0], [0, 0], rows, columns] = padding[..] else { continue };
        if pad.sizes.iter().any(|d| d.per_sample != 0) {
            continue;
        }
        let mut options = options;
        for (own, more) in options.padding.iter_mut().zip([rows, columns]) {
            *own = [own[0] + more[0], own[1] + more[1]];
        }
        let x = pad.inputs[0];
        let node = &mut graph.nodes[i];
        node.op = Op::Conv2d { options, input_relu };
        node.inputs[0] = x;
    }
}
