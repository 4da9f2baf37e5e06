//! [`About`]: what was measured, and on what.

use schemars::JsonSchema;
use serde::Serialize;
use striate_data::images::BadImage;
use striate_model::{EvalSplit, ModelCard};
use striate_tensor::ComputeSettings;
use striate_train::{Evaluation, HeldOut, OutOfFold};

/// What was measured, and on what.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct About {
    /// The model file.
    pub model: String,
    /// Its network.
    pub network: String,
    /// Its task.
    pub task: String,
    /// The classes, labels or numbers, in the order of the outputs.
    pub outputs: Vec<String>,
    /// How an image becomes the network's input.
    pub preprocessing: String,
    /// What the network computed in: `f32`, or `bf16` where the factors of convolutions and linear layers were rounded to it.
    pub precision: &'static str,
    /// The data that was measured on.
    pub data: String,
    /// How many images were measured on.
    pub images: usize,
    /// What they are to the model: `test` if it has seen none of them, `validation` if its best epoch was chosen on some, `unknown` if its file does not say;
    /// `out_of_fold` of a cross-validation, each by the model of the fold that held it out; `unlabelled` of images without labels, of which nothing is measured.
    pub measured_on: &'static str,
    /// How many folds there are, of a cross-validation.
    pub folds: Option<usize>,
    /// How many images were left out because the model has learnt from them.
    pub learnt_from_left_out: usize,
    /// The fraction of other images that the model file takes for learnt from, by mistake.
    pub learnt_from_error_rate: f64,
    /// Images that could not be read, and why.
    pub unreadable: Vec<Unreadable>,
    /// The mean loss; null without labels.
    pub loss: Option<f64>,
    /// How it was trained.
    pub training: TrainingFacts,
}

/// An image that could not be read.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Unreadable {
    /// The file.
    pub image: String,
    /// Why.
    pub reason: String,
}

/// How a model was trained, as its file says.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct TrainingFacts {
    /// Its data; null if not known.
    pub data: Option<String>,
    /// What it had learnt from before.
    pub from: Option<String>,
    /// Epochs.
    pub epochs: usize,
    /// The optimizer.
    pub optimizer: String,
    /// The learning rate.
    pub lr: f64,
    /// Samples in a step.
    pub batch_size: usize,
    /// What all random numbers came from.
    pub seed: u64,
    /// The version of Striate.
    pub striate_version: String,
}

/// The name of what was measured on, of images without labels.
pub(crate) const UNLABELLED: &str = "unlabelled";
/// That of the images of a cross-validation.
pub(crate) const OUT_OF_FOLD: &str = "out_of_fold";

impl About {
    /// Of an evaluation of the model of this card; `model` and `network` are their names.
    pub fn new(card: &ModelCard, model: String, network: String, held_out: &HeldOut, evaluation: &Evaluation) -> About {
        About {
            data: held_out.data.name.clone(),
            images: evaluation.results.images(),
            measured_on: match held_out.split {
                EvalSplit::Test => "test",
                EvalSplit::Validation => "validation",
                EvalSplit::Unknown => "unknown",
            },
            learnt_from_left_out: held_out.left_out,
            learnt_from_error_rate: held_out.error_rate,
            loss: Some(evaluation.loss),
            ..About::of_model(card, model, network, &evaluation.bad)
        }
    }

    /// Of a cross-validation in the directory `model`, whose images were measured together.
    pub fn out_of_fold(all: &OutOfFold, model: String, network: String, evaluation: &Evaluation) -> About {
        About {
            data: all.folds[0].held_out.data.name.clone(),
            images: evaluation.results.images(),
            measured_on: OUT_OF_FOLD,
            folds: Some(all.folds.len()),
            loss: Some(evaluation.loss),
            ..About::of_model(&all.card, model, network, &evaluation.bad)
        }
    }

    /// Of this many images without labels in `data`, of which some could not be read.
    pub fn unlabelled(
        card: &ModelCard,
        model: String,
        network: String,
        (data, images): (String, usize),
        bad: &[BadImage],
    ) -> About {
        About { data, images, ..About::of_model(card, model, network, bad) }
    }

    fn of_model(card: &ModelCard, model: String, network: String, bad: &[BadImage]) -> About {
        let training = &card.training;
        let unreadable =
            |bad: &BadImage| Unreadable { image: bad.path.to_string_lossy().into_owned(), reason: bad.reason.clone() };
        About {
            model,
            network,
            task: card.task.name().to_string(),
            outputs: card.classes.clone(),
            preprocessing: card.preprocessing.describe(),
            precision: ComputeSettings::current().precision.name(),
            data: String::new(),
            images: 0,
            measured_on: UNLABELLED,
            folds: None,
            learnt_from_left_out: 0,
            learnt_from_error_rate: 0.0,
            unreadable: bad.iter().map(unreadable).collect(),
            loss: None,
            training: TrainingFacts {
                data: (!training.data.is_empty()).then(|| training.data.clone()),
                from: training.from.clone(),
                epochs: training.epochs,
                optimizer: training.optimizer.clone(),
                lr: training.lr,
                batch_size: training.batch_size,
                seed: training.seed,
                striate_version: training.striate_version.clone(),
            },
        }
    }

    /// What the images are to the model, in a sentence.
    pub fn on_what(&self) -> String {
        let n = self.images;
        let left_out = match self.learnt_from_left_out {
            0 => String::new(),
            left_out => format!(" {left_out} further images were left out, because the model has learnt from them."),
        };
        let what = match self.measured_on {
            "test" => format!("{n} test images: the model has not seen any of them."),
            "validation" => format!(
                "{n} validation images: the best epoch was chosen on them, so the numbers are somewhat better than on new images."
            ),
            OUT_OF_FOLD => format!(
                "{n} images of {} folds, each by the model of the fold that held it out: no model has learnt from an image that it was measured on. The best epoch of each was chosen on its fold, so the numbers are somewhat better than on new images.",
                self.folds.unwrap_or_default()
            ),
            UNLABELLED => format!("{n} images without labels: how right the model is on them is not known."),
            _ => format!(
                "{n} images. The model file does not say what it learnt from: these images may be among that, and then the numbers are too good."
            ),
        };
        what + &left_out
    }
}
