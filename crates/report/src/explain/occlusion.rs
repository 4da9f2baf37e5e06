//! Occlusion: what the network says when a square of the image is covered.

use super::error::ExplainError;
use super::network::Network;
use super::target::Aim;
use striate_graph::Executable;
use striate_tensor::Tensor;

/// How far the target falls when the number is covered, the mean over all squares that cover it, for each number of the image (Captum's `Occlusion`, whose square
/// goes over all channels). The last square of a row reaches beyond the edge.
///
/// # Errors
/// If the network cannot be run.
pub(crate) fn occlusion(
    network: &Network,
    whole: &Executable,
    x: &Tensor,
    baseline: &Tensor,
    aim: &Aim,
    [window, stride]: [usize; 2],
) -> Result<Vec<f32>, ExplainError> {
    let [_, c, h, w] = x.shape()[..] else { unreachable!("images have four dimensions") };
    let run = |x: Tensor| -> Result<Vec<f32>, ExplainError> {
        let outputs = whole.try_run(&[x]).map_err(|e| ExplainError::Run(e.to_string()))?.swap_remove(0);
        Ok(aim.values(outputs).to_vec())
    };
    let starts = |side: usize| (0..=side.saturating_sub(window).div_ceil(stride)).map(move |i| i * stride);
    let squares: Vec<[usize; 4]> = starts(h)
        .flat_map(|top| starts(w).map(move |left| [top, left, (top + window).min(h), (left + window).min(w)]))
        .collect();
    let (image, cover) = (x.to_vec::<f32>(), baseline.to_vec::<f32>());
    let plain = f64::from(run(x.clone())?[0]);
    let (mut sums, mut counts) = (vec![0.0f64; h * w], vec![0usize; h * w]);
    let [_, batch] = network.batches();
    for few in squares.chunks(batch) {
        let mut covered = image.repeat(few.len());
        for (image, &[top, left, bottom, right]) in covered.chunks_exact_mut(c * h * w).zip(few) {
            for row in (0..c).flat_map(|channel| (top..bottom).map(move |y| (channel * h + y) * w)) {
                image[row + left..row + right].copy_from_slice(&cover[row + left..row + right]);
            }
        }
        let values = run(Tensor::from_vec(covered, [few.len(), c, h, w]))?;
        for (&[top, left, bottom, right], value) in few.iter().zip(values) {
            for row in (top..bottom).map(|y| y * w) {
                sums[row + left..row + right].iter_mut().for_each(|sum| *sum += plain - f64::from(value));
                counts[row + left..row + right].iter_mut().for_each(|count| *count += 1);
            }
        }
    }
    let map: Vec<f32> = sums.iter().zip(&counts).map(|(sum, &n)| (sum / n.max(1) as f64) as f32).collect();
    Ok(map.repeat(c))
}
