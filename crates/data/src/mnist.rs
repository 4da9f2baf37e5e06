//! MNIST, built in.

use crate::error::DataError;
use crate::idx::{File, Idx, IdxFolder};
use crate::preprocessing::Fit;
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;

/// A compressed idx file, with its size and the SHA-256 of its bytes once unpacked.
struct Embedded {
    name: &'static str,
    gzip: &'static [u8],
    rank: usize,
    size: u64,
    sha256: &'static str,
}

macro_rules! embedded {
    ($name:literal, $rank:literal, $size:literal, $sha256:literal) => {
        Embedded {
            name: $name,
            gzip: include_bytes!(concat!("../../../data/mnist/", $name, ".gz")),
            rank: $rank,
            size: $size,
            sha256: $sha256,
        }
    };
}

static TRAIN_IMAGES: Embedded = embedded!(
    "train-images-idx3-ubyte",
    3,
    47_040_016,
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
);
static TRAIN_LABELS: Embedded =
    embedded!("train-labels-idx1-ubyte", 1, 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5");
static TEST_IMAGES: Embedded = embedded!(
    "t10k-images-idx3-ubyte",
    3,
    7_840_016,
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
);
static TEST_LABELS: Embedded =
    embedded!("t10k-labels-idx1-ubyte", 1, 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2");

/// The MNIST database of handwritten digits: 60,000 training and 10,000 test images of 28×28 pixels.
///
/// By Yann LeCun and Corinna Cortes, CC BY-SA 3.0.
///
/// # Errors
/// If the data in the program is damaged.
pub fn mnist() -> Result<IdxFolder, DataError> {
    let file = |e: &Embedded| unpack(e, e.gzip);
    let train = (file(&TRAIN_IMAGES)?, file(&TRAIN_LABELS)?);
    let test = (file(&TEST_IMAGES)?, file(&TEST_LABELS)?);
    IdxFolder::assemble(train, test, Fit::Digit)
}

fn unpack(file: &Embedded, gzip: &[u8]) -> Result<File, DataError> {
    let damaged = |reason: String| DataError::Embedded { name: file.name, reason };
    let mut bytes = Vec::with_capacity(file.size as usize);
    let unpacked = MultiGzDecoder::new(gzip).take(file.size + 1).read_to_end(&mut bytes);
    unpacked.map_err(|e| damaged(e.to_string()))?;
    let sha256: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    if sha256 != file.sha256 {
        return Err(damaged(format!("its SHA-256 is {sha256}, not {}", file.sha256)));
    }
    let path = Path::new("mnist").join(file.name);
    let idx = Idx::parse(&bytes, &path, file.rank).map_err(|e| damaged(e.to_string()))?;
    Ok((path, idx))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_dataset::measure;

    #[test]
    fn mnist_is_what_it_always_was() {
        let mnist = mnist().unwrap();
        assert_eq!((mnist.train.len(), mnist.test.len()), (60_000, 10_000));
        assert_eq!((mnist.train.size(), mnist.train.channels()), ([28, 28], 1));
        assert_eq!(mnist.train.labels()[..8], [5, 0, 4, 1, 9, 2, 1, 3]);
        assert_eq!(mnist.test.labels()[..8], [7, 2, 1, 0, 4, 1, 4, 9]);
        assert_eq!(mnist.classes, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        let (mean, std) = measure(&mnist.train);
        assert!((mean[0] - 0.1307).abs() < 5e-5 && (std[0] - 0.3081).abs() < 5e-5, "{mean:?} {std:?}");
    }

    #[test]
    fn a_flipped_byte_or_a_missing_one_is_noticed() {
        let good = TEST_LABELS.gzip;
        for at in [0, 5, good.len() / 2, good.len() - 6] {
            let mut bad = good.to_vec();
            bad[at] ^= 0x20;
            // Some bytes of gzip's own header, such as the time, mean nothing for the data.
            match unpack(&TEST_LABELS, &bad) {
                Ok(_) => assert_eq!(at, 5),
                Err(e) => assert!(matches!(&e, DataError::Embedded { name: "t10k-labels-idx1-ubyte", .. }), "{e}"),
            }
        }
        assert!(matches!(unpack(&TEST_LABELS, &good[..good.len() - 9]), Err(DataError::Embedded { .. })));
        let other = unpack(&TEST_LABELS, TRAIN_LABELS.gzip).unwrap_err().to_string();
        assert!(other.contains("t10k-labels-idx1-ubyte") && other.contains("SHA-256"), "{other}");
    }
}
