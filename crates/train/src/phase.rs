//! The stages of a run: epochs in which one part of the network learns in one way.

use crate::config::ResolvedConfig;
use crate::data::Splits;
use crate::finetune::{FineTuneMode, Part, by_depth};
use crate::trainer::LoopSettings;
use std::ops::Range;
use std::time::Duration;
use striate_graph::capture;
use striate_nn::{Classifier, Module, Optimizer, Statistics};
use striate_tensor::{Op, Shape};

/// Epochs in which one part of the network learns at one rate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Phase {
    /// What learns.
    pub part: Part,
    /// The epochs, from 0.
    pub epochs: Range<usize>,
    /// The learning rate, or the largest one where a schedule changes it.
    pub lr: f64,
}

impl Phase {
    /// Whether the weights of the backbone stay as they are.
    pub fn is_frozen(&self) -> bool {
        self.part != Part::Whole
    }

    /// What learns and what does not, for people; nothing in a run that does not fine-tune.
    pub fn describe(&self, config: &ResolvedConfig, network: &dyn Classifier) -> Option<String> {
        let finetune = config.finetune.as_ref()?;
        let epochs = match (self.epochs.start + 1, self.epochs.end) {
            (first, last) if first == last => format!("epoch {first}"),
            (first, last) => format!("epochs {first} to {last}"),
        };
        let (head, all) = (network.head_name(), network.num_parameters());
        if !self.is_frozen() {
            let first = finetune.backbone_lr;
            let statistics = match config.statistics() {
                Statistics::Frozen => "; running statistics are frozen",
                Statistics::OfBatch => "",
            };
            return Some(format!(
                "{epochs}: all {all} parameters train, the first layer's at {first} of the learning rate{statistics}"
            ));
        }
        let own = format!("{head}.");
        let parameters = network.named_parameters();
        let trained: usize =
            parameters.iter().filter(|(name, _)| name.starts_with(&own)).map(|(_, p)| p.value().numel()).sum();
        let how = match self.part {
            Part::HeadOnFeatures => ", on features that are computed once",
            _ => "",
        };
        Some(format!(
            "{epochs}: {trained} of {all} parameters train, those of {head}{how}; the backbone is frozen, its running statistics too"
        ))
    }
}

impl ResolvedConfig {
    /// The stages of a run with these settings, in their order.
    pub(crate) fn phases(&self) -> Vec<Phase> {
        let whole = |epochs| Phase { part: Part::Whole, epochs, lr: self.lr };
        let Some(finetune) = &self.finetune else { return vec![whole(0..self.epochs)] };
        match finetune.mode {
            FineTuneMode::Full => vec![whole(0..self.epochs)],
            FineTuneMode::Head => {
                let part = if self.images.changes() { Part::Head } else { Part::HeadOnFeatures };
                vec![Phase { part, epochs: 0..self.epochs, lr: self.lr }]
            }
            FineTuneMode::Gradual => {
                let first = finetune.head_epochs;
                let head = Phase { part: Part::HeadOnFeatures, epochs: 0..first, lr: finetune.head_lr };
                vec![head, whole(first..self.epochs)]
            }
        }
    }

    /// What the training loop is told, in every stage.
    pub(crate) fn loop_settings(&self, monitor: &str, data: &Splits) -> LoopSettings {
        LoopSettings {
            epochs: self.epochs,
            until: self.epochs,
            accumulate: self.accumulate,
            clip_norm: self.clip_norm,
            log_every: self.log_every,
            checkpoint_every: self.checkpoint_every,
            patience: self.patience,
            min_delta: self.min_delta,
            monitor: monitor.into(),
            dropout_scale: self.dropout_scale,
            statistics: self.statistics(),
            needs_two: false,
            measured: data.measured,
            time_budget: self.time_budget.map(Duration::from_secs_f64),
            max_batches: None,
        }
    }

    /// What batch normalization does in training.
    pub(crate) fn statistics(&self) -> Statistics {
        // The layers on a backbone are new, and have no statistics yet.
        let frozen = self.finetune.is_some() && !self.task.is_dense();
        if frozen { Statistics::Frozen } else { Statistics::OfBatch }
    }

    /// Whether a batch of one image leaves batch normalization a single value per channel, which has no variance.
    pub(crate) fn needs_two(&self, network: &dyn Classifier, [channels, height, width]: [usize; 3]) -> bool {
        let one_value = |op: &Op, y: Shape| matches!(op, Op::BatchNorm { .. }) && y.numel() == y[1];
        self.statistics() == Statistics::OfBatch && {
            let graph = capture(network, &[1, channels, height, width]);
            graph.nodes.iter().any(|node| one_value(&node.op, graph.output_spec(node).shape))
        }
    }

    /// A fresh optimizer for a stage.
    pub(crate) fn optimizer_for(&self, phase: &Phase, network: &dyn Module) -> Box<dyn Optimizer> {
        let groups = self.groups();
        let groups = match &self.finetune {
            Some(finetune) if !phase.is_frozen() => by_depth(groups, network, finetune.backbone_lr),
            _ => groups,
        };
        self.build_optimizer(self.with_lr_scales(groups), phase.lr)
    }
}
