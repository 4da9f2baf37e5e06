//! Weights to start from.

use crate::checkpoint;
use crate::error::TrainError;
use crate::near_names::near_names;
use std::collections::BTreeMap;
use std::path::Path;
use striate_data::images;
use striate_formats::{Unreadable, read_weights, read_weights_entry, shown};
use striate_nn::{Entry, Fit, Matched, Module, Overlap, Prefix, StateDict, StateNames};
use striate_zoo::nearest;

/// What `DataParallel` puts into names where it wraps a part of a network.
const PARALLEL: &str = "module";

fn some<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    images::some(&names.into_iter().map(|name| shown(name)).collect::<Vec<_>>())
}

/// The name that a tensor has now: torchvision's files of DenseNets are from when `norm1` was `norm.1`, and `conv1` was `conv.1`.
fn today(name: String) -> String {
    let renamed = name.split_once(".denselayer").and_then(|(block, layer)| {
        let (number, rest) = layer.split_once('.')?;
        let (kind, rest) = rest.split_once('.')?;
        let old = ["norm", "conv"].contains(&kind) && (rest.starts_with("1.") || rest.starts_with("2."));
        old.then(|| format!("{block}.denselayer{number}.{kind}{rest}"))
    });
    renamed.unwrap_or(name)
}

/// What a file of weights holds.
#[derive(Clone)]
pub(crate) struct StartWeights {
    pub state: StateDict,
    /// The tensors of types that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// The texts that go with them.
    pub metadata: BTreeMap<String, String>,
    /// The file and what kind it is, in words.
    pub origin: String,
    /// What was done to get at them, a line each.
    pub notes: Vec<String>,
}

/// Reads a file of weights, with names as they are today: those that `entry` names, or the likeliest.
pub(crate) fn read(path: &Path, entry: Option<&str>) -> Result<StartWeights, TrainError> {
    let mut weights = match entry {
        Some(entry) => read_weights_entry(path, entry)?,
        None => read_weights(path)?,
    };
    let (notes, metadata) = (weights.notes(), std::mem::take(&mut weights.metadata));
    let origin = format!("{} ({})", path.display(), weights.format);
    let mut unreadable = std::mem::take(&mut weights.unreadable);
    if checkpoint::describe(&metadata).is_some() {
        // Beside the weights lie their average and the optimizer's numbers, of the same shapes.
        weights.tensors.retain_mut(|(name, _)| strip(name));
        unreadable.retain_mut(|odd| strip(&mut odd.name));
    }
    let unreadable = unreadable.into_iter().map(|odd| Unreadable { name: today(odd.name), ..odd }).collect();
    let state = weights.into_map().into_iter().map(|(name, value)| (today(name), value)).collect();
    Ok(StartWeights { state, unreadable, metadata, origin, notes })
}

/// Takes off what the weights' names begin with in a checkpoint of our own; says whether it was there.
fn strip(name: &mut String) -> bool {
    let rest = name.strip_prefix(checkpoint::WEIGHTS).map(String::from);
    rest.map(|rest| *name = rest).is_some()
}

/// Replaces what of `network` these weights have under the same names, be it after a prefix, and in the same shapes, and says in lines what it did.
pub(crate) fn start_with(
    network: &mut dyn Module,
    weights: StartWeights,
    path: &Path,
    model: &str,
) -> Result<Vec<String>, TrainError> {
    let aligned = Aligned::to(network, &weights, path, model)?;
    let all = weights.state.len() + weights.unreadable.len();
    let matched = aligned.take(network, path, model)?;
    let mut notes = weights.notes;
    notes.push(format!("starting from {}: {} of {all} tensors taken", weights.origin, matched.loaded.len()));
    notes.extend(aligned.notes);
    notes.extend(report(&matched));
    Ok(notes)
}

/// Weights under the names that a network has.
pub(crate) struct Aligned {
    pub state: StateDict,
    pub unreadable: Vec<Unreadable>,
    /// What was done to the names, a line each.
    pub notes: Vec<String>,
    /// What was taken off the names.
    prefix: String,
    /// The prefix that has a little of the network, where none has most of it.
    little: Option<Overlap>,
}

