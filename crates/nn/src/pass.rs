//! A pass through a network: training or evaluation.

use crate::parameter::{Buffer, Parameter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use striate_tensor::backend::Backend;
use striate_tensor::{Generator, Tensor};

enum Mode {
    Train { seed: u64, step: u64 },
    Eval,
}

/// One way through a network. It decides what layers do that behave differently in training, whether gradients are recorded, and
/// which random numbers are drawn: there is no mode flag on the network to forget.
pub struct Pass {
    mode: Mode,
    drawn: AtomicU64,
    place: Option<Arc<dyn Backend>>,
    statistics: Statistics,
    dropout: f64,
}

/// What batch normalization does in a training pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Statistics {
    /// It normalizes by the batch, and the running statistics follow.
    #[default]
    OfBatch,
    /// It normalizes by the running statistics and leaves them as they are, as PyTorch's does in a network in training whose batch-norm layers are
    /// in evaluation.
    Frozen,
}

impl Pass {
    fn new(mode: Mode) -> Self {
        Pass { mode, drawn: AtomicU64::new(0), place: None, statistics: Statistics::OfBatch, dropout: 1.0 }
    }

    /// A training pass: dropout on, batch statistics, gradients recorded. The random numbers depend on `seed`, `step` and
    /// which layer of the pass asks, and on nothing else.
    pub fn train(seed: u64, step: u64) -> Self {
        Pass::new(Mode::Train { seed, step })
    }

    /// An evaluation pass: dropout off, running statistics, nothing recorded.
    pub fn eval() -> Self {
        Pass::new(Mode::Eval)
    }

    /// This pass with every parameter handed to `backend` first.
    pub fn on(mut self, backend: Arc<dyn Backend>) -> Self {
        self.place = Some(backend);
        self
    }

    /// This pass with another way of batch normalization; evaluation stays as it is.
    pub fn statistics(mut self, statistics: Statistics) -> Self {
        self.statistics = statistics;
        self
    }

    /// This pass with dropout layers that leave out this share of what they are set to: none at 0.
    ///
    /// # Panics
    /// If the share is not from 0 to 1.
    pub fn dropout(mut self, share: f64) -> Self {
        assert!((0.0..=1.0).contains(&share), "Pass::dropout: the share must be from 0 to 1, got {share}");
        self.dropout = share;
        self
    }

    /// What a layer with the dropout rate `p` leaves out in this pass.
    pub fn dropout_rate(&self, p: f64) -> f64 {
        p * self.dropout
    }

    /// Whether batch normalization goes by the batch.
    pub fn uses_batch_statistics(&self) -> bool {
        self.is_train() && self.statistics == Statistics::OfBatch
    }

    /// Whether this is a training pass.
    pub fn is_train(&self) -> bool {
        matches!(self.mode, Mode::Train { .. })
    }

    /// The value of `parameter`, with its gradient recorded in a training pass.
    pub fn parameter(&self, parameter: &Parameter) -> Tensor {
        let value = match &self.place {
            Some(backend) => backend.upload(parameter.value().array(), Some(parameter.id())).into(),
            None => parameter.value().clone(),
        };
        if self.is_train() { value.leaf(parameter.id()) } else { value }
    }

    /// The value of `buffer` in this pass.
    pub fn buffer(&self, buffer: &Buffer) -> Tensor {
        match &self.place {
            Some(backend) => backend.upload(buffer.value().array(), Some(buffer.id())).into(),
            None => buffer.value(),
        }
    }

    /// A constant of the network where this pass computes.
    pub fn constant(&self, value: Tensor) -> Tensor {
        match &self.place {
            Some(backend) => backend.upload(value.array(), None).into(),
            None => value,
        }
    }

    /// The random numbers of the next layer that draws any; none in evaluation.
    pub fn generator(&self) -> Option<Generator> {
        let Mode::Train { seed, step } = self.mode else { return None };
        let layer = self.drawn.fetch_add(1, Ordering::Relaxed);
        Some(Generator::keyed([seed, DROPOUT_STREAM, step, layer]))
    }
}

/// Tells the random numbers of passes from those of initializers and shuffles under the same seed.
const DROPOUT_STREAM: u64 = 0x7061_7373;
