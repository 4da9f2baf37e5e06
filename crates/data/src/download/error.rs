use std::io;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

/// Why a file could not be downloaded. Each message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// It did not come, or not as a whole.
    #[error("cannot download {url}: {reason}; {}", place(path))]
    Fetch {
        /// Its address.
        url: String,
        /// What went wrong.
        reason: String,
        /// Where it belongs.
        path: PathBuf,
    },
    /// Something else came.
    #[error("{url} is another file than it should be: its SHA-256 is {got}, expected {expected}; {}", place(path))]
    Checksum {
        /// Its address.
        url: String,
        /// The digits of the checksum that are known.
        expected: String,
        /// As many digits of what came.
        got: String,
        /// Where it belongs.
        path: PathBuf,
    },
    /// The directory for it cannot be used.
    #[error("cannot {action} {}: {source}; STRIATE_CACHE_DIR can name another directory", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Nothing says where files are kept.
    #[error("this system names no directory for caches: STRIATE_CACHE_DIR must name one")]
    NoDirectory,
}

fn place(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().display();
    let directory = path.parent().unwrap_or(Path::new("")).display();
    format!("put {file} into {directory}{MAIN_SEPARATOR}")
}

impl DownloadError {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> DownloadError {
        DownloadError::Io { action, path: path.to_path_buf(), source }
    }
}
