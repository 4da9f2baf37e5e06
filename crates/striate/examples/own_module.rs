//! A network of your own with a block of your own in it: residual blocks (He et al., 2016) on the built-in MNIST.
//!
//! `cargo run --release --example own_module -p striate -- [STEPS]` trains for 100 steps by default.

use std::error::Error;
use striate::data::mnist;
use striate::graph::{Summary, capture};
use striate::prelude::*;

/// Two convolutions with batch normalization, around which the input goes unchanged.
#[derive(Module)]
struct Block {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
}

impl Block {
    fn new(channels: usize, rng: &mut Generator) -> Self {
        let mut conv = || Conv2d::options(channels, channels, 3).padding(1).bias(false).build(rng);
        let (conv1, conv2) = (conv(), conv());
        Block { conv1, bn1: BatchNorm2d::new(channels), conv2, bn2: BatchNorm2d::new(channels) }
    }
}

impl Forward for Block {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let y = self.bn1.forward(self.conv1.forward(x.clone(), pass), pass).relu();
        let y = self.bn2.forward(self.conv2.forward(y, pass), pass);
        (y + x).relu()
    }
}

/// Any type whose fields are modules is a module: layers, blocks, a `Vec` of blocks, plain settings.
#[derive(Module)]
pub struct Net {
    stem: Conv2d,
    blocks: Vec<Block>,
    head: Linear,
}

impl Net {
    /// For 28×28 grey images.
    pub fn new(channels: usize, blocks: usize, rng: &mut Generator) -> Self {
        Net {
            stem: Conv2d::options(1, channels, 3).padding(1).build(rng),
            blocks: (0..blocks).map(|_| Block::new(channels, rng)).collect(),
            head: Linear::new(channels * 7 * 7, 10, rng),
        }
    }
}

impl Forward for Net {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.stem.forward(x, pass).relu().max_pool2d(2);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, pass));
        self.head.forward(x.max_pool2d(2).flatten(1, -1), pass)
    }
}

/// Trains for `steps` steps and gives the fraction of 1,000 test images that is right.
pub fn run(steps: usize) -> Result<f64, Box<dyn Error>> {
    let rng = &mut Generator::new(0);
    let mut net = Net::new(16, 2, rng);
    let names: Vec<String> = net.named_parameters().into_iter().map(|(name, _)| name).collect();
    println!("{} parameters: {}", net.num_parameters(), names.join(", "));
    let summary = Summary::of(&capture(&net, &[1, 1, 28, 28]));
    println!("{} multiply-adds for an image", summary.macs);

    let data = mnist()?;
    let (mut optimizer, mut passes) = (Adam::new(0.001), Passes::new(&net, 0));
    for batch in DataLoader::new(data.train, 100).shuffle(0).epoch(0).take(steps) {
        let batch = batch?;
        let logits = net.forward(batch.images, &passes.train());
        let loss = CrossEntropyLoss::new().forward(logits, &batch.targets);
        optimizer.step(&mut net, &loss.backward());
    }

    let batch = data.test.batch(&(0..1000).collect::<Vec<_>>())?;
    let logits = net.forward(batch.images.clone(), &Pass::eval());
    let labels = batch.targets.to_vec::<i64>();
    let right = logits.argmax(1, false).to_vec::<i64>().iter().zip(&labels).filter(|(p, l)| p == l).count();
    println!("after {steps} steps {right} of 1000 test images are right");

    // The state dict holds all numbers by name, running statistics too: another net that loads it is the same net.
    let mut copy = Net::new(16, 2, rng);
    load_state_dict(&mut copy, &state_dict(&net))?;
    let same = copy.forward(batch.images, &Pass::eval());
    assert_eq!(same.to_vec::<f32>(), logits.to_vec::<f32>());
    Ok(right as f64 / 1000.0)
}

fn main() -> Result<(), Box<dyn Error>> {
    run(std::env::args().nth(1).map_or(Ok(100), |a| a.parse())?)?;
    Ok(())
}
