//! The sizes among an op's attributes: what may depend on how many samples a batch has.

use striate_tensor::{Op, Shape};

/// The sizes, in a fixed order.
pub(crate) fn sizes(op: &Op) -> Vec<usize> {
    match op {
        Op::Reshape { shape } | Op::Expand { shape } | Op::ScatterAdd { shape, .. } => shape.to_vec(),
        Op::Narrow { start, length, .. } => vec![*start, *length],
        Op::IndexAdd { size, .. } => vec![*size],
        Op::Pad { padding, .. } => padding.iter().flatten().copied().collect(),
        _ => Vec::new(),
    }
}

/// The op with other sizes, in the order of [`sizes`].
pub(crate) fn with_sizes(op: &Op, sizes: &[usize]) -> Op {
    let all = || Shape::new(sizes);
    match op {
        Op::Reshape { .. } => Op::Reshape { shape: all() },
        Op::Expand { .. } => Op::Expand { shape: all() },
        Op::ScatterAdd { dim, .. } => Op::ScatterAdd { dim: *dim, shape: all() },
        Op::Narrow { dim, .. } => Op::Narrow { dim: *dim, start: sizes[0], length: sizes[1] },
        Op::IndexAdd { dim, .. } => Op::IndexAdd { dim: *dim, size: sizes[0] },
        Op::Pad { mode, value, .. } => {
            Op::Pad { padding: sizes.as_chunks::<2>().0.to_vec(), mode: *mode, value: *value }
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::PaddingMode;

    #[test]
    fn sizes_go_back_where_they_came_from() {
        for op in [
            Op::Reshape { shape: Shape::from([2, 3]) },
            Op::Expand { shape: Shape::from([4]) },
            Op::Narrow { dim: 1, start: 2, length: 3 },
            Op::IndexAdd { dim: 0, size: 7 },
            Op::ScatterAdd { dim: 0, shape: Shape::from([5, 6]) },
            Op::Pad { padding: vec![[0, 1], [2, 3]], mode: PaddingMode::Zeros, value: 1.0 },
            Op::MatMul,
        ] {
            assert_eq!(with_sizes(&op, &sizes(&op)), op);
        }
    }
}
