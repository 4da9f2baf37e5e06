//! Every [`Op`], as the fixtures name it: against PyTorch, on the reference device too, and against central differences. A new op needs a case in a script of
//! fixtures, and no line here.

use super::fixtures::{Case, Inputs, Run, cases_of_ops, for_each};
use std::collections::HashSet;
use striate::Op;
use striate::prelude::*;

/// The most elements that central differences are taken of.
const FEW: usize = 340;

fn run(case: &Case) -> &Run {
    case.run.as_ref().expect("a case of an op")
}

/// Fixtures hold truth values as whole numbers.
fn result(run: &Run, operands: Vec<Tensor>) -> Tensor {
    let y = run.op.apply(operands).swap_remove(0);
    if y.dtype() == DType::U8 { y.to_dtype(DType::I64) } else { y }
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
