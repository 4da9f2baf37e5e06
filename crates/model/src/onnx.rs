//! Model files as ONNX files, and ONNX files as model files.

use crate::boxes::{Suppression, SuppressionMethod};
use crate::calibration::Calibration;
use crate::card::{ModelCard, SelfTest, Training, thinned};
use crate::error::ModelError;
use crate::file::Model;
use crate::places::{Places, detections};
use crate::task::TaskCard;
use serde::Serialize;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::Path;
use striate_graph::{Graph, GraphModule, capture, capture_with, passes};
use striate_imaging::{Filter, Fit, Image, Preprocessing, for_channels};
use striate_nn::Pass;
use striate_onnx::{ExportOptions, Model as OnnxModel, Network, OnnxError, Port, RawFit, RawImages};
use striate_tensor::{DType, Op, Spec, Tensor, catch_panic};
use striate_zoo::BOX_VALUES;

const CLASSES: &str = "classes";
const TASK: &str = "task";
const PREPROCESSING: &str = "preprocessing";
const CALIBRATION: &str = "calibration";
const TEMPERATURE: &str = "temperature";
/// How far, as a fraction of the largest output, an output of the written file may be off; and with weights of 16 bits.
const TOLERANCE: f32 = 1e-3;
const HALF_TOLERANCE: f32 = 3e-2;
/// How many steps of a byte a value of an image that the file scales itself may be off.
const STEPS: f32 = 2.0;
/// The `a` of [`Filter::Bicubic`].
const KEYS: f64 = -0.5;
/// Images that an imported model carries to test itself.
const SELF_TESTS: usize = 2;
/// Names of preprocessing that [`Prepared::Named`] takes, with what each is.
pub const PREPROCESSINGS: [(&str, &str); 4] = [
    ("imagenet", "the shorter side 8/7 of the size, the middle cut out, less ImageNet's mean and by its deviation"),
    ("unit", "resized, values from 0 to 1"),
    ("signed", "resized, values from -1 to 1"),
    ("bytes", "resized, values from 0 to 255"),
];

/// A preprocessing as part of an ONNX file: [`ExportOptions::images`].
///
/// # Errors
/// If it is one that ONNX has no operators for.
pub fn raw_images(p: &Preprocessing) -> Result<RawImages, String> {
    let fit = match p.fit {
        Fit::Crop { shorter } => RawFit::Crop { shorter },
        Fit::Digit if p.channels == 1 => {
            let reason = "its images are prepared as MNIST's digits were made, by the box around the ink";
            return Err(format!("{reason}, which ONNX has no operators for"));
        }
        Fit::Letterbox { .. } => RawFit::Letterbox { border: p.border() },
        Fit::Digit | Fit::Resize => RawFit::Resize,
    };
    let cubic = match p.filter {
        Filter::Bilinear => None,
        Filter::Bicubic => Some(KEYS),
    };
    Ok(RawImages {
        channels: p.channels,
        size: p.size,
        fit,
        cubic,
        light_on_dark: p.light_on_dark,
        pad: p.pad,
        mean: p.mean.clone(),
        std: p.std.clone(),
    })
}

