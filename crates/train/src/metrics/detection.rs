//! Average precision and recall of boxes, as COCO measures them.

use super::{Metric, Metrics, OperatingPoint, bootstrap_interval, bootstrap_intervals, fraction_interval, mean, ratio};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use striate_data::Object;
use striate_model::Detection;

/// How well objects are found, by their boxes: the numbers of `pycocotools.cocoeval.COCOeval` with `iouType="bbox"`.
///
/// | metric | |
/// |---|---|
/// | `map` | the average precision at 101 recalls, its mean over the IoUs 0.5, 0.55, …, 0.95 and the classes |
/// | `map50`, `map75` | at one IoU |
/// | `map_small`, `map_medium`, `map_large` | of objects whose boxes have at most 32², 32² to 96², and at least 96² pixels |
/// | `ar1`, `ar10`, `ar100` | the recall with at most this many boxes of a class in an image, its mean over IoUs and classes |
/// | `ar_small`, `ar_medium`, `ar_large` | of objects by size, with 100 boxes |
///
/// Classes without an object that counts are left out of the means, and a mean of none is NaN (COCO's −1). Boxes in a crowd and boxes on a difficult object
/// count neither as right nor as wrong; a crowd takes any number of them, its overlap is the fraction of the box that it covers. The area of an object is that of
/// its box. Of equal scores the box that was added first is the higher one. Boxes whose score is not finite are dropped.
///
/// ```
/// use striate_data::Object;
/// use striate_model::Detection;
/// use striate_train::{DetectionMetrics, Metrics};
///
/// let mut metrics = DetectionMetrics::new(2);
/// let found = Detection { class: 1, score: 0.9, bbox: [10.0, 10.0, 50.0, 48.0] };
/// metrics.add(&[found], &[Object::new(1, [10.0, 10.0, 50.0, 50.0])]);
/// let map = &metrics.finish()[0];
/// assert!(map.name == "map" && (map.value - 1.0).abs() < 1e-9);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectionMetrics {
    images: usize,
    classes: Vec<Class>,
}

/// What is known of one class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Class {
    /// In the order of images, and in each by score, the highest first.
    found: Vec<Found>,
    objects: Vec<Objects>,
}

/// A box that was found. Bits of `matched` and `ignored` are IoUs, the entries sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Found {
    image: usize,
    /// How many boxes of its class and image are before it.
    rank: usize,
    score: f32,
    matched: [u16; SIZES.len()],
    ignored: [u16; SIZES.len()],
}

/// By size how many objects of an image count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Objects {
    image: usize,
    counted: [usize; SIZES.len()],
}

/// What is wrong in one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageErrors {
    /// Objects that were not found.
    pub missed: usize,
    /// Boxes on no object.
    pub false_boxes: usize,
}

const IOUS: usize = 10;
const RECALLS: usize = 101;
const MOST: usize = 100;
/// The least and the largest area of all objects, of small, medium and large ones.
const SIZES: [[f64; 2]; 4] = [[0.0, 1e10], [0.0, 1024.0], [1024.0, 9216.0], [9216.0, 1e10]];
const ALL: usize = 0;
const NAMES: [&str; 12] = [
    "map",
    "map50",
    "map75",
    "map_small",
    "map_medium",
    "map_large",
    "ar1",
    "ar10",
    "ar100",
    "ar_small",
    "ar_medium",
    "ar_large",
];
const CLASS_NAMES: [&str; 4] = ["ap", "ap50", "ap75", "ar100"];

/// Number `i` of `n` from `first` to `last`, as `numpy.linspace` rounds it.
fn linspace(first: f64, last: f64, n: usize, i: usize) -> f64 {
    if i + 1 == n { last } else { i as f64 * ((last - first) / (n - 1) as f64) + first }
}

impl DetectionMetrics {
    /// No images yet, with objects of `classes` classes.
    ///
    /// # Panics
    /// If there are no classes.
    pub fn new(classes: usize) -> Self {
        assert!(classes > 0, "DetectionMetrics::new: there are no classes");
        DetectionMetrics { images: 0, classes: vec![Class::default(); classes] }
    }

