//! Images from files, and how they become a network's input.

use std::fs;
use std::path::{Path, PathBuf};
use striate_imaging::{Fit, Image, ImageError, Preprocessing, decode};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn pixel(image: &Image, x: usize, y: usize) -> &[u8] {
    let at = (y * image.width + x) * image.channels;
    &image.data[at..at + image.channels]
}

fn near(got: &[u8], expected: &[u8]) -> bool {
    got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) < 12)
}

#[test]
fn every_kind_of_image() {
    for name in ["colours.png", "palette.png"] {
        let image = decode(&fixture(name)).unwrap();
        assert_eq!((image.width, image.height, image.channels), (6, 4, 3), "{name}");
        assert_eq!((pixel(&image, 0, 0), pixel(&image, 5, 3)), (&[255, 0, 0][..], &[0, 0, 255][..]), "{name}");
    }
    let grey = decode(&fixture("grey16.png")).unwrap();
    assert_eq!((grey.channels, &grey.data[..]), (1, &[0, 1, 128, 255][..]));
    let alpha = decode(&fixture("alpha.png")).unwrap();
    assert_eq!(alpha.data, [255, 255, 255, 0, 0, 0, 227, 177, 127]);
    assert_eq!(decode(&fixture("grey_alpha.png")).unwrap().data, [255, 40, 127]);
    let turned = decode(&fixture("turned.jpg")).unwrap();
    assert_eq!((turned.width, turned.height), (32, 48));
    assert!(near(pixel(&turned, 16, 4), &[255, 0, 0]) && near(pixel(&turned, 16, 44), &[0, 0, 255]));
    let cmyk = decode(&fixture("cmyk.jpg")).unwrap();
    assert_eq!((cmyk.width, cmyk.channels), (48, 3));
}

#[test]
fn what_is_no_image_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let line = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let line = decode(&path).unwrap_err().to_string();
        assert!(line.starts_with(&format!("{}: ", path.display())) && line.lines().count() == 1, "{line}");
        line
    };
    assert!(line("a.png", b"not an image").contains("not an image: JPEG, PNG"));
    line("a.gif", b"GIF89a");
    assert!(line("empty.png", b"").contains("empty"));
    let png = fs::read(fixture("colours.png")).unwrap();
    let jpeg = fs::read(fixture("turned.jpg")).unwrap();
    for length in 0..png.len() - 12 {
        line("cut.png", &png[..length]);
    }
    for length in (0..jpeg.len()).step_by(13) {
        let path = dir.path().join("cut.jpg");
        fs::write(&path, &jpeg[..length]).unwrap();
        // What a cut JPEG still shows may be accepted; it must not bring the program down.
        let _ = decode(&path);
    }
    let mut bomb = png.clone();
    bomb[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    line("bomb.png", &bomb);
    assert!(matches!(decode(&dir.path().join("nowhere.png")), Err(ImageError::Read { .. })));
    assert!(matches!(decode(dir.path()), Err(ImageError::Read { .. })));
}

fn digits(pad: usize) -> Preprocessing {
    Preprocessing { pad, mean: vec![0.1307], std: vec![0.3081], ..Preprocessing::new(1, [28, 28], Fit::Digit) }
}

#[test]
fn a_drawn_digit_becomes_one_of_mnists() {
    let image = decode(&fixture("seven.png")).unwrap();
    let (fitted, prepared) = digits(0).fit(&image);
    assert!(prepared.inverted);
    assert_eq!(prepared.resized_from, Some([400, 300]));
    assert_eq!((fitted.width, fitted.height), (28, 28));
    let ink = |keep: &dyn Fn(usize, usize) -> bool| (0..784).any(|i| keep(i % 28, i / 28) && fitted.data[i] >= 64);
    let rows: Vec<usize> = (0..28).filter(|&row| ink(&|_, y| y == row)).collect();
    assert_eq!(rows.len(), 20, "its longer side takes 20 pixels: {rows:?}");
    let mass: f64 = fitted.data.iter().map(|&v| v as f64).sum();
    let centre = |c: &dyn Fn(usize) -> usize| {
        fitted.data.iter().enumerate().map(|(i, &v)| (c(i) as f64 + 0.5) * v as f64).sum::<f64>() / mass
    };
    assert!((centre(&|i| i % 28) - 14.0).abs() <= 0.5 && (centre(&|i| i / 28) - 14.0).abs() <= 0.5);
    assert_eq!(fitted.data.iter().max(), Some(&255));
    let (same, other) = digits(0).fit(&image.clone().inverted());
    assert!(!other.inverted && same == fitted, "a light seven on a dark board is the same seven");
}

#[test]
fn an_empty_page_is_black() {
    for value in [0, 100, 255] {
        let (fitted, _) = digits(0).fit(&Image::new(50, 40, 1, vec![value; 2000]));
        assert!(fitted.data.iter().all(|&v| v == 0));
    }
    for (w, h) in [(1, 1), (1, 300), (300, 1), (2, 2)] {
        let data = (0..w * h).map(|i| if i == 0 { 255 } else { 0 }).collect();
        assert_eq!(digits(2).apply(&Image::new(w, h, 1, data)).0.shape(), [1, 1, 32, 32]);
    }
}

#[test]
fn colours_are_resized_and_never_inverted() {
    let p = Preprocessing::new(3, [8, 10], Fit::Resize);
    let image = decode(&fixture("turned.jpg")).unwrap();
    let (x, prepared) = p.apply(&image);
    assert_eq!(x.shape(), [1, 3, 8, 10]);
    assert!(!prepared.inverted);
    let values = x.to_vec::<f32>();
    assert!(values[0] > 0.95 && values[160] < 0.05 && values[79] < 0.05 && values[239] > 0.95);
    assert_eq!(p.apply(&Image::new(3, 3, 1, vec![255; 9])).0.to_vec::<f32>(), vec![1.0; 240]);
}

#[test]
fn a_model_file_with_impossible_preprocessing_is_refused() {
    let good = serde_json::to_value(digits(2)).unwrap();
    assert_eq!(good["fit"], "digit");
    assert_eq!(serde_json::from_value::<Preprocessing>(good.clone()).unwrap(), digits(2));
    for (field, value) in [
        ("channels", serde_json::json!(2)),
        ("size", serde_json::json!([0, 28])),
        ("size", serde_json::json!([28, 1_000_000_000])),
        ("pad", serde_json::json!(u64::MAX)),
        ("mean", serde_json::json!([])),
        ("std", serde_json::json!([0.0])),
        ("fit", serde_json::json!("magic")),
        ("rotation", serde_json::json!(90)),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert!(serde_json::from_value::<Preprocessing>(bad).is_err(), "{field}");
    }
    let words = digits(2).describe();
    assert!(words.contains("28×28") && words.contains("0.1307") && words.contains("2 black pixels"), "{words}");
}
