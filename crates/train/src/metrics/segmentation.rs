//! How well the class of each pixel is predicted.

use super::boundary::boundary_f1;
use super::{
    ConfusionMatrix, Detail, Metric, Metrics, bootstrap_interval, bootstrap_intervals, fraction_interval, mean, ratio,
};
use serde::{Deserialize, Serialize};

/// How well the class of each pixel is predicted. Pixels whose target is below 0 are void: they count for nothing. A prediction below 0 is none, and wrong.
///
/// | [`Detail`] | metrics |
/// |---|---|
/// | `Running` | `mean_iou`, `pixel_accuracy`, `mean_dice` |
/// | `Full`, `Scores` | also `boundary_f1` |
///
/// The IoU of a class is its pixels that are predicted so over those that are of it or predicted so (`sklearn.metrics.jaccard_score`); Dice is the F1 of its
/// pixels. Both are of the pixels of all images together, and their means are over the classes that occur as targets or as predictions: one that does neither
/// is left out. `boundary_f1` is the mean over images of the mean over classes of [`boundary_f1`], with 0.75 % of an image's diagonal as tolerance; a class
/// without a boundary in an image's target and prediction is left out there, and an image without a boundary.
///
/// ```
/// use striate_train::{Detail, Metrics, SegmentationMetrics};
///
/// let mut metrics = SegmentationMetrics::new(2, Detail::Full);
/// metrics.add(&[0, 0, 1, 1], &[0, 1, 1, -100], [2, 2]);
/// assert_eq!(metrics.class_iou(1), 0.5);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentationMetrics {
    confusion: ConfusionMatrix,
    images: usize,
    tolerance: f64,
    by_image: Option<ByImage>,
}

/// What is kept of each image, for one class after the other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct ByImage {
    /// Pixels that are of the class and predicted so, that are of it, and that are predicted so.
    pixels: Vec<[u32; 3]>,
    /// None for a class without a boundary.
    boundaries: Vec<Option<f64>>,
}

/// The tolerance of Csurka et al.
const TOLERANCE: f64 = 0.0075;
const OVERALL: [&str; 4] = ["mean_iou", "pixel_accuracy", "mean_dice", "boundary_f1"];
/// Metrics of each class.
const OF_CLASS: usize = 5;

impl SegmentationMetrics {
    /// No images yet, with pixels of `classes` classes.
    ///
    /// # Panics
    /// If there are no classes.
    pub fn new(classes: usize, detail: Detail) -> Self {
        assert!(classes > 0, "SegmentationMetrics::new: there are no classes");
        SegmentationMetrics {
            confusion: ConfusionMatrix::new(classes),
            images: 0,
            tolerance: TOLERANCE,
            by_image: (detail != Detail::Running).then(ByImage::default),
        }
    }

    /// With another tolerance of boundaries, as a fraction of the diagonal of an image.
    ///
    /// # Panics
    /// If images were added before.
    pub fn tolerance(self, tolerance: f64) -> Self {
        assert_eq!(self.images, 0, "SegmentationMetrics::tolerance: boundaries were compared already");
        SegmentationMetrics { tolerance, ..self }
    }

    /// Adds images, all of this height and width: the predicted class of each pixel and its class, both `[n, height, width]`.
    ///
    /// # Panics
    /// If the lengths differ or are not of whole images, or a class does not exist.
    pub fn add(&mut self, predicted: &[i64], target: &[i64], [height, width]: [usize; 2]) {
        let name = "SegmentationMetrics::add";
        let (n, m, pixels) = (predicted.len(), target.len(), height * width);
        assert_eq!(n, m, "{name}: {n} predictions for {m} pixels");
        assert!(pixels > 0 && n.is_multiple_of(pixels), "{name}: {n} pixels are no images of {height} by {width}");
        let classes = self.classes();
        for (predicted, target) in predicted.chunks(pixels).zip(target.chunks(pixels)) {
            let (mut counts, mut unpredicted) = (vec![0usize; classes * classes], vec![0usize; classes]);
            for (&p, &t) in predicted.iter().zip(target) {
                let exists = |class: i64| (0..classes as i64).contains(&class);
                assert!(p < 0 || exists(p), "{name}: prediction {p} is none of {classes} classes");
                assert!(t < 0 || exists(t), "{name}: target {t} is none of {classes} classes");
                match (usize::try_from(t), usize::try_from(p)) {
                    (Ok(t), Ok(p)) => counts[t * classes + p] += 1,
                    (Ok(t), Err(_)) => unpredicted[t] += 1,
                    (Err(_), _) => {}
                }
            }
            for (i, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                self.confusion.add_many(i / classes, i % classes, count);
            }
            for (class, &count) in unpredicted.iter().enumerate().filter(|(_, count)| **count > 0) {
                self.confusion.add_many_unpredicted(class, count);
            }
            if let Some(by_image) = &mut self.by_image {
                by_image.pixels.extend((0..classes).map(|class| {
                    let actual = unpredicted[class] + counts[class * classes..][..classes].iter().sum::<usize>();
                    let predicted = counts.iter().skip(class).step_by(classes).sum();
                    [counts[class * classes + class], actual, predicted].map(|count: usize| count as u32)
                }));
                by_image.boundaries.extend(boundary_f1(predicted, target, width, classes, self.tolerance));
            }
            self.images += 1;
        }
    }

