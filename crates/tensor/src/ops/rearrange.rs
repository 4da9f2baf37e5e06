//! Cutting into pieces, repeating, and turning around.

use crate::dtype::DType;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Pieces of `sizes[i]` elements of dimension `dim`, one after the other.
fn pieces(x: &Tensor, sizes: impl Iterator<Item = usize>, dim: usize) -> Vec<Tensor> {
    let mut start = 0;
    let piece = |n: usize| {
        start += n;
        x.clone().narrow(dim as isize, start - n, n)
    };
    sizes.map(piece).collect()
}

impl Tensor {
    /// Pieces of `split_size` elements of dimension `dim`, the last one of what is left (`torch.split`).
    ///
    /// # Panics
    /// If the dimension does not exist or `split_size` is 0.
    pub fn split(&self, split_size: usize, dim: isize) -> Vec<Tensor> {
        let shape = self.shape_value();
        let d = shape.dim("split", dim);
        assert!(split_size > 0, "split: pieces of dimension {dim} of shape {shape} need at least one element");
        let n = shape[d];
        let count = n.div_ceil(split_size).max(1);
        pieces(self, (0..count).map(|i| split_size.min(n - i * split_size)), d)
    }

    /// Pieces of `split_sizes[i]` elements of dimension `dim` (`torch.split` with a list).
    ///
    /// # Panics
    /// If the dimension does not exist, or the sizes do not add up to its own.
    pub fn split_with_sizes(&self, split_sizes: &[usize], dim: isize) -> Vec<Tensor> {
        let shape = self.shape_value();
        let d = shape.dim("split_with_sizes", dim);
        let total: usize = split_sizes.iter().sum();
        assert!(
            total == shape[d],
            "split_with_sizes: {split_sizes:?} add up to {total}, dimension {dim} of shape {shape} has {}",
            shape[d]
        );
        pieces(self, split_sizes.iter().copied(), d)
    }

    /// At most `chunks` pieces of dimension `dim`, all but the last of one size (`torch.chunk`).
    ///
    /// # Panics
    /// If the dimension does not exist or `chunks` is 0.
    pub fn chunk(&self, chunks: usize, dim: isize) -> Vec<Tensor> {
        let shape = self.shape_value();
        let d = shape.dim("chunk", dim);
        assert!(chunks > 0, "chunk: shape {shape} cannot be cut into no pieces");
        if shape[d] == 0 {
            return vec![self.clone(); chunks];
        }
        self.split(shape[d].div_ceil(chunks), dim)
    }

    /// The elements of dimension `dim`, which goes (`torch.unbind`).
    ///
    /// # Panics
    /// If the dimension does not exist.
    pub fn unbind(&self, dim: isize) -> Vec<Tensor> {
        let n = self.shape_value()[self.shape_value().dim("unbind", dim)];
        (0..n).map(|i| self.clone().select(dim, i)).collect()
    }

    /// Dimension `source` moved to place `destination`; the others keep their order (`torch.movedim`).
    ///
    /// # Panics
    /// If a dimension does not exist.
    pub fn movedim(self, source: isize, destination: isize) -> Tensor {
        let shape = self.shape_value();
        let (from, to) = (shape.dim("movedim", source), shape.dim("movedim", destination));
        let mut order: Vec<isize> = (0..shape.rank() as isize).filter(|&d| d != from as isize).collect();
        order.insert(to, from as isize);
        self.permute(&order)
    }

    /// Without the dimensions of size 1.
    pub fn squeeze_all(self) -> Tensor {
        let sizes: Shape = self.shape().iter().copied().filter(|&n| n != 1).collect();
        self.reshape(sizes)
    }

    /// Dimension `dim` cut into dimensions of `sizes` (`torch.unflatten`).
    ///
    /// # Panics
    /// If the dimension does not exist, or the product of the sizes is not its own.
    pub fn unflatten(self, dim: isize, sizes: &[usize]) -> Tensor {
        let shape = self.shape_value();
        let d = shape.dim("unflatten", dim);
        let product: usize = sizes.iter().product();
        assert!(product == shape[d], "unflatten: {sizes:?} do not make up dimension {dim} of shape {shape}");
        self.reshape([&shape[..d], sizes, &shape[d + 1..]].concat())
    }

    /// The elements of dimension `d` in the order of `places`.
    fn taken(self, d: usize, places: impl Iterator<Item = usize>) -> Tensor {
        let places: Vec<i64> = places.map(|i| i as i64).collect();
        let n = places.len();
        let places = Tensor::from_vec(places, [n]).beside(&self);
        self.index_select(d as isize, &places)
    }

    /// The elements of each of `dims` in reverse order (`torch.flip`).
    ///
    /// # Panics
    /// If a dimension does not exist or is named twice.
    pub fn flip(self, dims: &[isize]) -> Tensor {
        if dims.is_empty() {
            return self;
        }
        let shape = self.shape_value();
        shape.dims("flip", dims).into_iter().fold(self, |x, d| x.taken(d, (0..shape[d]).rev()))
    }

    /// The elements of dimension `dims[i]` moved on by `shifts[i]`; those pushed over the end come back at the start
    /// (`torch.roll`). Without `dims` the one shift moves all elements, in row-major order.
    ///
    /// # Panics
    /// If a dimension does not exist, or there is not one shift for each.
    pub fn roll(self, shifts: &[isize], dims: &[isize]) -> Tensor {
        let shape = self.shape_value();
        if dims.is_empty() && shifts.len() == 1 {
            return self.reshape([shape.numel()]).roll(shifts, &[0]).reshape(shape);
        }
        assert!(shifts.len() == dims.len(), "roll: {} shifts for {} dimensions", shifts.len(), dims.len());
        shifts.iter().zip(dims).fold(self, |x, (&shift, &dim)| {
            let d = shape.dim("roll", dim);
            let n = shape[d] as isize;
            if n == 0 {
                return x;
            }
            let at = (n - shift.rem_euclid(n)) as usize % n as usize;
            if at == 0 {
                return x;
            }
            let (head, tail) = (x.clone().narrow(dim, 0, at), x.narrow(dim, at, n as usize - at));
            Tensor::cat(&[tail, head], dim)
        })
    }

