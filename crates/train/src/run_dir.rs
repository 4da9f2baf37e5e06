//! The directory that a run keeps its files in.

use crate::error::TrainError;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a lock is asked for. A process that this one starts has the lock of a run that has just ended until its own program begins.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(10);

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

    /// Takes `path`, which must not exist or be empty.
    pub fn create_at(path: &Path) -> Result<RunDir, TrainError> {
        fs::create_dir_all(path).map_err(|e| TrainError::io("make the directory", path, e))?;
        let run = RunDir::lock(path.to_path_buf())?;
        let entries = fs::read_dir(path).map_err(|e| TrainError::io("read", path, e))?;
        if entries.flatten().any(|e| e.file_name() != ".lock") {
            return Err(TrainError::RunExists(path.to_path_buf()));
        }
        Ok(run)
    }

    /// Opens the directory of an earlier run.
    pub fn open(path: &Path) -> Result<RunDir, TrainError> {
        for missing in ["config.toml", "checkpoint.safetensors"] {
            if !path.join(missing).is_file() {
                return Err(TrainError::NotARun { path: path.to_path_buf(), missing });
            }
        }
        RunDir::lock(path.to_path_buf())
    }

    fn lock(path: PathBuf) -> Result<RunDir, TrainError> {
        let file = path.join(".lock");
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
        self.path.join("config.toml")
    }

    /// The last checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint.safetensors")
    }

    /// The trained model.
    pub fn model(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    /// Losses and accuracies over time.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.csv")
    }
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
        assert!(matches!(RunDir::create_at(dir.path()), Err(TrainError::RunExists(_))));
        let line = RunDir::open(dir.path()).unwrap_err().to_string();
        assert!(line.ends_with("is not a run directory: it has no config.toml"), "{line}");
    }
}
