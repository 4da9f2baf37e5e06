//! Which network a file of weights is for, by the names and shapes of its tensors.

use crate::registry::{ARCHITECTURES, Architecture};
use std::collections::BTreeMap;
use striate_nn::{Classifier, Entry, Module, StateNames};
use striate_tensor::Generator;

/// How much of a network is in a file of weights.
#[derive(Clone, Debug)]
pub struct Resemblance {
    /// The network.
    pub architecture: &'static Architecture,
    /// What stands before the network's own names in the file, with its dot: `model.`; mostly nothing.
    pub prefix: String,
    /// Tensors of the network, without its head, that the file has under their names and in their shapes.
    pub found: usize,
    /// Tensors of the network without its head.
    pub of: usize,
    /// Tensors of the file, of those with the prefix, that are none of the network's.
    pub strange: usize,
}

impl Resemblance {
    /// Whether the file holds all of the network but perhaps for its head.
    pub fn is_complete(&self) -> bool {
        self.found == self.of
    }

    /// Whether the file holds most of the network.
    pub fn is_most(&self) -> bool {
        2 * self.found > self.of
    }

    /// What both have as a fraction of what either has.
    fn fraction(&self) -> f64 {
        self.found as f64 / (self.of + self.strange).max(1) as f64
    }
}

/// The network of this crate that has the most in common with tensors of these names and shapes, which may all begin with a prefix; none if no
/// other than trivial ones have anything. Heads do not count, for they depend on the classes, nor do counters of batches, which old files
/// lack.
pub fn nearest(shapes: &BTreeMap<String, Vec<usize>>) -> Option<Resemblance> {
    let names = StateNames::new(shapes.iter().map(|(name, shape)| (name.as_str(), Some(&shape[..]))));
    let mut nearest: Option<Resemblance> = None;
    for architecture in ARCHITECTURES {
        let Some(r) = compare(architecture, &names, shapes) else { continue };
        if nearest.as_ref().is_none_or(|n| r.fraction() > n.fraction()) {
            let all = r.fraction() == 1.0;
            nearest = Some(r);
            if all {
                break;
            }
        }
    }
    nearest
}

fn compare(
    architecture: &'static Architecture,
    names: &StateNames,
    shapes: &BTreeMap<String, Vec<usize>>,
) -> Option<Resemblance> {
    let network = architecture.build(1, &mut Generator::blank());
    let head = format!("{}.", network.head_name());
    let counts = |name: &str| !name.starts_with(&head) && !name.ends_with("num_batches_tracked");
    let mut own: Vec<(String, Vec<usize>)> = Vec::new();
    network.visit("", &mut |name, entry| {
        if counts(name) {
            let shape = match entry {
                Entry::Parameter(p) => p.value().shape().to_vec(),
                Entry::Buffer(b) => b.value().shape().to_vec(),
                Entry::Layer(_) => return,
            };
            own.push((name.to_string(), shape));
        }
    });
    let overlap = names.overlaps(own.iter().map(|(name, shape)| (name.as_str(), &shape[..]))).into_iter().next()?;
    if overlap.found == 0 {
        return None;
    }
    let under = shapes.keys().filter_map(|name| name.strip_prefix(&overlap.prefix));
    let strange = under.filter(|name| counts(name)).count() - overlap.found;
    Some(Resemblance { architecture, prefix: overlap.prefix, found: overlap.found, of: overlap.of, strange })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::find;

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
    fn a_prefix_hides_no_network() {
        for prefix in ["model.", "backbone.", "state_dict.module."] {
            let mut all: BTreeMap<String, Vec<usize>> =
                shapes("resnet18", 7).into_iter().map(|(name, shape)| (format!("{prefix}{name}"), shape)).collect();
            all.insert("loss.weight".into(), vec![3]);
            let found = nearest(&all).unwrap();
            assert_eq!((found.architecture.name, found.prefix.as_str()), ("resnet18", prefix));
            assert!(found.is_most());
        }
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
