//! Which places of a detector learn which object.

use striate_model::Places;

/// Places of each map that are looked at for an object.
const CANDIDATES: usize = 9;
/// The side of the square that stands for a place when it is compared with an object, in strides: between the objects that FCOS gives to a map on both sides.
const SIDE: f32 = 5.0;

/// What a place learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// That no object is there.
    Background,
    /// Nothing: it lies in a crowd or in a difficult object.
    Ignored,
    /// The object of this number.
    Object(usize),
}

/// An object of an image, as a row of a batch's targets has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    pub class: usize,
    pub bbox: [f32; 4],
    pub ignored: bool,
}

/// Gives each place its object by adaptive training sample selection (Zhang et al., ATSS, 2020): of the nine places of each map nearest to the middle of an object those
/// learn it that lie in its box and overlap with it at least as much as the mean of all of them plus their standard deviation. A place that several objects want learns
/// the one that it overlaps most with. Then, in the order of the objects, one that no place would learn has the candidate nearest to its middle that no other has.
pub fn assign(places: &Places, truths: &[Truth]) -> Vec<Assigned> {
    let all = places.all();
    let mut best: Vec<(f32, Assigned)> = vec![(f32::NEG_INFINITY, Assigned::Background); all.len()];
    for truth in truths.iter().filter(|truth| truth.ignored) {
        for (place, slot) in all.iter().zip(&mut best) {
            if inside(place.distances(truth.bbox)) {
                slot.1 = Assigned::Ignored;
            }
        }
    }
    let objects = || truths.iter().enumerate().filter(|(_, truth)| !truth.ignored);
    for (number, truth) in objects() {
        let candidates = candidates(places, truth.bbox);
        let overlaps: Vec<f32> = candidates.iter().map(|&i| overlap(&all[i], truth.bbox)).collect();
        let threshold = mean_and_deviation(&overlaps);
        for (&i, &overlap) in candidates.iter().zip(&overlaps) {
            if overlap >= threshold && inside(all[i].distances(truth.bbox)) && overlap > best[i].0 {
                best[i] = (overlap, Assigned::Object(number));
            }
        }
    }
    let is_free = |slot: &(f32, Assigned)| !matches!(slot.1, Assigned::Object(_));
    for (number, truth) in objects() {
        if best.iter().any(|slot| slot.1 == Assigned::Object(number)) {
            continue;
        }
        let middle = middle(truth.bbox);
        let near = candidates(places, truth.bbox).into_iter().filter(|&i| is_free(&best[i])).min_by(|&a, &b| {
            distance(all[a].centre, middle).total_cmp(&distance(all[b].centre, middle)).then(a.cmp(&b))
        });
        if let Some(i) = near {
            best[i] = (0.0, Assigned::Object(number));
        }
    }
    best.into_iter().map(|(_, assigned)| assigned).collect()
}

/// How central a place is in a box: 1 in its middle, 0 at its edge (FCOS).
pub fn centerness([left, top, right, bottom]: [f32; 4]) -> f32 {
    let ratio = |a: f32, b: f32| if a.max(b) > 0.0 { (a.min(b) / a.max(b)).max(0.0) } else { 0.0 };
    (ratio(left, right) * ratio(top, bottom)).sqrt()
}

fn inside(distances: [f32; 4]) -> bool {
    distances.into_iter().all(|d| d > 0.0)
}

fn middle([left, top, right, bottom]: [f32; 4]) -> [f32; 2] {
    [(left + right) / 2.0, (top + bottom) / 2.0]
}

/// The square of the distance.
fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)
}

