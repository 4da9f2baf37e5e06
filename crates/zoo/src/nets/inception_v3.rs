//! Inception v3 (Szegedy et al., 2016, "Rethinking the Inception architecture"), as in torchvision.

use super::googlenet::{BasicConv, transform_input, truncated_linear};
use crate::named::Named;
use striate_nn::module::join;
use striate_nn::{
    AvgPool2d, Classifier, Conv2d, Conv2dBuilder, Dropout, Entry, EntryMut, Forward, Linear, MaxPool2d, Module, Pass,
};
use striate_tensor::{Generator, Tensor};

/// The settings of an [`InceptionV3`], with torchvision's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InceptionV3Options {
    /// Channels of the images.
    pub in_channels: usize,
    /// Whether it has the head that only helps in training.
    pub aux_logits: bool,
    /// Whether images normalized with ImageNet's means and deviations are changed to ones normalized with 0.5 and 0.5, which the authors'
    /// weights take.
    pub transform_input: bool,
    /// The probability with which a feature is zeroed before the last layer.
    pub dropout: f64,
}

impl Default for InceptionV3Options {
    fn default() -> Self {
        InceptionV3Options { in_channels: 3, aux_logits: true, transform_input: false, dropout: 0.5 }
    }
}

impl InceptionV3Options {
    /// Without the head that only helps in training.
    pub fn plain() -> Self {
        InceptionV3Options { aux_logits: false, ..Default::default() }
    }

    /// The network with fresh weights and `classes` outputs.
    ///
    /// # Panics
    /// If `transform_input` is on and `in_channels` is not 3.
    pub fn build(self, classes: usize, rng: &mut Generator) -> InceptionV3 {
        assert!(
            !self.transform_input || self.in_channels == 3,
            "Inception v3: transform_input takes images of 3 channels"
        );
        let pool = || MaxPool2d::new(3).stride(2);
        let mut conv = |conv: Conv2dBuilder| BasicConv::new(conv, STD, rng);
        let first = Named::new()
            .add("Conv2d_1a_3x3", conv(Conv2d::options(self.in_channels, 32, 3).stride(2)))
            .add("Conv2d_2a_3x3", conv(Conv2d::options(32, 32, 3)))
            .add("Conv2d_2b_3x3", conv(Conv2d::options(32, 64, 3).padding(1)))
            .add("maxpool1", pool())
            .add("Conv2d_3b_1x1", conv(Conv2d::options(64, 80, 1)))
            .add("Conv2d_4a_3x3", conv(Conv2d::options(80, 192, 3)))
            .add("maxpool2", pool())
            .add("Mixed_5b", Mixed::a(192, 32, rng))
            .add("Mixed_5c", Mixed::a(256, 64, rng))
            .add("Mixed_5d", Mixed::a(288, 64, rng))
            .add("Mixed_6a", Mixed::b(288, rng))
            .add("Mixed_6b", Mixed::c(768, 128, rng))
            .add("Mixed_6c", Mixed::c(768, 160, rng))
            .add("Mixed_6d", Mixed::c(768, 160, rng))
            .add("Mixed_6e", Mixed::c(768, 192, rng));
        let aux_logits = self.aux_logits.then(|| Aux {
            conv0: BasicConv::new(Conv2d::options(768, 128, 1), STD, rng),
            conv1: BasicConv::new(Conv2d::options(128, 768, 5), STD, rng),
            fc: truncated_linear(768, classes, 0.001, rng),
        });
        let last = Named::new()
            .add("Mixed_7a", Mixed::d(768, rng))
            .add("Mixed_7b", Mixed::e(1280, rng))
            .add("Mixed_7c", Mixed::e(2048, rng));
        InceptionV3 {
            first,
            aux_logits,
            last,
            dropout: Dropout::new(self.dropout),
            fc: truncated_linear(2048, classes, STD, rng),
            transform_input: self.transform_input,
        }
    }
}

/// The standard deviation of the initial weights.
const STD: f64 = 0.1;

/// What a branch starts with.
enum Start {
    Input,
    Mean,
    Maximum,
}

