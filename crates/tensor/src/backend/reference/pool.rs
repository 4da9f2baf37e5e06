//! Pooling.

use super::grid::{Grid, indices};
use crate::op::Pool2dOptions;
use crate::shape::Shape;

/// A window along one dimension.
struct Span {
    /// Of each element that lies in the image its number in the window and its place in the image.
    pixels: Vec<(usize, usize)>,
    /// What a mean divides by.
    divisor: usize,
}

/// The windows of a pooling.
pub struct Windows {
    rows: Vec<Span>,
    columns: Vec<Span>,
    /// The width of a window, by which its elements are numbered.
    width: usize,
}

/// A batch of rows of pixels as one of images.
pub fn image_shape(shape: Shape) -> Shape {
    if shape.rank() == 3 { Shape::from([shape[0], shape[1], 1, shape[2]]) } else { shape }
}

pub fn as_image(x: &Grid) -> Grid {
    x.clone().reshaped(image_shape(x.shape))
}

impl Windows {
    /// Windows of one size in steps, from `input` to `output`.
    pub fn sliding(input: Shape, output: Shape, o: &Pool2dOptions) -> Windows {
        let span = |d: usize, i: usize| {
            let (kernel, padding, size) = (o.kernel_size[d], o.padding[d], input[2 + d]);
            let start = i * o.stride[d];
            let place = |k: usize| (start + k * o.dilation[d]).checked_sub(padding).filter(|&at| at < size);
            let pixels: Vec<_> = (0..kernel).filter_map(|k| Some((k, place(k)?))).collect();
            // What hangs over the padded image counts in no case.
            let with_padding = (start + kernel).min(size + 2 * padding) - start;
            let divisor = if o.count_include_pad { with_padding } else { pixels.len() };
            Span { pixels, divisor }
        };
        let spans = |d: usize| (0..output[2 + d]).map(|i| span(d, i)).collect();
        Windows { rows: spans(0), columns: spans(1), width: o.kernel_size[1] }
    }

    /// Windows that cover `input` evenly: number `i` of `n` goes from ⌊i · size / n⌋ up to ⌈(i + 1) · size / n⌉.
    pub fn adaptive(input: Shape, output: Shape) -> Windows {
        let span = |d: usize, i: usize| {
            let (size, n) = (input[2 + d], output[2 + d]);
            let pixels: Vec<_> = (i * size / n..((i + 1) * size).div_ceil(n)).enumerate().collect();
            Span { divisor: pixels.len(), pixels }
        };
        let spans = |d: usize| (0..output[2 + d]).map(|i| span(d, i)).collect::<Vec<_>>();
        let columns = spans(1);
        let width = columns.iter().map(|s| s.pixels.len()).max().unwrap_or(1);
        Windows { rows: spans(0), columns, width }
    }

    /// The pixels that output `to` is made of, each with its number in the window.
    fn pixels(&self, to: Shape) -> impl Iterator<Item = (usize, [usize; 4])> {
        let [n, c, y, x] = to[..] else { unreachable!("an image") };
        let (rows, columns) = (&self.rows[y].pixels, &self.columns[x].pixels);
        rows.iter()
            .flat_map(move |&(ky, iy)| columns.iter().map(move |&(kx, ix)| (ky * self.width + kx, [n, c, iy, ix])))
    }

    fn divisor(&self, to: Shape) -> f64 {
        (self.rows[to[2]].divisor * self.columns[to[3]].divisor) as f64
    }

    fn output(&self, x: Shape) -> Shape {
        x.with(2, self.rows.len()).with(3, self.columns.len())
    }
}

/// The largest element of each window, and its number in it: the first of several, but a NaN before all numbers. With `relu` it is the pooling of
/// max(x, 0), in which a window without anything above 0 has `none` for a position, as no gradient flows through it.
pub fn max_pool(x: &Grid, windows: &Windows, relu: bool, none: f64) -> [Grid; 2] {
    let shape = windows.output(x.shape);
    let mut results = [Grid::zeros(shape), Grid::zeros(shape)];
    for to in indices(shape) {
        let mut best = f64::NEG_INFINITY;
        let mut position = windows.pixels(to).next().map_or(0.0, |(k, _)| k as f64);
        for (k, from) in windows.pixels(to) {
            let value = x.at(&from);
            if value > best || value.is_nan() {
                (best, position) = (value, k as f64);
            }
        }
        if relu && best <= 0.0 {
            (best, position) = (0.0, none);
        }
        *results[0].at_mut(&to) = best;
        *results[1].at_mut(&to) = position;
    }
    results
}

pub fn max_pool_grad(grad: &Grid, positions: &Grid, windows: &Windows, input: Shape) -> Grid {
    let mut to_x = Grid::zeros(input);
    for to in indices(grad.shape) {
        for (k, from) in windows.pixels(to) {
            if k as f64 == positions.at(&to) {
                *to_x.at_mut(&from) += grad.at(&to);
            }
        }
    }
    to_x
}

pub fn avg_pool(x: &Grid, windows: &Windows) -> Grid {
    Grid::from_fn(windows.output(x.shape), |to| {
        windows.pixels(to).map(|(_, from)| x.at(&from)).sum::<f64>() / windows.divisor(to)
    })
}

pub fn avg_pool_grad(grad: &Grid, windows: &Windows, input: Shape) -> Grid {
    let mut to_x = Grid::zeros(input);
    for to in indices(grad.shape) {
        for (_, from) in windows.pixels(to) {
            *to_x.at_mut(&from) += grad.at(&to) / windows.divisor(to);
        }
    }
    to_x
}
