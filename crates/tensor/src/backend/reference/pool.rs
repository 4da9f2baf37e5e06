//! Pooling.

use super::grid::{Grid, indices};
use crate::dtype::DType;
use crate::op::{Op, Pool2dOptions};
use crate::ops::pool2d::position_dtype;
use crate::ops::resample::longest_windows;
use crate::shape::Shape;

/// The results of an op of this family for operands `x`; see [`super::compute`].
pub fn compute(op: &Op, x: &[Grid], _dtype: DType, shape: Shape) -> Vec<Grid> {
    let one = match op {
        Op::MaxPool2d { options, input_relu, .. } => {
            let windows = Windows::sliding(x[0].shape, shape, options);
            return max_pool(&x[0], &windows, *input_relu, no_position(options.kernel_size)).into();
        }
        Op::MaxPool2dGrad { options, input } => {
            max_pool_grad(&x[0], &x[1], &Windows::sliding(*input, x[0].shape, options), shape)
        }
        Op::AvgPool2d { options } => avg_pool(&x[0], &Windows::sliding(x[0].shape, shape, options)),
        Op::AvgPool2dGrad { options, input } => {
            avg_pool_grad(&x[0], &Windows::sliding(*input, x[0].shape, options), shape)
        }
        Op::AdaptiveAvgPool { .. } => {
            let image = as_image(&x[0]);
            avg_pool(&image, &Windows::adaptive(image.shape, image_shape(shape)))
        }
        Op::AdaptiveAvgPoolGrad { input } => {
            let (g, input) = (as_image(&x[0]), image_shape(*input));
            avg_pool_grad(&g, &Windows::adaptive(input, g.shape), input)
        }
        Op::AdaptiveMaxPool2d { output_size, .. } => {
            let none = no_position(longest_windows(x[0].shape, *output_size));
            return max_pool(&x[0], &Windows::adaptive(x[0].shape, shape), false, none).into();
        }
        Op::AdaptiveMaxPool2dGrad { input } => {
            max_pool_grad(&x[0], &x[1], &Windows::adaptive(*input, x[0].shape), shape)
        }
        _ => unreachable!("{} is no pooling", op.name()),
    };
    vec![one]
}

/// What stands for no position in a window of this size.
fn no_position(kernel: [usize; 2]) -> f64 {
    match position_dtype(kernel) {
        DType::U8 => f64::from(u8::MAX),
        _ => f64::from(i32::MAX),
    }
}

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

#[cfg(test)]
pub mod cases {
    use crate::array::Array;
    use crate::backend::reference::tests::{Case, numbers, with_specials};
    use crate::dtype::DType;
    use crate::op::{Op, Pool2dOptions, Spec};
    use crate::shape::Shape;

    pub fn all() -> Vec<Case> {
        let all = [
            max_pool2d(),
            max_pool2d_grad(),
            avg_pool2d(),
            avg_pool2d_grad(),
            adaptive_avg_pool(),
            adaptive_avg_pool_grad(),
            adaptive_max_pool2d(),
            adaptive_max_pool2d_grad(),
        ];
        all.into_iter().flatten().collect()
    }

    /// The windows that poolings are tested with, and what they are laid over.
    fn poolings() -> Vec<([usize; 4], Pool2dOptions)> {
        let options = |kernel_size, stride, padding, dilation, ceil_mode| Pool2dOptions {
            kernel_size,
            stride,
            padding,
            dilation,
            ceil_mode,
            count_include_pad: true,
        };
        vec![
            ([2, 3, 6, 8], 2.into()),
            ([1, 17, 7, 9], Pool2dOptions::new([3, 2])),
            ([1, 1, 1, 1], 1.into()),
            ([0, 3, 4, 4], 2.into()),
            ([2, 3, 7, 5], options([3, 2], [2, 1], [1, 1], [1, 1], false)),
            ([2, 3, 8, 7], options([3, 3], [2, 2], [1, 0], [1, 1], true)),
            // Steps over pixels.
            ([1, 18, 9, 10], options([2, 2], [4, 3], [0, 1], [1, 1], true)),
            ([2, 3, 9, 8], options([2, 3], [1, 2], [1, 1], [3, 2], false)),
            // Windows that see nothing but padding.
            ([1, 2, 4, 4], options([2, 2], [1, 1], [1, 1], [5, 5], false)),
            // More positions than a byte can tell apart.
            ([1, 3, 19, 18], options([17, 16], [1, 1], [8, 2], [1, 1], false)),
        ]
    }

    /// The shape that a pooling gives.
    fn pooled(op: &Op, x: impl Into<Shape>) -> Shape {
        op.outputs(&[Spec::new(x, DType::F64)])[0].shape
    }

    /// The gradient of a max pooling, of which each backend has the positions from itself.
    fn max_grad(op: Op, pooling: Op, x: Array) -> Case {
        let grad = numbers(pooled(&pooling, x.shape()), 7);
        Case { pooling: Some((pooling, x)), ..Case::largest(op, vec![grad]) }
    }

