use super::*;
use crate::elementwise::{Activation, Unary, unary_assign};
use crate::target::tests::on_every_target;

/// Values in -1..1 that look random and are the same each time.
pub(super) fn noise(len: usize, seed: u32) -> Vec<f64> {
    let mut state = seed;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            f64::from(((state >> 8) as f32) / (1 << 23) as f32 - 1.0)
        })
        .collect()
}

fn to_f32(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

/// Calls `term(output index, input index, weight index)` for every product in the sum that defines the convolution.
fn reference_terms(s: &Conv2dShape, mut term: impl FnMut(usize, usize, usize)) {
    let [oh, ow] = s.out_size();
    let (ci, co) = (s.in_channels / s.groups, s.out_channels / s.groups);
    for n in 0..s.batch {
        for (oy, ox) in (0..oh).flat_map(|y| (0..ow).map(move |x| (y, x))) {
            for (ky, kx) in (0..s.kernel[0]).flat_map(|y| (0..s.kernel[1]).map(move |x| (y, x))) {
                let y = (oy * s.stride[0] + ky * s.dilation[0]) as isize - s.padding[0][0] as isize;
                let x = (ox * s.stride[1] + kx * s.dilation[1]) as isize - s.padding[1][0] as isize;
                if y < 0 || x < 0 || y >= s.in_size[0] as isize || x >= s.in_size[1] as isize {
                    continue;
                }
                let pixel = (n * s.in_size[0] + y as usize) * s.in_size[1] + x as usize;
                for o in 0..s.out_channels {
                    for c in 0..ci {
                        term(
                            ((n * oh + oy) * ow + ox) * s.out_channels + o,
                            pixel * s.in_channels + o / co * ci + c,
                            ((o * s.kernel[0] + ky) * s.kernel[1] + kx) * ci + c,
                        );
                    }
                }
            }
        }
    }
}

/// Output with bias, input gradient, weight gradient.
type Results<T> = (Vec<T>, Vec<T>, Vec<T>);

fn reference(s: &Conv2dShape, input: &[f64], weight: &[f64], bias: &[f64], grad: &[f64]) -> Results<f64> {
    let mut output: Vec<f64> = (0..s.output_len()).map(|i| bias[i % s.out_channels]).collect();
    let mut grad_input = vec![0.0; s.input_len()];
    let mut grad_weight = vec![0.0; s.weight_len()];
    reference_terms(s, |o, i, w| {
        output[o] += input[i] * weight[w];
        grad_input[i] += grad[o] * weight[w];
        grad_weight[w] += grad[o] * input[i];
    });
    (output, grad_input, grad_weight)
}

fn compute<T: Float>(s: &Conv2dShape, input: &[T], weight: &[T], bias: &[T], grad: &[T]) -> Results<T> {
    let mut output = vec![T::NAN; s.output_len()];
    let mut grad_input = vec![T::NAN; s.input_len()];
    let mut grad_weight = vec![T::NAN; s.weight_len()];
    conv2d(s, input, weight, Some(bias), &mut output);
    conv2d_input_grad(s, grad, weight, None, &mut grad_input);
    conv2d_weight_grad(s, input, grad, &mut grad_weight);
    (output, grad_input, grad_weight)
}

/// As [`compute`], by the fast paths without Winograd's algorithm.
fn compute_without_winograd(
    s: &Conv2dShape,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    grad: &[f32],
) -> Results<f32> {
    let mut output = vec![f32::NAN; s.output_len()];
    let mut grad_input = vec![f32::NAN; s.input_len()];
    let mut grad_weight = vec![f32::NAN; s.weight_len()];
    implicit::forward(s, input.into(), &weight.into(), Some(bias), Epilogue::NONE, &mut output);
    if s.stride == [1, 1] {
        implicit::input_grad(s, grad, weight, None, &mut grad_input);
    } else {
        implicit_grad::strided_input_grad(s, grad, weight, None, &mut grad_input);
    }
    implicit_grad::weight_grad(s, input.into(), grad, &mut grad_weight);
    (output, grad_input, grad_weight)
}

/// As [`compute`], by Winograd's algorithm, whether it pays or not.
fn compute_winograd(s: &Conv2dShape, input: &[f32], weight: &[f32], bias: &[f32], grad: &[f32]) -> Results<f32> {
    let mut output = vec![f32::NAN; s.output_len()];
    let mut grad_input = vec![f32::NAN; s.input_len()];
    let mut grad_weight = vec![f32::NAN; s.weight_len()];
    winograd::forward(s, input.into(), &weight.into(), Some(bias), Epilogue::NONE, false, &mut output);
    winograd::input_grad(s, grad, weight, None, &mut grad_input);
    winograd::weight_grad(s, input.into(), grad, &mut grad_weight);
    (output, grad_input, grad_weight)
}

fn assert_close<T: Float>(what: &str, got: &[T], want: &[f64], tolerance: f64) {
    let scale = want.iter().fold(1e-6f64, |a, &b| a.max(b.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g.to_f64() - w).abs() <= tolerance * scale, "{what}: element {i} is {g}, not {w} (largest {scale})");
    }
}