/// Writes a model as ONNX with its classes, preprocessing and calibration in the metadata, reads it back and runs the model's own tests on it. A file that prepares images
/// itself ([`raw_images`]) must prepare these as the model does, at other sizes, too.
///
/// # Errors
/// If an op has no form in ONNX, the file cannot be written, or gives other outputs than the model; what was there before stays, then.
pub fn export_onnx(model: &Model, path: &Path, options: &ExportOptions) -> Result<(), ModelError> {
    let card = &model.card;
    if options.softmax && !card.task.is_classification() {
        let reason = format!("softmax makes probabilities of classes, and the model's task is {}", card.task.name());
        return Err(ModelError::NotWritten { path: path.to_path_buf(), reason });
    }
    if options.nms.is_some() && !matches!(card.task, TaskCard::Detection { .. }) {
        let reason = format!("suppression is for detection, and the model's task is {}", card.task.name());
        return Err(ModelError::NotWritten { path: path.to_path_buf(), reason });
    }
    let mut options = options.clone();
    options.metadata.extend([
        (TASK.into(), json(&card.task)),
        (CLASSES.into(), json(&card.classes)),
        (PREPROCESSING.into(), json(&card.preprocessing)),
        ("architecture".into(), card.architecture.clone()),
    ]);
    if let Some(calibration) = &card.calibration {
        options.metadata.push((CALIBRATION.into(), json(&calibration.without_data())));
        if let [temperature] = calibration.temperatures[..] {
            options.metadata.push((TEMPERATURE.into(), temperature.to_string()));
            options.temperature = temperature;
        }
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |cause: io::Error| OnnxError::Io { path: path.to_path_buf(), cause };
    // What is there already stays until the new file has been checked.
    let draft = tempfile::tempdir_in(folder).map_err(failed)?;
    let written = draft.path().join(path.file_name().unwrap_or(path.as_os_str()));
    OnnxModel::of_graph(&exported(model, &mut options), &options)?.write(&written)?;
    check_written(card, &written, path, &options)?;
    check_boxes(model, &written, path, &options)?;
    for file in fs::read_dir(draft.path()).map_err(failed)? {
        let file = file.map_err(failed)?;
        fs::rename(file.path(), folder.join(file.file_name())).map_err(failed)?;
    }
    Ok(())
}

/// The graph that is written: a detector's has its boxes and scores besides what the network gives.
fn exported(model: &Model, options: &mut ExportOptions) -> Graph {
    let [c, h, w] = model.card.preprocessing.output_shape();
    let TaskCard::Detection { strides, .. } = &model.card.task else {
        return capture(&*model.network, &[1, c, h, w]);
    };
    let places = Places::new([h, w], strides);
    options.names = ["output", "boxes", "scores"].map(String::from).to_vec();
    let input = Spec::new([1, c, h, w], DType::F32);
    let graph = capture_with(&*model.network, &[("input", input)], |mut x, pass| {
        let outputs = model.network.forward(x.swap_remove(0), pass);
        let [boxes, scores] = places.boxes_and_scores(outputs.clone(), pass);
        Ok::<_, Infallible>(vec![outputs, boxes, scores])
    });
    graph.unwrap_or_else(|never| match never {})
}

/// Whether the detections of a written file are those of the model.
fn check_boxes(model: &Model, written: &Path, path: &Path, options: &ExportOptions) -> Result<(), ModelError> {
    let card = &model.card;
    let (TaskCard::Detection { strides, .. }, Some(nms), None) = (&card.task, &options.nms, &options.images) else {
        return Ok(());
    };
    let network = Network::read(written)?;
    let [_, h, w] = card.preprocessing.output_shape();
    let method = SuppressionMethod::Nms { iou: nms.iou };
    // All that the file keeps.
    let (max_candidates, max_detections) = (usize::MAX, usize::MAX);
    let suppression = Suppression { method, score_threshold: nms.score, max_candidates, max_detections };
    for (i, image) in card.self_test.iter().filter_map(SelfTest::image).enumerate() {
        let x = card.preprocessing.apply(&image).0;
        let outputs = model.network.forward(x.clone(), &Pass::eval());
        let mut want = detections(&outputs, &Places::new([h, w], strides), &suppression).swap_remove(0);
        let mut of_class = vec![0; card.classes.len()];
        want.retain(|d| {
            of_class[d.class] += 1;
            of_class[d.class] <= nms.max_per_class
        });
        let got = network.run(vec![x], &Pass::eval())?.swap_remove(3).to_vec::<f32>();
        let tolerance = if options.half { HALF_TOLERANCE } else { TOLERANCE };
        let near = |a: f32, b: f32| (a - b).abs() <= tolerance * w.max(h) as f32;
        let is_there = |row: &[f32]| {
            want.iter().any(|d| {
                d.class as f32 == row[1]
                    && near(d.score, row[2])
                    && (0..4).all(|edge| near(d.bbox[edge], row[3 + edge]))
            })
        };
        // One that rounding moves across a threshold is no fault.
        let missing = got.chunks_exact(7).filter(|row| !is_there(row)).count() + want.len().abs_diff(got.len() / 7);
        if missing > want.len() / 20 {
            let reason = format!("what was written finds other objects than the model for self-test {}", i + 1);
            return Err(ModelError::NotWritten { path: path.to_path_buf(), reason });
        }
    }
    Ok(())
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain values have a JSON form")
}

fn check_written(card: &ModelCard, written: &Path, path: &Path, options: &ExportOptions) -> Result<(), ModelError> {
    let network = Network::read(written)?;
    let tolerance = if options.half { HALF_TOLERANCE } else { TOLERANCE };
    if options.images.is_some() {
        check_preprocessing(card, written, path)?;
    }
    for (i, test) in card.self_test.iter().enumerate() {
        let Some(image) = test.image() else { continue };
        let x = match options.images {
            Some(_) => as_bytes(&image),
            None => card.preprocessing.apply(&image).0,
        };
        let got = thinned(network.run(vec![x], &Pass::eval())?.swap_remove(0).to_vec());
        let want = Tensor::from_vec(test.output.clone(), [1, test.output.len()]);
        let want = if options.softmax { card.answers(want) } else { want }.to_vec::<f32>();
        let scale = want.iter().fold(if options.softmax { 0.0f32 } else { 1.0 }, |m, x| m.max(x.abs()));
        let close = got.len() == want.len() && got.iter().zip(&want).all(|(a, b)| (a - b).abs() <= tolerance * scale);
        if !close {
            let reason = format!("what was written gives other outputs than the model for self-test {}", i + 1);
            return Err(ModelError::NotWritten { path: path.to_path_buf(), reason });
        }
    }
    Ok(())
}

/// An image as `u8 [1, height, width, 3]`.
fn as_bytes(image: &Image) -> Tensor {
    Tensor::from_vec(image.to_channels(3).data, [1, image.height, image.width, 3])
}

/// Whether the file prepares images as the model does.
fn check_preprocessing(card: &ModelCard, written: &Path, path: &Path) -> Result<(), ModelError> {
    let prepares = OnnxModel::read(written)?.split_at_prepared().map(|[before, _]| before);
    let prepares = Network::of_model(prepares.expect("the file prepares images itself"), written)?;
    let preprocessing = &card.preprocessing;
    for (i, test) in card.self_test.iter().enumerate() {
        let Some(image) = test.image() else { continue };
        let scaled = |w: usize, h: usize| image.resized(w, h, preprocessing.filter);
        let (w, h) = (image.width, image.height);
        for image in [scaled(w * 2 + 1, h + h / 2), scaled(w / 2 + 1, h / 3 + 1), image.clone()] {
            let want = preprocessing.apply(&image).0;
            let got = prepares.run(vec![as_bytes(&image)], &Pass::eval())?.swap_remove(0);
            let pixels = want.numel() / preprocessing.channels;
            let steps = preprocessing.std.iter().flat_map(|std| std::iter::repeat_n(1.0 / 255.0 / std, pixels));
            let near = |((a, b), step): ((f32, f32), f32)| (a - b).abs() <= STEPS * step * (1.0 + TOLERANCE);
            let pairs = want.to_vec::<f32>().into_iter().zip(got.to_vec::<f32>());
            if got.shape() != want.shape() || !pairs.zip(steps).all(near) {
                let (w, h) = (image.width, image.height);
                let reason =
                    format!("what was written prepares self-test {} at {w}×{h} otherwise than the model", i + 1);
                return Err(ModelError::NotWritten { path: path.to_path_buf(), reason });
            }
        }
    }
    Ok(())
}

/// What an ONNX file does not say.
#[derive(Clone, Debug, Default)]
pub struct OnnxImport {
    /// The names of the classes [default: those of the file's metadata, else their numbers].
    pub classes: Option<Vec<String>>,
    /// How images are prepared [default: as the file's metadata say].
    pub preprocessing: Option<Prepared>,
}

/// How images are prepared: all of it, or by a name that leaves size and channels to the file.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// All of it.
    Whole(Preprocessing),
    /// One of [`PREPROCESSINGS`].
    Named(String),
}

