//! Every differentiable op against central differences, in `f64`.

use striate::prelude::*;

/// Random tensors of these shapes.
fn normal(shapes: &[&[usize]]) -> Vec<Tensor> {
    let rng = &mut Generator::new(1);
    shapes.iter().map(|&s| Tensor::randn(s, DType::F64, rng)).collect()
}

/// Random tensors with elements from 0.3 to 2, away from poles and kinks at 0.
fn positive(shapes: &[&[usize]]) -> Vec<Tensor> {
    let rng = &mut Generator::new(2);
    shapes.iter().map(|&s| Tensor::rand_uniform(s, 0.3, 2.0, DType::F64, rng)).collect()
}

fn check(name: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Tensor) {
    let shapes: Vec<_> = inputs.iter().map(Tensor::shape_value).collect();
    gradcheck(f, inputs).unwrap_or_else(|e| panic!("{name} {shapes:?}: {e}"));
}

#[test]
fn conv2d() {
    // input, weight, stride, padding, dilation, groups
    type Row = ([usize; 4], [usize; 4], [usize; 2], [[usize; 2]; 2], [usize; 2], usize);
    let rows: &[Row] = &[
        ([1, 1, 1, 1], [1, 1, 1, 1], [1; 2], [[0; 2]; 2], [1; 2], 1),
        ([2, 3, 5, 4], [3, 3, 3, 3], [1; 2], [[1; 2]; 2], [1; 2], 1),
        ([2, 2, 7, 5], [3, 2, 2, 1], [3, 2], [[0; 2]; 2], [1; 2], 1),
        ([1, 2, 5, 6], [2, 2, 2, 4], [1; 2], [[0, 1], [1, 2]], [1; 2], 1),
        ([1, 2, 7, 6], [2, 2, 3, 2], [2, 1], [[2; 2]; 2], [2, 3], 1),
        ([2, 4, 4, 5], [6, 2, 3, 2], [1, 2], [[1; 2], [0; 2]], [1; 2], 2),
        ([1, 3, 5, 4], [3, 1, 3, 3], [1; 2], [[1; 2]; 2], [1; 2], 3),
        ([2, 3, 3, 2], [5, 3, 1, 1], [1; 2], [[0; 2]; 2], [1; 2], 1),
        ([1, 16, 4, 5], [16, 16, 3, 3], [1; 2], [[1, 0], [0, 1]], [1; 2], 1),
    ];
    for &(x, w, stride, padding, dilation, groups) in rows {
        let o = Conv2dOptions { stride, padding, dilation, groups };
        let inputs = normal(&[&x, &w, &w[..1]]);
        check("conv2d", &inputs, |t| t[0].clone().conv2d(&t[1], Some(&t[2]), &o));
        check("conv2d without bias", &inputs[..2], |t| t[0].clone().conv2d(&t[1], None, &o));
    }
}

#[test]
fn pooling() {
    let o = |kernel_size, stride, padding, dilation, ceil_mode, count_include_pad| Pool2dOptions {
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
    };
    let rows = [
        ([2, 3, 4, 6], o([2, 2], [2, 2], [0, 0], [1, 1], false, true)),
        ([1, 3, 7, 5], o([3, 2], [2, 1], [1, 1], [1, 1], false, true)),
        ([2, 1, 5, 6], o([3, 3], [2, 2], [1, 1], [1, 1], true, false)),
        ([1, 2, 7, 7], o([2, 1], [3, 4], [0, 0], [1, 1], true, true)),
    ];
    for (shape, o) in rows {
        check("max_pool2d", &normal(&[&shape]), |t| t[0].clone().max_pool2d(o));
        check("avg_pool2d", &normal(&[&shape]), |t| t[0].clone().avg_pool2d(o));
    }
    let dilated = o([3, 2], [1, 2], [1, 0], [2, 3], false, true);
    check("max_pool2d", &normal(&[&[1, 3, 7, 8]]), |t| t[0].clone().max_pool2d(dilated));
}

#[test]
fn products() {
    for x in [&[3, 5][..], &[5], &[2, 3, 5], &[1, 2, 1, 5]] {
        let inputs = normal(&[x, &[4, 5], &[4]]);
        check("linear", &inputs, |t| t[0].clone().linear(&t[1], Some(&t[2])));
        check("linear without bias", &inputs[..2], |t| t[0].clone().linear(&t[1], None));
    }
    let pairs: [(&[usize], &[usize]); 9] = [
        (&[3, 5], &[5, 2]),
        (&[5], &[5]),
        (&[5], &[5, 2]),
        (&[3, 5], &[5]),
        (&[2, 3, 5], &[2, 5, 2]),
        (&[2, 3, 5], &[5, 2]),
        (&[3, 5], &[2, 5, 2]),
        (&[2, 1, 3, 2], &[3, 2, 2]),
        (&[4], &[2, 4, 3]),
    ];
    for (a, b) in pairs {
        check("matmul", &normal(&[a, b]), |t| t[0].clone().matmul(&t[1]));
    }
}

