//! Softmax and cross-entropy.

use super::grid::{Grid, along};
use crate::dtype::DType;
use crate::op::Op;
use crate::shape::Shape;

/// The results of an op of this family for operands `x`; see [`super::compute`].
pub fn compute(op: &Op, x: &[Grid], _dtype: DType, _shape: Shape) -> Vec<Grid> {
    let one = match op {
        Op::Softmax { dim } => softmax(&x[0], *dim),
        Op::LogSoftmax { dim } => log_softmax(&x[0], *dim),
        Op::SoftmaxGrad { dim } => softmax_grad(&x[0], &x[1], *dim),
        Op::LogSoftmaxGrad { dim } => log_softmax_grad(&x[0], &x[1], *dim),
        Op::CrossEntropy => return cross_entropy(&x[0], &x[1]).into(),
        Op::CrossEntropyGrad => cross_entropy_grad(&x[0], &x[1], &x[2]),
        _ => unreachable!("{} is no softmax or cross-entropy", op.name()),
    };
    vec![one]
}

/// x − ln Σ eˣ. The largest is taken out first, as its exponential might overflow.
pub fn log_softmax(x: &Grid, dim: usize) -> Grid {
    along(dim, x.shape[dim], [x], |[line]| {
        let max = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log = line.iter().map(|x| (x - max).exp()).sum::<f64>().ln();
        line.iter().map(|x| x - max - log).collect()
    })
}

pub fn softmax(x: &Grid, dim: usize) -> Grid {
    log_softmax(x, dim).map(f64::exp)
}

/// y · (grad − Σ y · grad)
pub fn softmax_grad(y: &Grid, grad: &Grid, dim: usize) -> Grid {
    along(dim, y.shape[dim], [y, grad], |[y, grad]| {
        let dot: f64 = y.iter().zip(&grad).map(|(y, g)| y * g).sum();
        y.iter().zip(&grad).map(|(y, g)| y * (g - dot)).collect()
    })
}

/// grad − e^y · Σ grad
pub fn log_softmax_grad(y: &Grid, grad: &Grid, dim: usize) -> Grid {
    along(dim, y.shape[dim], [y, grad], |[y, grad]| {
        let total: f64 = grad.iter().sum();
        y.iter().zip(&grad).map(|(y, g)| g - y.exp() * total).collect()
    })
}

fn class(target: &Grid, row: usize, classes: usize) -> usize {
    let class = target.values[row];
    assert!(
        class >= 0.0 && class < classes as f64,
        "cross_entropy: target {class} of row {row} is not one of {classes} classes"
    );
    class as usize
}

/// The loss of each row, which is what the log-probability of its class lacks to 0, and the log-probabilities.
pub fn cross_entropy(logits: &Grid, target: &Grid) -> [Grid; 2] {
    let log_probs = log_softmax(logits, 1);
    let [rows, classes] = [logits.shape[0], logits.shape[1]];
    let losses = Grid::from_fn([rows], |i| -log_probs.at(&[i[0], class(target, i[0], classes)]));
    [losses, log_probs]
}

/// (probabilities − 1 for the class) · grad
pub fn cross_entropy_grad(log_probs: &Grid, target: &Grid, grad: &Grid) -> Grid {
    Grid::from_fn(log_probs.shape, |i| {
        let is_class = i[1] == class(target, i[0], log_probs.shape[1]);
        (log_probs.at(&i).exp() - f64::from(is_class)) * grad.values[i[0]]
    })
}

#[cfg(test)]
pub mod cases {
    use crate::backend::reference::tests::{Case, integers, numbers, shapes, with_specials};
    use crate::op::{Op, Unary};
    use crate::shape::Shape;

    pub fn all() -> Vec<Case> {
        let all = [softmax(), log_softmax(), softmax_grad(), log_softmax_grad(), cross_entropy(), cross_entropy_grad()];
        all.into_iter().flatten().collect()
    }

    /// Cases along every dimension.
    fn along_each(case: impl Fn(usize, Shape) -> Vec<Case>) -> Vec<Case> {
        let shapes = shapes().into_iter().chain([Shape::from([3, 1000])]);
        shapes.flat_map(|shape| (0..shape.rank()).flat_map(|d| case(d, shape)).collect::<Vec<_>>()).collect()
    }

    fn softmaxes(op: impl Fn(usize) -> Op) -> Vec<Case> {
        along_each(|dim, shape| {
            let x = numbers(shape, 1);
            let large = x.clone().unary(Unary::MulScalar(500.0));
            [with_specials(&x), x, large].map(|x| Case::largest(op(dim), vec![x])).into()
        })
    }

    fn softmax() -> Vec<Case> {
        softmaxes(|dim| Op::Softmax { dim })
    }

    fn log_softmax() -> Vec<Case> {
        softmaxes(|dim| Op::LogSoftmax { dim })
    }

    fn softmax_grad() -> Vec<Case> {
        along_each(|dim, shape| {
            let y = Op::Softmax { dim }.run1([numbers(shape, 1)]);
            vec![Case::largest(Op::SoftmaxGrad { dim }, vec![y, numbers(shape, 2)])]
        })
    }

    fn log_softmax_grad() -> Vec<Case> {
        along_each(|dim, shape| {
            let y = Op::LogSoftmax { dim }.run1([numbers(shape, 1)]);
            vec![Case::largest(Op::LogSoftmaxGrad { dim }, vec![y, numbers(shape, 2)])]
        })
    }

    const CLASSES: [[usize; 2]; 5] = [[1, 1], [3, 1], [3, 17], [0, 3], [70, 10]];

    fn cross_entropy() -> Vec<Case> {
        let case = |[n, c]: [usize; 2]| {
            let x = numbers([n, c], 1);
            let large = x.clone().unary(Unary::MulScalar(500.0));
            [x, large].map(|x| Case::largest(Op::CrossEntropy, vec![x, integers([n], 2, 0, c as i64)]))
        };
        CLASSES.into_iter().flat_map(case).collect()
    }

    fn cross_entropy_grad() -> Vec<Case> {
        let case = |[n, c]: [usize; 2]| {
            let log_probs = Op::LogSoftmax { dim: 1 }.run1([numbers([n, c], 1)]);
            let inputs = vec![log_probs, integers([n], 2, 0, c as i64), numbers([n], 3)];
            Case::largest(Op::CrossEntropyGrad, inputs)
        };
        CLASSES.into_iter().map(case).collect()
    }
}
