//! Images kept decoded and scaled, in memory or on the disk.

use crate::source::{Source, Stamp};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use striate_imaging::{AnyImage, Depth, Image};

/// Where images are kept decoded and scaled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CacheKind {
    /// Nowhere.
    #[default]
    None,
    /// In memory.
    Ram,
    /// In files of this directory, which may serve several runs.
    Disk(PathBuf),
}

/// What is kept of a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Cached {
    /// The image, scaled.
    pub image: Arc<AnyImage>,
    /// Its width and height in its file.
    pub original: [usize; 2],
    /// Its mask, of the size of `image`, if it has one. Files hold none: what a mask is made of may change without the image.
    pub mask: Option<Arc<Image>>,
}

/// What is kept of a sample, and the state of the image's file that it is of.
type Kept = (Stamp, Cached);

/// A cache for images that are all made the same way.
pub struct Cache {
    kind: CacheKind,
    /// What images are made into, as text.
    making: String,
    kept: Mutex<Vec<Option<Kept>>>,
}

impl Cache {
    /// For `n` images.
    pub fn new(kind: CacheKind, making: String, n: usize) -> Cache {
        let n = if kind == CacheKind::Ram { n } else { 0 };
        Cache { kind, making, kept: Mutex::new(vec![None; n]) }
    }

    /// Whether anything is kept.
    pub fn keeps(&self) -> bool {
        self.kind != CacheKind::None
    }

    /// Image `index`, from the cache if its source has not changed since it was put there, else by `make`.
    pub fn get<E>(&self, index: usize, source: &Source, make: impl FnOnce() -> Result<Cached, E>) -> Result<Cached, E> {
        // A source that has no size and time cannot be read either: `make` says why.
        let stamp = match self.kind {
            CacheKind::None => None,
            _ => source.stamp().ok(),
        };
        match (&self.kind, stamp) {
            (CacheKind::Ram, Some(stamp)) => {
                let kept = self.kept.lock().expect("no thread panics here")[index].clone();
                if let Some((_, image)) = kept.filter(|(then, _)| *then == stamp) {
                    return Ok(image);
                }
                let image = make()?;
                self.kept.lock().expect("no thread panics here")[index] = Some((stamp, image.clone()));
                Ok(image)
            }
            (CacheKind::Disk(directory), Some(stamp)) => {
                let file = directory.join(self.key(source, stamp));
                if let Some(image) = std::fs::read(&file).ok().and_then(|bytes| unpack(&bytes)) {
                    return Ok(image);
                }
                let image = make()?;
                // A cache that cannot be written costs time and nothing else.
                let _ = write(directory, &file, &pack(&image));
                Ok(image)
            }
            _ => make(),
        }
    }

    /// The name of a file that no other image, other state of it or other way of making it has.
    fn key(&self, source: &Source, (size, time): Stamp) -> String {
        let path = source.path();
        let path = std::path::absolute(&path).unwrap_or(path);
        let mut hash = Sha256::new();
        hash.update(path.as_os_str().as_encoded_bytes());
        hash.update(format!("\0{size} {time}\0{}", self.making));
        hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect()
    }
}

fn write(directory: &Path, file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let mut new = tempfile::NamedTempFile::new_in(directory)?;
    new.write_all(bytes)?;
    new.persist(file)?;
    Ok(())
}

const MAGIC: &[u8; 8] = b"striate2";
const CHECK: usize = 8;

fn pack(Cached { image, original, .. }: &Cached) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    original.iter().for_each(|side| bytes.extend((*side as u32).to_le_bytes()));
    bytes.extend((image.width() as u32).to_le_bytes());
    bytes.extend((image.height() as u32).to_le_bytes());
    bytes.push(image.channels() as u8);
    match &**image {
        AnyImage::U8(image) => {
            bytes.push(0);
            bytes.extend_from_slice(&image.data);
        }
        AnyImage::U16(image) => {
            bytes.push(1);
            bytes.extend(image.data.iter().flat_map(|v| v.to_le_bytes()));
        }
    }
    let check = Sha256::digest(&bytes);
    bytes.extend(&check[..CHECK]);
    bytes
}

