//! Images that break other tools: what each must give is in `expect.csv`, with Pillow's results.

use std::path::{Path, PathBuf};
use striate_data::{AnyImage, DecodeOptions, decode_bytes, decode_image};

/// How far each channel's mean may lie from Pillow's.
const TOLERANCE: f64 = 0.02;

/// Files that are refused though Pillow gives an image. The book says why.
const REFUSED: &[&str] = &[
    // 32-bit floating-point values that no photometric interpretation gives a meaning.
    "pillow/10ct_32bit_128.tiff",
    // Compression by modified Huffman codes, which the decoder lacks.
    "pillow/compression.tif",
    // CIELab colours, which the decoder lacks.
    "pillow/lab-red.tif",
    // Its pixels are indices, and it holds no colours for them.
    "pillow/no_palette.gif",
    // Its checksum says that its pixels are damaged.
    "pngsuite/png/xcsn0g01.png",
];

/// Files that Pillow refuses and we decode: their size and mean.
const DECODED: &[(&str, (usize, usize), [f64; 3])] = &[
    ("pillow/apng/chunk_no_fctl.png", (128, 64), [0.0, 1.0, 0.0]),
    ("pillow/bmp/q/pal2.bmp", (127, 64), [0.4685, 0.4685, 0.4685]),
    ("pillow/bmp/q/rgba16-4444.bmp", (127, 64), [0.4766, 0.4563, 0.4739]),
];

struct Expected {
    file: String,
    size: Option<(usize, usize)>,
    mean: [f64; 3],
}

fn expected(csv: &Path) -> Vec<Expected> {
    let text = std::fs::read_to_string(csv).unwrap();
    let line = |line: &str| {
        let f: Vec<&str> = line.split(',').collect();
        let number = |i: usize| f[i].parse::<f64>().unwrap_or(f64::NAN);
        let size = (f[1] == "ok").then(|| (number(5) as usize, number(6) as usize));
        Expected { file: f[0].to_string(), size, mean: [number(7), number(8), number(9)] }
    };
    text.lines().skip(1).map(line).collect()
}

fn mean(image: &AnyImage) -> [f64; 3] {
    let (values, c): (Vec<f64>, usize) = match image {
        AnyImage::U8(image) => (image.data.iter().map(|&v| v as f64 / 255.0).collect(), image.channels),
        AnyImage::U16(image) => (image.data.iter().map(|&v| v as f64 / 65535.0).collect(), image.channels),
    };
    let n = values.len() as f64 / c as f64;
    std::array::from_fn(|channel| values.iter().skip(channel % c).step_by(c).sum::<f64>() / n)
}

/// What is wrong with the outcome, if anything is.
fn complaint(root: &Path, e: &Expected) -> Option<String> {
    let decoded = DECODED.iter().find(|d| d.0 == e.file);
    let size = decoded.map(|d| d.1).or(e.size.filter(|_| !REFUSED.contains(&e.file.as_str())));
    let expected = decoded.map_or(e.mean, |d| d.2);
    match (decode_image(&root.join(&e.file), &DecodeOptions::default()), size) {
        (Err(error), None) => {
            (error.to_string().lines().count() != 1).then(|| format!("says more than a line: {error}"))
        }
        (Err(error), Some(_)) => Some(error.to_string()),
        (Ok(image), size) => {
            let (got, mean) = ((image.width(), image.height()), mean(&image));
            let off = mean.iter().zip(expected).any(|(a, b)| (a - b).abs() > TOLERANCE);
            (size != Some(got) || off).then(|| format!("is {got:?} {mean:.4?}, expected {size:?} {expected:.4?}"))
        }
    }
}

fn check(root: &Path) {
    let all = expected(&root.join("expect.csv"));
    let wrong: Vec<String> =
        all.iter().filter_map(|e| complaint(root, e).map(|c| format!("{}: {c}", e.file))).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

#[test]
fn the_ones_that_lie_here() {
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/odd-images"));
}

#[test]
fn the_ones_that_lie_elsewhere() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/odd-images");
    let root = std::env::var_os("STRIATE_ODD_IMAGES").map_or_else(beside, PathBuf::from);
    if root.join("expect.csv").is_file() {
        check(&root);
    } else {
        println!("skipped: {} has no expect.csv; STRIATE_ODD_IMAGES can name the folder", root.display());
    }
}

#[test]
fn damage_of_any_kind_is_an_error_or_a_image_but_no_crash() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/odd-images");
    let limits = DecodeOptions { pixel_limit: 1 << 20, byte_limit: 32 << 20, ..DecodeOptions::default() };
    let mut state = 1u32;
    let mut random = |n: usize| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 8) as usize % n
    };
    for e in expected(&root.join("expect.csv")) {
        let good = std::fs::read(root.join(&e.file)).unwrap();
        for _ in 0..if good.len() < 10_000 { 40 } else { 4 } {
            let mut bad = good.clone();
            // Headers are hit more often.
            let reach = if random(2) == 0 { bad.len() } else { bad.len().min(200) };
            (0..1 + random(4)).for_each(|_| bad[random(reach)] = random(256) as u8);
            bad.truncate(if random(4) == 0 { 1 + random(good.len()) } else { good.len() });
            if let Err(error) = decode_bytes(&bad, Path::new(&e.file), &limits) {
                assert_eq!(error.to_string().lines().count(), 1, "{error}");
            }
        }
    }
}
