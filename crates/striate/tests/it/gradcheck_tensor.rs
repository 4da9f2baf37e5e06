//! The ops of order, statistics, indexing, einsum and windows against central differences, in `f64`.

use striate::prelude::*;

/// Random tensors of these shapes.
fn normal(shapes: &[&[usize]]) -> Vec<Tensor> {
    let rng = &mut Generator::new(1);
    shapes.iter().map(|&s| Tensor::randn(s, DType::F64, rng)).collect()
}

fn check(name: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Tensor) {
    let shapes: Vec<_> = inputs.iter().map(Tensor::shape_value).collect();
    gradcheck(f, inputs).unwrap_or_else(|e| panic!("{name} {shapes:?}: {e}"));
}

type Function = (&'static str, fn(Tensor) -> Tensor);

#[test]
fn functions_of_elements() {
    let functions: &[Function] = &[
        ("floor", Tensor::floor),
        ("ceil", Tensor::ceil),
        ("round", Tensor::round),
        ("rsqrt", |x| (x.square() + 0.5).rsqrt()),
        ("log1p", |x| x.square().log1p()),
        ("expm1", Tensor::expm1),
        ("erf", Tensor::erf),
        ("a number minus", |x| 1.5 - x),
        ("a number by", |x| 1.5 / (x.square() + 0.5)),
        ("a number times and plus", |x| 2.0 + 3.0 * x),
        ("where with a number", |x| x.gt(0.2).where_(x.square(), 0.5)),
        ("masked_fill", |x| x.clone().masked_fill(&x.lt(-0.3), 2.0)),
        ("masked_select", |x| x.clone().masked_select(&x.lt(0.3))),
    ];
    for shape in [&[][..], &[1], &[17], &[2, 3, 2, 3]] {
        for (name, f) in functions {
            check(name, &normal(&[shape]), |t| f(t[0].clone()));
        }
    }
}

#[test]
fn order_and_statistics() {
    let rows: [(&[usize], &[isize]); 6] = [
        (&[2, 3, 2, 3], &[]),
        (&[2, 3, 2, 3], &[1]),
        (&[2, 3, 2, 3], &[3, 1]),
        (&[3, 5], &[0]),
        (&[3, 5], &[-1]),
        (&[7], &[0]),
    ];
    for (shape, dims) in rows {
        let x = normal(&[shape]);
        for keepdim in [false, true] {
            for correction in [0, 1] {
                check("var", &x, |t| t[0].clone().var(dims, correction, keepdim));
                check("std", &x, |t| t[0].clone().std(dims, correction, keepdim));
            }
            for p in [0.5, 1.0, 2.0, 3.0, f64::INFINITY, f64::NEG_INFINITY] {
                check("norm", &x, |t| t[0].clone().norm(p, dims, keepdim));
            }
            check("logsumexp", &x, |t| t[0].clone().logsumexp(dims, keepdim));
        }
        let &[dim] = dims else { continue };
        check("cumsum", &x, |t| t[0].clone().cumsum(dim));
        check("sort", &x, |t| t[0].clone().sort(dim, false).0);
        check("sort down", &x, |t| t[0].clone().sort(dim, true).0);
        check("topk", &x, |t| t[0].clone().topk(2, dim, true).0);
        check("max_dim", &x, |t| t[0].clone().max_dim(dim, true).0);
        check("min_dim", &x, |t| t[0].clone().min_dim(dim, false).0);
    }
}

#[test]
fn indexing_and_rearranging() {
    let functions: &[Function] = &[
        ("index by ranges", |x| x.index((1.., Index::step(.., 2), -3..-1))),
        ("index by numbers", |x| x.index((-1, Index::Rest, Index::NewDim, 0))),
        ("index by a list", |x| x.index((.., vec![2, 0, -1, 0], 1..))),
        ("index by two lists", |x| x.index((vec![0, 1, 0], .., vec![3, -1, 3]))),
        ("index by a condition", |x| x.index(x.gt(0.1))),
        ("one piece", |x| x.split(2, 1).remove(1)),
        ("pieces", |x| Tensor::cat(&x.chunk(2, 1).into_iter().rev().collect::<Vec<_>>(), 1)),
        ("unbind", |x| x.unbind(2).into_iter().reduce(|a, b| a * b).unwrap()),
        ("movedim", |x| x.movedim(1, -1)),
        ("flip", |x| x.flip(&[1, -1])),
        ("roll", |x| x.roll(&[1, -2], &[1, 2])),
        ("repeat", |x| x.repeat(&[2, 1, 1, 2, 1])),
        ("repeat_interleave", |x| x.repeat_interleave(2, 1)),
        ("tril", |x| x.tril(-1)),
        ("triu", |x| x.triu(1)),
        ("diagonal", |x| x.diagonal(1, 2)),
        ("unfold", |x| x.unfold(UnfoldOptions { padding: [1, 0], stride: [2, 1], ..[3, 2].into() })),
        ("fold", |x| {
            let columns = x.reshape([1, 12, 4]);
            columns.fold([3, 3], UnfoldOptions { padding: [1, 0], stride: [2, 1], ..[3, 2].into() })
        }),
    ];
    for (name, f) in functions {
        check(name, &normal(&[&[2, 3, 4, 2]]), |t| f(t[0].clone()));
    }
    let index = Tensor::from_vec(vec![2i64, 0, 2, 1, 1, 0], [2, 3]);
    check("scatter_add", &normal(&[&[2, 3], &[4, 3]]), |t| t[0].clone().scatter_add(1, &index, t[1].clone()));
    let index = Tensor::from(vec![1i64, 0, 1]);
    check("index_add", &normal(&[&[2, 3], &[3, 3]]), |t| t[0].clone().index_add(0, &index, t[1].clone()));
}

#[test]
fn einsum() {
    let rows: [(&str, &[&[usize]]); 6] = [
        ("bij,bjk->bik", &[&[2, 3, 2], &[2, 2, 3]]),
        ("bn,anm,bm->ba", &[&[2, 3], &[2, 3, 2], &[2, 2]]),
        ("iij->j", &[&[3, 3, 2]]),
        ("...ij,...jk->...ik", &[&[2, 1, 3, 2], &[3, 2, 2]]),
        ("ij,kl->", &[&[2, 3], &[3, 2]]),
        ("ij,ij->i", &[&[2, 3], &[2, 1]]),
    ];
    for (equation, shapes) in rows {
        check(equation, &normal(shapes), |t| Tensor::einsum(equation, t));
    }
}
