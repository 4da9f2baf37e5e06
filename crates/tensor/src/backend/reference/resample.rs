//! Images in another size.

use super::grid::{Grid, along};
use crate::dtype::DType;
use crate::op::{Interpolation, Op};
use crate::shape::Shape;

/// The results of an op of this family for operands `x`; see [`super::compute`].
pub fn compute(op: &Op, x: &[Grid], _dtype: DType, _shape: Shape) -> Vec<Grid> {
    let one = match op {
        Op::Interpolate { size, scale_factor, mode } => interpolate(&x[0], *size, *scale_factor, *mode),
        Op::InterpolateGrad { input, scale_factor, mode } => interpolate_grad(&x[0], *input, *scale_factor, *mode),
        _ => unreachable!("{} is no resampling", op.name()),
    };
    vec![one]
}

/// The pixels that each output of a dimension is made of, with their weights.
type Taps = Vec<Vec<(usize, f64)>>;

/// Keys' cubic convolution kernel with a = −3/4, at distance `x` (Keys, 1981).
fn cubic(x: f64) -> f64 {
    let (a, x) = (-0.75, x.abs());
    if x <= 1.0 {
        (a + 2.0) * x.powi(3) - (a + 3.0) * x.powi(2) + 1.0
    } else if x < 2.0 {
        a * x.powi(3) - 5.0 * a * x.powi(2) + 8.0 * a * x - 4.0 * a
    } else {
        0.0
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

#[cfg(test)]
pub mod cases {
    use crate::array::Array;
    use crate::backend::reference::tests::{Case, numbers, with_specials};
    use crate::op::{Interpolation, Op};

    pub fn all() -> Vec<Case> {
        let all = [interpolate(), interpolate_grad()];
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
}
