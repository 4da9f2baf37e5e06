//! Files that are fetched once and kept.

mod checksum;
mod error;
mod http;
#[cfg(test)]
mod tests;

pub use error::DownloadError;

use checksum::{absorb, digits, holds};
use http::Response;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where what can be made or fetched again is kept: the directory that `STRIATE_CACHE_DIR` names, else `striate` in the user's directory for
/// caches; none if the system names none.
pub fn cache_directory() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let own = || {
        let caches = variable("XDG_CACHE_HOME").or_else(|| variable("LOCALAPPDATA"));
        Some(caches.or_else(|| Some(variable("HOME")?.join(".cache")))?.join("striate"))
    };
    variable("STRIATE_CACHE_DIR").or_else(own)
}

/// Where weights are kept: `weights` in the [`cache_directory`].
pub fn weights_directory() -> Result<PathBuf, DownloadError> {
    Ok(cache_directory().ok_or(DownloadError::NoDirectory)?.join("weights"))
}

/// A file that is somewhere on the network.
#[derive(Clone, Copy, Debug)]
pub struct RemoteFile<'a> {
    /// Its address, `https` or `http`.
    pub url: &'a str,
    /// The name under which it is kept.
    pub file: &'a str,
    /// Its SHA-256 in lower-case hexadecimal digits, or the first of them.
    pub sha256: &'a str,
    /// The most bytes that it may have.
    pub limit: u64,
}

/// The file of this name and checksum, if `directory` has it. The checksum is computed each time: that takes a fraction of what reading the
/// weights takes, and finds what was damaged or put there by mistake.
pub fn cached(file: &str, sha256: &str, directory: &Path) -> Result<Option<PathBuf>, DownloadError> {
    let path = directory.join(file);
    let good = holds(&path, sha256).map_err(|e| DownloadError::io("read", &path, e))?;
    Ok(good.then_some(path))
}

/// The file, from `directory` if it is there, else from the network. `progress` hears how many bytes of how many have come.
///
/// What has come of a broken download is kept in a file whose name ends in `.part`, and the next attempt goes on from there. Of several
/// processes that want the same file one fetches it, the others wait. `HTTPS_PROXY` and `NO_PROXY` hold.
pub fn download(remote: &RemoteFile, directory: &Path, progress: &dyn Fn(u64, u64)) -> Result<PathBuf, DownloadError> {
    if let Some(path) = cached(remote.file, remote.sha256, directory)? {
        return Ok(path);
    }
    fs::create_dir_all(directory).map_err(|e| DownloadError::io("create", directory, e))?;
    let part = directory.join(format!("{}.part", remote.file));
    let _lock = lock(remote, directory, || {
        let done = part.metadata().map_or(0, |m| m.len());
        progress(done, remote.limit.max(done));
    })?;
    // Another process may have brought it.
    if let Some(path) = cached(remote.file, remote.sha256, directory)? {
        return Ok(path);
    }
    let path = directory.join(remote.file);
    let attempt = Attempt { remote, path: &path, part: &part, damaged: path.exists(), progress };
    // Two parts of which the first comes from another version of the file do not fit together.
    if attempt.fetch(true)? == Fetched::Misfit {
        attempt.fetch(false)?;
    }
    fs::rename(&part, &path).map_err(|e| DownloadError::io("write", &path, e))?;
    #[cfg(unix)]
    if let Ok(directory) = File::open(directory) {
        let _ = directory.sync_all();
    }
    Ok(path)
}

const WAIT: Duration = Duration::from_millis(100);

/// A lock that goes when the file is closed. It is one of its own, for the others get new names or go.
fn lock(remote: &RemoteFile, directory: &Path, waiting: impl Fn()) -> Result<File, DownloadError> {
    let path = directory.join(format!(".{}.lock", remote.file));
    let io = |e| DownloadError::io("lock", &path, e);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                waiting();
                std::thread::sleep(WAIT);
            }
            // Some network file systems have no locks.
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(io(e)),
        }
    }
}

