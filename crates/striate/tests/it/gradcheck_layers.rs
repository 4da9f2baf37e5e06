//! The ops behind the layers against central differences, in `f64`; and the same bits on any number of threads.

use striate::prelude::*;
use striate::tensor::op::{Activation, Unary};

/// Random tensors of these shapes.
fn normal(shapes: &[&[usize]]) -> Vec<Tensor> {
    let rng = &mut Generator::new(1);
    shapes.iter().map(|&s| Tensor::randn(s, DType::F64, rng)).collect()
}

fn check(name: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Tensor) {
    let shapes: Vec<_> = inputs.iter().map(Tensor::shape_value).collect();
    gradcheck(f, inputs).unwrap_or_else(|e| panic!("{name} {shapes:?}: {e}"));
}

#[test]
fn activations() {
    for shape in [&[][..], &[1], &[17], &[2, 3, 2, 3]] {
        for &activation in Activation::SAMPLES {
            let op = striate::Op::Unary(Unary::Activation(activation));
            check(activation.name(), &normal(&[shape]), |t| op.apply(vec![t[0].clone() * 2.0]).swap_remove(0));
        }
    }
    for (x, w) in [(&[2, 3, 2, 3][..], 3), (&[2, 3, 4], 1), (&[5, 3], 3), (&[7], 1)] {
        check("prelu", &normal(&[x, &[w]]), |t| t[0].clone().prelu(&t[1]));
    }
}

#[test]
fn one_dimensional() {
    for (x, w, o) in [
        ([2, 3, 7], [4, 3, 3], Conv1dOptions::default()),
        ([1, 4, 9], [2, 2, 2], Conv1dOptions { stride: 2, padding: [1, 2], dilation: 3, groups: 2 }),
    ] {
        check("conv1d", &normal(&[&x, &w, &w[..1]]), |t| t[0].clone().conv1d(&t[1], Some(&t[2]), &o));
    }
    let mut o = Pool1dOptions::new(3);
    (o.stride, o.padding, o.count_include_pad) = (2, 1, false);
    check("max_pool1d", &normal(&[&[2, 3, 8]]), |t| t[0].clone().max_pool1d(o));
    check("avg_pool1d", &normal(&[&[2, 3, 8]]), |t| t[0].clone().avg_pool1d(o));
    let o = ConvTranspose1dOptions { stride: 3, padding: 2, output_padding: 1, dilation: 2, groups: 2 };
    let inputs = normal(&[&[2, 4, 3], &[4, 3, 3], &[6]]);
    check("conv_transpose1d", &inputs, |t| t[0].clone().conv_transpose1d(&t[1], Some(&t[2]), &o));
}

#[test]
fn conv_transpose2d() {
    type Row = ([usize; 4], [usize; 4], [usize; 2], [usize; 2], [usize; 2], [usize; 2], usize);
    // input, weight, stride, padding, output padding, dilation, groups
    let rows: &[Row] = &[
        ([1, 1, 1, 1], [1, 1, 1, 1], [1; 2], [0; 2], [0; 2], [1; 2], 1),
        ([2, 3, 3, 4], [3, 2, 3, 2], [2, 1], [1, 0], [1, 0], [1; 2], 1),
        ([1, 4, 3, 2], [4, 3, 2, 3], [1, 2], [0, 2], [0, 1], [2, 3], 2),
        ([1, 2, 3, 4], [2, 3, 2, 2], [1; 2], [0, 2], [2, 3], [3, 4], 1),
        ([2, 3, 2, 2], [3, 1, 3, 3], [2; 2], [1; 2], [1; 2], [1; 2], 3),
    ];
    for &(x, w, stride, padding, output_padding, dilation, groups) in rows {
        let o = ConvTranspose2dOptions { stride, padding, output_padding, dilation, groups };
        let inputs = normal(&[&x, &w, &[w[1] * groups]]);
        check("conv_transpose2d", &inputs, |t| t[0].clone().conv_transpose2d(&t[1], Some(&t[2]), &o));
        check("conv_transpose2d without bias", &inputs[..2], |t| t[0].clone().conv_transpose2d(&t[1], None, &o));
    }
}

#[test]
fn padding_and_resizing() {
    let x = normal(&[&[2, 3, 4, 5]]);
    for mode in [PaddingMode::Zeros, PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular] {
        check("pad", &x, |t| t[0].clone().pad_mode(&[[2, 1], [0, 3]], mode));
    }
    let modes = [
        Interpolation::Nearest,
        Interpolation::NearestExact,
        Interpolation::Bilinear { align_corners: false },
        Interpolation::Bilinear { align_corners: true },
        Interpolation::Bicubic { align_corners: false },
        Interpolation::Bicubic { align_corners: true },
    ];
    for mode in modes {
        for size in [[7, 8], [3, 9], [2, 1]] {
            check("interpolate", &x, |t| t[0].clone().interpolate(size, mode));
        }
        check("interpolate by a factor", &x, |t| t[0].clone().interpolate(1.7, mode));
    }
    for size in [[1, 1], [2, 3], [4, 5], [6, 7]] {
        check("adaptive_avg_pool2d", &x, |t| t[0].clone().adaptive_avg_pool2d(size));
        check("adaptive_max_pool2d", &x, |t| t[0].clone().adaptive_max_pool2d(size));
    }
    check("pixel_shuffle", &normal(&[&[2, 8, 2, 3]]), |t| t[0].clone().pixel_shuffle(2));
    check("pixel_unshuffle", &normal(&[&[2, 3, 4, 6]]), |t| t[0].clone().pixel_unshuffle(2));
}

