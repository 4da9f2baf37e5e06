//! Kernels whose time is that of moving bytes, beside a copy: `cargo bench -p striate-kernels --bench memory_bound [FILTER]`.
//!
//! Throughput counts the bytes that each must read and write.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use striate_kernels::batch_norm::{BatchNorm, GradPlace, batch_norm_grad, batch_norm_stats};
use striate_kernels::copy::copy_strided;
use striate_kernels::elementwise::{Activation, Binary, Operand, Unary, binary_assign, unary, unary_assign};
use striate_kernels::group_norm::{GroupNormShape, group_norm, group_norm_grad};
use striate_kernels::optim::{AdamStep, Update, update};
use striate_kernels::pool2d::{Pool2dShape, max_pool2d, max_pool2d_grad};
use striate_kernels::reduce::{Reduce, reduce};
use striate_kernels::threads::parallel_chunks;

/// The output of mnist-net's second convolution for a batch of 100.
const N: usize = 100 * 24 * 24 * 64;
const CHUNK: usize = 32 * 1024;

/// Measures `work`, which reads and writes `floats` numbers.
fn measure(c: &mut Criterion, name: &str, floats: usize, work: impl FnMut()) {
    let mut group = c.benchmark_group("memory bound");
    group.throughput(Throughput::Bytes((floats * size_of::<f32>()) as u64));
    let mut work = work;
    group.bench_function(name, |b| b.iter(&mut work));
    group.finish();
}

fn elementwise(c: &mut Criterion) {
    let x: Vec<f32> = (0..N).map(|i| (i % 1000) as f32 / 500.0 - 1.0).collect();
    let mut y = x.clone();
    measure(c, "copy", 2 * N, || parallel_chunks(&mut y, CHUNK, |i, y| y.copy_from_slice(&x[i * CHUNK..][..y.len()])));
    for (name, op) in [("relu", Unary::Relu), ("tanh", Unary::Tanh), ("sigmoid", Unary::Sigmoid)] {
        measure(c, name, 2 * N, || unary(op, &x, &mut y));
    }
    measure(c, "relu in place", 2 * N, || unary_assign(Unary::Relu, &mut y));
    let (shape, dense) = ([N / 64, 64], Operand { data: &x[..], strides: &[64, 1] });
    for (name, op, turned) in [("add in place", Binary::Add, false), ("relu gradient", Binary::ReluGrad, true)] {
        measure(c, name, 3 * N, || binary_assign(op, &shape, &mut y, dense, turned));
    }
    for activation in
        [Activation::Hardtanh(0.0, 6.0), Activation::Hardswish, Activation::Silu, Activation::Gelu, Activation::Mish]
    {
        let (name, slope) = (activation.name(), Binary::ActivationGrad(activation));
        measure(c, name, 2 * N, || unary(Unary::Activation(activation), &x, &mut y));
        measure(c, &format!("{name} gradient"), 3 * N, || binary_assign(slope, &shape, &mut y, dense, true));
    }
    let bias = [0.1; 64];
    for channels in [64, 32, 10] {
        let bias = Operand { data: &bias[..channels], strides: &[0, 1] };
        let (shape, n) = ([N / channels, channels], N / channels * channels);
        let name = format!("add a bias of {channels} in place");
        measure(c, &name, 2 * n, || binary_assign(Binary::Add, &shape, &mut y[..n], bias, false));
    }
}

fn sums_and_orders(c: &mut Criterion) {
    let x = vec![0.5; N];
    let (mut y, mut sums) = (x.clone(), [0.0; 64]);
    measure(c, "column sums of 64", N, || reduce(Reduce::Sum, &[N / 64, 64], &[64, 1], &x, &[true, false], &mut sums));
    measure(c, "sum", N, || reduce(Reduce::Sum, &[N], &[1], &x, &[true], &mut sums[..1]));
    measure(c, "NHWC to NCHW", 2 * N, || copy_strided(&[100, 64, 576], &x, &[64 * 576, 1, 64], &mut y));
    measure(c, "NCHW to NHWC", 2 * N, || copy_strided(&[100, 576, 64], &x, &[64 * 576, 1, 576], &mut y));
}

fn pooling(c: &mut Criterion) {
    let x: Vec<f32> = (0..N).map(|i| (i % 1000) as f32 / 500.0 - 1.0).collect();
    let (mut y, mut out, mut position) = (x.clone(), vec![0.0; N / 4], vec![0u8; N / 4]);
    let pool = Pool2dShape {
        batch: 100,
        channels: 64,
        in_size: [24, 24],
        kernel: [2, 2],
        stride: [2, 2],
        padding: [0, 0],
        dilation: [1, 1],
        ceil_mode: false,
    };
    let floats = N + N / 4 + N / 16;
    measure(c, "max_pool2d 2×2", floats, || max_pool2d(&pool, &x, false, &mut out, &mut position));
    measure(c, "max_pool2d 2×2 gradient", floats, || max_pool2d_grad(&pool, &out, &position, &mut y));
}

fn normalization(c: &mut Criterion) {
    let x: Vec<f32> = (0..N).map(|i| (i % 1000) as f32 / 500.0 - 1.0).collect();
    let (grad, mut y) = (x.clone(), x.clone());
    let (mut mean, mut var, mut gw, mut gb) = ([0.0; 64], [1.0; 64], [0.0; 64], [0.0; 64]);
    measure(c, "batch_norm_stats", N, || batch_norm_stats(N / 64, 64, &x, &mut mean, &mut var));
    let norm =
        BatchNorm { rows: N / 64, channels: 64, mean: &mean, inv_std: &var, weight: None, bias: None, clamp: None };
    measure(c, "batch_norm_grad", 5 * N, || {
        let place = GradPlace::Grad { x: &x, grad: &mut y };
        batch_norm_grad(&norm, place, true, &mut gw, &mut gb)
    });
    let s = GroupNormShape { samples: 100, pixels: 576, channels: 64, groups: 8 };
    let (mut mean, mut var) = (vec![0.0; 800], vec![1.0; 800]);
    measure(c, "group_norm", 4 * N, || group_norm(&s, &x, None, None, 1e-5, &mut y, &mut mean, &mut var));
    measure(c, "group_norm_grad", 5 * N, || {
        group_norm_grad(&s, &x, &grad, &mean, &var, None, 1e-5, &mut y, &mut gw, &mut gb)
    });
}

fn updates(c: &mut Criterion) {
    let n = 1_200_000;
    let (grad, mut param, mut m, mut v) = (vec![0.1; n], vec![0.5; n], vec![0.0; n], vec![0.0; n]);
    let step = AdamStep { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decoupled: false, step: 1 };
    let step = Update::Adam(step);
    measure(c, "adam_step of mnist-net", 7 * n, || update(&step, &mut param, &grad, vec![&mut m, &mut v]));
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
}

criterion_group! { name = all; config = quick(); targets = elementwise, sums_and_orders, pooling, normalization, updates }
criterion_main!(all);
