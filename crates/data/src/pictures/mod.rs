//! Folders, manifests and archives of pictures.

mod cache;
mod dataset;
mod folder;
mod hash;
mod layout;
mod list;
mod manifest;
mod split;
mod survey;
mod tar;

pub use cache::CacheKind;
pub use dataset::{BadPicture, PictureDataset};
pub use hash::PictureHash;
pub use list::{Entry, PictureList, Source, Split};
pub use manifest::write_manifest;
pub use split::split;
pub use survey::{Examined, Survey, survey};
