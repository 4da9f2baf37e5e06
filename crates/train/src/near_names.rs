//! Which names of a file and of a network are nearest to one another, where none is the same.

use std::collections::BTreeMap;
use striate_formats::shown;

/// Pairs that are shown.
const PAIRS: usize = 3;
/// Names of a side that are compared.
const NAMES: usize = 512;
/// Bytes of a name that are compared: its end tells most.
const LONGEST: usize = 100;

struct Name<'a> {
    name: &'a str,
    shape: &'a [usize],
    /// Its words in lower case.
    words: Vec<String>,
    /// Its sizes in order: other frameworks turn weights around.
    sizes: Vec<usize>,
}

fn names(all: &BTreeMap<String, Vec<usize>>) -> Vec<Name<'_>> {
    let all = all.iter().filter(|(name, _)| !name.ends_with("num_batches_tracked")).take(NAMES);
    all.map(|(name, shape)| {
        let from = name.len().saturating_sub(LONGEST);
        let end = name.char_indices().map(|(at, _)| at).find(|&at| at >= from).map_or("", |at| &name[at..]);
        let words = end.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase);
        let mut sizes = shape.clone();
        sizes.sort_unstable();
        Name { name, shape, words: words.map(common).collect(), sizes }
    })
    .collect()
}

/// The word that PyTorch has for what Keras and others call by another.
fn common(word: String) -> String {
    match word.as_str() {
        "kernel" | "gamma" | "scale" | "w" => "weight".to_string(),
        "beta" | "b" => "bias".to_string(),
        _ => word,
    }
}

/// How near two names are; 0 if they have nothing in common.
fn nearness(a: &Name, b: &Name) -> u32 {
    let common = a.words.iter().filter(|word| b.words.contains(word)).count() as u32;
    let words = 200 * common / (a.words.len() + b.words.len()).max(1) as u32;
    let shape = match () {
        () if a.shape == b.shape => 60,
        () if a.sizes == b.sizes => 40,
        () => 0,
    };
    if common == 0 && a.sizes.len() < 2 { 0 } else { words + shape }
}

/// The nearest names of a file, each with the network's; none if no two have anything in common.
pub(crate) fn near_names(
    file: &BTreeMap<String, Vec<usize>>,
    network: &BTreeMap<String, Vec<usize>>,
) -> Option<String> {
    let (file, network) = (names(file), names(network));
    let mut pairs: Vec<(u32, usize, usize)> = Vec::new();
    for (i, theirs) in file.iter().enumerate() {
        // The best one for each name is enough to choose from.
        let best = network
            .iter()
            .enumerate()
            .map(|(j, own)| (nearness(theirs, own), j))
            .max_by_key(|&(n, j)| (n, usize::MAX - j));
        pairs.extend(best.filter(|(nearness, _)| *nearness > 0).map(|(nearness, j)| (nearness, i, j)));
    }
    pairs.sort_by_key(|&(nearness, i, j)| (u32::MAX - nearness, i, j));
    let mut used = Vec::new();
    pairs.retain(|&(_, _, j)| {
        let first = !used.contains(&j) && used.len() < PAIRS;
        if first {
            used.push(j);
        }
        first
    });
    let pair = |&(_, i, j): &(u32, usize, usize)| {
        let (theirs, own) = (&file[i], &network[j]);
        format!("{} {:?} there and {} {:?} here", shown(theirs.name), theirs.shape, shown(own.name), own.shape)
    };
    let pairs: Vec<String> = pairs.iter().map(pair).collect();
    (!pairs.is_empty()).then(|| format!("nearest are {}", pairs.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[(&str, &[usize])]) -> BTreeMap<String, Vec<usize>> {
        all.iter().map(|(name, shape)| (name.to_string(), shape.to_vec())).collect()
    }

    #[test]
    fn names_of_other_frameworks_find_theirs() {
        let network = names(&[
            ("conv1.weight", &[6, 1, 5, 5]),
            ("conv1.bias", &[6]),
            ("fc1.weight", &[120, 400]),
            ("bn.num_batches_tracked", &[]),
        ]);
        for (theirs, pair) in [
            (
                ("conv1/kernel:0", &[5, 5, 1, 6][..]),
                "conv1/kernel:0 [5, 5, 1, 6] there and conv1.weight [6, 1, 5, 5] here",
            ),
            (("dense/kernel", &[400, 120]), "dense/kernel [400, 120] there and fc1.weight [120, 400] here"),
            (("layers.conv1.bias", &[8]), "layers.conv1.bias [8] there and conv1.bias [6] here"),
            (("conv1.weight", &[7, 1, 5, 5]), "conv1.weight [7, 1, 5, 5] there and conv1.weight [6, 1, 5, 5] here"),
        ] {
            let line = near_names(&names(&[theirs]), &network).unwrap();
            assert_eq!(line, format!("nearest are {pair}"));
        }
        assert_eq!(near_names(&names(&[("x", &[3]), ("y.z", &[])]), &network), None);
        assert_eq!(near_names(&names(&[]), &network), None);
    }

    #[test]
    fn each_name_of_the_network_is_shown_once_and_few_are() {
        let network = names(&[("a.weight", &[2, 2]), ("b.weight", &[3, 3])]);
        let many: BTreeMap<String, Vec<usize>> =
            (0..2000).map(|i| (format!("{}x{i}.a.weight", "é".repeat(300)), vec![2, 2])).collect();
        let line = near_names(&many, &network).unwrap();
        assert_eq!(line.matches(" there and a.weight").count(), 1, "{line}");
        assert!(line.chars().count() < 400, "{line}");
    }
}