impl Aligned {
    /// The weights that are under the names of `network`, after a prefix that they have in the file.
    pub fn to(network: &dyn Module, weights: &StartWeights, path: &Path, model: &str) -> Result<Aligned, TrainError> {
        let own = own_shapes(network);
        let find = |weights: &StartWeights| {
            let state = weights.state.iter().map(|(name, value)| (name.as_str(), Some(value.shape())));
            let odd = weights.unreadable.iter().map(|odd| (odd.name.as_str(), odd.shape.as_deref()));
            StateNames::new(state.chain(odd)).prefix(own.iter().map(|(name, shape)| (name.as_str(), &shape[..])))
        };
        let found = |prefix: &Prefix| if let Prefix::Is(overlap, _) = prefix { overlap.found } else { 0 };
        let (mut weights, mut prefix) = (weights.clone(), find(weights));
        let mut notes = Vec::new();
        if let Some(bare) = without_parallel(&weights) {
            let other = find(&bare);
            if found(&other) > found(&prefix) {
                (weights, prefix) = (bare, other);
                notes.push(format!("'{PARALLEL}.' was taken out of the names"));
            }
        }
        let StartWeights { mut state, mut unreadable, .. } = weights;
        let (overlap, others) = match prefix {
            Prefix::Is(overlap, others) => (overlap, others),
            Prefix::None(little) => return Ok(Aligned { state, unreadable, notes, prefix: String::new(), little }),
            Prefix::Several(prefixes) => {
                let names: Vec<String> = prefixes.iter().take(5).map(|p| entry_name(p)).collect();
                let reason = format!(
                    "it holds {model} more than once, under the names {}: choose one of them (weights_entry)",
                    names.join(", ")
                );
                return Err(TrainError::StartWeights { path: path.to_path_buf(), reason });
            }
        };
        let prefix = overlap.prefix;
        if !prefix.is_empty() {
            notes.push(format!("'{}' was taken off the names", shown(&prefix)));
            let (inside, outside): (StateDict, StateDict) =
                state.into_iter().partition(|(name, _)| name.starts_with(&prefix));
            state = inside.into_iter().map(|(name, value)| (name[prefix.len()..].to_string(), value)).collect();
            let odd = unreadable.extract_if(.., |odd| !odd.name.starts_with(&prefix)).map(|odd| odd.name);
            let outside: Vec<String> = outside.into_keys().chain(odd).collect();
            unreadable.iter_mut().for_each(|odd| drop(odd.name.drain(..prefix.len())));
            if !outside.is_empty() {
                notes.push(format!("not under '{}', so they are left out: {}", shown(&prefix), some(&outside)));
            }
        }
        if !others.is_empty() {
            let names: Vec<String> = others.iter().take(5).map(|p| entry_name(p)).collect();
            notes.push(format!("the network is also under {}, to be chosen by name (weights_entry)", names.join(", ")));
        }
        Ok(Aligned { state, unreadable, notes, prefix, little: None })
    }

    /// Leaves out what belongs to the layer of this name.
    pub fn without_layer(&mut self, layer: &str) {
        let within = |name: &str| name.strip_prefix(layer).is_some_and(|rest| rest.starts_with('.'));
        self.state.retain(|name, _| !within(name));
        self.unreadable.retain(|odd| !within(&odd.name));
    }

    /// Takes what fits; an error if nothing does, or if what does cannot be used. Then nothing has changed.
    pub fn take(&self, network: &mut dyn Module, path: &Path, model: &str) -> Result<Matched, TrainError> {
        let refuse = |reason| Err(TrainError::StartWeights { path: path.to_path_buf(), reason });
        let own = own_shapes(network);
        let needed = |odd: &&Unreadable| {
            let own = own.get(&odd.name).filter(|_| !odd.name.ends_with("num_batches_tracked"));
            own.is_some_and(|shape| odd.shape.as_ref().is_none_or(|given| given == shape))
        };
        if let Some(odd) = self.unreadable.iter().find(needed) {
            let odd = Unreadable { name: format!("{}{}", self.prefix, odd.name), ..odd.clone() };
            return Err(odd.error(path).into());
        }
        let fit = Fit::of(network, &self.state);
        // Networks that have nothing else in common still count their batches under the same names.
        if !fit.matched.loaded.iter().any(|name| !name.ends_with("num_batches_tracked")) {
            return refuse(self.stranger(&own, model));
        }
        if let Some((name, fault)) = fit.fault() {
            return refuse(format!(
                "nothing can be learnt from its tensor '{}{name}': {fault}; use weights from before that",
                shown(&self.prefix)
            ));
        }
        let mut matched = fit.load(network);
        matched.unexpected.extend(self.unreadable.iter().map(|odd| format!("{} ({})", odd.name, odd.dtype)));
        Ok(matched)
    }

