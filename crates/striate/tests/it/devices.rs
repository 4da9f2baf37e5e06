//! A whole training away from the CPU's kernels: on the reference device, whose loops are plain.

use striate::nn::Ema;
use striate::prelude::*;
use striate::zoo::find;

/// LeNet of the zoo, with batch normalization before it and dropout before its last layer.
#[derive(Module)]
struct Net {
    norm: BatchNorm2d,
    lenet: Box<dyn Classifier>,
    dropout: Dropout,
}

impl Net {
    fn new() -> Net {
        let lenet = find("lenet").expect("it is in the zoo").build(10, &mut Generator::new(0));
        Net { norm: BatchNorm2d::new(1), lenet, dropout: Dropout::new(0.25) }
    }
}

impl Forward for Net {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let features = self.lenet.features(self.norm.forward(x, pass), pass);
        self.lenet.head(self.dropout.forward(features, pass), pass)
    }
}

/// The losses of a training on a device, then those of its average of weights in evaluation.
fn train(device: Device) -> Vec<f32> {
    let rng = &mut Generator::new(1);
    let images = Tensor::randn([12, 1, 32, 32], DType::F32, rng).to(device);
    let labels = Tensor::from_vec((0..12).map(|i| i % 10).collect::<Vec<i64>>(), [12]).to(device);
    let mut net = Net::new();
    net.to(device);
    let (mut optimizer, mut passes) = (Adam::new(2e-3), Passes::new(&net, 3));
    let mut average = Ema::new(&net, 0.8);
    let criterion = CrossEntropyLoss::new();
    let mut losses = Vec::new();
    for _ in 0..6 {
        let loss = criterion.forward(net.forward(images.clone(), &passes.train()), &labels);
        assert_eq!(loss.device(), device);
        losses.push(loss.item::<f32>());
        optimizer.step(&mut net, &loss.backward());
        average.update(&net);
    }
    average.swap(&mut net);
    let logits = net.forward(images, &Pass::eval());
    losses.push(criterion.forward(logits.clone(), &labels).item::<f32>());
    losses.push(logits.argmax(1, false).eq(&labels).sum_all().item::<i64>() as f32);
    assert!(net.named_parameters().iter().all(|(_, p)| p.value().device() == device));
    losses
}

#[test]
fn a_training_runs_away_from_the_cpu_to_the_same_loss() {
    let (here, there) = (train(Device::Cpu), train(Device::Reference));
    assert!(here[5] < here[0], "{here:?}");
    for (step, (a, b)) in here.iter().zip(&there).enumerate() {
        assert!((a - b).abs() <= 1e-4 * a.abs().max(1.0), "step {step}: {a} here, {b} there");
    }
}
