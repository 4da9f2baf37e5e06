//! The transforms of F(4×4, 3×3), F(3×3, 3×3) and F(2×2, 3×3): Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015).
//!
//! With the matrices of that paper an output tile is Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A for a kernel g and an input tile d that is larger by 2,
//! so with 4 × 4 pixels the gradient of g is Gᵀ[(A y Aᵀ) ⊙ (Bᵀ d B)]G for the gradient y of the 4 × 4 output tile.
//!
//! The matrices follow from points at which polynomials are evaluated, and infinity. For 2 × 2 pixels they are the paper's 0 and ±1; for 4 × 4 the
//! paper's are 0, ±1 and ±2. Here they are 0, ±P and ±Q, chosen for a smaller rounding error (Barabasz, Anderson, Soodhalter and Gregg, "Error
//! Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", 2020); the constants of A and B are
//! exact in `f32`.
//!
//! Three pixels in a direction need one point less than four. They leave out -Q, and what differs between the rows of G for the other points
//! is a factor, which goes into Bᵀ here: so both sizes share their transformed kernels.

use crate::simd::Simd;
use std::mem::MaybeUninit;

/// A size of tiles, with its transforms. Arrays have room for the larger size.
pub(super) trait Tile: Copy + Send + Sync {
    /// Output pixels in each direction.
    const STEP: usize;
    /// Input pixels in each direction.
    const SIZE: usize = Self::STEP + 2;
    /// Elements of a transformed tile.
    const POINTS: usize = Self::SIZE * Self::SIZE;

    /// Whether a tile may be short: one output pixel less in a direction, and nothing at point [`LEFT_OUT`] there.
    const SHORTENS: bool = false;

    /// G g
    fn kernel<S: Simd>(s: S, g: [S::F32; 3]) -> [S::F32; 6];
    /// Bᵀ d
    fn input<S: Simd>(s: S, d: [S::F32; 6], short: bool) -> [S::F32; 6];
    /// Aᵀ m
    fn output<S: Simd>(s: S, m: [S::F32; 6], short: bool) -> [S::F32; 4];
}

/// A size that weight gradients have, too.
pub(super) trait TileGrad: Tile {
    /// A y
    fn output_grad<S: Simd>(s: S, y: [S::F32; 4], short: bool) -> [S::F32; 6];
}

/// The index of -Q among the points.
pub(super) const LEFT_OUT: usize = 4;

/// 4 × 4 pixels.
#[derive(Clone, Copy)]
pub(super) struct Four;

/// 4 pixels in each direction, or 3 where the tile is short.
#[derive(Clone, Copy)]
pub(super) struct FourOrThree;

/// 2 × 2 pixels.
#[derive(Clone, Copy)]
pub(super) struct Two;

impl Tile for Four {
    const STEP: usize = 4;

    #[inline(always)]
    fn kernel<S: Simd>(s: S, g: [S::F32; 3]) -> [S::F32; 6] {
        kernel(s, g)
    }
    #[inline(always)]
    fn input<S: Simd>(s: S, d: [S::F32; 6], _: bool) -> [S::F32; 6] {
        input(s, d)
    }
    #[inline(always)]
    fn output<S: Simd>(s: S, m: [S::F32; 6], _: bool) -> [S::F32; 4] {
        output(s, m)
    }
}

impl TileGrad for Four {
    #[inline(always)]
    fn output_grad<S: Simd>(s: S, y: [S::F32; 4], _: bool) -> [S::F32; 6] {
        output_grad(s, y)
    }
}

impl Tile for FourOrThree {
    const STEP: usize = 4;
    const SHORTENS: bool = true;

    #[inline(always)]
    fn kernel<S: Simd>(s: S, g: [S::F32; 3]) -> [S::F32; 6] {
        kernel(s, g)
    }
    #[inline(always)]
    fn input<S: Simd>(s: S, d: [S::F32; 6], short: bool) -> [S::F32; 6] {
        if short { short_input(s, d) } else { input(s, d) }
    }
    #[inline(always)]
    fn output<S: Simd>(s: S, m: [S::F32; 6], short: bool) -> [S::F32; 4] {
        if short { short_output(s, m) } else { output(s, m) }
    }
}

impl TileGrad for FourOrThree {
    #[inline(always)]
    fn output_grad<S: Simd>(s: S, y: [S::F32; 4], short: bool) -> [S::F32; 6] {
        if short { short_output_grad(s, y) } else { output_grad(s, y) }
    }
}

impl Tile for Two {
    const STEP: usize = 2;

