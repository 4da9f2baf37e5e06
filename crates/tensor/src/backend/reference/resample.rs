//! Images in another size.

use super::grid::{Grid, along, indices};
use crate::dtype::DType;
use crate::op::{GridSampleMode, GridSamplePadding, Interpolation, Op};
use crate::shape::Shape;

/// The results of an op of this family for operands `x`; see [`super::compute`].
pub fn compute(op: &Op, x: &[Grid], _dtype: DType, shape: Shape) -> Vec<Grid> {
    let one = match op {
        Op::Interpolate { size, scale_factor, mode } => interpolate(&x[0], *size, *scale_factor, *mode),
        Op::InterpolateGrad { input, scale_factor, mode } => interpolate_grad(&x[0], *input, *scale_factor, *mode),
        Op::GridSample { mode, padding_mode, align_corners } => {
            let sampling = Sampling { mode: *mode, padding: *padding_mode, align_corners: *align_corners };
            sampling.sample(&x[0], &x[1], shape)
        }
        Op::GridSampleGrad { mode, padding_mode, align_corners } => {
            let sampling = Sampling { mode: *mode, padding: *padding_mode, align_corners: *align_corners };
            return sampling.gradients(&x[0], &x[1], &x[2]).into();
        }
        _ => unreachable!("{} is no resampling", op.name()),
    };
    vec![one]
}

/// The pixels that each output of a dimension is made of, with their weights.
type Taps = Vec<Vec<(usize, f64)>>;

/// Keys' cubic convolution kernel with a = −3/4, at distance `x` (Keys, 1981).
fn cubic(x: f64) -> f64 {
    let (a, x) = (-0.75, x.abs());
    if x >= 2.0 {
        0.0
    } else if x > 1.0 {
        a * x.powi(3) - 5.0 * a * x.powi(2) + 8.0 * a * x - 4.0 * a
    } else {
        (a + 2.0) * x.powi(3) - (a + 3.0) * x.powi(2) + 1.0
    }
}

/// The slope of [`cubic`].
fn cubic_slope(x: f64) -> f64 {
    let (a, sign, x) = (-0.75, x.signum(), x.abs());
    if x >= 2.0 {
        0.0
    } else if x > 1.0 {
        sign * (3.0 * a * x.powi(2) - 10.0 * a * x + 8.0 * a)
    } else {
        sign * (3.0 * (a + 2.0) * x.powi(2) - 2.0 * (a + 3.0) * x)
    }
}

/// `torch.nn.functional.interpolate` along one dimension from `size` to `out` pixels; `factor` is the scale factor, if `out` was given by one.
fn taps(mode: Interpolation, size: usize, out: usize, factor: Option<f64>) -> Taps {
    let scale = factor.map_or(size as f64 / out as f64, |f| 1.0 / f);
    let last = size - 1;
    // Where the centre of output pixel `i` lies, in input pixels from the centre of the first.
    let centre = |i: usize, align_corners: bool| match align_corners {
        false => (i as f64 + 0.5) * scale - 0.5,
        true if out == 1 => 0.0,
        true => i as f64 * last as f64 / (out - 1) as f64,
    };
    let tap = |i: usize| match mode {
        // PyTorch looks at these sizes before the factor.
        Interpolation::Nearest if out == size => vec![(i, 1.0)],
        Interpolation::Nearest if out == 2 * size => vec![(i / 2, 1.0)],
        Interpolation::Nearest => vec![(((i as f64 * scale).floor() as usize).min(last), 1.0)],
        Interpolation::NearestExact => vec![((((i as f64 + 0.5) * scale).floor() as usize).min(last), 1.0)],
        // Here too.
        Interpolation::Bilinear { .. } if out == size => vec![(i, 1.0)],
        Interpolation::Bilinear { align_corners } => {
            let x = centre(i, align_corners).clamp(0.0, last as f64);
            let (first, t) = (x.floor() as usize, x - x.floor());
            vec![(first, 1.0 - t), ((first + 1).min(last), t)]
        }
        Interpolation::Bicubic { align_corners } => {
            let x = centre(i, align_corners);
            // Pixels outside the image are the outermost one.
            let pixel = |k: f64| k.clamp(0.0, last as f64) as usize;
            (-1..=2).map(|k| x.floor() + k as f64).map(|k| (pixel(k), cubic(x - k))).collect()
        }
    };
    (0..out).map(tap).collect()
}

fn resized(x: &Grid, dim: usize, taps: &Taps) -> Grid {
    let output = |line: &[f64], pixels: &[(usize, f64)]| pixels.iter().map(|&(i, weight)| weight * line[i]).sum();
    along(dim, taps.len(), [x], |[line]| taps.iter().map(|pixels| output(&line, pixels)).collect())
}

fn resized_grad(grad: &Grid, dim: usize, taps: &Taps, size: usize) -> Grid {
    along(dim, size, [grad], |[line]| {
        let mut to_x = vec![0.0; size];
        for (grad, pixels) in line.iter().zip(taps) {
            for &(i, weight) in pixels {
                to_x[i] += weight * grad;
            }
        }
        to_x
    })
}

