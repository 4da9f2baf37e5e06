//! [`Plan`]: the network of a run before it is built.

use crate::error::TrainError;
use std::path::{Path, PathBuf};
use striate_graph::{Graph, GraphClassifier, capture};
use striate_imaging::Preprocessing;
use striate_model::{GRAPH, Model, ModelCard, Training, save_graph};
use striate_nn::{Classifier, Forward};
use striate_tensor::Generator;
use striate_zoo::{Blueprint, Description, Output, title_of};

/// The file of a run's directory with the graph that it trains, where no name describes its network.
const FILE: &str = "graph.safetensors";

/// The network of a run before it is built: by its name or text, or the graph of a file.
pub(crate) enum Plan {
    Described(Blueprint),
    /// A graph, with a last layer for this many classes.
    Graph(ImageGraph, usize),
}

impl Plan {
    /// Its architecture, as settings and model files name it.
    pub fn name(&self) -> &str {
        match self {
            Plan::Described(blueprint) => blueprint.name(),
            Plan::Graph(..) => GRAPH,
        }
    }

    /// A name for files.
    pub fn short_name(&self) -> String {
        match self {
            Plan::Described(blueprint) => blueprint.short_name(),
            Plan::Graph(..) => GRAPH.into(),
        }
    }

    /// What messages call it.
    pub fn title(&self) -> String {
        title(self.name())
    }

    /// What it gives for an image.
    pub fn output(&self) -> Output {
        match self {
            Plan::Described(blueprint) => blueprint.output(),
            Plan::Graph(..) => Output::Classes,
        }
    }

    /// Channels, height and width of the images that it takes.
    pub fn input(&self) -> [usize; 3] {
        match self {
            Plan::Described(blueprint) => blueprint.input(),
            Plan::Graph(graph, _) => graph.input,
        }
    }

    /// The network, with initial weights by `rng`; a graph has its own but for a last layer of another size, which is zeros.
    pub fn build(&self, rng: &mut Generator) -> Box<dyn Classifier> {
        match self {
            Plan::Described(blueprint) => blueprint.build(rng),
            Plan::Graph(graph, classes) => {
                let classifier =
                    GraphClassifier::new(&graph.graph).expect("the last layer was found when the graph was read");
                Box::new(classifier.with_classes(*classes))
            }
        }
    }
}

/// The strides of the maps that a detector of this architecture looks for objects in; none of other networks.
pub(crate) fn strides(architecture: &str) -> Vec<usize> {
    let blueprint = Description::of(architecture).map(|description| description.blueprint([3, 1, 1], 1));
    match blueprint.map(|blueprint| blueprint.map(|blueprint| blueprint.output())) {
        Some(Ok(Output::Places(strides))) => strides,
        _ => Vec::new(),
    }
}

/// What messages call the network of an architecture.
pub(crate) fn title(architecture: &str) -> String {
    if architecture == GRAPH { "the graph".into() } else { title_of(architecture) }
}

/// The graph of a classifier whose last layer can be replaced.
#[derive(Clone)]
pub(crate) struct ImageGraph {
    pub graph: Graph,
    /// Channels, height and width of the images that it takes.
    pub input: [usize; 3],
}

impl ImageGraph {
    /// The graph of a model.
    pub fn of(model: &Model, path: &Path) -> Result<ImageGraph, TrainError> {
        let input = model.card.preprocessing.output_shape();
        let [c, h, w] = input;
        let graph = capture(&*model.network, &[1, c, h, w]);
        let refuse = |reason| TrainError::StartWeights {
            path: path.to_path_buf(),
            reason: format!("cannot be fine-tuned: {reason}"),
        };
        let classifier = GraphClassifier::new(&graph).map_err(refuse)?;
        // With the names that the classifier gives to its last layer.
        Ok(ImageGraph { graph: capture(&classifier, &[1, c, h, w]), input })
    }
}

fn file(run: &Path) -> PathBuf {
    run.join(FILE)
}

/// Keeps the graph of a run in its directory, so that it can go on.
pub(crate) fn keep(
    run: &Path,
    network: &dyn Classifier,
    classes: &[String],
    preprocessing: &Preprocessing,
) -> Result<(), TrainError> {
    let training = Training::elsewhere(FILE);
    let card = ModelCard::new(GRAPH, classes.to_vec(), preprocessing.clone(), training, (network, &[]));
    save(&file(run), &card, network)
}

/// The graph that [`keep`] kept in the directory of a run.
pub(crate) fn kept(run: &Path) -> Result<ImageGraph, TrainError> {
    let path = file(run);
    ImageGraph::of(&Model::load(&path)?, &path)
}

/// Writes a model file: with the graph of the network, where no name describes it.
pub(crate) fn save(path: &Path, card: &ModelCard, network: &dyn Forward) -> Result<(), TrainError> {
    if card.architecture != GRAPH {
        return Ok(striate_model::save(path, card, network)?);
    }
    let [c, h, w] = card.preprocessing.output_shape();
    Ok(save_graph(path, card, &capture(network, &[1, c, h, w]))?)
}
