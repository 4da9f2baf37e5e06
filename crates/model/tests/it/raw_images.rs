//! ONNX files that take images of any size and prepare them themselves.

use std::path::Path;
use striate_graph::{Executable, capture};
use striate_imaging::{Filter, Fit, Image, Preprocessing};
use striate_model::{Model as ModelFile, ModelCard, OnnxImport, Training, export_onnx, import_onnx, raw_images};
use striate_nn::{Forward, Module, Pass};
use striate_onnx::{ExportOptions, MAX_OPSET, MIN_RAW_OPSET, Model, Network};
use striate_tensor::{DType, Generator, Tensor};
use striate_zoo::text::read;

/// Gives what it takes.
#[derive(Module)]
struct Same {}

impl Forward for Same {
    fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
        x
    }
}

fn options(p: &Preprocessing, opset: i64) -> ExportOptions {
    ExportOptions { opset, images: Some(raw_images(p).unwrap()), ..ExportOptions::default() }
}

fn file(p: &Preprocessing, opset: i64) -> Network {
    let [c, h, w] = p.output_shape();
    let model = Model::of_graph(&capture(&Same {}, &[1, c, h, w]), &options(p, opset)).unwrap();
    Network::of_model(model, Path::new("raw.onnx")).unwrap()
}

fn bytes(images: &[Image]) -> Tensor {
    let (h, w) = (images[0].height, images[0].width);
    let data = images.iter().flat_map(|image| image.to_channels(3).data).collect();
    Tensor::from_vec(data, [images.len(), h, w, 3])
}

fn noise(w: usize, h: usize, channels: usize) -> Image {
    let mut state = (w * 31 + h) as u32;
    let mut byte = |_| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 24) as u8
    };
    Image::new(w, h, channels, (0..w * h * channels).map(&mut byte).collect())
}

/// A light page with a dark stroke, which reaches the edge.
fn page(w: usize, h: usize) -> Image {
    let pixel = |i: usize| if i % w == w / 2 || i % 7 == 3 { 20 + (i % 90) as u8 } else { 225 + (i % 31) as u8 };
    Image::new(w, h, 1, (0..w * h).map(pixel).collect())
}

const SIZES: [(usize, usize); 14] = [
    (1, 1),
    (2, 2),
    (1, 7),
    (9, 1),
    (17, 3),
    (3, 17),
    (32, 24),
    (24, 32),
    (64, 48),
    (48, 64),
    (47, 31),
    (133, 200),
    (200, 133),
    (90, 11),
];

fn preprocessings() -> Vec<Preprocessing> {
    let grey =
        Preprocessing { pad: 2, mean: vec![0.1307], std: vec![0.3081], ..Preprocessing::new(1, [24, 32], Fit::Resize) };
    let colour = |fit: Fit| Preprocessing {
        mean: vec![0.485, 0.456, 0.406],
        std: vec![0.229, 0.224, 0.225],
        ..Preprocessing::new(3, [24, 32], fit)
    };
    let cubic = |p: Preprocessing| Preprocessing { filter: Filter::Bicubic, ..p };
    let crop = |shorter: usize| Fit::Crop { shorter };
    vec![
        Preprocessing::new(3, [24, 32], Fit::Resize),
        colour(Fit::Resize),
        cubic(colour(Fit::Resize)),
        colour(crop(37)),
        colour(crop(32)),
        colour(crop(24)),
        // Smaller than what is cut out, so that there is black around it.
        colour(crop(25)),
        colour(crop(11)),
        cubic(colour(crop(40))),
        grey.clone(),
        Preprocessing { light_on_dark: false, ..grey.clone() },
        Preprocessing { fit: crop(35), ..cubic(grey.clone()) },
        colour(Fit::Letterbox { fill: None }),
        cubic(colour(Fit::Letterbox { fill: Some([255, 0, 7]) })),
        Preprocessing { fit: Fit::Letterbox { fill: Some([9, 200, 31]) }, ..grey.clone() },
        // What is as good as resizing.
        Preprocessing { size: [24, 32], ..Preprocessing::new(3, [24, 32], Fit::Digit) },
    ]
}

/// Steps of a byte between each value and the one that it should be.
fn steps_apart(p: &Preprocessing, got: &Tensor, want: &Tensor) -> Vec<f32> {
    assert_eq!(got.shape(), want.shape());
    let pixels = want.numel() / p.channels;
    let std = p.std.iter().flat_map(|&std| std::iter::repeat_n(std, pixels));
    let pairs = got.to_vec::<f32>().into_iter().zip(want.to_vec::<f32>());
    pairs.zip(std).map(|((a, b), std)| (a - b).abs() * std * 255.0).collect()
}

/// The largest of them, and the fraction of values that are off at all.
fn worst(apart: &[f32]) -> (f32, f64) {
    let off = apart.iter().filter(|&&steps| steps > 0.01).count();
    (apart.iter().fold(0f32, |most, &steps| most.max(steps)), off as f64 / apart.len() as f64)
}

