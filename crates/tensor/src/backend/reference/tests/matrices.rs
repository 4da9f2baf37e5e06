//! Cases of reductions, sorting and matrix products.

use super::{Case, integers, numbers, of_each_type, shapes, with_specials};
use crate::dtype::DType;
use crate::op::{Op, Reduce};
use crate::shape::Shape;

/// All choices of dimensions.
fn choices(rank: usize) -> Vec<Vec<usize>> {
    (0..1 << rank).map(|mask: usize| (0..rank).filter(|d| mask >> d & 1 == 1).collect()).collect()
}

pub fn reduce() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in shapes() {
        for dims in choices(shape.rank()) {
            let is_empty = shape.numel() == 0;
            for op in [Reduce::Sum, Reduce::Mean, Reduce::Prod, Reduce::Max, Reduce::Min] {
                let chooses = matches!(op, Reduce::Max | Reduce::Min);
                if is_empty && chooses {
                    continue;
                }
                for keepdim in [false, true] {
                    let op = Op::Reduce { op, dims: dims.clone(), keepdim };
                    let x = numbers(shape, 1);
                    let floats = [x.clone(), with_specials(&x)].map(|x| Case::largest(op.clone(), vec![x]));
                    cases.extend(floats);
                    if !matches!(op, Op::Reduce { op: Reduce::Mean, .. }) {
                        // Products stay below 2^53.
                        cases.push(Case::exact(op, vec![integers(shape, 1, -1, 2)]));
                    }
                }
            }
        }
    }
    for op in [Reduce::Sum, Reduce::Mean, Reduce::Max] {
        for dims in [vec![0], vec![1]] {
            let op = Op::Reduce { op, dims, keepdim: true };
            cases.push(Case::largest(op, vec![numbers([2500, 33], 1)]));
        }
    }
    cases
}

fn positions(op: impl Fn(usize, bool) -> Op) -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in shapes() {
        for dim in (0..shape.rank()).filter(|&d| shape[d] > 0) {
            for flag in [false, true] {
                let x = with_specials(&numbers(shape, 1));
                let inputs = of_each_type(shape, 1).into_iter().chain([
                    x.clone().cast(DType::F16),
                    x.clone().cast(DType::BF16),
                    x,
                    integers(shape, 2, 0, 3),
                ]);
                cases.extend(inputs.map(|x| Case::exact(op(dim, flag), vec![x])));
            }
        }
    }
    cases
}

pub fn arg_max() -> Vec<Case> {
    positions(|dim, keepdim| Op::ArgMax { dim, keepdim })
}

pub fn arg_min() -> Vec<Case> {
    positions(|dim, keepdim| Op::ArgMin { dim, keepdim })
}

pub fn arg_sort() -> Vec<Case> {
    positions(|dim, descending| Op::ArgSort { dim, descending })
}

pub fn cum_sum() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in shapes() {
        for dim in 0..shape.rank() {
            for reverse in [false, true] {
                let op = Op::CumSum { dim, reverse };
                let x = numbers(shape, 1);
                cases.extend([x.clone(), with_specials(&x)].map(|x| Case::largest(op.clone(), vec![x])));
                cases.push(Case::exact(op, vec![integers(shape, 1, -9, 10)]));
            }
        }
    }
    cases
}

pub fn mat_mul() -> Vec<Case> {
    let pairs: [[&[usize]; 2]; 11] = [
        [&[1, 1], &[1, 1]],
        [&[3, 17], &[17, 5]],
        [&[33, 70], &[70, 130]],
        [&[1, 100], &[100, 1]],
        [&[3, 0], &[0, 5]],
        [&[0, 3], &[3, 5]],
        [&[2, 3, 4], &[2, 4, 5]],
        [&[17, 1, 3], &[17, 3, 1]],
        [&[0, 3, 4], &[0, 4, 5]],
        [&[2, 3, 4, 5], &[2, 3, 5, 7]],
        [&[2, 1, 3, 4, 5], &[2, 1, 3, 5, 2]],
    ];
    pairs.into_iter().map(|[a, b]| Case::largest(Op::MatMul, vec![numbers(a, 1), numbers(b, 2)])).collect()
}

pub fn linear() -> Vec<Case> {
    let pairs: [(&[usize], usize); 8] = [
        (&[17], 3),
        (&[1, 1], 1),
        (&[3, 17], 5),
        (&[33, 70], 130),
        (&[0, 4], 3),
        (&[2, 3, 5], 7),
        (&[2, 3, 4, 5], 6),
        (&[2, 1, 3, 4, 5], 2),
    ];
    let case = |(shape, out): (&[usize], usize)| {
        let shape = Shape::from(shape);
        let inputs = vec![numbers(shape, 1), numbers([out, shape[shape.rank() - 1]], 2)];
        let with_bias = inputs.iter().cloned().chain([numbers([out], 3)]).collect();
        [Case::largest(Op::Linear, inputs), Case::largest(Op::Linear, with_bias)]
    };
    pairs.into_iter().flat_map(case).collect()
}
