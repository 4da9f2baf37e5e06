use super::*;

/// [batch, channels, height, width, kernel (2), stride (2), padding (2), dilation (2), ceil_mode]
const CASES: [[usize; 13]; 13] = [
    [2, 64, 6, 8, 2, 2, 2, 2, 0, 0, 1, 1, 0],
    [3, 17, 7, 5, 2, 2, 2, 2, 0, 0, 1, 1, 0],
    [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0],
    [2, 3, 7, 5, 2, 2, 2, 2, 0, 0, 1, 1, 1],
    [2, 20, 9, 8, 3, 3, 2, 2, 1, 1, 1, 1, 0],
    [2, 16, 9, 8, 3, 2, 2, 3, 1, 1, 1, 1, 1],
    [1, 3, 10, 10, 2, 3, 3, 4, 0, 0, 1, 1, 0],
    [1, 5, 9, 11, 3, 3, 1, 2, 2, 1, 2, 2, 0],
    [1, 5, 9, 11, 3, 2, 2, 2, 1, 1, 3, 2, 1],
    [1, 18, 12, 12, 5, 5, 2, 1, 2, 2, 1, 1, 0],
    [2, 3, 6, 6, 6, 6, 6, 6, 0, 0, 1, 1, 0],
    [0, 3, 6, 6, 2, 2, 2, 2, 0, 0, 1, 1, 0],
    [2, 0, 6, 6, 2, 2, 2, 2, 0, 0, 1, 1, 0],
];

fn shape(c: [usize; 13]) -> Pool2dShape {
    Pool2dShape {
        batch: c[0],
        channels: c[1],
        in_size: [c[2], c[3]],
        kernel: [c[4], c[5]],
        stride: [c[6], c[7]],
        padding: [c[8], c[9]],
        dilation: [c[10], c[11]],
        ceil_mode: c[12] == 1,
    }
}

/// The places in the padded or overhanging surroundings are `None`.
fn reference_window(s: &Pool2dShape, out: [usize; 2]) -> Vec<(usize, Option<[usize; 2]>)> {
    let mut all = Vec::new();
    for ky in 0..s.kernel[0] {
        for kx in 0..s.kernel[1] {
            let place = [0, 1].map(|d| {
                let at = out[d] * s.stride[d] + [ky, kx][d] * s.dilation[d];
                at.checked_sub(s.padding[d]).filter(|&at| at < s.in_size[d])
            });
            all.push((ky * s.kernel[1] + kx, place[0].zip(place[1]).map(|(y, x)| [y, x])));
        }
    }
    all
}

fn each_output(s: &Pool2dShape, mut f: impl FnMut(usize, usize, [usize; 2])) {
    let [h, w] = s.out_size();
    for n in 0..s.batch {
        for y in 0..h {
            for x in 0..w {
                f(n, ((n * h + y) * w + x) * s.channels, [y, x]);
            }
        }
    }
}

fn input_at(s: &Pool2dShape, n: usize, [y, x]: [usize; 2]) -> usize {
    ((n * s.in_size[0] + y) * s.in_size[1] + x) * s.channels
}

fn values<T: Float>(n: usize, seed: usize, special: bool) -> Vec<T> {
    (0..n)
        .map(|i| match (i * i + i * 7 + seed) % 61 {
            0 if special => T::NAN,
            1..4 if special => T::NEG_INFINITY,
            v => T::from_f64(v as f64 / 4.0 - 9.0),
        })
        .collect()
}

fn same<T: Float>(a: T, b: T) -> bool {
    a == b || a.is_nan() && b.is_nan()
}

fn check_max<T: Float, I: WindowIndex>() {
    for case in CASES {
        let s = shape(case);
        for (special, relu) in [(false, false), (false, true), (true, false), (true, true)] {
            let x = values::<T>(s.input_len(), 3, special);
            let grad = values::<T>(s.output_len(), 5, false);
            let mut out = vec![T::ZERO; s.output_len()];
            let mut argmax = vec![I::from_position(99); s.output_len()];
            let mut grad_x = vec![T::NAN; s.input_len()];
            max_pool2d(&s, &x, relu, &mut out, &mut argmax);
            max_pool2d_grad(&s, &grad, &argmax, &mut grad_x);
            let mut want_grad = vec![T::ZERO; s.input_len()];
            each_output(&s, |n, at, place| {
                for c in 0..s.channels {
                    let mut best: Option<(usize, T, usize)> = None;
                    for (k, place) in reference_window(&s, place) {
                        let Some(place) = place else { continue };
                        let from = input_at(&s, n, place) + c;
                        if best.is_none_or(|(_, b, _)| x[from] > b || x[from].is_nan()) {
                            best = Some((k, x[from], from));
                        }
                    }
                    let (k, value, from) = best.expect("no window lies outside the image");
                    let dead = relu && value <= T::ZERO;
                    let (value, k) = if dead { (T::ZERO, I::NONE) } else { (value, k as i32) };
                    assert!(same(out[at + c], value), "{case:?}: {}, expected {value}", out[at + c]);
                    assert_eq!(argmax[at + c].to_position(), k, "{case:?}");
                    if !dead {
                        want_grad[from] += grad[at + c];
                    }
                }
            });
            assert_eq!(grad_x, want_grad, "{case:?}");
        }
    }
}

