//! mnist-net with Burn's flex backend.

use crate::{Settings, Times};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Int, Tensor};

#[derive(Module, Debug)]
struct Net {
    conv1: Conv2d,
    conv2: Conv2d,
    pool: MaxPool2d,
    fc1: Linear,
    dropout2: Dropout,
    fc2: Linear,
}

impl Net {
    fn new(device: &Device) -> Self {
        Net {
            conv1: Conv2dConfig::new([1, 32], [3, 3]).init(device),
            conv2: Conv2dConfig::new([32, 64], [3, 3]).init(device),
            pool: MaxPool2dConfig::new([2, 2]).init(),
            fc1: LinearConfig::new(9216, 128).init(device),
            dropout2: DropoutConfig::new(0.5).init(),
            fc2: LinearConfig::new(128, 10).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>, train: bool) -> Tensor<2> {
        let x = relu(self.conv1.forward(x));
        let mut x = self.pool.forward(relu(self.conv2.forward(x)));
        if train {
            // Dropout of whole channels.
            let [n, c, ..] = x.dims();
            let mask = Tensor::<4>::random([n, c, 1, 1], Distribution::Bernoulli(0.75), &x.device());
            x = x * (mask / 0.75);
        }
        let x = relu(self.fc1.forward(x.flatten(1, 3)));
        self.fc2.forward(self.dropout2.forward(x))
    }
}

pub fn measure(settings: &Settings) -> Times {
    let plain = Device::flex();
    let device = plain.clone().autodiff();
    let n = settings.batch;
    let images = Tensor::<4>::random([n, 1, 28, 28], Distribution::Normal(0.0, 1.0), &device);
    let labels: Vec<i64> = (0..n as i64).map(|i| i * 7 % 10).collect();
    let labels = Tensor::<1, Int>::from_data(labels.as_slice(), &device);
    let criterion = CrossEntropyLossConfig::new().init(&device);
    let mut optimizer = AdamConfig::new().init();
    let mut net = Some(Net::new(&device));
    let train_ms = settings.time(|| {
        let current = net.take().expect("the network comes back from each step");
        let loss = criterion.forward(current.forward(images.clone(), true), labels.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &current);
        net = Some(optimizer.step(1e-3, current, gradients));
    });
    let net = net.expect("the network comes back from each step").valid();
    let images = Tensor::<4>::random([n, 1, 28, 28], Distribution::Normal(0.0, 1.0), &plain);
    let infer_ms = settings.time(|| {
        std::hint::black_box(net.forward(images.clone(), false).into_data());
    });
    Times { train_ms, infer_ms }
}
