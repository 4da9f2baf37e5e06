use crate::graph::{Graph, Node, ValueId};
use std::collections::HashMap;
use striate_tensor::{DType, Op, Tensor};

/// Folds each batch normalization by known statistics into the weight and bias of the convolution, transposed convolution or linear layer before it, if
/// nobody else reads that one's result (Jacob et al., 2018, section 3.2). The new weights are computed in `f64`.
pub fn fold_batch_norm(graph: &mut Graph) {
    let uses = graph.uses();
    let mut layers: HashMap<ValueId, usize> = HashMap::new();
    let mut nodes: Vec<Option<Node>> = Vec::new();
    for mut node in std::mem::take(&mut graph.nodes) {
        let before = layers.get(&node.inputs[0]).copied().filter(|_| uses[&node.inputs[0]] == 1);
        if let (Some(scales), Some(place)) = (Scales::of(graph, &node), before) {
            let layer = nodes[place].take().expect("each layer is folded once");
            node = scales.into_layer(graph, layer, node);
        }
        if is_foldable(graph, &node) {
            layers.insert(node.outputs[0], nodes.len());
        }
        nodes.push(Some(node));
    }
    graph.nodes = nodes.into_iter().flatten().collect();
}

/// Whether a normalization of this node's result can go into its weight.
fn is_foldable(graph: &Graph, node: &Node) -> bool {
    let takes = match &node.op {
        Op::Conv2d { .. } | Op::Linear => true,
        Op::ConvTranspose2d { options } => options.groups == 1,
        _ => false,
    };
    takes && node.inputs[1..].iter().all(|&v| graph.value(v).is_known())
}

/// What a normalization by known statistics does to each channel: y = x · scale + shift.
struct Scales {
    scale: Tensor,
    shift: Tensor,
}

impl Scales {
    fn of(graph: &Graph, node: &Node) -> Option<Scales> {
        let Op::BatchNorm { eps, residual: false, activation: None, .. } = node.op else { return None };
        let known = |i: usize| {
            let tensor = graph.value(node.inputs[i]).tensor.as_ref()?;
            Some(tensor.clone().to_dtype(DType::F64))
        };
        let (mean, var, weight, bias) = (known(1)?, known(2)?, known(3)?, known(4)?);
        let scale = weight / (var + eps).sqrt();
        Some(Scales { shift: bias - mean * &scale, scale })
    }

    /// The layer with this in its weight and bias, in the place of the normalization.
    fn into_layer(self, graph: &mut Graph, layer: Node, norm: Node) -> Node {
        let known = |v: ValueId| graph.value(v).tensor.clone().expect("known");
        let weight = known(layer.inputs[1]);
        let (dtype, rank) = (weight.dtype(), weight.rank());
        let channel = if matches!(layer.op, Op::ConvTranspose2d { .. }) { 1 } else { 0 };
        let wide: Vec<usize> = (0..rank).map(|d| if d == channel { self.scale.numel() } else { 1 }).collect();
        let folded = (weight.to_dtype(DType::F64) * self.scale.clone().reshape(wide)).to_dtype(dtype);
        let shift = match layer.inputs.get(2) {
            Some(&bias) => known(bias).to_dtype(DType::F64) * self.scale + self.shift,
            None => self.shift,
        };
        let inputs = vec![layer.inputs[0], graph.add_constant(folded), graph.add_constant(shift.to_dtype(dtype))];
        Node { inputs, outputs: norm.outputs, ..layer }
    }
}
