//! Fingerprints: what an image is known by, wherever its file lies.

use super::list::ImageList;
use crate::parallel;
use sha2::{Digest, Sha256};
use striate_imaging::{AnyImage, DecodeOptions, Image, decode_bytes, is_lossy};

/// What the hash of pixels begins with.
const PIXELS: &[u8] = b"striate pixels 1";

/// The fingerprint of the image that `bytes` were decoded to: the first 8 bytes of a SHA-256. It is over size, channels, depth and pixels
/// where decoding loses nothing, so that a copy in another lossless format has the same one, and a colour image whose pixels are all grey
/// that of the grey one. Of JPEG and lossy WebP it is over the bytes of the file: decoders round differently on other processors.
pub fn fingerprint(bytes: &[u8], image: &AnyImage) -> u64 {
    if is_lossy(bytes) { first(Sha256::digest(bytes).into()) } else { of_pixels(image) }
}

/// As [`fingerprint`], where the SHA-256 of the file is known already.
pub(super) fn with_digest(bytes: &[u8], digest: [u8; 32], image: &AnyImage) -> u64 {
    if is_lossy(bytes) { first(digest) } else { of_pixels(image) }
}

/// The fingerprint of a lossless file of 8 bits that has these pixels: row by row, the channels side by side.
///
/// # Panics
/// If there are not `height · width · channels` values, or `channels` is neither 1 nor 3.
pub fn pixel_fingerprint(width: usize, height: usize, channels: usize, data: &[u8]) -> u64 {
    assert!(channels == 1 || channels == 3, "pixel_fingerprint: needs 1 or 3 channels, got {channels}");
    assert!(
        data.len() == width * height * channels,
        "pixel_fingerprint: {} values do not fill {width}×{height} pixels of {channels} channels",
        data.len()
    );
    hash([width, height, channels, 8], data, |part, out| out.extend_from_slice(part))
}

/// The fingerprints of all images of a list, in its order, or why there is none. Reads with `threads` threads and tells `done` how many are
/// done, now and then; decodes only where the pixels count.
pub fn fingerprints(
    list: &ImageList,
    options: &DecodeOptions,
    threads: usize,
    done: &(dyn Fn(usize) + Sync),
) -> Vec<Result<u64, String>> {
    parallel::map(list.entries.len(), threads, |i| {
        let source = &list.entries[i].source;
        let found = source.read(options.byte_limit).and_then(|bytes| {
            if is_lossy(&bytes) {
                return Ok(first(Sha256::digest(&bytes).into()));
            }
            Ok(of_pixels(&decode_bytes(&bytes, &source.path(), options)?))
        });
        done(i + 1);
        found.map_err(|e| e.to_string())
    })
}

/// The first 8 bytes of a SHA-256.
pub(super) fn first(digest: [u8; 32]) -> u64 {
    u64::from_be_bytes(*digest.first_chunk().expect("32 bytes hold 8"))
}

fn of_pixels(image: &AnyImage) -> u64 {
    match image {
        AnyImage::U8(Image { width, height, channels, data }) => pixel_fingerprint(*width, *height, *channels, data),
        AnyImage::U16(Image { width, height, channels, data }) => {
            hash([*width, *height, *channels, 16], data, |part, out| {
                part.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes()));
            })
        }
    }
}

/// Values that are made into bytes at a time.
const PART: usize = 3 << 12;

fn hash<T: Copy + PartialEq>(
    [width, height, channels, depth]: [usize; 4],
    data: &[T],
    bytes_of: impl Fn(&[T], &mut Vec<u8>),
) -> u64 {
    let grey = channels == 3 && data.as_chunks::<3>().0.iter().all(|[r, g, b]| r == g && g == b);
    let channels = if grey { 1 } else { channels };
    let mut hash = Sha256::new();
    hash.update(PIXELS);
    for n in [width, height, channels, depth] {
        hash.update((n as u64).to_le_bytes());
    }
    let mut bytes = Vec::new();
    for part in data.chunks(PART) {
        bytes.clear();
        if grey {
            let one: Vec<T> = part.iter().step_by(3).copied().collect();
            bytes_of(&one, &mut bytes);
        } else {
            bytes_of(part, &mut bytes);
        }
        hash.update(&bytes);
    }
    first(hash.finalize().into())
}
