//! Indexing with numbers, ranges, tensors and conditions.

use crate::array::Array;
use crate::dtype::DType;
use crate::op::{Binary, Compare};
use crate::shape::Shape;
use crate::tensor::Tensor;
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// What [`Tensor::index`] takes of one dimension. Whole numbers, ranges of them, tensors and lists of `i64` convert to it.
#[derive(Clone, Debug)]
pub enum Index {
    /// One element; the dimension goes. Negative numbers count from the end.
    At(isize),
    /// The elements from `start` on and before `end`, every `step`-th. Negative numbers count from the end; what lies outside is
    /// cut off, as in Python.
    Range {
        /// The first element; the first of all if none.
        start: Option<isize>,
        /// The end, which is not taken; the end of all if none.
        end: Option<isize>,
        /// 1 or more.
        step: usize,
    },
    /// A new dimension of size 1 (`None` in PyTorch).
    NewDim,
    /// All of the dimensions that the others leave over (`...` in PyTorch).
    Rest,
    /// The elements that an `i64` tensor names (negative numbers count from the end), or those where a `u8` or `bool` tensor is not 0.
    Tensor(Tensor),
}

impl Index {
    /// Every `step`-th element of a range: `Index::step(1.., 2)` is Python's `1::2`.
    ///
    /// # Panics
    /// If it is given something else than a range.
    pub fn step(range: impl Into<Index>, step: usize) -> Index {
        match range.into() {
            Index::Range { start, end, .. } => Index::Range { start, end, step },
            other => panic!("index: only a range has a step, got {other:?}"),
        }
    }
}

impl From<RangeFull> for Index {
    fn from(_: RangeFull) -> Self {
        Index::Range { start: None, end: None, step: 1 }
    }
}

/// The end after a last element that counts.
fn after(last: isize) -> Option<isize> {
    (last != -1).then_some(last + 1)
}

macro_rules! whole_number {
    ($($t:ty)*) => {
        $(impl From<$t> for Index {
            fn from(at: $t) -> Self {
                Index::At(at as isize)
            }
        }
        impl From<Range<$t>> for Index {
            fn from(r: Range<$t>) -> Self {
                Index::Range { start: Some(r.start as isize), end: Some(r.end as isize), step: 1 }
            }
        }
        impl From<RangeFrom<$t>> for Index {
            fn from(r: RangeFrom<$t>) -> Self {
                Index::Range { start: Some(r.start as isize), end: None, step: 1 }
            }
        }
        impl From<RangeTo<$t>> for Index {
            fn from(r: RangeTo<$t>) -> Self {
                Index::Range { start: None, end: Some(r.end as isize), step: 1 }
            }
        }
        impl From<RangeInclusive<$t>> for Index {
            fn from(r: RangeInclusive<$t>) -> Self {
                Index::Range { start: Some(*r.start() as isize), end: after(*r.end() as isize), step: 1 }
            }
        }
        impl From<RangeToInclusive<$t>> for Index {
            fn from(r: RangeToInclusive<$t>) -> Self {
                Index::Range { start: None, end: after(r.end as isize), step: 1 }
            }
        })*
    };
}

whole_number!(i32 i64 isize usize);

impl From<Tensor> for Index {
    fn from(t: Tensor) -> Self {
        Index::Tensor(t)
    }
}

impl From<&Tensor> for Index {
    fn from(t: &Tensor) -> Self {
        Index::Tensor(t.clone())
    }
}

impl From<Vec<i64>> for Index {
    fn from(places: Vec<i64>) -> Self {
        let n = places.len();
        Index::Tensor(Tensor::from_vec(places, [n]))
    }
}

/// What [`Tensor::index`] takes: something that converts to an [`Index`], a tuple of up to eight, or a list.
pub trait Indices {
    /// One [`Index`] after the other.
    fn into_list(self) -> Vec<Index>;
}

