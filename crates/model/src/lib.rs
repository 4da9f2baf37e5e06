//! The model file: a network with its classes, its preprocessing and its self-tests; loading it, and predicting with it.

mod boxes;
mod calibration;
mod card;
mod conformal;
mod error;
mod file;
mod fingerprints;
mod interval;
mod metric;
#[cfg(feature = "onnx")]
mod onnx;
mod places;
mod predictor;
mod provenance;
mod regions;
mod scales;
mod segment;
mod task;
mod task_kind;

pub use boxes::{Detection, Suppression, SuppressionMethod, box_area, iou};
pub use calibration::{Calibration, FittedOn};
pub use card::{ModelCard, SelfTest, Training};
pub use conformal::{ConformalMethod, ConformalScores, PredictionSet};
pub use error::ModelError;
pub use file::{
    FORMAT_VERSION, GRAPH, Model, card_of, is_model_file, save, save_calibration, save_graph, save_graph_half,
};
pub use fingerprints::Fingerprints;
pub use interval::wilson_interval;
pub use metric::{Direction, Metric, Scale};
#[cfg(feature = "onnx")]
pub use onnx::{Imported, OnnxImport, PREPROCESSINGS, Prepared, export_onnx, import_onnx, raw_images};
pub use places::{Place, Places, detections};
pub use predictor::{Prediction, Predictor};
pub use provenance::{EvalSplit, Provenance};
pub use regions::{Connectivity, Region, Regions};
pub use segment::SlidingWindow;
pub use task::TaskCard;
pub use task_kind::TaskKind;