    #[inline(always)]
    fn kernel<S: Simd>(s: S, [g0, g1, g2]: [S::F32; 3]) -> [S::F32; 6] {
        let half = s.splat(0.5);
        let even = s.mul(half, s.add(g0, g2));
        let odd = s.mul(half, g1);
        let zero = s.splat(0.0);
        [g0, s.add(even, odd), s.sub(even, odd), g2, zero, zero]
    }
    #[inline(always)]
    fn input<S: Simd>(s: S, d: [S::F32; 6], _: bool) -> [S::F32; 6] {
        let zero = s.splat(0.0);
        [s.sub(d[0], d[2]), s.add(d[1], d[2]), s.sub(d[2], d[1]), s.sub(d[1], d[3]), zero, zero]
    }
    #[inline(always)]
    fn output<S: Simd>(s: S, m: [S::F32; 6], _: bool) -> [S::F32; 4] {
        let zero = s.splat(0.0);
        let [sum, difference] = [s.add(m[1], m[2]), s.sub(m[1], m[2])];
        [s.add(m[0], sum), s.sub(difference, m[3]), zero, zero]
    }
}

/// A tile whose columns are transformed and whose rows are not yet. It is not filled at first, which would be a call of `memset` for each
/// vector of channels.
pub(super) struct Half<S: Simd, const ROWS: usize, const COLUMNS: usize>([[MaybeUninit<S::F32>; COLUMNS]; ROWS]);

impl<S: Simd, const ROWS: usize, const COLUMNS: usize> Half<S, ROWS, COLUMNS> {
    #[inline(always)]
    pub fn new() -> Self {
        Half([[MaybeUninit::uninit(); COLUMNS]; ROWS])
    }

    /// Writes the first elements of a column.
    #[inline(always)]
    pub fn set_column(&mut self, j: usize, column: &[S::F32]) {
        for (row, &x) in self.0.iter_mut().zip(column) {
            row[j].write(x);
        }
    }

    /// The first `columns` elements of row `i`, and zeros.
    ///
    /// # Safety
    /// These columns must have been set, as far down as this row.
    #[inline(always)]
    pub unsafe fn row(&self, simd: S, i: usize, columns: usize) -> [S::F32; COLUMNS] {
        let mut row = [simd.splat(0.0); COLUMNS];
        for j in 0..columns {
            // SAFETY: the caller's promise.
            row[j] = unsafe { self.0[i][j].assume_init() };
        }
        row
    }
}

const P: f64 = 0.75;
const Q: f64 = 1.5;
const P2: f64 = P * P;
const Q2: f64 = Q * Q;

/// The first element of the row of G for the point `x`, whose square is not `other`, the square of the other pair; the next ones are `x` and `x`² times it.
const fn g(x2: f64, other: f64) -> f64 {
    1.0 / (2.0 * x2 * (x2 - other))
}

const G0: f64 = 1.0 / (P2 * Q2);
const GP: f64 = g(P2, Q2);
const GQ: f64 = g(Q2, P2);

/// G g
#[inline(always)]
fn kernel<S: Simd>(s: S, g: [S::F32; 3]) -> [S::F32; 6] {
    let c = |x: f64| s.splat(x as f32);
    let p_even = s.mul_add(c(GP * P2), g[2], s.mul(c(GP), g[0]));
    let q_even = s.mul_add(c(GQ * Q2), g[2], s.mul(c(GQ), g[0]));
    let (p, q) = (c(GP * P), c(GQ * Q));
    let (minus_p, minus_q) = (c(-GP * P), c(-GQ * Q));
    [
        s.mul(c(G0), g[0]),
        s.mul_add(p, g[1], p_even),
        s.mul_add(minus_p, g[1], p_even),
        s.mul_add(q, g[1], q_even),
        s.mul_add(minus_q, g[1], q_even),
        g[2],
    ]
}

/// Gᵀ w
#[inline(always)]
pub(super) fn kernel_grad<S: Simd>(s: S, w: [S::F32; 6]) -> [S::F32; 3] {
    let c = |x: f64| s.splat(x as f32);
    let (p_even, p_odd) = (s.add(w[1], w[2]), s.sub(w[1], w[2]));
    let (q_even, q_odd) = (s.add(w[3], w[4]), s.sub(w[3], w[4]));
    [
        s.mul_add(c(G0), w[0], s.mul_add(c(GP), p_even, s.mul(c(GQ), q_even))),
        s.mul_add(c(GP * P), p_odd, s.mul(c(GQ * Q), q_odd)),
        s.add(w[5], s.mul_add(c(GP * P2), p_even, s.mul(c(GQ * Q2), q_even))),
    ]
}