/// The places of each map nearest to the middle of a box.
fn candidates(places: &Places, bbox: [f32; 4]) -> Vec<usize> {
    let (all, middle) = (places.all(), middle(bbox));
    let mut chosen = Vec::new();
    for map in places.maps() {
        let mut of_map: Vec<(f32, usize)> = map.clone().map(|i| (distance(all[i].centre, middle), i)).collect();
        let n = CANDIDATES.min(of_map.len());
        let order = |a: &(f32, usize), b: &(f32, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if n < of_map.len() {
            of_map.select_nth_unstable_by(n, order);
        }
        of_map.truncate(n);
        of_map.sort_unstable_by(order);
        chosen.extend(of_map.into_iter().map(|(_, i)| i));
    }
    chosen
}

/// The intersection over union of a box and the square that stands for a place.
fn overlap(place: &striate_model::Place, [left, top, right, bottom]: [f32; 4]) -> f32 {
    let half = SIDE * place.stride / 2.0;
    let [l, t, r, b] = place.around([half; 4]);
    let across = (r.min(right) - l.max(left)).max(0.0);
    let down = (b.min(bottom) - t.max(top)).max(0.0);
    let (both, area) = (across * down, (right - left).max(0.0) * (bottom - top).max(0.0));
    both / (4.0 * half * half + area - both)
}

fn mean_and_deviation(values: &[f32]) -> f32 {
    let n = values.len() as f32;
    let mean = values.iter().sum::<f32>() / n;
    // PyTorch's deviation, of a sample, which the paper's code uses.
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / (n - 1.0).max(1.0);
    mean + variance.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(bbox: [f32; 4]) -> Truth {
        Truth { class: 0, bbox, ignored: false }
    }

    fn learners(assigned: &[Assigned], number: usize) -> Vec<usize> {
        (0..assigned.len()).filter(|&i| assigned[i] == Assigned::Object(number)).collect()
    }

    #[test]
    fn every_object_is_learnt_inside_its_box() {
        let places = Places::new([128, 160], &[8, 16, 32]);
        let boxes = [
            [10.0, 10.0, 50.0, 60.0],
            [12.0, 8.0, 52.0, 58.0],
            [0.0, 0.0, 160.0, 128.0],
            [100.0, 100.0, 103.0, 102.0],
            [100.5, 100.5, 102.5, 102.5],
            [159.0, 0.0, 160.0, 128.0],
        ];
        let truths: Vec<Truth> = boxes.into_iter().map(truth).collect();
        let assigned = assign(&places, &truths);
        for (number, bbox) in boxes.into_iter().enumerate() {
            let learners = learners(&assigned, number);
            assert!(!learners.is_empty(), "nothing learns {bbox:?}");
            let large = bbox[2] - bbox[0] > 16.0 && bbox[3] - bbox[1] > 16.0;
            assert!(!large || learners.iter().all(|&i| inside(places.all()[i].distances(bbox))), "{bbox:?}");
        }
        // Large objects on coarse maps, small ones on the finest.
        let map_of = |i: usize| places.maps().iter().position(|map| map.contains(&i)).unwrap();
        assert!(learners(&assigned, 2).iter().all(|&i| map_of(i) == 2));
        assert!(learners(&assigned, 0).iter().all(|&i| map_of(i) < 2));
        assert!(learners(&assigned, 3).iter().all(|&i| map_of(i) == 0));
    }

    #[test]
    fn crowds_teach_nothing() {
        let places = Places::new([64, 64], &[8, 16, 32]);
        let crowd = Truth { ignored: true, ..truth([0.0, 0.0, 32.0, 64.0]) };
        let assigned = assign(&places, &[crowd, truth([4.0, 4.0, 28.0, 28.0])]);
        assert!(!learners(&assigned, 1).is_empty() && learners(&assigned, 0).is_empty());
        for (place, assigned) in places.all().iter().zip(&assigned) {
            let in_crowd = place.centre[0] < 32.0;
            assert_eq!(in_crowd, *assigned != Assigned::Background, "{place:?}");
        }
        assert!(assign(&places, &[]).iter().all(|a| *a == Assigned::Background));
    }

    #[test]
    fn the_middle_is_central() {
        assert_eq!(centerness([5.0, 7.0, 5.0, 7.0]), 1.0);
        assert_eq!(centerness([0.0, 7.0, 5.0, 7.0]), 0.0);
        assert!((centerness([1.0, 2.0, 4.0, 2.0]) - 0.5).abs() < 1e-6);
    }
}