/// A network of an ONNX file, ready for a model file.
pub struct Imported {
    /// What the model file says.
    pub card: ModelCard,
    /// The network.
    pub graph: Graph,
    /// What was done to it, a line each.
    pub notes: Vec<String>,
}

/// Reads a classifier of images from an ONNX file.
///
/// # Errors
/// If the file cannot be read, has an operator that is not supported, takes no images or gives no scores of classes, or if nothing says how images are
/// prepared.
pub fn import_onnx(path: &Path, asked: &OnnxImport) -> Result<Imported, ModelError> {
    let bad = |reason: String| ModelError::Import { path: path.to_path_buf(), reason };
    let model = OnnxModel::read(path)?;
    let written = |key: &str| model.metadata(key).map(str::to_string);
    let (classes, preprocessing, task) = (written(CLASSES), written(PREPROCESSING), written(TASK));
    let calibration = written(CALIBRATION).and_then(|text| serde_json::from_str::<Calibration>(&text).ok());
    let mut notes = Vec::new();
    let model = match model.split_at_prepared() {
        Some([_, network]) => {
            notes.push("its nodes that prepare images are left out: the model file prepares them itself".to_string());
            network
        }
        None => model,
    };
    let (model, others) = model.with_first_output();
    if !others.is_empty() {
        notes.push(format!("its outputs {} are left out", others.join(", ")));
    }
    let network = Network::of_model(model, path)?;
    let input = Input::of(&network).map_err(bad)?;
    let preprocessing = match (&asked.preprocessing, preprocessing.and_then(|text| serde_json::from_str(&text).ok())) {
        (Some(Prepared::Whole(p)), _) => p.clone(),
        (Some(Prepared::Named(name)), _) => input.named(name).map_err(bad)?,
        (None, Some(p)) => p,
        (None, None) => return Err(ModelError::NoPreprocessing { path: path.to_path_buf() }),
    };
    let [c, h, w] = preprocessing.output_shape();
    let spec = Spec::new([1, c, h, w], DType::F32);
    let name = network.inputs()[0].name.clone();
    let mut graph = capture_with(&network, &[(&name, spec)], |mut x, pass| {
        let x = x.swap_remove(0);
        network.run(vec![if input.is_nhwc { x.permute(&[0, 2, 3, 1]) } else { x }], pass)
    })?;
    if input.is_nhwc {
        notes.push("it takes images with the channels last, which come from ours by a permutation".into());
    }
    // Files of other programs and of earlier versions have a word there, or nothing.
    let task: TaskCard = task.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let is_dense = task.kind().is_dense();
    if !is_dense {
        flatten_scores(&mut graph);
    }
    // Scores before a softmax that was written here are divided by the temperature already.
    let had_softmax = !is_dense && without_softmax(&mut graph);
    if had_softmax {
        notes.push("its last softmax is left out: scores become probabilities in predict".into());
    }
    passes::drop_dead(&mut graph);
    let scores = graph.value(graph.outputs[0]).spec_at(1);
    let count = match scores.shape[..] {
        [1, n, ..] if matches!(task, TaskCard::Segmentation { .. }) => n,
        [1, _, n] if is_dense && n > BOX_VALUES => n - BOX_VALUES,
        [1, n] if n > 0 && scores.dtype == DType::F32 => n,
        _ => {
            return Err(bad(format!(
                "gives {scores}, a classifier gives f32 [1, classes]; striate run takes any network"
            )));
        }
    };
    let classes = match (&asked.classes, classes.and_then(|text| serde_json::from_str(&text).ok())) {
        (Some(classes), _) => classes.clone(),
        (None, Some(classes)) => classes,
        (None, None) => (0..count).map(|i| i.to_string()).collect::<Vec<String>>(),
    };
    if classes.len() != count {
        return Err(bad(format!("has {count} outputs, there are {} names of classes", classes.len())));
    }
    task.check(count).map_err(bad)?;
    let mut card =
        card(path, task, classes, preprocessing, &graph).map_err(|e| bad(format!("cannot be run on noise: {e}")))?;
    card.calibration = calibration.filter(|c| c.check(&card.task, count).is_ok());
    if let Some(calibration) = card.calibration.as_mut().filter(|_| had_softmax) {
        calibration.temperatures.fill(1.0);
    }
    Ok(Imported { card, graph, notes })
}