pub(super) fn shapes() -> Vec<Conv2dShape> {
    let base = Conv2dShape {
        batch: 2,
        in_channels: 3,
        in_size: [7, 9],
        out_channels: 5,
        kernel: [3, 3],
        stride: [1, 1],
        padding: [[0, 0], [0, 0]],
        dilation: [1, 1],
        groups: 1,
    };
    let one = |p: usize| [[p, p], [p, p]];
    let depthwise = |c: usize| Conv2dShape { in_channels: c, out_channels: c, groups: c, ..base.clone() };
    vec![
        base.clone(),
        Conv2dShape { batch: 0, ..base.clone() },
        Conv2dShape { in_channels: 1, out_channels: 32, ..base.clone() },
        Conv2dShape { in_channels: 1, out_channels: 6, kernel: [5, 5], ..base.clone() },
        Conv2dShape { in_channels: 6, out_channels: 16, kernel: [5, 5], padding: one(2), ..base.clone() },
        Conv2dShape { in_channels: 17, out_channels: 33, padding: one(1), ..base.clone() },
        Conv2dShape { in_channels: 16, out_channels: 16, ..base.clone() },
        Conv2dShape { in_channels: 32, out_channels: 64, in_size: [10, 11], batch: 3, ..base.clone() },
        Conv2dShape { in_channels: 19, out_channels: 40, padding: [[2, 0], [1, 2]], in_size: [5, 6], ..base.clone() },
        Conv2dShape { in_channels: 24, out_channels: 16, padding: one(3), in_size: [2, 1], ..base.clone() },
        Conv2dShape { in_channels: 16, out_channels: 16, in_size: [3, 3], batch: 1, ..base.clone() },
        Conv2dShape { in_channels: 16, out_channels: 17, in_size: [37, 4], batch: 1, padding: one(1), ..base.clone() },
        Conv2dShape { stride: [2, 3], padding: one(1), ..base.clone() },
        Conv2dShape { stride: [4, 4], kernel: [2, 3], ..base.clone() },
        Conv2dShape { stride: [2, 1], dilation: [2, 3], padding: [[1, 3], [2, 0]], ..base.clone() },
        Conv2dShape { dilation: [3, 2], padding: one(2), ..base.clone() },
        Conv2dShape { kernel: [1, 1], in_channels: 20, out_channels: 35, ..base.clone() },
        Conv2dShape { kernel: [1, 1], stride: [2, 2], padding: one(1), ..base.clone() },
        Conv2dShape { kernel: [1, 4], padding: one(5), ..base.clone() },
        Conv2dShape { groups: 3, in_channels: 6, out_channels: 9, padding: one(1), ..base.clone() },
        Conv2dShape { groups: 2, in_channels: 34, out_channels: 36, stride: [2, 2], ..base.clone() },
        Conv2dShape { groups: 21, in_channels: 21, out_channels: 21, padding: one(1), ..base.clone() },
        Conv2dShape { padding: one(1), in_size: [9, 31], ..depthwise(16) },
        Conv2dShape { padding: one(1), in_size: [8, 30], stride: [2, 2], ..depthwise(24) },
        Conv2dShape { padding: [[2, 1], [0, 3]], kernel: [5, 5], in_size: [12, 13], ..depthwise(17) },
        Conv2dShape { padding: one(2), kernel: [5, 5], in_size: [1, 22], stride: [2, 2], ..depthwise(8) },
        Conv2dShape { padding: one(2), kernel: [5, 3], in_size: [4, 5], stride: [1, 2], batch: 1, ..depthwise(33) },
        Conv2dShape { padding: one(1), dilation: [2, 2], ..depthwise(16) },
        Conv2dShape { padding: one(4), kernel: [2, 7], stride: [3, 3], ..depthwise(9) },
        Conv2dShape { kernel: [1, 1], ..depthwise(16) },
        Conv2dShape { kernel: [1, 1], stride: [2, 2], ..depthwise(16) },
        Conv2dShape { in_size: [70, 40], batch: 3, padding: one(1), ..depthwise(16) },
        Conv2dShape { batch: 0, ..depthwise(16) },
        Conv2dShape { in_size: [1, 1], padding: one(1), in_channels: 20, out_channels: 40, batch: 11, ..base.clone() },
        Conv2dShape { in_size: [1, 2], padding: one(2), kernel: [3, 5], ..base.clone() },
        Conv2dShape { in_size: [2, 1], padding: one(4), dilation: [2, 2], kernel: [5, 5], ..base.clone() },
        Conv2dShape { in_size: [1, 3], padding: one(1), stride: [2, 2], ..depthwise(16) },
        Conv2dShape {
            in_size: [2, 2],
            padding: one(3),
            stride: [7, 7],
            groups: 3,
            in_channels: 6,
            out_channels: 6,
            ..base.clone()
        },
        Conv2dShape { in_size: [2, 2], padding: one(1), in_channels: 24, out_channels: 40, batch: 50, ..base.clone() },
        Conv2dShape { in_size: [4, 4], kernel: [1, 1], in_channels: 24, out_channels: 40, batch: 33, ..base.clone() },
        Conv2dShape {
            in_size: [4, 3],
            padding: one(1),
            stride: [2, 2],
            in_channels: 18,
            out_channels: 40,
            batch: 33,
            ..base.clone()
        },
        Conv2dShape { groups: 4, in_channels: 4, out_channels: 8, stride: [2, 1], dilation: [1, 2], ..base.clone() },
        Conv2dShape { in_size: [70, 30], in_channels: 4, out_channels: 8, batch: 1, padding: one(1), ..base.clone() },
        Conv2dShape { in_size: [1, 1], kernel: [1, 1], in_channels: 1, out_channels: 1, batch: 1, ..base.clone() },
    ]
}

