//! [`Plan`]: the network of a run before it is built.

use crate::error::TrainError;
use std::path::{Path, PathBuf};
use striate_graph::{Graph, GraphClassifier, capture};
use striate_imaging::Preprocessing;
use striate_model::{GRAPH, Model, ModelCard, Training, save_graph};
use striate_nn::{Classifier, Forward};
use striate_tensor::Generator;
use striate_zoo::{Blueprint, title_of};

/// The file of a run's directory with the graph that it trains, where no name describes its network.
const FILE: &str = "graph.safetensors";

/// The network of a run before it is built: by its name or text, or the graph of a file.
pub(crate) enum Plan {
    Described(Blueprint),
    Graph {
        graph: Graph,
        /// Channels, height and width of the images that it takes.
        input: [usize; 3],
        classes: usize,
    },
}

impl Plan {
    /// Its architecture, as settings and model files name it.
    pub fn name(&self) -> &str {
        match self {
            Plan::Described(blueprint) => blueprint.name(),
            Plan::Graph { .. } => GRAPH,
        }
    }

    /// A name for files.
    pub fn short_name(&self) -> String {
        match self {
            Plan::Described(blueprint) => blueprint.short_name(),
            Plan::Graph { .. } => GRAPH.into(),
        }
    }

    /// What messages call it.
    pub fn title(&self) -> String {
        title(self.name())
    }

    /// Channels, height and width of the images that it takes.
    pub fn input(&self) -> [usize; 3] {
        match self {
            Plan::Described(blueprint) => blueprint.input(),
            Plan::Graph { input, .. } => *input,
        }
    }

    /// The network, with initial weights by `rng`; a graph has its own but for a last layer of another size, which is zeros.
    pub fn build(&self, rng: &mut Generator) -> Box<dyn Classifier> {
        match self {
            Plan::Described(blueprint) => blueprint.build(rng),
            Plan::Graph { graph, classes, .. } => {
                let classifier = GraphClassifier::new(graph).expect("the last layer was found when the graph was read");
                Box::new(classifier.with_classes(*classes))
            }
        }
    }
}

/// What messages call the network of an architecture.
pub(crate) fn title(architecture: &str) -> String {
    if architecture == GRAPH { "the graph".into() } else { title_of(architecture) }
}

/// The graph of a model, whose last layer can be replaced.
pub(crate) fn graph_of(model: &Model, path: &Path) -> Result<Graph, TrainError> {
    let [c, h, w] = model.card.preprocessing.output_shape();
    let graph = capture(&*model.network, &[1, c, h, w]);
    let refuse = |reason| TrainError::StartWeights {
        path: path.to_path_buf(),
        reason: format!("cannot be fine-tuned: {reason}"),
    };
    let classifier = GraphClassifier::new(&graph).map_err(refuse)?;
    // With the names that the classifier gives to its last layer.
    Ok(capture(&classifier, &[1, c, h, w]))
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
pub(crate) fn kept(run: &Path) -> Result<Plan, TrainError> {
    let path = file(run);
    let model = Model::load(&path)?;
    let (input, classes) = (model.card.preprocessing.output_shape(), model.card.classes.len());
    Ok(Plan::Graph { graph: graph_of(&model, &path)?, input, classes })
}

/// Writes a model file: with the graph of the network, where no name describes it.
pub(crate) fn save(path: &Path, card: &ModelCard, network: &dyn Forward) -> Result<(), TrainError> {
    if card.architecture != GRAPH {
        return Ok(striate_model::save(path, card, network)?);
    }
    let [c, h, w] = card.preprocessing.output_shape();
    Ok(save_graph(path, card, &capture(network, &[1, c, h, w]))?)
}
