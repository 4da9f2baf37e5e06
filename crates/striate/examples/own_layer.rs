//! A layer of your own with a backward pass of your own: Swish with a trained slope, x · sigmoid(β x) (Ramachandran et al., 2017).
//!
//! `cargo run --release --example own_layer -p striate -- [STEPS]` trains for 100 steps by default.

use std::error::Error;
use striate::data::mnist;
use striate::prelude::*;

/// `y = x · s` with `s = sigmoid(β x)`, where β has one element. Then dy/dx = s + β x s (1 − s) and dy/dβ = x² s (1 − s).
fn swish(x: &Tensor, beta: &Tensor) -> Tensor {
    let (x0, beta0) = (x.detach(), beta.detach());
    let s = (&x0 * &beta0).sigmoid();
    let y = &x0 * &s;
    Tensor::custom("swish", [x, beta], y, move |grad, [to_x, to_beta]| {
        let slope = &s * (-s.clone() + 1.0);
        let to_x = to_x.then(|| &grad * (&s + &x0 * &beta0 * &slope));
        let to_beta = to_beta.then(|| (grad * x0.square() * slope).sum_all().reshape([1]));
        [to_x, to_beta]
    })
}

/// The layer: a parameter, and an op that uses it.
#[derive(Module)]
struct Swish {
    beta: Parameter,
}

impl Swish {
    fn new() -> Self {
        Swish { beta: Parameter::new(Tensor::ones([1], DType::F32)) }
    }
}

impl Forward for Swish {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        swish(&x, &self.beta.tensor(pass))
    }
}

/// A network with it.
#[derive(Module)]
pub struct Net {
    conv: Conv2d,
    swish: Swish,
    fc: Linear,
}

impl Net {
    /// For 28×28 grey images.
    pub fn new(rng: &mut Generator) -> Self {
        Net { conv: Conv2d::new(1, 8, 3, rng), swish: Swish::new(), fc: Linear::new(8 * 13 * 13, 10, rng) }
    }
}

impl Forward for Net {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.swish.forward(self.conv.forward(x, pass), pass).max_pool2d(2);
        self.fc.forward(x.flatten(1, -1), pass)
    }
}

/// Checks the backward pass, trains for `steps` steps and gives the last loss and the trained β.
pub fn run(steps: usize) -> Result<(f32, f32), Box<dyn Error>> {
    // Before anything else: does the backward pass give the slope of the forward pass?
    let rng = &mut Generator::new(0);
    let x = Tensor::randn([2, 3, 4, 4], DType::F64, rng);
    let beta = Tensor::from_vec(vec![0.7f64], [1]);
    gradcheck(|t| swish(&t[0], &t[1]), &[x, beta])?;
    println!("the gradient is right");

    let mut net = Net::new(rng);
    let (mut optimizer, mut passes) = (Adam::new(0.003), Passes::new(&net, 0));
    let mut last = f32::NAN;
    for batch in DataLoader::new(mnist()?.train, 100).shuffle(0).epoch(0).take(steps) {
        let batch = batch?;
        let logits = net.forward(batch.images, &passes.train());
        let loss = CrossEntropyLoss::new().forward(logits, &batch.targets);
        last = loss.item();
        optimizer.step(&mut net, &loss.backward());
    }
    let beta = net.swish.beta.value().item();
    println!("after {steps} steps: loss {last:.3}, beta {beta:.3}");
    Ok((last, beta))
}

fn main() -> Result<(), Box<dyn Error>> {
    run(std::env::args().nth(1).map_or(Ok(100), |a| a.parse())?)?;
    Ok(())
}