    /// The tensor `sizes[i]` times along dimension `i`; more sizes than dimensions put new ones in front
    /// (`torch.Tensor.repeat`).
    ///
    /// # Panics
    /// If there are fewer sizes than dimensions.
    pub fn repeat(self, sizes: &[usize]) -> Tensor {
        let shape = self.shape_value();
        let Some(extra) = sizes.len().checked_sub(shape.rank()) else {
            panic!("repeat: {} sizes for shape {shape}", sizes.len());
        };
        let full = (0..extra).fold(shape, |s, _| s.inserted(0, 1));
        sizes.iter().enumerate().filter(|(_, times)| **times != 1).fold(self.reshape(full), |x, (d, &times)| {
            let n = full[d];
            x.taken(d, (0..n * times).map(|i| i % n))
        })
    }

    /// As [`Tensor::repeat`]; fewer sizes than dimensions are for the last ones (`torch.tile`).
    pub fn tile(self, sizes: &[usize]) -> Tensor {
        let missing = self.rank().saturating_sub(sizes.len());
        let all: Vec<usize> = std::iter::repeat_n(1, missing).chain(sizes.iter().copied()).collect();
        self.repeat(&all)
    }

    /// Each element of dimension `dim`, `repeats` times in a row (`torch.repeat_interleave`).
    ///
    /// # Panics
    /// If the dimension does not exist.
    pub fn repeat_interleave(self, repeats: usize, dim: isize) -> Tensor {
        let d = self.shape_value().dim("repeat_interleave", dim);
        let n = self.shape_value()[d];
        self.taken(d, (0..n * repeats).map(|i| i / repeats))
    }

    /// The lower triangles of the last two dimensions, up to the diagonal `diagonal` places right of the main one; the rest
    /// is 0 (`torch.tril`).
    ///
    /// # Panics
    /// If there are fewer than two dimensions.
    pub fn tril(self, diagonal: isize) -> Tensor {
        self.triangle("tril", diagonal, |column, row| column.le(row))
    }

    /// The upper triangles of the last two dimensions, from the diagonal `diagonal` places right of the main one on; the rest
    /// is 0 (`torch.triu`).
    ///
    /// # Panics
    /// If there are fewer than two dimensions.
    pub fn triu(self, diagonal: isize) -> Tensor {
        self.triangle("triu", diagonal, |column, row| column.ge(row))
    }

    fn triangle(self, name: &str, diagonal: isize, kept: fn(Tensor, Tensor) -> Tensor) -> Tensor {
        let shape = self.shape_value();
        assert!(shape.rank() >= 2, "{name}: needs matrices, got shape {shape}");
        let (rows, columns) = (shape[shape.rank() - 2], shape[shape.rank() - 1]);
        let row = Tensor::arange(rows).reshape([rows, 1]) + diagonal as f64;
        kept(Tensor::arange(columns), row).beside(&self).where_(self, 0.0)
    }

    /// The classes (`i64`) as vectors of zeros with a single one: `[..]` becomes `[.., num_classes]`, `i64`
    /// (`torch.nn.functional.one_hot`).
    ///
    /// # Panics
    /// If the tensor is not `i64` or holds a number that is not a class.
    pub fn one_hot(&self, num_classes: usize) -> Tensor {
        assert!(self.dtype() == DType::I64, "one_hot: the classes must be i64, got {}", self.dtype());
        if self.device() == crate::Device::Cpu
            && let Some(bad) = self.to_vec::<i64>().iter().find(|&&c| c < 0 || c >= num_classes as i64)
        {
            panic!("one_hot: class {bad} is not one of the {num_classes} classes, 0 to {}", num_classes as i64 - 1);
        }
        self.clone().unsqueeze(-1).eq(Tensor::arange(num_classes).beside(self)).to_dtype(DType::I64)
    }

    /// The diagonal of dimensions `d` and `d + 1`, which are equally long, as dimension `d`.
    pub(super) fn inner_diagonal(self, d: usize) -> Tensor {
        let n = self.shape_value()[d];
        let sizes = self.shape_value().without(d).with(d, n * n);
        self.reshape(sizes).taken(d, (0..n).map(|i| i * (n + 1)))
    }

    /// The elements along the diagonal of dimensions `dim1` and `dim2`, which go; it becomes the last dimension
    /// (`torch.diagonal` with offset 0).
    ///
    /// # Panics
    /// If the dimensions do not exist or are one and the same.
    pub fn diagonal(self, dim1: isize, dim2: isize) -> Tensor {
        let shape = self.shape_value();
        let (a, b) = (shape.dim("diagonal", dim1), shape.dim("diagonal", dim2));
        assert!(a != b, "diagonal: {dim1} and {dim2} are one dimension of shape {shape}");
        let n = shape[a].min(shape[b]);
        let square = self.narrow(dim1, 0, n).narrow(dim2, 0, n);
        let order: Vec<isize> =
            (0..shape.rank()).filter(|&d| d != a && d != b).chain([a, b]).map(|d| d as isize).collect();
        square.permute(&order).inner_diagonal(shape.rank() - 2)
    }
}