    /// Adds an image: what was found in it, in any order, and what there is.
    ///
    /// # Panics
    /// If a class does not exist.
    pub fn add(&mut self, detections: &[Detection], objects: &[Object]) {
        let classes = self.classes.len();
        let check = |class| assert!(class < classes, "DetectionMetrics::add: there is no class {class} of {classes}");
        let mut by_class: BTreeMap<usize, (Vec<Detection>, Vec<&Object>)> = BTreeMap::new();
        for detection in detections {
            check(detection.class);
            let finite = detection.score.is_finite().then_some(*detection);
            by_class.entry(detection.class).or_default().0.extend(finite);
        }
        for object in objects {
            check(object.class);
            by_class.entry(object.class).or_default().1.push(object);
        }
        for (class, (mut detections, objects)) in by_class {
            detections.sort_by(|a, b| b.score.partial_cmp(&a.score).expect("a finite score"));
            detections.truncate(MOST);
            let class = &mut self.classes[class];
            let start = class.found.len();
            class.found.extend(detections.iter().enumerate().map(|(rank, d)| Found {
                image: self.images,
                rank,
                score: d.score,
                matched: [0; SIZES.len()],
                ignored: [0; SIZES.len()],
            }));
            let counted = find(&detections, &objects, &mut class.found[start..]);
            if counted[ALL] > 0 {
                class.objects.push(Objects { image: self.images, counted });
            }
        }
        self.images += 1;
    }

    /// Images added.
    pub fn images(&self) -> usize {
        self.images
    }

    /// How many objects of `class` count.
    pub fn objects(&self, class: usize) -> usize {
        self.classes[class].objects.iter().map(|of_image| of_image.counted[ALL]).sum()
    }

    /// The numbers of one class: `ap`, `ap50`, `ap75` and `ar100`; NaN if no object of it counts.
    pub fn class_metrics(&self, class: usize) -> Vec<Metric> {
        let class = &self.classes[class];
        let sums = [class.sums_of(&class.by_score(), ALL, |_| 1)];
        CLASS_NAMES.iter().zip(class_values(&sums)).map(|(name, value)| Metric::fraction(*name, value)).collect()
    }

    /// The precision and recall of `class` at an IoU of 0.5, one point for each score that occurs, the highest first.
    pub fn precision_recall(&self, class: usize) -> Vec<OperatingPoint> {
        let class = &self.classes[class];
        let objects: usize = class.objects.iter().map(|o| o.counted[ALL]).sum();
        let (mut points, mut right, mut wrong): (Vec<OperatingPoint>, _, _) = (Vec::new(), 0, 0);
        for found in class.by_score().into_iter().filter(|f| !f.is_ignored(ALL, 0)) {
            let matched = found.is_matched(ALL, 0);
            right += matched as usize;
            wrong += !matched as usize;
            points.pop_if(|point| point.threshold == found.score);
            points.push(OperatingPoint {
                threshold: found.score,
                true_positives: right,
                false_positives: wrong,
                precision: ratio(right, right + wrong),
                recall: ratio(right, objects),
                f1: ratio(2 * right, right + wrong + objects),
            });
        }
        points
    }

    /// For each image, in the order in which they were added, what is wrong in it at an IoU of 0.5 if boxes count from this score on. At most 100 boxes of a
    /// class count.
    pub fn image_errors(&self, score_threshold: f32) -> Vec<ImageErrors> {
        let mut errors = vec![ImageErrors::default(); self.images];
        for class in &self.classes {
            for objects in &class.objects {
                errors[objects.image].missed += objects.counted[ALL];
            }
            let counts = |f: &&Found| f.score >= score_threshold && !f.is_ignored(ALL, 0);
            for found in class.found.iter().filter(counts) {
                let matched = found.is_matched(ALL, 0) as usize;
                errors[found.image].missed -= matched;
                errors[found.image].false_boxes += 1 - matched;
            }
        }
        errors
    }

    /// A 95 % confidence interval of `map`, by resampling the images ([`bootstrap_interval`]).
    pub fn map_interval(&self, rounds: usize, seed: u64) -> Option<[f64; 2]> {
        bootstrap_interval(self.images, rounds, seed, self.map_of()).map(fraction_interval)
    }