#[derive(PartialEq)]
enum Fetched {
    Good,
    /// The part from before and the rest are not the file.
    Misfit,
}

struct Attempt<'a> {
    remote: &'a RemoteFile<'a>,
    path: &'a Path,
    part: &'a Path,
    /// Whether there is a file that is not what it should be.
    damaged: bool,
    progress: &'a dyn Fn(u64, u64),
}

impl Attempt<'_> {
    fn failed(&self, reason: impl std::fmt::Display) -> DownloadError {
        let damaged = if self.damaged { ", and the file that is there is another one or damaged" } else { "" };
        DownloadError::Fetch {
            url: self.remote.url.to_string(),
            reason: format!("{reason}{damaged}"),
            path: self.path.to_path_buf(),
        }
    }

    /// Makes the part whole.
    fn fetch(&self, resume: bool) -> Result<Fetched, DownloadError> {
        let io = |e| DownloadError::io("write", self.part, e);
        let options = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(self.part);
        let mut file = options().map_err(io)?;
        if !resume {
            file.set_len(0).map_err(io)?;
        }
        let mut hash = Sha256::new();
        let mut done = absorb(&mut hash, &file).map_err(io)?;
        if done > 0 && digits(hash.clone(), self.remote.sha256) == self.remote.sha256 {
            return Ok(Fetched::Good);
        }
        let resumed = done > 0 && done < self.remote.limit;
        let answer =
            http::get(self.remote.url, if resumed { done } else { 0 }).map_err(|reason| self.failed(reason))?;
        let resumed = resumed && answer.start == done;
        if !resumed {
            (done, hash) = (0, Sha256::new());
            file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        }
        self.receive(answer, &mut file, &mut hash, done)?;
        file.sync_all().map_err(io)?;
        let got = digits(hash, self.remote.sha256);
        if got == self.remote.sha256 {
            return Ok(Fetched::Good);
        }
        drop(file);
        fs::remove_file(self.part).map_err(|e| DownloadError::io("remove", self.part, e))?;
        if resumed {
            return Ok(Fetched::Misfit);
        }
        let RemoteFile { url, sha256, .. } = self.remote;
        Err(DownloadError::Checksum {
            url: url.to_string(),
            expected: sha256.to_string(),
            got,
            path: self.path.to_path_buf(),
        })
    }

    /// Appends the answer to what is `done`.
    fn receive(
        &self,
        mut answer: Response,
        file: &mut File,
        hash: &mut Sha256,
        mut done: u64,
    ) -> Result<(), DownloadError> {
        let limit = self.remote.limit;
        let too_large = |n: u64| {
            let _ = fs::remove_file(self.part);
            self.failed(format!("it has {n} bytes or more, expected at most {limit}"))
        };
        let total = answer.length.map(|n| done.saturating_add(n));
        if let Some(total) = total.filter(|&n| n > limit) {
            return Err(too_large(total));
        }
        file.seek(SeekFrom::Start(done)).map_err(|e| DownloadError::io("write", self.part, e))?;
        let mut buffer = vec![0; 1 << 16];
        (self.progress)(done, total.unwrap_or(limit));
        loop {
            let read = match answer.body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(self.broken(done, total, &http::reason(ureq::Error::from(e)))),
            };
            done += read as u64;
            if done > limit {
                return Err(too_large(done));
            }
            file.write_all(&buffer[..read]).map_err(|e| DownloadError::io("write", self.part, e))?;
            hash.update(&buffer[..read]);
            (self.progress)(done, total.unwrap_or(limit));
        }
        match total {
            Some(total) if done < total => Err(self.broken(done, Some(total), "the connection ended")),
            _ => Ok(()),
        }
    }

    fn broken(&self, done: u64, total: Option<u64>, reason: &str) -> DownloadError {
        let of = total.map_or(String::new(), |total| format!(" of {total}"));
        self.failed(format!("{reason} after {done}{of} bytes: another attempt goes on from there"))
    }
}
