//! How long the nodes of an executable take in its runs.

use crate::executable::Executable;
use crate::graph::{Graph, Node};
use std::time::{Duration, Instant};
use striate_tensor::op::FusedConv2d;
use striate_tensor::{Op, Shape, Spec, Tensor};

/// What a node takes, with its neighbours running before and after it.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeTime {
    /// Its layer's name, or its result's.
    pub name: String,
    /// What it does, such as `depthwise 3×3/2 + relu6`.
    pub op: String,
    /// The shape of its first result.
    pub output: Shape,
    /// Multiply-adds by the plain algorithm.
    pub macs: u64,
    /// Bytes of its operands and results, each counted once; 0 for a view.
    pub bytes: u64,
    /// The median time over the runs.
    pub time: Duration,
}

/// What the nodes of an executable take.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeTimes {
    /// Each node.
    pub nodes: Vec<NodeTime>,
    /// The median time of a whole run, with reading the clock for each node.
    pub run: Duration,
}

impl Executable {
    /// Runs it `runs` times on `inputs`, after two runs that do not count, and times each node.
    ///
    /// # Panics
    /// As [`Executable::run`], and if `runs` is zero.
    pub fn time_nodes(&self, inputs: &[Tensor], runs: usize) -> NodeTimes {
        const WARMUP: usize = 2;
        assert!(runs > 0, "time_nodes: no runs");
        let graph = self.graph();
        let batch = graph.batch_of(inputs);
        let mut times: Vec<Vec<Duration>> = vec![Vec::with_capacity(runs); graph.nodes.len() + 1];
        for run in 0..WARMUP + runs {
            let (start, mut last, mut at) = (Instant::now(), Instant::now(), 0);
            let outputs = self.run_watched(inputs, |_| {
                let now = Instant::now();
                if run >= WARMUP {
                    times[at].push(now - last);
                }
                (last, at) = (now, at + 1);
            });
            if run >= WARMUP {
                times[at].push(start.elapsed());
            }
            outputs.unwrap_or_else(|e| panic!("graph: {e}"));
        }
        let run = median(times.pop().unwrap_or_default());
        let nodes = graph.nodes.iter().zip(times);
        NodeTimes { nodes: nodes.map(|(node, times)| node_time(graph, node, batch, median(times))).collect(), run }
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn node_time(graph: &Graph, node: &Node, batch: usize, time: Duration) -> NodeTime {
    let specs = |ids: &[_]| -> Vec<Spec> { ids.iter().map(|&id| graph.value(id).spec_at(batch)).collect() };
    let (inputs, outputs) = (specs(&node.inputs), specs(&node.outputs));
    let bytes = inputs.iter().chain(&outputs).map(|s| (s.shape.numel() * s.dtype.size()) as u64).sum();
    NodeTime {
        name: node.layer.clone().unwrap_or_else(|| graph.value(node.outputs[0]).name.clone()),
        op: describe(&node.op, &inputs),
        output: outputs[0].shape,
        macs: node.op_at(batch).macs(&inputs),
        bytes: if node.op.is_view() { 0 } else { bytes },
        time,
    }
}

/// The op in a few words: of a convolution its kernel, stride and what follows it.
fn describe(op: &Op, inputs: &[Spec]) -> String {
    match op {
        Op::Conv2d { options, .. } => describe_conv(&FusedConv2d::new(*options, false, false), inputs[1].shape),
        Op::FusedConv2d(f) => describe_conv(f, inputs[1].shape),
        Op::ConvChain(chain) => {
            let mut at = 1;
            let parts = chain.iter().map(|f| {
                let weight = inputs[at].shape;
                at += f.operands() - 1;
                describe_conv(f, weight)
            });
            parts.collect::<Vec<_>>().join(", ")
        }
        _ => op.name().to_string(),
    }
}

fn describe_conv(f: &FusedConv2d, weight: Shape) -> String {
    let kind = match f.options.groups {
        1 => "conv",
        groups if groups == weight[0] && weight[1] == 1 => "depthwise",
        _ => "grouped",
    };
    let mut text = format!("{kind} {}×{}", weight[2], weight[3]);
    match f.options.stride {
        [1, 1] => {}
        [a, b] if a == b => text += &format!("/{a}"),
        [a, b] => text += &format!("/{a}×{b}"),
    }
    text += if f.residual { " + residual" } else { "" };
    if let Some(activation) = f.activation {
        text += &format!(" + {}", activation.name());
    }
    text + if f.max_pool2 { " + max_pool2" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_nn::{BatchNorm2d, Conv2d, Flatten, Linear, ReLU, Sequential};
    use striate_tensor::{DType, Generator};

    #[test]
    fn each_node_has_its_time_and_its_work() {
        let rng = &mut Generator::new(0);
        let net = Sequential::new()
            .add(Conv2d::options(4, 4, 3).stride(2).groups(4).build(rng))
            .add(BatchNorm2d::new(4))
            .add(ReLU)
            .add(Flatten::default())
            .add(Linear::new(36, 5, rng));
        let executable = Executable::of(&net, &[1, 4, 7, 7]);
        let times = executable.time_nodes(&[Tensor::ones([2, 4, 7, 7], DType::F32)], 3);
        let rows: Vec<_> = times.nodes.iter().map(|t| (t.name.as_str(), t.op.as_str(), t.macs, t.bytes)).collect();
        let conv_bytes = 4 * (2 * 4 * 49 + 4 * 9 + 4 + 2 * 36);
        assert_eq!(rows[0], ("0", "depthwise 3×3/2 + relu", 2 * 36 * 9, conv_bytes));
        assert_eq!((rows[1].3, rows[2].3), (0, 0), "views move nothing");
        assert_eq!(rows[3], ("4", "linear", 2 * 36 * 5, 4 * (2 * 36 + 36 * 5 + 5 + 2 * 5)));
        assert!(times.nodes.iter().map(|t| t.time).sum::<Duration>() <= 2 * times.run);
        assert!(times.run > Duration::ZERO);
    }
}
