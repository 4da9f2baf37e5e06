//! Parts of the images, drawn by a seed: what is fitted on the others is measured on one.

use crate::answers::Answers;
use striate_tensor::Generator;

/// Tells these draws from others of the same seed.
const FOLDS: u64 = u64::from_le_bytes(*b"reportfo");

/// The numbers below `n` in `folds` parts, each in ascending order, whose sizes differ by one at most. They depend on `n`, `folds` and `seed` alone.
pub(crate) fn folds(n: usize, folds: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut all: Vec<usize> = (0..n).collect();
    let rng = &mut Generator::keyed([seed, FOLDS, n as u64, folds as u64]);
    let shuffled = rng.partial_shuffle(&mut all, n);
    let mut parts = vec![Vec::new(); folds];
    for (i, &index) in shuffled.iter().enumerate() {
        parts[i % folds].push(index);
    }
    parts.iter_mut().for_each(|part| part.sort_unstable());
    parts
}

/// All but part `left_out`.
pub(crate) fn others(parts: &[Vec<usize>], left_out: usize) -> Vec<usize> {
    let mut others: Vec<usize> =
        parts.iter().enumerate().filter(|(i, _)| *i != left_out).flat_map(|(_, part)| part.iter().copied()).collect();
    others.sort_unstable();
    others
}

/// The images whose logits are all finite: nothing can be said of others.
pub(crate) fn finite(answers: &Answers) -> Vec<usize> {
    (0..answers.len()).filter(|&i| answers.row(i).iter().all(|x| x.is_finite())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_even_and_depend_on_the_seed_alone() {
        let parts = folds(11, 3, 5);
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 3]);
        let mut all = [&parts[0][..], &others(&parts, 0)].concat();
        all.sort_unstable();
        assert_eq!(all, (0..11).collect::<Vec<_>>());
        assert_eq!(parts, folds(11, 3, 5));
        assert_ne!(parts, folds(11, 3, 6));
        assert_eq!(folds(0, 2, 0), vec![Vec::<usize>::new(); 2]);
    }
}
