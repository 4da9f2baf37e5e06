use crate::graph::{Graph, Node, ValueId};
use std::collections::HashMap;
use striate_tensor::op::{Binary, Unary};
use striate_tensor::{DType, Op, Tensor};

/// Folds each batch normalization by known statistics, and each sum and product with constants of the channels, into the weight and bias of the
/// convolution, transposed convolution or linear layer before it, if nobody else reads that one's result (Jacob et al., 2018, section 3.2). The new
/// weights are computed in `f64`.
pub fn fold_batch_norm(graph: &mut Graph) {
    let mut uses = graph.uses();
    let mut layers: HashMap<ValueId, usize> = HashMap::new();
    let mut nodes: Vec<Option<Node>> = Vec::new();
    for mut node in std::mem::take(&mut graph.nodes) {
        let place = |id: &ValueId| layers.get(id).copied().filter(|_| uses[id] == 1);
        let side = node.inputs.iter().take(2).position(|id| place(id).is_some());
        if let Some((side, place)) = side.and_then(|side| Some((side, place(&node.inputs[side])?)))
            && let Some(scales) =
                Scales::of(graph, nodes[place].as_ref().expect("each layer is folded once"), &node, side)
        {
            let layer = nodes[place].take().expect("each layer is folded once");
            let weight = layer.inputs[1];
            node = scales.into_layer(graph, layer, node);
            if node.inputs[1] != weight {
                graph.read_once(weight, &mut uses);
            }
        }
        if is_foldable(graph, &node) {
            layers.insert(node.outputs[0], nodes.len());
        }
        nodes.push(Some(node));
    }
    graph.nodes = nodes.into_iter().flatten().collect();
}

/// Whether what follows this node can go into its weight.
fn is_foldable(graph: &Graph, node: &Node) -> bool {
    let takes = match &node.op {
        Op::Conv2d { .. } | Op::Linear => true,
        Op::ConvTranspose2d { options } => options.groups == 1,
        _ => false,
    };
    takes && node.inputs[1..].iter().all(|&v| graph.value(v).is_known())
}

/// The dimensions of a layer's output channels: in its weight and in its result.
fn channels(graph: &Graph, layer: &Node) -> [usize; 2] {
    let rank = graph.value(layer.outputs[0]).dims.len();
    match layer.op {
        Op::ConvTranspose2d { .. } => [1, 1],
        Op::Linear => [0, rank - 1],
        _ => [0, 1],
    }
}

/// What a node does to each channel of a layer's result: y = x · scale + shift, in `f64`.
struct Scales {
    scale: Tensor,
    shift: Tensor,
}

impl Scales {
    /// Of `node`, which reads the result of `layer` on one side.
    fn of(graph: &Graph, layer: &Node, node: &Node, side: usize) -> Option<Scales> {
        let [in_weight, in_result] = channels(graph, layer);
        let n = graph.value(layer.inputs[1]).spec.shape[in_weight];
        let all = |x: f64| Tensor::full(x, [n], DType::F64);
        let known = |i: usize| Some(graph.value(node.inputs[i]).tensor.as_ref()?.clone().to_dtype(DType::F64));
        if graph.value(node.outputs[0]).dims != graph.value(layer.outputs[0]).dims {
            return None;
        }
        // A constant for each channel, or one for all.
        let constant = || -> Option<Tensor> {
            let (c, rank) = (known(1 - side)?, graph.value(layer.outputs[0]).dims.len());
            let from = rank.checked_sub(c.rank())?;
            let fits = c.shape().iter().enumerate().all(|(d, &size)| size == 1 || (d + from == in_result && size == n));
            fits.then(|| if c.numel() == 1 { c.reshape([1]).expand([n]) } else { c.reshape([n]) })
        };
        let scales = match &node.op {
            Op::BatchNorm { eps, residual: false, activation: None, .. } if side == 0 && in_result == 1 => {
                let (mean, var, weight, bias) = (known(1)?, known(2)?, known(3)?, known(4)?);
                let scale = weight / (var + *eps).sqrt();
                Scales { shift: bias - mean * &scale, scale }
            }
            Op::Unary(Unary::MulScalar(c)) => Scales { scale: all(*c), shift: all(0.0) },
            Op::Unary(Unary::AddScalar(c)) => Scales { scale: all(1.0), shift: all(*c) },
            Op::Binary(Binary::Add) => Scales { scale: all(1.0), shift: constant()? },
            Op::Binary(Binary::Sub) if side == 0 => Scales { scale: all(1.0), shift: -constant()? },
            Op::Binary(Binary::Sub) => Scales { scale: all(-1.0), shift: constant()? },
            Op::Binary(Binary::Mul) => Scales { scale: constant()?, shift: all(0.0) },
            Op::Binary(Binary::Div) if side == 0 => Scales { scale: constant()?.reciprocal(), shift: all(0.0) },
            _ => return None,
        };
        let is_finite = |t: &Tensor| t.to_vec::<f64>().iter().all(|x| x.is_finite());
        (is_finite(&scales.scale) && is_finite(&scales.shift)).then_some(scales)
    }

    /// The layer with this in its weight and bias, in the place of the node.
    fn into_layer(self, graph: &mut Graph, layer: Node, node: Node) -> Node {
        let known = |v: ValueId| graph.value(v).tensor.clone().expect("known");
        let weight = known(layer.inputs[1]);
        let (dtype, rank) = (weight.dtype(), weight.rank());
        let [channel, _] = channels(graph, &layer);
        let wide: Vec<usize> = (0..rank).map(|d| if d == channel { self.scale.numel() } else { 1 }).collect();
        let is_one = self.scale.to_vec::<f64>().iter().all(|&s| s == 1.0);
        let folded =
            (!is_one).then(|| (weight.to_dtype(DType::F64) * self.scale.clone().reshape(wide)).to_dtype(dtype));
        let shift = match layer.inputs.get(2) {
            Some(&bias) => known(bias).to_dtype(DType::F64) * self.scale + self.shift,
            None => self.shift,
        };
        let weight = folded.map_or(layer.inputs[1], |folded| graph.add_constant(folded));
        let inputs = vec![layer.inputs[0], weight, graph.add_constant(shift.to_dtype(dtype))];
        Node { inputs, outputs: node.outputs, ..layer }
    }
}