#[test]
fn normalization() {
    for x in [[3, 4, 2, 3], [1, 2, 3, 3], [5, 3, 1, 1]] {
        let c = &x[1..2];
        let inputs = normal(&[&x, c, c]);
        check("batch_norm", &inputs, |t| t[0].clone().batch_norm(Some(&t[1]), Some(&t[2]), 1e-5).output);
        check("batch_norm alone", &inputs[..1], |t| t[0].clone().batch_norm(None, None, 1e-3).output);
        let (mean, var) = (normal(&[c]).remove(0), positive(&[c]).remove(0));
        let fixed = |t: &[Tensor]| t[0].clone().batch_norm_inference(&mean, &var, Some(&t[1]), Some(&t[2]), 1e-5);
        check("batch_norm_inference", &inputs, fixed);
        let alone = |t: &[Tensor]| t[0].clone().batch_norm_inference(&mean, &var, None, None, 1e-5);
        check("batch_norm_inference alone", &inputs[..1], alone);
    }
}

#[test]
fn functions_of_elements() {
    type Function = (&'static str, fn(Tensor) -> Tensor);
    let anywhere: &[Function] = &[
        ("neg", |x| -x),
        ("abs", Tensor::abs),
        ("sign", Tensor::sign),
        ("exp", Tensor::exp),
        ("square", Tensor::square),
        ("sin", Tensor::sin),
        ("cos", Tensor::cos),
        ("tanh", Tensor::tanh),
        ("sigmoid", Tensor::sigmoid),
        ("relu", Tensor::relu),
        ("leaky_relu", |x| x.leaky_relu(0.1)),
        ("leaky_relu with a negative slope", |x| x.leaky_relu(-0.3)),
        ("clamp", |x| x.clamp(-0.5, 0.7)),
        ("clamp_min", |x| x.clamp_min(0.1)),
        ("clamp_max", |x| x.clamp_max(0.1)),
        ("powf 3", |x| x.powf(3.0)),
        ("powf 0", |x| x.powf(0.0)),
        ("plus a number", |x| x + 1.5),
        ("minus a number", |x| x - 1.5),
        ("times a number", |x| x * -2.5),
        ("by a number", |x| x / 3.0),
        ("to_dtype", |x| x.to_dtype(DType::F64)),
    ];
    let positive_only: &[Function] = &[
        ("log", Tensor::log),
        ("sqrt", Tensor::sqrt),
        ("reciprocal", Tensor::reciprocal),
        ("powf -1.5", |x| x.powf(-1.5)),
        ("powf 0.5", |x| x.powf(0.5)),
    ];
    for shape in [&[][..], &[1], &[17], &[2, 3, 2, 3]] {
        for (name, f) in anywhere {
            check(name, &normal(&[shape]), |t| f(t[0].clone()));
        }
        for (name, f) in positive_only {
            check(name, &positive(&[shape]), |t| f(t[0].clone()));
        }
    }
}

#[test]
fn functions_of_pairs() {
    type Function = (&'static str, fn(&Tensor, &Tensor) -> Tensor);
    let functions: &[Function] = &[
        ("add", |a, b| a + b),
        ("sub", |a, b| a - b),
        ("mul", |a, b| a * b),
        ("div", |a, b| a / b),
        ("pow", |a, b| a.clone().pow(b.clone())),
        ("maximum", |a, b| a.clone().maximum(b.clone())),
        ("minimum", |a, b| a.clone().minimum(b.clone())),
    ];
    let shapes: [(&[usize], &[usize]); 6] = [
        (&[3, 4], &[3, 4]),
        (&[3, 4], &[4]),
        (&[1], &[2, 3, 2]),
        (&[3, 1], &[1, 5]),
        (&[], &[3, 1]),
        (&[2, 3, 4, 2], &[3, 1, 1]),
    ];
    for (a, b) in shapes {
        for (name, f) in functions {
            check(name, &positive(&[a, b]), |t| f(&t[0], &t[1]));
        }
    }
    let condition = Tensor::from_vec(vec![1u8, 0, 1], [3, 1]);
    for (a, b) in [(&[3, 4][..], &[3, 4][..]), (&[4], &[3, 1]), (&[], &[2, 3, 2])] {
        check("where", &normal(&[a, b]), |t| condition.where_(t[0].clone(), t[1].clone()));
    }
    let x = positive(&[&[3, 4]]).remove(0);
    check("mul by itself", &[x], |t| &t[0] * &t[0] * &t[0]);
}

#[test]
fn softmax_and_losses() {
    for (shape, dims) in [(&[3, 5][..], &[0, 1][..]), (&[2, 4, 3, 2], &[0, 1, 2, -1]), (&[6], &[0])] {
        for &dim in dims {
            check("softmax", &normal(&[shape]), |t| t[0].clone().softmax(dim));
            check("log_softmax", &normal(&[shape]), |t| t[0].clone().log_softmax(dim));
        }
    }
    for reduction in [Reduction::Mean, Reduction::Sum, Reduction::None] {
        for (x, target) in [(&[3, 5][..], &[3][..]), (&[1, 1], &[1]), (&[2, 3, 2, 2], &[2, 2, 2])] {
            let n = target.iter().product::<usize>() as i64;
            let classes = Tensor::from_vec((0..n).map(|i| (i * 7 + 2) % x[1] as i64).collect::<Vec<_>>(), target);
            check("cross_entropy", &normal(&[x]), |t| t[0].clone().cross_entropy(&classes, reduction));
            check("nll_loss", &normal(&[x]), |t| t[0].clone().nll_loss(&classes, reduction));
            check("mse_loss", &normal(&[x, x]), |t| t[0].clone().mse_loss(&t[1], reduction));
        }
    }
}

#[test]
fn reductions() {
    type Function = (&'static str, fn(Tensor, &[isize]) -> Tensor);
    let functions: &[Function] = &[
        ("sum", Tensor::sum),
        ("mean", Tensor::mean),
        ("max", Tensor::max),
        ("min", Tensor::min),
        ("prod", Tensor::prod),
        ("sum_keepdim", Tensor::sum_keepdim),
        ("mean_keepdim", Tensor::mean_keepdim),
        ("max_keepdim", Tensor::max_keepdim),
        ("min_keepdim", Tensor::min_keepdim),
        ("prod_keepdim", Tensor::prod_keepdim),
    ];
    let rows: [(&[usize], &[isize]); 7] = [
        (&[2, 3, 2, 3], &[]),
        (&[2, 3, 2, 3], &[1]),
        (&[2, 3, 2, 3], &[0, 2, 3]),
        (&[2, 3, 2, 3], &[3, 1]),
        (&[3, 5], &[0]),
        (&[3, 5], &[-1]),
        (&[1], &[0]),
    ];
    for (shape, dims) in rows {
        for (name, f) in functions {
            check(name, &normal(&[shape]), |t| f(t[0].clone(), dims));
        }
    }
    let zeros = Tensor::from_vec(vec![2.0, 0.0, 3.0, 0.0, 0.0, 5.0, 2.0, 3.0, 4.0], [3, 3]);
    check("prod with zeros", &[zeros], |t| t[0].clone().prod(&[1]));
}

#[test]
fn views_and_moves() {
    type Function = (&'static str, fn(Tensor) -> Tensor);
    let functions: &[Function] = &[
        ("reshape", |x| x.reshape([6, 4])),
        ("flatten", |x| x.flatten(1, 2)),
        ("permute", |x| x.permute(&[3, 0, 2, 1])),
        ("transpose", |x| x.transpose(1, -1)),
        ("unsqueeze", |x| x.unsqueeze(2)),
        ("squeeze", |x| x.squeeze(0)),
        ("expand", |x| x.expand([2, 3, 3, 4, 2])),
        ("narrow", |x| x.narrow(1, 1, 2)),
        ("select", |x| x.select(2, 3)),
        ("pad", |x| x.pad(&[[1, 2], [0, 1], [2, 0]], 0.5)),
        ("index_select", |x| x.index_select(2, &Tensor::from_vec(vec![3i64, 0, 3], [3]))),
        ("gather", |x| x.gather(1, &Tensor::from_vec(vec![2i64, 0, 2, 1], [1, 2, 2, 1]))),
        ("a chain", |x| x.permute(&[2, 0, 3, 1]).narrow(3, 1, 2).flatten(1, -1).transpose(0, 1).exp()),
    ];
    for (name, f) in functions {
        check(name, &normal(&[&[1, 3, 4, 2]]), |t| f(t[0].clone()));
    }
    check("cat", &normal(&[&[2, 1, 3], &[2, 4, 3], &[2, 0, 3]]), |t| Tensor::cat(t, 1));
    check("stack", &normal(&[&[2, 3], &[2, 3], &[2, 3]]), |t| Tensor::stack(t, -1));
}
