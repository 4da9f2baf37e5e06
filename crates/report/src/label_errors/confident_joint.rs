//! The joint distribution of given labels and actual classes, as cleanlab 2.9 estimates it.

use super::{CLOSE, LabelledProbabilities};

/// For each class the mean of its probability over the images that are labelled with it; none without images.
pub fn thresholds(given: &LabelledProbabilities, members: &[Vec<usize>]) -> Vec<Option<f64>> {
    let mean = |(class, members): (usize, &Vec<usize>)| {
        let sum: f64 = members.iter().map(|&i| given.row(i)[class]).sum();
        (!members.is_empty()).then(|| (sum / members.len() as f64).max(2.0 * CLOSE))
    };
    members.iter().enumerate().map(mean).collect()
}

/// How many images of each label (row) are surely of each class (column): above its threshold, and of several such the likeliest class of all. At least one of each
/// class is right.
pub fn confident_counts(given: &LabelledProbabilities, thresholds: &[Option<f64>]) -> Vec<Vec<usize>> {
    let classes = thresholds.len();
    let mut counts = vec![vec![0; classes]; classes];
    for (i, &label) in given.labels.iter().enumerate() {
        let row = given.row(i);
        let mut sure = (0..classes).filter(|&c| thresholds[c].is_some_and(|t| row[c] >= t - CLOSE));
        let guess = match (sure.next(), sure.next()) {
            (None, _) => continue,
            (Some(only), None) => only,
            (Some(_), Some(_)) => (0..classes).fold(0, |best, c| if row[c] > row[best] { c } else { best }),
        };
        counts[label][guess] += 1;
    }
    (0..classes).for_each(|c| counts[c][c] = counts[c][c].max(1));
    counts
}

/// The counts scaled so that each label has as many images as it has.
pub fn calibrated(counts: &[Vec<usize>], images: &[usize]) -> Vec<Vec<usize>> {
    let scaled = counts.iter().zip(images).map(|(row, &n)| {
        let sum: usize = row.iter().sum();
        row.iter().map(|&count| count as f64 / sum as f64 * n as f64).collect::<Vec<f64>>()
    });
    let scaled: Vec<Vec<f64>> = scaled.collect();
    let (sum, all) = (scaled.iter().flatten().sum::<f64>(), images.iter().sum::<usize>() as f64);
    let whole = |row: &Vec<f64>| rounded(&row.iter().map(|x| x / sum.max(1e-100) * all).collect::<Vec<_>>());
    scaled.iter().map(whole).collect()
}

/// Rounds numbers so that their sum stays the same: those whose fractions are largest, or smallest, give way.
fn rounded(numbers: &[f64]) -> Vec<usize> {
    let mut whole: Vec<f64> = numbers.iter().map(|x| x.round_ties_even()).collect();
    let wanted = numbers.iter().sum::<f64>().round_ties_even();
    loop {
        let missing = wanted - whole.iter().sum::<f64>();
        if missing.abs() <= CLOSE || numbers.is_empty() {
            break;
        }
        let mut order: Vec<usize> = (0..numbers.len()).collect();
        order.sort_by(|&a, &b| (numbers[a] - whole[a]).total_cmp(&(numbers[b] - whole[b])));
        if missing > 0.0 {
            order.reverse();
        }
        let step = missing.signum();
        order.iter().take(missing.abs() as usize).for_each(|&i| whole[i] += step);
    }
    whole.into_iter().map(|x| x.max(0.0) as usize).collect()
}

/// How many images of each actual class (row) and label (column) are to be pruned; on the diagonal those that stay, at least one of each label.
pub fn prune_counts(joint: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let classes = joint.len();
    let mut counts = vec![vec![0; classes]; classes];
    for label in 0..classes {
        let right = joint[label][label].max(1);
        let raised = (right - joint[label][label]) as f64;
        // What the diagonal gains, the others lose evenly. A diagonal of 0 counts as one of them in cleanlab, too.
        let others = joint[label].iter().filter(|&&n| n > 0).count() as f64 - 1.0;
        for actual in 0..classes {
            let kept = (joint[label][actual] as f64 - raised / others.max(1.0)).max(0.0);
            counts[actual][label] = if actual == label { right } else { kept as usize };
        }
    }
    counts
}
