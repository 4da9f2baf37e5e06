//! Shapes: the sizes of a tensor's dimensions, the outermost first.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::ops::Deref;

/// The most dimensions that a tensor can have.
pub const MAX_RANK: usize = 8;

/// The sizes of a tensor's dimensions, the outermost first. A scalar has none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "Vec<usize>")]
pub struct Shape {
    sizes: [usize; MAX_RANK],
    rank: usize,
}

impl Shape {
    /// # Panics
    /// If there are more than [`MAX_RANK`] sizes.
    pub fn new(sizes: &[usize]) -> Self {
        assert!(sizes.len() <= MAX_RANK, "a tensor has at most {MAX_RANK} dimensions, got {sizes:?}");
        let mut shape = Shape { sizes: [0; MAX_RANK], rank: sizes.len() };
        shape.sizes[..sizes.len()].copy_from_slice(sizes);
        shape
    }

    /// How many dimensions there are.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many elements a tensor of this shape has.
    ///
    /// # Panics
    /// If the number overflows.
    pub fn numel(&self) -> usize {
        self.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).unwrap_or_else(|| panic!("shape {self} is too large"))
    }

    /// The dimension that `dim` means, where negative numbers count from the end.
    ///
    /// # Panics
    /// If there is no such dimension; the message starts with `op`.
    pub fn dim(&self, op: &str, dim: isize) -> usize {
        let rank = self.rank as isize;
        let d = if dim < 0 { dim + rank } else { dim };
        assert!((0..rank).contains(&d), "{op}: dimension {dim} is out of range for shape {self}");
        d as usize
    }

    /// As [`Shape::dim`], for several dimensions, sorted and without repeats. An empty list means all.
    pub(crate) fn dims(&self, op: &str, dims: &[isize]) -> Vec<usize> {
        if dims.is_empty() {
            return (0..self.rank).collect();
        }
        let mut out: Vec<_> = dims.iter().map(|&d| self.dim(op, d)).collect();
        out.sort_unstable();
        out.dedup();
        assert!(out.len() == dims.len(), "{op}: dimensions {dims:?} name one of shape {self} twice");
        out
    }

    /// The shape with the size of dimension `dim` replaced.
    pub(crate) fn with(mut self, dim: usize, size: usize) -> Self {
        self[..][dim] = size;
        self
    }

    /// The shape without dimension `dim`.
    ///
    /// # Panics
    /// If there is no such dimension.
    pub fn without(&self, dim: usize) -> Self {
        let mut sizes = self.to_vec();
        sizes.remove(dim);
        Shape::new(&sizes)
    }

    pub(crate) fn inserted(&self, dim: usize, size: usize) -> Self {
        let mut sizes = self.to_vec();
        sizes.insert(dim, size);
        Shape::new(&sizes)
    }

    pub(crate) fn permuted(&self, order: &[usize]) -> Self {
        order.iter().map(|&d| self[d]).collect()
    }

    /// The strides, in elements, of row-major order.
    pub(crate) fn row_major(&self) -> Shape {
        self.strides_in(&(0..self.rank).collect::<Vec<_>>())
    }

    /// The strides, in elements, when memory runs through the dimensions in this order, the slowest first.
    pub(crate) fn strides_in(&self, order: &[usize]) -> Shape {
        let mut strides = *self;
        let mut step = 1;
        for &d in order.iter().rev() {
            strides[..][d] = step;
            step *= self[d].max(1);
        }
        strides
    }

    /// The shape that two shapes broadcast to, by NumPy's and PyTorch's rule.
    ///
    /// # Panics
    /// If they do not fit; the message starts with `op`.
    pub fn broadcast(op: &str, a: &Shape, b: &Shape) -> Shape {
        Shape::try_broadcast(op, a, b).unwrap_or_else(|message| panic!("{message}"))
    }

    /// As [`Shape::broadcast`], or why they do not fit.
    pub(crate) fn try_broadcast(op: &str, a: &Shape, b: &Shape) -> Result<Shape, String> {
        let rank = a.rank.max(b.rank);
        let size = |s: &Shape, d: usize| if d + s.rank >= rank { s[d + s.rank - rank] } else { 1 };
        (0..rank)
            .map(|d| match (size(a, d), size(b, d)) {
                (x, y) if x == y => Ok(x),
                (1, y) => Ok(y),
                (x, 1) => Ok(x),
                _ => Err(format!("{op}: shapes {a} and {b} do not broadcast{}", line_up(a, b))),
            })
            .collect()
    }
}

