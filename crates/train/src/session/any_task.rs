//! [`AnyTask`]: the task of a run, whichever it is.

use crate::config::{ResolvedConfig, TaskKind};
use crate::data::Splits;
use crate::finetune::Tuned;
use crate::network;
use crate::targets::{self, Scale};
use crate::task::Task;
use crate::tasks::{Classification, Detection, MultiLabel, Regression, Segmentation};
use striate_data::Batch;
use striate_tensor::Tensor;

/// The task of a run, whichever it is.
pub(super) enum AnyTask {
    Classification(Classification),
    MultiLabel(MultiLabel),
    Regression(Regression),
    Detection(Detection),
    Segmentation(Segmentation),
}

/// Something that is done with any task.
pub(super) trait WithTask {
    /// What it gives.
    type Output;

    fn run<T: Task<Tuned, Batch = Batch>>(self, task: &T) -> Self::Output;
}

impl AnyTask {
    /// That of these settings on this data.
    pub fn of(config: &ResolvedConfig, data: &Splits) -> AnyTask {
        let outputs = data.classes.len();
        match config.task {
            TaskKind::Classification => {
                let mut task = Classification::new(outputs).label_smoothing(config.label_smoothing);
                task = config.focal.into_iter().fold(task, Classification::focal);
                if config.images.class_weights {
                    let weights = targets::class_weights(&data.train, outputs).into_iter().map(|w| w as f32).collect();
                    task = task.class_weights(Tensor::from_vec(weights, [outputs]));
                }
                AnyTask::Classification(task)
            }
            TaskKind::MultiLabel => {
                let mut task = MultiLabel::new(outputs).label_smoothing(config.label_smoothing);
                task = config.focal.into_iter().fold(task, MultiLabel::focal);
                if config.images.class_weights {
                    task = task.pos_weight(targets::pos_weight(&data.train, outputs));
                }
                AnyTask::MultiLabel(task)
            }
            TaskKind::Regression => {
                let Scale { mean, std } = Scale::of(&data.train, outputs);
                AnyTask::Regression(Regression::new(data.classes.clone()).scale(mean, std))
            }
            TaskKind::Detection => AnyTask::Detection(Detection::new(outputs, &network::strides(&config.model))),
            TaskKind::Segmentation => {
                let mut task =
                    Segmentation::new(outputs).label_smoothing(config.label_smoothing).loss(config.segmentation_loss);
                task = config.focal.into_iter().fold(task, Segmentation::focal);
                if config.images.class_weights {
                    let weights = targets::pixel_weights(&data.train, outputs).into_iter().map(|w| w as f32).collect();
                    task = task.class_weights(Tensor::from_vec(weights, [outputs]));
                }
                AnyTask::Segmentation(task)
            }
        }
    }

    /// Does `work` with it.
    pub fn with<W: WithTask>(&self, work: W) -> W::Output {
        match self {
            AnyTask::Classification(task) => work.run(task),
            AnyTask::MultiLabel(task) => work.run(task),
            AnyTask::Regression(task) => work.run(task),
            AnyTask::Detection(task) => work.run(task),
            AnyTask::Segmentation(task) => work.run(task),
        }
    }
}