#[test]
fn agrees_with_the_definition() {
    for s in shapes() {
        let (input, weight) = (noise(s.input_len(), 1), noise(s.weight_len(), 2));
        let (bias, grad) = (noise(s.out_channels, 3), noise(s.output_len(), 4));
        let want = reference(&s, &input, &weight, &bias, &grad);
        let check = |name: &str, got: Results<f32>, tolerance: f64| {
            assert_close(&format!("{name} output {s:?}"), &got.0, &want.0, tolerance);
            assert_close(&format!("{name} input gradient {s:?}"), &got.1, &want.1, tolerance);
            assert_close(&format!("{name} weight gradient {s:?}"), &got.2, &want.2, tolerance);
        };
        let (input32, weight32, bias32, grad32) = (to_f32(&input), to_f32(&weight), to_f32(&bias), to_f32(&grad));
        on_every_target(|target| {
            check(&format!("{target:?}"), compute(&s, &input32, &weight32, &bias32, &grad32), 5e-6);
            check(
                &format!("{target:?} without Winograd"),
                compute_without_winograd(&s, &input32, &weight32, &bias32, &grad32),
                3e-6,
            );
            if winograd::can(&s) {
                let got = compute_winograd(&s, &input32, &weight32, &bias32, &grad32);
                check(&format!("{target:?} Winograd"), got, 5e-6);
            }
        });
        let got = compute(&s, &input, &weight, &bias, &grad);
        assert_close(&format!("f64 output {s:?}"), &got.0, &want.0, 1e-13);
        assert_close(&format!("f64 input gradient {s:?}"), &got.1, &want.1, 1e-13);
        assert_close(&format!("f64 weight gradient {s:?}"), &got.2, &want.2, 1e-13);
    }
}

