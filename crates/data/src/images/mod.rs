//! Folders, manifests and archives of images.

mod cache;
mod check;
mod dataset;
mod folder;
mod hash;
mod layout;
mod list;
mod manifest;
mod page;
mod split;
mod survey;
mod tar;

pub use cache::CacheKind;
pub use check::{CheckReport, ClassCount, Finding, Range};
pub use dataset::{BadImage, ImageListDataset};
pub use hash::ImageHash;
pub use list::{Entry, ImageList, Source, Split};
pub use manifest::write_manifest;
pub use page::page;
pub use split::split;
pub use survey::{Examined, Survey, survey};
