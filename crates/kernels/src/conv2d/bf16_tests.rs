use super::tests::{noise, shapes};
use super::*;
use crate::elementwise::{Activation, Unary, f32_to_bf16};
use crate::gemm::{Matrix, linear};
use crate::packed::PackedWeight;
use crate::settings::Precision;
use crate::target::tests::on_every_bf16_target;
use crate::threads::set_num_threads;

/// Calls `work` with this precision, whether or not the machine has instructions for it: test targets need none.
fn scope(precision: Precision, work: impl FnOnce()) {
    let before = ComputeSettings::current();
    ComputeSettings { precision, winograd: false, ..before }.adopt();
    work();
    before.adopt();
}

fn values(len: usize, seed: u32) -> Vec<f32> {
    noise(len, seed).into_iter().map(|x| x as f32).collect()
}

fn rounded(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f32_to_bf16(x).to_f64()).collect()
}

/// Products of rounded factors are exact in `f32`, so only sums are rounded.
#[track_caller]
fn close(got: &[f32], want: &[f64], what: &str) {
    let scale = want.iter().fold(1e-6f64, |a, &b| a.max(b.abs()));
    for (i, (&g, w)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(g) - w).abs() <= 1e-5 * scale, "{what}: element {i} is {g}, not {w}");
    }
}

#[test]
fn convolutions_multiply_rounded_factors() {
    let base = Conv2dShape { batch: 1, groups: 1, dilation: [1, 1], stride: [1, 1], ..shapes()[0].clone() };
    let [one, three] = [([1, 1], [[0; 2]; 2]), ([3, 3], [[1; 2]; 2])];
    let of = |(kernel, padding): ([usize; 2], [[usize; 2]; 2]), channels: [usize; 2], stride| Conv2dShape {
        kernel,
        padding,
        stride: [stride; 2],
        in_channels: channels[0],
        out_channels: channels[1],
        ..base.clone()
    };
    let more = [
        of(one, [64, 96], 1),
        of(one, [17, 33], 2),
        of(one, [1, 1], 1),
        of(three, [2048, 20], 1),
        of(one, [1024, 20], 2),
        of(one, [2048, 33], 1),
        Conv2dShape { kernel: [7, 7], padding: [[3; 2]; 2], in_size: [15, 16], ..of(one, [3, 64], 2) },
        Conv2dShape { groups: 2, ..of(three, [12, 10], 2) },
        Conv2dShape { batch: 9, in_size: [3, 3], ..of(one, [33, 40], 1) },
    ];
    for s in shapes().into_iter().chain(more).filter(|s| !s.is_depthwise() && Crop::of(s).is_none()) {
        // An odd number of channels in a group has no pairs, and stays as it is.
        let rounds = s.groups == 1 || (s.in_channels / s.groups).is_multiple_of(2);
        let (x, weight) = (values(s.input_len(), 1), values(s.weight_len(), 2));
        let (bias, residual) = (values(s.out_channels, 3), values(s.output_len(), 4));
        let wide = |x: &[f32]| if rounds { rounded(x) } else { x.iter().map(|&x| x.into()).collect() };
        let mut want = vec![0.0; s.output_len()];
        direct::forward(&s, &wide(&x), &wide(&weight), None, &mut want);
        for (i, y) in want.iter_mut().enumerate() {
            *y = (*y + f64::from(bias[i % s.out_channels]) + f64::from(residual[i])).max(-0.5);
            *y = *y / (1.0 + (-*y).exp());
        }
        let activation = Some(Unary::Activation(Activation::Silu));
        let epilogue = Epilogue { residual: Some(&residual), clamp: Some([-0.5, f64::NAN]), activation };
        on_every_bf16_target(|target| {
            scope(Precision::Bf16, || {
                let packed = PackedWeight::default();
                let mut first = None;
                for threads in [1, 2, 3] {
                    set_num_threads(threads);
                    let mut got = vec![f32::NAN; s.output_len()];
                    conv2d_fused(&s, &x[..], Weights::packed(&weight[..], &packed), Some(&bias), epilogue, &mut got);
                    close(&got, &want, &format!("{target:?} {s:?}"));
                    assert!(*first.get_or_insert(got.clone()) == got, "{target:?} {s:?}: threads change bits");
                }
            });
        });
    }
}

