//! Every [`Op`], as the fixtures name it: against PyTorch, on the reference device too, and against central differences. A new op needs a case in a script of
//! fixtures, and no line here.

use super::fixtures::{Case, Inputs, Run, Tolerance, cases_of_ops, compare, for_each};
use std::collections::HashSet;
use std::convert::Infallible;
use std::path::Path;
use striate::graph::capture_with;
use striate::onnx::{ExportOptions, Model, Network};
use striate::prelude::*;
use striate::tensor::op::Activation;
use striate::{Op, Spec};

/// The most elements that central differences are taken of.
const FEW: usize = 340;

fn run(case: &Case) -> &Run {
    case.run.as_ref().expect("a case of an op")
}

/// Fixtures hold truth values as whole numbers.
fn without_truth_values(y: Tensor) -> Tensor {
    if y.dtype() == DType::U8 { y.to_dtype(DType::I64) } else { y }
}

fn result(run: &Run, operands: Vec<Tensor>) -> Tensor {
    without_truth_values(run.op.apply(operands).swap_remove(0))
}

fn operands(case: &Case, t: &Inputs) -> Vec<Tensor> {
    run(case).operands.iter().map(|name| t.get(name)).collect()
}

#[test]
fn agree_with_pytorch() {
    for_each("ops", &cases_of_ops(), |case| {
        let run = run(case);
        case.check_both(run.values, run.gradients, |t| result(run, operands(case, t)))
    });
}

/// Values of the plain loops, too.
#[test]
fn the_reference_agrees_with_pytorch() {
    for case in cases_of_ops() {
        let run = run(&case);
        let there = run.operands.iter().map(|name| case.tensor(name).to(Device::Reference)).collect();
        let y = result(run, there).to(Device::Cpu);
        case.compare("output", &y, run.values).unwrap_or_else(|e| panic!("{}: {e}", run.op.name()));
    }
}

#[test]
fn gradients_are_the_slopes() {
    let mut checked = HashSet::new();
    let mut wanted = HashSet::new();
    for case in cases_of_ops() {
        let run = run(&case);
        let differentiable = |name: &&String| case.find(&format!("grad.{name}")).is_some();
        let leaves: Vec<&String> = run.operands.iter().filter(differentiable).collect();
        if leaves.is_empty() {
            continue;
        }
        wanted.insert(run.op.variant());
        let inputs: Vec<Tensor> = leaves.iter().map(|name| case.tensor(name).to_dtype(DType::F64)).collect();
        if !run.smooth || inputs.iter().map(Tensor::numel).sum::<usize>() > FEW || matches!(run.op, Op::Cast { .. }) {
            continue;
        }
        let f = |t: &[Tensor]| {
            let operand = |name: &String| match leaves.iter().position(|leaf| *leaf == name) {
                Some(i) => t[i].clone(),
                None => match case.tensor(name) {
                    x if x.dtype() == DType::F32 => x.to_dtype(DType::F64),
                    x => x,
                },
            };
            run.op.apply(run.operands.iter().map(operand).collect()).swap_remove(0)
        };
        gradcheck(f, &inputs).unwrap_or_else(|e| panic!("{} {}: {e}", run.op.name(), case.name));
        checked.insert(run.op.variant());
    }
    wanted.retain(|variant| !checked.contains(variant) && !variant.contains("Cast"));
    assert!(wanted.is_empty(), "{wanted:?} have no smooth case of at most {FEW} elements");
}

/// Each op in an ONNX file and read again. What has no form there is refused by name.
#[test]
fn onnx_files_hold_the_ops() {
    let (mut written, mut refused, mut failures) = (HashSet::new(), HashSet::new(), Vec::new());
    for case in cases_of_ops() {
        let run = run(&case);
        let name = format!("{} {}", run.op.name(), case.name);
        let operands: Vec<Tensor> = run.operands.iter().map(|name| case.tensor(name)).collect();
        let inputs: Vec<(&str, Spec)> =
            run.operands.iter().map(String::as_str).zip(operands.iter().map(Tensor::spec)).collect();
        let graph =
            capture_with(&Identity {}, &inputs, |x, _| Ok::<_, Infallible>(vec![run.op.apply(x).swap_remove(0)]));
        let Ok(graph) = graph;
        let model = match Model::of_graph(&graph, &ExportOptions::default()) {
            Ok(model) => model,
            Err(e) => {
                assert!(e.to_string().contains(run.op.name()), "{name}: {e}");
                refused.insert(run.op.variant());
                continue;
            }
        };
        let read = Network::of_model(model, Path::new("ops.onnx")).map_err(|e| e.to_string());
        let got = read.and_then(|network| network.run(operands.clone(), &Pass::eval()).map_err(|e| e.to_string()));
        let want = result(run, operands);
        let tolerance = Tolerance { relative: 1e-5, of_largest: 1e-5 };
        if let Err(e) = got.and_then(|mut got| compare(&without_truth_values(got.swap_remove(0)), &want, tolerance)) {
            failures.push(format!("{name}: {e}"));
        }
        written.insert(run.op.variant());
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
    let of_training = ["BatchNormStats", "CrossEntropy", "IndexAdd", "IsFinite"];
    refused
        .retain(|variant: &&str| !written.contains(variant) && !of_training.iter().any(|name| variant.contains(name)));
    assert!(refused.is_empty(), "no file holds {refused:?}");
}

/// Gradients have their op's cases; fused convolutions belong to captured graphs.
#[test]
fn every_op_has_a_case() {
    let cases = cases_of_ops();
    let tested: HashSet<&str> = cases.iter().map(|case| run(case).op.variant()).collect();
    let missing: Vec<&str> = Op::VARIANTS.iter().map(|(variant, _)| *variant).filter(|v| !tested.contains(v)).collect();
    let is_apart = |v: &str| ["Grad", "FusedConv2d", "ConvChain"].iter().any(|name| v.contains(name));
    let missing: Vec<&&str> = missing.iter().filter(|v| !is_apart(v)).collect();
    assert!(missing.is_empty(), "no fixture has a case of {missing:?}");
}

#[test]
fn every_activation_has_a_case() {
    let cases = cases_of_ops();
    let tested: HashSet<&str> = cases.iter().map(|case| run(case).op.name()).collect();
    let missing: Vec<&str> =
        Activation::SAMPLES.iter().map(|a| a.name()).filter(|name| !tested.contains(name)).collect();
    assert!(missing.is_empty(), "no fixture has a case of {missing:?}");
}
