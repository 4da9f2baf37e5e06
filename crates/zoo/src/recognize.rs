//! Which network a file of weights is for, by the names and shapes of its tensors.

use crate::{ARCHITECTURES, Architecture};
use std::collections::BTreeMap;
use striate_nn::{Classifier, Entry, Module};
use striate_tensor::Generator;

/// How much of a network is in a file of weights.
#[derive(Clone, Copy, Debug)]
pub struct Resemblance {
    /// The network.
    pub architecture: &'static Architecture,
    /// Tensors of the network, without its head, that the file has under their names and in their shapes.
    pub found: usize,
    /// Tensors of the network without its head.
    pub of: usize,
    /// Tensors of the file that are none of the network's.
    pub strange: usize,
}

impl Resemblance {
    /// Whether the file holds all of the network but perhaps for its head.
    pub fn is_complete(&self) -> bool {
        self.found == self.of
    }

    /// What both have as a share of what either has.
    fn share(&self) -> f64 {
        self.found as f64 / (self.of + self.strange).max(1) as f64
    }
}

/// The network of this crate that has the most in common with tensors of these names and shapes; none if no other than trivial ones have
/// anything. Heads do not count, for they depend on the classes, nor do counters of batches, which old files lack.
pub fn nearest(shapes: &BTreeMap<String, Vec<usize>>) -> Option<Resemblance> {
    let mut nearest: Option<Resemblance> = None;
    for architecture in ARCHITECTURES {
        let r = compare(architecture, shapes);
        if r.found > 0 && nearest.is_none_or(|n| r.share() > n.share()) {
            nearest = Some(r);
            if r.share() == 1.0 {
                break;
            }
        }
    }
    nearest
}

fn compare(architecture: &'static Architecture, shapes: &BTreeMap<String, Vec<usize>>) -> Resemblance {
    let network = architecture.build(1, &mut Generator::blank());
    let head = format!("{}.", network.head_name());
    let counts = |name: &str| !name.starts_with(&head) && !name.ends_with("num_batches_tracked");
    let (mut found, mut of) = (0, 0);
    network.visit("", &mut |name, entry| {
        if counts(name) {
            of += 1;
            let same = |shape: &[usize]| shapes.get(name).is_some_and(|s| s == shape);
            found += usize::from(match entry {
                Entry::Parameter(p) => same(p.value().shape()),
                Entry::Buffer(b) => same(b.value().shape()),
            });
        }
    });
    let strange = shapes.keys().filter(|name| counts(name)).count() - found;
    Resemblance { architecture, found, of, strange }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find;

    fn shapes(name: &str, classes: usize) -> BTreeMap<String, Vec<usize>> {
        let network = find(name).unwrap().build(classes, &mut Generator::blank());
        network.named_parameters().into_iter().map(|(name, p)| (name, p.value().shape().to_vec())).collect()
    }

    #[test]
    fn networks_are_told_by_their_tensors_alone() {
        for name in ["resnet34", "efficientnet-lite0", "mobilenet-v3-small", "squeezenet1-1", "mnist-net"] {
            assert_eq!(nearest(&shapes(name, 7)).unwrap().architecture.name, name);
        }
        assert!(nearest(&shapes("mnist-net", 3)).unwrap().is_complete());
    }

    #[test]
    fn a_part_of_a_network_resembles_it() {
        let mut some = shapes("resnet18", 1000);
        some.retain(|name, _| !name.starts_with("layer1."));
        some.insert("conv1.weight".into(), vec![64, 1, 7, 7]);
        let found = nearest(&some).unwrap();
        assert_eq!((found.architecture.name, found.is_complete()), ("resnet18", false));
        assert!(nearest(&BTreeMap::from([("a".into(), vec![1])])).is_none());
    }
}