impl<A: Into<Index>> Indices for A {
    fn into_list(self) -> Vec<Index> {
        vec![self.into()]
    }
}

impl Indices for &[Index] {
    fn into_list(self) -> Vec<Index> {
        self.to_vec()
    }
}

macro_rules! tuple {
    ($($t:ident)*) => {
        impl<$($t: Into<Index>),*> Indices for ($($t,)*) {
            #[allow(non_snake_case)]
            fn into_list(self) -> Vec<Index> {
                let ($($t,)*) = self;
                vec![$($t.into()),*]
            }
        }
    };
}

tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);
tuple!(A B C D E F G);
tuple!(A B C D E F G H);

/// Where a range starts in a dimension of `n` elements and how many it takes.
fn resolved(start: Option<isize>, end: Option<isize>, step: usize, n: usize) -> (usize, usize) {
    let place = |at: isize| if at < 0 { (at + n as isize).max(0) } else { at.min(n as isize) } as usize;
    let (start, end) = (start.map_or(0, place), end.map_or(n, place));
    (start, end.saturating_sub(start).div_ceil(step))
}

impl Tensor {
    /// A part of the tensor, as PyTorch's brackets give it: one index for each dimension, the rest is taken whole.
    ///
    /// ```
    /// use striate_tensor::{DType, Index, Tensor};
    /// let x = Tensor::arange(24).reshape([2, 3, 4]);
    /// assert_eq!(x.index(1).shape(), [3, 4]); // x[1]
    /// assert_eq!(x.index((0, 1..3, ..2)).to_vec::<i64>(), [4, 5, 8, 9]); // x[0, 1:3, :2]
    /// assert_eq!(x.index((Index::Rest, -1)).shape(), [2, 3]); // x[..., -1]
    /// assert_eq!(x.index((.., Index::step(.., 2))).shape(), [2, 2, 4]); // x[:, ::2]
    /// assert_eq!(x.index((.., Index::NewDim)).shape(), [2, 1, 3, 4]); // x[:, None]
    /// let rows = Tensor::from_vec(vec![2i64, 0, -1], [3]);
    /// assert_eq!(x.index((1, &rows, 0)).to_vec::<i64>(), [20, 12, 20]); // x[1, rows, 0]
    /// assert_eq!(x.index(x.gt(20)).to_vec::<i64>(), [21, 22, 23]); // x[x > 20]
    /// ```
    ///
    /// Several index tensors are broadcast and name elements together; their dimensions stand where the first of them stood, or
    /// first of all if a dimension lies between them. The gradient flows back to where the elements came from.
    ///
    /// # Panics
    /// If there are more indices than dimensions, an element does not exist, a step is 0, [`Index::Rest`] is there twice, index
    /// tensors are neither `i64` nor conditions (`u8`, `bool`) or do not broadcast, or a condition's shape is not that of the
    /// dimensions that it stands for.
    pub fn index(&self, indices: impl Indices) -> Tensor {
        let list = indices.into_list();
        let shape = self.shape_value();
        let takes = |index: &Index| match index {
            Index::NewDim | Index::Rest => 0,
            Index::Tensor(t) if t.dtype().is_mask() => t.rank(),
            _ => 1,
        };
        let taken: usize = list.iter().map(takes).sum();
        assert!(taken <= shape.rank(), "index: {taken} indices for shape {shape}");
        let rests = list.iter().filter(|i| matches!(i, Index::Rest)).count();
        assert!(rests <= 1, "index: Rest can stand in one place only, got it {rests} times");

        let mut x = self.clone();
        let mut by_tensor: Vec<(usize, Tensor)> = Vec::new();
        let mut d = 0;
        for index in list {
            let sizes = x.shape_value();
            match index {
                Index::At(at) => {
                    let n = sizes[d] as isize;
                    assert!(
                        (-n..n).contains(&at),
                        "index: there is no element {at} in a dimension of size {n} of shape {shape}"
                    );
                    x = x.select(d as isize, at.rem_euclid(n) as usize);
                }
                Index::Range { start, end, step } => {
                    assert!(step > 0, "index: the step of a range must be at least 1");
                    let (first, count) = resolved(start, end, step, sizes[d]);
                    if step == 1 {
                        x = if count == sizes[d] { x } else { x.narrow(d as isize, first, count) };
                    } else {
                        let places: Vec<i64> = (0..count).map(|i| (first + i * step) as i64).collect();
                        let places = Tensor::from_vec(places, [count]).beside(&x);
                        x = x.index_select(d as isize, &places);
                    }
                    d += 1;
                }
                Index::NewDim => {
                    x = x.unsqueeze(d as isize);
                    d += 1;
                }
                Index::Rest => d += shape.rank() - taken,
                Index::Tensor(t) if t.dtype().is_mask() => {
                    let stands_for = &sizes[d..d + t.rank()];
                    assert!(
                        t.shape() == stands_for,
                        "index: a condition of shape {} stands for dimensions of {stands_for:?}",
                        t.shape_value()
                    );
                    let places = t.nonzero();
                    by_tensor.extend((0..t.rank()).map(|k| (d + k, places.clone().select(1, k))));
                    d += t.rank();
                }
                Index::Tensor(t) => {
                    assert!(
                        t.dtype() == DType::I64,
                        "index: an index tensor must be i64, u8 or bool, got {}",
                        t.dtype()
                    );
                    by_tensor.push((d, t));
                    d += 1;
                }
            }
        }
        if by_tensor.is_empty() { x } else { x.picked(by_tensor) }
    }