/// Bᵀ d
#[inline(always)]
fn input<S: Simd>(s: S, d: [S::F32; 6]) -> [S::F32; 6] {
    let (product, minus_sum) = (s.splat((P2 * Q2) as f32), s.splat(-(P2 + Q2) as f32));
    let (minus_p2, minus_q2) = (s.splat(-P2 as f32), s.splat(-Q2 as f32));
    let (p_even, p_odd) = (s.mul_add(minus_q2, d[2], d[4]), s.mul_add(minus_q2, d[1], d[3]));
    let (q_even, q_odd) = (s.mul_add(minus_p2, d[2], d[4]), s.mul_add(minus_p2, d[1], d[3]));
    [
        s.mul_add(product, d[0], s.mul_add(minus_sum, d[2], d[4])),
        s.mul_add(s.splat(P as f32), p_odd, p_even),
        s.mul_add(s.splat(-P as f32), p_odd, p_even),
        s.mul_add(s.splat(Q as f32), q_odd, q_even),
        s.mul_add(s.splat(-Q as f32), q_odd, q_even),
        s.mul_add(product, d[1], s.mul_add(minus_sum, d[3], d[5])),
    ]
}

/// Aᵀ m
#[inline(always)]
fn output<S: Simd>(s: S, m: [S::F32; 6]) -> [S::F32; 4] {
    let (p_even, p_odd) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (q_even, q_odd) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    let both = |p: f64, x: S::F32, q: f64, y: S::F32| s.mul_add(s.splat(p as f32), x, s.mul(s.splat(q as f32), y));
    [
        s.add(m[0], s.add(p_even, q_even)),
        both(P, p_odd, Q, q_odd),
        both(P2, p_even, Q2, q_even),
        s.add(both(P * P2, p_odd, Q * Q2, q_odd), m[5]),
    ]
}

/// A y
#[inline(always)]
fn output_grad<S: Simd>(s: S, y: [S::F32; 4]) -> [S::F32; 6] {
    let (p2, q2) = (s.splat(P2 as f32), s.splat(Q2 as f32));
    let (p_even, p_odd) = (s.mul_add(p2, y[2], y[0]), s.mul_add(p2, y[3], y[1]));
    let (q_even, q_odd) = (s.mul_add(q2, y[2], y[0]), s.mul_add(q2, y[3], y[1]));
    [
        y[0],
        s.mul_add(s.splat(P as f32), p_odd, p_even),
        s.mul_add(s.splat(-P as f32), p_odd, p_even),
        s.mul_add(s.splat(Q as f32), q_odd, q_even),
        s.mul_add(s.splat(-Q as f32), q_odd, q_even),
        y[3],
    ]
}

/// Bᵀ d of three pixels, whose rows are multiplied by x + Q for the point x.
#[inline(always)]
fn short_input<S: Simd>(s: S, d: [S::F32; 6]) -> [S::F32; 6] {
    let c = |x: f64| s.splat(x as f32);
    // Each row has the coefficients of the polynomial that is 0 at all points but its own; the first has its factor already.
    let zero = s.mul_add(c(P2 * Q2), d[0], s.mul_add(c(-P2 * Q), d[1], s.mul_add(c(-Q2), d[2], s.mul(c(Q), d[3]))));
    let p = s.mul_add(c(-P * Q), d[1], s.mul_add(c(P - Q), d[2], d[3]));
    let minus_p = s.mul_add(c(P * Q), d[1], s.mul_add(c(-P - Q), d[2], d[3]));
    let q = s.mul_add(c(-P2), d[1], d[3]);
    let infinity = s.mul_add(c(P2 * Q), d[1], s.mul_add(c(-P2), d[2], s.mul_add(c(-Q), d[3], d[4])));
    [zero, s.mul(c(Q + P), p), s.mul(c(Q - P), minus_p), s.mul(c(2.0 * Q), q), s.splat(0.0), infinity]
}

/// Aᵀ m of three pixels.
#[inline(always)]
fn short_output<S: Simd>(s: S, m: [S::F32; 6]) -> [S::F32; 4] {
    let c = |x: f64| s.splat(x as f32);
    let (even, odd) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    [
        s.add(m[0], s.add(even, m[3])),
        s.mul_add(c(P), odd, s.mul(c(Q), m[3])),
        s.mul_add(c(P2), even, s.mul_add(c(Q2), m[3], m[5])),
        s.splat(0.0),
    ]
}

/// A y of three pixels.
#[inline(always)]
fn short_output_grad<S: Simd>(s: S, y: [S::F32; 4]) -> [S::F32; 6] {
    let c = |x: f64| s.splat(x as f32);
    let p_even = s.mul_add(c(P2), y[2], y[0]);
    let q = s.mul_add(c(Q), y[1], s.mul_add(c(Q2), y[2], y[0]));
    [y[0], s.mul_add(c(P), y[1], p_even), s.mul_add(c(-P), y[1], p_even), q, s.splat(0.0), y[2]]
}
