//! Training: the loop, its settings, files and events, and what is measured.

mod card;
mod checkpoint;
mod config;
mod data;
mod defaults;
mod error;
mod evaluate;
mod events;
mod finetune;
mod image_settings;
mod images;
mod learning_rate;
mod metrics;
mod metrics_csv;
mod near_names;
mod network;
mod phase;
mod published;
mod recipe;
mod run_dir;
mod session;
pub mod sinks;
mod state;
mod task;
mod trainer;

mod weights;

pub use checkpoint::{Identity, Loaded, load as load_checkpoint, save as save_checkpoint};
pub use config::{Config, OptimizerKind};
pub use data::{Images, Loader, MNIST, Splits, Watch, load_data};
pub use defaults::Defaults;
pub use error::TrainError;
pub use evaluate::{Evaluation, HeldOut, evaluate, load_to_measure};
pub use events::{Event, Sink};
pub use finetune::{FewShot, FewShotResult, FineTune, FineTuneMode, PrototypeReport, Source, prototypes};
pub use image_settings::{ImageCache, ImageSettings, NO_CHANGES, SMALL_DATA, UNMIXED};
pub use images::{Preview, are_images};
pub use learning_rate::{LearningRate, PlateauPosition, SCHEDULE_FORMS, SchedulePlan};
pub use metrics::{
    Averages, ClassificationMetrics, ConfusionMatrix, Detail, Direction, Metric, Metrics, MultiLabelMetrics,
    OperatingPoint, Ranking, RegressionMetrics, Scale, bootstrap_interval, wilson_interval,
};
pub use metrics_csv::MetricsCsv;
pub use published::{IMAGENET, MIRROR, cached_weights, resolve_weights, weights_url};
pub use recipe::Recipe;
pub use run_dir::RunDir;
pub use session::{ResumeOptions, Session, Settings};
pub use state::{Measured, Position, Running};
pub use task::{Classification, Part, Task};
pub use trainer::{Batches, Kept, Outcome, SaveModel, Trainer};