    /// Images added.
    pub fn images(&self) -> usize {
        self.images
    }

    /// How often pixels of each class were taken for each.
    pub fn confusion(&self) -> &ConfusionMatrix {
        &self.confusion
    }

    fn classes(&self) -> usize {
        self.confusion.counts().len()
    }

    /// The IoU of `class`; NaN if it occurs neither as a target nor as a prediction.
    pub fn class_iou(&self, class: usize) -> f64 {
        let c = &self.confusion;
        iou([c.counts()[class][class], c.actual(class), c.predicted(class)])
    }

    /// The numbers of one class: `iou`, `dice`, `precision`, `recall`, and with more than [`Detail::Running`] `boundary_f1`, the mean over the images in which
    /// it has a boundary. NaN where there is none.
    pub fn class_metrics(&self, class: usize) -> Vec<Metric> {
        let c = &self.confusion;
        let mut metrics = vec![
            Metric::fraction("iou", self.class_iou(class)),
            Metric::fraction("dice", c.f1(class).unwrap_or(f64::NAN)),
            Metric::fraction("precision", c.precision(class).unwrap_or(f64::NAN)),
            Metric::fraction("recall", c.recall(class).unwrap_or(f64::NAN)),
        ];
        if let Some(by_image) = &self.by_image {
            let of_class = by_image.boundaries.iter().skip(class).step_by(self.classes()).copied();
            metrics.push(Metric::fraction("boundary_f1", mean(of_class.flatten())));
        }
        metrics
    }

    /// For each image, in the order in which they were added, the mean IoU over the classes that occur in it; none with [`Detail::Running`].
    pub fn image_ious(&self) -> Option<Vec<f64>> {
        let by_image = self.by_image.as_ref()?;
        Some(by_image.pixels.chunks(self.classes()).map(|image| mean_iou(image.iter().copied())).collect())
    }

    /// A 95 % confidence interval of `mean_iou`, by resampling the images ([`bootstrap_interval`]); none with [`Detail::Running`].
    pub fn mean_iou_interval(&self, rounds: usize, seed: u64) -> Option<[f64; 2]> {
        bootstrap_interval(self.images, rounds, seed, self.mean_iou_of()?).map(fraction_interval)
    }

    /// 95 % confidence intervals of what [`finish`](Metrics::finish) gives, and of the [`class_metrics`](SegmentationMetrics::class_metrics) of each class,
    /// in their order, by resampling the images ([`bootstrap_intervals`]); none with [`Detail::Running`].
    pub fn intervals(&self, rounds: usize, seed: u64) -> Option<[Vec<Option<[f64; 2]>>; 2]> {
        let (by_image, classes) = (self.by_image.as_ref()?, self.classes());
        let values = |images: &[usize]| {
            let sums = by_image.sums(images, classes);
            let mut values: Vec<f64> = by_image.overall(&sums, images).into();
            for (class, &counts) in sums.iter().enumerate() {
                let [both, actual, predicted] = counts;
                let boundaries = images.iter().filter_map(|image| by_image.boundaries[image * classes + class]);
                let precision_and_recall = [ratio(both, predicted), ratio(both, actual)];
                values.extend([iou(counts), dice(counts)].into_iter().chain(precision_and_recall));
                values.push(mean(boundaries));
            }
            values
        };
        let overall = OVERALL.len();
        let mut intervals = bootstrap_intervals(self.images, rounds, seed, overall + classes * OF_CLASS, values);
        intervals.iter_mut().for_each(|interval| *interval = interval.map(fraction_interval));
        let of_classes = intervals.split_off(overall);
        Some([intervals, of_classes])
    }

