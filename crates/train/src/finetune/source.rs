//! What fine-tuning starts from: a network, its weights, and how its images were prepared.

use crate::checkpoint;
use crate::config::{AUTO, ResolvedConfig, TaskKind};
use crate::error::TrainError;
use crate::network::{self, ImageGraph};
use crate::published::{IMAGENET, resolve_weights};
use crate::weights::{Aligned, StartWeights, read, report, shapes};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use striate_data::images::{some, text_path};
use striate_formats::shown;
use striate_graph::GraphModule;
use striate_imaging::{Filter, Fit, Preprocessing};
use striate_model::{GRAPH, Model, Provenance, is_model_file};
use striate_nn::{Classifier, StateDict, init, state_dict};
use striate_tensor::{DType, Generator, Tensor};
use striate_zoo::{Architecture, Description, Interpolation, find, nearest, published};

/// A network that has learnt already.
pub struct Source {
    /// The network's name, or its layers as text.
    pub model: String,
    /// Its graph, if no name describes the network.
    pub(crate) graph: Option<ImageGraph>,
    /// How its images were prepared, if that is known.
    pub preprocessing: Option<Preprocessing>,
    /// The names of its classes; none are known of weights alone.
    pub classes: Vec<String>,
    /// What it has seen; not known of weights alone.
    pub provenance: Option<Provenance>,
    /// What its owner should know of the file, a line each.
    pub notes: Vec<String>,
    path: PathBuf,
    weights: StartWeights,
}

impl Source {
    /// What the settings start from, if they fine-tune.
    pub(crate) fn of(config: &ResolvedConfig) -> Result<Option<Source>, TrainError> {
        let Some(finetune) = &config.finetune else { return Ok(None) };
        let model = Some(config.model.as_str()).filter(|m| *m != AUTO);
        if config.task.is_dense() {
            return Source::dense(config, model).map(Some);
        }
        let Some(ready) = find(&finetune.from) else {
            return Source::open(&text_path(&finetune.from), model, config.weights_entry.as_deref()).map(Some);
        };
        let (file, _) = resolve_weights(IMAGENET, ready.name, &|_, _| {})?;
        Source::open(&file, Some(ready.name), config.weights_entry.as_deref()).map(Some)
    }

    /// What detection or segmentation starts from: a model of that, or a ready network, which becomes the backbone of `model`.
    fn dense(config: &ResolvedConfig, model: Option<&str>) -> Result<Source, TrainError> {
        let from = config.finetune.as_ref().map_or("", |finetune| &finetune.from);
        let blueprint =
            model.and_then(Description::of).map(|description| description.blueprint([3, 1, 1], 1)).transpose()?;
        let backbone = blueprint.as_ref().and_then(|blueprint| blueprint.backbone());
        let source = match find(from) {
            Some(ready) => {
                let (file, _) = resolve_weights(IMAGENET, ready.name, &|_, _| {})?;
                Source::open(&file, Some(ready.name), config.weights_entry.as_deref())?
            }
            None => {
                let path = text_path(from);
                let is_model = is_model_file(&read(&path, config.weights_entry.as_deref())?.metadata);
                let hint = if is_model { None } else { backbone.map(|b| b.name) };
                Source::open(&path, hint, config.weights_entry.as_deref())?
            }
        };
        let Some(Description::Ready(ready)) = Description::of(&source.model) else { return Ok(source) };
        if let Some(other) = backbone.filter(|b| b.name != ready.name) {
            let reason = format!("holds {}, and the network asked for stands on {}", ready.name, other.name);
            return Err(TrainError::StartWeights { path: source.path, reason });
        }
        let head = if config.task == TaskKind::Detection { "fpn 64 + fcos" } else { "fpn 128" };
        let model = model.map_or_else(|| format!("{} + {head}", ready.name), String::from);
        Ok(source.under(model))
    }

