//! The model file: weights and all that is needed to use them, in one safetensors file.

use crate::calibration::Calibration;
use crate::card::ModelCard;
use crate::error::ModelError;
use std::collections::BTreeMap;
use std::path::Path;
use striate_formats::{safetensors, shown};
use striate_graph::{Batch, Graph, GraphModule};
use striate_nn::{Forward, Pass, StateDict, first_fault, load_state_dict, state_dict};
use striate_tensor::{DType, Generator, Spec, Tensor, catch_panic};
use striate_zoo::Description;

/// The version of the layout that this program writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 2;
/// Where a file holds its card.
const KEY: &str = "striate";
/// Where a file says the graph of its network.
const GRAPH_KEY: &str = "striate.graph";
/// The architecture of a network that no name and no text describes: the file holds its graph.
pub const GRAPH: &str = "graph";

/// A network with all that is needed to use it.
pub struct Model {
    /// What its file says about it.
    pub card: ModelCard,
    /// The network.
    pub network: Box<dyn Forward>,
}

/// Writes a model file. Whatever happens, `path` holds either the old one or the new one.
///
/// # Errors
/// [`ModelError::NotWritten`] if a weight, a running statistic or a self-test's output is not finite: nobody could use the file.
pub fn save(path: &Path, card: &ModelCard, network: &dyn Forward) -> Result<(), ModelError> {
    write(path, card, &state_dict(network), None)
}

/// As [`save`], of a network that has no name: the file holds its graph, and [`ModelCard::architecture`] is [`GRAPH`] whatever `card` says.
///
/// # Errors
/// As [`save`], and if the graph does not take any number of images as the card prepares them and give a score for each class.
pub fn save_graph(path: &Path, card: &ModelCard, graph: &Graph) -> Result<(), ModelError> {
    write_graph(path, card, graph, Tensor::clone)
}

/// As [`save_graph`], with `f32` rounded to 16 bits in the file. What is read is `f32` again.
///
/// # Errors
/// As [`save_graph`], and if a number is too large for 16 bits.
pub fn save_graph_half(path: &Path, card: &ModelCard, graph: &Graph) -> Result<(), ModelError> {
    write_graph(path, card, graph, |t| if t.dtype() == DType::F32 { t.clone().to_dtype(DType::F16) } else { t.clone() })
}

fn write_graph(
    path: &Path,
    card: &ModelCard,
    graph: &Graph,
    stored: impl Fn(&Tensor) -> Tensor,
) -> Result<(), ModelError> {
    check_graph(graph, card).map_err(|reason| ModelError::NotWritten { path: path.to_path_buf(), reason })?;
    let card = ModelCard { architecture: GRAPH.into(), ..card.clone() };
    let tensors = graph.tensors().map(|(name, t)| (name.to_string(), stored(t))).collect();
    write(path, &card, &tensors, Some(graph.to_text()))
}

/// Whether a graph makes a score for each class of any number of images.
fn check_graph(graph: &Graph, card: &ModelCard) -> Result<(), String> {
    if let Batch::Fixed(n, reason) = &graph.batch {
        return Err(format!("its graph takes batches of {n} images alone: {reason}"));
    }
    let ([input], [output]) = (&graph.inputs[..], &graph.outputs[..]) else {
        return Err(format!(
            "its graph has {} inputs and {} outputs, not one each",
            graph.inputs.len(),
            graph.outputs.len()
        ));
    };
    let [c, h, w] = card.preprocessing.output_shape();
    for n in [1, 2] {
        let (takes, gives) = (graph.value(*input).spec_at(n), graph.value(*output).spec_at(n));
        let images = Spec::new([n, c, h, w], DType::F32);
        if takes != images {
            return Err(format!("its graph takes {takes}, its preprocessing makes {images}"));
        }
        let wanted = card.task.outputs(n, card.classes.len(), [c, h, w]);
        if gives != wanted {
            let (task, classes) = (card.task.name(), card.classes.len());
            return Err(format!("its graph gives {gives}, {task} of {classes} classes takes {wanted}"));
        }
    }
    Ok(())
}

