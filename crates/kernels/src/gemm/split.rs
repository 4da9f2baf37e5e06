//! Long sums, split into parts that tasks add up by themselves.

use crate::threads;

/// How long sums are split: `parts` ranges of `depth` terms each, so that a small product gives work to many threads.
///
/// `tasks` is how many parts the product has without that; `block` is what the ranges are a multiple of.
pub(super) fn split_depth(k: usize, tasks: usize, block: usize) -> (usize, usize) {
    const WANTED: usize = 16;
    let parts = (WANTED / tasks.max(1)).min(k / (2 * block)).max(1);
    let depth = k.div_ceil(parts).next_multiple_of(block);
    (k.div_ceil(depth).max(1), depth)
}

/// Adds up partial products, the first to the last, into `c`.
pub(super) fn add_partials(partials: &[f32], c: &mut [f32], accumulate: bool) {
    let len = c.len();
    threads::parallel_chunks(c, 8192, |i, c| {
        if !accumulate {
            c.fill(0.0);
        }
        for partial in partials.chunks_exact(len) {
            for (c, p) in c.iter_mut().zip(&partial[i * 8192..]) {
                *c += p;
            }
        }
    });
}
