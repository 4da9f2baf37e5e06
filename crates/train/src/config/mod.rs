//! The settings of a run: as they are asked for ([`Config`]), and as they are run ([`ResolvedConfig`]).

mod batch_size;
mod file;
mod layers;
mod optimizer;
mod run;
mod settings;
mod validate;

pub use batch_size::BatchSize;
pub(crate) use file::{in_toml_terms, near};
pub use layers::{Layers, Resolved};
pub use optimizer::OptimizerKind;
pub use settings::IntoSetting;
pub(crate) use settings::settings;
pub use striate_model::TaskKind;
pub(crate) use validate::bad;

use crate::finetune::{FineTune, FineTuneConfig};
use crate::image_settings::{ImageConfig, ImageSettings};
use crate::tasks::SegmentationLoss;

/// The word for a network that suits the data, or is that of the weights.
pub(crate) const AUTO: &str = "auto";

settings! {
    /// The settings of a run as they are asked for: what is left out comes from a recipe, or is worked out from the data.
    ///
    /// ```
    /// use striate_train::Config;
    /// let config = Config::default().model("lenet").epochs(2);
    /// assert_eq!(config.epochs, Some(2));
    /// ```
    asked Config

    /// The settings of a run, all of them: what the run directory's `config.toml` holds, and what a run that goes on is run with.
    resolved ResolvedConfig

    required {
        /// What the network is trained to do.
        task: TaskKind = TaskKind::Classification,
        /// `mnist`, or the path of a directory of idx files, a folder of images, a manifest of them, or a `.tar`.
        data: String = "mnist".into(),
        /// The network: a name, or layers as text, or `auto` for one that suits the data. A run directory has the canonical text.
        model: String = AUTO.into(),
        /// What all random numbers come from.
        seed: u64 = 0,
        /// Times that the training samples are gone through.
        epochs: usize = 5,
        /// The fraction of the training samples that is used at all, the same ones in each epoch.
        fraction: f64 = 1.0,
        /// The fraction of the training samples that an epoch goes through, others each time.
        epoch_fraction: f64 = 1.0,
        /// The optimizer.
        optimizer: OptimizerKind = OptimizerKind::Adam,
        /// The learning rate, or the largest one where a schedule changes it.
        lr: f64 = 0.001,
        /// Whether biases and the scales of normalization layers decay too, as they do in PyTorch.
        decay_bias_and_norm: bool = false,
        /// Batches in a step: their gradients make one update.
        accumulate: usize = 1,
        /// The fraction of each target that is spread over all classes in training.
        label_smoothing: f64 = 0.0,
        /// What a segmentation is trained on.
        segmentation_loss: SegmentationLoss = SegmentationLoss::CrossEntropy,
        /// What the network's own dropout rates are multiplied with: 0 switches dropout off.
        dropout_scale: f64 = 1.0,
        /// Whether 3×3 convolutions may use Winograd's algorithm, which is faster and rounds more:
        /// see [`striate_tensor::ComputeSettings::winograd`].
        winograd: bool = true,
        /// By how much the monitored metric must be better for an epoch to count as better.
        min_delta: f64 = 0.0,
        /// Steps between lines of progress.
        log_every: usize = 100,
    }
    resolved_later {
        /// Samples in a batch.
        batch_size: BatchSize => usize = 100,
    }
    optional {
        /// The recipe that the settings come from, with its version: `fast 1`.
        recipe: String,
        /// The file with the weights to start from, as far as they fit: safetensors, PyTorch's or npz.
        weights: String,
        /// Which weights of a file that holds several: the name of an entry, or what the names of its tensors begin with.
        weights_entry: String,
        /// The optimizer's betas: how fast its means of the gradient and of its square decay, instead of its defaults.
        betas: [f64; 2],
        /// How the learning rate changes: see [`SchedulePlan`](crate::SchedulePlan). It stays as it is if nothing is said.
        schedule: String,
        /// The weight decay, instead of the optimizer's default.
        weight_decay: f64,
        /// What the learning rate is multiplied with in some layers, by patterns of parameter names: `features.* 0.1, classifier.1.* 2`. 0 freezes them; of several that hold the
        /// last counts.
        lr_scales: String,
        /// The largest norm that the gradient may have.
        clip_norm: f64,
        /// The decay of the average of weights that is measured and saved in the place of the weights.
        ema: f64,
        /// The gamma of the focal loss that is trained on in the place of cross-entropy (Lin et al., 2017).
        focal: f64,
        /// How many folds the training images are divided into, of which one is held out (k-fold cross-validation).
        folds: usize,
        /// Which of them is held out, from 1.
        fold: usize,
        /// The metric by which the best epoch is chosen, instead of the task's own.
        monitor: String,
        /// Epochs without a better one after which a stage of the run ends (early stopping); 0 never ends it.
        patience: usize,
        /// Seconds of training after which the run ends.
        time_budget: f64,
        /// Steps between checkpoints, besides the one after each epoch.
        checkpoint_every: u64,
    }
    sections {
        /// The settings that images of a folder have besides.
        images: ImageConfig => ImageSettings,
    }
    optional_sections {
        /// The settings of fine-tuning, if this is that.
        finetune: FineTuneConfig => FineTune,
    }
}
