//! Finding the state dict in what was saved.

use crate::error::FormatError;
use crate::names::shown;
use crate::pickle::{Id, Made, Pickle, Value};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Entries under which training programs keep the weights, the likeliest first; averages come last.
const NAMES: [&str; 18] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net_state_dict",
    "net",
    "network",
    "module",
    "weights",
    "model_weights",
    "params",
    "ema_state_dict",
    "state_dict_ema",
    "model_ema_state_dict",
    "model_ema",
    "ema_model",
    "params_ema",
    "ema",
];
/// Entries, by how their names begin, whose tensors are no network's.
const OTHERS: [&str; 11] =
    ["optim", "opt_", "sched", "lr_", "scaler", "grad_scaler", "rng", "callbacks", "loops", "hyper_param", "hparams"];
/// How deep a state dict may lie in a checkpoint.
const DEPTH: usize = 4;
/// Objects that are looked into for weights.
const OBJECTS: usize = 64;
/// Sets of weights that are named beside the one that is taken.
const SETS: usize = 16;

/// A state dict and where it was.
pub(super) struct Found<'a> {
    /// Names and tensors; of a name that comes twice the last tensor, as in Python.
    pub tensors: Vec<(&'a str, Id)>,
    /// The entries that lead to it, from the outermost.
    pub entry: Vec<String>,
    /// The entries beside it, with those that lead there.
    pub ignored: Vec<String>,
    /// The entries that hold other weights of the same network, or of one beside it.
    pub others: Vec<String>,
    /// What of the name that was asked for is no entry: what the names of the tensors are to begin with.
    pub prefix: Option<String>,
}

/// The key of an entry, `None` for one that is no text, and its value.
type Entry<'a> = (Option<&'a str>, Id);

/// The state dict of a pickle: the one that `wanted` names, or the likeliest.
pub(super) fn find<'a>(pickle: &'a Pickle<'a>, wanted: Option<&str>, path: &Path) -> Result<Found<'a>, FormatError> {
    let mut search = Search { pickle, path, most: HashMap::new() };
    let no_weights = |reason: String| Err(FormatError::NoWeights { path: path.to_path_buf(), reason });
    let (mut at, mut entry, mut ignored) = (pickle.root, Vec::<String>::new(), Vec::new());
    if !is_dict(pickle, at) {
        search.refuse_foreign(at, "")?;
        return no_weights(format!("it holds {}", pickle.describe(at)));
    }
    let mut rest = wanted.filter(|wanted| !wanted.is_empty());
    loop {
        // Short, as it comes before every name.
        let here = shown(&entry.join("."));
        let full = |key: &str| if here.is_empty() { key.to_string() } else { format!("{here}.{key}") };
        let all = entries(pickle, at);
        let depth = DEPTH.saturating_sub(entry.len());
        let asked = rest.and_then(|rest| asked_for(pickle, &all, rest));
        let inner = match asked {
            Some((key, value, left)) => {
                rest = left;
                Some((key, value))
            }
            None if depth == 0 => None,
            None => search.inner(&all, at, depth).map_err(|names| {
                let (path, names) = (path.to_path_buf(), names.into_iter().map(full).collect());
                match wanted {
                    Some(wanted) => FormatError::NoEntry { path, entry: wanted.to_string(), names },
                    None => FormatError::SeveralSets { path, names },
                }
            })?,
        };
        let mut tensors = Vec::new();
        for &(key, value) in &all {
            match key {
                Some(key) if inner == Some((key, value)) => {}
                Some(key) if inner.is_none() && is_tensor(pickle, value) => tensors.push((key, value)),
                Some(key) => ignored.push(full(key)),
                None => ignored.push(full("(an entry without a name)")),
            }
        }
        match inner {
            Some((key, value)) if is_dict(pickle, value) => {
                entry.push(key.to_string());
                at = value;
            }
            // It was asked for, and is none.
            Some((key, value)) => {
                search.refuse_foreign(value, &full(key))?;
                let names = search.sets(None).into_iter().map(|(name, _)| name).collect();
                let entry = wanted.unwrap_or_default().to_string();
                return Err(FormatError::NoEntry { path: path.to_path_buf(), entry, names });
            }
            None => {
                let known = entry.last().is_some_and(|last| NAMES.contains(&last.as_str()));
                if !known && wanted.is_none() {
                    search.refuse_larger_objects(tensors.len())?;
                }
                if tensors.is_empty() {
                    return no_weights("no tensor has a name in it".to_string());
                }
                let others = search.others(at, &tensors);
                return Ok(Found { tensors, entry, ignored, others, prefix: rest.map(str::to_string) });
            }
        }
    }
}