#[test]
fn many_channels_take_their_own_way() {
    let base = &shapes()[0];
    let sizes =
        [(1, [3, 3]), (0, [7, 8]), (4, [7, 8]), (7, [7, 8]), (1, [7, 7]), (5, [6, 1]), (2, [14, 13]), (3, [10, 5])];
    for (batch, in_size) in sizes {
        let padding = [[1, 1], [1, 1]];
        let s = Conv2dShape { batch, in_channels: 130, out_channels: 193, padding, in_size, ..base.clone() };
        let (input, weight) = (noise(s.input_len(), 1), noise(s.weight_len(), 2));
        let (bias, grad) = (noise(s.out_channels, 3), noise(s.output_len(), 4));
        let want = compute(&s, &input, &weight, &bias, &grad);
        on_every_target(|target| {
            let got = compute_winograd(&s, &to_f32(&input), &to_f32(&weight), &to_f32(&bias), &to_f32(&grad));
            assert_close(&format!("{target:?} output {s:?}"), &got.0, &want.0, 5e-6);
            assert_close(&format!("{target:?} input gradient {s:?}"), &got.1, &want.1, 5e-6);
            assert_close(&format!("{target:?} weight gradient {s:?}"), &got.2, &want.2, 5e-6);
        });
    }
}

/// 32 → 64 channels on 26 × 26, as in the MNIST network.
fn mnist_shape() -> Conv2dShape {
    Conv2dShape { batch: 10, in_channels: 32, in_size: [26, 26], out_channels: 64, ..shapes()[0].clone() }
}

#[test]
fn winograd_is_as_accurate_as_documented() {
    let s = mnist_shape();
    assert!(winograd::applies(&s));
    let (input, weight) = (noise(s.input_len(), 1), noise(s.weight_len(), 2));
    let (bias, grad) = (noise(s.out_channels, 3), noise(s.output_len(), 4));
    let want = compute(&s, &input, &weight, &bias, &grad);
    let got = compute(&s, &to_f32(&input), &to_f32(&weight), &to_f32(&bias), &to_f32(&grad));
    let error = |got: &[f32], want: &[f64]| {
        let largest = want.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        got.iter().zip(want).fold(0.0f64, |a, (g, w)| a.max((f64::from(*g) - w).abs())) / largest
    };
    let errors = [error(&got.0, &want.0), error(&got.1, &want.1), error(&got.2, &want.2)];
    assert!(errors.iter().all(|&e| e < 4e-6), "{errors:?}");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let depthwise = Conv2dShape { in_channels: 32, out_channels: 32, groups: 32, ..mnist_shape() };
    let one = Conv2dShape { in_channels: 1, out_channels: 32, ..mnist_shape() };
    let many = Conv2dShape { in_channels: 130, out_channels: 193, in_size: [14, 13], batch: 3, ..mnist_shape() };
    for s in [mnist_shape(), one, many, depthwise] {
        let (input, weight) = (to_f32(&noise(s.input_len(), 1)), to_f32(&noise(s.weight_len(), 2)));
        let (bias, grad) = (to_f32(&noise(s.out_channels, 3)), to_f32(&noise(s.output_len(), 4)));
        let results = [1, 2, 5].map(|n| {
            crate::threads::set_num_threads(n);
            compute(&s, &input, &weight, &bias, &grad)
        });
        assert!(results[0] == results[1] && results[0] == results[2]);
    }
}

#[test]
fn winograd_is_a_setting_of_the_calling_thread() {
    let s = mnist_shape();
    let [input, weight] = [s.input_len(), s.weight_len()].map(|len| to_f32(&noise(len, 1)));
    let [bias, grad] = [s.out_channels, s.output_len()].map(|len| to_f32(&noise(len, 3)));
    let run = || compute(&s, &input, &weight, &bias, &grad);
    let direct = compute_without_winograd(&s, &input, &weight, &bias, &grad);
    let fast = compute_winograd(&s, &input, &weight, &bias, &grad);
    assert!(direct.0 != fast.0);
    let without = ComputeSettings { winograd: false, ..ComputeSettings::default() };
    std::thread::scope(|scope| {
        scope.spawn(|| without.scope(|| (0..4).for_each(|_| assert!(run() == direct && !pools::<f32>(&s)))));
        (0..4).for_each(|_| assert!(run() == fast && pools::<f32>(&s)));
    });
}