/// The image in a file; none if it is not whole.
fn unpack(bytes: &[u8]) -> Option<Cached> {
    let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK)?)?;
    if Sha256::digest(body)[..CHECK] != *check {
        return None;
    }
    let body = body.strip_prefix(MAGIC)?;
    let (original_width, body) = body.split_first_chunk::<4>()?;
    let (original_height, body) = body.split_first_chunk::<4>()?;
    let original = [original_width, original_height].map(|v| u32::from_le_bytes(*v) as usize);
    let (width, body) = body.split_first_chunk::<4>()?;
    let (height, body) = body.split_first_chunk::<4>()?;
    let (&[channels, deep], values) = body.split_first_chunk::<2>()?;
    let size = [u32::from_le_bytes(*width), u32::from_le_bytes(*height), channels.into()].map(|v| v as usize);
    let image = if deep == 0 {
        whole(size, values.to_vec()).map(AnyImage::U8)
    } else {
        whole(size, values.as_chunks().0.iter().map(|&b| u16::from_le_bytes(b)).collect()).map(AnyImage::U16)
    };
    image.map(|image| Cached { image: Arc::new(image), original, mask: None })
}

fn whole<T: Depth>([width, height, channels]: [usize; 3], data: Vec<T>) -> Option<Image<T>> {
    (data.len() == width.checked_mul(height)?.checked_mul(channels)?).then_some(Image { width, height, channels, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached(image: AnyImage) -> Cached {
        Cached { image: Arc::new(image), original: [70_000, 3], mask: None }
    }

    fn image(value: u8) -> Cached {
        cached(AnyImage::U8(Image::new(2, 1, 3, vec![value; 6])))
    }

    #[test]
    fn images_survive_and_damage_is_noticed() {
        let deep = cached(AnyImage::U16(Image::new(1, 2, 1, vec![7, 65535])));
        for p in [image(9), deep] {
            let bytes = pack(&p);
            assert_eq!(unpack(&bytes), Some(p));
            for i in 0..bytes.len() {
                let mut bad = bytes.clone();
                bad[i] ^= 1;
                assert_eq!(unpack(&bad), None);
                assert_eq!(unpack(&bytes[..i]), None);
            }
        }
    }

    #[test]
    fn what_has_not_changed_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.png");
        let source = Source::File(file.clone());
        for kind in [CacheKind::Ram, CacheKind::Disk(dir.path().join("cache")), CacheKind::None] {
            std::fs::write(&file, "1").unwrap();
            let cache = Cache::new(kind.clone(), "size 2".into(), 1);
            let get = |value| cache.get(0, &source, || Ok::<_, ()>(image(value))).unwrap();
            assert_eq!(get(1), image(1));
            assert_eq!(get(2), image(if kind == CacheKind::None { 2 } else { 1 }));
            // Of another size now.
            std::fs::write(&file, "12").unwrap();
            assert_eq!(get(3), image(3));
        }
        // The state from before is still on the disk; once damaged it is made anew.
        for entry in std::fs::read_dir(dir.path().join("cache")).unwrap() {
            std::fs::write(entry.unwrap().path(), "damaged").unwrap();
        }
        let cache = Cache::new(CacheKind::Disk(dir.path().join("cache")), "size 2".into(), 1);
        assert_eq!(cache.get(0, &source, || Ok::<_, ()>(image(4))).unwrap(), image(4));
        assert_eq!(cache.get(0, &source, || Ok::<_, ()>(image(5))).unwrap(), image(4));
        assert_eq!(cache.get(0, &source, || Ok::<_, ()>(image(5))).map(|p| p.image.width()), Ok(2));
        let failing = Cache::new(CacheKind::Ram, String::new(), 1);
        assert_eq!(failing.get(0, &source, || Err("unreadable")), Err("unreadable"));
    }
}