    /// Why nothing fits.
    fn stranger(&self, own: &BTreeMap<String, Vec<usize>>, model: &str) -> String {
        let given = shapes(&self.state);
        let names = near_names(&given, own).unwrap_or_else(|| {
            let (its, ours) = (some(given.keys()), some(own.keys()));
            format!("it has {its}; {model} has {ours}")
        });
        let advice = match (&self.little, nearest(&given).filter(|r| r.is_complete())) {
            (_, Some(r)) => {
                format!("it looks like {} ({} of {} tensors): (model = {0})", r.architecture.name, r.found, r.of)
            }
            (Some(o), None) if o.found > 0 => format!(
                "{} of the {} tensors of {model} are under the name {}, which can be chosen (weights_entry)",
                o.found,
                o.of,
                entry_name(&o.prefix)
            ),
            _ => "is it for another network (model)?".to_string(),
        };
        format!(
            "none of its {} tensors has the name and shape of one of {model}: {names}; {advice}",
            self.state.len() + self.unreadable.len()
        )
    }
}

/// A prefix as the name that it can be chosen by.
fn entry_name(prefix: &str) -> String {
    format!("'{}'", shown(prefix.trim_end_matches('.')))
}

/// The weights without the components of names that `DataParallel` puts before a part of a network, if there are any and names stay apart.
fn without_parallel(weights: &StartWeights) -> Option<StartWeights> {
    let bare = |name: &str| name.split('.').filter(|part| *part != PARALLEL).collect::<Vec<_>>().join(".");
    let state: StateDict = weights.state.iter().map(|(name, value)| (bare(name), value.clone())).collect();
    let unreadable: Vec<_> =
        weights.unreadable.iter().map(|odd| Unreadable { name: bare(&odd.name), ..odd.clone() }).collect();
    let changed = !state.keys().eq(weights.state.keys()) || unreadable != weights.unreadable;
    let apart = state.len() == weights.state.len();
    (changed && apart).then(|| StartWeights { state, unreadable, ..weights.clone() })
}

/// The names and shapes of tensors.
pub(crate) fn shapes(state: &StateDict) -> BTreeMap<String, Vec<usize>> {
    state.iter().map(|(name, t)| (name.clone(), t.shape().to_vec())).collect()
}

/// The names and shapes of a network's parameters and buffers.
fn own_shapes(network: &dyn Module) -> BTreeMap<String, Vec<usize>> {
    let mut own = BTreeMap::new();
    network.visit("", &mut |name, entry| {
        let shape = match entry {
            Entry::Parameter(p) => p.value().shape().to_vec(),
            Entry::Buffer(b) => b.value().shape().to_vec(),
            Entry::Layer(_) => return,
        };
        own.insert(name.to_string(), shape);
    });
    own
}

