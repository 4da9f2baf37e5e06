//! A split for lists that have none.

use super::list::{ImageList, Split};
use super::survey::Groups;
use std::collections::BTreeMap;
use striate_tensor::Generator;

/// Tells random numbers of splits from others under the same seed.
const STREAM: u64 = 0x7370_6c69;

/// Gives about the share `val` of each class to the validation split and the rest to training. Entries of one of the `alike` groups, and
/// those whose list gives them the same group, stay on one side. A class keeps at least one image to learn from.
pub fn split(list: &mut ImageList, alike: &[Vec<usize>], val: f64, seed: u64) {
    let mut groups = Groups::new(list.entries.len());
    for group in alike {
        group.windows(2).for_each(|w| groups.join(w[0], w[1]));
    }
    let mut named = BTreeMap::<&str, usize>::new();
    for (i, entry) in list.entries.iter().enumerate() {
        if let Some(group) = &entry.group {
            groups.join(*named.entry(group).or_insert(i), i);
        }
    }
    let mut units = groups.all();
    let rng = &mut Generator::keyed([seed, STREAM, 0, 0]);
    for i in (1..units.len()).rev() {
        units.swap(i, rng.below(i as u64 + 1) as usize);
    }
    let mut counts = vec![0usize; list.classes.len()];
    list.entries.iter().for_each(|e| counts[e.label] += 1);
    let wanted: Vec<usize> =
        counts.iter().map(|&n| ((n as f64 * val).round() as usize).min(n.saturating_sub(1))).collect();
    let mut taken = vec![0usize; list.classes.len()];
    list.entries.iter_mut().for_each(|e| e.split = Some(Split::Train));
    for unit in units {
        let mut of_unit = vec![0usize; list.classes.len()];
        unit.iter().for_each(|&i| of_unit[list.entries[i].label] += 1);
        if (0..counts.len()).all(|c| taken[c] + of_unit[c] <= wanted[c] || of_unit[c] == 0) {
            (0..counts.len()).for_each(|c| taken[c] += of_unit[c]);
            unit.iter().for_each(|&i| list.entries[i].split = Some(Split::Val));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::{Entry, Source};
    use super::*;

    fn list(counts: &[usize]) -> ImageList {
        let entry = |label: usize, i: usize| {
            let name = format!("{label}/{i}.png");
            Entry { source: Source::File(name.clone().into()), name, label, split: None, group: None }
        };
        let entries = counts.iter().enumerate().flat_map(|(l, &n)| (0..n).map(move |i| entry(l, i))).collect();
        ImageList { classes: (0..counts.len()).map(|c| c.to_string()).collect(), entries, ..ImageList::default() }
    }

    fn val(list: &ImageList, label: usize) -> usize {
        list.entries.iter().filter(|e| e.label == label && e.split == Some(Split::Val)).count()
    }

    #[test]
    fn each_class_gives_its_share() {
        let mut all = list(&[100, 10, 1, 2]);
        split(&mut all, &[], 0.2, 3);
        assert_eq!((0..4).map(|c| val(&all, c)).collect::<Vec<_>>(), [20, 2, 0, 0]);
        let mut again = list(&[100, 10, 1, 2]);
        split(&mut again, &[], 0.2, 3);
        assert_eq!(all.entries, again.entries);
        split(&mut again, &[], 0.2, 4);
        assert_ne!(all.entries, again.entries);
    }

    #[test]
    fn what_belongs_together_stays_together() {
        for seed in 0..20 {
            let mut all = list(&[30, 30]);
            for i in 0..6 {
                all.entries[i * 5].group = Some("one patient".into());
            }
            let alike = [vec![1, 2, 40], vec![3, 4]];
            split(&mut all, &alike, 0.3, seed);
            let side = |i: usize| all.entries[i].split;
            assert!(side(1) == side(2) && side(2) == side(40) && side(3) == side(4), "{seed}");
            assert!((0..6).all(|i| side(i * 5) == side(0)), "{seed}");
            assert!((7..=9).contains(&val(&all, 0)) && (7..=9).contains(&val(&all, 1)), "{seed}");
        }
    }
}