    /// 95 % confidence intervals of what [`finish`](Metrics::finish) gives, and of the [`class_metrics`](DetectionMetrics::class_metrics) of each class, in
    /// their order, by resampling the images ([`bootstrap_intervals`]).
    pub fn intervals(&self, rounds: usize, seed: u64) -> [Vec<Option<[f64; 2]>>; 2] {
        let orders: Vec<Vec<&Found>> = self.classes.iter().map(Class::by_score).collect();
        let values = |images: &[usize]| {
            let times = self.times(images);
            let sums = self.sums(&orders, &times);
            let of_classes = sums.iter().flat_map(|sums| class_values(sums));
            self.values(&sums, &times).into_iter().chain(of_classes).collect()
        };
        let count = NAMES.len() + self.classes.len() * CLASS_NAMES.len();
        let mut intervals = bootstrap_intervals(self.images, rounds, seed, count, values);
        intervals.iter_mut().for_each(|interval| *interval = interval.map(fraction_interval));
        let of_classes = intervals.split_off(NAMES.len());
        [intervals, of_classes]
    }

    /// How often each image is there.
    fn times(&self, images: &[usize]) -> Vec<usize> {
        let mut times = vec![0; self.images];
        images.iter().for_each(|&image| times[image] += 1);
        times
    }

    /// Of each class, with each image as often as `times` says.
    fn sums(&self, orders: &[Vec<&Found>], times: &[usize]) -> Vec<SizeSums> {
        let of_size = |class: &Class, order: &[&Found], size| class.sums_of(order, size, |image| times[image]);
        let of_class = |(class, order): (&Class, &Vec<&Found>)| std::array::from_fn(|size| of_size(class, order, size));
        self.classes.iter().zip(orders).map(of_class).collect()
    }

    /// What [`NAMES`] names.
    fn values(&self, sums: &[SizeSums], times: &[usize]) -> [f64; NAMES.len()] {
        let of_size = |size: usize| sums.iter().filter_map(move |sums| sums[size]);
        let at_iou = |iou: usize| mean(of_size(ALL).map(|sums| sums.precision[iou]));
        let precision = |size| mean(of_size(size).flat_map(|sums| sums.precision));
        let recall = |size| mean(of_size(size).flat_map(|sums| sums.recall));
        let recall_of = |most| mean(self.classes.iter().filter_map(|class| class.recall_of(most, |i| times[i])));
        let [map, small, medium, large] = std::array::from_fn(precision);
        let [ar100, ar_small, ar_medium, ar_large] = std::array::from_fn(recall);
        let [ar1, ar10] = [1, 10].map(recall_of);
        [map, at_iou(0), at_iou(5), small, medium, large, ar1, ar10, ar100, ar_small, ar_medium, ar_large]
    }

    /// `map` of some of the images, given their numbers in the order in which they were added, each as often as it is there.
    pub fn map_of(&self) -> impl Fn(&[usize]) -> f64 + '_ {
        let all = self.metrics_of();
        move |images| all(images)[0].value
    }

    /// `map`, `map50`, `map75` and `ar100` of some of the images, given their numbers in the order in which they were added, each as often as it is there.
    pub fn metrics_of(&self) -> impl Fn(&[usize]) -> Vec<Metric> + '_ {
        let orders: Vec<Vec<&Found>> = self.classes.iter().map(Class::by_score).collect();
        move |images| {
            let times = self.times(images);
            let of_class = |(class, order): (&Class, &Vec<&Found>)| class.sums_of(order, ALL, |image| times[image]);
            let sums: Vec<Sums> = self.classes.iter().zip(&orders).filter_map(of_class).collect();
            let at_iou = |iou: usize| mean(sums.iter().map(|sums| sums.precision[iou]));
            [
                ("map", mean(sums.iter().flat_map(|sums| sums.precision))),
                ("map50", at_iou(0)),
                ("map75", at_iou(5)),
                ("ar100", mean(sums.iter().flat_map(|sums| sums.recall))),
            ]
            .map(|(name, value)| Metric::fraction(name, value))
            .into()
        }
    }
}

/// Of one class, by size; none where no object counts.
type SizeSums = [Option<Sums>; SIZES.len()];