/// A part of a block: convolutions one after the other, then maybe two beside each other whose outputs are joined.
struct Branch {
    start: Start,
    chain: Vec<(&'static str, BasicConv)>,
    fork: Vec<(&'static str, BasicConv)>,
}

impl Branch {
    fn layers(&self) -> impl Iterator<Item = &(&'static str, BasicConv)> {
        self.chain.iter().chain(&self.fork)
    }

    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = match self.start {
            Start::Input => x,
            Start::Mean => AvgPool2d::new(3).stride(1).padding(1).forward(x, pass),
            Start::Maximum => MaxPool2d::new(3).stride(2).forward(x, pass),
        };
        let x = self.chain.iter().fold(x, |x, (_, conv)| conv.forward(x, pass));
        if self.fork.is_empty() {
            return x;
        }
        let ends: Vec<Tensor> = self.fork.iter().map(|(_, conv)| conv.forward(x.clone(), pass)).collect();
        Tensor::cat(&ends, 1)
    }
}

/// A block: branches beside each other (torchvision's `InceptionA` to `InceptionE`).
struct Mixed {
    branches: Vec<Branch>,
}

/// A convolution by name: channels it gives, kernel (height and width), stride and padding.
type Layer = (&'static str, usize, [usize; 2], usize, [usize; 2]);

const fn pointwise(name: &'static str, to: usize) -> Layer {
    (name, to, [1, 1], 1, [0, 0])
}

/// One that keeps the size.
const fn same(name: &'static str, to: usize, kernel: [usize; 2]) -> Layer {
    (name, to, kernel, 1, [kernel[0] / 2, kernel[1] / 2])
}

const fn halving(name: &'static str, to: usize) -> Layer {
    (name, to, [3, 3], 2, [0, 0])
}

impl Mixed {
    fn new() -> Self {
        Mixed { branches: Vec::new() }
    }

    fn branch(mut self, start: Start, from: usize, chain: &[Layer], fork: &[Layer], rng: &mut Generator) -> Self {
        let mut channels = from;
        let mut build = |&(name, to, kernel, stride, padding): &Layer, from: usize| {
            (name, BasicConv::new(Conv2d::options(from, to, kernel).stride(stride).padding(padding), STD, rng))
        };
        let mut next = |layer: &Layer| {
            let built = build(layer, channels);
            channels = layer.1;
            built
        };
        let chain = chain.iter().map(&mut next).collect();
        let fork = fork.iter().map(|layer| build(layer, channels)).collect();
        self.branches.push(Branch { start, chain, fork });
        self
    }

    fn a(from: usize, pooled: usize, rng: &mut Generator) -> Self {
        let five = [pointwise("branch5x5_1", 48), same("branch5x5_2", 64, [5, 5])];
        let twice =
            [pointwise("branch3x3dbl_1", 64), same("branch3x3dbl_2", 96, [3, 3]), same("branch3x3dbl_3", 96, [3, 3])];
        Mixed::new()
            .branch(Start::Input, from, &[pointwise("branch1x1", 64)], &[], rng)
            .branch(Start::Input, from, &five, &[], rng)
            .branch(Start::Input, from, &twice, &[], rng)
            .branch(Start::Mean, from, &[pointwise("branch_pool", pooled)], &[], rng)
    }

    fn b(from: usize, rng: &mut Generator) -> Self {
        let twice =
            [pointwise("branch3x3dbl_1", 64), same("branch3x3dbl_2", 96, [3, 3]), halving("branch3x3dbl_3", 96)];
        Mixed::new()
            .branch(Start::Input, from, &[halving("branch3x3", 384)], &[], rng)
            .branch(Start::Input, from, &twice, &[], rng)
            .branch(Start::Maximum, from, &[], &[], rng)
    }

    fn c(from: usize, inner: usize, rng: &mut Generator) -> Self {
        let (wide, tall) = ([1, 7], [7, 1]);
        let once = [pointwise("branch7x7_1", inner), same("branch7x7_2", inner, wide), same("branch7x7_3", 192, tall)];
        let twice = [
            pointwise("branch7x7dbl_1", inner),
            same("branch7x7dbl_2", inner, tall),
            same("branch7x7dbl_3", inner, wide),
            same("branch7x7dbl_4", inner, tall),
            same("branch7x7dbl_5", 192, wide),
        ];
        Mixed::new()
            .branch(Start::Input, from, &[pointwise("branch1x1", 192)], &[], rng)
            .branch(Start::Input, from, &once, &[], rng)
            .branch(Start::Input, from, &twice, &[], rng)
            .branch(Start::Mean, from, &[pointwise("branch_pool", 192)], &[], rng)
    }

    fn d(from: usize, rng: &mut Generator) -> Self {
        let three = [pointwise("branch3x3_1", 192), halving("branch3x3_2", 320)];
        let seven = [
            pointwise("branch7x7x3_1", 192),
            same("branch7x7x3_2", 192, [1, 7]),
            same("branch7x7x3_3", 192, [7, 1]),
            halving("branch7x7x3_4", 192),
        ];
        Mixed::new().branch(Start::Input, from, &three, &[], rng).branch(Start::Input, from, &seven, &[], rng).branch(
            Start::Maximum,
            from,
            &[],
            &[],
            rng,
        )
    }

    fn e(from: usize, rng: &mut Generator) -> Self {
        let (wide, tall) = ([1, 3], [3, 1]);
        let once = [pointwise("branch3x3_1", 384)];
        let once_fork = [same("branch3x3_2a", 384, wide), same("branch3x3_2b", 384, tall)];
        let twice = [pointwise("branch3x3dbl_1", 448), same("branch3x3dbl_2", 384, [3, 3])];
        let twice_fork = [same("branch3x3dbl_3a", 384, wide), same("branch3x3dbl_3b", 384, tall)];
        Mixed::new()
            .branch(Start::Input, from, &[pointwise("branch1x1", 320)], &[], rng)
            .branch(Start::Input, from, &once, &once_fork, rng)
            .branch(Start::Input, from, &twice, &twice_fork, rng)
            .branch(Start::Mean, from, &[pointwise("branch_pool", 192)], &[], rng)
    }
}

impl Module for Mixed {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        for (name, conv) in self.branches.iter().flat_map(Branch::layers) {
            conv.visit(&join(prefix, name), f);
        }
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        for (name, conv) in self.branches.iter_mut().flat_map(|b| b.chain.iter_mut().chain(&mut b.fork)) {
            conv.visit_mut(&join(prefix, name), f);
        }
    }
}

impl Forward for Mixed {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let outputs: Vec<Tensor> = self.branches.iter().map(|branch| branch.forward(x.clone(), pass)).collect();
        Tensor::cat(&outputs, 1)
    }
}

