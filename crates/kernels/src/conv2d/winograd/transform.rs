//! The transforms of F(4×4, 3×3) and F(2×2, 3×3): Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015).
//!
//! With the matrices of that paper an output tile is Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A for a kernel g and an input tile d that is larger by 2,
//! so with 4 × 4 pixels the gradient of g is Gᵀ[(A y Aᵀ) ⊙ (Bᵀ d B)]G for the gradient y of the 4 × 4 output tile.
//!
//! The matrices follow from points at which polynomials are evaluated, and infinity. For 2 × 2 pixels they are the paper's 0 and ±1; for 4 × 4 the
//! paper's are 0, ±1 and ±2. Here they are 0, ±P and ±Q, chosen for a smaller rounding error (Barabasz, Anderson, Soodhalter and Gregg, "Error
//! Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", 2020); the constants of A and B are
//! exact in `f32`.

use crate::simd::Simd;

/// A size of tiles, with its transforms. Arrays have room for the larger size.
pub(super) trait Tile: Copy + Send + Sync {
    /// Output pixels in each direction.
    const STEP: usize;
    /// Input pixels in each direction.
    const SIZE: usize = Self::STEP + 2;
    /// Elements of a transformed tile.
    const POINTS: usize = Self::SIZE * Self::SIZE;

    /// G g
    fn kernel<S: Simd>(s: S, g: [S::F32; 3]) -> [S::F32; 6];
    /// Bᵀ d
    fn input<S: Simd>(s: S, d: [S::F32; 6]) -> [S::F32; 6];
    /// Aᵀ m
    fn output<S: Simd>(s: S, m: [S::F32; 6]) -> [S::F32; 4];
}

/// 4 × 4 pixels.
#[derive(Clone, Copy)]
pub(super) struct Four;

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
    fn input<S: Simd>(s: S, d: [S::F32; 6]) -> [S::F32; 6] {
        input(s, d)
    }
    #[inline(always)]
    fn output<S: Simd>(s: S, m: [S::F32; 6]) -> [S::F32; 4] {
        output(s, m)
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
    fn input<S: Simd>(s: S, d: [S::F32; 6]) -> [S::F32; 6] {
        let zero = s.splat(0.0);
        [s.sub(d[0], d[2]), s.add(d[1], d[2]), s.sub(d[2], d[1]), s.sub(d[1], d[3]), zero, zero]
    }
    #[inline(always)]
    fn output<S: Simd>(s: S, m: [S::F32; 6]) -> [S::F32; 4] {
        let zero = s.splat(0.0);
        let [sum, difference] = [s.add(m[1], m[2]), s.sub(m[1], m[2])];
        [s.add(m[0], sum), s.sub(difference, m[3]), zero, zero]
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
pub(super) fn output_grad<S: Simd>(s: S, y: [S::F32; 4]) -> [S::F32; 6] {
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
