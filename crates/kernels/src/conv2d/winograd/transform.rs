//! The transforms of F(4×4, 3×3): Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015).
//!
//! With the matrices of that paper an output tile is Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A for a kernel g and a 6 × 6 input tile d,
//! so the gradient of g is Gᵀ[(A y Aᵀ) ⊙ (Bᵀ d B)]G for the gradient y of the 4 × 4 output tile.
//!
//! The matrices follow from five points at which polynomials are evaluated, and infinity. The paper's are 0, ±1 and ±2.
//! Here they are 0, ±P and ±Q, chosen for a smaller rounding error (Barabasz, Anderson, Soodhalter and Gregg, "Error
//! Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", 2020); every constant below is
//! exact in `f32`.

use crate::simd::Simd;

const P: f64 = 0.75;
const Q: f64 = 1.5;
const P2: f64 = P * P;
const Q2: f64 = Q * Q;

/// Row of G for the point `x`, whose square is not `other`, the square of the other pair.
const fn g(x: f64, other: f64) -> [f64; 3] {
    let scale = 1.0 / (2.0 * x * x * (x * x - other));
    [scale, scale * x, scale * x * x]
}

const G: [[f64; 3]; 6] = [[1.0 / (P2 * Q2), 0.0, 0.0], g(P, Q2), g(-P, Q2), g(Q, P2), g(-Q, P2), [0.0, 0.0, 1.0]];

// Arrays are filled by loops: a closure given to `map` is not inlined into a function with an instruction set of its own.

/// Kernels that are transformed side by side.
pub(super) const SIDE: usize = 8;

/// G g Gᵀ: element (y, x) of the kernels is `g[3 * y + x]`.
#[inline(always)]
pub(super) fn kernels(g: &[[f32; SIDE]; 9]) -> [[f32; SIDE]; 36] {
    let mut half = [[[0.0f64; SIDE]; 3]; 6];
    for i in 0..6 {
        for x in 0..3 {
            for l in 0..SIDE {
                let column = [f64::from(g[x][l]), f64::from(g[3 + x][l]), f64::from(g[6 + x][l])];
                half[i][x][l] = G[i][0] * column[0] + G[i][1] * column[1] + G[i][2] * column[2];
            }
        }
    }
    let mut points = [[0.0f32; SIDE]; 36];
    for p in 0..36 {
        for l in 0..SIDE {
            let (row, g) = (&half[p / 6], &G[p % 6]);
            points[p][l] = (row[0][l] * g[0] + row[1][l] * g[1] + row[2][l] * g[2]) as f32;
        }
    }
    points
}

/// Gᵀ w G: the gradients of kernels from those of their transforms, row after row.
#[inline(always)]
pub(super) fn kernel_grads(w: &[[f64; SIDE]; 36]) -> [[f32; SIDE]; 9] {
    let mut half = [[[0.0f64; SIDE]; 6]; 3];
    for y in 0..3 {
        for j in 0..6 {
            for i in 0..6 {
                for l in 0..SIDE {
                    half[y][j][l] += G[i][y] * w[i * 6 + j][l];
                }
            }
        }
    }
    let mut grads = [[0.0f32; SIDE]; 9];
    for k in 0..9 {
        let mut sum = [0.0f64; SIDE];
        for j in 0..6 {
            for l in 0..SIDE {
                sum[l] += half[k / 3][j][l] * G[j][k % 3];
            }
        }
        for l in 0..SIDE {
            grads[k][l] = sum[l] as f32;
        }
    }
    grads
}

/// Bᵀ d
#[inline(always)]
pub(super) fn input<S: Simd>(s: S, d: [S::F32; 6]) -> [S::F32; 6] {
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
pub(super) fn output<S: Simd>(s: S, m: [S::F32; 6]) -> [S::F32; 4] {
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
