//! Intervals of metrics that have no formula for one: resampled images, many metrics at once.

use striate_train::bootstrap_intervals;

/// How often images are resampled where that is cheap.
pub const ROUNDS: usize = 1000;
/// The fewest rounds where it is not.
const FEWEST: usize = 200;
/// About how many operations all rounds together may take.
const BUDGET: usize = 4_000_000_000;

/// How many rounds there are where each takes about this many operations.
pub fn rounds(operations: usize) -> usize {
    (BUDGET / operations.max(1)).clamp(FEWEST, ROUNDS)
}

/// 95 % confidence intervals of `count` statistics of `n` samples by [`bootstrap_intervals`]. `statistics` gets how often each sample was drawn.
pub fn intervals(
    n: usize,
    rounds: usize,
    seed: u64,
    count: usize,
    statistics: impl Fn(&[u32]) -> Vec<f64> + Sync,
) -> Vec<Option<[f64; 2]>> {
    bootstrap_intervals(n, rounds, seed, count, |drawn| {
        let mut times = vec![0u32; n];
        drawn.iter().for_each(|&i| times[i] += 1);
        statistics(&times)
    })
}

/// Samples in the order of a score, for the ROC-AUC and the average precision of any resample of them.
pub struct Ranked {
    /// Samples, the highest score first, of each step its positives before its negatives.
    order: Vec<u32>,
    steps: Vec<Step>,
}

/// Samples of one score, or of several that follow each other and have no positives.
struct Step {
    /// Where its negatives begin.
    negatives: u32,
    /// Where the next step begins.
    end: u32,
}

impl Ranked {
    /// From each sample's score and whether it is positive; none if a score is NaN.
    pub fn of(samples: impl IntoIterator<Item = (f32, bool)>) -> Option<Ranked> {
        let samples: Vec<(f32, bool)> = samples.into_iter().collect();
        if samples.iter().any(|(score, _)| score.is_nan()) {
            return None;
        }
        let mut by_score: Vec<u32> = (0..samples.len() as u32).collect();
        let score = |i: &u32| samples[*i as usize].0;
        by_score.sort_by(|a, b| score(b).total_cmp(&score(a)));
        let mut order = Vec::with_capacity(samples.len());
        let (mut steps, mut has_positives) = (Vec::<Step>::new(), true);
        // -0 and 0 are one score.
        for same in by_score.chunk_by(|a, b| score(a) == score(b)) {
            let (positives, negatives): (Vec<u32>, Vec<u32>) = same.iter().partition(|i| samples[**i as usize].1);
            let begin = order.len() as u32;
            order.extend(positives.iter().chain(&negatives));
            let step = Step { negatives: begin + positives.len() as u32, end: order.len() as u32 };
            let had_positives = std::mem::replace(&mut has_positives, !positives.is_empty());
            match steps.last_mut() {
                Some(last) if !had_positives && !has_positives => last.end = step.end,
                _ => steps.push(step),
            }
        }
        Some(Ranked { order, steps })
    }

    /// The ROC-AUC and the average precision, with each sample as often as `times` says: those of [`striate_train::Ranking`]. NaN where they are not defined.
    pub fn areas(&self, times: &[u32]) -> [f64; 2] {
        let drawn = |samples: &[u32]| samples.iter().map(|&sample| u64::from(times[sample as usize])).sum::<u64>();
        let (mut found, mut wrong, mut pairs, mut precision) = (0u64, 0u64, 0u64, 0.0);
        let mut begin = 0;
        for step in &self.steps {
            let (middle, end) = (step.negatives as usize, step.end as usize);
            let (positives, negatives) = (drawn(&self.order[begin..middle]), drawn(&self.order[middle..end]));
            pairs += negatives * (2 * found + positives);
            (found, wrong) = (found + positives, wrong + negatives);
            if positives > 0 {
                precision += positives as f64 * (found as f64 / (found + wrong) as f64);
            }
            begin = end;
        }
        [pairs as f64 / (2 * found * wrong) as f64, precision / found as f64]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::Generator;
    use striate_train::Ranking;

    #[test]
    fn areas_are_those_of_the_repeated_samples() {
        let mut rng = Generator::new(3);
        for round in 0..20 {
            // Of few scores many are equal, of many there are negatives that follow each other.
            let scores = if round % 2 == 0 { 6 } else { 60 };
            let samples: Vec<(f32, bool)> =
                (0..17).map(|_| (rng.below(scores) as f32 / 6.0, rng.below(3) == 0)).collect();
            let times: Vec<u32> = (0..17).map(|_| rng.below(3) as u32).collect();
            let repeated: Vec<(f32, bool)> =
                samples.iter().zip(&times).flat_map(|(&s, &n)| std::iter::repeat_n(s, n as usize)).collect();
            let [auc, ap] = Ranked::of(samples).unwrap().areas(&times);
            let ranking = Ranking::of(repeated).unwrap();
            let same = |a: f64, b: Option<f64>| b.map_or(a.is_nan(), |b| (a - b).abs() < 1e-12);
            assert!(same(auc, ranking.roc_auc()) && same(ap, ranking.average_precision()), "{round}: {auc} {ap}");
        }
        assert!(Ranked::of([(f32::NAN, true)]).is_none());
        assert!(Ranked::of([]).unwrap().areas(&[]).iter().all(|x| x.is_nan()));
    }

    #[test]
    fn an_interval_of_a_mean_holds_it_and_does_not_depend_on_threads() {
        let mean = |times: &[u32]| {
            let sum: f64 = times.iter().enumerate().map(|(i, &n)| n as f64 * i as f64).sum();
            vec![sum / 100.0, f64::NAN]
        };
        let many = intervals(100, 500, 1, 2, mean);
        let [low, high] = many[0].unwrap();
        assert!(low > 42.0 && low < 48.0 && high > 51.0 && high < 57.0, "{low} {high}");
        assert_eq!(many[1], None);
        let one = striate_tensor::ComputeSettings { threads: Some(1), ..striate_tensor::ComputeSettings::current() };
        assert_eq!(one.scope(|| intervals(100, 500, 1, 2, mean)), many);
        assert_eq!(intervals(0, 500, 1, 1, |_| vec![0.0]), [None]);
    }

    #[test]
    fn rounds_are_fewer_where_they_are_dear() {
        assert_eq!((rounds(1000), rounds(8_000_000), rounds(usize::MAX)), (1000, 500, 200));
    }
}
