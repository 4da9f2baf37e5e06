//! GoogLeNet (Szegedy et al., 2015, "Going deeper with convolutions"), with batch normalization, as in torchvision.

use striate_nn::{
    AdaptiveAvgPool2d, BatchNorm2d, Classifier, Conv2d, Conv2dBuilder, Dropout, Forward, Linear, MaxPool2d, Module,
    Pass, Sequential, init,
};
use striate_tensor::{Generator, Tensor};

/// The settings of a [`GoogLeNet`], with torchvision's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GoogLeNetOptions {
    /// Channels of the images.
    pub in_channels: usize,
    /// Whether it has the two heads that only help in training.
    pub aux_logits: bool,
    /// Whether images normalized with ImageNet's means and deviations are changed to ones normalized with 0.5 and 0.5, which the authors'
    /// weights take.
    pub transform_input: bool,
    /// The probability with which a feature is zeroed before the last layer.
    pub dropout: f64,
    /// The same before the last layer of the two heads.
    pub dropout_aux: f64,
}

impl Default for GoogLeNetOptions {
    fn default() -> Self {
        GoogLeNetOptions { in_channels: 3, aux_logits: true, transform_input: false, dropout: 0.2, dropout_aux: 0.7 }
    }
}

impl GoogLeNetOptions {
    /// Without the heads that only help in training.
    pub fn plain() -> Self {
        GoogLeNetOptions { aux_logits: false, ..Default::default() }
    }

    /// The network with fresh weights and `classes` outputs.
    ///
    /// # Panics
    /// If `transform_input` is on and `in_channels` is not 3.
    pub fn build(self, classes: usize, rng: &mut Generator) -> GoogLeNet {
        assert!(
            !self.transform_input || self.in_channels == 3,
            "GoogLeNet: transform_input takes images of 3 channels"
        );
        GoogLeNet {
            conv1: BasicConv::new(Conv2d::options(self.in_channels, 64, 7).stride(2).padding(3), STD, rng),
            conv2: BasicConv::new(Conv2d::options(64, 64, 1), STD, rng),
            conv3: BasicConv::new(Conv2d::options(64, 192, 3).padding(1), STD, rng),
            inception3a: Inception::new(192, [64, 96, 128, 16, 32, 32], rng),
            inception3b: Inception::new(256, [128, 128, 192, 32, 96, 64], rng),
            inception4a: Inception::new(480, [192, 96, 208, 16, 48, 64], rng),
            inception4b: Inception::new(512, [160, 112, 224, 24, 64, 64], rng),
            inception4c: Inception::new(512, [128, 128, 256, 24, 64, 64], rng),
            inception4d: Inception::new(512, [112, 144, 288, 32, 64, 64], rng),
            inception4e: Inception::new(528, [256, 160, 320, 32, 128, 128], rng),
            inception5a: Inception::new(832, [256, 160, 320, 32, 128, 128], rng),
            inception5b: Inception::new(832, [384, 192, 384, 48, 128, 128], rng),
            aux1: self.aux_logits.then(|| Aux::new(512, classes, self.dropout_aux, rng)),
            aux2: self.aux_logits.then(|| Aux::new(528, classes, self.dropout_aux, rng)),
            dropout: Dropout::new(self.dropout),
            fc: truncated_linear(1024, classes, STD, rng),
            transform_input: self.transform_input,
        }
    }
}

/// The standard deviation of the initial weights.
const STD: f64 = 0.01;

/// A linear layer with a normal weight and PyTorch's default bias.
pub(crate) fn truncated_linear(from: usize, to: usize, std: f64, rng: &mut Generator) -> Linear {
    let mut linear = Linear::new(from, to, rng);
    linear.weight.set(init::trunc_normal([to, from], 0.0, std, -2.0, 2.0, rng));
    linear
}

/// Images normalized with ImageNet's means and deviations as ones normalized with 0.5 and 0.5.
pub(crate) fn transform_input(x: Tensor, pass: &Pass) -> Tensor {
    let rows = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)];
    let constant = |of: fn((f64, f64)) -> f64| {
        pass.constant(Tensor::from_vec(rows.map(of).to_vec(), [1, 3, 1, 1]).to_dtype(x.dtype()))
    };
    let (scale, shift) = (constant(|(_, std)| std / 0.5), constant(|(mean, _)| (mean - 0.5) / 0.5));
    x * scale + shift
}

/// A convolution without bias, batch normalization and ReLU, whose parameters are named `conv` and `bn` (torchvision's `BasicConv2d`).
#[derive(Debug, Module)]
pub(crate) struct BasicConv {
    conv: Conv2d,
    bn: BatchNorm2d,
}

impl BasicConv {
    /// With normal weights of this standard deviation.
    pub(crate) fn new(conv: Conv2dBuilder, std: f64, rng: &mut Generator) -> Self {
        let conv = conv.bias(false).build_with(|shape| init::trunc_normal(shape, 0.0, std, -2.0, 2.0, rng));
        let bn = BatchNorm2d { eps: 1e-3, ..BatchNorm2d::new(conv.weight.value().size(0)) };
        BasicConv { conv, bn }
    }
}

impl Forward for BasicConv {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        pass.observe(self, self.bn.forward(self.conv.forward(x, pass), pass).relu())
    }
}

/// Convolutions of several sizes beside each other.
#[derive(Module)]
struct Inception {
    branch1: BasicConv,
    branch2: Sequential,
    branch3: Sequential,
    branch4: Sequential,
}

