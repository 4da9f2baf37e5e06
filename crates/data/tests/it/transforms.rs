//! Scaling as Pillow does it, transforms as torchvision does them: fixtures by `scripts/fixture_images.py`.

use safetensors::SafeTensors;
use serde_json::Value as Json;
use std::path::Path;
use striate_data::transforms::{colour, filter, geometry};
use striate_imaging::{Filter, Image};

/// The cases of a file: name, op, arguments, and a closure that gives a tensor.
fn for_each(file: &str, mut check: impl FnMut(&str, &str, &Json, Image, Vec<f32>, [usize; 2])) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file);
    let bytes = std::fs::read(&path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let cases: Json = serde_json::from_str(&header.metadata().as_ref().unwrap()["cases"]).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let cases = cases.as_array().unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let (name, op) = (case["name"].as_str().unwrap(), case["op"].as_str().unwrap());
        let input = tensors.tensor(&format!("{name}/input")).unwrap();
        let [h, w, c] = input.shape()[..] else { panic!("{name}") };
        let output = tensors.tensor(&format!("{name}/output")).unwrap();
        let values = match output.dtype() {
            safetensors::Dtype::U8 => output.data().iter().map(|&v| v as f32).collect(),
            _ => output.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b) * 255.0).collect(),
        };
        let size = [output.shape()[0], output.shape()[1]];
        check(name, op, &case["args"], Image::new(w, h, c, input.data().to_vec()), values, size);
    }
}

fn number(args: &Json, key: &str) -> f64 {
    args[key].as_f64().unwrap_or_else(|| panic!("{key} of {args}"))
}

fn numbers<const N: usize>(value: &Json) -> [f64; N] {
    std::array::from_fn(|i| value[i].as_f64().unwrap())
}

/// The values as 16 bits, so that depth changes nothing but the rounding.
fn deepened(image: &Image) -> Image<u16> {
    Image::new(image.width, image.height, image.channels, image.data.iter().map(|&v| v as u16 * 257).collect())
}

#[test]
fn scaling_agrees_with_pillow() {
    for_each("scaling.safetensors", |name, _, args, image, expected, [h, w]| {
        let filter = if args["filter"] == "bicubic" { Filter::Bicubic } else { Filter::Bilinear };
        let whole = [0.0, 0.0, image.width as f64, image.height as f64];
        let part = if args["part"].is_null() { whole } else { numbers(&args["part"]) };
        let got = image.resized_part(part, w, h, filter);
        let off = |values: &mut dyn Iterator<Item = f32>| {
            values.zip(&expected).map(|(a, b)| (a - b).abs() as f64).sum::<f64>() / expected.len() as f64
        };
        let mean = off(&mut got.data.iter().map(|&v| v as f32));
        assert!(mean < 0.3, "{name}: mean difference {mean} of 255");
        let mean = off(&mut deepened(&image).resized_part(part, w, h, filter).data.iter().map(|&v| v as f32 / 257.0));
        assert!(mean < 0.5, "{name}: 16 bits: mean difference {mean} of 255");
    });
}

fn transformed<T: striate_imaging::Depth>(op: &str, args: &Json, image: &Image<T>) -> Image<T> {
    let factor = || number(args, "factor") as f32;
    let whole = |key: &str| number(args, key) as usize;
    match op {
        "hflip" => geometry::flip_horizontal(image),
        "vflip" => geometry::flip_vertical(image),
        "centre_crop" => image.centre_cropped(whole("width"), whole("height")),
        "rotate" => geometry::rotate(image, number(args, "angle")),
        "affine" => {
            let (angle, scale) = (number(args, "angle"), number(args, "scale"));
            let (translate, shear) = (numbers(&args["translate"]), numbers(&args["shear"]));
            geometry::affine(image, &geometry::Affine { angle, translate, scale, shear, centre: [0.0; 2] })
        }
        "perspective" => geometry::perspective(image, std::array::from_fn(|i| numbers(&args["to"][i]))),
        "brightness" => colour::brightness(image, factor()),
        "contrast" => colour::contrast(image, factor()),
        "saturation" => colour::saturation(image, factor()),
        "sharpness" => filter::sharpness(image, factor()),
        "hue" => colour::hue(image, factor()),
        "greyscale" => colour::greyscale(image),
        "blur" => filter::blur(image, whole("kernel"), number(args, "sigma")),
        "posterize" => colour::posterize(image, number(args, "bits") as u32),
        "solarize" => colour::solarize(image, number(args, "threshold") as f32 / 255.0),
        "autocontrast" => colour::autocontrast(image),
        "equalize" => colour::equalize(image),
        "erase" => filter::erase(image.clone(), whole("left"), whole("top"), whole("width"), whole("height")),
        _ => panic!("an unknown op {op}"),
    }
}

#[test]
fn transforms_agree_with_torchvision() {
    for_each("transforms.safetensors", |name, op, args, image, expected, [h, w]| {
        let got = transformed(op, args, &image);
        assert_eq!([got.height, got.width], [h, w], "{name}");
        // Half a step is what rounding to bytes may add. torchvision drops the fraction of what it stretches.
        let tolerance = if op == "autocontrast" { 1.0 } else { 0.503 };
        for (i, (a, b)) in got.data.iter().zip(&expected).enumerate() {
            assert!((*a as f32 - b).abs() <= tolerance, "{name}: value {i} is {a}, expected {b}");
        }
        // These look at the 8 highest bits alone.
        let coarse = matches!(op, "posterize" | "equalize" | "autocontrast");
        let tolerance = if coarse { 1.0 } else { 0.01 };
        for (i, (a, b)) in transformed(op, args, &deepened(&image)).data.iter().zip(&expected).enumerate() {
            assert!((*a as f32 / 257.0 - b).abs() <= tolerance, "{name}: 16-bit value {i} is {a}, expected {b} · 257");
        }
    });
}

#[test]
fn the_shorter_side_is_scaled_as_torchvision_does() {
    let size = |w: usize, h: usize, side: usize| {
        let out = Image::new(w, h, 1, vec![0u8; w * h]).resized_shorter(side, Filter::Bilinear);
        (out.width, out.height)
    };
    assert_eq!(size(500, 375, 256), (341, 256));
    assert_eq!(size(375, 500, 256), (256, 341));
    assert_eq!(size(3, 1000, 1), (1, 333));
    assert_eq!(size(7, 7, 5), (5, 5));
}
