//! The distance of features from the nearest class.

use striate_data::parallel;
use striate_tensor::num_threads;

/// More features than these are not looked at: the covariance alone would take long.
const MOST: usize = 4096;
/// Rows of the covariance that are computed at a time, whatever the number of threads.
const BLOCK: usize = 64;
/// Images whose distances are computed at a time.
const IMAGES: usize = 64;

/// Class means and a shared covariance of features (Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples, 2018), which is shrunk towards a
/// multiple of the identity by Ledoit and Wolf's formula (2004; `sklearn.covariance.LedoitWolf` of the features less their class means, with `assume_centered`).
#[derive(Clone, Debug, PartialEq)]
pub struct Mahalanobis {
    width: usize,
    /// How far the covariance was shrunk, from 0 to 1.
    pub shrinkage: f64,
    /// The lower factor of the covariance by Cholesky, row by row.
    factor: Vec<f64>,
    /// The means of the classes that have images, times the inverse of that factor.
    means: Vec<Vec<f64>>,
}

impl Mahalanobis {
    /// Of features, row by row, with the class of each.
    ///
    /// # Errors
    /// If there are none, more than 4,096 in a row, or they do not differ within the classes.
    pub fn fit(rows: &[&[f32]], labels: &[usize], classes: usize) -> Result<Mahalanobis, String> {
        let width = rows.first().map_or(0, |row| row.len());
        if width == 0 {
            return Err("there are no features to fit it on".into());
        }
        if width > MOST {
            return Err(format!("there are {width} features, and it takes up to {MOST}"));
        }
        let mut counts = vec![0usize; classes];
        let mut means = vec![vec![0.0; width]; classes];
        for (row, &label) in rows.iter().zip(labels) {
            counts[label] += 1;
            means[label].iter_mut().zip(*row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        for (mean, &count) in means.iter_mut().zip(&counts) {
            mean.iter_mut().for_each(|sum| *sum /= count.max(1) as f64);
        }
        let centered: Vec<f64> = rows
            .iter()
            .zip(labels)
            .flat_map(|(row, &label)| row.iter().zip(&means[label]).map(|(&x, mean)| f64::from(x) - mean))
            .collect();
        let (covariance, shrinkage) =
            ledoit_wolf(&centered, width).ok_or("the features do not differ within classes")?;
        let factor = cholesky(covariance, width).ok_or("the features do not differ in all directions")?;
        let with_images = means.into_iter().zip(counts).filter(|(_, count)| *count > 0);
        let means = with_images.map(|(mean, _)| solve(&factor, mean)).collect();
        Ok(Mahalanobis { width, shrinkage, factor, means })
    }

    /// The squared distance of each row from the nearest class.
    ///
    /// # Panics
    /// If a row has another length than those that it was fitted on.
    pub fn distances(&self, rows: &[&[f32]]) -> Vec<f64> {
        let blocks: Vec<&[&[f32]]> = rows.chunks(IMAGES).collect();
        let of = |row: &&[f32]| {
            assert_eq!(row.len(), self.width, "Mahalanobis::distances: {} features, not {}", row.len(), self.width);
            let at = solve(&self.factor, row.iter().map(|&x| f64::from(x)).collect());
            let squared = |mean: &Vec<f64>| at.iter().zip(mean).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            self.means.iter().map(squared).fold(f64::INFINITY, f64::min)
        };
        let block = |b: usize| blocks[b].iter().map(of).collect::<Vec<f64>>();
        parallel::map(blocks.len(), num_threads(), block).concat()
    }
}

/// The shrunk covariance of centered rows, and how far it was shrunk; none if all are 0.
fn ledoit_wolf(rows: &[f64], width: usize) -> Option<(Vec<f64>, f64)> {
    let n = (rows.len() / width) as f64;
    let block = |b: usize| {
        let (first, last) = (b * BLOCK, width.min((b + 1) * BLOCK));
        let mut sums = vec![0.0; (last - first) * width];
        for row in rows.chunks_exact(width) {
            for (i, sums) in (first..last).zip(sums.chunks_exact_mut(width)) {
                let x = row[i];
                sums.iter_mut().zip(row).for_each(|(sum, y)| *sum += x * y);
            }
        }
        sums
    };
    let mut covariance = parallel::map(width.div_ceil(BLOCK), num_threads(), block).concat();
    covariance.iter_mut().for_each(|sum| *sum /= n);
    let d = width as f64;
    let trace: f64 = (0..width).map(|i| covariance[i * width + i]).sum();
    let mu = trace / d;
    if mu <= 0.0 || !mu.is_finite() {
        return None;
    }
    // As in scikit-learn's ledoit_wolf_shrinkage.
    let fourth: f64 = rows.chunks_exact(width).map(|row| row.iter().map(|x| x * x).sum::<f64>().powi(2)).sum();
    let squares: f64 = covariance.iter().map(|x| x * x).sum();
    let beta = (fourth / n - squares) / (d * n);
    let delta = (squares - 2.0 * mu * trace + d * mu * mu) / d;
    let beta = beta.min(delta);
    let shrinkage = if beta <= 0.0 { 0.0 } else { beta / delta };
    covariance.iter_mut().for_each(|x| *x *= 1.0 - shrinkage);
    (0..width).for_each(|i| covariance[i * width + i] += shrinkage * mu);
    Some((covariance, shrinkage))
}

/// The lower factor of a symmetric matrix; none if it is not positive definite.
fn cholesky(mut a: Vec<f64>, width: usize) -> Option<Vec<f64>> {
    for i in 0..width {
        let (above, row) = a.split_at_mut(i * width);
        let row = &mut row[..width];
        for j in 0..i {
            let other = &above[j * width..][..width];
            let sum: f64 = row[..j].iter().zip(&other[..j]).map(|(x, y)| x * y).sum();
            row[j] = (row[j] - sum) / other[j];
        }
        let rest = row[i] - row[..i].iter().map(|x| x * x).sum::<f64>();
        if rest.is_nan() || rest <= 0.0 {
            return None;
        }
        row[i] = rest.sqrt();
        row[i + 1..].fill(0.0);
    }
    Some(a)
}

/// `x` times the inverse of a lower factor.
fn solve(factor: &[f64], mut x: Vec<f64>) -> Vec<f64> {
    let width = x.len();
    for i in 0..width {
        let row = &factor[i * width..][..width];
        let sum: f64 = row[..i].iter().zip(&x[..i]).map(|(a, b)| a * b).sum();
        x[i] = (x[i] - sum) / row[i];
    }
    x
}
