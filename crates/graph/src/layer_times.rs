//! How long a network's convolutions and linear layers take, each by itself.

use crate::graph::{Graph, Node};
use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};
use striate_tensor::{DType, Generator, Op, Shape, Spec, Tensor};

/// What a layer takes. Its neighbours are left out: bias, normalization, activation.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerTime {
    /// The layer's name.
    pub layer: String,
    /// `conv2d` or `linear`.
    pub op: &'static str,
    /// The shape of its result.
    pub output: Shape,
    /// Multiply-adds of its forward pass, and of either gradient, by the plain algorithm.
    pub macs: u64,
    /// The median time of its forward pass.
    pub forward: Duration,
    /// That of its input's gradient; none for a layer that reads the network's input, which no training step asks for.
    pub input_grad: Option<Duration>,
    /// That of its weight's gradient.
    pub weight_grad: Duration,
}

/// Each time is the median of at least this many runs, and of as many as fit in `BUDGET`, up to `MOST`.
const LEAST: usize = 5;
const MOST: usize = 50;
const BUDGET: Duration = Duration::from_millis(100);

/// Runs each convolution and linear layer of `graph` on random numbers, after a run that is not counted. Layers of the same shapes and settings are run
/// once.
pub fn time_layers(graph: &Graph) -> Vec<LayerTime> {
    let mut known = HashMap::new();
    let is_timed = |n: &&Node| matches!(n.op, Op::Conv2d { .. } | Op::Linear) && graph.output_spec(n).shape.numel() > 0;
    let layers = graph.nodes.iter().filter(is_timed);
    layers
        .map(|node| {
            let (op, specs, output) = (node.op.name(), graph.input_specs(node), graph.output_spec(node));
            let first = graph.inputs.contains(&node.inputs[0]);
            let key = (format!("{:?} {specs:?}", node.op), first);
            let measured = || measure(&node.op, &specs, output, first);
            let [forward, input_grad, weight_grad] = *known.entry(key).or_insert_with(measured);
            LayerTime {
                layer: node.layer.clone().unwrap_or_else(|| op.to_string()),
                op,
                output: output.shape,
                macs: graph.macs(node),
                forward,
                input_grad: (!first).then_some(input_grad),
                weight_grad,
            }
        })
        .collect()
}

/// Forward, input gradient (0 if it is not wanted), weight gradient.
fn measure(op: &Op, inputs: &[Spec], output: Spec, first: bool) -> [Duration; 3] {
    let rng = &mut Generator::new(0);
    let mut random = |spec: Spec| Tensor::randn(spec.shape, DType::F32, rng);
    let (x, w, grad) = (random(inputs[0]), random(inputs[1]), random(output));
    let run = |x: Tensor, w: &Tensor| op.apply(vec![x, w.clone()]).swap_remove(0);
    let gradient = |x: Tensor, w: Tensor| {
        median(|| {
            let y = run(x.clone(), &w);
            let start = Instant::now();
            black_box(y.backward_with(grad.clone()));
            start.elapsed()
        })
    };
    let forward = median(|| {
        let start = Instant::now();
        black_box(run(x.clone(), &w).realize());
        start.elapsed()
    });
    let input_grad = if first { Duration::ZERO } else { gradient(x.clone().requires_grad(), w.clone()) };
    [forward, input_grad, gradient(x, w.requires_grad())]
}

fn median(mut run: impl FnMut() -> Duration) -> Duration {
    run();
    let (mut times, begin) = (Vec::new(), Instant::now());
    while times.len() < LEAST || (times.len() < MOST && begin.elapsed() < BUDGET) {
        times.push(run());
    }
    times.sort();
    times[times.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture;
    use striate_nn::{Conv2d, Flatten, Linear, ReLU, Sequential};

    #[test]
    fn each_layer_with_a_weight_has_its_times() {
        let rng = &mut Generator::new(0);
        let net = Sequential::new()
            .add(Conv2d::options(3, 8, 3).stride(2).build(rng))
            .add(ReLU)
            .add(Conv2d::options(8, 8, 3).padding(1).groups(2).build(rng))
            .add(Conv2d::options(8, 8, 3).padding(1).groups(2).build(rng))
            .add(Flatten::default())
            .add(Linear::new(8 * 9, 5, rng));
        let times = time_layers(&capture(&net, &[2, 3, 7, 7]));
        let rows: Vec<_> = times.iter().map(|t| (t.layer.as_str(), t.op, t.macs, t.input_grad.is_some())).collect();
        assert_eq!(
            rows,
            [
                ("0", "conv2d", 2 * 8 * 9 * 27, false),
                ("2", "conv2d", 2 * 8 * 9 * 36, true),
                ("3", "conv2d", 2 * 8 * 9 * 36, true),
                ("5", "linear", 2 * 72 * 5, true),
            ]
        );
        assert!(times.iter().all(|t| t.forward > Duration::ZERO && t.weight_grad > Duration::ZERO));
        // The same shapes are measured once.
        assert_eq!((times[1].forward, times[1].weight_grad), (times[2].forward, times[2].weight_grad));
    }
}
