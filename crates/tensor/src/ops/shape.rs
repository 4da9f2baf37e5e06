//! Views, and ops that move elements without changing them.

use crate::array::Array;
use crate::autograd::{record, record_many};
use crate::op::hints;
use crate::op::{Op, PaddingMode, Spec, ensure, has_dim, same_dtype};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Shape and type of `cat`'s result.
pub(crate) fn cat_rule(inputs: &[Spec], dim: usize) -> Result<Spec, String> {
    let first = inputs[0].shape;
    has_dim("cat", first, dim)?;
    for x in inputs {
        same_dtype("cat", &inputs[0], x)?;
        let fits = x.shape.rank() == first.rank() && x.shape.with(dim, 0) == first.with(dim, 0);
        ensure!(fits, "cat: shapes {first} and {} differ in more than dimension {dim}", x.shape);
    }
    Ok(inputs[0].reshaped(first.with(dim, inputs.iter().map(|x| x.shape[dim]).sum())))
}

/// Shape and type of `pad`'s result.
pub(crate) fn pad_rule(x: &Spec, padding: &[[usize; 2]], mode: PaddingMode) -> Result<Spec, String> {
    let shape = x.shape;
    ensure!(padding.len() == shape.rank(), "pad: {} pairs for shape {shape}", padding.len());
    for (d, &[before, after]) in padding.iter().enumerate().rev().filter(|(_, p)| **p != [0; 2]) {
        let most = match mode {
            PaddingMode::Reflect => shape[d].saturating_sub(1),
            PaddingMode::Circular => shape[d],
            PaddingMode::Replicate if shape[d] == 0 => 0,
            PaddingMode::Replicate | PaddingMode::Zeros => usize::MAX,
        };
        ensure!(
            before.max(after) <= most,
            "pad: mode {mode:?} can add at most {most} to dimension {d} of shape {shape}, got {before} and {after}"
        );
    }
    if mode != PaddingMode::Zeros {
        hints::is_float("pad", x)?;
    }
    Ok(x.reshaped(shape.iter().zip(padding).map(|(n, p)| n + p[0] + p[1]).collect::<Shape>()))
}

impl Tensor {
    fn reshape_as(self, name: &'static str, shape: Shape) -> Tensor {
        let (x, node) = self.into_parts();
        let from = x.shape();
        assert!(
            from.numel() == shape.numel(),
            "{name}: {from} has {} elements, {shape} {}",
            from.numel(),
            shape.numel()
        );
        record(name, x.reshape(shape), [node], move |_| move |g: Array, _| [Some(g.reshape(from))])
    }

    /// The same elements in row-major order under another shape.
    ///
    /// # Panics
    /// If the number of elements differs.
    pub fn reshape(self, shape: impl Into<Shape>) -> Tensor {
        self.reshape_as("reshape", shape.into())
    }

    /// Dimensions `start_dim` to `end_dim` as one (`torch.flatten`).
    ///
    /// # Panics
    /// If a dimension does not exist or the end comes before the start.
    pub fn flatten(self, start_dim: isize, end_dim: isize) -> Tensor {
        let shape = self.shape_value();
        if shape.rank() == 0 {
            return self.reshape_as("flatten", Shape::from([1]));
        }
        let (start, end) = (shape.dim("flatten", start_dim), shape.dim("flatten", end_dim));
        assert!(start <= end, "flatten: dimension {end_dim} comes before {start_dim} in shape {shape}");
        if start == end {
            return self;
        }
        let (x, node) = self.into_parts();
        let y = Op::Flatten { start_dim: start, end_dim: end }.run1([x]);
        record("flatten", y, [node], move |_| move |g: Array, _| [Some(g.reshape(shape))])
    }

    /// Dimension `i` of the result is dimension `dims[i]` of this tensor.
    ///
    /// # Panics
    /// If `dims` does not name every dimension once.
    pub fn permute(self, dims: &[isize]) -> Tensor {
        let shape = self.shape_value();
        let order: Vec<usize> = dims.iter().map(|&d| shape.dim("permute", d)).collect();
        let mut inverse = vec![usize::MAX; shape.rank()];
        for (i, &d) in order.iter().enumerate() {
            inverse[d] = i;
        }
        assert!(
            order.len() == shape.rank() && inverse.iter().all(|&i| i != usize::MAX),
            "permute: {dims:?} does not name every dimension of shape {shape} once"
        );
        let (x, node) = self.into_parts();
        record("permute", x.permute(&order), [node], move |_| move |g: Array, _| [Some(g.permute(&inverse))])
    }

    /// Two dimensions exchanged.
    ///
    /// # Panics
    /// If a dimension does not exist.
    pub fn transpose(self, dim0: isize, dim1: isize) -> Tensor {
        let shape = self.shape_value();
        let mut order: Vec<isize> = (0..shape.rank() as isize).collect();
        order.swap(shape.dim("transpose", dim0), shape.dim("transpose", dim1));
        self.permute(&order)
    }

    /// Without dimension `dim`, if its size is 1.
    ///
    /// # Panics
    /// If the dimension does not exist.
    pub fn squeeze(self, dim: isize) -> Tensor {
        let shape = self.shape_value();
        let d = shape.dim("squeeze", dim);
        if shape[d] == 1 { self.reshape_as("squeeze", shape.without(d)) } else { self }
    }

