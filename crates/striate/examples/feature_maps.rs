//! Images of what the layers of a trained mnist-net give for a test image: those of the book.
//!
//! `cargo run --release --example feature_maps -p striate -- DIR [MODEL.safetensors]` writes them into `DIR`. Without a model
//! it trains one for 200 steps first.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::imageops::{self, FilterType as Resize};
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};
use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use striate::data::mnist;
use striate::prelude::*;
use striate::zoo::MnistNet;

/// The test image that is looked at: a 4.
const IMAGE: usize = 4;
/// Pixels between images.
const GAP: u32 = 3;

type Failure = Box<dyn Error>;

fn to_input() -> Compose {
    Compose::new().then(ToTensor).then(Normalize::new([0.1307], [0.3081]))
}

/// A mnist-net after `steps` steps.
fn trained(steps: usize) -> Result<MnistNet, Failure> {
    let mut net = MnistNet::new(10, &mut Generator::new(0));
    let (mut optimizer, mut passes) = (Adam::new(0.001), Passes::new(&net, 0));
    let loader = DataLoader::new(mnist()?.train.with_transform(to_input()), 100).shuffle(0);
    for batch in loader.epoch(0).take(steps) {
        let batch = batch?;
        let logits = net.forward(batch.images, &passes.train());
        optimizer.step(&mut net, &CrossEntropyLoss::new().forward(logits, &batch.targets).backward());
    }
    Ok(net)
}

/// From −1 over 0 to 1: blue, white, red.
fn signed(v: f32) -> Rgb<u8> {
    let faded = (255.0 * (1.0 - v.abs())) as u8;
    if v < 0.0 { Rgb([faded, faded, 255]) } else { Rgb([255, faded, faded]) }
}

/// From 0 to 1: black to white.
fn grey(v: f32) -> Rgb<u8> {
    Rgb([(255.0 * v.clamp(0.0, 1.0)) as u8; 3])
}

/// An image of each of the maps `[n, h, w]`, `scale` times as large. One scale of colours for all: the largest of them.
fn images(maps: &Tensor, scale: u32, colour: fn(f32) -> Rgb<u8>) -> Vec<RgbImage> {
    let values = maps.to_vec::<f32>();
    let largest = values.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
    let (h, w) = (maps.size(1), maps.size(2));
    let image = |map: &[f32]| {
        let small = RgbImage::from_fn(w as u32, h as u32, |x, y| colour(map[y as usize * w + x as usize] / largest));
        imageops::resize(&small, w as u32 * scale, h as u32 * scale, Resize::Nearest)
    };
    values.chunks_exact(h * w).map(image).collect()
}

/// Writes images side by side, `columns` to a row.
fn write(path: &Path, images: &[RgbImage], columns: usize) -> Result<(), Failure> {
    let cell_w = images.iter().map(RgbImage::width).max().unwrap_or(0) + GAP;
    let cell_h = images.iter().map(RgbImage::height).max().unwrap_or(0) + GAP;
    let rows = images.len().div_ceil(columns) as u32;
    let mut sheet = RgbImage::from_pixel(columns as u32 * cell_w + GAP, rows * cell_h + GAP, Rgb([150; 3]));
    for (i, image) in images.iter().enumerate() {
        let (column, row) = ((i % columns) as u32, (i / columns) as u32);
        imageops::replace(&mut sheet, image, (GAP + column * cell_w).into(), (GAP + row * cell_h).into());
    }
    let file = BufWriter::new(File::create(path)?);
    let encoder = PngEncoder::new_with_quality(file, CompressionType::Best, FilterType::NoFilter);
    Ok(encoder.write_image(&sheet, sheet.width(), sheet.height(), ExtendedColorType::Rgb8)?)
}

/// Writes the images into `dir`: of the model in a file, or of one trained for `steps` steps.
pub fn run(dir: &Path, model: Option<&Path>, steps: usize) -> Result<(), Failure> {
    let state = match model {
        Some(path) => state_dict(&Model::load(path)?.network),
        None => state_dict(&trained(steps)?),
    };
    let weight = |name: &str| state.get(name).ok_or_else(|| format!("the model has no {name}: it is no mnist-net"));
    fs::create_dir_all(dir)?;
    let data = mnist()?.test.with_transform(to_input());
    let x = data.batch(&[IMAGE])?.images;
    let plain = Conv2dOptions::default();
    let digit = images(&mnist()?.test.batch(&[IMAGE])?.images.select(0, 0), 5, grey);

    // Kernels made by hand, on the digit: edges from left to right, edges from top to bottom, outlines, blur.
    let by_hand = [
        [-1., 0., 1., -2., 0., 2., -1., 0., 1.],
        [-1., -2., -1., 0., 0., 0., 1., 2., 1.],
        [-1., -1., -1., -1., 8., -1., -1., -1., -1.],
        [1.; 9],
    ];
    let mut row = digit.clone();
    for kernel in by_hand {
        let kernel = Tensor::from_slice::<f32>(&kernel, [1, 1, 3, 3]);
        let bright = mnist()?.test.batch(&[IMAGE])?.images;
        row.extend(images(&bright.conv2d(&kernel, None, &plain).select(0, 0), 5, signed));
    }
    write(&dir.join("by-hand.png"), &row, 5)?;

    // What training made: the kernels of conv1, and each layer's feature maps.
    let kernels = weight("conv1.weight")?;
    write(&dir.join("conv1-kernels.png"), &images(&kernels.clone().select(1, 0), 12, signed), 16)?;
    let conv1 = x.conv2d(kernels, Some(weight("conv1.bias")?), &plain);
    write(&dir.join("conv1.png"), &images(&conv1.clone().select(0, 0), 3, signed), 8)?;
    let relu1 = conv1.relu();
    write(&dir.join("conv1-relu.png"), &images(&relu1.clone().select(0, 0), 3, signed), 8)?;
    let relu2 = relu1.conv2d(weight("conv2.weight")?, Some(weight("conv2.bias")?), &plain).relu();
    write(&dir.join("conv2-relu.png"), &images(&relu2.clone().select(0, 0), 2, grey), 16)?;
    let pooled = relu2.clone().max_pool2d(2);
    let mut rows = images(&relu2.select(0, 0).narrow(0, 8, 8), 4, grey);
    rows.extend(images(&pooled.select(0, 0).narrow(0, 8, 8), 8, grey));
    write(&dir.join("pool.png"), &rows, 8)
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args_os().skip(1);
    let dir = arguments.next().ok_or("which directory? feature_maps DIR [MODEL.safetensors]")?;
    let model = arguments.next();
    run(Path::new(&dir), model.as_deref().map(Path::new), 200)
}
