use super::*;
use crate::AlignedVec;
use crate::target::tests::on_every_target;

fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            ((state >> 8) as f32) / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn reference_gemm<T: Float>(m: usize, n: usize, k: usize, a: Matrix<T>, b: Matrix<T>) -> Vec<f64> {
    let at = |x: &Matrix<T>, i: usize, j: usize| x.data[i * x.row_stride + j * x.col_stride].to_f64();
    (0..m * n).map(|i| (0..k).map(|p| at(&a, i / n, p) * at(&b, p, i % n)).sum()).collect()
}

const SIZES: [[usize; 3]; 18] = [
    [1, 1, 1],
    [3, 17, 5],
    [17, 3, 1],
    [0, 4, 4],
    [4, 0, 4],
    [4, 4, 0],
    [1, 300, 40],
    [1, 3, 130],
    [1, 53, 1700],
    [300, 1, 40],
    [13, 31, 129],
    [121, 33, 64],
    [100, 40, 1700],
    [5, 270, 300],
    [7, 50, 2000],
    [37, 49, 767],
    [96, 71, 1100],
    [130, 70, 4099],
];

/// Row-major, transposed, and with unused elements between rows.
fn layouts(data: &[f32], rows: usize, cols: usize) -> [Matrix<'_, f32>; 3] {
    [
        Matrix::row_major(data, cols),
        Matrix::row_major(data, rows).t(),
        Matrix { data, row_stride: cols + 3, col_stride: 1 },
    ]
}

#[test]
fn agrees_with_the_definition() {
    on_every_target(|target| {
        for [m, n, k] in SIZES {
            let (a_data, b_data) = (noise((m + 1) * (k + 3), 1), noise((k + 1) * (n + 3), 2));
            for a in layouts(&a_data, m, k) {
                for b in layouts(&b_data, k, n) {
                    let want = reference_gemm(m, n, k, a, b);
                    let (mut fresh, mut added) = (vec![f32::NAN; m * n], vec![2.0; m * n]);
                    gemm(m, n, k, a, b, &mut fresh, false);
                    gemm(m, n, k, a, b, &mut added, true);
                    for (i, w) in want.iter().enumerate() {
                        let close = |x: f32, w: f64| (f64::from(x) - w).abs() < 2e-6 * (k as f64).sqrt() + 1e-6;
                        assert!(close(fresh[i], *w), "{target:?} {m}×{n}×{k} element {i}: {} not {w}", fresh[i]);
                        assert!(close(added[i], w + 2.0), "{target:?} {m}×{n}×{k} element {i} added");
                    }
                }
            }
        }
    });
}

#[test]
fn a_row_has_the_same_bits_alone_and_beside_others() {
    on_every_target(|_| {
        for [n, k] in [[53, 1700], [300, 128], [47, 770]] {
            let (x, weight) = (noise(7 * k, 1), noise(n * k, 2));
            let product = |rows: &[f32]| {
                let m = rows.len() / k;
                let mut c = vec![f32::NAN; m * n];
                gemm(m, n, k, Matrix::row_major(rows, k), Matrix::row_major(&weight, k).t(), &mut c, false);
                c
            };
            let together = product(&x);
            for (row, want) in x.chunks_exact(k).zip(together.chunks_exact(n)) {
                assert!(product(row) == want, "{n} columns, {k} terms");
            }
        }
    });
}

#[test]
fn a_linear_layer_has_the_same_bits_whether_its_weight_is_kept_or_not() {
    on_every_target(|target| {
        for [m, n, k] in [[96, 64, 128], [95, 64, 128], [100, 63, 1700], [97, 77, 515], [3, 100, 40], [1, 1, 2]] {
            let x = noise(m * (k + 1), 1);
            let mut weight = AlignedVec::from_slice(&noise(n * k, 2));
            for x in [Matrix::row_major(&x, k), Matrix::row_major(&x, m).t(), Matrix::row_major(&x, k + 1)] {
                for change in [0.0, 1.0] {
                    weight[0] += change;
                    let mut want = vec![f32::NAN; m * n];
                    gemm(m, n, k, x, Matrix::row_major(&weight, k).t(), &mut want, false);
                    for time in 0..3 {
                        let mut got = vec![f32::NAN; m * n];
                        linear(m, k, n, x, &weight, None, &mut got);
                        assert_eq!(got, want, "{target:?} {m}×{n}×{k}, time {time}");
                    }
                }
            }
        }
    });
}

#[test]
fn batches_may_share_a_matrix() {
    let (batch, m, n, k) = (3, 20, 17, 19);
    let (a, b) = (noise(batch * m * k, 1), noise(k * n, 2));
    on_every_target(|_| {
        let mut c = vec![f32::NAN; batch * m * n];
        batched_gemm(batch, m, n, k, Matrix::row_major(&a, k), m * k, Matrix::row_major(&b, n), 0, &mut c);
        for (i, c) in c.chunks(m * n).enumerate() {
            let want = reference_gemm(m, n, k, Matrix::row_major(&a[i * m * k..], k), Matrix::row_major(&b, n));
            assert!(c.iter().zip(want).all(|(c, w)| (f64::from(*c) - w).abs() < 1e-5));
        }
    });
    batched_gemm(0, m, n, k, Matrix::row_major(&a, k), 0, Matrix::row_major(&b, n), 0, &mut []);
}

#[test]
fn f64_is_exact_to_its_own_rounding() {
    let (a, b): (Vec<f64>, Vec<f64>) = (1..=600).map(|i| (f64::from(i).sin(), f64::from(i).cos())).unzip();
    let (a, b) = (Matrix::row_major(&a, 30), Matrix::row_major(&b, 30).t());
    let mut c = vec![f64::NAN; 20 * 20];
    gemm(20, 20, 30, a, b, &mut c, false);
    assert!(c.iter().zip(reference_gemm(20, 20, 30, a, b)).all(|(c, w)| (c - w).abs() < 1e-13));
}

#[test]
fn nan_and_infinity_follow_the_arithmetic() {
    let (m, n, k) = (20, 40, 30);
    let (mut a, b) = (noise(m * k, 1), vec![1.0f32; k * n]);
    a[0] = f32::NAN;
    a[k] = f32::INFINITY;
    let mut c = vec![0.0; m * n];
    gemm(m, n, k, Matrix::row_major(&a, k), Matrix::row_major(&b, n), &mut c, false);
    assert!(c[..n].iter().all(|x| x.is_nan()));
    assert!(c[n..2 * n].iter().all(|&x| x == f32::INFINITY));
    assert!(c[2 * n..].iter().all(|x| x.is_finite()));
}

#[test]
#[should_panic(expected = "gemm: the right matrix is 3×4")]
fn a_slice_too_short() {
    let mut c = [0.0f32; 8];
    gemm(2, 4, 3, Matrix::row_major(&[0.0; 6], 3), Matrix::row_major(&[0.0; 11], 4), &mut c, false);
}
