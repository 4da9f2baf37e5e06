//! [`TaskKind`].

use serde::{Deserialize, Serialize};

/// What a network is trained to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// One class for each image.
    #[default]
    Classification,
    /// Any number of labels for each image.
    MultiLabel,
    /// Numbers for each image.
    Regression,
    /// The objects in each image, with their boxes.
    Detection,
    /// The class of each pixel.
    Segmentation,
}

impl TaskKind {
    /// All of them.
    pub const ALL: [TaskKind; 5] = [
        TaskKind::Classification,
        TaskKind::MultiLabel,
        TaskKind::Regression,
        TaskKind::Detection,
        TaskKind::Segmentation,
    ];

    /// Its name, in `config.toml` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            TaskKind::Classification => "classification",
            TaskKind::MultiLabel => "multi-label",
            TaskKind::Regression => "regression",
            TaskKind::Detection => "detection",
            TaskKind::Segmentation => "segmentation",
        }
    }

    /// The task of this name.
    pub fn named(name: &str) -> Option<TaskKind> {
        TaskKind::ALL.into_iter().find(|task| task.name() == name)
    }

    /// Whether its targets are in places of the image, so that they move with it.
    pub fn is_dense(self) -> bool {
        matches!(self, TaskKind::Detection | TaskKind::Segmentation)
    }

    /// What its outputs are called, one of them: `class`, `label`, `number`.
    pub fn output(self) -> &'static str {
        match self {
            TaskKind::Classification | TaskKind::Detection | TaskKind::Segmentation => "class",
            TaskKind::MultiLabel => "label",
            TaskKind::Regression => "number",
        }
    }
}
