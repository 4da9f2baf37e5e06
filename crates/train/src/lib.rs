//! Training: the loop, its settings, files and events, and what is measured.

mod batches;
mod callback;
mod card;
mod checkpoint;
mod config;
mod cross_validation;
mod data;
mod defaults;
mod error;
mod evaluate;
mod events;
mod finetune;
mod image_settings;
mod images;
mod learning_rate;
mod loader;
mod lr_find;
mod memory;
mod metrics;
mod metrics_csv;
mod near_names;
mod network;
mod out_of_fold;
mod overfit;
mod paths;
mod phase;
pub mod plots;
mod preview;
mod published;
mod recipe;
mod recorder;
mod run_data;
mod run_dir;
mod run_result;
mod runs;
mod runs_outcome;
mod session;
pub mod sinks;
mod spikes;
mod state;
mod sweep;
mod targets;
mod task;
mod tasks;
mod trainer;
mod unlabelled;
mod weights;

pub use batches::{Batches, Stream};
pub use callback::{Callback, Context};
pub use config::{BatchSize, Config, IntoSetting, Layers, OptimizerKind, Resolved, ResolvedConfig, TaskKind};
pub use cross_validation::{CrossValidation, Spread, cross_validate, is_cross_validation, resume_cross_validation};
pub use data::{Images, MNIST, Splits, Watch, load_data};
pub use defaults::Defaults;
pub use error::TrainError;
pub use evaluate::{
    Evaluation, HeldOut, MeasuredBatch, Results, evaluate, evaluate_each, evaluate_variants, load_to_compare,
    load_to_measure,
};
pub use events::{Baseline, Event, Finished, Sink, Started, StartedData};
pub use finetune::{
    FewShot, FewShotResult, FineTune, FineTuneConfig, FineTuneMode, PrototypeReport, Source, prototypes,
};
pub use image_settings::{ImageCache, ImageConfig, ImageSettings, NO_CHANGES, SMALL_DATA, UNMIXED};
pub use images::{are_images, target_kind};
pub use learning_rate::{PlateauPosition, SCHEDULE_FORMS, SchedulePlan};
pub use loader::Loader;
pub use lr_find::{LrFind, LrFindEnd, LrFindOptions, LrPoint};
pub use metrics::{
    Averages, ClassificationMetrics, ConfusionMatrix, Detail, DetectionMetrics, Direction, ImageErrors, Metric,
    Metrics, MultiLabelMetrics, OperatingPoint, Ranking, RegressionMetrics, Scale, SegmentationMetrics,
    bootstrap_interval, bootstrap_intervals, boundary_f1, fraction_interval, wilson_interval,
};
pub use out_of_fold::{FoldHeldOut, OutOfFold};
pub use overfit::{Overfit, OverfitVerdict};
pub use paths::absolute_path;
pub use preview::Preview;
pub use published::{IMAGENET, MIRROR, cached_weights, resolve_weights, weights_url};
pub use recipe::Recipe;
pub use run_data::training_images;
pub use run_dir::RunDir;
pub use run_result::{RunResult, RunState};
pub use runs::{DamagedRun, RunSummary, runs};
pub use runs_outcome::RunsOutcome;
pub use session::{DryRun, ResumeOptions, Session};
pub use state::{Measured, TrainState};
pub use sweep::{Method, Space, SweepPlan, Swept, Trial, Values, is_sweep, resume_sweep, sweep};
pub use task::{Evaluate, Task};
pub use tasks::{Classification, Detection, Evaluator, MultiLabel, Regression, Segmentation, SegmentationLoss};
pub use trainer::{Outcome, Trainer};
pub use unlabelled::{Unlabelled, infer_each, load_unlabelled};
