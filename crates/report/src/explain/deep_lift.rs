//! DeepLIFT by the rescale rule (Shrikumar et al., 2017), as Captum's `DeepLift` computes it. Through max pooling, where Captum's attributions do not sum to the
//! difference (0.9.0), these do.

use super::network::Network;
use super::target::Aim;
use std::collections::VecDeque;
use striate_tensor::op::Unary;
use striate_tensor::{Op, Tensor};

/// Where an input differs from its baseline by less, the gradient stands for the quotient of the differences.
const LEAST: f64 = 1e-10;

/// How an op's gradient is replaced.
enum Rule {
    /// By the quotient of the differences of output and input, element by element.
    Rescale,
    /// As that, with the differences moved to where the maxima were.
    MaxPool,
}

fn rule(op: &Op) -> Option<Rule> {
    match op {
        Op::Unary(Unary::Neg | Unary::AddScalar(_) | Unary::MulScalar(_)) => None,
        Op::Unary(_) | Op::Prelu => Some(Rule::Rescale),
        Op::MaxPool2d { .. } | Op::AdaptiveMaxPool2d { .. } => Some(Rule::MaxPool),
        _ => None,
    }
}

/// The first operand of an op with a rule, and its output.
struct Seen {
    input: Tensor,
    output: Tensor,
}

/// The gradient of `op` at `x` for the gradient `g` of its output.
fn gradient(op: &Op, x: &Tensor, others: &[Tensor], g: Tensor) -> Tensor {
    let x = x.detach().requires_grad();
    let y = op.apply([vec![x.clone()], others.to_vec()].concat()).swap_remove(0);
    let found = y.backward_with(g).get(&x);
    found.unwrap_or_else(|| Tensor::full_like(&x, 0.0))
}

/// `quotient` where the inputs differ, else the plain gradient.
fn divided(numerator: Tensor, difference: &Tensor, plain: Tensor) -> Tensor {
    let same = difference.clone().abs().lt(LEAST);
    same.where_(plain, numerator / difference)
}

/// How far each number of the image, compared with that of the baseline, brings the target from its value for the baseline to that for the image. Products and
/// normalizations of two values that both depend on the image have their plain gradients, so that attributions may not sum to the difference.
pub(crate) fn deep_lift(network: &Network, x: &Tensor, baseline: &Tensor, aim: &Aim) -> Vec<f32> {
    let mut seen = VecDeque::new();
    network.forward_by(baseline.detach(), |op, operands| {
        let input = rule(op).map(|_| operands[0].clone());
        let outputs = op.apply(operands);
        seen.extend(input.map(|input| Seen { input, output: outputs[0].clone() }));
        outputs
    });
    let x = x.detach().requires_grad();
    let outputs = network.forward_by(x.clone(), |op, operands| {
        let Some(rule) = rule(op) else { return op.apply(operands) };
        let at_baseline = seen.pop_front().expect("both passes run the same ops");
        let (input, others) = (operands[0].clone(), operands[1..].to_vec());
        let plain: Vec<Tensor> = operands.iter().map(Tensor::detach).collect();
        let y = op.apply(plain).swap_remove(0);
        let (op, own, output) = (op.clone(), input.detach(), y.clone());
        let changed = move |g: Tensor, _: [bool; 1]| {
            let Seen { input: base, output: base_output } = at_baseline;
            let difference = own.clone() - &base;
            let numerator = match rule {
                Rule::Rescale => g.clone() * (output - &base_output),
                Rule::MaxPool => {
                    let most = output.clone().maximum(base_output.clone());
                    gradient(&op, &own, &others, g.clone() * (most.clone() - &base_output))
                        + gradient(&op, &base, &others, g.clone() * (output - &most))
                }
            };
            [Some(divided(numerator, &difference, gradient(&op, &own, &others, g)))]
        };
        vec![Tensor::custom("deep_lift", [&input], y, changed)]
    });
    let value = aim.values(outputs).sum_all();
    let multipliers = if value.has_grad() { value.backward().get(&x) } else { None };
    let multipliers = multipliers.unwrap_or_else(|| Tensor::full_like(&x, 0.0));
    (multipliers * (x.detach() - baseline)).to_vec()
}
