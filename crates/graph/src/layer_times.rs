//! How long a network's convolutions and linear layers take, each by itself.

use crate::graph::{Graph, Node};
use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};
use striate_tensor::{DType, Generator, Shape, Tensor};

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
    let layers = graph.nodes.iter().filter(|n| matches!(n.op, "conv2d" | "linear") && n.shape.numel() > 0);
    layers
        .map(|node| {
            let first = node.inputs.is_empty();
            let key = (format!("{:?} {:?} {:?}", node.op, node.input_shapes, node.options), first);
            let [forward, input_grad, weight_grad] = *known.entry(key).or_insert_with(|| measure(node, first));
            LayerTime {
                layer: node.layer.clone().unwrap_or_else(|| node.op.to_string()),
                op: node.op,
                output: node.shape,
                macs: node.macs,
                forward,
                input_grad: (!first).then_some(input_grad),
                weight_grad,
            }
        })
        .collect()
}

/// Forward, input gradient (0 if it is not wanted), weight gradient.
fn measure(node: &Node, first: bool) -> [Duration; 3] {
    let rng = &mut Generator::new(0);
    let mut random = |shape: Shape| Tensor::randn(shape, DType::F32, rng);
    let (x, w, grad) = (random(node.input_shapes[0]), random(node.input_shapes[1]), random(node.shape));
    let run = |x: Tensor, w: &Tensor| match node.options {
        Some(options) => x.conv2d(w, None, &options),
        None => x.linear(w, None),
    };
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
        // A convolution waits until somebody asks for it.
        black_box(run(x.clone(), &w).array());
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
            .add(ReLU::default())
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
