//! Each word of a network as text makes the layer of that name, with the settings written.

use striate_nn::{
    AdaptiveMaxPool2d, Approximate, CircularPad2d, Conv2d, ConvTranspose2d, ELU, Forward, GELU, GroupNorm, Hardsigmoid,
    Hardswish, Hardtanh, InstanceNorm2d, LayerNorm, LocalResponseNorm, Mish, Module, PReLU, Pass, PixelShuffle, ReLU6,
    ReflectionPad2d, ReplicationPad2d, SiLU, Softplus, SqueezeExcitation, Upsample, ZeroPad2d,
};
use striate_tensor::{DType, Generator, Interpolation, Resize, Tensor};
use striate_zoo::text::read;

#[test]
fn layers_are_the_ones_of_their_words() {
    let [c, h, w] = [4, 6, 5];
    let x = Tensor::randn([3, c, h, w], DType::F32, &mut Generator::new(5));
    let rng = || Generator::new(7);
    let cases: Vec<(&str, Box<dyn Forward>)> = vec![
        (
            "conv 6 3 padding same paddingmode reflect",
            Box::new(Conv2d::options(c, 6, 3).padding("same").padding_mode("reflect").build(&mut rng())),
        ),
        (
            "convtranspose 6 3x2 stride 2 padding 1x0 outputpadding 1 dilation 1x2 groups 2 nobias",
            Box::new(
                ConvTranspose2d::options(c, 6, [3, 2])
                    .stride(2)
                    .padding([1, 0])
                    .output_padding(1)
                    .dilation([1, 2])
                    .groups(2)
                    .bias(false)
                    .build(&mut rng()),
            ),
        ),
        ("groupnorm 2 eps 0.1", Box::new(GroupNorm { eps: 0.1, ..GroupNorm::new(2, c) })),
        ("layernorm", Box::new(LayerNorm::new([c, h, w]))),
        ("instancenorm", Box::new(InstanceNorm2d::new(c))),
        (
            "lrn 3 alpha 0.1 beta 0.5 k 2",
            Box::new(LocalResponseNorm { alpha: 0.1, beta: 0.5, k: 2.0, ..LocalResponseNorm::new(3) }),
        ),
        ("adaptivemaxpool 4x3", Box::new(AdaptiveMaxPool2d::new([4, 3]))),
        ("se 2", Box::new(SqueezeExcitation::new(c, 2, &mut rng()))),
        (
            "upsample 3x2 mode bilinear aligncorners",
            Box::new(Upsample::new(Resize::Size([18, 10]), Interpolation::Bilinear { align_corners: true })),
        ),
        ("upsample 2 mode bicubic", Box::new(Upsample::new(2.0, Interpolation::Bicubic { align_corners: false }))),
        ("pixelshuffle 2", Box::new(PixelShuffle::new(2))),
        ("zeropad 2x1", Box::new(ZeroPad2d::new([1, 1, 2, 2]))),
        ("reflectionpad 2x1", Box::new(ReflectionPad2d::new([1, 1, 2, 2]))),
        ("replicationpad 2x1", Box::new(ReplicationPad2d::new([1, 1, 2, 2]))),
        ("circularpad 2x1", Box::new(CircularPad2d::new([1, 1, 2, 2]))),
        ("prelu perchannel", Box::new(PReLU::new(c))),
        ("elu 0.5", Box::new(ELU { alpha: 0.5 })),
        ("gelu", Box::new(GELU::default())),
        ("gelu tanh", Box::new(GELU { approximate: Approximate::Tanh })),
        ("swish", Box::new(SiLU)),
        ("mish", Box::new(Mish)),
        ("softplus beta 2 threshold 1", Box::new(Softplus { beta: 2.0, threshold: 1.0 })),
        ("hardswish", Box::new(Hardswish)),
        ("hardsigmoid", Box::new(Hardsigmoid)),
        ("hardtanh min -0.5 max 2", Box::new(Hardtanh { min_val: -0.5, max_val: 2.0 })),
        ("relu6", Box::new(ReLU6)),
    ];
    let values = |net: &dyn Forward| {
        let y = net.forward(x.clone(), &Pass::eval());
        (y.shape().to_vec(), y.to_vec::<f32>())
    };
    for (text, layer) in cases {
        // What follows makes it a classifier, and leaves it the first to draw from the generator.
        let classifier = read(&format!("{text}, flatten, linear 3"), [c, h, w], 3).unwrap().1.build(&mut rng());
        let (shape, expected) = values(&*layer);
        let weight = classifier.named_parameters().into_iter().find(|(name, _)| name == "2.weight").unwrap().1.value();
        let bias = classifier.named_parameters().into_iter().find(|(name, _)| name == "2.bias").unwrap().1.value();
        let flat = Tensor::from_vec(expected, [shape[0], shape[1..].iter().product()]);
        let logits = flat.linear(weight, Some(bias)).to_vec::<f32>();
        assert_eq!(values(&*classifier).1, logits, "{text}");
    }
}

#[test]
fn windows_need_not_divide_and_lists_are_normalized_too() {
    let text = "adaptiveavgpool 5x3, flatten, linear 4, batchnorm eps 1e-3, relu, linear";
    let net = read(text, [2, 7, 8], 3).unwrap().1.build(&mut Generator::new(0));
    let names: Vec<_> =
        net.named_parameters().into_iter().map(|(name, p)| (name, p.value().shape().to_vec())).collect();
    assert_eq!(names[0], ("2.weight".to_string(), vec![4, 2 * 5 * 3]));
    assert_eq!(names[2], ("3.weight".to_string(), vec![4]));
    let x = Tensor::randn([4, 2, 7, 8], DType::F32, &mut Generator::new(5));
    assert_eq!(net.forward(x, &Pass::train(0)).shape(), [4, 3]);
}
