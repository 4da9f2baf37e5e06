//! Networks for detection and segmentation against the same in plain PyTorch: names and sizes, initial values, multiply-adds, outputs, input gradients, and running
//! statistics.

use super::fixtures::{Case, Tolerance, for_each_case};
use super::nets::{compare_sums, hashed, stored};
use super::zoo::{check_initial_values, check_sizes, fill, in_f64, run, running_sums};
use striate::isa::{Isa, isa};
use striate::prelude::*;
use striate::zoo::{Description, Output};

const CLASSES: usize = 5;

fn build(case: &Case) -> Box<dyn Forward> {
    let description = Description::of(&case.name).expect("a network");
    let blueprint = description.blueprint([3, 64, 64], CLASSES).expect("a network");
    assert_ne!(blueprint.output(), Output::Classes, "{}", case.name);
    blueprint.build(&mut Generator::new(0))
}

/// As for ready networks: in `f64` both must be PyTorch's to `f32`'s precision, in `f32` the outputs in evaluation near it.
#[test]
fn dense_networks() {
    for_each_case("dense_nets", |case| {
        if Some(&isa()) != Isa::available().last() {
            return Ok(());
        }
        let mut net = build(case);
        check_sizes(case, &*net)?;
        check_initial_values(case, &*net)?;
        fill(&mut net);
        let shape = case.sizes("input");
        let input = Tensor::from_vec(hashed(0, &shape), shape);
        let (eval, train) = (Pass::eval(), Pass::train(0).dropout_scale(0.0));
        let output = net.forward(input.clone(), &eval);
        if output.shape() != case.sizes("output") {
            return Err(format!("{}: gives {:?}", case.name, output.shape()));
        }
        let (key, sample) = stored(case, "eval.output", &output);
        case.compare(&key, &sample, Tolerance::of_largest(1e-4))?;
        in_f64(&mut net);
        let input = input.to_dtype(DType::F64);
        for (mode, pass) in [("eval", eval), ("train", train)] {
            let (output, grad) = run(&*net, &input, &pass);
            for (name, got) in [(format!("{mode}.output"), output), (format!("{mode}.grad"), grad)] {
                let (key, sample) = stored(case, &name, &got);
                case.compare(&key, &sample, Tolerance::of_largest(1e-6))?;
                compare_sums(case, &name, &got, 1e-6)?;
            }
        }
        let sums = running_sums(&*net);
        case.compare("train.running", &Tensor::from_slice(&sums, [sums.len()]), Tolerance::of_largest(1e-6))
    });
}
