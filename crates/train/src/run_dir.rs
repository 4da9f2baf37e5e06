//! The directory that a run keeps its files in.

use crate::checkpoint;
use crate::error::TrainError;
use crate::images::{IMAGES, PREPROCESSING};
use crate::recorder::CURVES;
use crate::run_data::STARTED_FROM;
use crate::run_result::RESULT;
use crate::sinks::{TENSORBOARD, is_event_file};
use std::fs::{self, DirEntry, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a lock is asked for. A process that this one starts has the lock of a run that has just ended until its own program begins.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(10);

pub(crate) const LOCK: &str = ".lock";
pub(crate) const CONFIG: &str = "config.toml";
const CHECKPOINT: &str = "checkpoint.safetensors";
const MODEL: &str = "model.safetensors";
const LAST_MODEL: &str = "last.safetensors";
pub(crate) const METRICS: &str = "metrics.csv";
/// What a file's name begins with while it is written.
pub(crate) const PARTIAL: &str = ".partial-";
/// All that is there before the first step.
const STARTED: [&str; 10] =
    [LOCK, CONFIG, CHECKPOINT, METRICS, IMAGES, PREPROCESSING, STARTED_FROM, BAD_IMAGES, CURVES, RESULT];
/// The list of images that could not be read.
pub(crate) const BAD_IMAGES: &str = "bad-images.txt";

/// The directory that a run keeps its files in, held by this process alone.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    _lock: File,
}

impl RunDir {
    /// Takes `out`, or else makes `runs/<data>-<model>-<n>` in the working directory.
    pub fn create_for(out: Option<&Path>, data: &str, model: &str) -> Result<RunDir, TrainError> {
        match out {
            Some(path) => RunDir::create_at(path),
            None => RunDir::create(Path::new("runs"), &format!("{data}-{model}")),
        }
    }

    /// Makes `<parent>/<name>-<n>` with the first `n` that is free.
    pub fn create(parent: &Path, name: &str) -> Result<RunDir, TrainError> {
        fs::create_dir_all(parent).map_err(|e| TrainError::io("make the directory", parent, e))?;
        for n in 1.. {
            let path = parent.join(format!("{name}-{n}"));
            match fs::create_dir(&path) {
                Ok(()) => return RunDir::lock(path),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(TrainError::io("make the directory", &path, e)),
            }
        }
        unreachable!("there is always a next number")
    }

    /// Takes `path`, which must not exist, be empty, or hold nothing but a run that ended before it had learnt anything.
    pub fn create_at(path: &Path) -> Result<RunDir, TrainError> {
        RunDir::check_free(path)?;
        fs::create_dir_all(path).map_err(|e| TrainError::io("make the directory", path, e))?;
        let run = RunDir::lock(path.to_path_buf())?;
        RunDir::check_free(path)?;
        run.clear()?;
        Ok(run)
    }

