//! Images that break other tools: what each must give is in `expect.csv`, with Pillow's results.

use std::path::{Path, PathBuf};
use striate_imaging::{AnyImage, DecodeOptions, decode_bytes, decode_image};

/// How far each channel's mean may lie from Pillow's.
const TOLERANCE: f64 = 0.02;

/// Files that are refused though Pillow gives an image. The book says why.
const REFUSED: &[&str] = &[
    // It states no photometric interpretation, without which its values have no meaning.
    "pillow/10ct_32bit_128.tiff",
    // Compression by modified Huffman codes, which the decoder lacks.
    "pillow/compression.tif",
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

/// The values, from 0 to 1.
fn values(image: &AnyImage) -> Vec<f64> {
    match image {
        AnyImage::U8(image) => image.data.iter().map(|&v| v as f64 / 255.0).collect(),
        AnyImage::U16(image) => image.data.iter().map(|&v| v as f64 / 65535.0).collect(),
    }
}

fn mean(image: &AnyImage) -> [f64; 3] {
    let (values, c) = (values(image), image.channels());
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

/// What a file in `made` must give.
#[derive(serde::Deserialize)]
struct Made {
    file: String,
    /// A part of the line that refuses it.
    error: Option<String>,
    #[serde(default)]
    width: usize,
    #[serde(default)]
    height: usize,
    #[serde(default)]
    channels: usize,
    /// How far each value may lie from the one expected, of values from 0 to 1.
    #[serde(default)]
    tolerance: f64,
    #[serde(default)]
    values: Vec<f64>,
}

#[test]
fn each_pixel_of_those_that_are_made_is_right_or_the_file_is_refused_by_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/odd-images/made");
    let all: Vec<Made> = serde_json::from_str(&std::fs::read_to_string(root.join("expect.json")).unwrap()).unwrap();
    assert!(all.len() > 100);
    let complaint = |made: &Made| match (decode_image(&root.join(&made.file), &DecodeOptions::default()), &made.error) {
        (Err(error), Some(part)) => {
            let line = error.to_string();
            (!line.contains(part) || line.lines().count() != 1).then_some(line)
        }
        (Err(error), None) => Some(error.to_string()),
        (Ok(image), _) => {
            let (size, values) = ([image.width(), image.height(), image.channels()], values(&image));
            let far = values.iter().zip(&made.values).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            let same = made.error.is_none() && size == [made.width, made.height, made.channels];
            (!same || far > made.tolerance).then(|| format!("{}: is {size:?}, {far:.4} off", made.file))
        }
    };
    let wrong: Vec<String> = all.iter().filter_map(complaint).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

#[test]
fn a_file_cut_short_is_never_half_an_image() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/odd-images/made");
    for name in [
        "rgb8-lzw-predictor.tif",
        "rgb16-deflate-big-endian.tif",
        "rgb8-planar-tiles.tif",
        "jpeg-rgb.tif",
        "plain8.bmp",
        "rgb24.bmp",
        "p6-255.ppm",
        "p6-65535.ppm",
        "transparent4.png",
        "frame-in-canvas.gif",
        "ycck.jpg",
    ] {
        let good = std::fs::read(root.join(name)).unwrap();
        let whole = decode_bytes(&good, Path::new(name), &DecodeOptions::default()).unwrap();
        for length in 0..good.len() {
            // What lacks nothing but what follows the pixels is the same image.
            if let Ok(image) = decode_bytes(&good[..length], Path::new(name), &DecodeOptions::default()) {
                assert!(image == whole, "{name}: {length} of {} bytes", good.len());
            }
        }
    }
}

#[test]
fn a_format_that_is_not_read_is_named() {
    let line =
        |bytes: &[u8]| decode_bytes(bytes, Path::new("a.jpg"), &DecodeOptions::default()).unwrap_err().to_string();
    let heic = line(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\0");
    assert_eq!(heic, "a.jpg: HEIC images are not read: save it as JPEG, PNG or TIFF");
    assert!(line(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf").contains("AVIF"));
    assert!(line(b"version https://git-lfs.github.com/spec/v1\n").contains("git lfs pull"));
    assert!(line(b"<html><body>404</body></html>").contains("a web page"));
}

#[cfg(unix)]
#[test]
fn a_pipe_or_device_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("a.png");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for path in [pipe.as_path(), Path::new("/dev/zero"), Path::new("/dev/null")] {
        let line = decode_image(path, &DecodeOptions::default()).unwrap_err().to_string();
        assert!(line.contains("a pipe, a socket or a device"), "{line}");
    }
}

#[test]
fn damage_of_any_kind_is_an_error_or_an_image_but_no_crash() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/odd-images");
    let limits = DecodeOptions { pixel_limit: 1 << 20, byte_limit: 32 << 20, ..DecodeOptions::default() };
    let mut state = 1u32;
    let mut random = |n: usize| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 8) as usize % n
    };
    let made = std::fs::read_dir(root.join("made")).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
    let made = made.filter(|name| !name.ends_with("json") && !name.ends_with("py") && name != "README.md");
    let files = expected(&root.join("expect.csv")).into_iter().map(|e| e.file).chain(made.map(|f| format!("made/{f}")));
    for file in files {
        let good = std::fs::read(root.join(&file)).unwrap();
        for _ in 0..if good.len() < 10_000 { 40 } else { 4 } {
            let mut bad = good.clone();
            // Headers are hit more often.
            let reach = if random(2) == 0 { bad.len() } else { bad.len().min(200) };
            (0..1 + random(4)).for_each(|_| bad[random(reach)] = random(256) as u8);
            bad.truncate(if random(4) == 0 { 1 + random(good.len()) } else { good.len() });
            if let Err(error) = decode_bytes(&bad, Path::new(&file), &limits) {
                assert_eq!(error.to_string().lines().count(), 1, "{error}");
            }
        }
    }
}