#[test]
fn normalization() {
    for (x, groups) in [(&[3, 6, 2, 3][..], 2), (&[2, 4, 3, 1], 4), (&[3, 6], 1), (&[2, 6, 5], 3)] {
        let inputs = normal(&[x, &x[1..2], &x[1..2]]);
        check("group_norm", &inputs, |t| t[0].clone().group_norm(groups, Some(&t[1]), Some(&t[2]), 1e-5).output);
        check("group_norm alone", &inputs[..1], |t| t[0].clone().group_norm(groups, None, None, 1e-3).output);
    }
    for (x, shape) in [(&[3, 5][..], &[5][..]), (&[2, 3, 2, 4], &[4]), (&[2, 3, 2, 4], &[3, 2, 4])] {
        let inputs = normal(&[x, shape, shape]);
        check("layer_norm", &inputs, |t| t[0].clone().layer_norm(shape, Some(&t[1]), Some(&t[2]), 1e-5));
        check("layer_norm alone", &inputs[..1], |t| t[0].clone().layer_norm(shape, None, None, 1e-5));
    }
    for size in [1, 4, 5] {
        check("local_response_norm", &normal(&[&[2, 6, 2, 3]]), |t| {
            t[0].clone().local_response_norm(size, 0.5, 0.75, 1.5)
        });
    }
}

#[test]
fn tables() {
    let index = Tensor::from_vec(vec![2i64, 0, 2, 1], [2, 2]);
    check("embedding", &normal(&[&[4, 3]]), |t| index.embedding(&t[0], None));
    // The row of the padding has a slope, but no gradient.
    let weight = normal(&[&[4, 3]]).remove(0).requires_grad();
    let grads = index.embedding(&weight, Some(2)).sum_all().backward();
    assert_eq!(
        grads.get(&weight).expect("a gradient").to_vec::<f64>(),
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    );
}

/// The output, and the gradients of the input and of what else `f` is given.
fn bits(f: &dyn Fn(&[Tensor]) -> Tensor, inputs: &[Tensor]) -> Vec<Vec<u32>> {
    let leaves: Vec<Tensor> = inputs.iter().map(|x| x.detach().requires_grad()).collect();
    let y = f(&leaves);
    let weights = Tensor::randn(y.shape(), DType::F32, &mut Generator::new(9));
    let of = |t: Tensor| t.to_vec::<f32>().into_iter().map(f32::to_bits).collect();
    let mut all = vec![of(y.detach())];
    let grads = y.backward_with(weights);
    all.extend(leaves.iter().map(|x| of(grads.get(x).expect("a gradient"))));
    all
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let rng = &mut Generator::new(5);
    let mut random = |shape: &[usize]| Tensor::randn(shape, DType::F32, rng);
    let (x, c, dc) = (random(&[5, 24, 37, 41]), random(&[24]), random(&[24]));
    let (rows, row) = (random(&[3000, 96]), random(&[96]));
    let w = random(&[24, 8, 3, 3]);
    type Op<'a> = (&'static str, Vec<Tensor>, Box<dyn Fn(&[Tensor]) -> Tensor + 'a>);
    let o = ConvTranspose2dOptions { stride: [2; 2], padding: [1; 2], output_padding: [1; 2], ..Default::default() };
    let ops: Vec<Op> = vec![
        ("gelu", vec![x.clone()], Box::new(|t: &[Tensor]| t[0].clone().gelu())),
        ("silu", vec![x.clone()], Box::new(|t: &[Tensor]| t[0].clone().silu())),
        ("prelu", vec![x.clone(), c.clone()], Box::new(|t: &[Tensor]| t[0].clone().prelu(&t[1]))),
        (
            "conv_transpose2d",
            vec![x.clone(), w],
            Box::new(|t: &[Tensor]| t[0].clone().conv_transpose2d(&t[1], None, &o)),
        ),
        (
            "pad",
            vec![x.clone()],
            Box::new(|t: &[Tensor]| t[0].clone().pad_mode(&[[3, 2], [1, 4]], PaddingMode::Reflect)),
        ),
        (
            "interpolate",
            vec![x.clone()],
            Box::new(|t: &[Tensor]| {
                t[0].clone().interpolate([61, 50], Interpolation::Bicubic { align_corners: false })
            }),
        ),
        ("adaptive_avg_pool2d", vec![x.clone()], Box::new(|t: &[Tensor]| t[0].clone().adaptive_avg_pool2d([7, 6]))),
        ("adaptive_max_pool2d", vec![x.clone()], Box::new(|t: &[Tensor]| t[0].clone().adaptive_max_pool2d([7, 6]))),
        (
            "group_norm",
            vec![x.clone(), c.clone(), dc.clone()],
            Box::new(|t: &[Tensor]| t[0].clone().group_norm(6, Some(&t[1]), Some(&t[2]), 1e-5).output),
        ),
        (
            "instance_norm",
            vec![x.clone(), c, dc],
            Box::new(|t: &[Tensor]| t[0].clone().group_norm(24, Some(&t[1]), Some(&t[2]), 1e-5).output),
        ),
        (
            "layer_norm",
            vec![rows, row.clone(), row],
            Box::new(|t: &[Tensor]| t[0].clone().layer_norm(&[96], Some(&t[1]), Some(&t[2]), 1e-5)),
        ),
        (
            "local_response_norm",
            vec![x.clone()],
            Box::new(|t: &[Tensor]| t[0].clone().local_response_norm(5, 1e-4, 0.75, 1.0)),
        ),
    ];
    for (name, inputs, f) in ops {
        let on = |threads| {
            striate::set_num_threads(threads);
            bits(&f, &inputs)
        };
        let one = on(1);
        assert!(one == on(3) && one == on(2), "{name} depends on the number of threads");
    }
}
