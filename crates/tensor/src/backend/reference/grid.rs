//! The numbers that the plain loops run over.

use crate::shape::Shape;

/// Numbers in row-major order of a shape.
#[derive(Clone, Debug)]
pub struct Grid {
    pub shape: Shape,
    pub values: Vec<f64>,
}

/// Every index of a shape, in row-major order.
pub fn indices(shape: Shape) -> impl Iterator<Item = Shape> {
    (0..shape.numel()).map(move |mut rest| {
        let mut index = shape;
        for d in (0..shape.rank()).rev() {
            index[d] = rest % shape[d];
            rest /= shape[d];
        }
        index
    })
}

impl Grid {
    pub fn zeros(shape: impl Into<Shape>) -> Grid {
        let shape = shape.into();
        Grid { shape, values: vec![0.0; shape.numel()] }
    }

    /// What `f` gives for each index.
    pub fn from_fn(shape: impl Into<Shape>, f: impl FnMut(Shape) -> f64) -> Grid {
        let shape = shape.into();
        Grid { shape, values: indices(shape).map(f).collect() }
    }

    /// A list of numbers.
    pub fn list(values: Vec<f64>) -> Grid {
        Grid { shape: Shape::from([values.len()]), values }
    }

    pub fn reshaped(self, shape: impl Into<Shape>) -> Grid {
        let shape = shape.into();
        assert_eq!(self.values.len(), shape.numel(), "{} values do not fill shape {shape}", self.values.len());
        Grid { shape, values: self.values }
    }

    pub fn map(&self, f: impl Fn(f64) -> f64) -> Grid {
        Grid { shape: self.shape, values: self.values.iter().map(|&x| f(x)).collect() }
    }

    fn place(&self, index: &[usize]) -> usize {
        index.iter().zip(self.shape.iter()).fold(0, |place, (i, size)| place * size + i)
    }

    pub fn at(&self, index: &[usize]) -> f64 {
        self.values[self.place(index)]
    }

    pub fn at_mut(&mut self, index: &[usize]) -> &mut f64 {
        let place = self.place(index);
        &mut self.values[place]
    }

    /// The element that stands at `index` of a shape that this one is broadcast to: dimensions are lined up at the end, and those of size 1 repeat.
    pub fn at_broadcast(&self, index: &[usize]) -> f64 {
        let last = &index[index.len() - self.shape.rank()..];
        let own: Shape = last.iter().zip(self.shape.iter()).map(|(&i, &size)| if size == 1 { 0 } else { i }).collect();
        self.at(&own)
    }

    /// The elements along `dim` through `index`.
    fn line(&self, index: Shape, dim: usize) -> Vec<f64> {
        (0..self.shape[dim]).map(|k| self.at(&index.with(dim, k))).collect()
    }
}

/// A result whose lines along `dim`, which are `length` long, `f` makes of those of operands of one shape.
pub fn along<const N: usize>(
    dim: usize,
    length: usize,
    operands: [&Grid; N],
    f: impl Fn([Vec<f64>; N]) -> Vec<f64>,
) -> Grid {
    let shape = operands[0].shape;
    let mut result = Grid::zeros(shape.with(dim, length));
    for index in indices(shape.with(dim, 1)) {
        for (k, value) in f(operands.map(|x| x.line(index, dim))).into_iter().enumerate() {
            *result.at_mut(&index.with(dim, k)) = value;
        }
    }
    result
}
