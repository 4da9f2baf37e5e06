//! Stages of every network can be tapped under torchvision's names.

use crate::weights::spread_weights;
use striate_nn::{Classifier, Pass};
use striate_tensor::{DType, Generator, Tensor};
use striate_zoo::{ARCHITECTURES, Architecture};

/// Networks, and channels, height and width of what their stages give for an image of [`image`].
const STAGES: &[(&str, &str)] = &[
    ("mnist-net", "conv1 32×26×26, conv2 64×24×24"),
    ("lenet", "conv1 6×28×28, conv2 16×10×10"),
    (
        "resnet18 resnet34",
        "conv1 64×32×48, layer1 64×16×24, layer2 128×8×12, layer3 256×4×6, layer4 512×2×3, layer4.1 512×2×3",
    ),
    (
        "resnet50 resnet101 resnet152 wide-resnet50-2 resnext50-32x4d",
        "layer1 256×16×24, layer2 512×8×12, layer3 1024×4×6, layer4 2048×2×3, layer1.0.downsample 256×16×24",
    ),
    (
        "mobilenet-v2",
        "features.0 32×32×48, features.1 16×32×48, features.3 24×16×24, features.6 32×8×12, features.13 96×4×6, \
         features.17 320×2×3, features.17.conv.0 960×2×3, features.18 1280×2×3, features 1280×2×3",
    ),
    (
        "mobilenet-v3-small",
        "features.0 16×32×48, features.1 16×16×24, features.3 24×8×12, features.8 48×4×6, features.11 96×2×3, \
         features.11.block.2 576×2×3, features.12 576×2×3, features 576×2×3",
    ),
    (
        "mobilenet-v3-large",
        "features.0 16×32×48, features.3 24×16×24, features.6 40×8×12, features.12 112×4×6, features.15 160×2×3, \
         features.16 960×2×3, features 960×2×3",
    ),
    (
        "efficientnet-b0 efficientnet-b1",
        "features.0 32×32×48, features.1 16×32×48, features.2 24×16×24, features.3 40×8×12, features.5 112×4×6, \
         features.7 320×2×3, features.7.0 320×2×3, features.8 1280×2×3, features 1280×2×3",
    ),
    (
        "efficientnet-b2",
        "features.1 16×32×48, features.2 24×16×24, features.3 48×8×12, features.5 120×4×6, features.7 352×2×3, \
         features.8 1408×2×3",
    ),
    (
        "efficientnet-b3",
        "features.1 24×32×48, features.2 32×16×24, features.3 48×8×12, features.5 136×4×6, features.7 384×2×3, \
         features.8 1536×2×3",
    ),
    (
        "efficientnet-b4",
        "features.1 24×32×48, features.2 32×16×24, features.3 56×8×12, features.5 160×4×6, features.7 448×2×3, \
         features.8 1792×2×3",
    ),
    (
        "efficientnet-lite0",
        "_conv_stem 32×32×48, _blocks.0 16×32×48, _blocks.2 24×16×24, _blocks.4 40×8×12, _blocks.10 112×4×6, \
         _blocks.15 320×2×3, _blocks 320×2×3, _conv_head 1280×2×3",
    ),
    (
        "efficientnet-lite1",
        "_blocks.0 16×32×48, _blocks.3 24×16×24, _blocks.6 40×8×12, _blocks.14 112×4×6, _blocks.20 320×2×3, \
         _blocks 320×2×3, _conv_head 1280×2×3",
    ),
    (
        "efficientnet-lite2",
        "_blocks.0 16×32×48, _blocks.3 24×16×24, _blocks.6 48×8×12, _blocks.14 120×4×6, _blocks.20 352×2×3, \
         _blocks 352×2×3, _conv_head 1280×2×3",
    ),
    (
        "efficientnet-lite3",
        "_blocks.0 24×32×48, _blocks.3 32×16×24, _blocks.6 48×8×12, _blocks.16 136×4×6, _blocks.23 384×2×3, \
         _blocks 384×2×3, _conv_head 1280×2×3",
    ),
    (
        "efficientnet-lite4",
        "_blocks.0 24×32×48, _blocks.4 32×16×24, _blocks.8 56×8×12, _blocks.20 160×4×6, _blocks.29 448×2×3, \
         _blocks 448×2×3, _conv_head 1280×2×3",
    ),
    (
        "mnasnet0-5",
        "layers.7 8×32×48, layers.8 16×16×24, layers.9 24×8×12, layers.11 48×4×6, layers.13 160×2×3, layers 1280×2×3",
    ),
    (
        "mnasnet0-75",
        "layers.7 16×32×48, layers.8 24×16×24, layers.9 32×8×12, layers.11 72×4×6, layers.13 240×2×3, layers 1280×2×3",
    ),
    (
        "mnasnet1-0",
        "layers.7 16×32×48, layers.8 24×16×24, layers.9 40×8×12, layers.11 96×4×6, layers.13 320×2×3, layers 1280×2×3",
    ),
    (
        "mnasnet1-3",
        "layers.7 24×32×48, layers.8 32×16×24, layers.9 56×8×12, layers.11 128×4×6, layers.13 416×2×3, layers 1280×2×3",
    ),
    (
        "shufflenet-v2-x0-5",
        "conv1 24×32×48, stage2 48×8×12, stage3 96×4×6, stage4 192×2×3, stage4.0.branch2 96×2×3, conv5 1024×2×3",
    ),
    ("shufflenet-v2-x1-0", "stage2 116×8×12, stage3 232×4×6, stage4 464×2×3, conv5 1024×2×3"),
    (
        "regnet-y-400mf",
        "stem 32×32×48, trunk_output.block1 48×16×24, trunk_output.block2 104×8×12, trunk_output.block3 208×4×6, \
         trunk_output.block4 440×2×3, trunk_output.block4.block4-5 440×2×3, trunk_output.block4.block4-5.f 440×2×3, \
         trunk_output.block4.block4-5.f.se 440×2×3, trunk_output 440×2×3",
    ),
    (
        "regnet-x-400mf",
        "trunk_output.block1 32×16×24, trunk_output.block2 64×8×12, trunk_output.block3 160×4×6, \
         trunk_output.block4 400×2×3, trunk_output.block1.block1-0.proj 32×16×24, trunk_output 400×2×3",
    ),
    (
        "densenet121",
        "features.denseblock1 256×16×24, features.denseblock1.denselayer6 32×16×24, features.transition1 128×8×12, \
         features.denseblock2 512×8×12, features.denseblock3 1024×4×6, features.denseblock4 1024×2×3, \
         features.norm5 1024×2×3, features 1024×2×3",
    ),
    (
        "densenet169",
        "features.denseblock1 256×16×24, features.denseblock2 512×8×12, features.denseblock3 1280×4×6, \
         features.denseblock4 1664×2×3, features 1664×2×3",
    ),
    (
        "convnext-tiny",
        "features.0 96×16×24, features.1 96×16×24, features.3 192×8×12, features.5 384×4×6, features.7 768×2×3, \
         features.7.2 768×2×3, features 768×2×3",
    ),
    (
        "googlenet",
        "conv1 64×32×48, conv3 192×16×24, inception3a 256×8×12, inception3b 480×8×12, inception4a 512×4×6, \
         inception4e 832×4×6, inception5a 832×2×3, inception5b 1024×2×3, inception5b.branch2 384×2×3",
    ),
    (
        "inception-v3",
        "Conv2d_1a_3x3 32×47×63, Conv2d_4a_3x3 192×20×28, Mixed_5b 256×9×13, Mixed_5d 288×9×13, Mixed_6a 768×4×6, \
         Mixed_6e 768×4×6, Mixed_7a 1280×1×2, Mixed_7c 2048×1×2, Mixed_7c.branch3x3_2b 384×1×2",
    ),
    (
        "squeezenet1-0",
        "features.0 96×29×45, features.5 256×14×22, features.10 512×7×11, features.12 512×3×5, features 512×3×5, \
         classifier.1 7×3×5",
    ),
    (
        "squeezenet1-1",
        "features.0 64×31×47, features.4 128×15×23, features.7 256×7×11, features.12 512×3×5, features 512×3×5",
    ),
    ("alexnet", "features.0 64×15×23, features.3 192×7×11, features.10 256×3×5, features 256×1×2"),
    ("vgg11", "features.0 64×64×96, features.18 512×4×6, features 512×2×3"),
    ("vgg13", "features.22 512×4×6, features 512×2×3"),
    ("vgg16", "features.28 512×4×6, features 512×2×3"),
    ("vgg19", "features.34 512×4×6, features 512×2×3"),
    ("vgg11-bn", "features.25 512×4×6, features.26 512×4×6, features 512×2×3"),
    ("vgg13-bn", "features.31 512×4×6, features 512×2×3"),
    ("vgg16-bn", "features.40 512×4×6, features 512×2×3"),
    ("vgg19-bn", "features.49 512×4×6, features 512×2×3"),
];
const CLASSES: usize = 7;
const BATCH: usize = 2;

