//! How fast the memory-bound kernels are, beside a copy of as many bytes: `cargo run --release --example elementwise_bench`.

use std::time::Instant;
use striate_kernels::copy::copy_strided;
use striate_kernels::elementwise::{Activation, Binary, Operand, Unary, binary_assign, unary, unary_assign};
use striate_kernels::group_norm::{GroupNormShape, group_norm, group_norm_grad};
use striate_kernels::norm::{batch_norm_grad, batch_norm_stats};
use striate_kernels::optim::{AdamStep, adam_step};
use striate_kernels::pool2d::{Pool2dShape, max_pool2d, max_pool2d_grad};
use striate_kernels::reduce::{Reduce, reduce};
use striate_kernels::threads::parallel_chunks;

const N: usize = 100 * 24 * 24 * 64;

/// Runs `f` in turn with a copy and prints the median times; `floats` is how many `f32` it reads and writes.
fn measure(name: &str, floats: usize, from: &[f32], to: &mut [f32], mut f: impl FnMut()) {
    let half = floats / 2;
    let (mut times, mut copies) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        let start = Instant::now();
        f();
        times.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        for done in (0..half).step_by(N) {
            let n = N.min(half - done);
            parallel_chunks(&mut to[..n], 32 * 1024, |i, to| to.copy_from_slice(&from[i * 32 * 1024..][..to.len()]));
        }
        copies.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    copies.sort_by(f64::total_cmp);
    let (time, copy) = (times[7], copies[7]);
    println!("{name:28} {time:8.3} ms   copy {copy:8.3} ms   {:5.2}×", time / copy);
}

fn main() {
    let x: Vec<f32> = (0..N).map(|i| (i % 1000) as f32 / 500.0 - 1.0).collect();
    let (mut y, mut z, mut spare) = (x.clone(), x.clone(), x.clone());
    let bias = vec![0.1; 64];
    measure("relu", 2 * N, &x, &mut spare, || unary(Unary::Relu, &x, &mut y));
    measure("relu in place", 2 * N, &x, &mut spare, || unary_assign(Unary::Relu, &mut y));
    measure("tanh", 2 * N, &x, &mut spare, || unary(Unary::Tanh, &x, &mut y));
    measure("sigmoid", 2 * N, &x, &mut spare, || unary(Unary::Sigmoid, &x, &mut y));
    let dense = Operand { data: &x[..], strides: &[64, 1] };
    let shape = [N / 64, 64];
    measure("add in place", 3 * N, &x, &mut spare, || binary_assign(Binary::Add, &shape, &mut y, dense, false));
    measure("relu gradient", 3 * N, &x, &mut spare, || binary_assign(Binary::ReluGrad, &shape, &mut y, dense, true));
    for activation in
        [Activation::Hardtanh(0.0, 6.0), Activation::Hardswish, Activation::Silu, Activation::Gelu, Activation::Mish]
    {
        let (name, slope) = (activation.name(), Binary::ActivationGrad(activation));
        measure(name, 2 * N, &x, &mut spare, || unary(Unary::Activation(activation), &x, &mut y));
        let name = format!("{name} gradient");
        measure(&name, 3 * N, &x, &mut spare, || binary_assign(slope, &shape, &mut y, dense, true));
    }
    for c in [64, 32, 10] {
        let bias = Operand { data: &bias[..c], strides: &[0, 1] };
        let (shape, n) = ([N / c, c], N / c * c);
        let name = format!("add a bias of {c} in place");
        measure(&name, 2 * n, &x, &mut spare, || binary_assign(Binary::Add, &shape, &mut y[..n], bias, false));
    }
    let mut sums = vec![0.0; 64];
    measure("column sums of 64", N, &x, &mut spare, || {
        reduce(Reduce::Sum, &shape, &[64, 1], &x, &[true, false], &mut sums)
    });
    measure("sum", N, &x, &mut spare, || reduce(Reduce::Sum, &[N], &[1], &x, &[true], &mut sums[..1]));
    measure("NHWC to NCHW", 2 * N, &x, &mut spare, || {
        copy_strided(&[100, 64, 576], &x, &[64 * 576, 1, 64], &mut y);
    });
    measure("NCHW to NHWC", 2 * N, &x, &mut spare, || {
        copy_strided(&[100, 576, 64], &x, &[64 * 576, 1, 576], &mut y);
    });
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
    let (mut out, mut argmax) = (vec![0.0; N / 4], vec![0u8; N / 4]);
    let floats = N + N / 4 + N / 16;
    measure("max_pool2d 2×2", floats, &x, &mut spare, || max_pool2d(&pool, &x, false, &mut out, &mut argmax));
    measure("max_pool2d 2×2 gradient", floats, &x, &mut spare, || max_pool2d_grad(&pool, &out, &argmax, &mut y));
    let (mut mean, mut var) = (vec![0.0; 64], vec![0.0; 64]);
    measure("batch_norm_stats", N, &x, &mut spare, || batch_norm_stats(N / 64, 64, &x, &mut mean, &mut var));
    let (mut gw, mut gb) = (vec![0.0; 64], vec![0.0; 64]);
    measure("batch_norm_grad", 5 * N, &x, &mut spare, || {
        batch_norm_grad(N / 64, 64, &x, &z, &mean, &var, None, None, None, &mut y, &mut gw, &mut gb)
    });
    let s = GroupNormShape { samples: 100, pixels: 576, channels: 64, groups: 8 };
    let (mut mean, mut var) = (vec![0.0; 800], vec![0.0; 800]);
    measure("group_norm", 4 * N, &x, &mut spare, || group_norm(&s, &x, None, None, 1e-5, &mut y, &mut mean, &mut var));
    measure("group_norm_grad", 5 * N, &x, &mut spare, || {
        group_norm_grad(&s, &x, &z, &mean, &var, None, 1e-5, &mut y, &mut gw, &mut gb)
    });
    let (mut m, mut v) = (vec![0.0; N], vec![0.0; N]);
    let h = AdamStep { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decoupled: false, step: 1 };
    for n in [N, 1_200_000] {
        let name = format!("adam_step of {n}");
        measure(&name, 7 * n, &x, &mut spare, || {
            adam_step(&h, &mut z[..n], &x[..n], &mut m[..n], &mut v[..n]);
        });
    }
}
