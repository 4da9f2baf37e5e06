//! The settings that are paths.

use crate::data::MNIST;
use crate::published::IMAGENET;
use striate_data::images::{path_text, text_path};
use striate_zoo::find;

/// The settings that are paths, or words in their place.
pub(crate) const PATHS: [&str; 3] = ["data", "weights", "finetune.from"];

/// Whether a value of a setting that is a path is a word: built-in data, published weights, a ready network.
pub(crate) fn is_word(setting: &str, value: &str) -> bool {
    match setting {
        "data" => value == MNIST,
        "weights" => value == IMAGENET,
        _ => find(value).is_some(),
    }
}

/// The absolute path of a setting (`data`, `weights` or `finetune.from`), which is the same file from any directory. None if the value is a word, such as
/// `imagenet`, or there is no current directory.
pub fn absolute_path(setting: &str, value: &str) -> Option<String> {
    let is_path = !is_word(setting, value);
    is_path.then(|| std::path::absolute(text_path(value)).ok()).flatten().map(|path| path_text(&path))
}