/// The entry that `name` begins with, the longest one, and what is left of the name.
fn asked_for<'a, 'n>(pickle: &Pickle, all: &[Entry<'a>], name: &'n str) -> Option<(&'a str, Id, Option<&'n str>)> {
    let matching = all.iter().filter_map(|&(key, value)| {
        let (key, left) = (key?, name.strip_prefix(key?)?);
        let left = if left.is_empty() { None } else { Some(left.strip_prefix('.')?) };
        let leads = is_dict(pickle, value) || left.is_none() && !is_tensor(pickle, value);
        leads.then_some((key, value, left))
    });
    matching.max_by_key(|(key, ..)| key.len())
}

/// The entries of a dictionary in their order, each key once.
fn entries<'a>(pickle: &'a Pickle<'a>, dict: Id) -> Vec<Entry<'a>> {
    let pairs = pickle.pairs(dict);
    let mut places = HashMap::new();
    let mut all: Vec<Entry> = Vec::with_capacity(pairs.len());
    let mut nameless = false;
    for &(key, value) in pairs {
        match &pickle[key] {
            &Value::Text(key) => {
                let place = *places.entry(key).or_insert(all.len());
                match all.get_mut(place) {
                    Some(earlier) => earlier.1 = value,
                    None => all.push((Some(key), value)),
                }
            }
            _ if !nameless => {
                nameless = true;
                all.push((None, value));
            }
            _ => {}
        }
    }
    all
}

fn is_tensor(pickle: &Pickle, id: Id) -> bool {
    matches!(pickle[id], Value::Tensor(_) | Value::OddTensor(_))
}

/// Whether a value is a dictionary, or an object that was filled like one.
fn is_dict(pickle: &Pickle, id: Id) -> bool {
    matches!(&pickle[id], Value::Dict(_)) || !pickle.pairs(id).is_empty()
}

/// Whether what an entry of this name holds is no network's.
fn is_other(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let loss = key.contains("loss") || key.contains("criterion");
    loss || key.ends_with("_extra_state") || OTHERS.iter().any(|start| key.starts_with(start))
}

/// A tensor's name without what wrappers put before it, to compare with others.
fn bare(mut name: &str) -> &str {
    while let Some(rest) = name.strip_prefix("module.").or_else(|| name.strip_prefix("_orig_mod.")) {
        name = rest;
    }
    name
}

struct Search<'a> {
    pickle: &'a Pickle<'a>,
    path: &'a Path,
    /// What [`Search::most`] has found.
    most: HashMap<(Id, usize), usize>,
}

impl<'a> Search<'a> {
    /// Tensors with names right in a dictionary.
    fn direct(&self, id: Id) -> usize {
        let named =
            |&&(key, value): &&(Id, Id)| matches!(self.pickle[key], Value::Text(_)) && is_tensor(self.pickle, value);
        self.pickle.pairs(id).iter().filter(named).count()
    }

    /// Tensors of the largest state dict at `id` or at most `depth` entries below it.
    fn most(&mut self, id: Id, depth: usize) -> usize {
        if !is_dict(self.pickle, id) {
            return 0;
        }
        if let Some(&known) = self.most.get(&(id, depth)) {
            return known;
        }
        let mut most = self.direct(id);
        if depth > 0 {
            let pickle = self.pickle;
            for &(key, value) in pickle.pairs(id) {
                if matches!(pickle[key], Value::Text(key) if !is_other(key)) {
                    most = most.max(self.most(value, depth - 1));
                }
            }
        }
        self.most.insert((id, depth), most);
        most
    }

    /// The entry that the state dict is in, unless these entries are one; their names, if several might be meant.
    fn inner(&mut self, all: &[Entry<'a>], at: Id, depth: usize) -> Result<Option<(&'a str, Id)>, Vec<&'a str>> {
        for name in NAMES {
            let entry = all.iter().find(|(key, _)| *key == Some(name));
            if let Some(&(_, value)) = entry.filter(|entry| self.most(entry.1, depth - 1) > 0) {
                return Ok(Some((name, value)));
            }
        }
        let named = all.iter().filter_map(|&(key, value)| Some((key?, value))).filter(|(key, _)| !is_other(key));
        let sized: Vec<_> = named.map(|(key, value)| (key, value, self.most(value, depth - 1))).collect();
        let largest = sized.iter().map(|&(.., tensors)| tensors).max().unwrap_or(0);
        if largest < self.direct(at) {
            return Ok(None);
        }
        // What has a few tensors beside the many of another is no network: a mean, a queue.
        let mut likely = sized.into_iter().filter(|&(.., tensors)| tensors > 0 && 4 * tensors >= largest);
        match (likely.next(), likely.next()) {
            (None, _) => Ok(None),
            (Some((key, value, _)), None) => Ok(Some((key, value))),
            (Some(first), Some(second)) => {
                Err([first, second].into_iter().chain(likely).map(|(key, ..)| key).collect())
            }
        }
    }

