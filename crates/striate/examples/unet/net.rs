//! The network: U-Net with batch normalization.

use striate::prelude::*;

/// Two 3×3 convolutions that keep the size, each with batch normalization and ReLU.
#[derive(Module)]
struct DoubleConv {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
}

impl DoubleConv {
    fn new(from: usize, to: usize, rng: &mut Generator) -> Self {
        let mut conv = |from| Conv2d::options(from, to, 3).padding(1).bias(false).build(rng);
        DoubleConv { conv1: conv(from), bn1: BatchNorm2d::new(to), conv2: conv(to), bn2: BatchNorm2d::new(to) }
    }
}

impl Forward for DoubleConv {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.bn1.forward(self.conv1.forward(x, pass), pass).relu();
        self.bn2.forward(self.conv2.forward(x, pass), pass).relu()
    }
}

/// Twice to half the size and twice back, each time joined with what had that size before (Ronneberger et al., 2015). Takes
/// `[n, in, h, w]`, h and w multiples of 4, and gives `[n, classes, h, w]`.
#[derive(Module)]
pub struct UNet {
    down1: DoubleConv,
    down2: DoubleConv,
    bottom: DoubleConv,
    up2: ConvTranspose2d,
    conv2: DoubleConv,
    up1: ConvTranspose2d,
    conv1: DoubleConv,
    head: Conv2d,
}

impl UNet {
    /// 32, 64 and 128 channels at the three sizes.
    pub fn new(in_channels: usize, classes: usize, rng: &mut Generator) -> Self {
        UNet {
            down1: DoubleConv::new(in_channels, 32, rng),
            down2: DoubleConv::new(32, 64, rng),
            bottom: DoubleConv::new(64, 128, rng),
            up2: ConvTranspose2d::options(128, 64, 2).stride(2).build(rng),
            conv2: DoubleConv::new(128, 64, rng),
            up1: ConvTranspose2d::options(64, 32, 2).stride(2).build(rng),
            conv1: DoubleConv::new(64, 32, rng),
            head: Conv2d::new(32, classes, 1, rng),
        }
    }
}

impl Forward for UNet {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let large = self.down1.forward(x, pass);
        let middle = self.down2.forward(large.clone().max_pool2d(2), pass);
        let small = self.bottom.forward(middle.clone().max_pool2d(2), pass);
        let x = Tensor::cat(&[middle, self.up2.forward(small, pass)], 1);
        let x = self.conv2.forward(x, pass);
        let x = Tensor::cat(&[large, self.up1.forward(x, pass)], 1);
        self.head.forward(self.conv1.forward(x, pass), pass)
    }
}
