//! Time and memory follow the pixels of an image and the size that a network sees, not the longest side.
//!
//! A process of its own, because it measures the peak memory of the process.

use std::path::{Path, PathBuf};
use striate_data::Dataset;
use striate_data::images::{CacheKind, Entry, ImageListDataset, Source};
use striate_imaging::{AnyImage, Filter, Fit, Image, Preprocessing};

const LONG: usize = 65_535;

/// The most memory that this process has held, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}

/// A 16-bit grey image with one value a pixel along its length.
fn deep(width: usize, height: usize) -> Image<u16> {
    Image::new(width, height, 1, (0..width * height).map(|i| (i % LONG) as u16).collect())
}

fn write_png(path: &Path, width: usize, height: usize) {
    Image::new(width, height, 1, (0..width * height).map(|i| (i / 257) as u8).collect()).write_png(path).unwrap();
}

fn write_pgm(path: &Path, width: usize, height: usize) {
    let mut bytes = format!("P5\n{width} {height}\n65535\n").into_bytes();
    bytes.extend(deep(width, height).data.iter().flat_map(|v| v.to_be_bytes()));
    std::fs::write(path, bytes).unwrap();
}

fn entry(path: PathBuf) -> Entry {
    let name = path.display().to_string();
    Entry::new(Source::File(path), name, 0)
}

#[test]
fn of_thin_images_no_more_is_scaled_than_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let shapes = [(LONG, 1), (1, LONG), (LONG, 3), (2, LONG)];
    let mut entries = Vec::new();
    for (i, (w, h)) in shapes.into_iter().enumerate() {
        let [png, pgm] = ["png", "pgm"].map(|ending| dir.path().join(format!("{i}.{ending}")));
        write_png(&png, w, h);
        write_pgm(&pgm, w, h);
        entries.extend([entry(png), entry(pgm)]);
    }
    let fits = [Fit::Crop { shorter: 256 }, Fit::Resize, Fit::Digit];
    for (fit, channels) in fits.into_iter().zip([3, 3, 1]) {
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            let p = Preprocessing { filter, ..Preprocessing::new(channels, [224, 224], fit) };
            for e in &entries {
                let image = e.source.decode(&p.decoding()).unwrap();
                assert_eq!(p.apply_image(&image).0.shape(), [1, channels, 224, 224]);
            }
            for cache in [CacheKind::None, CacheKind::Ram, CacheKind::Disk(dir.path().join("cache"))] {
                let plain = ImageListDataset::new(entries.clone(), p.clone(), cache);
                let changed = plain.augmented("crop-resize 0.1, flip, jitter 0.2, randaugment".parse().unwrap(), 2, 1);
                for data in [&plain, &changed] {
                    // Twice, so that what is kept is used.
                    for _ in 0..2 {
                        let batch = data.batch(&[0, 1, 2, 3, 4, 5, 6, 7]).unwrap();
                        assert_eq!(batch.images.shape(), [8, channels, 224, 224]);
                    }
                }
                assert!(plain.bad().is_empty());
            }
        }
    }
    if let Some(bytes) = peak() {
        assert!(bytes < 400 << 20, "{} MiB", bytes >> 20);
    }
}

#[test]
fn the_middle_of_a_thin_image_is_what_is_seen() {
    // 16-bit values that grow by 1 a pixel: 224 of 57344 pixels of the whole scaled image are one of the source.
    let p = Preprocessing::new(1, [224, 224], Fit::Crop { shorter: 224 });
    let p = Preprocessing { light_on_dark: false, ..p };
    for (w, h) in [(LONG, 1), (1, LONG)] {
        let values = p.apply_image(&AnyImage::U16(deep(w, h))).0.to_vec::<f32>();
        let off = |v: &f32| (v * 65535.0 - 32767.0).abs();
        assert!(values.iter().all(|v| off(v) <= 1.0), "{w}×{h}");
    }
}

#[test]
fn grey_that_is_to_become_colours_is_what_it_would_be_in_colours() {
    let grey = Image::new(90, 70, 1, (0..6300).map(|i| (i * 31 % 256) as u8).collect());
    for fit in [Fit::Crop { shorter: 40 }, Fit::Resize] {
        let p = Preprocessing::new(3, [32, 32], fit);
        assert_eq!(p.fit(&grey).0, p.fit(&grey.to_channels(3)).0);
    }
}