fn write(path: &Path, card: &ModelCard, tensors: &StateDict, graph: Option<String>) -> Result<(), ModelError> {
    let refuse = |reason: String| Err(ModelError::NotWritten { path: path.to_path_buf(), reason });
    if let Some((name, fault)) = first_fault(tensors) {
        return refuse(format!("its tensor '{name}' is no use: {fault}"));
    }
    if card.self_test.iter().flat_map(|test| &test.output).any(|x| !x.is_finite()) {
        return refuse("the network gives infinite numbers or NaN for an image to test it".into());
    }
    let p = &card.preprocessing;
    if !p.mean.iter().chain(&p.std).all(|x| x.is_finite()) {
        return refuse("the mean or standard deviation of its images is not finite".into());
    }
    let card = serde_json::to_string(card).expect("a card is plain values");
    let mut metadata = BTreeMap::from([(KEY.to_string(), card), ("format".to_string(), "pt".to_string())]);
    metadata.extend(graph.map(|graph| (GRAPH_KEY.to_string(), graph)));
    Ok(safetensors::write(path, tensors, &metadata)?)
}

/// Writes the model file at `path` to `out`, which may be the same, with this calibration in the place of the one that it has. The weights stay as they are, bit for
/// bit, and so does all else that the file says. Whatever happens, `out` holds either the old file or the new one.
///
/// # Errors
/// If the file is no model file of a version that this program reads, the calibration does not fit it, or it cannot be written.
pub fn save_calibration(path: &Path, out: &Path, calibration: Option<&Calibration>) -> Result<(), ModelError> {
    let Opened { card, contents } = Opened::new(safetensors::read(path)?, path)?;
    let refuse = |reason: String| ModelError::NotWritten { path: out.to_path_buf(), reason };
    calibration.map_or(Ok(()), |c| c.check(&card.task, card.classes.len())).map_err(refuse)?;
    // What a newer program has written there, too, is kept.
    let mut texts = contents.metadata;
    let mut said: serde_json::Value = serde_json::from_str(&texts[KEY]).expect("the card has been read");
    match calibration {
        Some(calibration) => {
            said["calibration"] = serde_json::to_value(calibration).expect("a calibration is plain values");
        }
        None => drop(said.as_object_mut().and_then(|card| card.remove("calibration"))),
    }
    texts.insert(KEY.into(), said.to_string());
    Ok(safetensors::write(out, &contents.tensors.into_iter().collect(), &texts)?)
}

/// Whether the texts of a safetensors file are those of a model file, of whatever version.
pub fn is_model_file(metadata: &BTreeMap<String, String>) -> bool {
    metadata.contains_key(KEY)
}

/// What the texts of a safetensors file say of a model, if it is a model file of a version that this program reads.
pub fn card_of(metadata: &BTreeMap<String, String>) -> Option<ModelCard> {
    let card: ModelCard = serde_json::from_str(metadata.get(KEY)?).ok()?;
    (card.format_version <= FORMAT_VERSION).then_some(card)
}

/// A file of which the card has been read.
pub(crate) struct Opened {
    pub card: ModelCard,
    pub contents: safetensors::Contents,
}

