//! How much of a network a state dict has, and under which prefix of its names.

use std::collections::HashMap;

/// Components of a name that may be a prefix.
const DEPTH: usize = 8;
/// Prefixes under which programs keep the weights themselves, where others are averages or moments of them.
const USUAL: [&str; 9] =
    ["model", "module", "net", "network", "state_dict", "model_state_dict", "params", "weights", "_forward_module"];
/// How components begin under which optimizers keep what is as large as the weights.
const STATE: [&str; 5] = ["optim", "exp_avg", "momentum", "square_avg", "max_exp_avg"];

/// What a state dict has of a network under names that begin with a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The prefix, with its dot; empty where names are the network's own.
    pub prefix: String,
    /// Tensors of the network that are there under their names and in their shapes.
    pub found: usize,
    /// Tensors of the network that are there under their names.
    pub named: usize,
    /// Tensors of the network. Counters of batches are not among them: old files have none.
    pub of: usize,
}

impl Overlap {
    /// Whether most of the network is there, be it with another head.
    pub fn is_most(&self) -> bool {
        self.found > 0 && 2 * self.named > self.of
    }
}

/// Which prefix of a state dict's names leads to a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// This one, which may be empty; most of the network is also under the other ones.
    Is(Overlap, Vec<String>),
    /// Most of the network is under each of these, and none is the likelier one.
    Several(Vec<String>),
    /// Nothing is under the network's own names, and nowhere is most of it. The one that has the most, if any has something.
    None(Option<Overlap>),
}

/// What stands before the end of a name, and the tensor's shape if that is known.
type Before<'a> = (&'a str, Option<&'a [usize]>);

/// The names and shapes of a state dict's tensors, by what names end with.
pub struct StateNames<'a> {
    by_end: HashMap<&'a str, Vec<Before<'a>>>,
}

impl<'a> StateNames<'a> {
    /// Of tensors by name, with their shapes where these are known.
    pub fn new(tensors: impl IntoIterator<Item = (&'a str, Option<&'a [usize]>)>) -> Self {
        let mut by_end: HashMap<&str, Vec<_>> = HashMap::new();
        for (name, shape) in tensors {
            by_end.entry(name).or_default().push(("", shape));
            for (dot, _) in name.match_indices('.').take(DEPTH) {
                by_end.entry(&name[dot + 1..]).or_default().push((&name[..=dot], shape));
            }
        }
        StateNames { by_end }
    }

