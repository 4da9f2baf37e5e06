use crate::args::{Export, ExportFormat};
use crate::model_arg::model_path;
use crate::output::{Failure, note, say, shown_path, thousands};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use striate::embed::write_crate;
use striate::formats::{npz, pth, safetensors};
use striate::model::{Model, ModelCard, SuppressionMethod, TaskCard, export_onnx, raw_images};
use striate::nn::state_dict;
use striate::onnx::{ExportOptions, MIN_RAW_OPSET, NonMaxSuppression};

/// The format that a file's ending tells.
fn by_ending(file: &Path) -> Option<ExportFormat> {
    match file.extension()?.to_str()?.to_lowercase().as_str() {
        "pth" | "pt" | "bin" => Some(ExportFormat::Torch),
        "npz" => Some(ExportFormat::Npz),
        "safetensors" => Some(ExportFormat::Safetensors),
        "onnx" => Some(ExportFormat::Onnx),
        _ => None,
    }
}

/// The ending of a format's files, and how Python reads one.
fn about(format: ExportFormat) -> (&'static str, &'static str) {
    match format {
        ExportFormat::Torch => ("pth", "torch.load(FILE, weights_only=True)"),
        ExportFormat::Safetensors => ("safetensors", "safetensors.torch.load_file(FILE)"),
        ExportFormat::Npz => ("npz", "numpy.load(FILE)"),
        ExportFormat::Onnx => ("onnx", "onnxruntime.InferenceSession(FILE)"),
        ExportFormat::Rust => ("crate", ""),
    }
}

/// The thresholds of a detector, for a file that ends with suppression.
fn suppression(card: &ModelCard) -> Result<NonMaxSuppression, Failure> {
    let TaskCard::Detection { suppression, .. } = &card.task else {
        return Err(format!("--nms is for detection, and the model's task is {}", card.task.name()).into());
    };
    match suppression.method {
        SuppressionMethod::Nms { iou } => {
            Ok(NonMaxSuppression { iou, score: suppression.score_threshold, max_per_class: suppression.max_detections })
        }
        _ => Err("the model's boxes are suppressed softly, which ONNX has no operator for: leave --nms out".into()),
    }
}

/// What a file's outputs are, in words.
fn outputs(card: &ModelCard, softmax: bool, nms: bool) -> String {
    let classes = card.classes.len();
    match card.task {
        TaskCard::Detection { .. } => {
            let detections =
                if nms { ", detections [n, 7] (image, class, score, left, top, right, bottom)" } else { "" };
            format!("boxes [batch, places, 4], scores [batch, places, {classes}]{detections}")
        }
        TaskCard::Segmentation { .. } => format!("scores of pixels [batch, {classes}, height, width]"),
        _ if softmax => format!("probabilities [batch, {classes}]"),
        _ => format!("scores [batch, {classes}]"),
    }
}

pub fn run(args: Export) -> Result<ExitCode, Failure> {
    let file = model_path(&args.model)?;
    let told = args.out.as_deref().and_then(by_ending);
    let format = args.format.or(told).unwrap_or(ExportFormat::Torch);
    let (ending, python) = about(format);
    if format != ExportFormat::Onnx {
        let half = args.half && format != ExportFormat::Rust;
        let flags = [
            ("--opset", args.opset.is_some()),
            ("--softmax", args.softmax),
            ("--nms", args.nms),
            ("--with-preprocessing", args.with_preprocessing),
            ("--half", half),
        ];
        if let Some((flag, _)) = flags.iter().find(|(_, given)| *given) {
            return Err(format!("{flag} is for ONNX: add --format onnx").into());
        }
    }
    let out = args.out.unwrap_or_else(|| {
        let mut name = OsString::from(file.file_stem().unwrap_or_default());
        name.push(match format {
            ExportFormat::Onnx => ".onnx".into(),
            ExportFormat::Rust => "-crate".into(),
            _ => format!("-weights.{ending}"),
        });
        file.with_file_name(name)
    });
    if super::is_same_file(&out, &file) {
        return Err(Failure::Message(format!(
            "{} is the model file itself, which holds more than weights: name another with --out",
            shown_path(&out)
        )));
    }
    let model = Model::load(&file)?;
    let state = state_dict(&*model.network);
    match format {
        ExportFormat::Torch => pth::write(&out, &state)?,
        ExportFormat::Safetensors => safetensors::write(&out, &state, &BTreeMap::new())?,
        ExportFormat::Npz => npz::write(&out, &state)?,
        ExportFormat::Onnx => {
            let default = ExportOptions::default();
            let images = args.with_preprocessing.then(|| raw_images(&model.card.preprocessing)).transpose();
            let images = images.map_err(|e| {
                let model = shown_path(&args.model);
                format!("{model}: {e}: leave --with-preprocessing out, and prepare images as the file's metadata say")
            })?;
            let least = if images.is_some() { MIN_RAW_OPSET } else { default.opset };
            let opset = args.opset.unwrap_or(default.opset.max(least));
            let nms = args.nms.then(|| suppression(&model.card)).transpose()?;
            let options = ExportOptions { opset, softmax: args.softmax, half: args.half, images, nms, ..default };
            export_onnx(&model, &out, &options)?;
        }
        ExportFormat::Rust => {
            write_crate(&model, &out, args.half)?;
            let directory = shown_path(&out);
            say(format_args!("{directory}: a crate whose classify(&[u8]) takes the bytes of an image file"))?;
            say("Read back, its network gives what the model gives.")?;
            say(format_args!(
                "Build it: cargo build --release --manifest-path {}",
                shown_path(&out.join("Cargo.toml"))
            ))?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    if told.is_some_and(|told| told != format) {
        note(&format!("{} has the ending of another format than {ending}", shown_path(&out)));
    }
    let out = shown_path(&out);
    if format == ExportFormat::Onnx {
        let [c, h, w] = model.card.preprocessing.output_shape();
        let images = match args.with_preprocessing {
            true => "RGB images u8 [batch, height, width, 3] of any size".to_string(),
            false => format!("images [batch, {c}, {h}, {w}]"),
        };
        let outputs = outputs(&model.card, args.softmax, args.nms);
        say(format_args!("{out}: {images} to {outputs}; in Python: {python}"))?;
        say("Read back, it gives what the model gives.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let numbers: usize = state.values().map(|t| t.numel()).sum();
    let (tensors, numbers) = (state.len(), thousands(numbers));
    say(format_args!("{out}: {tensors} tensors of {numbers} numbers in all; in Python: {python}"))?;
    Ok(ExitCode::SUCCESS)
}