/// The head in the middle of the network.
#[derive(Debug, Module)]
struct Aux {
    conv0: BasicConv,
    conv1: BasicConv,
    fc: Linear,
}

impl Forward for Aux {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = AvgPool2d::new(5).stride(3).forward(x, pass);
        let x = self.conv1.forward(self.conv0.forward(x, pass), pass);
        pass.observe(self, self.fc.forward(x.adaptive_avg_pool2d([1, 1]).flatten(1, -1), pass))
    }
}

/// Takes `[n, in_channels, h, w]` from 75×75 on. [`InceptionV3Options`] builds it.
///
/// [`Forward::forward`] gives the logits alone; [`InceptionV3::forward_with_aux`] those of the other head as well, for a loss such as
/// `loss(logits) + 0.4 * loss(aux)`. A head that no loss reads stays as it is.
pub struct InceptionV3 {
    first: Named,
    aux_logits: Option<Aux>,
    last: Named,
    dropout: Dropout,
    fc: Linear,
    transform_input: bool,
}

impl InceptionV3 {
    /// The logits, and in training those of the other head (`InceptionOutputs`), if it has one; that takes images from 299×299 on.
    pub fn forward_with_aux(&self, x: Tensor, pass: &Pass) -> (Tensor, Option<Tensor>) {
        let (features, aux) = self.run(x, pass, pass.is_train());
        (self.head(features, pass), aux)
    }

    /// The features, and the logits of the other head.
    fn run(&self, x: Tensor, pass: &Pass, with_aux: bool) -> (Tensor, Option<Tensor>) {
        let x = if self.transform_input { transform_input(x, pass) } else { x };
        let x = self.first.run(x, pass);
        let aux = self.aux_logits.as_ref().filter(|_| with_aux).map(|aux| aux.forward(x.clone(), pass));
        (self.last.run(x, pass).adaptive_avg_pool2d([1, 1]).flatten(1, -1), aux)
    }
}

impl Module for InceptionV3 {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        self.first.visit(prefix, f);
        self.aux_logits.visit(&join(prefix, "AuxLogits"), f);
        self.last.visit(prefix, f);
        self.fc.visit(&join(prefix, "fc"), f);
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        self.first.visit_mut(prefix, f);
        self.aux_logits.visit_mut(&join(prefix, "AuxLogits"), f);
        self.last.visit_mut(prefix, f);
        self.fc.visit_mut(&join(prefix, "fc"), f);
    }
}

forward_in_parts!(InceptionV3);

impl Classifier for InceptionV3 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::DType;

    #[test]
    fn the_other_head_takes_part_in_training_alone() {
        let net = InceptionV3Options::default().build(3, &mut Generator::new(0));
        let images = |n, size| Tensor::zeros([n, 3, size, size], DType::F32);
        let (logits, aux) = net.forward_with_aux(images(2, 299), &Pass::train(0));
        assert_eq!((logits.shape(), aux.unwrap().shape()), (&[2, 3][..], &[2, 3][..]));
        let (logits, aux) = net.forward_with_aux(images(1, 75), &Pass::eval());
        assert_eq!((logits.shape(), aux.is_none()), (&[1, 3][..], true));
    }
}
