//! Writes a network of the zoo as ONNX, and images with their logits beside it: Striate's side of `scripts/onnx_zoo.py`.
//!
//! `onnx_zoo list` names the networks and the sizes of their images; `onnx_zoo NAME HEIGHT WIDTH OPSET FOLDER` writes `model.onnx` and `io.npz`.

use std::path::Path;
use striate::formats::npz;
use striate::graph::capture;
use striate::nn::EntryMut;
use striate::onnx::{ExportOptions, Model};
use striate::prelude::*;
use striate::zoo::{ARCHITECTURES, find};

/// Running statistics as training leaves them: fresh ones would hide a mistake.
fn fill_statistics(net: &mut dyn Module, rng: &mut Generator) {
    net.visit_mut("", &mut |name, entry| {
        if let EntryMut::Buffer(b) = entry
            && b.value().dtype().is_float()
        {
            let noise = Tensor::rand(b.value().shape_value(), DType::F32, rng);
            b.set(if name.ends_with("var") { noise + 0.5 } else { noise * 0.2 - 0.1 });
        }
    });
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [name, height, width, opset, folder] = words[..] else {
        for a in ARCHITECTURES {
            let [c, h, w] = a.input;
            println!("{} {h} {w}", a.name);
            let other = [c, h * 8 / 7, w * 6 / 7];
            if a.takes(other) {
                println!("{} {} {}", a.name, other[1], other[2]);
            }
        }
        return;
    };
    let number = |text: &str| text.parse::<usize>().unwrap_or_else(|_| panic!("{text} is no number"));
    let architecture = find(name).unwrap_or_else(|| panic!("there is no network {name}"));
    let rng = &mut Generator::new(0);
    let [c, h, w] = [architecture.input[0], number(height), number(width)];
    let mut net = architecture.build_for([c, h, w], 1000, rng);
    fill_statistics(&mut net, rng);
    let options = ExportOptions { opset: number(opset) as i64, ..ExportOptions::default() };
    let model = Model::of_graph(&capture(&*net, &[1, c, h, w]), &options).unwrap_or_else(|e| panic!("{e}"));
    let folder = Path::new(folder);
    model.write(&folder.join("model.onnx")).unwrap_or_else(|e| panic!("{e}"));
    let mut arrays = StateDict::new();
    for batch in [1, 3] {
        let x = Tensor::randn([batch, c, h, w], DType::F32, rng);
        arrays.insert(format!("y{batch}"), net.forward(x.clone(), &Pass::eval()));
        arrays.insert(format!("x{batch}"), x);
    }
    npz::write(&folder.join("io.npz"), &arrays).unwrap_or_else(|e| panic!("{e}"));
}
