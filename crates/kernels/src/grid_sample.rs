//! Images sampled at places that a grid gives, and the gradients for both.

use crate::float::Float;
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::strided::CHUNK;
use crate::threads::parallel_chunks;
use serde::{Deserialize, Serialize};

/// How a value between pixels is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GridSampleMode {
    /// Straight lines between the four pixels around.
    Bilinear,
    /// The nearest pixel; of two the one with the even number.
    Nearest,
    /// Cubic curves through the sixteen pixels around (Keys, 1981, with a = −3/4).
    Bicubic,
}

impl GridSampleMode {
    /// How many pixels a value is made of.
    pub fn pixels(self) -> usize {
        match self {
            GridSampleMode::Bilinear => 4,
            GridSampleMode::Nearest => 1,
            GridSampleMode::Bicubic => 16,
        }
    }
}

impl From<&str> for GridSampleMode {
    /// # Panics
    /// If the name is none of `bilinear`, `nearest` and `bicubic`.
    fn from(name: &str) -> Self {
        match name {
            "bilinear" => GridSampleMode::Bilinear,
            "nearest" => GridSampleMode::Nearest,
            "bicubic" => GridSampleMode::Bicubic,
            _ => panic!("grid_sample: mode '{name}' is not one of 'bilinear', 'nearest' and 'bicubic'"),
        }
    }
}

/// What a place outside the image shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GridSamplePadding {
    /// Zeros.
    Zeros,
    /// The outermost pixel.
    Border,
    /// The image mirrored at its border, again and again.
    Reflection,
}

impl From<&str> for GridSamplePadding {
    /// # Panics
    /// If the name is none of `zeros`, `border` and `reflection`.
    fn from(name: &str) -> Self {
        match name {
            "zeros" => GridSamplePadding::Zeros,
            "border" => GridSamplePadding::Border,
            "reflection" => GridSamplePadding::Reflection,
            _ => panic!("grid_sample: padding mode '{name}' is not one of 'zeros', 'border' and 'reflection'"),
        }
    }
}

/// The sizes and settings of `torch.nn.functional.grid_sample`.
#[derive(Clone, Copy, Debug)]
pub struct GridSample {
    /// Images.
    pub batch: usize,
    /// Their channels.
    pub channels: usize,
    /// Their height and width, at least 1.
    pub in_size: [usize; 2],
    /// Height and width of the grid.
    pub out_size: [usize; 2],
    /// How a value between pixels is made up.
    pub mode: GridSampleMode,
    /// What a place outside shows.
    pub padding: GridSamplePadding,
    /// Whether −1 and 1 are the centres of the outermost pixels, rather than their edges.
    pub align_corners: bool,
}

/// A pixel of one dimension that a place is made of.
#[derive(Clone, Copy, Default)]
struct Tap {
    /// None outside the image, where zeros are.
    at: Option<usize>,
    weight: f64,
    /// How the weight grows with the coordinate in the grid.
    slope: f64,
}

/// The pixels of one dimension that a place is made of.
struct Taps {
    all: [Tap; 4],
    count: usize,
}

impl Taps {
    fn of<const N: usize>(taps: [Tap; N]) -> Taps {
        let mut all = [Tap::default(); 4];
        all[..N].copy_from_slice(&taps);
        Taps { all, count: N }
    }

    fn iter(&self) -> impl Iterator<Item = &Tap> {
        self.all[..self.count].iter()
    }
}

/// The nearest place in an image of this size, and whether it moves with `at`. A coordinate that is not a number gives the first pixel.
fn clipped(at: f64, size: usize) -> (f64, f64) {
    let last = (size - 1) as f64;
    if at > 0.0 && at < last {
        (at, 1.0)
    } else if at >= last {
        (last, 0.0)
    } else {
        (0.0, 0.0)
    }
}