    /// Its weights under the names that they have in `model`, a network that it is the backbone of.
    fn under(mut self, model: String) -> Source {
        let prefix = match Description::of(&model).map(|description| description.blueprint([3, 1, 1], 1)) {
            Some(Ok(blueprint)) => blueprint.backbone_prefix(),
            _ => "",
        };
        let state = std::mem::take(&mut self.weights.state);
        self.weights.state = state.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)).collect();
        self.weights.unreadable.iter_mut().for_each(|odd| odd.name.insert_str(0, prefix));
        Source { model, classes: Vec::new(), graph: None, ..self }
    }

    /// The model or weight file at `path`. For weights alone the network is `model`, or the one whose tensors they are, and `entry` names the
    /// weights where the file has several.
    pub fn open(path: &Path, model: Option<&str>, entry: Option<&str>) -> Result<Source, TrainError> {
        let mut weights = read(path, entry)?;
        if striate_model::is_model_file(&weights.metadata) {
            return Source::of_model(path, model);
        }
        let checkpoint = checkpoint::describe(&weights.metadata);
        let model = match (model, &checkpoint) {
            (Some(model), _) => model.to_string(),
            (None, Some(checkpoint)) if checkpoint.model == GRAPH => {
                let reason =
                    "is the checkpoint of a network that no name describes: take the model.safetensors of its run";
                return Err(TrainError::StartWeights { path: path.to_path_buf(), reason: reason.into() });
            }
            (None, Some(checkpoint)) => checkpoint.model.clone(),
            (None, None) => recognized(&weights.state, path)?.name.to_string(),
        };
        let notes = std::mem::take(&mut weights.notes);
        let preprocessing = match Description::of(&model) {
            Some(Description::Ready(a)) => Some(default_preprocessing(a)),
            _ => None,
        };
        Ok(Source {
            model,
            graph: None,
            preprocessing,
            classes: Vec::new(),
            provenance: checkpoint.and_then(|c| c.provenance),
            notes,
            path: path.to_path_buf(),
            weights,
        })
    }

    fn of_model(path: &Path, model: Option<&str>) -> Result<Source, TrainError> {
        let loaded = Model::load(path)?;
        let graph = match loaded.card.architecture == GRAPH {
            true => Some(ImageGraph::of(&loaded, path)?),
            false => None,
        };
        let Model { card, network } = loaded;
        if let Some(other) = model.filter(|m| *m != card.architecture) {
            let reason = format!("is a model of {}, and not of {other}", network::title(&card.architecture));
            return Err(TrainError::StartWeights { path: path.to_path_buf(), reason });
        }
        let state = match &graph {
            Some(graph) => state_dict(&GraphModule::new(graph.graph.clone())),
            None => state_dict(&*network),
        };
        Ok(Source {
            model: card.architecture,
            graph,
            preprocessing: Some(card.preprocessing),
            classes: card.classes,
            provenance: card.training.provenance,
            notes: Vec::new(),
            path: path.to_path_buf(),
            weights: StartWeights {
                state,
                unreadable: Vec::new(),
                metadata: BTreeMap::new(),
                origin: format!("{} (a model)", path.display()),
                notes: Vec::new(),
            },
        })
    }

    /// Replaces the weights of `network`, and says in lines what it did. Its head becomes a fresh one, with PyTorch's default initial values, unless
    /// the classes are the same.
    pub fn load_into(
        &self,
        network: &mut dyn Classifier,
        classes: &[String],
        rng: &mut Generator,
    ) -> Result<Vec<String>, TrainError> {
        let name = network.head_name();
        let head = format!("{name}.");
        let keeps_head = !self.classes.is_empty() && self.classes == classes;
        let title = network::title(&self.model);
        let mut aligned = Aligned::to(&*network, &self.weights, &self.path, &title)?;
        let head_before = aligned.state.get(&format!("{head}weight")).map(|w| w.shape().first().copied());
        if !keeps_head {
            aligned.without_layer(&name);
        }
        let mut matched = aligned.take(network, &self.path, &title)?;
        let all = self.weights.state.len() + self.weights.unreadable.len();
        let mut notes = vec![format!(
            "the backbone is {title} from {}: {} of its {all} tensors taken",
            self.weights.origin,
            matched.loaded.len()
        )];
        notes.append(&mut aligned.notes);
        if keeps_head {
            notes.push(format!("{name} is kept, for the classes are the same"));
        } else {
            refresh(network, &name, rng);
            matched.missing.retain(|name| !name.starts_with(&head));
            let before = head_before.flatten().map_or_else(String::new, |outputs| match outputs {
                1 => "; it had 1 output".to_string(),
                n => format!("; it had {n} outputs"),
            });
            notes.push(format!("{name} is new, for {} classes{before}", classes.len()));
        }
        notes.extend(report(&matched));
        Ok(notes)
    }
}

