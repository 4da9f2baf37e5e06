//! Whether a gap between groups is more than chance: the groups of the images are shuffled, and the gap is measured again.

use striate_tensor::Generator;

/// Tells these draws from others of the same seed.
const PERMUTATION: u64 = u64::from_le_bytes(*b"groupgap");

/// A gap counts as large as the one that was measured if it is, but for rounding.
const ROUNDING: f64 = 1e-12;

/// The largest difference between groups, and between which.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Widest {
    pub difference: f64,
    pub lowest: usize,
    pub highest: usize,
    /// How many groups count.
    pub compared: usize,
}

/// The largest difference of the numbers of groups; groups without one are left out. None of fewer than two.
pub(super) fn widest(values: &[Option<f64>]) -> Option<Widest> {
    let known = || values.iter().enumerate().filter_map(|(group, value)| value.map(|x| (group, x)));
    let lowest = known().reduce(|best, other| if other.1 < best.1 { other } else { best })?;
    let highest = known().reduce(|best, other| if other.1 > best.1 { other } else { best })?;
    let compared = known().count();
    (compared > 1).then_some(Widest {
        difference: highest.1 - lowest.1,
        lowest: lowest.0,
        highest: highest.0,
        compared,
    })
}

/// How shuffles are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shuffles {
    pub rounds: usize,
    pub seed: u64,
    /// Tells a test from others.
    pub test: u64,
}

impl Shuffles {
    fn generator(self, round: usize) -> Generator {
        Generator::keyed([self.seed, PERMUTATION, self.test, round as u64])
    }

    /// The fraction of shuffles whose gap is as large as the one that was measured, itself among them: (1 + as large) / (1 + rounds) (Phipson and Smyth,
    /// "Permutation P-values Should Never Be Zero", 2010).
    fn p_value(self, measured: f64, mut gap: impl FnMut(usize) -> Option<f64>) -> f64 {
        let as_large = (0..self.rounds).filter(|&round| gap(round).is_some_and(|gap| gap >= measured - ROUNDING));
        (1 + as_large.count()) as f64 / (1 + self.rounds) as f64
    }
}

/// In each group, of how many images how many are of a kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates {
    pub of: Vec<usize>,
    pub positive: Vec<usize>,
    /// Groups of fewer images are left out.
    pub least: usize,
}

impl Rates {
    pub fn new(groups: usize, least: usize) -> Rates {
        Rates { of: vec![0; groups], positive: vec![0; groups], least: least.max(1) }
    }

    pub fn add(&mut self, group: usize, positive: bool) {
        self.of[group] += 1;
        self.positive[group] += usize::from(positive);
    }

    fn rates(&self, positive: &[usize]) -> Vec<Option<f64>> {
        let rate = |(&of, &positive): (&usize, &usize)| (of >= self.least).then(|| positive as f64 / of as f64);
        self.of.iter().zip(positive).map(rate).collect()
    }

    pub fn widest(&self) -> Option<Widest> {
        widest(&self.rates(&self.positive))
    }

    /// How likely a gap this large is if the kind of an image has nothing to do with its group. Images of groups that are left out take no part.
    pub fn p_value(&self, measured: f64, shuffles: Shuffles) -> f64 {
        let counted = |group: &usize| self.of[*group] >= self.least;
        let sum = |of: &[usize]| (0..of.len()).filter(counted).map(|group| of[group]).sum::<usize>();
        let (all, positive) = (sum(&self.of), sum(&self.positive));
        let mut groups: Vec<u32> = Vec::with_capacity(all);
        for group in (0..self.of.len()).filter(counted) {
            groups.extend(std::iter::repeat_n(group as u32, self.of[group]));
        }
        // It is enough to draw the images of the rarer kind.
        let (drawn, rare) = if 2 * positive <= all { (positive, true) } else { (all - positive, false) };
        shuffles.p_value(measured, |round| {
            let mut counts = vec![0; self.of.len()];
            let chosen = shuffles.generator(round).partial_shuffle(&mut groups, drawn);
            chosen.iter().for_each(|&group| counts[group as usize] += 1);
            if !rare {
                counts.iter_mut().zip(&self.of).for_each(|(count, of)| *count = of.saturating_sub(*count));
            }
            widest(&self.rates(&counts)).map(|widest| widest.difference)
        })
    }
}

/// How likely a gap this large of any statistic is if it has nothing to do with the groups. `groups` has the numbers of the images of each.
pub(super) fn p_value(
    groups: &[Vec<usize>],
    measured: f64,
    shuffles: Shuffles,
    statistic: impl Fn(&[usize]) -> Option<f64>,
) -> f64 {
    let mut images = groups.concat();
    shuffles.p_value(measured, |round| {
        let n = images.len();
        let mut rest = &*shuffles.generator(round).partial_shuffle(&mut images, n);
        let values = groups.iter().map(|group| {
            let (own, others) = rest.split_at(group.len());
            rest = others;
            statistic(own)
        });
        let values: Vec<Option<f64>> = values.collect();
        widest(&values).map(|widest| widest.difference)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHUFFLES: Shuffles = Shuffles { rounds: 4000, seed: 1, test: 0 };

    #[test]
    fn the_largest_difference_is_found() {
        let gap = widest(&[Some(0.5), None, Some(0.25), Some(0.75)]).unwrap();
        assert_eq!((gap.difference, gap.lowest, gap.highest, gap.compared), (0.5, 2, 3, 3));
        assert_eq!(widest(&[Some(1.0), None]), None);
        assert_eq!(widest(&[]), None);
    }

    #[test]
    fn p_values_are_those_of_fishers_exact_test() {
        // Of 8 images 4 are in each group; 4 and 1 are right. The gap is 0.75 or more in (1·4 + 4·1) / C(8, 5) of the divisions.
        let mut rates = Rates::new(2, 1);
        for (group, right) in [(0, 4), (1, 1)] {
            (0..4).for_each(|i| rates.add(group, i < right));
        }
        let gap = rates.widest().unwrap().difference;
        let exact = 8.0 / 56.0;
        assert!((rates.p_value(gap, SHUFFLES) - exact).abs() < 0.02);
        let right = [true, true, true, true, true, false, false, false];
        let rate = |of: &[usize]| Some(of.iter().filter(|&&i| right[i]).count() as f64 / of.len() as f64);
        let groups = [vec![0, 1, 2, 3], vec![4, 5, 6, 7]];
        assert!((p_value(&groups, gap, SHUFFLES, rate) - exact).abs() < 0.02);
        assert_eq!(rates.p_value(gap, SHUFFLES), rates.p_value(gap, SHUFFLES));
    }

    #[test]
    fn no_gap_is_always_chance_and_the_least_p_is_not_zero() {
        let mut rates = Rates::new(2, 1);
        (0..10).for_each(|i| rates.add(i % 2, i < 4));
        assert_eq!(rates.p_value(0.0, SHUFFLES), 1.0);
        let mut apart = Rates::new(2, 1);
        (0..200).for_each(|i| apart.add(i % 2, i % 2 == 0));
        assert_eq!(apart.p_value(1.0, SHUFFLES), 1.0 / 4001.0);
    }

    #[test]
    fn small_groups_take_no_part() {
        let mut rates = Rates::new(3, 5);
        (0..40).for_each(|i| rates.add(i % 2, i < 20));
        rates.add(2, false);
        let gap = rates.widest().unwrap();
        assert_eq!((gap.compared, gap.difference), (2, 0.0));
    }
}