#[test]
fn a_relu_on_the_way_in_is_rounded_after_it() {
    let s = Conv2dShape { in_channels: 34, out_channels: 20, kernel: [1, 1], ..shapes()[0].clone() };
    let (x, weight) = (values(s.input_len(), 1), values(s.weight_len(), 2));
    let positive: Vec<f32> = x.iter().map(|&x| x.max(0.0)).collect();
    let mut want = vec![0.0; s.output_len()];
    direct::forward(&s, &rounded(&positive), &rounded(&weight), None, &mut want);
    on_every_bf16_target(|target| {
        scope(Precision::Bf16, || {
            let (packed, mut got) = (PackedWeight::default(), vec![f32::NAN; s.output_len()]);
            let input = Input { values: &x[..], relu: true };
            conv2d(&s, input, Weights::packed(&weight[..], &packed), None, &mut got);
            close(&got, &want, &format!("{target:?}"));
        });
    });
}

#[test]
fn what_is_not_finite_stays_so() {
    let s = Conv2dShape { in_channels: 19, out_channels: 3, kernel: [1, 1], batch: 1, ..shapes()[0].clone() };
    let mut x = values(s.input_len(), 1);
    (x[0], x[19], x[2 * 19 + 18]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
    let weight = vec![1.0f32; s.weight_len()];
    on_every_bf16_target(|_| {
        scope(Precision::Bf16, || {
            let (packed, mut got) = (PackedWeight::default(), vec![0.0f32; s.output_len()]);
            conv2d(&s, &x[..], Weights::packed(&weight[..], &packed), None, &mut got);
            assert!(got[..3].iter().all(|y| y.is_nan()));
            assert_eq!((&got[3..6], &got[6..9]), (&[f32::INFINITY; 3][..], &[f32::NEG_INFINITY; 3][..]));
            assert!(got[9..].iter().all(|y| y.is_finite()));
        });
    });
}

#[test]
fn linear_layers_multiply_rounded_factors() {
    for (rows, inputs, outputs) in [(40, 65, 33), (128, 64, 10), (96, 300, 100)] {
        let (x, weight, bias) = (values(rows * inputs, 1), values(inputs * outputs, 2), values(outputs, 3));
        let (wide, factors) = (rounded(&x), rounded(&weight));
        let mut want: Vec<f64> = Vec::new();
        for i in 0..rows {
            for (o, &bias) in bias.iter().enumerate() {
                let products = (0..inputs).map(|k| wide[i * inputs + k] * factors[o * inputs + k]);
                want.push(f64::from(bias) + products.sum::<f64>());
            }
        }
        on_every_bf16_target(|target| {
            scope(Precision::Bf16, || {
                let (packed, mut got) = (PackedWeight::default(), vec![f32::NAN; rows * outputs]);
                let weights = Weights::packed(&weight[..], &packed);
                linear(rows, inputs, outputs, Matrix::row_major(&x, inputs), weights, Some(&bias), &mut got);
                close(&got, &want, &format!("{target:?} {rows} {inputs} {outputs}"));
                assert!(packed.bytes() > 0);
            });
        });
    }
}

#[test]
fn training_and_what_is_not_packed_stay_in_f32() {
    let s = Conv2dShape { in_channels: 32, out_channels: 16, kernel: [1, 1], ..shapes()[0].clone() };
    let (x, weight) = (values(s.input_len(), 1), values(s.weight_len(), 2));
    let run = || {
        let mut y = vec![f32::NAN; s.output_len()];
        conv2d(&s, &x[..], &weight, None, &mut y);
        y
    };
    let mut rounded = Vec::new();
    scope(Precision::Bf16, || rounded = run());
    assert_eq!(rounded, run());
}
