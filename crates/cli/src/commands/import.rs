use crate::advice;
use crate::args::Import;
use crate::output::{Failure, note, program, say, shown_path, thousands};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use striate::graph::Origin;
use striate::imaging::Preprocessing;
use striate::model::{OnnxImport, PREPROCESSINGS, Prepared, import_onnx, save_graph};

/// The names of classes, one in each line.
fn classes(path: &Path) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", shown_path(path)))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_string).collect())
}

/// A name that is known, or else a file.
fn preprocessing(typed: &Path) -> Result<Prepared, Failure> {
    if let Some(name) = typed.to_str().filter(|name| PREPROCESSINGS.iter().any(|(known, _)| known == name)) {
        return Ok(Prepared::Named(name.into()));
    }
    let name = shown_path(typed);
    if !typed.exists() {
        let known = PREPROCESSINGS.map(|(name, _)| name).join(", ");
        return Err(format!("there is no preprocessing '{name}': name one ({known}) or a JSON file").into());
    }
    let text = fs::read_to_string(typed).map_err(|e| format!("{name}: {e}"))?;
    let read: Preprocessing = serde_json::from_str(&text).map_err(|e| format!("{name}: not a preprocessing: {e}"))?;
    Ok(Prepared::Whole(read))
}

pub fn run(args: Import) -> Result<ExitCode, Failure> {
    let asked = OnnxImport {
        classes: args.classes.as_deref().map(classes).transpose()?,
        preprocessing: args.preprocessing.as_deref().map(preprocessing).transpose()?,
    };
    let stem = args.file.file_stem().unwrap_or_default();
    let beside = PathBuf::from(stem).with_added_extension("safetensors");
    // It may be a model that somebody trained.
    if args.out.is_none() && beside.exists() {
        let name = shown_path(&beside);
        return Err(format!("{name} exists: to replace it say --out {name}, or name another file").into());
    }
    let out = args.out.unwrap_or(beside);
    if super::is_same_file(&out, &args.file) {
        return Err(format!("{} is the ONNX file itself: name another with --out", shown_path(&out)).into());
    }
    let imported = import_onnx(&args.file, &asked).map_err(advice::of_import)?;
    save_graph(&out, &imported.card, &imported.graph)?;
    imported.notes.iter().for_each(|text| note(text));
    let parameters: usize = imported.graph.values_of(Origin::Parameter).map(|v| v.spec.shape.numel()).sum();
    let (card, [c, h, w]) = (&imported.card, imported.card.preprocessing.output_shape());
    say(format_args!(
        "{}: {} classes of images {c}×{h}×{w}, {} parameters, from {}",
        shown_path(&out),
        card.classes.len(),
        thousands(parameters),
        shown_path(&args.file)
    ))?;
    say(format_args!("Use it:      {} predict {} IMAGE.png", program(), crate::output::quoted(&out)))?;
    say(format_args!("Measure it:  {} eval {} DATA", program(), crate::output::quoted(&out)))?;
    Ok(ExitCode::SUCCESS)
}