    /// `mean_iou` of some of the images, given their numbers in the order in which they were added; none with [`Detail::Running`].
    pub fn mean_iou_of(&self) -> Option<impl Fn(&[usize]) -> f64 + '_> {
        let by_image = self.by_image.as_ref()?;
        Some(move |images: &[usize]| over(&by_image.sums(images, self.classes()), iou))
    }

    /// All metrics of some of the images, given their numbers in the order in which they were added; none with [`Detail::Running`].
    pub fn metrics_of(&self) -> Option<impl Fn(&[usize]) -> Vec<Metric> + '_> {
        let (by_image, classes) = (self.by_image.as_ref()?, self.classes());
        Some(move |images: &[usize]| {
            let values = by_image.overall(&by_image.sums(images, classes), images);
            OVERALL.iter().zip(values).map(|(name, value)| Metric::fraction(*name, value)).collect()
        })
    }
}

impl ByImage {
    /// What [`OVERALL`] names, of some of the images with these counts.
    fn overall(&self, sums: &[[usize; 3]], images: &[usize]) -> [f64; OVERALL.len()] {
        let classes = sums.len();
        let [right, all] = [0, 1].map(|i| sums.iter().map(|sum| sum[i]).sum());
        let boundary = |&image: &usize| mean(self.boundaries[image * classes..][..classes].iter().flatten().copied());
        let boundaries = mean(images.iter().map(boundary).filter(|f1| !f1.is_nan()));
        [over(sums, iou), ratio(right, all), over(sums, dice), boundaries]
    }

    /// The counts of each class over some of the images.
    fn sums(&self, images: &[usize], classes: usize) -> Vec<[usize; 3]> {
        let mut sums = vec![[0; 3]; classes];
        for &image in images {
            for (sum, pixels) in sums.iter_mut().zip(&self.pixels[image * classes..]) {
                sum.iter_mut().zip(pixels).for_each(|(sum, &n)| *sum += n as usize);
            }
        }
        sums
    }
}

/// The mean of a number of each class over those that have one.
fn over(sums: &[[usize; 3]], of: impl Fn([usize; 3]) -> f64) -> f64 {
    mean(sums.iter().map(|&counts| of(counts)).filter(|x| !x.is_nan()))
}

fn dice([both, actual, predicted]: [usize; 3]) -> f64 {
    ratio(2 * both, actual + predicted)
}

/// Of the pixels that are of a class and predicted so, of it, and predicted so.
fn iou([both, actual, predicted]: [usize; 3]) -> f64 {
    ratio(both, actual + predicted - both)
}

fn mean_iou(classes: impl Iterator<Item = [u32; 3]>) -> f64 {
    mean(classes.map(|pixels| iou(pixels.map(|n| n as usize))).filter(|iou| !iou.is_nan()))
}

impl Metrics for SegmentationMetrics {
    fn merge(&mut self, other: &Self) {
        let name = "SegmentationMetrics::merge";
        assert_eq!(self.tolerance, other.tolerance, "{name}: other tolerances");
        self.confusion.merge(&other.confusion);
        self.images += other.images;
        match (&mut self.by_image, &other.by_image) {
            (Some(by_image), Some(other)) => {
                by_image.pixels.extend_from_slice(&other.pixels);
                by_image.boundaries.extend_from_slice(&other.boundaries);
            }
            (None, None) => {}
            _ => panic!("{name}: one has boundaries, the other none"),
        }
    }

