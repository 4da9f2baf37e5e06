//! Printing that a person can read.

use crate::dtype::by_type;
use crate::element::Element;
use crate::tensor::Tensor;
use std::fmt;

/// A dimension longer than this is shown by its ends.
const LONG: usize = 10;
const ENDS: usize = 3;
/// Tensors with more elements than this are shown by their ends.
const MANY: usize = 1000;

struct Numbers {
    texts: Vec<String>,
    width: usize,
}

impl Numbers {
    fn new(t: &Tensor) -> Self {
        let texts: Vec<String> = by_type!(t.dtype(), |T| {
            let values = t.to_vec::<T>();
            if t.dtype().is_float() {
                floats(&values.into_iter().map(<T as Element>::to_f64).collect::<Vec<_>>())
            } else {
                values.iter().map(T::to_string).collect()
            }
        });
        let width = texts.iter().map(String::len).max().unwrap_or(0);
        Numbers { texts, width }
    }
}

/// One notation for all: whole numbers bare, others with four decimals, and powers of ten where sizes differ much.
fn floats(values: &[f64]) -> Vec<String> {
    let finite = || values.iter().copied().filter(|x| x.is_finite());
    let largest = finite().map(f64::abs).fold(0.0, f64::max);
    let smallest = finite().map(f64::abs).filter(|&x| x > 0.0).fold(f64::INFINITY, f64::min);
    let whole = finite().all(|x| x.fract() == 0.0) && largest < 1e8;
    let scientific = largest >= 1e5 || (smallest < 1e-4 && largest < 1.0) || largest / smallest >= 1e8;
    let show = |x: f64| match (whole, scientific) {
        _ if !x.is_finite() => format!("{x}").to_lowercase(),
        (true, _) => format!("{x:.0}."),
        (_, true) => format!("{x:.4e}"),
        _ => format!("{x:.4}"),
    };
    values.iter().map(|&x| show(x)).collect()
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only what is shown decides the notation.
        let all = self.numel() <= MANY;
        let mut part = Tensor::from(self.array().to_cpu().into_owned());
        for (d, &n) in self.shape().iter().enumerate().filter(|(_, n)| !all && **n > LONG) {
            let ends: Vec<i64> = (0..ENDS).chain(n - ENDS..n).map(|i| i as i64).collect();
            part = part.index_select(d as isize, &Tensor::from_vec(ends, [2 * ENDS]));
        }
        write!(f, "tensor(")?;
        if self.numel() == 0 {
            write!(f, "[]")?;
        } else {
            write_cut(f, &part, self.shape())?;
        }
        write!(f, ", shape={}, dtype={})", self.shape_value(), self.dtype())
    }
}

/// Writes `part`, which holds the shown elements of a tensor of shape `full`.
fn write_cut(f: &mut fmt::Formatter<'_>, part: &Tensor, full: &[usize]) -> fmt::Result {
    let numbers = Numbers::new(part);
    let cut: Vec<bool> = full.iter().zip(part.shape()).map(|(a, b)| a != b).collect();
    write_dims(f, &numbers, part.shape(), &cut, 0, "tensor(".len())
}

fn write_dims(
    f: &mut fmt::Formatter<'_>,
    n: &Numbers,
    shape: &[usize],
    cut: &[bool],
    base: usize,
    indent: usize,
) -> fmt::Result {
    let Some((&size, inner)) = shape.split_first() else { return write!(f, "{:>1$}", n.texts[base], n.width) };
    let step: usize = inner.iter().product();
    let gap = |f: &mut fmt::Formatter<'_>| {
        if inner.is_empty() {
            write!(f, ", ")
        } else {
            write!(f, ",{}{:pad$}", "\n".repeat(inner.len()), "", pad = indent + 1)
        }
    };
    write!(f, "[")?;
    for i in 0..size {
        if i > 0 {
            gap(f)?;
        }
        if cut[0] && i == ENDS {
            write!(f, "...")?;
            gap(f)?;
        }
        write_dims(f, n, inner, &cut[1..], base + i * step, indent + 1)?;
    }
    write!(f, "]")
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;

    #[test]
    fn small_tensors_are_shown_whole() {
        let t = Tensor::from_vec(vec![1.0f32, 2.5, -3.0, 0.25], [2, 2]);
        assert_eq!(t.to_string(), "tensor([[ 1.0000,  2.5000],\n        [-3.0000,  0.2500]], shape=[2, 2], dtype=f32)");
        assert_eq!(Tensor::from_vec(vec![3i64], []).to_string(), "tensor(3, shape=[], dtype=i64)");
        assert_eq!(
            Tensor::from_vec(vec![1.0f64, f64::NAN], [2]).to_string(),
            "tensor([ 1., nan], shape=[2], dtype=f64)"
        );
        assert_eq!(Tensor::zeros([0, 3], DType::F32).to_string(), "tensor([], shape=[0, 3], dtype=f32)");
    }

    #[test]
    fn large_tensors_are_shown_by_their_ends() {
        let s = Tensor::arange(2000).to_string();
        assert_eq!(s, "tensor([   0,    1,    2, ..., 1997, 1998, 1999], shape=[2000], dtype=i64)");
        let s = Tensor::zeros([100, 20], DType::F32).to_string();
        assert_eq!(s.lines().count(), 7);
    }
}
