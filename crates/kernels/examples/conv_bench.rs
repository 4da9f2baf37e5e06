//! Times the convolutions and products of two small networks, batch 100, on one thread and on two.

use std::time::Instant;
use striate_kernels::conv2d::{Conv2dShape, conv2d, conv2d_input_grad, conv2d_weight_grad};
use striate_kernels::gemm::{Matrix, gemm};
use striate_kernels::threads;

/// The median time of `work` in milliseconds.
fn time(mut work: impl FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..11)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn report(name: &str, macs: u64, mut work: impl FnMut()) {
    print!("{name:44}");
    for n in [1, 2] {
        threads::set_num_threads(n);
        let ms = time(&mut work);
        print!("  {n} thread: {ms:7.2} ms {:6.1} GFLOP/s", 2e-6 * macs as f64 / ms);
    }
    println!();
}

fn noise(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 % 1009) as f32 - 504.0) / 504.0).collect()
}

fn main() {
    for (in_channels, out_channels, kernel, size) in [(1, 32, 3, 28), (32, 64, 3, 26), (1, 6, 5, 32), (6, 16, 5, 14)] {
        let s = Conv2dShape {
            batch: 100,
            in_channels,
            in_size: [size, size],
            out_channels,
            kernel: [kernel, kernel],
            stride: [1, 1],
            padding: [[0, 0], [0, 0]],
            dilation: [1, 1],
            groups: 1,
        };
        let (mut input, mut weight, mut output) = (noise(s.input_len()), noise(s.weight_len()), noise(s.output_len()));
        let bias = noise(out_channels);
        let name = format!("conv2d {in_channels}→{out_channels} k{kernel} on {size}×{size}");
        report(&name, s.macs(), || conv2d(&s, &input[..], &weight, Some(&bias), &mut output));
        report(&format!("{name}, input gradient"), s.macs(), || {
            conv2d_input_grad(&s, &output, &weight, None, &mut input)
        });
        report(&format!("{name}, weight gradient"), s.macs(), || {
            conv2d_weight_grad(&s, &input[..], &output, &mut weight)
        });
    }
    let (batch, inputs, outputs) = (100, 9216, 128);
    let macs = (batch * inputs * outputs) as u64;
    let (x, w, y) = (noise(batch * inputs), noise(inputs * outputs), noise(batch * outputs));
    let (xm, wm, ym) = (Matrix::row_major(&x, inputs), Matrix::row_major(&w, inputs), Matrix::row_major(&y, outputs));
    let (mut dx, mut dw, mut out) = (x.clone(), w.clone(), y.clone());
    report("linear 9216→128", macs, || gemm(batch, outputs, inputs, xm, wm.t(), &mut out, false));
    report("linear 9216→128, input gradient", macs, || gemm(batch, inputs, outputs, ym, wm, &mut dx, false));
    report("linear 9216→128, weight gradient", macs, || gemm(outputs, inputs, batch, ym.t(), xm, &mut dw, false));
    let n = 768;
    let (a, b) = (noise(n * n), noise(n * n));
    let mut c = noise(n * n);
    report("gemm 768×768×768", (n * n * n) as u64, || {
        gemm(n, n, n, Matrix::row_major(&a, n), Matrix::row_major(&b, n), &mut c, false)
    });
}