/// How one of two shapes, a list of numbers, could be lined up with a dimension of the other so that they broadcast, as the end of a message.
fn line_up(a: &Shape, b: &Shape) -> String {
    let (long, short) = if a.rank() >= b.rank() { (a, b) } else { (b, a) };
    let &[n] = &short[..] else { return String::new() };
    // With one number for each channel in mind, dimension 1 comes before dimension 0.
    let order = [1, 0].into_iter().chain(2..long.rank());
    match order.into_iter().find(|&d| d + 1 < long.rank() && long[d] == n) {
        Some(d) => {
            let shape: Shape = (d..long.rank()).map(|e| if e == d { n } else { 1 }).collect();
            format!("; for one number along dimension {d} reshape {short} to {shape}")
        }
        None => String::new(),
    }
}

impl From<Shape> for Vec<usize> {
    fn from(shape: Shape) -> Self {
        shape.to_vec()
    }
}

impl<'a> Deserialize<'a> for Shape {
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        let sizes = Vec::<usize>::deserialize(from)?;
        if sizes.len() > MAX_RANK {
            return Err(D::Error::custom(format!("a tensor has at most {MAX_RANK} dimensions, got {}", sizes.len())));
        }
        Ok(Shape::new(&sizes))
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.sizes[..self.rank]
    }
}

impl std::ops::DerefMut for Shape {
    fn deref_mut(&mut self) -> &mut [usize] {
        &mut self.sizes[..self.rank]
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(iter: I) -> Self {
        Shape::new(&iter.into_iter().collect::<Vec<_>>())
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(sizes: [usize; N]) -> Self {
        Shape::new(&sizes)
    }
}

impl From<&[usize]> for Shape {
    fn from(sizes: &[usize]) -> Self {
        Shape::new(sizes)
    }
}

impl From<&Vec<usize>> for Shape {
    fn from(sizes: &Vec<usize>) -> Self {
        Shape::new(sizes)
    }
}

impl From<Vec<usize>> for Shape {
    fn from(sizes: Vec<usize>) -> Self {
        Shape::new(&sizes)
    }
}

impl From<usize> for Shape {
    fn from(size: usize) -> Self {
        Shape::new(&[size])
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &**self)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_follow_the_order() {
        let s = Shape::from([2, 3, 4, 5]);
        assert_eq!(s.row_major(), Shape::from([60, 20, 5, 1]));
        assert_eq!(s.strides_in(&[0, 2, 3, 1]), Shape::from([60, 1, 15, 3]));
    }

    #[test]
    fn broadcasting_follows_numpy() {
        let b = |a: &[usize], b: &[usize]| Shape::broadcast("add", &a.into(), &b.into()).to_vec();
        assert_eq!(b(&[3, 1], &[4]), [3, 4]);
        assert_eq!(b(&[], &[2, 0]), [2, 0]);
        assert_eq!(b(&[1], &[0]), [0]);
    }

    #[test]
    #[should_panic(expected = "add: shapes [2, 3] and [2] do not broadcast")]
    fn what_does_not_broadcast_says_so() {
        Shape::broadcast("add", &[2, 3].into(), &[2].into());
    }

    #[test]
    fn negative_dimensions_count_from_the_end() {
        let s = Shape::from([2, 3]);
        assert_eq!((s.dim("sum", -1), s.dim("sum", 0)), (1, 0));
    }
}