/// Gives the head the initial values of a `torch.nn.Linear`: those that some networks have by their authors are too large for features that
/// have a meaning already.
fn refresh(network: &mut dyn Classifier, head: &str, rng: &mut Generator) {
    let (weight, bias) = (format!("{head}.weight"), format!("{head}.bias"));
    let fresh_bias = network.fresh_head_bias();
    let mut inputs = 0;
    for (name, parameter) in network.named_parameters_mut() {
        let shape = parameter.value().shape_value();
        if name == weight {
            inputs = init::fan_in(shape);
            parameter.set(init::default_weight(shape, rng));
        } else if name == bias {
            parameter.set(match fresh_bias {
                Some(value) => Tensor::full(value.into(), shape, DType::F32),
                None => init::default_bias(shape[0], inputs, rng),
            });
        }
    }
}

/// The ready network that these are the weights of.
fn recognized(state: &StateDict, path: &Path) -> Result<&'static Architecture, TrainError> {
    let near = nearest(&shapes(state));
    let reason = match near {
        Some(r) if r.is_complete() => return Ok(r.architecture),
        Some(r) if r.is_most() => format!(
            "the weights of no ready network: nearest is {} ({} of its {} tensors); say which it is (model)",
            r.architecture.name, r.found, r.of
        ),
        _ => {
            let names: Vec<String> = state.keys().map(|name| shown(name)).collect();
            format!(
                "the weights of no ready network (see the list of networks): it has {}; say which it is (model)",
                some(&names)
            )
        }
    };
    Err(TrainError::StartWeights { path: path.to_path_buf(), reason })
}

/// How images are prepared for the published weights of a network; as most are, where none are known.
fn default_preprocessing(a: &Architecture) -> Preprocessing {
    let [channels, height, width] = a.input;
    let plain = |shorter, size| {
        let fit = Fit::Crop { shorter };
        Preprocessing { light_on_dark: false, ..Preprocessing::new(channels, size, fit) }
    };
    let relative = if a.name.starts_with("efficientnet-lite") { "efficientnet-lite0" } else { "resnet18" };
    let known = published(a.name).or_else(|| published(relative)).filter(|_| channels == 3);
    let Some(known) = known else { return plain(height.min(width), [height, width]) };
    let (shorter, size) = match known.architecture == a.name {
        true => (known.resize, [known.crop; 2]),
        false => ((height.min(width) * 8).div_ceil(7), [height, width]),
    };
    let filter = match known.interpolation {
        Interpolation::Bilinear => Filter::Bilinear,
        Interpolation::Bicubic => Filter::Bicubic,
    };
    Preprocessing { filter, mean: known.mean.to_vec(), std: known.std.to_vec(), ..plain(shorter, size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(name: &str) -> Preprocessing {
        default_preprocessing(find(name).unwrap())
    }

    #[test]
    fn unpublished_sizes_are_prepared_as_their_family() {
        let published = prepared("efficientnet-lite0");
        assert_eq!(published.mean, [127.0 / 255.0; 3]);
        for (name, side) in [("efficientnet-lite3", 280), ("efficientnet-lite4", 300)] {
            let lite = prepared(name);
            assert_eq!((&lite.mean, &lite.std, lite.filter), (&published.mean, &published.std, published.filter));
            assert_eq!(lite.output_shape()[1..], [side, side], "{name}");
        }
        assert_ne!(prepared("resnet18").mean, published.mean);
        let grey = prepared("mnist-net");
        assert_eq!((grey.output_shape(), grey.light_on_dark), ([1, 28, 28], false));
    }
}