impl Opened {
    /// Checks that the bytes are a model file of a version that this program reads, with numbers that can be used.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Opened, ModelError> {
        Opened::new(safetensors::from_bytes(bytes, path)?, path)
    }

    fn new(contents: safetensors::Contents, path: &Path) -> Result<Opened, ModelError> {
        let bad = |reason: String| ModelError::Unusable { path: path.to_path_buf(), reason };
        let card = contents
            .metadata
            .get(KEY)
            .ok_or_else(|| bad("not a model of Striate's: it says nothing of its network".into()))?;
        if let Some((name, fault)) = first_fault(contents.tensors.iter().map(|(name, value)| (name, value))) {
            let name = shown(name);
            return Err(bad(format!(
                "its tensor '{name}' is no use: {fault}; train it again, or use a model from before that"
            )));
        }
        let raw: serde_json::Value = serde_json::from_str(card).map_err(|e| bad(format!("damaged metadata: {e}")))?;
        match raw["format_version"].as_u64() {
            Some(v) if v > FORMAT_VERSION as u64 => {
                return Err(bad(format!(
                    "has format version {v}, this program reads up to {FORMAT_VERSION}: use a newer Striate"
                )));
            }
            Some(_) => {}
            None => return Err(bad("damaged metadata: no format version".into())),
        }
        let card: ModelCard = serde_json::from_value(raw).map_err(|e| bad(format!("damaged metadata: {e}")))?;
        card.task.check(card.classes.len()).map_err(&bad)?;
        card.calibration.as_ref().map_or(Ok(()), |c| c.check(&card.task, card.classes.len())).map_err(bad)?;
        Ok(Opened { card, contents })
    }
}

/// The graph that a file holds.
pub(crate) fn read_graph(contents: safetensors::Contents, card: &ModelCard, path: &Path) -> Result<Graph, ModelError> {
    let bad =
        |reason: &str| ModelError::Unusable { path: path.to_path_buf(), reason: format!("damaged metadata: {reason}") };
    let text = contents.metadata.get(GRAPH_KEY).ok_or_else(|| bad("it says that it holds a graph, but has none"))?;
    let mut tensors: StateDict = contents.tensors.into_iter().collect();
    let graph = Graph::from_text(text, |name| tensors.remove(name)).map_err(|reason| bad(&reason))?;
    check_graph(&graph, card).map_err(|reason| bad(&reason))?;
    Ok(graph)
}

impl Model {
    /// Reads a model file, and checks that it gives the outputs that it promises.
    ///
    /// # Errors
    /// If it is no model file of a version that this program reads, is damaged, or gives other outputs.
    pub fn load(path: &Path) -> Result<Model, ModelError> {
        let model = Model::untested(path)?;
        let logits = |x| catch_panic(|| model.network.forward(x, &Pass::eval()));
        model
            .card
            .check_self_tests(logits)
            .map_err(|reason| ModelError::Unusable { path: path.to_path_buf(), reason })?;
        Ok(model)
    }

    pub(crate) fn untested(path: &Path) -> Result<Model, ModelError> {
        let bad = |reason: String| ModelError::Unusable { path: path.to_path_buf(), reason };
        let Opened { card, contents } = Opened::new(safetensors::read(path)?, path)?;
        if card.architecture == GRAPH {
            let graph = read_graph(contents, &card, path)?;
            return Ok(Model { card, network: Box::new(GraphModule::new(graph)) });
        }
        let description = Description::of(&card.architecture)
            .ok_or_else(|| bad(format!("holds a network '{}', which this program does not know", card.architecture)))?;
        let blueprint = description
            .blueprint(card.preprocessing.output_shape(), card.classes.len())
            .map_err(|e| bad(format!("holds a network that this program cannot build: {e}")))?;
        // A damaged text may name a network that takes gigabytes: it is not built.
        let held: usize = contents.tensors.iter().map(|(_, t)| t.numel()).sum();
        if let Some(needed) = blueprint.num_parameters().filter(|&n| n > held) {
            return Err(bad(format!("its network has {needed} parameters, its tensors hold {held} numbers")));
        }
        let mut network = blueprint.build(&mut Generator::blank());
        let weights: StateDict = contents.tensors.into_iter().collect();
        load_state_dict(&mut *network, &weights)
            .map_err(|cause| ModelError::Weights { path: path.to_path_buf(), cause })?;
        let (made, input) = (card.preprocessing.output_shape(), blueprint.input());
        if made != input {
            return Err(bad(format!(
                "damaged metadata: its preprocessing makes images of {made:?}, its network takes {input:?}"
            )));
        }
        Ok(Model { card, network })
    }
}
