//! The model file: weights and all that is needed to use them, in one safetensors file.

use crate::config::{Config, is_whole, whole};
use crate::data::Splits;
use crate::error::TrainError;
use crate::provenance::Provenance;
use crate::state::Measured;
use crate::weights::first_fault;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use striate_data::images::Split;
use striate_data::{Image, Preprocessing};
use striate_formats::{safetensors, shown};
use striate_graph::{Batch, Executable, Graph, GraphModule, capture};
use striate_nn::{Forward, Pass, StateDict, load_state_dict, state_dict};
use striate_tensor::{DType, Generator, Spec, Tensor};
use striate_zoo::Description;

/// The version of the layout that this program writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 2;
/// Images that a file carries to test itself.
const SELF_TESTS: usize = 2;
pub(crate) const KEY: &str = "striate";
/// Where a file says the graph of its network.
const GRAPH_KEY: &str = "striate.graph";
/// The architecture of a network that no name and no text describes: the file holds its graph.
pub const GRAPH: &str = "graph";
/// How far, as a share of the largest output, a self-test may be off: instruction sets round differently.
const SELF_TEST_TOLERANCE: f32 = 1e-3;

/// What a model file says about its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The version of the file's layout.
    pub format_version: u32,
    /// The network's name, its canonical text (`conv 32 3, relu, …`), or [`GRAPH`].
    pub architecture: String,
    /// The names of the classes, in the order of the outputs.
    pub classes: Vec<String>,
    /// How an image becomes the network's input.
    pub preprocessing: Preprocessing,
    /// How it was trained.
    pub training: Training,
    /// Images with the outputs that they must give.
    pub self_test: Vec<SelfTest>,
}

/// How a model was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// `mnist`, or the path of the data. Empty if it is not known.
    pub data: String,
    /// What it had learnt from before: a network's name, or the path of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The optimizer's name.
    pub optimizer: String,
    /// The learning rate.
    pub lr: f64,
    /// Samples in a step.
    pub batch_size: usize,
    /// Epochs done when the weights were as they are.
    pub epochs: usize,
    /// The share of the training samples that each went through.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub epoch_share: f64,
    /// What all random numbers came from.
    pub seed: u64,
    /// The fraction of right answers on the images held out; none if none were.
    #[serde(alias = "test_accuracy")]
    pub accuracy: Option<f64>,
    /// What those images were for.
    #[serde(default)]
    pub measured: Split,
    /// What was learnt from. Files of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// The version of Striate that trained it.
    pub striate_version: String,
}

impl Training {
    /// Of a network that comes out of a file of another program.
    pub(crate) fn elsewhere(file: &str) -> Training {
        Training {
            data: String::new(),
            from: Some(file.into()),
            optimizer: String::new(),
            lr: 0.0,
            batch_size: 0,
            epochs: 0,
            epoch_share: 1.0,
            seed: 0,
            accuracy: None,
            measured: Split::default(),
            provenance: None,
            striate_version: env!("CARGO_PKG_VERSION").to_string(),
        }
    }

    /// With these settings, of weights that gave `tested` on images of split `measured`.
    pub(crate) fn of(config: &Config, tested: &Measured, measured: Split, provenance: Provenance) -> Training {
        Training {
            data: config.data.clone(),
            from: config.finetune.as_ref().map(|f| f.from.clone()),
            optimizer: config.optimizer.name().to_string(),
            lr: config.lr,
            batch_size: config.batch_size,
            epochs: tested.epoch,
            epoch_share: config.epoch_share,
            seed: config.seed,
            accuracy: (tested.result.samples > 0).then(|| tested.result.accuracy()),
            measured,
            provenance: Some(provenance),
            striate_version: env!("CARGO_PKG_VERSION").to_string(),
        }
    }
}

impl ModelCard {
    /// The file of another program that the network comes from, if it was not trained here.
    pub fn imported_from(&self) -> Option<&str> {
        self.training.from.as_deref().filter(|_| self.training.data.is_empty())
    }