    /// Whether [`RunDir::create_at`] would take `path`, without changing anything: to be told before long work.
    pub fn check_free(path: &Path) -> Result<(), TrainError> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(TrainError::io("use the directory", path, e)),
        };
        let checkpoint = path.join(CHECKPOINT);
        let is_run = checkpoint.is_file() && path.join(CONFIG).is_file();
        let has_learnt = || checkpoint.is_file() && checkpoint::steps(&checkpoint) != Some(0);
        if entries.flatten().any(|e| !is_started(&e)) || has_learnt() {
            return Err(TrainError::RunExists { path: path.to_path_buf(), is_run });
        }
        Ok(())
    }

    /// Removes the directory of several runs whose settings or data are a mistake, so that these leave nothing behind.
    pub(crate) fn discard(self, out: Option<&Path>) {
        let _ = fs::remove_dir_all(&self.path);
        // That of all runs, if it was made for this one.
        if let (None, Some(parent)) = (out, self.path.parent()) {
            let _ = fs::remove_dir(parent);
        }
    }

    /// Removes what a run left that had learnt nothing.
    fn clear(&self) -> Result<(), TrainError> {
        for name in STARTED.iter().filter(|name| **name != LOCK) {
            let file = self.path.join(name);
            match fs::remove_file(&file) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(TrainError::io("remove", &file, e)),
            }
        }
        let events = self.path.join(TENSORBOARD);
        if events.is_dir() {
            fs::remove_dir_all(&events).map_err(|e| TrainError::io("remove", &events, e))?;
        }
        self.remove_partial();
        Ok(())
    }

    /// Removes files that a killed process was about to write: this process holds the directory, so nobody writes them any more.
    fn remove_partial(&self) {
        let Ok(entries) = fs::read_dir(&self.path) else { return };
        for entry in entries.flatten().filter(|e| e.file_name().as_encoded_bytes().starts_with(PARTIAL.as_bytes())) {
            let _ = fs::remove_file(entry.path());
        }
    }

    /// Opens the directory of an earlier run.
    pub fn open(path: &Path) -> Result<RunDir, TrainError> {
        RunDir::check(path)?;
        let run = RunDir::lock(path.to_path_buf())?;
        run.remove_partial();
        Ok(run)
    }

    /// Refuses a directory that no run has left anything in.
    pub(crate) fn check(path: &Path) -> Result<(), TrainError> {
        match [CONFIG, CHECKPOINT].into_iter().find(|name| !path.join(name).is_file()) {
            Some(missing) => Err(TrainError::NotARun { path: path.to_path_buf(), missing }),
            None => Ok(()),
        }
    }

    /// Whether a run has left a checkpoint in `path`.
    pub(crate) fn has_checkpoint(path: &Path) -> bool {
        path.join(CHECKPOINT).is_file()
    }

    /// Opens the directory of an earlier run of a program, which has no settings in a file.
    pub(crate) fn take_up(path: &Path) -> Result<RunDir, TrainError> {
        let run = RunDir::lock(path.to_path_buf())?;
        run.remove_partial();
        Ok(run)
    }

    /// Whether a process trains in `path`.
    pub(crate) fn is_held(path: &Path) -> bool {
        let lock = File::open(path.join(LOCK));
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    fn lock(path: PathBuf) -> Result<RunDir, TrainError> {
        let file = path.join(LOCK);
        let lock = File::create(&file).map_err(|e| TrainError::io("write", &file, e))?;
        for _ in 0..TRIES {
            match lock.try_lock() {
                Ok(()) => return Ok(RunDir { path, _lock: lock }),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(e)) => return Err(TrainError::io("lock", &file, e)),
            }
        }
        Err(TrainError::RunBusy(path))
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The resolved settings.
    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// The last checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join(CHECKPOINT)
    }

    /// The trained model: the weights of the best epoch.
    pub fn model(&self) -> PathBuf {
        self.path.join(MODEL)
    }

    /// The model with the weights of the last epoch.
    pub fn last_model(&self) -> PathBuf {
        self.path.join(LAST_MODEL)
    }

    /// Losses and accuracies over time.
    pub fn metrics(&self) -> PathBuf {
        self.path.join(METRICS)
    }
}

/// Whether an entry of a run's directory is there before the first step.
fn is_started(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    if name == TENSORBOARD {
        return fs::read_dir(entry.path())
            .is_ok_and(|mut files| files.all(|file| file.is_ok_and(|file| is_event_file(&file.file_name()))));
    }
    STARTED.iter().any(|own| name == *own) || name.as_encoded_bytes().starts_with(PARTIAL.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_up_and_a_run_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let parent = dir.path().join("runs");
        let one = RunDir::create(&parent, "mnist-lenet").unwrap();
        let two = RunDir::create(&parent, "mnist-lenet").unwrap();
        assert_eq!(one.path(), parent.join("mnist-lenet-1"));
        assert_eq!(two.path(), parent.join("mnist-lenet-2"));
        assert!(matches!(RunDir::create_at(one.path()), Err(TrainError::RunBusy(_))));
        let path = one.path().to_path_buf();
        drop(one);
        assert!(RunDir::create_at(&path).is_ok());
    }

    #[test]
    fn what_is_there_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("precious"), "x").unwrap();
        assert!(matches!(RunDir::create_at(dir.path()), Err(TrainError::RunExists { is_run: false, .. })));
        fs::remove_file(dir.path().join("precious")).unwrap();
        for name in [CONFIG, IMAGES, RESULT, CURVES, ".partial-1a2b"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        fs::create_dir(dir.path().join(TENSORBOARD)).unwrap();
        fs::write(dir.path().join("tensorboard/notes"), "x").unwrap();
        assert!(matches!(RunDir::create_at(dir.path()), Err(TrainError::RunExists { .. })));
        fs::remove_file(dir.path().join("tensorboard/notes")).unwrap();
        fs::write(dir.path().join("tensorboard/events.out.tfevents.1800000000.striate"), "x").unwrap();
        let run = RunDir::create_at(dir.path()).expect("a run without a checkpoint has learnt nothing");
        let left: Vec<_> = fs::read_dir(run.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, [LOCK]);
        drop(run);
        fs::write(dir.path().join(CONFIG), "x").unwrap();
        fs::write(dir.path().join(CHECKPOINT), "damaged, but perhaps the work of a week").unwrap();
        assert!(matches!(RunDir::create_at(dir.path()), Err(TrainError::RunExists { is_run: true, .. })));
        fs::remove_file(dir.path().join(CONFIG)).unwrap();
        fs::remove_file(dir.path().join(CHECKPOINT)).unwrap();
        let line = RunDir::open(dir.path()).unwrap_err().to_string();
        assert!(line.ends_with("is not a run directory: it has no config.toml"), "{line}");
    }
}
