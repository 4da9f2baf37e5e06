//! Training: the loop, its settings, files and events, and what is measured.

mod checkpoint;
mod config;
mod data;
mod error;
mod evaluate;
mod events;
mod learning_rate;
mod metrics;
mod metrics_csv;
mod model_file;
mod picture_settings;
mod pictures;
mod recipe;
mod run_dir;
mod session;
pub mod sinks;
mod task;
mod trainer;
mod weights;

pub use checkpoint::{Identity, load as load_checkpoint, save as save_checkpoint};
pub use config::{Config, OptimizerKind};
pub use data::{Images, Loader, Splits, Watch, load_data};
pub use error::TrainError;
pub use evaluate::{Evaluation, evaluate, load_to_measure};
pub use events::{Event, Sink};
pub use learning_rate::{LearningRate, PlateauPosition, SCHEDULE_FORMS, SchedulePlan};
pub use metrics::{ConfusionMatrix, wilson_interval};
pub use metrics_csv::MetricsCsv;
pub use model_file::{FORMAT_VERSION, Model, ModelCard, SelfTest, Training, save as save_model};
pub use picture_settings::{PictureCache, PictureSettings, SMALL_DATA};
pub use pictures::Preview;
pub use recipe::Recipe;
pub use run_dir::RunDir;
pub use session::Session;
pub use task::{Classification, Task};
pub use trainer::{Batches, Outcome, Position, Running, SaveModel, Trainer};