#[test]
fn a_relu_on_the_way_in_is_that_of_the_whole_input() {
    fn check<T: Float>(s: &Conv2dShape, numbers: impl Fn(&[f64]) -> Vec<T>) {
        let [input, weight, grad] = [s.input_len(), s.weight_len(), s.output_len()];
        let (mut input, weight, grad) =
            (numbers(&noise(input, 1)), numbers(&noise(weight, 2)), numbers(&noise(grad, 4)));
        if let Some(x) = input.get_mut(7) {
            *x = T::NAN;
        }
        let bias = vec![T::ZERO; s.out_channels];
        let relu: Vec<T> = input.iter().map(|&x| if x <= T::ZERO { T::ZERO } else { x }).collect();
        let want = compute(s, &relu, &weight, &bias, &grad);
        let want_grad: Vec<T> =
            want.1.iter().zip(&input).map(|(&g, &x)| if x <= T::ZERO { T::ZERO } else { g }).collect();
        let mut got = (vec![T::NAN; s.output_len()], vec![T::NAN; s.input_len()], vec![T::NAN; s.weight_len()]);
        let lazily = Input { values: &input, relu: true };
        conv2d(s, lazily, &weight, Some(&bias), &mut got.0);
        conv2d_input_grad(s, &grad, &weight, Some(&input), &mut got.1);
        conv2d_weight_grad(s, lazily, &grad, &mut got.2);
        let text = |x: &[T]| format!("{x:?}").replace("-0.0,", "0.0,").replace("-NaN", "NaN");
        assert_eq!(text(&got.0), text(&want.0), "output {s:?}");
        assert_eq!(text(&got.1), text(&want_grad), "input gradient {s:?}");
        assert_eq!(text(&got.2), text(&want.2), "weight gradient {s:?}");
    }
    for s in shapes() {
        on_every_target(|_| check(&s, to_f32));
        check(&s, |x| x.to_vec());
    }
}

#[test]
fn infinity_and_nan_reach_the_output() {
    let s = Conv2dShape { batch: 1, ..shapes()[5].clone() };
    let mut input = to_f32(&noise(s.input_len(), 1));
    input[0] = f32::NAN;
    let mut output = vec![0.0; s.output_len()];
    conv2d(&s, &input[..], &to_f32(&noise(s.weight_len(), 2)), None, &mut output);
    assert!(output[..s.out_channels].iter().all(|x| x.is_nan()));
    assert!(output[s.output_len() - 1].is_finite());
}

#[test]
#[should_panic(expected = "conv2d: a [3, 3] kernel")]
fn a_kernel_larger_than_the_input() {
    Conv2dShape { in_size: [2, 9], ..shapes()[0].clone() }.out_size();
}

#[test]
#[should_panic(expected = "output elements, got")]
fn a_slice_of_the_wrong_length() {
    let s = &shapes()[0];
    conv2d(s, &vec![0.0f32; s.input_len()][..], &vec![0.0; s.weight_len()], None, &mut [0.0; 3]);
}

#[test]
fn an_epilogue_gives_the_bits_of_separate_passes() {
    fn check<T: Float>(s: &Conv2dShape) {
        let to_t = |x: Vec<f64>| x.into_iter().map(T::from_f64).collect::<Vec<T>>();
        let [mut input, weight] = [(s.input_len(), 1), (s.weight_len(), 2)].map(|(n, seed)| to_t(noise(n, seed)));
        if let Some(x) = input.first_mut() {
            *x = T::NAN;
        }
        let bias = to_t(noise(s.out_channels, 3));
        let mut residual = to_t(noise(s.output_len(), 7));
        if let Some(x) = residual.last_mut() {
            *x = T::from_f64(-0.0);
        }
        let mut plain = vec![T::NAN; s.output_len()];
        conv2d(s, &input[..], &weight, Some(&bias), &mut plain);
        let clamps = [None, Some([0.0, f64::NAN]), Some([-0.25, 0.5])].map(|clamp| (clamp, None));
        let silu = Unary::Activation(Activation::Silu);
        for (clamp, activation) in clamps.into_iter().chain([(None, Some(silu))]) {
            for residual in [None, Some(&residual[..])] {
                let epilogue = Epilogue { residual, clamp, activation };
                let (mut want, mut got) = (plain.clone(), plain.clone());
                for (x, r) in want.iter_mut().zip(residual.into_iter().flatten()) {
                    *x += *r;
                }
                let [low, high] = clamp.unwrap_or([f64::NAN; 2]).map(T::from_f64);
                for x in &mut want {
                    *x = if *x <= low { low } else { *x };
                    *x = if *x >= high { high } else { *x };
                }
                if let Some(f) = activation {
                    unary_assign(f, &mut want);
                }
                conv2d_fused(s, &input[..], &weight, Some(&bias), epilogue, &mut got);
                let bits = |x: &[T]| x.iter().map(|x| x.to_f64().to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&got), bits(&want), "{s:?} {clamp:?} {activation:?} {}", residual.is_some());
            }
        }
    }
    let base = Conv2dShape { padding: [[1; 2]; 2], ..shapes()[0].clone() };
    let few = Conv2dShape { batch: 1, in_channels: 200, out_channels: 210, in_size: [5, 6], ..base.clone() };
    let deep = Conv2dShape { batch: 3, in_channels: 200, out_channels: 210, in_size: [29, 27], ..base.clone() };
    let wide = Conv2dShape { batch: 2, in_channels: 32, out_channels: 40, in_size: [27, 30], ..base };
    on_every_target(|_| {
        for s in shapes().iter().chain([&few, &deep, &wide]) {
            check::<f32>(s);
        }
    });
    check::<f64>(&shapes()[0]);
}

