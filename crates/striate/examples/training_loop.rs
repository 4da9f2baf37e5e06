//! The training loop written out by hand: the tutorial's net on the built-in MNIST.
//!
//! `cargo run --release --example training_loop -p striate -- [EPOCHS [STEPS]]` trains for 1 epoch of 600 steps by default.

use std::error::Error;
use striate::data::mnist;
use striate::prelude::*;
use striate::zoo::MnistNet;

/// Trains for `epochs` of at most `steps` steps, and gives the fraction of at most `steps` test batches that is right in the end.
pub fn train(epochs: usize, steps: usize) -> Result<f64, Box<dyn Error>> {
    let data = mnist()?;
    let to_input = || Compose::new().then(ToTensor).then(Normalize::new([0.1307], [0.3081]));
    let train = DataLoader::new(data.train.with_transform(to_input()), 100).shuffle(0).workers(1);
    let test = DataLoader::new(data.test.with_transform(to_input()), 250).workers(1);

    let mut net = MnistNet::new(10, &mut Generator::new(0));
    let mut optimizer = Adam::new(0.001);
    let criterion = CrossEntropyLoss::new();
    let mut passes = Passes::new(&net, 0);

    let mut step = 0;
    let mut accuracy = 0.0;
    for epoch in 0..epochs {
        for batch in train.epoch(epoch).take(steps) {
            let batch = batch?;
            let logits = net.forward(batch.images, &passes.train());
            let loss = criterion.forward(logits, &batch.targets);
            step += 1;
            if step % 100 == 0 {
                println!("epoch {}, step {step}: loss {:.4}", epoch + 1, loss.item::<f32>());
            }
            optimizer.step(&mut net, &loss.backward());
        }

        let (mut right, mut seen) = (0, 0);
        for batch in test.epoch(0).take(steps) {
            let batch = batch?;
            let predicted = net.forward(batch.images, &Pass::eval()).argmax(1, false);
            let labels = batch.targets.to_vec::<i64>();
            right += predicted.to_vec::<i64>().iter().zip(&labels).filter(|(p, l)| p == l).count();
            seen += labels.len();
        }
        accuracy = right as f64 / seen as f64;
        println!("epoch {}: {right} of {seen} test images right ({:.2}%)", epoch + 1, 100.0 * accuracy);
    }
    Ok(accuracy)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|a| a.parse::<usize>());
    let epochs = numbers.next().unwrap_or(Ok(1))?;
    let steps = numbers.next().unwrap_or(Ok(usize::MAX))?;
    train(epochs, steps)?;
    Ok(())
}