#[test]
fn max_matches_the_reference() {
    check_max::<f32, u8>();
    check_max::<f64, i64>();
}

fn check_avg_pool<T: Float>(tolerance: f64) {
    for case in CASES.into_iter().filter(|c| c[10..12] == [1, 1]) {
        let s = shape(case);
        for count_include_pad in [false, true] {
            let (x, grad) = (values::<T>(s.input_len(), 3, false), values::<T>(s.output_len(), 5, false));
            let (mut out, mut grad_x) = (vec![T::NAN; s.output_len()], vec![T::NAN; s.input_len()]);
            avg_pool2d(&s, count_include_pad, &x, &mut out);
            avg_pool2d_grad(&s, count_include_pad, &grad, &mut grad_x);
            let mut want_grad = vec![0.0; s.input_len()];
            each_output(&s, |n, at, place| {
                let window = reference_window(&s, place);
                let inside: Vec<usize> =
                    window.iter().filter_map(|(_, place)| place.map(|place| input_at(&s, n, place))).collect();
                let counted = [0, 1].map(|d| {
                    let first = place[d] * s.stride[d];
                    (first..first + s.kernel[d]).filter(|at| *at < s.in_size[d] + 2 * s.padding[d]).count()
                });
                let divisor = if count_include_pad { counted[0] * counted[1] } else { inside.len() } as f64;
                for c in 0..s.channels {
                    let want = inside.iter().map(|i| x[i + c].to_f64()).sum::<f64>() / divisor;
                    let got = out[at + c].to_f64();
                    assert!((got - want).abs() <= tolerance * want.abs().max(1.0), "{case:?}: {got}, expected {want}");
                    inside.iter().for_each(|i| want_grad[i + c] += grad[at + c].to_f64() / divisor);
                }
            });
            for (got, want) in grad_x.iter().zip(want_grad) {
                assert!((got.to_f64() - want).abs() <= tolerance * want.abs().max(1.0), "{case:?}: {got} for {want}");
            }
        }
    }
}

#[test]
fn avg_matches_the_reference() {
    check_avg_pool::<f32>(1e-5);
    check_avg_pool::<f64>(1e-13);
}

#[test]
fn out_sizes_are_those_of_pytorch() {
    // torch.nn.functional.max_pool2d of PyTorch 2.15 on a 7×7 image.
    for (kernel, stride, padding, dilation, ceil, want) in [
        (2, 2, 0, 1, false, 3),
        (2, 2, 0, 1, true, 4),
        (3, 2, 1, 1, false, 4),
        (3, 2, 1, 1, true, 4),
        (2, 3, 1, 1, true, 3),
        (3, 1, 0, 2, false, 3),
        (1, 4, 0, 1, true, 2),
    ] {
        let s =
            shape([1, 1, 7, 7, kernel, kernel, stride, stride, padding, padding, dilation, dilation, ceil as usize]);
        assert_eq!(s.out_size(), [want; 2], "{s:?}");
    }
}

#[test]
fn averages_are_those_of_pytorch() {
    // torch.nn.functional.avg_pool2d of PyTorch 2.15 on arange(63) % 11 as a 9×7 image, to four decimals.
    let s = shape([1, 1, 9, 7, 3, 2, 2, 3, 1, 1, 1, 1, 1]);
    let x: Vec<f64> = (0..63).map(|i| (i % 11) as f64).collect();
    let with =
        [1.1667, 4.0, 2.3333, 3.3333, 5.5, 4.8333, 3.0, 4.8333, 4.1667, 2.6667, 4.1667, 5.3333, 1.0, 3.6667, 3.8333];
    let without = [3.5, 6.0, 3.5, 6.6667, 5.5, 4.8333, 6.0, 4.8333, 4.1667, 5.3333, 4.1667, 5.3333, 3.0, 5.5, 5.75];
    for (count_include_pad, want) in [(true, with), (false, without)] {
        let mut out = vec![0.0; s.output_len()];
        avg_pool2d(&s, count_include_pad, &x, &mut out);
        assert_eq!(out.len(), want.len());
        assert!(out.iter().zip(want).all(|(got, want)| (got - want).abs() < 6e-5), "{out:?}");
    }
}

#[test]
#[should_panic(expected = "window is larger than the padded image")]
fn windows_larger_than_the_image_are_refused() {
    shape([1, 1, 2, 2, 3, 3, 1, 1, 0, 0, 1, 1, 0]).out_size();
}
