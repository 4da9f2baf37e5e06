//! Each op that has a form in ONNX, written and read again.

use std::path::Path;
use striate_graph::{Graph, capture, capture_with};
use striate_nn::{Forward, Module, Pass};
use striate_onnx::{ExportOptions, MAX_OPSET, MIN_OPSET, Model, Network, OnnxError};
use striate_tensor::op::{Activation, Unary};
use striate_tensor::{
    Conv2dOptions, ConvTranspose2dOptions, DType, Generator, Interpolation, Op, PaddingMode, Pool2dOptions, Resize,
    Tensor,
};

#[derive(Module)]
struct Nothing {}

/// A function of one tensor as a network.
struct Of<F>(F);

impl<F> Module for Of<F> {
    fn visit<'a>(&'a self, _: &str, _: &mut dyn FnMut(&str, striate_nn::Entry<'a>)) {}
    fn visit_mut<'a>(&'a mut self, _: &str, _: &mut dyn FnMut(&str, striate_nn::EntryMut<'a>)) {}
}

impl<F: Fn(Tensor, &Pass) -> Tensor + Send + Sync> Forward for Of<F> {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.0(x, pass)
    }
}

fn read(graph: &Graph, options: &ExportOptions) -> Network {
    let model = Model::of_graph(graph, options).unwrap();
    Network::of_model(model, Path::new("test.onnx")).unwrap()
}

/// A function must give the same after a file of each end of the opsets, for batches of 2 and 3.
#[track_caller]
fn same(shape: &[usize], f: impl Fn(Tensor, &Pass) -> Tensor + Send + Sync) {
    let net = Of(f);
    let mut sizes = shape.to_vec();
    let graph = capture(&net, &sizes);
    for opset in [MIN_OPSET, MAX_OPSET] {
        let network = read(&graph, &ExportOptions { opset, ..ExportOptions::default() });
        for batch in [2, 3] {
            sizes[0] = batch;
            let x = Tensor::randn(sizes.clone(), DType::F32, &mut Generator::new(batch as u64));
            let want = net.forward(x.clone(), &Pass::eval());
            let got = network.forward(x, &Pass::eval());
            assert_eq!((got.dtype(), got.shape()), (want.dtype(), want.shape()), "opset {opset}, batch {batch}");
            let numbers = |t: Tensor| t.to_dtype(DType::F64).to_vec::<f64>();
            for (i, (a, b)) in numbers(want).into_iter().zip(numbers(got)).enumerate() {
                let close = a == b || (a - b).abs() <= 1e-5 * (1.0 + a.abs());
                assert!(close, "opset {opset}, batch {batch}, element {i}: {b}, not {a}");
            }
        }
    }
}

#[test]
fn functions_of_elements() {
    let shape = &[2, 3, 4];
    let all: [fn(Tensor) -> Tensor; 27] = [
        |x| -x,
        |x| x.abs(),
        |x| x.sign(),
        |x| x.exp(),
        |x| (x.abs() + 0.1).log(),
        |x| x.abs().log1p(),
        |x| x.expm1(),
        |x| x.erf(),
        |x| x.abs().sqrt(),
        |x| (x.abs() + 0.1).rsqrt(),
        |x| x.floor(),
        |x| x.ceil(),
        |x| (x * 3.0).round(),
        |x| x.square(),
        |x| x.reciprocal(),
        |x| x.sin(),
        |x| x.cos(),
        |x| x.tanh(),
        |x| x.sigmoid(),
        |x| x.relu(),
        |x| x.leaky_relu(0.2),
        |x| x * 2.5,
        |x| x.abs().powf(1.5),
        |x| x.clamp(-0.5, 0.5),
        |x| x.clone().maximum(-x),
        |x| x.clone() / (x.square() + 1.0),
        |x| x.gt(0.2).where_(x.clone(), x.clone() * 3.0) + x.ne(0.0).to_dtype(DType::F32),
    ];
    for f in all {
        same(shape, |x, _| f(x));
    }
    for &activation in Activation::SAMPLES {
        let op = Op::Unary(Unary::Activation(activation));
        same(shape, |x, _| op.apply(vec![x * 4.0]).swap_remove(0));
    }
}

#[test]
fn shapes_and_positions() {
    let shape = &[2, 4, 6];
    same(shape, |x, _| x.flatten(0, 1));
    same(shape, |x, _| x.clone().reshape([x.size(0) * 2, 12]));
    same(shape, |x, _| x.permute(&[2, 0, 1]));
    same(shape, |x, _| x.clone().unsqueeze(1).expand([x.size(0), 3, 4, 6]));
    same(shape, |x, _| x.narrow(2, 1, 3));
    same(shape, |x, _| Tensor::cat(&[x.clone(), x.clone() * 2.0], 1));
    same(shape, |x, _| x.pad(&[[1, 2], [0, 3]], 1.5));
    for mode in [PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular] {
        same(shape, |x, _| x.pad_mode(&[[1, 2], [2, 0]], mode));
    }
    same(shape, |x, _| x.sum(&[1]));
    same(shape, |x, _| x.mean_keepdim(&[0, 2]));
    same(shape, |x, _| x.max(&[2]));
    same(shape, |x, _| x.min_keepdim(&[1]));
    same(shape, |x, _| x.argmax(1, false));
    same(shape, |x, _| x.argmin(2, true));
    same(shape, |x, _| x.argsort(1, true));
    same(shape, |x, _| x.cumsum(2));
    same(shape, |x, _| x.softmax(1));
    same(shape, |x, _| x.log_softmax(2));
    same(shape, |x, pass| {
        let order = pass.constant(Tensor::from_vec(vec![3i64, 0, 0], [3]));
        x.index_select(1, &order)
    });
    same(shape, |x, _| x.clone().matmul(&x.transpose(1, 2)));
    same(shape, |x, pass| {
        let w = pass.constant(Tensor::randn([5, 6], DType::F32, &mut Generator::new(9)));
        x.linear(&w, None)
    });
}

#[test]
fn images() {
    let shape = &[2, 4, 7, 9];
    let weight = |shape: [usize; 4]| Tensor::randn(shape, DType::F32, &mut Generator::new(7));
    let strange = Conv2dOptions { stride: [2, 1], padding: [[1, 2], [0, 1]], dilation: [1, 2], groups: 2 };
    same(shape, |x, pass| x.conv2d(&pass.constant(weight([6, 2, 3, 2])), None, &strange));
    let transposed =
        ConvTranspose2dOptions { stride: [2, 3], padding: [1, 0], output_padding: [1, 2], dilation: [1; 2], groups: 2 };
    same(shape, |x, pass| x.conv_transpose2d(&pass.constant(weight([4, 3, 3, 3])), None, &transposed));
    for ceil_mode in [false, true] {
        for padding in [[0, 0], [1, 1]] {
            for count_include_pad in [false, true] {
                let o = Pool2dOptions {
                    stride: [2, 3],
                    padding,
                    ceil_mode,
                    count_include_pad,
                    ..Pool2dOptions::new([3, 2])
                };
                same(shape, |x, _| x.max_pool2d(o));
                same(shape, |x, _| x.avg_pool2d(o));
            }
        }
    }
    for size in [[1, 1], [7, 3], [3, 4], [2, 5]] {
        same(shape, |x, _| x.adaptive_avg_pool2d(size));
        same(shape, |x, _| x.adaptive_max_pool2d(size));
    }
    for align_corners in [false, true] {
        for mode in [Interpolation::Bilinear { align_corners }, Interpolation::Bicubic { align_corners }] {
            same(shape, |x, _| x.interpolate([11, 5], mode));
            // 1.05 gives the same size again; 1.16 of 25 pixels are 28 in double precision and 29 in single.
            for factor in [1.7, 1.05] {
                same(shape, |x, _| x.interpolate(factor, mode));
            }
            same(&[2, 1, 25, 3], |x, _| x.interpolate(1.16, mode));
        }
    }
    for mode in [Interpolation::Nearest, Interpolation::NearestExact] {
        same(shape, |x, _| x.interpolate([14, 5], mode));
        same(shape, |x, _| x.interpolate(2.0, mode));
    }
    same(shape, |x, _| x.local_response_norm(3, 0.1, 0.75, 2.0));
    let c = |n: usize, seed: u64| Tensor::rand([n], DType::F32, &mut Generator::new(seed)) + 0.5;
    same(shape, |x, pass| x.group_norm(2, Some(&pass.constant(c(4, 1))), Some(&pass.constant(c(4, 2))), 1e-5).output);
    same(shape, |x, pass| x.layer_norm(&[9], Some(&pass.constant(c(9, 1))), Some(&pass.constant(c(9, 2))), 1e-5));
    same(shape, |x, pass| x.prelu(&pass.constant(c(4, 3))));
    for mode in ["bilinear", "nearest", "bicubic"] {
        for padding in ["zeros", "border", "reflection"] {
            for corners in [false, true] {
                same(shape, |x, _| {
                    let grid = x.clone().narrow(1, 0, 2).permute(&[0, 2, 3, 1]) * 1.5;
                    x.grid_sample(&grid, mode, padding, corners)
                });
            }
        }
    }
}

/// Factors and sizes at which double and single precision pick other pixels are among them.
#[test]
fn nearest_pixels_are_the_same_ones() {
    for mode in [Interpolation::Nearest, Interpolation::NearestExact] {
        for [h, w] in [[6, 10], [10, 7], [50, 25], [60, 12]] {
            for factor in [0.58, 0.7, 0.9, 1.01, 1.05, 1.06, 1.2, 1.5, 1.9, 2.01, 2.04, 2.3, 3.7] {
                same(&[2, 1, h, w], |x, _| x.interpolate(Resize::ScaleFactor([factor, 1.0]), mode));
                same(&[2, 1, h, w], |x, _| x.interpolate(Resize::ScaleFactor([2.0, factor]), mode));
            }
            for size in [5, 10, 14, 41, 82, 123] {
                same(&[2, 1, h, w], |x, _| x.interpolate([size, 2 * w], mode));
            }
        }
    }
}

#[test]
fn weights_of_16_bits_take_half_the_room() {
    let net = striate_nn::Linear::new(64, 32, &mut Generator::new(0));
    let graph = capture(&net, &[1, 64]);
    let dir = tempfile::tempdir().unwrap();
    let size = |half: bool| {
        let path = dir.path().join("m.onnx");
        Model::of_graph(&graph, &ExportOptions { half, ..ExportOptions::default() }).unwrap().write(&path).unwrap();
        std::fs::metadata(path).unwrap().len()
    };
    assert!(size(true) < size(false) * 6 / 10);
    let read = read(&graph, &ExportOptions { half: true, softmax: true, ..ExportOptions::default() });
    let x = Tensor::randn([5, 64], DType::F32, &mut Generator::new(1));
    let want = net.forward(x.clone(), &Pass::eval()).softmax(1).to_vec::<f32>();
    let got = read.forward(x, &Pass::eval()).to_vec::<f32>();
    assert!(want.iter().zip(&got).all(|(a, b)| (a - b).abs() < 1e-3));
    assert!(want != got, "the weights are not those of 32 bits");
}

#[test]
fn several_inputs_and_outputs_have_names() {
    let spec = |shape: &[usize]| striate_tensor::Spec::new(shape, DType::F32);
    let graph = capture_with(&Nothing {}, &[("a", spec(&[2, 3])), ("b", spec(&[2, 3]))], |x, _| {
        Ok::<_, OnnxError>(vec![x[0].clone() + &x[1], x[0].clone() * &x[1], x[0].clone()])
    });
    let network = read(&graph.unwrap(), &ExportOptions::default());
    let names = |ports: &[striate_onnx::Port]| ports.iter().map(|p| p.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(network.inputs()), ["a", "b"]);
    assert_eq!(names(network.outputs()), ["output", "output_1", "output_2"]);
    let x = |n: f32| Tensor::full(n as f64, [4, 3], DType::F32);
    let got = network.run(vec![x(2.0), x(5.0)], &Pass::eval()).unwrap();
    assert_eq!(got.iter().map(|y| y.to_vec::<f32>()[0]).collect::<Vec<_>>(), [7.0, 10.0, 2.0]);
}

#[test]
fn what_has_no_form_is_named() {
    let net = Of(|x: Tensor, _: &Pass| x.local_response_norm(4, 0.1, 0.75, 2.0));
    let graph = capture(&net, &[1, 5, 2, 2]);
    let e = Model::of_graph(&graph, &ExportOptions::default()).map(|_| ()).unwrap_err().to_string();
    assert!(e.contains("local_response_norm") && e.contains("even size of 4"), "{e}");
    for opset in [MIN_OPSET - 1, MAX_OPSET + 1] {
        let e = Model::of_graph(&graph, &ExportOptions { opset, ..ExportOptions::default() });
        let e = e.map(|_| ()).unwrap_err().to_string();
        assert!(e.contains(&opset.to_string()) && e.contains("from 17 to 28"), "{e}");
    }
}