    /// Of `network`, with some images of the test data to test itself.
    pub(crate) fn of(
        architecture: &str,
        data: &Splits,
        preprocessing: &Preprocessing,
        training: Training,
        network: &dyn Forward,
    ) -> ModelCard {
        let images = match data.test.is_empty() {
            true => data.train.first(SELF_TESTS, preprocessing),
            false => data.test.first(SELF_TESTS, preprocessing),
        };
        ModelCard {
            format_version: FORMAT_VERSION,
            architecture: architecture.to_string(),
            classes: data.classes.clone(),
            preprocessing: preprocessing.clone(),
            training,
            self_test: images.iter().map(|image| SelfTest::record(network, preprocessing, image)).collect(),
        }
    }
}

/// An image with the output that it must give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Values per pixel.
    pub channels: usize,
    /// The values, row by row.
    pub pixels: Vec<u8>,
    /// The network's logits.
    pub output: Vec<f32>,
}

impl SelfTest {
    /// What `network` gives for `image`.
    pub fn record(network: &dyn Forward, preprocessing: &Preprocessing, image: &Image) -> SelfTest {
        SelfTest {
            width: image.width,
            height: image.height,
            channels: image.channels,
            pixels: image.data.clone(),
            output: logits(network, preprocessing, image),
        }
    }

    pub(crate) fn image(&self) -> Option<Image> {
        let fits = self.pixels.len() == self.width.checked_mul(self.height)?.checked_mul(self.channels)?;
        let Self { width, height, channels, .. } = *self;
        fits.then(|| Image { width, height, channels, data: self.pixels.clone() })
    }
}

fn logits(network: &dyn Forward, preprocessing: &Preprocessing, image: &Image) -> Vec<f32> {
    let (x, _) = preprocessing.apply(image);
    network.forward(x, &Pass::eval()).to_vec()
}

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
/// [`TrainError::NotWritten`] if a weight, a running statistic or a self-test's output is not finite: nobody could use the file.
pub fn save(path: &Path, card: &ModelCard, network: &dyn Forward) -> Result<(), TrainError> {
    write(path, card, &state_dict(network), None)
}

/// As [`save`], of a network that has no name: the file holds its graph, and [`ModelCard::architecture`] is [`GRAPH`] whatever `card` says.
///
/// # Errors
/// As [`save`], and if the graph does not take any number of images as the card prepares them and give a score for each class.
pub fn save_graph(path: &Path, card: &ModelCard, graph: &Graph) -> Result<(), TrainError> {
    check_graph(graph, card).map_err(|reason| TrainError::NotWritten { path: path.to_path_buf(), reason })?;
    let card = ModelCard { architecture: GRAPH.into(), ..card.clone() };
    let tensors = graph.tensors().map(|(name, t)| (name.to_string(), t.clone())).collect();
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
        let scores = Spec::new([n, card.classes.len()], DType::F32);
        if gives != scores {
            return Err(format!("its graph gives {gives}, {} classes take {scores}", card.classes.len()));
        }
    }
    Ok(())
}

