//! Depthwise convolutions with their neighbours, and kept kernels.

use super::tests::noise;
use super::*;
use crate::elementwise::{Activation, Unary};
use crate::packed::PackedWeight;
use crate::target::tests::on_every_target;
use crate::threads::set_num_threads;

fn values(len: usize, seed: u32) -> Vec<f32> {
    noise(len, seed).into_iter().map(|x| x as f32).collect()
}

fn close(got: &[f32], want: &[f32], case: &str) {
    let largest = want.iter().fold(1e-3f32, |m, x| m.max(x.abs()));
    for (i, (a, b)) in got.iter().zip(want).enumerate() {
        assert!((a - b).abs() <= 2e-5 * largest, "{case}: element {i} is {a}, not {b}");
    }
    assert_eq!(got.len(), want.len());
}

fn pointwise(batch: usize, size: [usize; 2], channels: [usize; 2]) -> Conv2dShape {
    let [in_channels, out_channels] = channels;
    Conv2dShape {
        batch,
        in_channels,
        in_size: size,
        out_channels,
        kernel: [1; 2],
        stride: [1; 2],
        padding: [[0; 2]; 2],
        dilation: [1; 2],
        groups: 1,
    }
}

fn depthwise(
    batch: usize,
    size: [usize; 2],
    c: usize,
    k: usize,
    stride: usize,
    padding: [[usize; 2]; 2],
) -> Conv2dShape {
    Conv2dShape { kernel: [k; 2], stride: [stride; 2], padding, groups: c, ..pointwise(batch, size, [c; 2]) }
}

#[test]
fn a_block_is_its_convolutions_one_after_another() {
    let clamp = Epilogue { clamp: Some([0.0, 0.4]), ..Epilogue::NONE };
    let silu = Epilogue { activation: Some(Unary::Activation(Activation::Silu)), ..Epilogue::NONE };
    let same = |p| [[p; 2]; 2];
    for (i, (batch, size, [ci, c, co], k, stride, padding)) in [
        (1, [17, 15], [3, 40, 5], 3, 1, same(1)),
        (2, [16, 29], [8, 33, 17], 3, 2, same(1)),
        (1, [28, 14], [16, 64, 24], 5, 1, same(2)),
        (3, [15, 31], [5, 7, 33], 5, 2, same(2)),
        (1, [9, 16], [4, 16, 8], 7, 1, same(3)),
        (1, [13, 1], [4, 18, 8], 7, 2, same(3)),
        (2, [6, 20], [2, 530, 3], 3, 1, [[2, 0], [0, 2]]),
        (1, [4, 5], [3, 9, 4], 3, 1, same(0)),
        (1, [1, 1], [3, 9, 4], 5, 2, same(4)),
    ]
    .into_iter()
    .enumerate()
    {
        let s = depthwise(batch, size, c, k, stride, padding);
        let (x, middle) = (values(batch * size[0] * size[1] * ci, 1), pointwise(batch, size, [ci, c]));
        let out = pointwise(batch, s.out_size(), [c, co]);
        let weights = [values(c * ci, 2), values(s.weight_len(), 3), values(co * c, 4)];
        let biases = [values(c, 5), values(c, 6), values(co, 7)];
        let residual = values(out.output_len(), 8);
        let inner = if i % 2 == 0 { clamp } else { silu };
        let last = Epilogue { residual: Some(&residual), ..Epilogue::NONE };
        for (expands, projects) in [(true, true), (true, false), (false, true), (false, false)] {
            on_every_target(|target| {
                let mut y = if expands { x.clone() } else { values(s.input_len(), 9) };
                let input = y.clone();
                let mut step = |s: &Conv2dShape, at: usize, epilogue: Epilogue<f32>| {
                    let mut to = vec![f32::NAN; s.output_len()];
                    conv2d_fused(s, &y[..], &weights[at], Some(&biases[at]), epilogue, &mut to);
                    y = to;
                };
                if expands {
                    step(&middle, 0, inner);
                }
                step(&s, 1, inner);
                if projects {
                    step(&out, 2, last);
                }
                let part = |at: usize, channels: [usize; 2], epilogue| Pointwise {
                    channels,
                    weight: (&weights[at]).into(),
                    bias: Some(&biases[at]),
                    epilogue,
                };
                let block = DepthwiseBlock {
                    shape: &s,
                    expand: expands.then(|| part(0, [ci, c], inner)),
                    weight: (&weights[1]).into(),
                    bias: Some(&biases[1]),
                    epilogue: inner,
                    project: projects.then(|| part(2, [c, co], last)),
                };
                let run = |threads: usize| {
                    set_num_threads(threads);
                    let mut got = vec![f32::NAN; y.len()];
                    depthwise_block(&block, input[..].into(), &mut got);
                    got
                };
                let got = run(1);
                close(&got, &y, &format!("{target:?} {s:?} {expands} {projects}"));
                for threads in [2, 3, 16] {
                    assert_eq!(run(threads), got, "{threads} threads");
                }
            });
        }
    }
}

#[test]
fn kept_kernels_of_few_tiles_agree_with_the_definition() {
    for (batch, size, [ci, co], padding) in [
        (1, [5, 7], [128, 192], [[1; 2]; 2]),
        (1, [16, 13], [193, 130], [[1; 2]; 2]),
        (3, [4, 6], [160, 160], [[0, 1], [2, 0]]),
        (1, [3, 3], [256, 100], [[0; 2]; 2]),
    ] {
        let s = Conv2dShape { kernel: [3; 2], padding, ..pointwise(batch, size, [ci, co]) };
        assert!(winograd::applies_kept(&s));
        let (x, weight, bias) = (values(s.input_len(), 1), values(s.weight_len(), 2), values(co, 3));
        let residual = values(s.output_len(), 4);
        let epilogue = Epilogue { residual: Some(&residual), clamp: Some([0.0, f64::NAN]), activation: None };
        let mut want = vec![f32::NAN; s.output_len()];
        ComputeSettings { winograd: false, ..ComputeSettings::current() }.scope(|| {
            conv2d_fused(&s, &x[..], &weight, Some(&bias), epilogue, &mut want);
        });
        on_every_target(|target| {
            let packed = PackedWeight::default();
            for threads in [1, 2, 3] {
                set_num_threads(threads);
                let mut got = vec![f32::NAN; s.output_len()];
                let weights = Weights::packed(&weight[..], &packed);
                conv2d_fused(&s, &x[..], weights, Some(&bias), epilogue, &mut got);
                close(&got, &want, &format!("{target:?} {s:?}"));
            }
            assert!(packed.bytes() >= 4 * 16 * ci * co, "the kernels are kept");
        });
    }
}

#[test]
fn pixels_that_lie_a_page_apart_are_moved() {
    for (kernel, stride, padding, c) in [(1, 1, 0, 1024), (1, 2, 0, 512), (3, 2, 1, 512)] {
        let one = pointwise(2, [5, 6], [c, 40]);
        let s = Conv2dShape { kernel: [kernel; 2], stride: [stride; 2], padding: [[padding; 2]; 2], ..one };
        let (x, weight) = (values(s.input_len(), 1), values(s.weight_len(), 2));
        let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|&x| x.into()).collect() };
        let mut want = vec![0.0; s.output_len()];
        direct::forward(&s, &wide(&x), &wide(&weight), None, &mut want);
        let want: Vec<f32> = want.iter().map(|&x| x as f32).collect();
        on_every_target(|target| {
            let mut got = vec![f32::NAN; s.output_len()];
            conv2d(&s, &x[..], &weight, None, &mut got);
            close(&got, &want, &format!("{target:?} {s:?}"));
        });
    }
}
