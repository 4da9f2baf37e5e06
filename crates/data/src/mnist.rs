//! MNIST, built in.

use crate::error::DataError;
use crate::idx::{File, Idx, IdxFolder};
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;
use striate_imaging::Fit;

/// A compressed idx file.
struct Embedded {
    name: &'static str,
    gzip: &'static [u8],
    rank: usize,
}

macro_rules! embedded {
    ($name:literal, $rank:literal) => {
        Embedded { name: $name, gzip: include_bytes!(concat!("../../../data/mnist/", $name, ".gz")), rank: $rank }
    };
}

static TRAIN_IMAGES: Embedded = embedded!("train-images-idx3-ubyte", 3);
static TRAIN_LABELS: Embedded = embedded!("train-labels-idx1-ubyte", 1);
static TEST_IMAGES: Embedded = embedded!("t10k-images-idx3-ubyte", 3);
static TEST_LABELS: Embedded = embedded!("t10k-labels-idx1-ubyte", 1);

/// The MNIST database of handwritten digits: 60,000 training and 10,000 test images of 28×28 pixels.
///
/// By Yann LeCun and Corinna Cortes, CC BY-SA 3.0.
///
/// # Errors
/// If the data in the program is damaged.
pub fn mnist() -> Result<IdxFolder, DataError> {
    let split = |images: &Embedded, labels: &Embedded| {
        Ok::<_, DataError>((unpack(images, images.gzip)?, unpack(labels, labels.gzip)?))
    };
    let test = || split(&TEST_IMAGES, &TEST_LABELS);
    thread::scope(|scope| {
        let beside = thread::Builder::new().spawn_scoped(scope, test);
        let train = split(&TRAIN_IMAGES, &TRAIN_LABELS)?;
        // Where there are no more threads to be had, one after the other does.
        let test = beside.map_or_else(|_| test(), |t| t.join().unwrap_or_else(|panic| resume_unwind(panic)))?;
        IdxFolder::assemble(train, test, Fit::Digit)
    })
}

/// That the bytes are those which were packed is gzip's checksum's word.
fn unpack(file: &Embedded, gzip: &[u8]) -> Result<File, DataError> {
    let path = Path::new("mnist").join(file.name);
    let idx = Idx::parse(gzip, &path, file.rank).map_err(|_| DataError::Embedded { name: file.name })?;
    Ok((path, idx))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_dataset::measure;
    use flate2::read::MultiGzDecoder;
    use sha2::{Digest, Sha256};
    use std::io::Read;

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
    fn the_bytes_are_those_that_were_published() {
        let published = [
            (&TRAIN_IMAGES, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            (&TRAIN_LABELS, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            (&TEST_IMAGES, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            (&TEST_LABELS, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ];
        for (file, sha256) in published {
            let mut bytes = Vec::new();
            MultiGzDecoder::new(file.gzip).read_to_end(&mut bytes).unwrap();
            let digits: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(digits, sha256, "{}", file.name);
        }
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
    }
}
