//! Networks written as ONNX and read again. What other runtimes make of the files is compared by `scripts/onnx_zoo.py`.

use std::path::Path;
use striate::graph::{Batch, Executable, Graph, capture};
use striate::onnx::{ExportOptions, Model, Network};
use striate::prelude::*;

/// Compares a network with what its ONNX file describes.
pub fn check(name: &str, net: &dyn Forward, graph: &Graph) {
    let model = Model::of_graph(graph, &ExportOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let read = Network::of_model(model, Path::new(name)).unwrap_or_else(|e| panic!("{e}"));
    let shape = graph.value(graph.inputs[0]).spec.shape;
    let again = capture(&read, &shape);
    assert_eq!(again.batch, Batch::Any(1), "{name}");
    let run = Executable::new(again);
    for batch in [1, 3] {
        let x = Tensor::randn(shape_of(batch, &shape), DType::F32, &mut Generator::new(batch as u64));
        let want = net.forward(x.clone(), &Pass::eval());
        for (how, got) in [("plain", read.forward(x.clone(), &Pass::eval())), ("optimized", run.forward(x.clone()))] {
            assert_eq!(got.shape(), want.shape(), "{name}, {how}");
            let (want, got) = (want.to_vec::<f32>(), got.to_vec::<f32>());
            let largest = want.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            let error = want.iter().zip(&got).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(error <= 1e-5 * largest, "{name}, {how}: off by {error} of {largest} for {batch} samples");
        }
    }
}

fn shape_of(batch: usize, shape: &Shape) -> Vec<usize> {
    [&[batch][..], &shape[1..]].concat()
}
