//! Which known word a wrong one was meant to be.

/// The candidate that `word` is most likely a slip of.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const CONTAINED: usize = 3;
    let distance = |c: &str| {
        let (short, long) = if c.len() < word.len() { (c, word) } else { (word, c) };
        // `bias` for nobias, `kernel_size` for kernel.
        if short.len() >= CONTAINED && long.contains(short) { 1 } else { strsim::osa_distance(word, c) }
    };
    let limit = word.chars().count().div_ceil(3);
    candidates
        .into_iter()
        .map(|c| (distance(c), c))
        .filter(|&(d, _)| d <= limit)
        .min_by_key(|&(d, _)| d)
        .map(|(_, c)| c)
}