    /// The elements that the tensors name together, each along its dimension.
    fn picked(self, by: Vec<(usize, Tensor)>) -> Tensor {
        let shape = self.shape_value();
        let dims: Vec<usize> = by.iter().map(|(d, _)| *d).collect();
        let neighbours = dims.windows(2).all(|w| w[1] == w[0] + 1);
        let at = if neighbours { dims[0] } else { 0 };
        let others: Vec<usize> = (0..shape.rank()).filter(|d| !dims.contains(d)).collect();
        let order: Vec<isize> = others[..at].iter().chain(&dims).chain(&others[at..]).map(|&d| d as isize).collect();

        let broadcast = |s: Shape, t: &Tensor| Shape::broadcast("index", &s, &t.shape_value());
        let picked = by.iter().fold(Shape::from([]), |s, (_, t)| broadcast(s, t));
        let linear = by.into_iter().fold(Tensor::full(0.0, [], DType::I64).beside(&self), |sum, (d, t)| {
            let n = shape[d];
            sum * n as f64 + Tensor::from(counted_from_start(t, n))
        });
        let size: usize = dims.iter().map(|&d| shape[d]).product();
        let sizes = |middle: &[usize]| {
            let (before, behind) = others.split_at(at);
            let size = |d: &usize| shape[*d];
            before.iter().map(size).chain(middle.iter().copied()).chain(behind.iter().map(size)).collect::<Shape>()
        };
        let flat = self.permute(&order).reshape(sizes(&[size]));
        let places = linear.expand(picked).reshape([picked.numel()]);
        flat.index_select(at as isize, &places).reshape(sizes(&picked))
    }
}

/// The index with negative numbers made to count from the start of a dimension of size `n`.
fn counted_from_start(index: Tensor, n: usize) -> Array {
    if index.device() == crate::Device::Cpu
        && let Some(bad) = index.to_vec::<i64>().iter().find(|&&i| i < -(n as i64) || i >= n as i64)
    {
        panic!("index: {bad} is out of range for a dimension of size {n}");
    }
    let index = index.into_array();
    let (zero, size) = (index.like(0.0), index.like(n as f64));
    let negative = index.clone().compare(Compare::Lt, zero);
    negative.select(index.clone().binary(Binary::Add, size), index)
}
