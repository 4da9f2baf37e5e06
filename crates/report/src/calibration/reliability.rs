//! Bins of confidence, and what came true in each.

use schemars::JsonSchema;
use serde::Serialize;
use striate_model::wilson_interval;

/// Predictions of like confidence.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ReliabilityBin {
    /// The least confidence: above it, but for the first bin.
    pub low: f64,
    /// The greatest confidence.
    pub high: f64,
    /// Predictions in the bin.
    pub count: usize,
    /// Their mean confidence; missing if there are none.
    pub confidence: Option<f64>,
    /// The fraction of them that is right; missing if there are none.
    pub accuracy: Option<f64>,
    /// Wilson's 95 % interval of that fraction.
    pub accuracy_interval_95: Option<[f64; 2]>,
}

/// A confidence, and whether it was right.
pub(crate) type Event = (f64, bool);

/// The bin of each of `bins` equal widths that a confidence from 0 to 1 is in: `(low, high]`, as in Guo et al. (2017).
pub(crate) fn bin_of(confidence: f64, bins: usize) -> usize {
    let edge = |i: usize| i as f64 / bins as f64;
    let near = ((confidence * bins as f64).ceil() as usize).clamp(1, bins) - 1;
    // The product may be off by a rounding.
    if near > 0 && confidence <= edge(near) {
        near - 1
    } else if near + 1 < bins && confidence > edge(near + 1) {
        near + 1
    } else {
        near
    }
}

/// Bins of equal width.
pub(crate) fn equal_width(events: &[Event], bins: usize) -> Vec<ReliabilityBin> {
    let mut inside = vec![Vec::new(); bins];
    events.iter().for_each(|&event| inside[bin_of(event.0, bins)].push(event));
    let edge = |i: usize| i as f64 / bins as f64;
    inside.iter().enumerate().map(|(i, events)| bin(edge(i), edge(i + 1), events)).collect()
}

/// Bins of as many predictions each as can be (Nguyen and O'Connor, 2015): the i-th of B ends at rank ⌈i · n / B⌉, or after all that have the same confidence as the
/// prediction there. So the order of equal ones does not matter.
pub(crate) fn equal_mass(events: &[Event], bins: usize) -> Vec<ReliabilityBin> {
    let mut sorted = events.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n = sorted.len();
    let (mut made, mut start) = (Vec::new(), 0);
    for i in 1..=bins {
        let mut end = (i * n).div_ceil(bins);
        while end > 0 && end < n && sorted[end].0 == sorted[end - 1].0 {
            end += 1;
        }
        if end > start {
            made.push(bin(sorted[start].0, sorted[end - 1].0, &sorted[start..end]));
            start = end;
        }
    }
    made
}

fn bin(low: f64, high: f64, events: &[Event]) -> ReliabilityBin {
    let (count, right) = (events.len(), events.iter().filter(|(_, right)| *right).count());
    let of_some = |x: f64| (count > 0).then(|| x / count as f64);
    ReliabilityBin {
        low,
        high,
        count,
        confidence: of_some(events.iter().map(|(confidence, _)| confidence).sum()),
        accuracy: of_some(right as f64),
        accuracy_interval_95: (count > 0).then(|| wilson_interval(right, count).into()),
    }
}

/// The gap of confidence and accuracy, over the bins by their counts; and the largest gap.
pub(crate) fn errors(bins: &[ReliabilityBin]) -> Option<[f64; 2]> {
    let all: usize = bins.iter().map(|bin| bin.count).sum();
    let gap = |bin: &ReliabilityBin| Some((bin.count, (bin.confidence? - bin.accuracy?).abs()));
    let gaps: Vec<(usize, f64)> = bins.iter().filter_map(gap).collect();
    let mean = gaps.iter().map(|(count, gap)| *count as f64 * gap).sum::<f64>() / all as f64;
    (all > 0).then(|| [mean, gaps.iter().map(|(_, gap)| *gap).fold(0.0, f64::max)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_by_hand() {
        let events = [(0.95, true), (0.9, false), (0.55, true), (0.2, false), (0.0, false), (1.0, true)];
        // Ten bins: 0.2 in the second, 0.9 in the ninth, 0.95 and 1.0 in the last.
        let wanted = (0.0 + 0.2 + 0.45 + 0.9 + (0.05 + 0.0)) / 6.0;
        assert!((errors(&equal_width(&events, 10)).unwrap()[0] - wanted).abs() < 1e-12);
        assert!((errors(&equal_width(&[(0.75, true), (0.25, true)], 1)).unwrap()[0] - 0.5).abs() < 1e-12);
        assert_eq!(errors(&equal_width(&[], 10)), None);
    }

    #[test]
    fn edges_belong_to_the_bin_below() {
        for bins in [1, 3, 10, 15, 20, 100] {
            for i in 1..=bins {
                assert_eq!(bin_of(i as f64 / bins as f64, bins), i - 1, "{i} of {bins}");
                assert_eq!(bin_of((i as f64 / bins as f64).next_up(), bins), i.min(bins - 1), "above {i} of {bins}");
            }
            assert_eq!(bin_of(0.0, bins), 0);
        }
    }

    #[test]
    fn equal_confidences_stay_in_one_bin() {
        let events = [(0.5, true), (0.9, false), (0.9, true), (0.9, true), (0.9, true), (1.0, true)];
        let mut reversed = events;
        reversed.reverse();
        for bins in 1..8 {
            let made = equal_mass(&events, bins);
            assert_eq!(made, equal_mass(&reversed, bins), "{bins}");
            assert_eq!(made.iter().map(|bin| bin.count).sum::<usize>(), 6);
            assert!(made.iter().filter(|bin| bin.low <= 0.9 && bin.high >= 0.9).count() == 1, "{made:?}");
        }
        assert_eq!(equal_mass(&events, 3).iter().map(|b| b.count).collect::<Vec<_>>(), [5, 1]);
        assert_eq!((equal_mass(&[], 3).len(), errors(&equal_width(&[], 3))), (0, None));
    }
}