    fn finish(&self) -> Vec<Metric> {
        let c = &self.confusion;
        let over = |of: &dyn Fn(usize) -> f64| mean((0..self.classes()).map(of).filter(|x| !x.is_nan()));
        let mut metrics = vec![
            Metric::fraction("mean_iou", over(&|class| self.class_iou(class))),
            Metric::fraction("pixel_accuracy", ratio(c.correct(), c.total())),
            Metric::fraction("mean_dice", over(&|class| c.f1(class).unwrap_or(f64::NAN))),
        ];
        if let Some(by_image) = &self.by_image {
            let defined = |classes: &[Option<f64>]| mean(classes.iter().copied().flatten());
            let images = by_image.boundaries.chunks(self.classes()).map(defined);
            metrics.push(Metric::fraction("boundary_f1", mean(images.filter(|f1| !f1.is_nan()))));
        }
        metrics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn void_counts_for_nothing() {
        let mut metrics = SegmentationMetrics::new(3, Detail::Full);
        metrics.add(&[2; 6], &[-100; 6], [2, 3]);
        assert!(metrics.finish().iter().all(|m| m.value.is_nan()) && metrics.class_iou(2).is_nan());
        metrics.add(&[0, 0, 0, 1, 1, 2], &[0, 0, 0, 1, 1, -1], [2, 3]);
        assert!(metrics.finish().iter().all(|m| m.value == 1.0), "{:?}", metrics.finish());
        assert!(metrics.image_ious().unwrap()[0].is_nan());
        let read: SegmentationMetrics = serde_json::from_str(&serde_json::to_string(&metrics).unwrap()).unwrap();
        assert_eq!(read.finish(), metrics.finish());
    }

    #[test]
    fn what_is_not_predicted_is_wrong() {
        let mut metrics = SegmentationMetrics::new(2, Detail::Full);
        metrics.add(&[0, -1, 1, -1], &[0, 0, 1, -1], [2, 2]);
        assert_eq!((metrics.class_iou(0), metrics.class_iou(1)), (0.5, 1.0));
        assert_eq!((metrics.finish()[1].value, metrics.image_ious()), (2.0 / 3.0, Some(vec![0.75])));
    }

    #[test]
    fn without_images_there_are_names_and_no_numbers() {
        for detail in [Detail::Running, Detail::Full] {
            let metrics = SegmentationMetrics::new(2, detail);
            assert!(metrics.finish().iter().all(|m| m.value.is_nan()) && metrics.mean_iou_interval(9, 0).is_none());
            let mut some = metrics.clone();
            some.add(&[1; 4], &[1; 4], [2, 2]);
            let names = |m: &SegmentationMetrics| m.finish().into_iter().map(|m| m.name).collect::<Vec<_>>();
            assert_eq!(names(&metrics), names(&some));
        }
    }

    #[test]
    fn metrics_of_some_images_are_those_of_these_alone() {
        // The last class is in no image but the first, and a pixel of each is not predicted.
        let images = |chosen: &[usize]| {
            let mut metrics = SegmentationMetrics::new(3, Detail::Full);
            for &i in chosen {
                let class = |at: usize| (at * (i + 3) / 5 % 2) as i64 + i64::from(i == 0 && at > 12);
                let target: Vec<i64> = (0..16).map(|at| if at == 7 { -1 } else { class(at) }).collect();
                let predicted: Vec<i64> = (0..16).map(|at| if at == 5 { -1 } else { class((at + i) % 16) }).collect();
                metrics.add(&predicted, &target, [4, 4]);
            }
            metrics
        };
        let all = images(&[0, 1, 2, 3]);
        for chosen in [vec![0, 1, 2, 3], vec![1, 3], vec![2, 0, 2]] {
            let (got, wanted) = (all.metrics_of().unwrap()(&chosen), images(&chosen).finish());
            assert_eq!(got.len(), wanted.len());
            for (got, wanted) in got.iter().zip(&wanted) {
                assert_eq!(got.name, wanted.name);
                assert!((got.value - wanted.value).abs() < 1e-12, "{chosen:?}: {got:?}, not {wanted:?}");
            }
        }
        assert!(all.metrics_of().unwrap()(&[]).iter().all(|m| m.value.is_nan()));
    }

    #[test]
    fn an_interval_holds_the_number() {
        let mut metrics = SegmentationMetrics::new(2, Detail::Full);
        for i in 0..40 {
            metrics.add(&[0, 0, 1, 1], &[0, (i % 2), 1, (i % 5).min(1)], [2, 2]);
        }
        let value = metrics.finish()[0].value;
        let [low, high] = metrics.mean_iou_interval(300, 1).unwrap();
        assert!(low < value && value < high && high - low < 0.4, "{low} {value} {high}");
    }

    #[test]
    #[should_panic(expected = "target 3 is none of 3 classes")]
    fn classes_must_exist() {
        SegmentationMetrics::new(3, Detail::Full).add(&[0], &[3], [1, 1]);
    }
}
