//! A data set of your own: shapes that are drawn when they are asked for, and a small net that tells them apart.
//!
//! `cargo run --release --example own_dataset -p striate -- [IMAGES]` trains on 4,000 images by default.

use std::error::Error;
use striate::data::DataError;
use striate::prelude::*;

const SIZE: usize = 16;
const CLASSES: [&str; 3] = ["disc", "square", "cross"];

/// Noisy images of a disc, a square or a cross. Sample `i` is always the same image.
struct Shapes {
    len: usize,
    seed: u64,
}

impl Dataset for Shapes {
    type Item = Sample;

    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        if index >= self.len {
            return Err(DataError::Index { index, len: self.len });
        }
        // Random numbers by (seed, index): the order in which samples are asked for, and by how many threads, changes nothing.
        let mut rng = Generator::keyed([self.seed, index as u64, 0, 0]);
        let label = index % CLASSES.len();
        let mut between = |low: f64, high: f64| low + (high - low) * rng.uniform();
        let (radius, x0, y0) = (between(3.0, 5.0), between(5.0, 10.0), between(5.0, 10.0));
        let inside = |x: f64, y: f64| match label {
            0 => x * x + y * y <= radius * radius,
            1 => x.abs().max(y.abs()) <= 0.85 * radius,
            _ => x.abs().min(y.abs()) <= 1.0 && x.abs().max(y.abs()) <= radius,
        };
        let mut values = Vec::with_capacity(SIZE * SIZE);
        for y in 0..SIZE {
            for x in 0..SIZE {
                let ink = inside(x as f64 - x0, y as f64 - y0) as u8 as f64;
                values.push((ink + 0.2 * rng.normal()) as f32);
            }
        }
        Ok(Sample { image: Tensor::from_vec(values, [1, SIZE, SIZE]), target: label.into() })
    }
}

/// Trains on `images` images and gives the fraction of 600 others that is right.
pub fn run(images: usize) -> Result<f64, Box<dyn Error>> {
    let rng = &mut Generator::new(0);
    let mut net = Sequential::new()
        .add(Conv2d::new(1, 8, 5, rng))
        .add(ReLU)
        .add(MaxPool2d::new(2))
        .add(Flatten::default())
        .add(Linear::new(8 * 6 * 6, CLASSES.len(), rng));
    let mut optimizer = Adam::new(0.01);
    let train = DataLoader::new(Shapes { len: images, seed: 1 }, 50).shuffle(0).workers(2);
    let mut passes = Passes::new(&net, 0);
    for epoch in 0..5 {
        let mut last = 0.0;
        for batch in train.epoch(epoch) {
            let batch = batch?;
            let logits = net.forward(batch.images, &passes.train());
            let loss = CrossEntropyLoss::new().forward(logits, &batch.targets);
            last = loss.item::<f32>();
            optimizer.step(&mut net, &loss.backward());
        }
        println!("epoch {}: last loss {last:.3}", epoch + 1);
    }

    let batch = Shapes { len: 600, seed: 2 }.batch(&(0..600).collect::<Vec<_>>())?;
    let predicted = net.forward(batch.images, &Pass::eval()).argmax(1, false).to_vec::<i64>();
    for (class, name) in CLASSES.iter().enumerate() {
        let right = predicted.iter().skip(class).step_by(CLASSES.len()).filter(|&&p| p == class as i64).count();
        println!("{name}: {right} of 200 right");
    }
    let labels = batch.targets.to_vec::<i64>();
    Ok(predicted.iter().zip(&labels).filter(|(p, l)| p == l).count() as f64 / 600.0)
}

fn main() -> Result<(), Box<dyn Error>> {
    run(std::env::args().nth(1).map_or(Ok(4000), |a| a.parse())?)?;
    Ok(())
}
