//! Every network comes apart into its features and its head.

use crate::weights::spread_weights;
use striate_nn::{Classifier, Pass};
use striate_tensor::{DType, Generator, Tensor};
use striate_zoo::ARCHITECTURES;
use striate_zoo::text::read;

const CLASSES: usize = 7;
/// The networks with a dropout before their last layer.
const WITH_DROPOUT: [&str; 8] =
    ["mnist-net", "mobilenet", "efficientnet", "mnasnet", "googlenet", "inception", "squeezenet", "vgg"];

fn train() -> Pass {
    Pass::train(3)
}

fn bits(x: &Tensor) -> Vec<u32> {
    x.to_vec::<f32>().into_iter().map(f32::to_bits).collect()
}

/// The shape of the features, and whether the head draws random numbers, once the parts are seen to give what the whole gives.
fn apart(name: &str, net: &dyn Classifier, x: &Tensor) -> (Vec<usize>, bool) {
    let parts = |pass: &Pass, whole: Tensor| {
        let scores = whole.to_vec::<f32>();
        assert!(scores.iter().all(|y| y.is_finite()) && scores.iter().any(|&y| y != 0.0), "{name}");
        let features = net.features(x.clone(), pass);
        assert_eq!(bits(&whole), bits(&net.head(features.clone(), pass)), "{name}");
        features
    };
    let features = parts(&Pass::eval(), net.forward(x.clone(), &Pass::eval()));
    parts(&train(), net.forward(x.clone(), &train()));
    let draws = bits(&net.head(features.clone(), &train())) != bits(&net.head(features.clone(), &Pass::train(5)));
    (features.shape().to_vec(), draws)
}

#[test]
fn every_network_comes_apart_before_its_last_layer() {
    for a in ARCHITECTURES {
        let [c, h, w] = a.min_size.map_or(a.input, |n| [1, n, n]);
        let mut net = a.build_for([c, h, w], CLASSES, &mut Generator::blank());
        spread_weights(&mut *net);
        let x = Tensor::randn([2, c, h, w], DType::F32, &mut Generator::new(2));

        let last = net.named_parameters().into_iter().rfind(|(name, _)| name.ends_with(".weight")).unwrap();
        assert_eq!(last.0, format!("{}.weight", net.head_name()), "{}", a.name);
        let (features, draws) = apart(a.name, &*net, &x);
        assert_eq!(features.len(), if a.name.starts_with("squeezenet") { 4 } else { 2 }, "{}", a.name);
        assert_eq!(last.1.value().shape()[..2], [CLASSES, features[1]], "{}", a.name);
        assert_eq!(draws, WITH_DROPOUT.iter().any(|start| a.name.starts_with(start)), "{}", a.name);
    }
}

#[test]
fn networks_as_text_come_apart_before_their_last_linear_layer_or_convolution() {
    for (text, name, features, draws) in [
        ("conv 4 3, relu, globalavgpool, linear", "3", &[2, 4][..], false),
        ("flatten, linear 6, relu, dropout, linear", "4", &[2, 6], true),
        ("flatten, linear 6, dropout .1, dropout .2, linear, logsoftmax", "4", &[2, 6], true),
        ("flatten, dropout, linear 6, linear, batchnorm", "3", &[2, 6], false),
        ("flatten, (linear 7, dropout) x3, relu, linear 7", "8", &[2, 7], false),
        ("conv 4 3, relu, dropout2d, conv, globalavgpool", "3", &[2, 4, 6, 5], true),
        ("conv 4 3, conv, prelu perchannel, globalavgpool", "1", &[2, 4, 6, 5], false),
        ("conv 4 3, globalavgpool, dropout, residual(linear 7, tanh)", "3", &[2, 4], true),
        ("flatten, linear 7, residual(batchnorm, tanh)", "1", &[2, 224], false),
        (
            "conv 4 3, residual(maxpool 1), conv 7 1, (residual(conv 7 3 padding same)) x2, globalavgpool",
            "4",
            &[2, 7, 6, 5],
            false,
        ),
        ("batchnorm, convtranspose 7 1, globalavgpool", "1", &[2, 4, 8, 7], false),
        ("pixelshuffle 2, adaptiveavgpool 7x1, dropout, flatten", "0", &[2, 4, 8, 7], true),
    ] {
        let net = read(text, [4, 8, 7], CLASSES).unwrap_or_else(|e| panic!("{}", e.screen())).1;
        let net = net.build(&mut Generator::new(1));
        let x = Tensor::randn([2, 4, 8, 7], DType::F32, &mut Generator::new(2));
        assert_eq!(net.head_name(), name, "{text}");
        let prefix = format!("{name}.");
        let named = net.named_parameters().iter().any(|(name, _)| name.starts_with(&prefix));
        assert_eq!(named, net.num_parameters() > 0, "{text}");
        assert_eq!(apart(text, &*net, &x), (features.to_vec(), draws), "{text}");
    }
}