    /// With a new dimension of size 1 before dimension `dim`; −1 puts it last.
    ///
    /// # Panics
    /// If `dim` is out of range.
    pub fn unsqueeze(self, dim: isize) -> Tensor {
        let shape = self.shape_value();
        let rank = shape.rank() as isize;
        assert!((-rank - 1..=rank).contains(&dim), "unsqueeze: dimension {dim} is out of range for shape {shape}");
        let d = if dim < 0 { dim + rank + 1 } else { dim } as usize;
        self.reshape_as("unsqueeze", shape.inserted(d, 1))
    }

    /// Dimensions of size 1 repeated, without a copy, and new ones put in front.
    ///
    /// # Panics
    /// If the tensor does not broadcast to `shape`.
    pub fn expand(self, shape: impl Into<Shape>) -> Tensor {
        let shape = shape.into();
        let from = self.shape_value();
        let fits = from.rank() <= shape.rank() && Shape::broadcast("expand", &from, &shape) == shape;
        assert!(fits, "expand: shape {from} does not broadcast to {shape}");
        let (x, node) = self.into_parts();
        let padded = (0..shape.rank() - from.rank()).fold(from, |s, _| s.inserted(0, 1));
        let y = x.reshape(padded).expand(shape);
        record("expand", y, [node], move |_| move |g: Array, _| [Some(g.unbroadcast(from))])
    }

    /// `length` elements of dimension `dim`, from `start` on.
    ///
    /// # Panics
    /// If the dimension or a part of the range does not exist.
    pub fn narrow(self, dim: isize, start: usize, length: usize) -> Tensor {
        let shape = self.shape_value();
        let d = shape.dim("narrow", dim);
        assert!(
            start.checked_add(length).is_some_and(|end| end <= shape[d]),
            "narrow: {start} and {length} more do not lie in dimension {dim} of shape {shape}"
        );
        let (x, node) = self.into_parts();
        record("narrow", x.narrow(d, start, length), [node], move |_| {
            move |g: Array, _| {
                let mut padding = vec![[0; 2]; shape.rank()];
                padding[d] = [start, shape[d] - start - length];
                [Some(Op::Pad { padding, mode: PaddingMode::Zeros, value: 0.0 }.run1([g]))]
            }
        })
    }

    /// Element `index` of dimension `dim`, which goes.
    ///
    /// # Panics
    /// If the dimension or the element does not exist.
    pub fn select(self, dim: isize, index: usize) -> Tensor {
        let shape = self.shape_value();
        let d = shape.dim("select", dim);
        assert!(index < shape[d], "select: there is no element {index} in dimension {dim} of shape {shape}");
        self.narrow(dim, index, 1).reshape_as("select", shape.without(d))
    }

    /// The tensors joined along `dim`.
    ///
    /// # Panics
    /// If there are none, or types or the sizes of other dimensions differ.
    pub fn cat(tensors: &[Tensor], dim: isize) -> Tensor {
        assert!(!tensors.is_empty(), "cat: needs at least one tensor");
        let d = tensors[0].shape_value().dim("cat", dim);
        let arrays: Vec<Array> = tensors.iter().map(|t| t.array().clone()).collect();
        let sizes: Vec<usize> = arrays.iter().map(|a| a.shape()[d]).collect();
        let nodes = tensors.iter().map(|t| t.node.clone()).collect();
        record_many("cat", Op::Cat { dim: d }.run_all(arrays).swap_remove(0), nodes, move |_| {
            move |g: Array, wants: &[bool]| {
                let starts = sizes.iter().scan(0, |end, n| {
                    *end += n;
                    Some(*end - n)
                });
                starts.zip(&sizes).zip(wants).map(|((at, &n), w)| w.then(|| g.clone().narrow(d, at, n))).collect()
            }
        })
    }

    /// The tensors, all of one shape, as slices of a new dimension `dim`.
    ///
    /// # Panics
    /// If there are none, or shapes or types differ.
    pub fn stack(tensors: &[Tensor], dim: isize) -> Tensor {
        assert!(!tensors.is_empty(), "stack: needs at least one tensor");
        let first = tensors[0].shape_value();
        for t in tensors {
            assert!(t.shape_value() == first, "stack: shapes {first} and {} differ", t.shape_value());
        }
        let slices: Vec<Tensor> = tensors.iter().map(|t| t.clone().unsqueeze(dim)).collect();
        Tensor::cat(&slices, dim)
    }

    /// With `value` added before and after the last dimensions: `padding[0]` is for the last one, as in
    /// `torch.nn.functional.pad`.
    ///
    /// # Panics
    /// If there are more pairs than dimensions.
    pub fn pad(self, padding: &[[usize; 2]], value: f64) -> Tensor {
        let padding = self.padding_of_all(padding);
        let (x, node) = self.into_parts();
        let shape = x.shape();
        let op = Op::Pad { padding: padding.clone(), mode: PaddingMode::Zeros, value };
        record("pad", op.run1([x]), [node], move |_| {
            move |g: Array, _| [Some((0..shape.rank()).fold(g, |g, d| g.narrow(d, padding[d][0], shape[d])))]
        })
    }

    /// Padding for each dimension, from padding for the last ones.
    pub(super) fn padding_of_all(&self, padding: &[[usize; 2]]) -> Vec<[usize; 2]> {
        let rank = self.rank();
        assert!(padding.len() <= rank, "pad: {} pairs for shape {}", padding.len(), self.shape_value());
        (0..rank).map(|d| padding.get(rank - 1 - d).copied().unwrap_or([0; 2])).collect()
    }

    /// This tensor, which is in memory, on the device of `other`.
    pub(super) fn beside(self, other: &Tensor) -> Tensor {
        if other.device() == crate::Device::Cpu { self } else { other.array().beside(self.into_array()).into() }
    }
}
