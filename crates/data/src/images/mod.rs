//! Folders, manifests and archives of images.

mod cache;
mod check;
mod columns;
mod dataset;
mod files;
mod fingerprint;
mod folder;
mod hash;
mod kind;
mod layout;
mod list;
mod manifest;
mod names;
mod open;
mod page;
mod run_list;
mod source;
mod split;
mod survey;
mod table;
mod tar;

pub use cache::CacheKind;
pub use check::{CheckReport, ClassCount, Finding, Range};
pub use dataset::{BadImage, ImageListDataset};
pub use files::is_image;
pub use fingerprint::{fingerprint, fingerprints, pixel_fingerprint};
pub use hash::ImageHash;
pub use kind::DataKind;
pub use list::{Entry, ImageList, ListOptions};
pub use manifest::write_manifest;
pub use names::{count, listed, path_text, plural, some, text_path};
pub use page::page;
pub use run_list::{read_moved_run_list, read_run_list, write_run_list};
pub use source::Source;
pub use split::{SplitCause, SplitOptions, split};
pub use survey::{Examined, Survey, survey};