/// A cubic kernel at a distance up to 1 and from 1 to 2, and its slopes there.
fn cubic(t: f64) -> [[f64; 2]; 4] {
    const A: f64 = -0.75;
    let near = |x: f64| [((A + 2.0) * x - (A + 3.0)) * x * x + 1.0, (3.0 * (A + 2.0) * x - 2.0 * (A + 3.0)) * x];
    let far = |x: f64| [((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A, (3.0 * A * x - 10.0 * A) * x + 8.0 * A];
    let before = |[value, slope]: [f64; 2]| [value, -slope];
    [far(t + 1.0), near(t), before(near(1.0 - t)), before(far(2.0 - t))]
}

impl GridSample {
    fn points(&self) -> usize {
        self.out_size[0] * self.out_size[1]
    }

    /// Checks the lengths of the image, the grid and the result.
    fn check(&self, x: usize, grid: usize, out: usize) {
        let [h, w] = self.in_size;
        assert!(h > 0 && w > 0, "grid_sample: images of {h}×{w} have no pixels");
        assert_eq!(x, self.batch * h * w * self.channels, "grid_sample: the length of the input does not fit {self:?}");
        assert_eq!(grid, self.batch * self.points() * 2, "grid_sample: the length of the grid does not fit {self:?}");
        let length = self.batch * self.points() * self.channels;
        assert_eq!(out, length, "grid_sample: the length of the output does not fit {self:?}");
    }

    /// A place between the edges of the image mirrored there, and whether it moves with `at` or against it.
    fn mirrored(&self, at: f64, size: usize) -> (f64, f64) {
        let (low, span) = if self.align_corners { (0.0, (size - 1) as f64) } else { (-0.5, size as f64) };
        if span == 0.0 {
            return (0.0, 0.0);
        }
        let direction = if at < low { -1.0 } else { 1.0 };
        let distance = (at - low).abs();
        let (flips, rest) = ((distance / span).floor(), distance % span);
        if flips % 2.0 == 0.0 { (low + rest, direction) } else { (low + (span - rest), -direction) }
    }

    fn padded(&self, at: f64, size: usize) -> (f64, f64) {
        match self.padding {
            GridSamplePadding::Zeros => (at, 1.0),
            GridSamplePadding::Border => clipped(at, size),
            GridSamplePadding::Reflection => {
                let (at, direction) = self.mirrored(at, size);
                let (at, moves) = clipped(at, size);
                (at, direction * moves)
            }
        }
    }

    /// The pixels of dimension `d` that coordinate `p` of the grid is made of.
    fn taps<T: Float>(&self, p: T, d: usize) -> Taps {
        let (p, size) = (p.to_f64(), self.in_size[d]);
        let scale = if self.align_corners { (size - 1) as f64 / 2.0 } else { size as f64 / 2.0 };
        let at = if self.align_corners { (p + 1.0) * scale } else { ((p + 1.0) * size as f64 - 1.0) / 2.0 };
        let pixel = |at: f64| (at >= 0.0 && at < size as f64).then_some(at as usize);
        match self.mode {
            GridSampleMode::Nearest => {
                let (at, _) = self.padded(at, size);
                Taps::of([Tap { at: pixel(at.round_ties_even()), weight: 1.0, slope: 0.0 }])
            }
            GridSampleMode::Bilinear => {
                let (at, moves) = self.padded(at, size);
                let (first, t, slope) = (at.floor(), at - at.floor(), moves * scale);
                let [before, after] = [first, first + 1.0].map(pixel);
                Taps::of([Tap { at: before, weight: 1.0 - t, slope: -slope }, Tap { at: after, weight: t, slope }])
            }
            GridSampleMode::Bicubic => {
                let (first, weights) = (at.floor(), cubic(at - at.floor()));
                Taps::of([0, 1, 2, 3].map(|k| {
                    let [weight, slope] = weights[k];
                    let (at, _) = self.padded(first - 1.0 + k as f64, size);
                    Tap { at: pixel(at), weight, slope: slope * scale }
                }))
            }
        }
    }

    /// The pixels of rows and of columns for point `i` of the whole batch; the grid has x before y.
    fn point<T: Float>(&self, grid: &[T], i: usize) -> [Taps; 2] {
        [self.taps(grid[2 * i + 1], 0), self.taps(grid[2 * i], 1)]
    }

    /// The channels of a pixel.
    fn pixel<'a, T>(&self, x: &'a [T], image: usize, row: usize, column: usize) -> &'a [T] {
        let [h, w] = self.in_size;
        &x[((image * h + row) * w + column) * self.channels..][..self.channels]
    }
}

