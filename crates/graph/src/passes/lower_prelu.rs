use crate::graph::{Graph, Node};
use striate_tensor::op::{Binary, Unary};
use striate_tensor::{DType, Op};

/// Makes a leaky ReLU of each PReLU with one known slope, which convolutions take in, and max(x, slope · x) of one whose slopes are all below 1.
pub fn lower_prelu(graph: &mut Graph) {
    for mut node in std::mem::take(&mut graph.nodes) {
        match slopes(graph, &node) {
            Some(slopes) if slopes.iter().all(|&s| s == slopes[0]) => {
                node.op = Op::Unary(Unary::LeakyRelu(slopes[0]));
                node.inputs.truncate(1);
            }
            // A slope of 0 makes NaN of infinity.
            Some(slopes) if slopes.iter().all(|&s| s <= 1.0 && s != 0.0) => {
                let y = node.outputs[0];
                let rank = graph.value(y).dims.len();
                let slope = graph.value(node.inputs[1]).tensor.clone().expect("known");
                let wide: Vec<usize> = (0..rank).map(|d| if d == 1 { slopes.len() } else { 1 }).collect();
                let slope = graph.add_constant(slope.reshape(wide));
                let scaled = graph.append(Op::Binary(Binary::Mul), &[node.inputs[0], slope]);
                (node.op, node.inputs) = (Op::Binary(Binary::Maximum), vec![node.inputs[0], scaled]);
            }
            _ => {}
        }
        graph.nodes.push(node);
    }
}

fn slopes(graph: &Graph, node: &Node) -> Option<Vec<f64>> {
    let slope = matches!(node.op, Op::Prelu).then(|| graph.value(node.inputs[1]).tensor.clone()).flatten()?;
    let slopes = slope.to_dtype(DType::F64).to_vec::<f64>();
    (!slopes.is_empty()).then_some(slopes)
}