/// What [`CLASS_NAMES`] names.
fn class_values(sums: &[Option<Sums>]) -> [f64; CLASS_NAMES.len()] {
    let Some(sums) = sums[ALL] else { return [f64::NAN; CLASS_NAMES.len()] };
    [mean(sums.precision), sums.precision[0], sums.precision[5], mean(sums.recall)]
}

/// Of one class and size, by IoU.
#[derive(Clone, Copy)]
struct Sums {
    /// The mean precision over recalls.
    precision: [f64; IOUS],
    recall: [f64; IOUS],
}

impl Class {
    /// The boxes, the highest score first.
    fn by_score(&self) -> Vec<&Found> {
        let mut order: Vec<&Found> = self.found.iter().collect();
        order.sort_by(|a, b| b.score.partial_cmp(&a.score).expect("a finite score"));
        order
    }

    /// Of its boxes in the order of their scores, with each image as often as `times` says.
    fn sums_of(&self, order: &[&Found], size: usize, times: impl Fn(usize) -> usize) -> Option<Sums> {
        let objects = self.counted(size, &times);
        if objects == 0 {
            return None;
        }
        let mut sums = Sums { precision: [0.0; IOUS], recall: [0.0; IOUS] };
        let mut points: Vec<[f64; 2]> = Vec::new();
        for iou in 0..IOUS {
            points.clear();
            let (mut right, mut wrong) = (0, 0);
            for found in order.iter().filter(|f| !f.is_ignored(size, iou)) {
                match (times(found.image), found.is_matched(size, iou)) {
                    (0, _) => continue,
                    (times, true) => right += times,
                    (times, false) => wrong += times,
                }
                let precision = right as f64 / ((wrong + right) as f64 + f64::EPSILON);
                points.push([ratio(right, objects), precision]);
            }
            sums.recall[iou] = ratio(right, objects);
            sums.precision[iou] = mean_precision(&mut points);
        }
        Some(sums)
    }

    fn counted(&self, size: usize, times: impl Fn(usize) -> usize) -> usize {
        self.objects.iter().map(|o| o.counted[size] * times(o.image)).sum()
    }

    /// The mean recall over IoUs with at most `most` boxes of an image, with each image as often as `times` says.
    fn recall_of(&self, most: usize, times: impl Fn(usize) -> usize) -> Option<f64> {
        let objects = self.counted(ALL, &times);
        let right = |iou| {
            let found = self.found.iter().filter(|f| f.rank < most && f.is_right(ALL, iou));
            found.map(|f| times(f.image)).sum()
        };
        (objects > 0).then(|| mean((0..IOUS).map(|iou| ratio(right(iou), objects))))
    }
}

/// The mean over 101 recalls of the highest precision from that recall on, of points of recall and precision.
fn mean_precision(points: &mut [[f64; 2]]) -> f64 {
    for i in (1..points.len()).rev() {
        points[i - 1][1] = points[i - 1][1].max(points[i][1]);
    }
    let (mut at, mut sum) = (0, 0.0);
    for i in 0..RECALLS {
        let recall = linspace(0.0, 1.0, RECALLS, i);
        at += points[at..].iter().take_while(|[r, _]| *r < recall).count();
        sum += points.get(at).map_or(0.0, |point| point[1]);
    }
    sum / RECALLS as f64
}

impl Found {
    fn is_matched(&self, size: usize, iou: usize) -> bool {
        self.matched[size] >> iou & 1 == 1
    }

    fn is_ignored(&self, size: usize, iou: usize) -> bool {
        self.ignored[size] >> iou & 1 == 1
    }

    fn is_right(&self, size: usize, iou: usize) -> bool {
        self.is_matched(size, iou) && !self.is_ignored(size, iou)
    }
}

