//! Softmax and cross-entropy.

use super::grid::{Grid, along};

/// ln Σ eˣ, from which the largest is taken out first, as its exponential might overflow.
fn log_sum_exp(line: &[f64]) -> f64 {
    let max = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    max + line.iter().map(|x| (x - max).exp()).sum::<f64>().ln()
}

pub fn log_softmax(x: &Grid, dim: usize) -> Grid {
    along(dim, x.shape[dim], [x], |[line]| {
        let log = log_sum_exp(&line);
        line.iter().map(|x| x - log).collect()
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