#[test]
fn pooling_while_convolving_is_pooling_afterwards() {
    use crate::pool2d::{Pool2dShape, max_pool2d};
    for (batch, channels, in_size, pad) in
        [(4, [32, 64], [26, 26], 0), (5, [16, 19], [27, 30], 1), (40, [17, 16], [9, 11], 1), (90, [24, 40], [7, 6], 0)]
    {
        let s = Conv2dShape {
            batch,
            in_channels: channels[0],
            in_size,
            out_channels: channels[1],
            kernel: [3, 3],
            stride: [1, 1],
            padding: [[pad; 2]; 2],
            dilation: [1, 1],
            groups: 1,
        };
        assert!(pools::<f32>(&s) && !pools::<f64>(&s), "{s:?}");
        let (mut input, weight) = (to_f32(&noise(s.input_len(), 1)), to_f32(&noise(s.weight_len(), 2)));
        let bias = to_f32(&noise(s.out_channels, 3));
        input[3] = f32::NAN;
        let [h, w] = s.out_size();
        let pool = Pool2dShape {
            batch,
            channels: s.out_channels,
            in_size: [h, w],
            kernel: [2, 2],
            stride: [2, 2],
            padding: [0, 0],
            dilation: [1, 1],
            ceil_mode: false,
        };
        on_every_target(|target| {
            for relu in [false, true] {
                let input = Input { values: &input, relu };
                let mut whole = vec![0.0; s.output_len()];
                conv2d(&s, input, &weight, Some(&bias), &mut whole);
                let len = batch * (h / 2) * (w / 2) * s.out_channels;
                let (mut want, mut got, mut places) = (vec![0.0; len], vec![f32::NAN; len], vec![0u8; len]);
                max_pool2d(&pool, &whole, false, &mut want, &mut places);
                let clamp = relu.then_some([0.0, 0.5]);
                conv2d_max_pool2(&s, input, &weight, Some(&bias), clamp, &mut got);
                if let Some([low, high]) = clamp {
                    want.iter_mut().for_each(|x| *x = if x.is_nan() { *x } else { x.clamp(low as f32, high as f32) });
                }
                let same = want.iter().zip(&got).all(|(a, b)| a == b || a.is_nan() && b.is_nan());
                assert!(same && want.iter().any(|x| x.is_nan()), "{target:?} {s:?}");
            }
        });
    }
}

#[test]
fn without_channels_there_is_the_bias_alone() {
    for (in_channels, out_channels) in [(0, 2), (2, 0), (0, 0)] {
        for (stride, kernel) in [([1, 1], [3, 3]), ([2, 2], [3, 3]), ([1, 1], [1, 1]), ([3, 1], [5, 2])] {
            let s = Conv2dShape {
                batch: 2,
                in_channels,
                in_size: [7, 6],
                out_channels,
                kernel,
                stride,
                padding: [[1, 1], [0, 1]],
                dilation: [1, 1],
                groups: 1,
            };
            let x = vec![1.0f32; s.input_len()];
            let bias: Vec<f32> = (0..out_channels).map(|i| i as f32 + 1.0).collect();
            let mut y = vec![f32::NAN; s.output_len()];
            conv2d(&s, &x[..], &[][..], Some(&bias), &mut y);
            assert!(y.chunks(out_channels.max(1)).all(|pixel| pixel == bias), "{s:?}");
            conv2d(&s, &x[..], &[][..], None, &mut y);
            assert!(y.iter().all(|&v| v == 0.0), "{s:?}");
            let mut grad = vec![f32::NAN; s.input_len()];
            conv2d_input_grad(&s, &y, &[], None, &mut grad);
            assert!(grad.iter().all(|&v| v == 0.0), "{s:?}");
            conv2d_weight_grad(&s, &x[..], &y, &mut []);
        }
    }
}