/// What did not fit, or was made to, a line each.
pub(crate) fn report(matched: &Matched) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some((name, from, to)) = &matched.channels {
        let how = if from > to { "summed over" } else { "spread over" };
        notes.push(format!("{name} was made for images of {from} channels, and is {how} them for images of {to}"));
    }
    if !matched.reshaped.is_empty() {
        let shapes =
            matched.reshaped.iter().map(|(name, own, given)| format!("{name} ({given:?} there, {own:?} here)"));
        notes.push(format!("of another shape, so they start fresh: {}", some(&shapes.collect::<Vec<_>>())));
    }
    if !matched.retyped.is_empty() {
        let types = matched.retyped.iter().map(|(name, own, given)| format!("{name} ({given} there, {own} here)"));
        notes.push(format!("of whole numbers, so they start fresh: {}", some(&types.collect::<Vec<_>>())));
    }
    if !matched.missing.is_empty() {
        notes.push(format!("not in the file, so they start fresh: {}", some(&matched.missing)));
    }
    if !matched.unexpected.is_empty() {
        notes.push(format!("not in the network, so they are left out: {}", some(&matched.unexpected)));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finetune::Source;
    use serde_json::json;
    use striate_nn::{Classifier, state_dict};
    use striate_tensor::{Generator, Tensor};

    /// Name, type, shape and bytes of a tensor in a file.
    type Raw = (String, &'static str, Vec<usize>, Vec<u8>);

    fn lenet(seed: u64) -> Box<dyn Classifier> {
        striate_zoo::find("lenet").unwrap().build(10, &mut Generator::new(seed))
    }

    /// The tensors of a trained network, with `prefix` before their names.
    fn tensors(prefix: &str) -> Vec<Raw> {
        let bytes = |t: &Tensor| t.to_vec::<f32>().into_iter().flat_map(f32::to_le_bytes).collect();
        let state = state_dict(&*lenet(7));
        state.iter().map(|(name, t)| (format!("{prefix}{name}"), "F32", t.shape().to_vec(), bytes(t))).collect()
    }

    struct File {
        dir: tempfile::TempDir,
    }

    impl File {
        fn of(tensors: &[Raw]) -> File {
            let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
            for (name, dtype, shape, bytes) in tensors {
                let offsets = [data.len(), data.len() + bytes.len()];
                header.insert(name.clone(), json!({"dtype": dtype, "shape": shape, "data_offsets": offsets}));
                data.extend(bytes);
            }
            let header = serde_json::to_vec(&header).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let all = [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat();
            std::fs::write(dir.path().join("w.safetensors"), all).unwrap();
            File { dir }
        }

        /// What starting from it says, and the network that it gives.
        fn start(&self, entry: Option<&str>) -> (Result<String, String>, Box<dyn Classifier>) {
            let mut network = lenet(1);
            let path = self.dir.path().join("w.safetensors");
            let said = read(&path, entry).and_then(|weights| start_with(&mut network, weights, &path, "lenet"));
            (said.map(|notes| notes.join("\n")).map_err(|e| e.to_string()), network)
        }

        fn taken(&self, entry: Option<&str>) -> String {
            let (said, network) = self.start(entry);
            let (got, expected) = (state_dict(&*network), state_dict(&*lenet(7)));
            assert!(expected.iter().all(|(name, t)| got[name].to_vec::<f32>() == t.to_vec::<f32>()), "{said:?}");
            said.unwrap()
        }

        fn refused(&self, entry: Option<&str>) -> String {
            let (said, network) = self.start(entry);
            let (got, before) = (state_dict(&*network), state_dict(&*lenet(1)));
            assert!(before.iter().all(|(name, t)| got[name].to_vec::<f32>() == t.to_vec::<f32>()), "{said:?}");
            let line = said.unwrap_err();
            assert!(line.contains("w.safetensors") && !line.contains('\n') && !line.contains("--weights"), "{line}");
            line
        }
    }

    #[test]
    fn a_prefix_is_taken_off_and_said() {
        let plain = File::of(&tensors("")).taken(None);
        assert!(plain.contains("10 of 10 tensors taken") && !plain.contains("taken off"), "{plain}");
        for prefix in ["model.", "backbone.", "encoder.", "state_dict.model.", "net.module.", "lit.model._orig_mod."] {
            let mut all = tensors(prefix);
            all.push(("loss.weight".into(), "F32", vec![1], vec![0; 4]));
            let said = File::of(&all).taken(None);
            let shown = prefix.replace("_orig_mod.", "");
            assert!(said.contains(&format!("'{shown}' was taken off the names")), "{said}");
            let rest = format!("not under '{shown}', so they are left out: loss.weight");
            assert!(said.contains("10 of 11 tensors taken") && said.contains(&rest), "{said}");
        }
        // A part of the network that ran in parallel.
        let middle: Vec<Raw> =
            tensors("").into_iter().map(|(name, d, s, b)| (name.replace("conv1.", "conv1.module."), d, s, b)).collect();
        assert!(File::of(&middle).taken(None).contains("'module.' was taken out of the names"));
        let middle: Vec<Raw> =
            tensors("m.").into_iter().map(|(name, d, s, b)| (name.replace("conv", "module.conv"), d, s, b)).collect();
        assert!(File::of(&middle).taken(None).contains("'m.' was taken off"));
    }

    #[test]
    fn of_two_networks_in_a_file_one_is_chosen_by_name() {
        let mut both = tensors("teacher.");
        let zeros =
            |(name, dtype, shape, bytes): Raw| (name.replace("teacher", "student"), dtype, shape, vec![0; bytes.len()]);
        both.extend(tensors("teacher.").into_iter().map(zeros));
        let file = File::of(&both);
        let line = file.refused(None);
        assert!(line.contains("'student', 'teacher'") && line.contains("weights_entry"), "{line}");
        assert!(file.taken(Some("teacher")).contains("10 of 10"));
        let line = file.refused(Some("head"));
        assert!(line.contains("no weights 'head': it has 'teacher', 'student'"), "{line}");
        // An average beside the weights is not asked about.
        let mut run = tensors("model.");
        run.extend(tensors("ema.").into_iter().map(zeros));
        run.extend(tensors("optimizer.exp_avg.").into_iter().map(zeros));
        let said = File::of(&run).taken(None);
        assert!(said.contains("the network is also under 'ema', to be chosen by name"), "{said}");
    }

    #[test]
    fn numbers_that_are_none_are_refused_where_they_are_taken() {
        for (bad, what) in [(f32::NAN, "NaN"), (f32::INFINITY, "infinite")] {
            for prefix in ["", "model."] {
                let mut all = tensors(prefix);
                let at = all.iter().position(|(name, ..)| name.ends_with("conv2.weight")).unwrap();
                all[at].3[..4].copy_from_slice(&bad.to_le_bytes());
                let line = File::of(&all).refused(None);
                assert!(line.contains(&format!("'{prefix}conv2.weight'")) && line.contains(what), "{line}");
                // What is not taken may hold anything.
                all[at] = (format!("{prefix}other"), "F32", vec![1], f32::NAN.to_le_bytes().to_vec());
                assert!(File::of(&all).start(None).0.is_ok());
            }
        }
    }

    #[test]
    fn types_that_no_layer_needs_refuse_nothing() {
        let mut all = tensors("");
        for (dtype, size) in [("I32", 4), ("I16", 2), ("U8", 1), ("BOOL", 1), ("F8_E4M3", 1), ("C64", 8), ("U64", 8)] {
            all.push((format!("pos.{dtype}"), dtype, vec![2], vec![1; 2 * size]));
        }
        let said = File::of(&all).taken(None);
        assert!(said.contains("10 of 17 tensors taken") && said.contains("not in the network"), "{said}");
        for (dtype, size) in [("F8_E4M3", 1), ("C64", 8)] {
            let mut all = tensors("model.");
            let at = all.iter().position(|(name, ..)| name.ends_with("conv1.bias")).unwrap();
            all[at] = (all[at].0.clone(), dtype, vec![6], vec![1; 6 * size]);
            let line = File::of(&all).refused(None);
            assert!(line.contains("'model.conv1.bias'") && line.contains(dtype), "{line}");
        }
    }

    #[test]
    fn where_nothing_fits_the_nearest_names_are_shown() {
        let keras = [("conv1/kernel:0", vec![5, 5, 1, 6]), ("dense_1/kernel:0", vec![400, 120])];
        let all: Vec<Raw> = keras
            .into_iter()
            .map(|(name, shape)| (name.to_string(), "F32", shape.clone(), vec![0; 4 * shape.iter().product::<usize>()]))
            .collect();
        let line = File::of(&all).refused(None);
        assert!(line.contains("none of its 2 tensors"), "{line}");
        assert!(line.contains("conv1/kernel:0 [5, 5, 1, 6] there and conv1.weight [6, 1, 5, 5] here"), "{line}");
        assert!(!line.contains("it looks like"), "{line}");
        // A little of the network under a prefix is no reason to take that off, but can be asked for.
        let some: Vec<Raw> = tensors("part.").into_iter().take(2).collect();
        let file = File::of(&some);
        let line = file.refused(None);
        assert!(line.contains("2 of the 10 tensors of lenet are under the name 'part'"), "{line}");
        assert!(file.start(Some("part")).0.unwrap().contains("2 of 2 tensors taken"));
        // Names from a file are shown in one line.
        let odd = File::of(&[("a\n\u{1b}[31m".into(), "F32", vec![1], vec![0; 4])]);
        assert!(odd.refused(None).contains("a\\n\\u{1b}[31m"));
    }

    #[test]
    fn a_backbone_is_recognized_under_a_prefix_and_loses_its_head() {
        let file = File::of(&tensors("model."));
        let source = Source::open(&file.dir.path().join("w.safetensors"), None, None).unwrap();
        assert_eq!(source.model, "lenet");
        let mut network = striate_zoo::find("lenet").unwrap().build(3, &mut Generator::new(1));
        let classes = ["a", "b", "c"].map(String::from);
        let notes = source.load_into(&mut *network, &classes, &mut Generator::new(2)).unwrap().join("\n");
        assert!(notes.contains("8 of its 10 tensors taken") && notes.contains("it had 10 outputs"), "{notes}");
        assert!(notes.contains("'model.' was taken off the names"), "{notes}");
        let (got, expected) = (state_dict(&*network), state_dict(&*lenet(7)));
        assert_eq!(got["conv1.weight"].to_vec::<f32>(), expected["conv1.weight"].to_vec::<f32>());
    }

    #[test]
    fn old_names_of_densenets_become_new_ones() {
        let block = "features.denseblock2.denselayer11.";
        for (old, new) in [("norm.1.weight", "norm1.weight"), ("conv.2.weight", "conv2.weight")] {
            assert_eq!(today(format!("{block}{old}")), format!("{block}{new}"));
        }
        for name in ["norm1.running_mean", "conv.3.weight", "norm.1", "relu.1.weight"].map(|n| format!("{block}{n}")) {
            assert_eq!(today(name.clone()), name);
        }
        for name in ["features.transition1.norm.1.weight", "layer1.0.conv1.weight", "", ".denselayer"] {
            assert_eq!(today(name.to_string()), name);
        }
    }
}