    fn inputs(shape: impl Into<Shape>) -> [Array; 3] {
        let x = numbers(shape, 1);
        let below_zero = x.clone().unary(crate::op::Unary::AddScalar(-1.5));
        [with_specials(&x), below_zero, x]
    }

    fn max_pool2d() -> Vec<Case> {
        let mut cases = Vec::new();
        for (shape, options) in poolings() {
            for input_relu in [false, true] {
                for with_positions in [false, true] {
                    let op = Op::MaxPool2d { options, input_relu, with_positions };
                    cases.extend(inputs(shape).map(|x| Case::each(op.clone(), vec![x])));
                }
            }
        }
        cases
    }

    fn max_pool2d_grad() -> Vec<Case> {
        let mut cases = Vec::new();
        for (shape, options) in poolings() {
            for input_relu in [false, true] {
                let pooling = Op::MaxPool2d { options, input_relu, with_positions: true };
                let op = Op::MaxPool2dGrad { options, input: shape.into() };
                cases.extend(inputs(shape).map(|x| max_grad(op.clone(), pooling.clone(), x)));
            }
        }
        cases
    }

    /// Those without dilation, which has no meaning for a mean, counting the padding and not.
    fn mean_poolings() -> Vec<([usize; 4], Pool2dOptions)> {
        let both = |(shape, options): ([usize; 4], Pool2dOptions)| {
            [true, false].map(|count_include_pad| (shape, Pool2dOptions { count_include_pad, ..options }))
        };
        poolings().into_iter().filter(|(_, options)| options.dilation == [1, 1]).flat_map(both).collect()
    }

    fn avg_pool2d() -> Vec<Case> {
        let case = |(shape, options): ([usize; 4], Pool2dOptions)| {
            inputs(shape).map(|x| Case::largest(Op::AvgPool2d { options }, vec![x]))
        };
        mean_poolings().into_iter().flat_map(case).collect()
    }

    fn avg_pool2d_grad() -> Vec<Case> {
        let case = |(shape, options): ([usize; 4], Pool2dOptions)| {
            let grad = numbers(pooled(&Op::AvgPool2d { options }, shape), 1);
            Case::largest(Op::AvgPool2dGrad { options, input: shape.into() }, vec![grad])
        };
        mean_poolings().into_iter().map(case).collect()
    }

    const ADAPTIVE: [([usize; 4], [usize; 2]); 8] = [
        ([1, 1, 1, 1], [1, 1]),
        ([2, 3, 7, 5], [3, 2]),
        ([2, 3, 7, 5], [1, 1]),
        ([2, 3, 7, 5], [7, 5]),
        ([1, 17, 4, 3], [9, 11]),
        ([2, 3, 8, 6], [4, 5]),
        ([0, 3, 4, 4], [2, 2]),
        // Windows with more positions than a byte can tell apart.
        ([1, 2, 35, 34], [2, 2]),
    ];

    fn adaptive_avg_pool() -> Vec<Case> {
        let mut cases = Vec::new();
        for (shape, size) in ADAPTIVE {
            let op = Op::AdaptiveAvgPool { output_size: size.to_vec() };
            cases.extend(inputs(shape).map(|x| Case::largest(op.clone(), vec![x])));
            let op = Op::AdaptiveAvgPool { output_size: size[1..].to_vec() };
            cases.extend(inputs([shape[0], shape[1], shape[3]]).map(|x| Case::largest(op.clone(), vec![x])));
        }
        cases
    }

    fn adaptive_avg_pool_grad() -> Vec<Case> {
        let case = |(shape, size): ([usize; 4], [usize; 2])| {
            let (image, row) = (Shape::from(shape), Shape::from([shape[0], shape[1], shape[3]]));
            [
                (image, numbers([shape[0], shape[1], size[0], size[1]], 1)),
                (row, numbers([shape[0], shape[1], size[1]], 1)),
            ]
            .map(|(input, grad)| Case::largest(Op::AdaptiveAvgPoolGrad { input }, vec![grad]))
        };
        ADAPTIVE.into_iter().flat_map(case).collect()
    }

    fn adaptive_max_pool2d() -> Vec<Case> {
        let mut cases = Vec::new();
        for (shape, output_size) in ADAPTIVE {
            for with_positions in [false, true] {
                let op = Op::AdaptiveMaxPool2d { output_size, with_positions };
                cases.extend(inputs(shape).map(|x| Case::each(op.clone(), vec![x])));
            }
        }
        cases
    }

    fn adaptive_max_pool2d_grad() -> Vec<Case> {
        let case = |(shape, output_size): ([usize; 4], [usize; 2])| {
            let pooling = Op::AdaptiveMaxPool2d { output_size, with_positions: true };
            let op = Op::AdaptiveMaxPool2dGrad { input: shape.into() };
            inputs(shape).map(|x| max_grad(op.clone(), pooling.clone(), x))
        };
        ADAPTIVE.into_iter().flat_map(case).collect()
    }
}