pub fn interpolate(x: &Grid, size: [usize; 2], factor: Option<[f64; 2]>, mode: Interpolation) -> Grid {
    let taps = [0, 1].map(|d| taps(mode, x.shape[2 + d], size[d], factor.map(|f| f[d])));
    resized(&resized(x, 2, &taps[0]), 3, &taps[1])
}

pub fn interpolate_grad(grad: &Grid, input: Shape, factor: Option<[f64; 2]>, mode: Interpolation) -> Grid {
    let taps = [0, 1].map(|d| taps(mode, input[2 + d], grad.shape[2 + d], factor.map(|f| f[d])));
    resized_grad(&resized_grad(grad, 3, &taps[1], input[3]), 2, &taps[0], input[2])
}

/// The settings of `torch.nn.functional.grid_sample`.
struct Sampling {
    mode: GridSampleMode,
    padding: GridSamplePadding,
    align_corners: bool,
}

impl Sampling {
    /// Coordinate `at`, in pixels, after what lies outside has been brought in, and its slope.
    fn inside(&self, at: f64, size: usize) -> (f64, f64) {
        let last = size as f64 - 1.0;
        let (mut at, mut slope) = (at, 1.0);
        if self.padding == GridSamplePadding::Reflection {
            let (low, high) = if self.align_corners { (0.0, last) } else { (-0.5, last + 0.5) };
            if low == high {
                return (0.0, 0.0);
            }
            while at < low || at > high {
                at = if at < low { 2.0 * low - at } else { 2.0 * high - at };
                slope = -slope;
            }
        }
        match self.padding {
            GridSamplePadding::Zeros => (at, 1.0),
            _ if at > 0.0 && at < last => (at, slope),
            _ if at >= last => (last, 0.0),
            // Not a number is the first pixel.
            _ => (0.0, 0.0),
        }
    }

    /// The pixels of a dimension that coordinate `p` is made of (none for a zero), with their weights and how these grow with `p`.
    fn pixels(&self, p: f64, size: usize) -> Vec<(Option<usize>, f64, f64)> {
        let n = size as f64;
        let (at, scale) = match self.align_corners {
            true => ((p + 1.0) / 2.0 * (n - 1.0), (n - 1.0) / 2.0),
            false => (((p + 1.0) * n - 1.0) / 2.0, n / 2.0),
        };
        let pixel = |at: f64| (at >= 0.0 && at < n).then_some(at as usize);
        match self.mode {
            GridSampleMode::Nearest => vec![(pixel(self.inside(at, size).0.round_ties_even()), 1.0, 0.0)],
            GridSampleMode::Bilinear => {
                let (at, slope) = self.inside(at, size);
                let (low, slope) = (at.floor(), slope * scale);
                vec![(pixel(low), 1.0 - (at - low), -slope), (pixel(low + 1.0), at - low, slope)]
            }
            GridSampleMode::Bicubic => {
                let near = (-1..=2).map(|k| at.floor() + f64::from(k));
                near.map(|k| (pixel(self.inside(k, size).0), cubic(at - k), cubic_slope(at - k) * scale)).collect()
            }
        }
    }

    /// Calls `f` for every pixel (none for a zero) that each point of the grid is made of, with its weight, and how that grows with x and y.
    fn for_each(&self, x: Shape, grid: &Grid, mut f: impl FnMut([usize; 3], Option<[usize; 2]>, f64, [f64; 2])) {
        for point in indices(grid.shape.with(3, 1)) {
            let [n, i, j] = [point[0], point[1], point[2]];
            let of = |d: usize| self.pixels(grid.at(&[n, i, j, 1 - d]), x[2 + d]);
            let (down, across) = (of(0), of(1));
            for &(row, wy, sy) in &down {
                for &(column, wx, sx) in &across {
                    f([n, i, j], row.zip(column).map(|(y, x)| [y, x]), wy * wx, [wy * sx, sy * wx]);
                }
            }
        }
    }

    fn sample(&self, x: &Grid, grid: &Grid, shape: Shape) -> Grid {
        let mut out = Grid::zeros(shape);
        self.for_each(x.shape, grid, |[n, i, j], pixel, weight, _| {
            for c in 0..shape[1] {
                let value = pixel.map_or(0.0, |[y, x_]| x.at(&[n, c, y, x_]));
                *out.at_mut(&[n, c, i, j]) += weight * value;
            }
        });
        out
    }

    fn gradients(&self, grad: &Grid, x: &Grid, grid: &Grid) -> [Grid; 2] {
        let (mut to_x, mut to_grid) = (Grid::zeros(x.shape), Grid::zeros(grid.shape));
        self.for_each(x.shape, grid, |[n, i, j], pixel, weight, slopes| {
            for c in 0..x.shape[1] {
                let g = grad.at(&[n, c, i, j]);
                let value = pixel.map_or(0.0, |[y, x_]| x.at(&[n, c, y, x_]));
                if let Some([y, x_]) = pixel {
                    *to_x.at_mut(&[n, c, y, x_]) += g * weight;
                }
                for d in 0..2 {
                    *to_grid.at_mut(&[n, i, j, d]) += g * value * slopes[d];
                }
            }
        });
        [to_x, to_grid]
    }
}