/// Gives each box, the highest score first, the object of the largest overlap that is left, and says by size how many objects count.
fn find(detections: &[Detection], objects: &[&Object], found: &mut [Found]) -> [usize; SIZES.len()] {
    let overlaps: Vec<Vec<f64>> =
        detections.iter().map(|d| objects.iter().map(|o| overlap(d.bbox, o)).collect()).collect();
    let outside = |area: f64, [least, most]: [f64; 2]| area < least || area > most;
    std::array::from_fn(|size| {
        let ignored: Vec<bool> =
            objects.iter().map(|o| o.crowd || o.difficult || outside(area(o.bbox), SIZES[size])).collect();
        // Those that count first.
        let mut order: Vec<usize> = (0..objects.len()).collect();
        order.sort_by_key(|&o| ignored[o]);
        for iou in 0..IOUS {
            let least = linspace(0.5, 0.95, IOUS, iou).min(1.0 - 1e-10);
            let mut taken = vec![false; objects.len()];
            for (d, found) in found.iter_mut().enumerate() {
                let (mut best, mut most): (Option<usize>, _) = (None, least);
                for &o in &order {
                    if taken[o] && !objects[o].crowd {
                        continue;
                    }
                    if ignored[o] && best.is_some_and(|best| !ignored[best]) {
                        break;
                    }
                    if overlaps[d][o] >= most {
                        (best, most) = (Some(o), overlaps[d][o]);
                    }
                }
                if let Some(best) = best {
                    taken[best] = true;
                }
                let is_ignored =
                    best.map_or_else(|| outside(area(detections[d].bbox), SIZES[size]), |best| ignored[best]);
                found.matched[size] |= u16::from(best.is_some()) << iou;
                found.ignored[size] |= u16::from(is_ignored) << iou;
            }
        }
        ignored.iter().filter(|ignored| !**ignored).count()
    })
}

fn area(bbox: [f32; 4]) -> f64 {
    let [left, top, right, bottom] = bbox.map(f64::from);
    (right - left) * (bottom - top)
}

/// The IoU of a box and an object; of a crowd the fraction of the box that it covers.
fn overlap(bbox: [f32; 4], object: &Object) -> f64 {
    let (a, b) = (bbox.map(f64::from), object.bbox.map(f64::from));
    let width = a[2].min(b[2]) - a[0].max(b[0]);
    let height = a[3].min(b[3]) - a[1].max(b[1]);
    if !(width > 0.0 && height > 0.0) {
        return 0.0;
    }
    let both = width * height;
    let of = if object.crowd { area(bbox) } else { area(bbox) + area(object.bbox) - both };
    let overlap = both / of;
    if overlap.is_nan() { 0.0 } else { overlap }
}

impl Metrics for DetectionMetrics {
    fn merge(&mut self, other: &Self) {
        let (n, m) = (self.classes.len(), other.classes.len());
        assert_eq!(n, m, "DetectionMetrics::merge: {m} classes into {n}");
        for (class, other) in self.classes.iter_mut().zip(&other.classes) {
            class.found.extend(other.found.iter().map(|f| Found { image: f.image + self.images, ..*f }));
            class.objects.extend(other.objects.iter().map(|o| Objects { image: o.image + self.images, ..*o }));
        }
        self.images += other.images;
    }