impl Inception {
    /// Of these numbers of channels: 1×1; before and after 3×3, twice; after pooling. The paper's 5×5 are 3×3 in torchvision.
    fn new(from: usize, [ch1, red3, ch3, red5, ch5, pool]: [usize; 6], rng: &mut Generator) -> Self {
        let mut pointwise = |from, to| BasicConv::new(Conv2d::options(from, to, 1), STD, rng);
        let branch1 = pointwise(from, ch1);
        let (to3, to5, to_pool) = (pointwise(from, red3), pointwise(from, red5), pointwise(from, pool));
        let mut conv3x3 = |from, to| BasicConv::new(Conv2d::options(from, to, 3).padding(1), STD, rng);
        Inception {
            branch1,
            branch2: Sequential::new().add(to3).add(conv3x3(red3, ch3)),
            branch3: Sequential::new().add(to5).add(conv3x3(red5, ch5)),
            branch4: Sequential::new().add(MaxPool2d::new(3).stride(1).padding(1).ceil_mode(true)).add(to_pool),
        }
    }
}

impl Forward for Inception {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let branches: [&dyn Forward; 4] = [&self.branch1, &self.branch2, &self.branch3, &self.branch4];
        pass.observe(self, Tensor::cat(&branches.map(|branch| branch.forward(x.clone(), pass)), 1))
    }
}

/// A head in the middle of the network.
#[derive(Debug, Module)]
struct Aux {
    conv: BasicConv,
    fc1: Linear,
    fc2: Linear,
    dropout: Dropout,
}

impl Aux {
    fn new(from: usize, classes: usize, dropout: f64, rng: &mut Generator) -> Self {
        Aux {
            conv: BasicConv::new(Conv2d::options(from, 128, 1), STD, rng),
            fc1: truncated_linear(128 * 4 * 4, 1024, STD, rng),
            fc2: truncated_linear(1024, classes, STD, rng),
            dropout: Dropout::new(dropout),
        }
    }
}

impl Forward for Aux {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.conv.forward(AdaptiveAvgPool2d::new(4).forward(x, pass), pass);
        let x = self.fc1.forward(x.flatten(1, -1), pass).relu();
        pass.observe(self, self.fc2.forward(self.dropout.forward(x, pass), pass))
    }
}

/// Takes `[n, in_channels, h, w]` from 31×31 on. [`GoogLeNetOptions`] builds it.
///
/// [`Forward::forward`] gives the logits alone; [`GoogLeNet::forward_with_aux`] those of the two other heads as well, for a loss such as
/// `loss(logits) + 0.3 * (loss(aux2) + loss(aux1))`. Heads that no loss reads stay as they are.
#[derive(Module)]
pub struct GoogLeNet {
    conv1: BasicConv,
    conv2: BasicConv,
    conv3: BasicConv,
    inception3a: Inception,
    inception3b: Inception,
    inception4a: Inception,
    inception4b: Inception,
    inception4c: Inception,
    inception4d: Inception,
    inception4e: Inception,
    inception5a: Inception,
    inception5b: Inception,
    aux1: Option<Aux>,
    aux2: Option<Aux>,
    dropout: Dropout,
    fc: Linear,
    transform_input: bool,
}

impl GoogLeNet {
    /// The logits, and in training those of the second and the first other head (`GoogLeNetOutputs`), if it has them.
    pub fn forward_with_aux(&self, x: Tensor, pass: &Pass) -> (Tensor, Option<[Tensor; 2]>) {
        let (features, aux1, aux2) = self.run(x, pass, pass.is_train());
        (self.head(features, pass), aux2.zip(aux1).map(|(aux2, aux1)| [aux2, aux1]))
    }

    /// The features, and the logits of the other heads.
    fn run(&self, x: Tensor, pass: &Pass, with_aux: bool) -> (Tensor, Option<Tensor>, Option<Tensor>) {
        let pool = MaxPool2d::new(3).stride(2).ceil_mode(true);
        let head = |aux: &Option<Aux>, x: &Tensor| {
            let aux = aux.as_ref().filter(|_| with_aux)?;
            Some(aux.forward(x.clone(), pass))
        };
        let x = if self.transform_input { transform_input(x, pass) } else { x };
        let x = pool.forward(self.conv1.forward(x, pass), pass);
        let x = pool.forward(self.conv3.forward(self.conv2.forward(x, pass), pass), pass);
        let x = self.inception3b.forward(self.inception3a.forward(x, pass), pass);
        let x = self.inception4a.forward(pool.forward(x, pass), pass);
        let aux1 = head(&self.aux1, &x);
        let x = self.inception4c.forward(self.inception4b.forward(x, pass), pass);
        let x = self.inception4d.forward(x, pass);
        let aux2 = head(&self.aux2, &x);
        let x = self.inception4e.forward(x, pass);
        let x = MaxPool2d::new(2).ceil_mode(true).forward(x, pass);
        let x = self.inception5b.forward(self.inception5a.forward(x, pass), pass);
        (AdaptiveAvgPool2d::new(1).forward(x, pass).flatten(1, -1), aux1, aux2)
    }
}

forward_in_parts!(GoogLeNet);

impl Classifier for GoogLeNet {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.run(x, pass, false).0
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        self.fc.forward(self.dropout.forward(features, pass), pass)
    }

    fn head_name(&self) -> String {
        "fc".to_string()
    }
}
