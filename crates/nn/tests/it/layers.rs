//! Layers: what they draw, how their parameters are named, and what they say about input that does not fit.

use super::panics::message;
use striate_nn::*;
use striate_tensor::{DType, Generator, Interpolation, PaddingMode, Tensor};

fn names(module: &dyn Module) -> Vec<String> {
    module.named_parameters().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn stochastic_depth_leaves_out_samples_or_the_batch() {
    let x = Tensor::ones([200, 3, 2, 2], DType::F32);
    let rows = StochasticDepth::new(0.25, StochasticDepthMode::Row);
    let y = rows.forward(x.clone(), &Pass::train(1)).to_vec::<f32>();
    assert!(y.chunks(12).all(|c| c.iter().all(|v| *v == c[0] && (*v == 0.0 || (*v - 4.0 / 3.0).abs() < 1e-6))));
    let kept = y.iter().filter(|v| **v > 0.0).count() as f64 / y.len() as f64;
    assert!((0.6..0.9).contains(&kept), "{kept}");
    assert_eq!(rows.forward(x.clone(), &Pass::train(1)).to_vec::<f32>(), y, "a pass draws the same again");
    assert_eq!(rows.forward(x.clone(), &Pass::eval()).to_vec::<f32>(), x.to_vec::<f32>());

    let batch = StochasticDepth::new(0.5, StochasticDepthMode::Batch);
    let mut passes = Passes::new(&batch, 0);
    let outcomes: Vec<f32> = (0..40)
        .map(|_| {
            let y = batch.forward(x.clone(), &passes.train()).to_vec::<f32>();
            assert!(y.iter().all(|v| *v == y[0]), "the whole batch goes or stays");
            y[0]
        })
        .collect();
    assert!(outcomes.contains(&0.0) && outcomes.contains(&2.0) && outcomes.iter().all(|v| *v == 0.0 || *v == 2.0));
    let never = StochasticDepth::new(0.0, StochasticDepthMode::Row);
    assert_eq!(never.forward(x.clone(), &Pass::train(0)).to_vec::<f32>(), x.to_vec::<f32>());
    let always = StochasticDepth::new(1.0, StochasticDepthMode::Batch);
    assert!(always.forward(x, &Pass::train(0)).to_vec::<f32>().iter().all(|v| *v == 0.0));
}

#[test]
fn branches_are_joined_and_named_by_number() {
    let rng = &mut Generator::new(0);
    let x = Tensor::randn([2, 3, 4, 5], DType::F32, rng);
    let mut block = Parallel::new(Join::Cat(1)).add(Conv2d::new(3, 2, 1, rng)).add(Identity::default());
    assert_eq!(names(&block), ["0.weight", "0.bias"]);
    assert_eq!((block.len(), block.named_parameters_mut().len()), (2, 2));
    let y = block.forward(x.clone(), &Pass::eval());
    assert_eq!(y.shape(), [2, 5, 4, 5]);
    assert_eq!(y.narrow(1, 2, 3).to_vec::<f32>(), x.to_vec::<f32>());
    let sum = Parallel::new(Join::Sum).add(Identity::default()).add(Identity::default()).add(Identity::default());
    let tripled = (&x + &x + &x).to_vec::<f32>();
    assert_eq!(sum.forward(x.clone(), &Pass::eval()).to_vec::<f32>(), tripled);
    let uneven = Parallel::new(Join::Sum).add(Identity::default()).add(Conv2d::new(3, 1, 1, rng));
    let said = message(|| uneven.forward(x.clone(), &Pass::eval()));
    assert!(said.contains("Parallel: branches of shapes [2, 3, 4, 5] and [2, 1, 4, 5] cannot be added"), "{said}");
}

#[test]
fn a_residual_adds_its_input_or_its_shortcut() {
    let rng = &mut Generator::new(0);
    let x = Tensor::randn([2, 3, 4, 4], DType::F32, rng);
    let y = Residual::new(Identity::default()).forward(x.clone(), &Pass::eval());
    assert_eq!(y.to_vec::<f32>(), (x.clone() * 2.0).to_vec::<f32>());
    let body = Sequential::new().add(Conv2d::options(3, 8, 3).stride(2).padding(1).build(rng)).add(ReLU);
    let block = Residual::new(body).shortcut(Conv2d::options(3, 8, 1).stride(2).bias(false).build(rng));
    assert_eq!(names(&block), ["body.0.weight", "body.0.bias", "shortcut.weight"]);
    assert_eq!(block.forward(x.clone(), &Pass::eval()).shape(), [2, 8, 2, 2]);
    let grads = block.forward(x.clone(), &Pass::train(0)).sum_all().backward();
    assert_eq!(grads.len(), 3);
    let said = message(|| Residual::new(MaxPool2d::new(2)).forward(x, &Pass::eval()));
    assert!(said.contains("convolution of kernel size 1"), "{said}");
}

#[test]
fn transposed_convolution_undoes_the_size_of_a_convolution() {
    let rng = &mut Generator::new(0);
    let down = Conv2d::options(3, 4, 3).stride(2).padding(1).build(rng);
    let up = ConvTranspose2d::options(4, 3, 3).stride(2).padding(1).output_padding(1).build(rng);
    let x = Tensor::zeros([1, 3, 8, 10], DType::F32);
    let y = up.forward(down.forward(x.clone(), &Pass::eval()), &Pass::eval());
    assert_eq!(y.shape(), x.shape());
    let said = message(|| up.forward(x, &Pass::eval()));
    assert!(said.contains("takes [n, 4, h, w]"), "{said}");
}

#[test]
fn padding_layers_take_left_right_top_bottom() {
    let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
    let pad = |layer: &dyn Forward| layer.forward(x.clone(), &Pass::eval());
    let y = pad(&ZeroPad2d::new([1, 0, 0, 2]));
    assert_eq!(
        (y.shape(), y.to_vec::<f32>()),
        (&[1, 1, 4, 3][..], vec![0., 1., 2., 0., 3., 4., 0., 0., 0., 0., 0., 0.])
    );
    assert_eq!(pad(&ReflectionPad2d::new([1, 1, 0, 0])).to_vec::<f32>(), [2., 1., 2., 1., 4., 3., 4., 3.]);
    assert_eq!(pad(&ReplicationPad2d::new([0, 2, 0, 0])).to_vec::<f32>(), [1., 2., 2., 2., 3., 4., 4., 4.]);
    assert_eq!(pad(&CircularPad2d::new([0, 1, 0, 0])).to_vec::<f32>(), [1., 2., 1., 3., 4., 3.]);
    assert_eq!(pad(&ReflectionPad2d::new(1)).shape(), [1, 1, 4, 4]);
    let said = message(|| pad(&ReflectionPad2d::new(2)));
    assert!(said.contains("can add at most 1 to dimension 3 of shape [1, 1, 2, 2]"), "{said}");
    let said = message(|| x.clone().pad_mode(&[[0, 3]], PaddingMode::Circular));
    assert!(said.contains("can add at most 2"), "{said}");
}

#[test]
fn what_does_not_fit_is_said() {
    let rng = &mut Generator::new(0);
    let image = Tensor::zeros([2, 3, 4, 4], DType::F32);
    let run = |layer: &dyn Forward, x: &Tensor| message(|| layer.forward(x.clone(), &Pass::train(0)));
    let cases: [(String, &str); 8] = [
        (run(&BatchNorm1d::new(3), &image), "BatchNorm1d: the input must be [n, c] or [n, c, l], got [2, 3, 4, 4]"),
        (run(&InstanceNorm2d::new(5), &image), "InstanceNorm2d: the input must be [n, 5, h, w]"),
        (run(&LayerNorm::new([3]), &image), "permute before and after"),
        (run(&Conv1d::new(3, 4, 3, rng), &image), "conv1d: the input must be [n, c, l]"),
        (run(&PReLU::new(4), &image), "prelu: an input of shape [2, 3, 4, 4] takes a weight [1] or [3], got [4]"),
        (run(&PixelShuffle::new(2), &image), "pixel_shuffle: the 3 channels"),
        (run(&Embedding::new(3, 2, rng), &Tensor::from_vec(vec![3i64], [1])), "row 3 is not one of the 3 rows, 0 to 2"),
        (run(&Upsample::new(0.1, Interpolation::Nearest), &image), "has no pixels"),
    ];
    for (said, expected) in cases {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn an_embedding_row_for_padding_is_zero() {
    let rng = &mut Generator::new(0);
    let table = Embedding::new(4, 3, rng).padding_idx(1);
    let rows = table.forward(Tensor::from_vec(vec![1i64, 2], [2]), &Pass::eval()).to_vec::<f32>();
    assert!(rows[..3].iter().all(|v| *v == 0.0) && rows[3..].iter().all(|v| *v != 0.0));
}

#[test]
fn adaptive_pooling_keeps_a_size_that_is_not_given() {
    let mut pool = AdaptiveAvgPool2d::new(2);
    pool.output_size[1] = None;
    assert_eq!(pool.forward(Tensor::zeros([1, 3, 5, 7], DType::F32), &Pass::eval()).shape(), [1, 3, 2, 7]);
}

#[test]
fn frozen_statistics_normalize_as_in_evaluation_and_stay() {
    let net = BatchNorm2d::new(3);
    let rng = &mut Generator::new(4);
    let images = |rng: &mut Generator| Tensor::randn([4, 3, 5, 5], DType::F32, rng) * 2.0 + 1.0;
    net.forward(images(rng), &Pass::train(0));
    let kept = state_dict(&net);
    let x = images(rng);
    let frozen = Pass::train(1).statistics(Statistics::Frozen);
    let y = net.forward(x.clone(), &frozen);
    assert_eq!(y.to_vec::<f32>(), net.forward(x.clone(), &Pass::eval()).to_vec::<f32>());
    // Its parameters learn all the same: the shift's gradient is the sum over the pixels.
    let gradients = y.sum_all().backward();
    let shift = gradients.get(net.bias.as_ref().unwrap()).unwrap();
    assert_eq!(shift.to_vec::<f32>(), [100.0; 3]);
    let after = state_dict(&net);
    assert!(kept.iter().all(|(name, t)| t.clone().to_dtype(DType::F64).to_vec::<f64>()
        == after[name].clone().to_dtype(DType::F64).to_vec::<f64>()));
    net.forward(x, &Pass::train(2));
    assert!(state_dict(&net)["running_mean"].to_vec::<f32>() != kept["running_mean"].to_vec::<f32>());
}