struct Sampled<'a, T> {
    s: &'a GridSample,
    first: usize,
    x: &'a [T],
    grid: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Kernel for Sampled<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Sampled { s, first, x, grid, out } = self;
        for (k, out) in out.chunks_exact_mut(s.channels).enumerate() {
            let i = first + k;
            let [rows, columns] = s.point(grid, i);
            out.fill(T::ZERO);
            for row in rows.iter() {
                for column in columns.iter() {
                    let weight = row.weight * column.weight;
                    match (row.at, column.at) {
                        (Some(y), Some(x_)) => {
                            let weight = T::from_f64(weight);
                            let pixel = s.pixel(x, i / s.points(), y, x_);
                            out.iter_mut().zip(pixel).for_each(|(out, x)| *out += *x * weight);
                        }
                        // Zeros, times what is not a number.
                        _ if weight.is_nan() => out.fill(T::NAN),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// `out[n, i, j] = x[n, ..]` at the place `grid[n, i, j]`, which is x, then y, from −1 to 1 (`torch.nn.functional.grid_sample`); dense channels-last `x`
/// [batch, h, w, channels] and `out`, and `grid` [batch, rows, columns, 2].
///
/// # Panics
/// If a length does not fit, or images have no pixels.
pub fn grid_sample<T: Float>(s: &GridSample, x: &[T], grid: &[T], out: &mut [T]) {
    s.check(x.len(), grid.len(), out.len());
    if out.is_empty() {
        return;
    }
    let per_task = (CHUNK / (4 * s.channels)).max(1);
    parallel_chunks(out, per_task * s.channels, |i, out| {
        T::dispatch(Sampled { s, first: i * per_task, x, grid, out });
    });
}

/// Adds to some rows of pixels of the batch what each point has for them, point after point.
struct Spread<'a, T> {
    s: &'a GridSample,
    first_row: usize,
    grad: &'a [T],
    grid: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Kernel for Spread<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Spread { s, first_row, grad, grid, out } = self;
        let ([h, w], c, points) = (s.in_size, s.channels, s.points());
        out.fill(T::ZERO);
        let rows = first_row..first_row + out.len() / (w * c);
        for image in rows.start / h..rows.end.div_ceil(h) {
            for i in image * points..(image + 1) * points {
                let down = s.taps(grid[2 * i + 1], 0);
                let place = |tap: &Tap| tap.at.map(|y| image * h + y).filter(|row| rows.contains(row));
                if !down.iter().any(|tap| place(tap).is_some()) {
                    continue;
                }
                let across = s.taps(grid[2 * i], 1);
                let grad = &grad[i * c..][..c];
                for (row, y) in down.iter().filter_map(|tap| Some((place(tap)?, tap.weight))) {
                    for (column, x) in across.iter().filter_map(|tap| Some((tap.at?, tap.weight))) {
                        let weight = T::from_f64(y * x);
                        let pixel = &mut out[((row - rows.start) * w + column) * c..][..c];
                        pixel.iter_mut().zip(grad).for_each(|(out, g)| *out += *g * weight);
                    }
                }
            }
        }
    }
}

struct Moved<'a, T> {
    s: &'a GridSample,
    first: usize,
    x: &'a [T],
    grad: &'a [T],
    grid: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Kernel for Moved<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Moved { s, first, x, grad, grid, out } = self;
        for (k, out) in out.chunks_exact_mut(2).enumerate() {
            let i = first + k;
            let [rows, columns] = s.point(grid, i);
            let grad = &grad[i * s.channels..][..s.channels];
            let mut to = [0.0; 2];
            for row in rows.iter() {
                for column in columns.iter() {
                    let product = match (row.at, column.at) {
                        (Some(y), Some(x_)) => {
                            let pixel = s.pixel(x, i / s.points(), y, x_);
                            pixel.iter().zip(grad).map(|(x, g)| x.to_f64() * g.to_f64()).sum()
                        }
                        _ => 0.0,
                    };
                    to[0] += product * row.weight * column.slope;
                    to[1] += product * row.slope * column.weight;
                }
            }
            out.iter_mut().zip(to).for_each(|(out, to)| *out = T::from_f64(to));
        }
    }
}

