//! Masks of whole images, in their own pixels.

use crate::predictor::Predictor;
use crate::task::TaskCard;
use striate_graph::RunError;
use striate_imaging::{AnyImage, Image, Placement};
use striate_tensor::Tensor;

/// What a mask has where the network has not seen the image, or gives NaN.
const UNSEEN: u8 = 255;

/// How an image that is much larger than what the network sees is gone over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlidingWindow {
    /// The side of the part of the image that the network sees at a time, in the image's pixels.
    pub side: usize,
    /// How far neighbouring parts overlap, as a fraction of the side below 1. Their probabilities are averaged, those in the middle of a part counting most.
    pub overlap: f64,
}

/// Probabilities of the classes of each pixel of a part of an image: row by row, the classes of a pixel side by side.
struct Probabilities<'a> {
    values: &'a [f32],
    size: [usize; 2],
    classes: usize,
}

impl Probabilities<'_> {
    /// Adds, for each pixel of a row of an image, the probabilities at the place that `placement` puts the pixel, by bilinear interpolation, times `weights`. Pixels
    /// that lie outside get nothing.
    fn add_row(
        &self,
        placement: &Placement,
        y: usize,
        weights: impl Fn(usize) -> f32,
        row: &mut [f32],
        total: &mut [f32],
    ) {
        let ([h, w], c) = (self.size, self.classes);
        let Some((y0, y1, fy)) = neighbours(placement.to_input([0.0, y as f64 + 0.5])[1], h) else { return };
        let line = |y: usize| &self.values[y * w * c..][..w * c];
        let (above, below) = (line(y0), line(y1));
        for (x, (sums, total)) in row.chunks_exact_mut(c).zip(total).enumerate() {
            let Some((x0, x1, fx)) = neighbours(placement.to_input([x as f64 + 0.5, 0.0])[0], w) else { continue };
            let weight = weights(x);
            let corners = [
                (above, x0, (1.0 - fy) * (1.0 - fx)),
                (above, x1, (1.0 - fy) * fx),
                (below, x0, fy * (1.0 - fx)),
                (below, x1, fy * fx),
            ];
            for (line, x, fraction) in corners {
                if fraction > 0.0 {
                    let fraction = fraction * weight;
                    sums.iter_mut().zip(&line[x * c..][..c]).for_each(|(sum, p)| *sum += fraction * p);
                }
            }
            *total += weight;
        }
    }
}

/// The two pixels of `n` around a position, and how far it is from the first to the second; none outside of them all. Half a pixel at the edge has the outermost.
fn neighbours(at: f64, n: usize) -> Option<(usize, usize, f32)> {
    if !(at >= 0.0 && at <= n as f64) {
        return None;
    }
    let middle = (at - 0.5).clamp(0.0, (n - 1) as f64);
    let first = middle.floor() as usize;
    Some((first, (first + 1).min(n - 1), (middle - first as f64) as f32))
}

/// The likeliest class of each pixel of a row.
fn decide(row: &[f32], total: &[f32], classes: usize, out: &mut Vec<u8>) {
    for (sums, &total) in row.chunks_exact(classes).zip(total) {
        let best = (0..classes).fold(0, |best, class| if sums[class] > sums[best] { class } else { best });
        let seen = total > 0.0 && sums[best].is_finite() && sums.iter().all(|p| !p.is_nan());
        out.push(if seen { best as u8 } else { UNSEEN });
    }
}

impl Predictor {
    /// The class of each pixel of an image, one value each, in the image's own size; 255 where the network does not see it or gives NaN. With a window, the network
    /// sees the image in parts; without, all of it at once.
    ///
    /// # Errors
    /// As [`Predictor::try_logits`].
    ///
    /// # Panics
    /// If the model's task is not segmentation, or the window has no side or overlaps wholly.
    pub fn segment(&self, image: &AnyImage, window: Option<SlidingWindow>) -> Result<Image, RunError> {
        assert!(
            matches!(self.card.task, TaskCard::Segmentation { .. }),
            "Predictor::segment: the task is {}",
            self.card.task.name()
        );
        let (width, height) = (image.width(), image.height());
        match window {
            Some(window) if window.side < width.max(height) => self.segment_parts(image, window),
            _ => {
                let outputs = self.try_logits(self.card.preprocessing.apply_image(image).0)?;
                Ok(self.class_maps(&outputs, &[[width, height]]).swap_remove(0))
            }
        }
    }

    /// What outputs `[n, classes, h, w]` say of each pixel of images of these widths and heights: see [`Predictor::segment`].
    ///
    /// # Panics
    /// If there is not one size for each image.
    pub fn class_maps(&self, outputs: &Tensor, sizes: &[[usize; 2]]) -> Vec<Image> {
        let [n, c, h, w] = outputs.shape()[..] else {
            panic!("class_maps: got outputs of shape {:?}", outputs.shape())
        };
        assert_eq!(n, sizes.len(), "class_maps: {n} outputs for {} images", sizes.len());
        let answers = self.card.task.answers(outputs.clone()).permute(&[0, 2, 3, 1]).to_vec::<f32>();
        let map = |(values, &[width, height]): (&[f32], &[usize; 2])| {
            let probabilities = Probabilities { values, size: [h, w], classes: c };
            let placement = self.card.preprocessing.placement([width, height]);
            let mut out = Vec::with_capacity(width * height);
            for y in 0..height {
                let (mut row, mut total) = (vec![0.0; width * c], vec![0.0; width]);
                probabilities.add_row(&placement, y, |_| 1.0, &mut row, &mut total);
                decide(&row, &total, c, &mut out);
            }
            Image::new(width, height, 1, out)
        };
        answers.chunks_exact((c * h * w).max(1)).zip(sizes).map(map).collect()
    }