fn card(
    path: &Path,
    task: TaskCard,
    classes: Vec<String>,
    preprocessing: Preprocessing,
    graph: &Graph,
) -> Result<ModelCard, String> {
    let network = GraphModule::new(graph.clone());
    let test = |i: usize| SelfTest::record(&network, &preprocessing, &noise(&preprocessing, i as u32));
    let self_test = (0..SELF_TESTS).map(|i| catch_panic(|| test(i))).collect::<Result<_, _>>()?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(ModelCard {
        task,
        format_version: crate::FORMAT_VERSION,
        architecture: crate::GRAPH.into(),
        classes,
        training: Training::elsewhere(&name),
        calibration: None,
        self_test,
        preprocessing,
    })
}

/// An image of noise, the same each time.
fn noise(preprocessing: &Preprocessing, seed: u32) -> Image {
    let ([height, width], channels) = (preprocessing.size, preprocessing.channels);
    let mut state = seed.wrapping_add(1);
    let mut byte = || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 24) as u8
    };
    Image { width, height, channels, data: (0..width * height * channels).map(|_| byte()).collect() }
}

/// What a file says of the images that it takes.
struct Input {
    is_nhwc: bool,
    channels: Option<usize>,
    size: [Option<usize>; 2],
}

impl Input {
    fn of(network: &Network) -> Result<Input, String> {
        let [Port { name, dtype, sizes }] = network.inputs() else {
            return Err(format!(
                "takes {} inputs, a classifier takes one; striate run takes any network",
                network.inputs().len()
            ));
        };
        let [_, a, b, c] = sizes[..] else {
            return Err(format!("takes '{name}' of {} dimensions, not a batch of images", sizes.len()));
        };
        if *dtype != DType::F32 {
            return Err(format!("takes '{name}' of {dtype}, not f32"));
        }
        let are_channels = |n: Option<usize>| matches!(n, Some(1 | 3));
        let is_nhwc = are_channels(c) && !are_channels(a);
        Ok(match is_nhwc {
            true => Input { is_nhwc, channels: c, size: [a, b] },
            false => Input { is_nhwc, channels: a, size: [b, c] },
        })
    }

