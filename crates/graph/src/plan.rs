//! A static plan of the memory of a run: which results lie where, so that results that are not needed at one time share their place.

use crate::graph::{Graph, Origin, ValueId};
use std::collections::HashMap;

/// Results start at multiples of this, for the widest vectors.
const ALIGNMENT: usize = 64;

/// Where a result lies in the arena, and while which nodes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The first byte.
    pub offset: usize,
    /// How many bytes.
    pub bytes: usize,
    /// The node that computes it.
    pub first: usize,
    /// The last node that needs it; one past the nodes for an output.
    pub last: usize,
}

/// Places in one arena for all results of a run.
#[derive(Clone, Debug, Default)]
pub struct MemoryPlan {
    /// Where each result lies.
    pub regions: HashMap<ValueId, Region>,
    /// Bytes of the arena.
    pub arena: usize,
}

impl MemoryPlan {
    /// The plan of `graph` for a batch of this many samples. Parameters, constants and inputs are not in the arena. A view keeps what it shows alive. Of larger
    /// results first, each is put into the smallest gap between those that are needed at the same time (Pisarchyk and Lee, 2020, greedy by size).
    pub fn of(graph: &Graph, batch: usize) -> MemoryPlan {
        let lifetimes = lifetimes(graph);
        let mut results: Vec<(ValueId, usize, [usize; 2])> = lifetimes
            .into_iter()
            .map(|(id, needed)| {
                let spec = graph.value(id).spec_at(batch);
                let bytes = spec.shape.numel() * spec.dtype.size();
                (id, bytes.next_multiple_of(ALIGNMENT), needed)
            })
            .collect();
        results.sort_by_key(|&(id, bytes, [first, _])| (std::cmp::Reverse(bytes), first, id));
        let mut plan = MemoryPlan::default();
        for (id, bytes, [first, last]) in results {
            let overlaps = |r: &&Region| r.first <= last && first <= r.last;
            let mut taken: Vec<(usize, usize)> =
                plan.regions.values().filter(overlaps).map(|r| (r.offset, r.offset + r.bytes)).collect();
            taken.sort_unstable();
            let offset = smallest_gap(&taken, bytes);
            plan.arena = plan.arena.max(offset + bytes);
            plan.regions.insert(id, Region { offset, bytes, first, last });
        }
        plan
    }
}

/// The start of the smallest gap of at least `bytes` between the ranges `taken`, which are sorted by their start; their end if there is none.
fn smallest_gap(taken: &[(usize, usize)], bytes: usize) -> usize {
    let (mut best, mut end) = (None, 0);
    for &(start, stop) in taken {
        if let Some(gap) = start.checked_sub(end)
            && gap >= bytes
            && best.is_none_or(|(size, _)| gap < size)
        {
            best = Some((gap, end));
        }
        end = end.max(stop);
    }
    best.map_or(end, |(_, offset)| offset)
}

/// The first and the last node that need each result.
fn lifetimes(graph: &Graph) -> HashMap<ValueId, [usize; 2]> {
    let mut needed: HashMap<ValueId, [usize; 2]> = HashMap::new();
    for (i, node) in graph.nodes.iter().enumerate() {
        for id in &node.inputs {
            if let Some(range) = needed.get_mut(id) {
                range[1] = i;
            }
        }
        needed.extend(node.outputs.iter().map(|&id| (id, [i, i])));
    }
    for id in graph.outputs.iter().filter(|&&id| graph.value(id).origin == Origin::Result) {
        if let Some(range) = needed.get_mut(id) {
            range[1] = graph.nodes.len();
        }
    }
    for node in graph.nodes.iter().rev().filter(|node| node.op.is_view()) {
        let last = needed.get(&node.outputs[0]).map_or(0, |range| range[1]);
        if let Some(shown) = needed.get_mut(&node.inputs[0]) {
            shown[1] = shown[1].max(last);
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_gap_that_fits_is_taken() {
        assert_eq!(smallest_gap(&[], 64), 0);
        assert_eq!(smallest_gap(&[(0, 64)], 64), 64);
        assert_eq!(smallest_gap(&[(64, 128), (320, 384)], 64), 0);
        assert_eq!(smallest_gap(&[(0, 64), (256, 320), (384, 448)], 64), 320);
        assert_eq!(smallest_gap(&[(0, 64), (100, 320)], 64), 320);
        assert_eq!(smallest_gap(&[(0, 320), (64, 128)], 64), 320);
    }
}