    fn finish(&self) -> Vec<Metric> {
        let orders: Vec<Vec<&Found>> = self.classes.iter().map(Class::by_score).collect();
        let once = vec![1; self.images];
        let values = self.values(&self.sums(&orders, &once), &once);
        NAMES.iter().zip(values).map(|(name, value)| Metric::fraction(*name, value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images with a found, a missed and a false box each, in other places.
    fn images(chosen: &[usize]) -> DetectionMetrics {
        let mut metrics = DetectionMetrics::new(1);
        for &i in chosen {
            let shift = i as f32;
            let boxes = [found(0.9 - 0.1 * shift, shift), found(0.3 + 0.1 * shift, 50.0)];
            metrics.add(&boxes, &[object(0.0), object(90.0 - 40.0 * (i % 2) as f32)]);
        }
        metrics
    }

    #[test]
    fn metrics_of_some_images_are_those_of_these_alone() {
        let all = images(&[0, 1, 2, 3, 4]);
        for chosen in [vec![0, 1, 2, 3, 4], vec![1, 3], vec![4, 0, 0, 0], vec![2]] {
            let wanted = images(&chosen).finish();
            let got = all.metrics_of()(&chosen);
            assert_eq!(got.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["map", "map50", "map75", "ar100"]);
            for metric in got {
                let wanted = wanted.iter().find(|m| m.name == metric.name).unwrap().value;
                assert!((metric.value - wanted).abs() < 1e-12, "{chosen:?}: {metric:?}, not {wanted}");
            }
        }
        assert!(all.metrics_of()(&[]).iter().all(|m| m.value.is_nan()));
    }

    fn found(score: f32, left: f32) -> Detection {
        Detection { class: 0, score, bbox: [left, 0.0, left + 10.0, 10.0] }
    }

    fn object(left: f32) -> Object {
        Object::new(0, [left, 0.0, left + 10.0, 10.0])
    }

    #[test]
    fn what_is_wrong_in_an_image_is_counted() {
        let mut metrics = DetectionMetrics::new(1);
        metrics.add(&[found(0.9, 0.0), found(0.8, 1.0), found(0.3, 50.0)], &[object(0.0), object(50.0), object(90.0)]);
        let crowd = Object { crowd: true, ..object(0.0) };
        let difficult = Object { difficult: true, ..object(50.0) };
        metrics.add(&[found(0.9, 0.0), found(0.9, 1.0), found(0.9, 50.0)], &[crowd, difficult]);
        metrics.add(&[], &[]);
        let errors = |missed, false_boxes| ImageErrors { missed, false_boxes };
        assert_eq!(metrics.image_errors(0.5), [errors(2, 1), errors(0, 0), errors(0, 0)]);
        assert_eq!(metrics.image_errors(0.0), [errors(1, 1), errors(0, 0), errors(0, 0)]);
        assert_eq!(metrics.image_errors(f32::INFINITY), [errors(3, 0), errors(0, 0), errors(0, 0)]);
        assert_eq!(metrics.images(), 3);
    }

    #[test]
    fn the_curve_has_a_point_for_each_score() {
        let mut metrics = DetectionMetrics::new(1);
        metrics.add(&[found(0.9, 0.0), found(0.5, 20.0), found(0.5, 50.0)], &[object(0.0), object(50.0)]);
        let points = metrics.precision_recall(0);
        let numbers: Vec<_> = points.iter().map(|p| (p.threshold, p.precision, p.recall)).collect();
        assert_eq!(numbers, [(0.9, 1.0, 0.5), (0.5, 2.0 / 3.0, 1.0)]);
        assert!(DetectionMetrics::new(1).precision_recall(0).is_empty());
    }

    #[test]
    fn what_is_no_number_is_not_right() {
        let mut metrics = DetectionMetrics::new(1);
        let nowhere = Detection { bbox: [f32::NAN; 4], ..found(0.9, 0.0) };
        metrics.add(&[nowhere, found(f32::NAN, 0.0), found(f32::INFINITY, 0.0)], &[object(0.0)]);
        assert_eq!(metrics.image_errors(0.0), [ImageErrors { missed: 1, false_boxes: 1 }]);
        assert_eq!(metrics.finish()[0].value, 0.0);
        let read: DetectionMetrics = serde_json::from_str(&serde_json::to_string(&metrics).unwrap()).unwrap();
        assert_eq!(read, metrics);
    }

    #[test]
    fn without_objects_there_are_names_and_no_numbers() {
        let mut metrics = DetectionMetrics::new(3);
        assert!(metrics.finish().iter().all(|m| m.value.is_nan()) && metrics.map_interval(10, 0).is_none());
        metrics.add(&[found(0.9, 0.0)], &[]);
        assert!(metrics.finish().iter().all(|m| m.value.is_nan()));
        assert!(metrics.class_metrics(0).iter().all(|m| m.value.is_nan()));
    }

    #[test]
    fn an_interval_holds_the_number() {
        let mut metrics = DetectionMetrics::new(1);
        for i in 0..40 {
            metrics.add(&[found(0.9 - 0.01 * i as f32, (i % 4) as f32)], &[object(0.0)]);
        }
        let map = metrics.finish()[0].value;
        let [low, high] = metrics.map_interval(200, 3).unwrap();
        assert!(low < map && map < high && low > map - 0.3, "{low} {map} {high}");
        assert_eq!(metrics.map_interval(200, 3), Some([low, high]));
        // Every image twice is no other number.
        let mut twice = metrics.clone();
        twice.merge(&metrics);
        assert!((twice.finish()[0].value - map).abs() < 1e-9);
    }

    #[test]
    #[should_panic(expected = "there is no class 1 of 1")]
    fn classes_must_exist() {
        DetectionMetrics::new(1).add(&[Detection { class: 1, ..found(0.5, 0.0) }], &[]);
    }
}