    /// One of [`PREPROCESSINGS`] for these images.
    fn named(&self, name: &str) -> Result<Preprocessing, String> {
        let channels = self.channels.unwrap_or(3);
        let size = match self.size {
            [Some(h), Some(w)] => [h, w],
            _ => [224, 224],
        };
        let shorter = (size[0].min(size[1]) * 8).div_ceil(7);
        let plain = |fit: Fit| Preprocessing { light_on_dark: false, ..Preprocessing::new(channels, size, fit) };
        let scaled = |mean: f32, std: f32| Preprocessing {
            mean: vec![mean; channels],
            std: vec![std; channels],
            ..plain(Fit::Resize)
        };
        Ok(match name {
            "imagenet" => Preprocessing {
                mean: for_channels(&[0.485, 0.456, 0.406], channels),
                std: for_channels(&[0.229, 0.224, 0.225], channels),
                ..plain(Fit::Crop { shorter })
            },
            "unit" => scaled(0.0, 1.0),
            "signed" => scaled(0.5, 0.5),
            "bytes" => scaled(0.0, 1.0 / 255.0),
            _ => {
                let names = PREPROCESSINGS.map(|(name, _)| name).join(", ");
                return Err(format!("cannot have preprocessing '{name}': there are {names}"));
            }
        })
    }
}

/// Scores with dimensions of 1 after the classes lose these.
fn flatten_scores(graph: &mut Graph) {
    let [output] = graph.outputs[..] else { return };
    let dims = graph.value(output).dims.clone();
    let is_scores = dims.len() > 2 && dims[2..].iter().all(|d| d.per_sample == 0 && d.fixed == 1);
    if is_scores {
        graph.outputs = vec![graph.append(Op::Flatten { start_dim: 1, end_dim: dims.len() - 1 }, &[output])];
    }
}

/// Takes the softmax at the end away, if there is one.
fn without_softmax(graph: &mut Graph) -> bool {
    let output = graph.outputs[0];
    let last =
        graph.producer(output).filter(|node| matches!(node.op, Op::Softmax { dim: 1 } | Op::LogSoftmax { dim: 1 }));
    let Some(before) = last.map(|node| node.inputs[0]) else { return false };
    graph.outputs = vec![before];
    true
}