    fn segment_parts(
        &self,
        image: &AnyImage,
        SlidingWindow { side, overlap }: SlidingWindow,
    ) -> Result<Image, RunError> {
        assert!(
            side > 0 && (0.0..1.0).contains(&overlap),
            "Predictor::segment: a window of {side} that overlaps by {overlap}"
        );
        let (width, height, c) = (image.width(), image.height(), self.card.classes.len());
        let step = ((side as f64 * (1.0 - overlap)) as usize).max(1);
        let (lefts, tops) = (starts(width, side, step), starts(height, side, step));
        let [w, h] = [side.min(width), side.min(height)];
        // The rows from `first` on that parts still to come add to.
        let (mut sums, mut totals, mut first) = (vec![0.0f32; h * width * c], vec![0.0f32; h * width], 0);
        let mut out = Vec::with_capacity(width * height);
        for (i, &top) in tops.iter().enumerate() {
            for &left in &lefts {
                self.with_probabilities(image, [left, top, w, h], |probabilities, placement| {
                    for y in 0..h {
                        let at = (top - first + y) * width + left;
                        let (row, total) = (&mut sums[at * c..][..w * c], &mut totals[at..][..w]);
                        let vertical = tent(y, h);
                        probabilities.add_row(placement, y, |x| vertical * tent(x, w), row, total);
                    }
                })?;
            }
            let next = tops.get(i + 1).copied().unwrap_or(height);
            let done = next - top;
            for y in 0..done {
                decide(&sums[y * width * c..][..width * c], &totals[y * width..][..width], c, &mut out);
            }
            sums.drain(..done * width * c);
            sums.resize(h * width * c, 0.0);
            totals.drain(..done * width);
            totals.resize(h * width, 0.0);
            first = next;
        }
        Ok(Image::new(width, height, 1, out))
    }

    /// Hands the probabilities of a part of an image (left, top, width, height), and where the part's pixels are in them, to `then`.
    fn with_probabilities(
        &self,
        image: &AnyImage,
        [left, top, width, height]: [usize; 4],
        then: impl FnOnce(&Probabilities, &Placement),
    ) -> Result<(), RunError> {
        let part;
        let seen = if [left, top, width, height] == [0, 0, image.width(), image.height()] {
            image
        } else {
            part = match image {
                AnyImage::U8(image) => AnyImage::U8(image.cropped(left, top, width, height)),
                AnyImage::U16(image) => AnyImage::U16(image.cropped(left, top, width, height)),
            };
            &part
        };
        let preprocessing = &self.card.preprocessing;
        let answers = self.answers(preprocessing.apply_image(seen).0)?;
        let [_, classes, h, w] = answers.shape()[..] else { unreachable!("the file was checked when it was read") };
        let values = answers.permute(&[0, 2, 3, 1]).to_vec::<f32>();
        let placement = preprocessing.placement([width, height]);
        then(&Probabilities { values: &values, size: [h, w], classes }, &placement);
        Ok(())
    }
}

/// Where parts of `side` begin that cover `n` pixels, `step` apart; the last one ends with the image.
fn starts(n: usize, side: usize, step: usize) -> Vec<usize> {
    let last = n.saturating_sub(side);
    (0..last).step_by(step).chain([last]).collect()
}

/// A weight that is largest in the middle of a part, and positive everywhere.
fn tent(i: usize, n: usize) -> f32 {
    (i + 1).min(n - i) as f32 / n as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_everything() {
        assert_eq!(starts(10, 4, 2), [0, 2, 4, 6]);
        assert_eq!(starts(11, 4, 3), [0, 3, 6, 7]);
        assert_eq!(starts(4, 4, 2), [0]);
        assert_eq!(starts(3, 4, 2), [0]);
        for n in 1..40 {
            for side in 1..12 {
                let starts = starts(n, side, (side / 2).max(1));
                let covered = |i: usize| starts.iter().any(|&s| (s..s + side).contains(&i));
                assert!((0..n).all(covered) && starts.is_sorted(), "{n} {side} {starts:?}");
            }
        }
        assert!((0..7).all(|i| tent(i, 7) > 0.0 && tent(i, 7) == tent(6 - i, 7)));
    }

    #[test]
    fn probabilities_are_interpolated_between_the_middles_of_pixels() {
        let values = [0.0f32, 1.0, 1.0, 0.0];
        let probabilities = Probabilities { values: &values, size: [1, 2], classes: 2 };
        let placement = Placement::new([4, 1], [2, 1], [0.0; 2]);
        let (mut row, mut total) = (vec![0.0; 8], vec![0.0; 4]);
        probabilities.add_row(&placement, 0, |_| 1.0, &mut row, &mut total);
        assert_eq!(row, [0.0, 1.0, 0.25, 0.75, 0.75, 0.25, 1.0, 0.0]);
        let mut out = Vec::new();
        decide(&row, &total, 2, &mut out);
        decide(&[f32::NAN, 1.0], &[1.0], 2, &mut out);
        decide(&[0.0, 0.0], &[0.0], 2, &mut out);
        assert_eq!(out, [1, 1, 0, 0, UNSEEN, UNSEEN]);
    }
}
