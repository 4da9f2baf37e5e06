//! A U-Net with batch normalization, trained on random images: what each pixel belongs to is its class.
//!
//! `cargo run --release --example unet`

pub mod net;

use net::UNet;
use striate::prelude::*;

/// The losses of some steps on one batch of random images of `size`×`size`, whose bright pixels are to be found.
pub fn run(batch: usize, size: usize, steps: u64) -> Vec<f32> {
    let rng = &mut Generator::new(0);
    let mut net = UNet::new(3, 2, rng);
    let images = Tensor::randn([batch, 3, size, size], DType::F32, rng);
    let labels = images.clone().sum(&[1]).gt(0.0).to_dtype(DType::I64);
    let (mut optimizer, mut passes) = (Adam::new(1e-3), Passes::new(&net, 0));
    let step = |_| {
        let logits = net.forward(images.clone(), &passes.train());
        let loss = CrossEntropyLoss::new().forward(logits, &labels);
        let value = loss.item();
        optimizer.step(&mut net, &loss.backward());
        value
    };
    (0..steps).map(step).collect()
}

fn main() {
    println!("loss: {:?}", run(8, 128, 3));
}