/// Channels, height and width: unlike sides, where a network takes them.
fn image(a: &Architecture) -> [usize; 3] {
    match a.min_size {
        None => a.input,
        Some(least) if least > 64 => [3, 96, 128],
        Some(_) => [3, 64, 96],
    }
}

/// Name and shape of each stage in a row of the table.
fn stages(row: &'static str) -> Vec<(&'static str, Vec<usize>)> {
    let stage = |part: &'static str| {
        let (name, sizes) = part.split_once(' ').expect("a name and sizes");
        let sizes = sizes.split('×').map(|n| n.parse().expect("a size"));
        (name, std::iter::once(BATCH).chain(sizes).collect())
    };
    row.split(", ").map(stage).collect()
}

fn check(a: &Architecture, row: &'static str) {
    let [c, h, w] = image(a);
    let mut net = a.build_for([c, h, w], CLASSES, &mut Generator::blank());
    spread_weights(&mut *net);
    let net: &dyn Classifier = &*net;
    let x = Tensor::randn([BATCH, c, h, w], DType::F32, &mut Generator::new(2));
    let plain = net.forward(x.clone(), &Pass::eval()).to_vec::<f32>();

    let stages = stages(row);
    let names: Vec<&str> = stages.iter().map(|(name, _)| *name).collect();
    let pass = Pass::eval().tap(net, &names);
    let y = net.forward(x, &pass);
    assert_eq!(y.to_vec::<f32>(), plain, "{}: a tap changes nothing", a.name);
    y.square().sum_all().backward();
    for (name, shape) in stages {
        let output = pass.output(name).unwrap_or_else(|| panic!("{}: {name} is not observed", a.name));
        assert_eq!(output.shape(), shape, "{}: {name}", a.name);
        let gradient = pass.gradient(name).unwrap_or_else(|| panic!("{}: {name} has no gradient", a.name));
        assert_eq!(gradient.shape(), shape, "{}: the gradient of {name}", a.name);
        let gradient = gradient.to_vec::<f32>();
        assert!(gradient.iter().all(|g| g.is_finite()) && gradient.iter().any(|&g| g != 0.0), "{}: {name}", a.name);
    }
}

#[test]
fn stages_of_every_network_can_be_tapped() {
    for a in ARCHITECTURES {
        let row = STAGES.iter().find(|(names, _)| names.split(' ').any(|name| name == a.name));
        check(a, row.unwrap_or_else(|| panic!("{} has no row", a.name)).1);
    }
}
