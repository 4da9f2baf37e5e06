//! [`Session::smoke`]: a run of two batches, to see whether everything works.

use super::Session;
use crate::config::{Config, Layers, ResolvedConfig};
use crate::data::Watch;
use crate::error::TrainError;
use crate::events::{Event, Finished, Sink, Started};
use crate::loader::measuring_batch;
use crate::trainer::Outcome;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use striate_formats::write_atomic;

/// How many batches each stage has, and the measuring after it.
const BATCHES: usize = 2;

impl Session {
    /// Runs every stage of a run on two batches: training, measuring, checkpoints and model files, which are read again. Images are looked at as in a run. Of a
    /// cross-validation it is the first fold.
    ///
    /// It writes into `out`; without that into a temporary directory, which is removed, and of which no event and no error speaks.
    ///
    /// # Errors
    /// As of a run.
    pub fn smoke(
        asked: &Layers,
        out: Option<&Path>,
        watch: &Watch,
        sink: &mut dyn Sink,
        stop: &AtomicBool,
    ) -> Result<Outcome, TrainError> {
        let config = asked.over(ResolvedConfig::default()).config;
        let first = Config { fold: config.cross_validation().map(|_| 1), ..Config::default() };
        let asked = &asked.clone().add("folds", first);
        if let Some(out) = out {
            return through(asked, out, watch, sink, stop);
        }
        let parent = std::env::temp_dir();
        let directory = tempfile::Builder::new().prefix("striate-smoke-").tempdir_in(&parent);
        let directory = directory.map_err(|e| TrainError::io("make a directory in", &parent, e))?;
        through(asked, directory.path(), watch, &mut Unseen(sink), stop).map_err(unseen)
    }

    /// Leaves two batches and one epoch of each stage.
    fn shorten(&mut self) -> Result<(), TrainError> {
        let Session { config, data, preprocessing, run, .. } = self;
        let stages = config.phases().len();
        if let Some(finetune) = config.finetune.as_mut().filter(|_| stages > 1) {
            finetune.head_epochs = stages - 1;
        }
        config.epochs = stages;
        (config.patience, config.time_budget) = (None, None);
        (config.epoch_fraction, config.log_every) = (1.0, 1);
        // So that mixing is tried, too.
        config.images.mix_off_epochs = 0;
        data.train = data.train.spread(BATCHES * config.batch_size);
        data.held_out = data.held_out.spread(BATCHES * measuring_batch(preprocessing.output_shape()));
        write_atomic(&run.config(), config.to_toml().as_bytes())?;
        Ok(())
    }
}

fn through(
    asked: &Layers,
    directory: &Path,
    watch: &Watch,
    sink: &mut dyn Sink,
    stop: &AtomicBool,
) -> Result<Outcome, TrainError> {
    let mut session = Session::start_watched(asked, Some(directory), watch)?;
    session.shorten()?;
    let outcome = session.run_until(stop, sink)?;
    drop(session);
    if let Outcome::Finished { .. } = outcome {
        Session::resume(directory)?;
    }
    Ok(outcome)
}

/// Passes events on without the files of a directory that nobody will find.
struct Unseen<'a>(&'a mut dyn Sink);

impl Sink for Unseen<'_> {
    fn event(&mut self, event: &Event) {
        self.0.event(&match event {
            Event::Checkpoint { .. } => return,
            Event::Started(started) => Event::Started(Box::new(Started { run: None, ..(**started).clone() })),
            Event::Finished(finished) => {
                let finished = (**finished).clone();
                Event::Finished(Box::new(Finished { run: None, model: None, last_model: None, ..finished }))
            }
            Event::Stopped { steps, .. } => Event::Stopped { run: None, steps: *steps },
            Event::BadImages { count, reasons, .. } => {
                let count = striate_data::images::count(*count, "image");
                Event::Note { text: format!("left out: {count} that cannot be read: {}", reasons.join("; ")) }
            }
            event => event.clone(),
        });
    }
}

/// An error without a checkpoint that is gone.
fn unseen(e: TrainError) -> TrainError {
    match e {
        TrainError::NonFinite { epoch, step, what, place, samples, lr, .. } => {
            TrainError::NonFinite { epoch, step, what, place, samples, lr, checkpoint: None }
        }
        TrainError::CheckpointWrite { cause, .. } => TrainError::Format(*cause),
        e => e,
    }
}
