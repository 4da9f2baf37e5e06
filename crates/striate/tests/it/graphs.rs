//! Captured networks: op by op a graph gives the network's bits, and optimized its numbers within rounding.

use super::examples::{own_detector, own_layer, own_module, own_segmenter, unet};
use std::collections::HashMap;
use striate::graph::{Batch, Executable, Graph, GraphModule, capture};
use striate::nn::EntryMut;
use striate::prelude::*;
use striate::{ComputeSettings, zoo};

/// Fills a network with numbers that look like those of a trained one, faster than an initializer draws them.
fn fill(net: &mut dyn Module) {
    let mut state = 1u64;
    let mut number = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let mut filled = |t: &Tensor| -> Tensor {
        let shape = t.shape_value();
        let fan_in: usize = shape.get(1..).map_or(1, |rest| rest.iter().product());
        let (low, width) = if shape.rank() < 2 { (0.5, 1.0) } else { (-1.0, 2.0) };
        let scale = if shape.rank() < 2 { 1.0 } else { (3.0 / fan_in.max(1) as f32).sqrt() };
        Tensor::from_vec((0..shape.numel()).map(|_| (low + width * number()) * scale).collect::<Vec<f32>>(), shape)
    };
    net.visit_mut("", &mut |_, entry| match entry {
        EntryMut::Parameter(p) => p.set(filled(p.value())),
        EntryMut::Buffer(b) if b.value().dtype().is_float() => b.set(filled(&b.value())),
        EntryMut::Buffer(_) => (),
    });
}

/// Compares a network with its graph, plain and optimized, at two batch sizes. The optimized one keeps to its plan of memory.
fn check(name: &str, net: &dyn Forward, [c, h, w]: [usize; 3]) {
    let graph = capture(net, &[1, c, h, w]);
    assert_eq!(graph.batch, Batch::Any(1), "{name}");
    let tensors: HashMap<_, _> = graph.tensors().collect();
    let read = Graph::from_text(&graph.to_text(), |name| tensors.get(name).map(|&t| t.clone()));
    let read = read.unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(read.nodes == graph.nodes && read.to_string() == graph.to_string(), "{name}: its text is another graph");
    super::onnx::check(name, net, &graph);
    let optimized = Executable::new(graph.clone());
    for batch in [3, 1] {
        let x = Tensor::randn([batch, c, h, w], DType::F32, &mut Generator::new(batch as u64));
        let want = net.forward(x.clone(), &Pass::eval()).to_vec::<f32>();
        let got = graph.run(std::slice::from_ref(&x))[0].to_vec::<f32>();
        let same = want.iter().zip(&got).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same && want.len() == got.len(), "{name}: other bits for {batch} samples");
        let largest = want.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        assert!(largest.is_finite() && largest > 0.0, "{name}: {largest}");
        let (fast, most) = optimized.run_measured(&[x]).unwrap();
        let arena = optimized.memory_plan(batch).arena;
        assert!(most > 0 && most <= arena, "{name}: {most} bytes in use for {batch} samples, {arena} planned");
        let fast = fast[0].to_vec::<f32>();
        let error = want.iter().zip(&fast).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(error <= 1e-5 * largest, "{name}: optimized off by {error} of {largest} for {batch} samples");
    }
}

#[test]
fn graphs_of_the_zoo_compute_what_the_networks_do() {
    for architecture in zoo::ARCHITECTURES {
        let least = architecture.min_size.unwrap_or(0);
        let [c, h, w] = architecture.input_for([architecture.input[0], least, least]);
        let mut net = architecture.build_for([c, h, w], 7, &mut Generator::blank());
        fill(&mut net);
        check(architecture.name, &*net, [c, h, w]);
    }
}

#[test]
fn graphs_of_text_networks_compute_what_they_do() {
    for word in zoo::text::WORDS {
        let around =
            [("", ""), ("", ", flatten, linear"), ("flatten, ", ", linear"), ("conv 8 3, ", ", flatten, linear")];
        let texts = around.map(|(before, after)| format!("{before}{}{after}", word.example));
        let read = texts.iter().find_map(|text| zoo::text::read(text, [1, 14, 12], 5).ok());
        let (_, plan) = read.unwrap_or_else(|| panic!("'{}' fits no image", word.example));
        let mut net = plan.build(&mut Generator::new(0));
        fill(&mut net);
        check(word.example, &*net, [1, 14, 12]);
    }
}

#[test]
fn graphs_of_own_modules_compute_what_they_do() {
    let rng = &mut Generator::new(0);
    check("own_module", &own_module::Net::new(8, 2, rng), [1, 28, 28]);
    check("own_layer", &own_layer::Net::new(rng), [1, 28, 28]);
    let mut unet = unet::net::UNet::new(3, 4, rng);
    fill(&mut unet);
    check("unet", &unet, [3, 32, 48]);
    let mut detector = own_detector::Detector::new(3, rng).unwrap();
    fill(&mut detector);
    check("own_detector", &detector, [3, 64, 96]);
    let mut segmenter = own_segmenter::Segmenter::new(4, rng).unwrap();
    fill(&mut segmenter);
    check("own_segmenter", &segmenter, [3, 64, 96]);
}

#[test]
fn a_graph_trains_as_the_network_does() {
    let mut net = zoo::find("lenet").unwrap().build(10, &mut Generator::new(0));
    let mut graph = GraphModule::new(capture(&*net, &[1, 1, 32, 32]));
    let x = Tensor::randn([8, 1, 32, 32], DType::F32, &mut Generator::new(1));
    let labels = Tensor::from_vec((0..8i64).collect(), [8]);
    let criterion = CrossEntropyLoss::new();
    let (mut one, mut other) = (Adam::new(1e-3), Adam::new(1e-3));
    for step in 0..3 {
        let pass = Pass::train(step);
        let a = criterion.forward(net.forward(x.clone(), &pass), &labels);
        let b = criterion.forward(graph.forward(x.clone(), &pass), &labels);
        assert_eq!(a.item::<f32>().to_bits(), b.item::<f32>().to_bits(), "step {step}");
        one.step(&mut net, &a.backward());
        other.step(&mut graph, &b.backward());
    }
}

#[test]
fn an_executable_gives_the_same_bits_on_any_number_of_threads() {
    for name in ["resnet18", "mobilenet-v2", "efficientnet-b0", "convnext-tiny"] {
        let architecture = zoo::find(name).expect("it is in the zoo");
        let mut net = architecture.build_for([3, 224, 224], 7, &mut Generator::blank());
        fill(&mut net);
        for batch in [1, 3] {
            let x = Tensor::randn([batch, 3, 224, 224], DType::F32, &mut Generator::new(1));
            let run = Executable::of(&*net, x.shape());
            let on = |threads: usize| {
                let settings = ComputeSettings { threads: Some(threads), ..ComputeSettings::current() };
                settings.scope(|| run.forward(x.clone())).to_vec::<f32>()
            };
            let one = on(1);
            for threads in [2, 5] {
                assert_eq!(on(threads), one, "{name} on {threads} threads");
            }
            let want = net.forward(x.clone(), &Pass::eval()).to_vec::<f32>();
            let largest = want.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            let error = want.iter().zip(&one).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(error <= 1e-5 * largest, "{name}: off by {error} of {largest}");
        }
    }
}