    /// The dictionaries and objects below the root, each once, with the names of their entries.
    fn below(&self) -> Vec<(String, &'a str, Id)> {
        let mut seen = HashSet::from([self.pickle.root]);
        let mut level = vec![(String::new(), self.pickle.root)];
        let mut all = Vec::new();
        for _ in 0..DEPTH {
            let mut next = Vec::new();
            for (outer, at) in level {
                for (key, value) in entries(self.pickle, at) {
                    let Some(key) = key.filter(|key| !is_other(key)) else { continue };
                    let inside = is_dict(self.pickle, value);
                    if !inside && self.pickle.foreign(value).is_none() || !seen.insert(value) {
                        continue;
                    }
                    let name = if outer.is_empty() { shown(key) } else { format!("{outer}.{}", shown(key)) };
                    all.push((name.clone(), key, value));
                    if inside {
                        next.push((name, value));
                    }
                }
            }
            level = next;
        }
        all
    }

    /// The state dicts below the root but for `besides`, with the names of their entries.
    fn sets(&self, besides: Option<Id>) -> Vec<(String, Id)> {
        let all = self.below().into_iter().map(|(name, _, id)| (name, id));
        all.filter(|&(_, id)| besides != Some(id) && self.direct(id) > 0).collect()
    }

    /// The other sets of weights that somebody may have meant: those that share most of their names with the one that was found, and those
    /// under the names that weights have.
    fn others(&self, found: Id, tensors: &[(&str, Id)]) -> Vec<String> {
        let names: HashSet<&str> = tensors.iter().map(|(name, _)| bare(name)).collect();
        let meant = |name: &str, id: Id| {
            let known = NAMES.contains(&name.rsplit('.').next().unwrap_or(name));
            let own = entries(self.pickle, id);
            let shared = own.iter().filter(|(key, value)| {
                key.is_some_and(|key| names.contains(bare(key))) && is_tensor(self.pickle, *value)
            });
            known || 2 * shared.count() >= self.direct(id)
        };
        let mut sets = self.sets(Some(found));
        sets.retain(|(name, id)| meant(name, *id));
        sets.truncate(SETS);
        sets.into_iter().map(|(name, _)| name).collect()
    }

    /// An error if `id`, which the entry of this name holds, is something that only Python code can make.
    fn refuse_foreign(&self, id: Id, entry: &str) -> Result<(), FormatError> {
        let Some(foreign) = self.pickle.foreign(id) else { return Ok(()) };
        let (path, entry, name) = (self.path.to_path_buf(), entry.to_string(), shown(&foreign.full_name()));
        Err(match foreign.made {
            Made::Object => FormatError::PickledObject { path, entry, class: name },
            Made::Call | Made::Name => FormatError::Import { path, entry, name },
        })
    }

    /// An error if the weights are probably in an object of the checkpoint: it has more tensors than the `found` ones, or the name of weights.
    fn refuse_larger_objects(&self, found: usize) -> Result<(), FormatError> {
        let is_object = |id| self.pickle.foreign(id).is_some_and(|f| f.made != Made::Name) && !is_dict(self.pickle, id);
        let objects = self.below().into_iter().filter(|&(.., id)| is_object(id)).take(OBJECTS);
        let likely = objects.filter(|&(_, key, id)| {
            let tensors = self.tensors_within(id);
            tensors > 4 * found || NAMES.contains(&key) && (tensors >= found || found < 2)
        });
        let rank = |key: &str| NAMES.iter().position(|name| *name == key).unwrap_or(NAMES.len());
        match likely.min_by_key(|&(_, key, _)| rank(key)) {
            Some((name, _, id)) => self.refuse_foreign(id, &name),
            None => Ok(()),
        }
    }

    /// Tensors that an object is made from, however deep they lie in it.
    fn tensors_within(&self, id: Id) -> usize {
        let (mut seen, mut waiting, mut tensors) = (HashSet::from([id]), vec![id], 0);
        while let Some(id) = waiting.pop() {
            let mut meet = |id: Id| {
                if seen.insert(id) {
                    waiting.push(id);
                }
            };
            match &self.pickle[id] {
                Value::Tensor(_) | Value::OddTensor(_) => tensors += 1,
                Value::List(items) | Value::Tuple(items) => items.iter().copied().for_each(meet),
                Value::Dict(pairs) => pairs.iter().for_each(|&(_, value)| meet(value)),
                Value::Foreign(foreign) => {
                    foreign.parts.iter().copied().for_each(&mut meet);
                    foreign.items.iter().for_each(|&(_, value)| meet(value));
                }
                _ => {}
            }
        }
        tensors
    }
}