#[test]
fn a_file_prepares_images_as_the_model_does() {
    for p in preprocessings() {
        // Scaling is in fixed point there, in floating point here; a cubic has weights above 1.
        let most = if p.filter == Filter::Bicubic { 2.01 } else { 1.01 };
        for opset in [MIN_RAW_OPSET, MAX_OPSET] {
            let file = file(&p, opset);
            let mut all = Vec::new();
            for (w, h) in SIZES {
                for image in [noise(w, h, 3), noise(w, h, 1), page(w, h), page(w, h).inverted()] {
                    let want = p.apply(&image).0;
                    let got = file.run(vec![bytes(&[image])], &Pass::eval()).unwrap().swap_remove(0);
                    let apart = steps_apart(&p, &got, &want);
                    assert!(worst(&apart).0 < most, "{w}×{h}, opset {opset}: {:?}, {}", worst(&apart), p.describe());
                    all.extend(apart);
                }
            }
            assert!(worst(&all).1 < 0.01, "opset {opset}: {:?}, {}", worst(&all), p.describe());
        }
    }
    let grey = preprocessings().into_iter().find(|p| p.channels == 1 && p.light_on_dark).unwrap();
    let inverted = |image: Image| grey.apply(&image).1.inverted;
    assert!(inverted(page(47, 31)) && inverted(page(17, 3)) && !inverted(page(47, 31).inverted()));
}

#[test]
fn what_needs_no_scaling_is_the_same_to_the_bit() {
    for p in preprocessings() {
        let file = file(&p, MIN_RAW_OPSET);
        for image in [noise(32, 24, 3), page(32, 24)] {
            let want = p.apply(&image).0.to_vec::<f32>();
            let got = file.run(vec![bytes(&[image])], &Pass::eval()).unwrap().swap_remove(0);
            // A crop whose shorter side is another one leaves an image of this size as it is, too.
            assert_eq!(got.to_vec::<f32>(), want, "{}", p.describe());
        }
    }
}

#[test]
fn images_of_a_batch_are_prepared_each_for_itself() {
    for p in preprocessings() {
        let file = file(&p, MIN_RAW_OPSET);
        let images = [noise(47, 31, 1), page(47, 31), page(47, 31).inverted()];
        let together = bytes(&images);
        let all = file.run(vec![together.clone()], &Pass::eval()).unwrap().swap_remove(0);
        let graph = Executable::new(file.graph(&[together.shape_value()]).unwrap());
        let by_graph = graph.run(&[together]).swap_remove(0);
        for (i, image) in images.into_iter().enumerate() {
            let alone = file.run(vec![bytes(&[image])], &Pass::eval()).unwrap().swap_remove(0);
            for all in [&all, &by_graph] {
                let apart = steps_apart(&p, &all.clone().narrow(0, i, 1), &alone);
                assert!(worst(&apart).0 < 0.01, "image {i}: {:?}, {}", worst(&apart), p.describe());
            }
        }
    }
}

const CLASSES: usize = 4;

/// A network with its card, for images that are prepared like this.
fn model(p: &Preprocessing) -> ModelFile {
    let text = "conv 4 3, relu, globalavgpool, linear";
    let plan = read(text, p.output_shape(), CLASSES).unwrap_or_else(|e| panic!("{}", e.screen())).1;
    let network = plan.build(&mut Generator::new(1));
    let classes = (0..CLASSES).map(|i| format!("class {i}")).collect();
    let images = [noise(p.size[1], p.size[0], p.channels)];
    let card = ModelCard::new(text, classes, p.clone(), Training::elsewhere("test"), (&network, &images));
    ModelFile { card, network }
}

#[test]
fn a_file_that_prepares_images_comes_back_as_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.onnx");
    for p in preprocessings() {
        let model = model(&p);
        export_onnx(&model, &path, &options(&p, MIN_RAW_OPSET)).unwrap();
        let file = Network::read(&path).unwrap();
        let port = &file.inputs()[0];
        assert_eq!((port.dtype, &port.sizes[..]), (DType::U8, &[None, None, None, Some(3)][..]));

        let imported = import_onnx(&path, &OnnxImport::default()).unwrap();
        assert_eq!((&imported.card.preprocessing, imported.notes.len()), (&p, 1));
        assert!(imported.notes[0].contains("prepare images are left out"), "{:?}", imported.notes);
        let back = Executable::new(imported.graph);
        let scale = model.card.self_test[0].output.iter().fold(0f32, |most, x| most.max(x.abs()));
        for image in [noise(133, 200, 3), page(47, 31)] {
            let x = p.apply(&image).0;
            let want = model.network.forward(x.clone(), &Pass::eval());
            let raw = file.run(vec![bytes(&[image])], &Pass::eval()).unwrap().swap_remove(0);
            assert!(back.forward(x).allclose(&want, 1e-5, 1e-5 * f64::from(scale)));
            assert!(raw.allclose(&want, 1e-2, 1e-2 * f64::from(scale)), "{}", p.describe());
        }
    }
}

#[test]
fn a_file_that_prepares_images_otherwise_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.onnx");
    let p = Preprocessing::new(3, [24, 32], Fit::Crop { shorter: 37 });
    let other = Preprocessing { filter: Filter::Bicubic, ..p.clone() };
    let e = export_onnx(&model(&p), &path, &options(&other, MIN_RAW_OPSET)).unwrap_err().to_string();
    assert!(e.contains("m.onnx is not written") && e.contains("prepares self-test 1 at 65×36 otherwise"), "{e}");
    assert!(!path.exists());
}

#[test]
fn what_onnx_has_no_operators_for_is_named() {
    let digits = Preprocessing::new(1, [28, 28], Fit::Digit);
    let e = raw_images(&digits).unwrap_err();
    assert!(e.contains("MNIST's digits") && e.contains("ONNX has no operators for"), "{e}");
    let p = Preprocessing::new(3, [24, 32], Fit::Resize);
    let graph = capture(&Same {}, &[1, 3, 24, 32]);
    for opset in [MIN_RAW_OPSET - 1, MAX_OPSET + 1] {
        let e = Model::of_graph(&graph, &options(&p, opset)).map(|_| ()).unwrap_err().to_string();
        assert!(e.contains(&format!("opset {opset}")) && e.contains("to 28"), "{e}");
    }
}