fn write(path: &Path, card: &ModelCard, tensors: &StateDict, graph: Option<String>) -> Result<(), TrainError> {
    let refuse = |reason: String| Err(TrainError::NotWritten { path: path.to_path_buf(), reason });
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

/// What the texts of a safetensors file say of a model, if it is a model file of a version that this program reads.
pub(crate) fn card(metadata: &BTreeMap<String, String>) -> Option<ModelCard> {
    let card: ModelCard = serde_json::from_str(metadata.get(KEY)?).ok()?;
    (card.format_version <= FORMAT_VERSION).then_some(card)
}

/// The graph that a file holds.
fn graph_of(contents: safetensors::Contents, card: &ModelCard) -> Result<Graph, String> {
    let text =
        contents.metadata.get(GRAPH_KEY).ok_or("damaged metadata: it says that it holds a graph, but has none")?;
    let mut tensors: StateDict = contents.tensors.into_iter().collect();
    let graph =
        Graph::from_text(text, |name| tensors.remove(name)).map_err(|reason| format!("damaged metadata: {reason}"))?;
    check_graph(&graph, card).map_err(|reason| format!("damaged metadata: {reason}"))?;
    Ok(graph)
}

impl Model {
    /// Reads a model file, and checks that it gives the outputs that it promises.
    ///
    /// # Errors
    /// If it is no model file of a version that this program reads, is damaged, or gives other outputs.
    pub fn load(path: &Path) -> Result<Model, TrainError> {
        let model = Model::untested(path)?;
        let logits = |x| model.network.forward(x, &Pass::eval());
        model.card.self_test(logits).map_err(|reason| TrainError::Model { path: path.to_path_buf(), reason })?;
        Ok(model)
    }

    fn untested(path: &Path) -> Result<Model, TrainError> {
        let bad = |reason: String| TrainError::Model { path: path.to_path_buf(), reason };
        let contents = safetensors::read(path)?;
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
        if card.architecture == GRAPH {
            let graph = graph_of(contents, &card).map_err(&bad)?;
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
            .map_err(|cause| TrainError::Weights { path: path.to_path_buf(), cause })?;
        let (made, input) = (card.preprocessing.output_shape(), blueprint.input());
        if made != input {
            return Err(bad(format!(
                "damaged metadata: its preprocessing makes images of {made:?}, its network takes {input:?}"
            )));
        }
        Ok(Model { card, network })
    }
}

impl ModelCard {
    /// Whether `logits` gives the outputs that this promises.
    fn self_test(&self, logits: impl Fn(Tensor) -> Tensor) -> Result<(), String> {
        for (i, test) in self.self_test.iter().enumerate() {
            let image = test.image().ok_or("damaged metadata: a self-test image of the wrong size")?;
            let got = logits(self.preprocessing.apply(&image).0).to_vec::<f32>();
            let scale = test.output.iter().fold(1.0f32, |m, x| m.max(x.abs()));
            let close = |a: &f32, b: &f32| (a - b).abs() <= SELF_TEST_TOLERANCE * scale;
            if !got.iter().all(|x| x.is_finite()) {
                return Err(format!("self-test {} gives numbers that are infinite or NaN", i + 1));
            }
            if got.len() != test.output.len() || !got.iter().zip(&test.output).all(|(a, b)| close(a, b)) {
                return Err(format!("self-test {} gives other outputs than it did when the model was written", i + 1));
            }
        }
        Ok(())
    }
}

/// A model for use alone: its network's optimized graph, without the memory of the network that it was made from.
pub struct Predictor {
    /// What the model's file says about it.
    pub card: ModelCard,
    executable: Executable,
}

impl Predictor {
    /// Reads a model file, and checks that it gives the outputs that it promises.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load(path: &Path) -> Result<Predictor, TrainError> {
        let Model { card, network } = Model::untested(path)?;
        let [c, h, w] = card.preprocessing.output_shape();
        let graph = capture(&*network, &[1, c, h, w]);
        drop(network);
        let executable = Executable::new(graph);
        // What loading and folding leave idle is not needed again.
        striate_tensor::trim_memory();
        card.self_test(|x| executable.forward(x))
            .map_err(|reason| TrainError::Model { path: path.to_path_buf(), reason })?;
        Ok(Predictor { card, executable })
    }

    /// The logits for a batch of preprocessed images.
    pub fn logits(&self, images: Tensor) -> Tensor {
        self.executable.forward(images)
    }

    /// The probability of each class for a batch of preprocessed images.
    pub fn probabilities(&self, images: Tensor) -> Tensor {
        self.logits(images).softmax(1)
    }
}