/// The gradients of [`grid_sample`] for `x` and `grid`. Where the place is moved to the border, or the mode is `Nearest`, that for the grid is 0.
///
/// # Panics
/// As [`grid_sample`].
pub fn grid_sample_grad<T: Float>(
    s: &GridSample,
    grad: &[T],
    x: &[T],
    grid: &[T],
    grad_x: &mut [T],
    grad_grid: &mut [T],
) {
    s.check(x.len(), grid.len(), grad.len());
    assert_eq!((grad_x.len(), grad_grid.len()), (x.len(), grid.len()), "grid_sample: gradients of other lengths");
    let ([h, w], c) = (s.in_size, s.channels);
    if !grad_x.is_empty() {
        // A task reads the whole grid of an image, so there are few to an image.
        let rows = (CHUNK / (w * c)).max(h.div_ceil(8)).max(1);
        parallel_chunks(grad_x, rows * w * c, |i, out| {
            T::dispatch(Spread { s, first_row: i * rows, grad, grid, out });
        });
    }
    if !grad_grid.is_empty() {
        let per_task = (CHUNK / (4 * c.max(1))).max(1);
        parallel_chunks(grad_grid, 2 * per_task, |i, out| {
            T::dispatch(Moved { s, first: i * per_task, x, grad, grid, out });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::set_num_threads;

    fn numbers(n: usize, seed: usize, largest: f64) -> Vec<f64> {
        let number = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f64 / 1001.0 - 1.0;
        (0..n).map(|i| number(i) * largest).collect()
    }

    fn shapes() -> Vec<GridSample> {
        let mut all = Vec::new();
        for mode in [GridSampleMode::Bilinear, GridSampleMode::Nearest, GridSampleMode::Bicubic] {
            for padding in [GridSamplePadding::Zeros, GridSamplePadding::Border, GridSamplePadding::Reflection] {
                for align_corners in [false, true] {
                    for (batch, channels, in_size, out_size) in [
                        (1, 1, [1, 1], [1, 3]),
                        (2, 3, [5, 4], [3, 7]),
                        (3, 17, [17, 3], [5, 5]),
                        (1, 0, [2, 2], [2, 2]),
                        (0, 3, [2, 2], [2, 2]),
                        (2, 3, [4, 4], [0, 2]),
                        (2, 33, [40, 37], [31, 29]),
                    ] {
                        all.push(GridSample { batch, channels, in_size, out_size, mode, padding, align_corners });
                    }
                }
            }
        }
        all
    }

    /// A pixel, with what lies outside.
    fn reference_pixel(s: &GridSample, line: &[f64], at: f64) -> f64 {
        let size = line.len() as f64;
        let at = match s.padding {
            GridSamplePadding::Zeros if at < 0.0 || at > size - 1.0 => return 0.0,
            GridSamplePadding::Zeros => at,
            GridSamplePadding::Border => at.clamp(0.0, size - 1.0),
            GridSamplePadding::Reflection if s.align_corners && size == 1.0 => 0.0,
            GridSamplePadding::Reflection => {
                let (low, high) = if s.align_corners { (0.0, size - 1.0) } else { (-0.5, size - 0.5) };
                let mut at = at;
                while at < low || at > high {
                    at = if at < low { 2.0 * low - at } else { 2.0 * high - at };
                }
                at.clamp(0.0, size - 1.0)
            }
        };
        line[at.round() as usize]
    }

    /// Of one line at one coordinate.
    fn reference_line(s: &GridSample, line: &[f64], p: f64) -> f64 {
        let size = line.len() as f64;
        let at = if s.align_corners { (p + 1.0) / 2.0 * (size - 1.0) } else { ((p + 1.0) * size - 1.0) / 2.0 };
        let weight = |x: f64| {
            let x = x.abs();
            match s.mode {
                GridSampleMode::Bilinear => (1.0 - x).max(0.0),
                GridSampleMode::Bicubic if x <= 1.0 => 1.25 * x.powi(3) - 2.25 * x.powi(2) + 1.0,
                GridSampleMode::Bicubic if x < 2.0 => -0.75 * (x.powi(3) - 5.0 * x.powi(2) + 8.0 * x - 4.0),
                _ => 0.0,
            }
        };
        match s.mode {
            GridSampleMode::Nearest => {
                let inside = match s.padding {
                    GridSamplePadding::Zeros => at.round_ties_even(),
                    _ => at,
                };
                reference_pixel(s, line, inside)
            }
            // Around the place, where the mirrored image goes on: straight lines between mirrored pixels are the mirrored lines.
            _ => (-2..=2).map(|k| at.floor() + k as f64).map(|k| weight(at - k) * reference_pixel(s, line, k)).sum(),
        }
    }

    fn reference_grid_sample(s: &GridSample, x: &[f64], grid: &[f64]) -> Vec<f64> {
        let ([h, w], c) = (s.in_size, s.channels);
        let mut out = Vec::new();
        for (i, place) in grid.chunks(2).enumerate() {
            let image = i / s.points();
            for channel in 0..c {
                let at = |y: usize, x_: usize| x[((image * h + y) * w + x_) * c + channel];
                let row = |y: usize| reference_line(s, &(0..w).map(|x| at(y, x)).collect::<Vec<_>>(), place[0]);
                out.push(reference_line(s, &(0..h).map(row).collect::<Vec<_>>(), place[1]));
            }
        }
        out
    }

    fn inputs(s: &GridSample) -> [Vec<f64>; 3] {
        let x = numbers(s.batch * s.in_size[0] * s.in_size[1] * s.channels, 1, 3.0);
        let points = s.batch * s.points();
        [x, numbers(2 * points, 2, 1.9), numbers(points * s.channels, 3, 1.0)]
    }

    #[test]
    fn matches_the_reference() {
        for s in shapes().into_iter().filter(|s| s.channels <= 17) {
            let [x, grid, grad] = inputs(&s);
            let mut out = vec![f64::NAN; grad.len()];
            grid_sample(&s, &x, &grid, &mut out);
            for (got, want) in out.iter().zip(reference_grid_sample(&s, &x, &grid)) {
                assert!((got - want).abs() < 1e-9, "{s:?}: {got}, not {want}");
            }
        }
    }

    #[test]
    fn gradients_are_the_slopes() {
        for s in shapes().into_iter().filter(|s| s.channels <= 3) {
            let [x, grid, grad] = inputs(&s);
            let (mut to_x, mut to_grid) = (vec![f64::NAN; x.len()], vec![f64::NAN; grid.len()]);
            grid_sample_grad(&s, &grad, &x, &grid, &mut to_x, &mut to_grid);
            let loss = |x: &[f64], grid: &[f64]| {
                let mut out = vec![0.0; grad.len()];
                grid_sample(&s, x, grid, &mut out);
                out.iter().zip(&grad).map(|(y, g)| y * g).sum::<f64>()
            };
            let step = 1e-6;
            for (values, gradient, is_grid) in [(&x, &to_x, false), (&grid, &to_grid, true)] {
                for (i, gradient) in gradient.iter().enumerate() {
                    let moved = |by: f64| {
                        let mut values = values.clone();
                        values[i] += by;
                        if is_grid { loss(&x, &values) } else { loss(&values, &grid) }
                    };
                    let slope = (moved(step) - moved(-step)) / (2.0 * step);
                    assert!((slope - gradient).abs() < 1e-5, "{s:?}: {i}, grid {is_grid}: {gradient}, not {slope}");
                }
            }
        }
    }

    #[test]
    fn the_same_bits_on_any_number_of_threads() {
        for s in shapes() {
            let [x, grid, grad] = inputs(&s).map(|v| v.into_iter().map(|x| x as f32).collect::<Vec<_>>());
            let on = |threads: usize| {
                set_num_threads(threads);
                let mut all = [vec![0f32; grad.len()], vec![0f32; x.len()], vec![0f32; grid.len()]];
                let [out, to_x, to_grid] = &mut all;
                grid_sample(&s, &x, &grid, out);
                grid_sample_grad(&s, &grad, &x, &grid, to_x, to_grid);
                all.map(|v| v.into_iter().map(f32::to_bits).collect::<Vec<_>>())
            };
            let one = on(1);
            assert!(one == on(2) && one == on(3), "{s:?}");
        }
    }

    #[test]
    #[should_panic(expected = "the length of the grid does not fit")]
    fn lengths_are_checked() {
        let s = shapes()[1];
        grid_sample(&s, &[0f32; 120], &[0.0; 3], &mut [0.0; 126]);
    }
}
