//! Finding the state dict in what was saved.

use crate::pickle::{Id, Pickle, Value};
use crate::values::shown;

/// Entries under which training programs keep the weights, the likeliest first.
const NAMES: [&str; 11] = [
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
];
/// How deep a state dict may lie in a checkpoint.
const DEPTH: usize = 4;

/// A state dict and where it was.
pub(super) struct Found<'a> {
    /// Names and tensors; of a name that comes twice the last tensor, as in Python.
    pub tensors: Vec<(&'a str, Id)>,
    /// The entries that lead to it, from the outermost.
    pub entry: Vec<String>,
    /// The entries beside it, with those that lead there.
    pub ignored: Vec<String>,
}

/// The state dict of a pickle, or why there is none.
pub(super) fn find<'a>(pickle: &Pickle<'a>) -> Result<Found<'a>, String> {
    let (mut at, mut entry, mut ignored) = (pickle.root, Vec::<String>::new(), Vec::new());
    let Value::Dict(_) = pickle[at] else { return Err(format!("it holds {}", pickle.describe(at))) };
    loop {
        // Short, as it comes before every name.
        let here = shown(&entry.join("."));
        let full = |key: &str| if here.is_empty() { key.to_string() } else { format!("{here}.{key}") };
        let all = entries(pickle, at);
        let inner =
            if entry.len() < DEPTH { inner(pickle, &all).map_err(|names| several(&names, &full))? } else { None };
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
            Some((key, value)) => {
                entry.push(key.to_string());
                at = value;
            }
            None if tensors.is_empty() => return Err("no tensor has a name in it".to_string()),
            None => return Ok(Found { tensors, entry, ignored }),
        }
    }
}

fn several(names: &[&str], full: &dyn Fn(&str) -> String) -> String {
    let names: Vec<String> = names.iter().take(5).map(|name| format!("'{}'", shown(&full(name)))).collect();
    format!("it holds several sets of weights ({}), and which one is meant is not clear", names.join(", "))
}

/// The entries of a dictionary in their order, each key once; `None` for keys that are no texts.
fn entries<'a>(pickle: &Pickle<'a>, dict: Id) -> Vec<(Option<&'a str>, Id)> {
    let Value::Dict(pairs) = &pickle[dict] else { return Vec::new() };
    let mut places = std::collections::HashMap::new();
    let mut all: Vec<(Option<&str>, Id)> = Vec::with_capacity(pairs.len());
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

/// Whether a value is a dictionary with a named tensor right in it.
fn is_state_dict(pickle: &Pickle, id: Id) -> bool {
    let Value::Dict(pairs) = &pickle[id] else { return false };
    pairs.iter().any(|&(key, value)| matches!(pickle[key], Value::Text(_)) && is_tensor(pickle, value))
}

/// Whether a value is a state dict, or leads to one by the known names.
fn leads_there(pickle: &Pickle, id: Id, depth: usize) -> bool {
    let Value::Dict(pairs) = &pickle[id] else { return false };
    is_state_dict(pickle, id)
        || depth > 0
            && pairs.len() <= 64
            && pairs.iter().any(|&(key, value)| {
                matches!(pickle[key], Value::Text(key) if NAMES.contains(&key)) && leads_there(pickle, value, depth - 1)
            })
}

/// The entry that the state dict is in, unless these entries are one; their names, if several might be meant.
fn inner<'a>(pickle: &Pickle<'a>, all: &[(Option<&'a str>, Id)]) -> Result<Option<(&'a str, Id)>, Vec<&'a str>> {
    let named = |name: &str| all.iter().find(|(key, _)| *key == Some(name)).map(|&(_, value)| value);
    for name in NAMES {
        if let Some(value) = named(name).filter(|&value| leads_there(pickle, value, 1)) {
            return Ok(Some((name, value)));
        }
    }
    // A state dict holds no dictionaries but what a layer keeps as its extra state.
    let candidates: Vec<(&str, Id)> = all
        .iter()
        .filter_map(|&(key, value)| Some((key?, value)))
        .filter(|&(key, value)| !key.ends_with("_extra_state") && is_state_dict(pickle, value))
        .collect();
    match candidates[..] {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        _ => Err(candidates.into_iter().map(|(key, _)| key).collect()),
    }
}