#[cfg(test)]
pub mod cases {
    use crate::array::Array;
    use crate::backend::reference::tests::{Case, numbers, with_specials};
    use crate::op::{GridSampleMode, GridSamplePadding, Interpolation, Op};

    pub fn all() -> Vec<Case> {
        let all = [interpolate(), interpolate_grad(), grid_sample(), grid_sample_grad()];
        all.into_iter().flatten().collect()
    }

    const MODES: [Interpolation; 6] = [
        Interpolation::Nearest,
        Interpolation::NearestExact,
        Interpolation::Bilinear { align_corners: false },
        Interpolation::Bilinear { align_corners: true },
        Interpolation::Bicubic { align_corners: false },
        Interpolation::Bicubic { align_corners: true },
    ];

    /// The shape of an image, its new size, and the scale factors if these gave it.
    type Resizing = ([usize; 4], [usize; 2], Option<[f64; 2]>);

    fn resizings() -> Vec<Resizing> {
        let by = |x: [usize; 4], f: [f64; 2]| (x, [0, 1].map(|d| (x[2 + d] as f64 * f[d]) as usize), Some(f));
        vec![
            ([1, 1, 1, 1], [3, 1], None),
            ([2, 3, 4, 5], [8, 10], None),
            ([2, 3, 5, 7], [3, 17], None),
            ([1, 17, 6, 3], [6, 2], None),
            ([1, 3, 4, 4], [1, 1], None),
            ([0, 3, 4, 4], [2, 7], None),
            by([2, 3, 5, 7], [2.0, 2.0]),
            by([2, 3, 5, 7], [1.5, 0.4]),
            by([1, 2, 9, 11], [0.3, 2.7]),
            // The factor is not quite the sizes' ratio.
            by([1, 2, 3, 3], [1.2, 1.3]),
        ]
    }

    fn interpolate() -> Vec<Case> {
        let mut cases = Vec::new();
        for (x, size, scale_factor) in resizings() {
            for mode in MODES {
                let op = Op::Interpolate { size, scale_factor, mode };
                cases.push(Case::largest(op.clone(), vec![numbers(x, 1)]));
                if matches!(mode, Interpolation::Nearest | Interpolation::NearestExact) {
                    cases.push(Case::exact(op, vec![with_specials(&numbers(x, 1))]));
                }
            }
        }
        cases
    }

    fn interpolate_grad() -> Vec<Case> {
        let case = |(x, size, scale_factor): ([usize; 4], [usize; 2], Option<[f64; 2]>)| {
            let grad: Array = numbers([x[0], x[1], size[0], size[1]], 1);
            MODES.map(|mode| {
                let op = Op::InterpolateGrad { input: x.into(), scale_factor, mode };
                Case::largest(op, vec![grad.clone()])
            })
        };
        resizings().into_iter().flat_map(case).collect()
    }

    /// Images, sizes of grids, and every op for them.
    fn samplings(op: impl Fn(GridSampleMode, GridSamplePadding, bool) -> Op) -> Vec<([usize; 4], [usize; 2], Op)> {
        let mut all = Vec::new();
        for (x, size) in [
            ([1, 1, 1, 1], [1, 3]),
            ([1, 1, 1, 2], [2, 3]),
            ([2, 3, 5, 4], [3, 7]),
            ([1, 17, 3, 17], [4, 4]),
            ([0, 3, 4, 4], [2, 2]),
            ([2, 3, 4, 1], [0, 2]),
        ] {
            for mode in [GridSampleMode::Bilinear, GridSampleMode::Nearest, GridSampleMode::Bicubic] {
                for padding in [GridSamplePadding::Zeros, GridSamplePadding::Border, GridSamplePadding::Reflection] {
                    all.extend([false, true].map(|align_corners| (x, size, op(mode, padding, align_corners))));
                }
            }
        }
        all
    }

    fn grid_sample() -> Vec<Case> {
        let mut cases = Vec::new();
        let op = |mode, padding_mode, align_corners| Op::GridSample { mode, padding_mode, align_corners };
        for (x, size, op) in samplings(op) {
            let (x, mut grid) = (numbers(x, 1), numbers([x[0], size[0], size[1], 2], 2));
            cases.push(Case::largest(op.clone(), vec![x.clone(), grid.clone()]));
            if let Some(p) = grid.make_mut::<f64>().first_mut() {
                *p = f64::NAN;
            }
            cases.push(Case::largest(op, vec![x, grid]));
        }
        cases
    }

    fn grid_sample_grad() -> Vec<Case> {
        let op = |mode, padding_mode, align_corners| Op::GridSampleGrad { mode, padding_mode, align_corners };
        let case = |(x, size, op): ([usize; 4], [usize; 2], Op)| {
            let grad = numbers([x[0], x[1], size[0], size[1]], 3);
            Case::largest(op, vec![grad, numbers(x, 1), numbers([x[0], size[0], size[1], 2], 2)])
        };
        // A single pixel has no slopes but rounding errors.
        samplings(op).into_iter().filter(|(x, ..)| x[2..] != [1, 1]).map(case).collect()
    }
}
