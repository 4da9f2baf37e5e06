//! Directories of idx files: as they should be, and as they are found.

use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::path::Path;
use striate_data::{DataError, Dataset, Idx, IdxFolder};
use striate_imaging::Fit;

fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dims.len() as u8];
    file.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
    file.extend(data);
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Three training images of 2×3 pixels with labels 0, 2, 1 and one test image with label 2.
fn write_folder(dir: &Path) {
    let pixels: Vec<u8> = (0..18).collect();
    fs::write(dir.join("train-images-idx3-ubyte"), idx(&[3, 2, 3], &pixels)).unwrap();
    fs::write(dir.join("train-labels-idx1-ubyte.gz"), gzip(&idx(&[3], &[0, 2, 1]))).unwrap();
    fs::write(dir.join("t10k-images.idx3-ubyte"), idx(&[1, 2, 3], &pixels[6..12])).unwrap();
    fs::write(dir.join("t10k-labels.idx1-ubyte.gz"), gzip(&idx(&[1], &[2]))).unwrap();
}

#[test]
fn every_spelling_plain_or_compressed() {
    let dir = tempfile::tempdir().unwrap();
    write_folder(dir.path());
    let folder = IdxFolder::open(dir.path()).unwrap();
    assert_eq!((folder.train.len(), folder.test.len(), folder.train.size()), (3, 1, [2, 3]));
    assert_eq!(folder.classes, ["0", "1", "2"]);
    assert_eq!(folder.test.image(0), folder.train.image(1));
    let sample = folder.train.get(1).unwrap();
    assert_eq!((sample.target.class(), sample.image.shape()), (2, &[1, 2, 3][..]));
    assert_eq!(sample.image.to_vec::<f32>()[2], 8.0 / 255.0);
    assert_eq!((folder.preprocessing().size, folder.preprocessing().fit), ([2, 3], Fit::Resize));
}

#[test]
fn every_length_that_is_too_short_is_refused() {
    let path = Path::new("some-file");
    let plain = idx(&[3, 2, 3], &(0..18).collect::<Vec<u8>>());
    let packed = gzip(&plain);
    for bytes in [&plain, &packed] {
        assert_eq!(Idx::parse(bytes, path, 3).unwrap().dims, [3, 2, 3]);
        for length in 0..bytes.len() {
            let line = Idx::parse(&bytes[..length], path, 3).unwrap_err().to_string();
            assert!(line.starts_with("some-file: "), "{line}");
        }
        assert!(Idx::parse(&[&bytes[..], b"x"].concat(), path, 3).is_err(), "what follows the end is refused");
    }
}

#[test]
fn lies_are_refused() {
    let path = Path::new("some-file");
    let refused = |bytes: &[u8]| Idx::parse(bytes, path, 3).unwrap_err().to_string();
    assert!(refused(b"PK\x03\x04 and so on").contains("not an idx file"));
    assert!(refused(&[0, 0, 0x0d, 3, 0, 0, 0, 1]).contains("type 0x0d"));
    assert!(refused(&idx(&[1], &[7])).contains("1 dimensions, expected 3"));
    assert!(refused(&idx(&[u32::MAX; 3], &[7; 100])).contains("no memory can hold"));
    assert!(refused(&idx(&[u32::MAX, 1, 1], &[7; 100])).contains("cut short"));
    assert!(refused(&gzip(&idx(&[1, 1, 1], &vec![0; 1 << 20]))).contains("goes on after"));
}

#[test]
fn files_that_do_not_fit_together() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let line = || IdxFolder::open(d).err().unwrap().to_string();
    assert!(line().contains("has no train-images-idx3-ubyte"));
    assert!(matches!(IdxFolder::open(&d.join("nowhere")), Err(DataError::Read { .. })));

    write_folder(d);
    fs::write(d.join("train-labels-idx1-ubyte"), idx(&[2], &[0, 1])).unwrap();
    let counts = line();
    assert!(counts.contains("3 images") && counts.contains("2 labels") && counts.contains("train-labels"), "{counts}");

    fs::write(d.join("train-labels-idx1-ubyte"), idx(&[3], &[0, 1, 1])).unwrap();
    let label = line();
    assert!(
        label.contains("label 2 of image 0") && label.contains("2 classes") && label.contains("t10k-labels"),
        "{label}"
    );

    write_folder(d);
    fs::remove_file(d.join("train-labels-idx1-ubyte")).unwrap();
    fs::write(d.join("t10k-images.idx3-ubyte"), idx(&[1, 3, 3], &[0; 9])).unwrap();
    let size = line();
    assert!(size.contains("3×3") && size.contains("2×3"), "{size}");

    fs::write(d.join("t10k-images.idx3-ubyte"), idx(&[0, 2, 3], &[])).unwrap();
    assert!(line().contains("holds no images"));
}

#[test]
fn fashion_mnist_is_read_as_it_comes() {
    let dir = Path::new("/usr/share/datasets/fashion-mnist");
    if !dir.is_dir() {
        println!("skipped: no {} (Debian's package dataset-fashion-mnist)", dir.display());
        return;
    }
    let folder = IdxFolder::open(dir).unwrap();
    assert_eq!((folder.train.len(), folder.test.len(), folder.classes.len()), (60_000, 10_000, 10));
    let p = folder.preprocessing();
    assert!((p.mean[0] - 0.2860).abs() < 5e-5 && (p.std[0] - 0.3530).abs() < 5e-5, "{p:?}");
    let n = (0..folder.test.len()).filter(|&i| p.fit(&folder.test.image(i)).1.inverted).count();
    assert_eq!(n, 0, "test images taken for dark on light");
}
