//! Convolutions and matrix products, with one thread and with all: `cargo bench -p striate-kernels --bench products [FILTER]`.
//!
//! Throughput counts the operations of the plain algorithm, so that 1 Gelem/s is 1 GFLOP/s.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use striate_kernels::conv2d::{Conv2dShape, conv2d, conv2d_input_grad, conv2d_weight_grad};
use striate_kernels::gemm::{Matrix, gemm};
use striate_kernels::threads;

fn noise(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 % 1009) as f32 - 504.0) / 504.0).collect()
}

fn square(batch: usize, channels: [usize; 2], kernel: usize, size: usize, padding: usize) -> Conv2dShape {
    Conv2dShape {
        batch,
        in_channels: channels[0],
        in_size: [size; 2],
        out_channels: channels[1],
        kernel: [kernel; 2],
        stride: [1; 2],
        padding: [[padding; 2]; 2],
        dilation: [1; 2],
        groups: 1,
    }
}

fn report(c: &mut Criterion, name: &str, macs: u64, mut work: impl FnMut()) {
    let all = threads::num_threads();
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(2 * macs));
    for n in if all > 1 { vec![1, all] } else { vec![1] } {
        threads::set_num_threads(n);
        let unit = if n == 1 { "thread" } else { "threads" };
        group.bench_function(format!("{n} {unit}"), |b| b.iter(&mut work));
    }
    threads::set_num_threads(all);
    group.finish();
}

fn convolutions(c: &mut Criterion) {
    let depthwise = |stride| Conv2dShape { groups: 144, stride: [stride; 2], ..square(16, [144; 2], 3, 56, 1) };
    let cases = [
        ("mnist-net conv1", square(100, [1, 32], 3, 28, 0)),
        ("mnist-net conv2", square(100, [32, 64], 3, 26, 0)),
        ("lenet conv1", square(100, [1, 6], 5, 32, 0)),
        ("lenet conv2", square(100, [6, 16], 5, 14, 0)),
        ("resnet stem", Conv2dShape { stride: [2; 2], ..square(4, [3, 64], 7, 224, 3) }),
        ("resnet 64 of 56", square(4, [64; 2], 3, 56, 1)),
        ("resnet 512 of 7", square(4, [512; 2], 3, 7, 1)),
        ("resnet 64 to 128, stride 2", Conv2dShape { stride: [2; 2], ..square(4, [64, 128], 3, 56, 1) }),
        ("pointwise 24 to 144", square(16, [24, 144], 1, 56, 0)),
        ("depthwise 144", depthwise(1)),
        ("depthwise 144, stride 2", depthwise(2)),
    ];
    for (name, s) in cases {
        let (mut input, mut weight, mut output) = (noise(s.input_len()), noise(s.weight_len()), noise(s.output_len()));
        let bias = noise(s.out_channels);
        report(c, name, s.macs(), || conv2d(&s, &input[..], &weight, Some(&bias), &mut output));
        report(c, &format!("{name}, input gradient"), s.macs(), || {
            conv2d_input_grad(&s, &output, &weight, None, &mut input)
        });
        report(c, &format!("{name}, weight gradient"), s.macs(), || {
            conv2d_weight_grad(&s, &input[..], &output, &mut weight)
        });
    }
}

fn products(c: &mut Criterion) {
    let (batch, inputs, outputs) = (100, 9216, 128);
    let macs = (batch * inputs * outputs) as u64;
    let (x, w, y) = (noise(batch * inputs), noise(inputs * outputs), noise(batch * outputs));
    let (xm, wm, ym) = (Matrix::row_major(&x, inputs), Matrix::row_major(&w, inputs), Matrix::row_major(&y, outputs));
    let (mut dx, mut dw, mut out) = (x.clone(), w.clone(), y.clone());
    report(c, "mnist-net fc1", macs, || gemm(batch, outputs, inputs, xm, wm.t(), &mut out, false));
    report(c, "mnist-net fc1, input gradient", macs, || gemm(batch, inputs, outputs, ym, wm, &mut dx, false));
    report(c, "mnist-net fc1, weight gradient", macs, || gemm(outputs, inputs, batch, ym.t(), xm, &mut dw, false));
    let n = 768;
    let (a, b) = (noise(n * n), noise(n * n));
    let mut product = noise(n * n);
    report(c, "gemm 768×768×768", (n * n * n) as u64, || {
        gemm(n, n, n, Matrix::row_major(&a, n), Matrix::row_major(&b, n), &mut product, false)
    });
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
}

criterion_group! { name = all; config = quick(); targets = convolutions, products }
criterion_main!(all);