    /// What there is of a network with parameters and buffers of these names and shapes, under each prefix that has something: the one that
    /// has the most first.
    pub fn overlaps<'n>(&self, network: impl IntoIterator<Item = (&'n str, &'n [usize])>) -> Vec<Overlap> {
        let mut of = 0;
        let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
        for (name, shape) in network {
            if name.ends_with("num_batches_tracked") {
                continue;
            }
            of += 1;
            for (prefix, given) in self.by_end.get(name).into_iter().flatten() {
                let (found, named) = counts.entry(prefix).or_default();
                *found += usize::from(given.is_none_or(|given| given == shape));
                *named += 1;
            }
        }
        let overlap = |(prefix, (found, named)): (&str, _)| Overlap { prefix: prefix.to_string(), found, named, of };
        let mut all: Vec<Overlap> = counts.into_iter().map(overlap).collect();
        all.sort_by(|a, b| {
            let most = (b.found, b.named).cmp(&(a.found, a.named));
            most.then(a.prefix.len().cmp(&b.prefix.len())).then(a.prefix.cmp(&b.prefix))
        });
        all
    }

    /// The prefix under which the network is.
    ///
    /// Names of the network's own are taken whatever fraction of it they are; a prefix is only taken off where most of the network is under it.
    pub fn prefix<'n>(&self, network: impl IntoIterator<Item = (&'n str, &'n [usize])>) -> Prefix {
        let all = self.overlaps(network);
        let components =
            |o: &Overlap| o.prefix.split('.').filter(|c| !c.is_empty()).map(str::to_string).collect::<Vec<_>>();
        let is_state = |o: &Overlap| components(o).iter().any(|c| STATE.iter().any(|start| c.starts_with(start)));
        let own = all.iter().find(|o| o.prefix.is_empty() && o.found > 0);
        let likely: Vec<&Overlap> = all.iter().filter(|o| o.is_most() && !is_state(o)).collect();
        let Some(&best) = likely.first() else {
            return own.map_or_else(|| Prefix::None(all.first().cloned()), |own| Prefix::Is(own.clone(), Vec::new()));
        };
        let near: Vec<&Overlap> = likely.iter().copied().filter(|o| 2 * o.found >= best.found).collect();
        let usual: Vec<&Overlap> =
            near.iter().copied().filter(|o| components(o).iter().all(|c| USUAL.contains(&c.as_str()))).collect();
        let chosen = match (own.filter(|own| own.found >= best.found), &near[..], &usual[..]) {
            (Some(own), ..) => own,
            (None, [one], _) | (None, _, [one]) => one,
            _ => return Prefix::Several(near.iter().map(|o| o.prefix.clone()).collect()),
        };
        let others = near.iter().filter(|o| o.prefix != chosen.prefix).map(|o| o.prefix.clone()).collect();
        Prefix::Is(chosen.clone(), others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: [(&str, &[usize]); 5] = [
        ("conv.weight", &[4, 1, 3, 3]),
        ("conv.bias", &[4]),
        ("bn.num_batches_tracked", &[]),
        ("fc.weight", &[10, 8]),
        ("fc.bias", &[10]),
    ];

    /// The network's names under these prefixes, with a head of this many classes.
    fn under(prefixes: &[&str], classes: usize) -> Vec<(String, Vec<usize>)> {
        let tensor = |prefix: &str, name: &str, shape: &[usize]| {
            let mut shape = shape.to_vec();
            if name.starts_with("fc") {
                shape[0] = classes;
            }
            (format!("{prefix}{name}"), shape)
        };
        prefixes.iter().flat_map(|p| NETWORK.iter().map(move |(name, shape)| tensor(p, name, shape))).collect()
    }

    fn prefix(tensors: &[(String, Vec<usize>)]) -> Prefix {
        StateNames::new(tensors.iter().map(|(name, shape)| (name.as_str(), Some(&shape[..])))).prefix(NETWORK)
    }

    fn chosen(tensors: &[(String, Vec<usize>)]) -> (String, usize, Vec<String>) {
        match prefix(tensors) {
            Prefix::Is(o, others) => (o.prefix, o.found, others),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_prefix_under_which_most_is_found_is_taken() {
        for p in ["", "model.", "backbone.", "state_dict.model.", "a.b.c.d.", "_orig_mod.", "encoder.module."] {
            assert_eq!(chosen(&under(&[p], 10)), (p.to_string(), 4, vec![]), "{p}");
        }
        // A head for other classes, and parts that are none of the network's.
        let mut tensors = under(&["model."], 7);
        tensors.extend([("loss.weight".to_string(), vec![3]), ("fc.other".to_string(), vec![1])]);
        assert_eq!(chosen(&tensors), ("model.".to_string(), 2, vec![]));
        // A network's own names come first.
        let (p, found, others) = chosen(&under(&["", "ema."], 10));
        assert_eq!((p.as_str(), found, others), ("", 4, vec!["ema.".to_string()]));
    }

    #[test]
    fn several_candidates_are_named_unless_one_is_usual() {
        for pair in [["student.", "teacher."], ["encoder_k.", "encoder_q."], ["model.student.", "model.teacher."]] {
            let Prefix::Several(mut names) = prefix(&under(&pair, 10)) else { panic!("{pair:?}") };
            names.sort();
            assert_eq!(names, pair);
        }
        for (usual, other) in [("model.", "ema."), ("model.", "model_ema.module."), ("net.", "teacher.")] {
            assert_eq!(chosen(&under(&[other, usual], 10)), (usual.to_string(), 4, vec![other.to_string()]));
        }
        // What an optimizer keeps is as large as the weights, and is none.
        let run = under(&["model.", "optimizer.exp_avg.", "optimizer.exp_avg_sq."], 10);
        assert_eq!(chosen(&run), ("model.".to_string(), 4, vec![]));
    }

    #[test]
    fn little_of_a_network_is_taken_under_its_own_names_alone() {
        let part = |prefix: &str| vec![(format!("{prefix}conv.bias"), vec![4])];
        assert_eq!(chosen(&part("")), (String::new(), 1, vec![]));
        assert!(matches!(prefix(&part("model.")), Prefix::None(Some(o)) if o.prefix == "model." && o.found == 1));
        assert_eq!(prefix(&[("a".to_string(), vec![1])]), Prefix::None(None));
        let counters = vec![("bn.num_batches_tracked".to_string(), vec![])];
        assert_eq!(prefix(&counters), Prefix::None(None));
    }

    #[test]
    fn tensors_of_unknown_shape_are_found_by_name() {
        let names = under(&["m."], 10);
        let overlaps = StateNames::new(names.iter().map(|(name, _)| (name.as_str(), None))).overlaps(NETWORK);
        assert_eq!((overlaps[0].prefix.as_str(), overlaps[0].found, overlaps[0].of), ("m.", 4, 4));
    }

    #[test]
    fn names_of_many_parts_take_little_time() {
        let long: Vec<String> = (0..20).map(|i| format!("{}{i}", "a.".repeat(200_000))).collect();
        let names = StateNames::new(long.iter().map(|name| (name.as_str(), None)));
        assert_eq!(names.prefix(NETWORK), Prefix::None(None));
    }
}
