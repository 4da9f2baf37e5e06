//! The numbers of events, for TensorBoard.

use super::TensorBoard;
use crate::events::{Event, Sink, Started};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The directory in a run's directory that TensorBoard reads.
pub(crate) const TENSORBOARD: &str = "tensorboard";

/// Writes the numbers of events for TensorBoard, and passes every event on to another sink.
///
/// | tag | what |
/// |---|---|
/// | `train/loss`, `train/accuracy`, … | the loss and the metrics of a line of progress |
/// | `val/loss`, … or `test/loss`, … | those of an epoch on samples held out |
/// | `lr`, `grad_norm` | the learning rate, the norm of the gradient |
///
/// The files lie in `tensorboard` in the run's directory. A run that goes on supersedes the steps after its checkpoint. If nothing can be written, the other sink
/// gets one note, and the training goes on.
///
/// ```no_run
/// use striate_train::sinks::{Lines, WithTensorBoard};
/// # use striate_train::{Classification, Trainer};
/// # let mut network = striate_zoo::MnistNet::new(10, &mut striate_tensor::Generator::new(0));
///
/// let mut sink = WithTensorBoard::new(Lines(std::io::stdout()));
/// let trainer = Trainer::new(&mut network, Classification::new(10)).run_dir("runs/own").sink(&mut sink);
/// ```
pub struct WithTensorBoard<S> {
    next: S,
    dir: Option<PathBuf>,
    board: Option<TensorBoard>,
}

impl WithTensorBoard<()> {
    /// Whether a run with this directory has written for TensorBoard.
    pub fn has_begun(run: &Path) -> bool {
        run.join(TENSORBOARD).is_dir()
    }
}

impl<S: Sink> WithTensorBoard<S> {
    /// Writes into the run's directory.
    pub fn new(next: S) -> Self {
        WithTensorBoard { next, dir: None, board: None }
    }

    /// Writes into this directory: for a training without a directory of its own.
    pub fn into_dir(self, dir: impl Into<PathBuf>) -> Self {
        WithTensorBoard { dir: Some(dir.into()), ..self }
    }

    fn start(&mut self, started: &Started) {
        let dir = self.dir.clone().or_else(|| Some(started.run.as_ref()?.join(TENSORBOARD)));
        let begun = match (dir, started.resumed_at) {
            (None, _) => Err(io::Error::other("the training has no directory")),
            (Some(dir), None) => TensorBoard::create(dir),
            (Some(dir), Some(steps)) => TensorBoard::resume(dir, steps as i64),
        };
        match begun {
            Ok(board) => self.board = Some(board),
            Err(e) => self.tell(e),
        }
    }

    fn tell(&mut self, e: io::Error) {
        let text = format!("cannot write for TensorBoard: {e}; training goes on without it");
        self.next.event(&Event::Note { text });
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        let Some(board) = &mut self.board else { return Ok(()) };
        let wall_time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let mut scalar = |tag: &str, steps: u64, value: f64| match value.is_nan() {
            true => Ok(()),
            false => board.scalar(tag, steps as i64, value as f32, wall_time),
        };
        match event {
            Event::Progress { steps_done, metrics, lr, grad_norm, .. } => {
                for metric in metrics {
                    scalar(&format!("train/{}", metric.name), *steps_done, metric.value)?;
                }
                scalar("lr", *steps_done, *lr)?;
                scalar("grad_norm", *steps_done, *grad_norm)
            }
            Event::Measured { steps, split, metrics, .. } => {
                for metric in metrics {
                    scalar(&format!("{split}/{}", metric.name), *steps, metric.value)?;
                }
                board.flush()
            }
            Event::Stopped { .. } | Event::Finished(_) => board.flush(),
            _ => Ok(()),
        }
    }
}

impl<S: Sink> Sink for WithTensorBoard<S> {
    fn event(&mut self, event: &Event) {
        self.next.event(event);
        if let Event::Started(started) = event {
            self.start(started);
        }
        if let Err(e) = self.write(event) {
            self.tell(e);
        }
    }
}
