//! A model as a Rust crate: its weights are embedded, and the runtime's source lies beside it, so that what is built of it needs no model file and computes
//! what the program computes that wrote it.

mod error;
mod features;
mod package;

pub use error::EmbedError;

use features::features;
use flate2::read::GzDecoder;
use package::Package;
use std::fs;
use std::io;
use std::path::Path;
use striate_graph::{Graph, capture, passes};
use striate_model::{Calibration, Model, ModelCard, Predictor, SelfTest, Training, save_graph, save_graph_half};
use striate_tensor::DType;
use tar::Archive;
use tempfile::tempdir_in;

static RUNTIME: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/runtime.tar.gz"));
/// What the manifest of a crate says of the runtime.
const MANIFEST: [(&str, &str); 2] = [
    ("{workspace}", include_str!(concat!(env!("OUT_DIR"), "/workspace.toml"))),
    ("{cold}", include_str!(concat!(env!("OUT_DIR"), "/cold.toml"))),
];
/// How far, as a fraction of the largest output, weights of 16 bits may take an output.
const HALF_TOLERANCE: f32 = 3e-2;

/// Writes a crate into `directory`, which must not be there yet or be empty: `classify(image: &[u8])`, a program that calls it, the optimized network with
/// its classes and preprocessing, its self-tests as a test. It says nothing of the data that the model learnt from. `half` stores weights in 16 bits, which
/// halves them; they are computed with in 32. Whatever happens, `directory` holds all of it or is as before.
///
/// # Errors
/// If there is something in `directory` already, it cannot be written, or the model gives other outputs than it promises.
pub fn write_crate(model: &Model, directory: &Path, half: bool) -> Result<(), EmbedError> {
    let failed = |cause: io::Error| EmbedError::Io { path: directory.to_path_buf(), cause };
    if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) || directory.is_file() {
        return Err(EmbedError::Occupied { path: directory.to_path_buf() });
    }
    let parent = directory.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = tempdir_in(parent).map_err(failed)?;
    fill(model, draft.path(), &Package::named_after(directory), half).map_err(|error| error.within(directory))?;
    if directory.is_dir() {
        fs::remove_dir(directory).map_err(failed)?;
    }
    fs::rename(draft.keep(), directory).map_err(failed)
}

fn fill(model: &Model, draft: &Path, package: &Package, half: bool) -> Result<(), EmbedError> {
    let failed = |cause: io::Error| EmbedError::Io { path: draft.to_path_buf(), cause };
    let graph = stored(model);
    let features = features(&model.card, &graph, half);
    let mut runtime = Archive::new(GzDecoder::new(RUNTIME));
    // Cargo goes by the times of files.
    runtime.set_preserve_mtime(false);
    runtime.unpack(draft).map_err(failed)?;
    let manifest: Vec<_> =
        MANIFEST.into_iter().chain(features.iter().map(|(place, text)| (*place, &text[..]))).collect();
    for (name, content) in package.files(&model.card.classes, &manifest) {
        let path = draft.join(name);
        fs::create_dir_all(path.parent().expect("files of a crate are below it")).map_err(failed)?;
        fs::write(path, content).map_err(failed)?;
    }
    let file = draft.join("model.safetensors");
    if let Some(value) = graph.values.iter().find(|value| value.spec.dtype == DType::F64) {
        let reason = format!("'{}' is f64, which a program that only runs models has no code for", value.name);
        return Err(EmbedError::NotWritten { path: file, reason });
    }
    let refuse = |reason| EmbedError::NotWritten { path: file.clone(), reason };
    let read = || {
        Predictor::from_bytes(&fs::read(&file).map_err(failed)?, &file.display().to_string()).map_err(EmbedError::from)
    };
    let mut card = public(&model.card);
    if half {
        save_graph_half(&file, &card, &graph)?;
        card.self_test = rounded_tests(&card, &read()?).map_err(refuse)?;
        save_graph_half(&file, &card, &graph)?;
    } else {
        save_graph(&file, &card, &graph)?;
    }
    read()?.self_test().map_err(refuse)
}

/// The graph that a program embeds: what can be folded is folded once; what is fused is fused when the program starts.
fn stored(model: &Model) -> Graph {
    let [c, h, w] = model.card.preprocessing.output_shape();
    passes::simplify(capture(&*model.network, &[1, c, h, w]))
}

/// The self-tests of a card with what weights of 16 bits give.
fn rounded_tests(card: &ModelCard, rounded: &Predictor) -> Result<Vec<SelfTest>, String> {
    let round = |(i, test): (usize, &SelfTest)| {
        let image = test.image().ok_or("damaged metadata: a self-test image of the wrong size")?;
        let output = rounded.try_logits(card.preprocessing.apply(&image).0);
        let output = output.map_err(|e| format!("self-test {} cannot be run: {e}", i + 1))?.to_vec::<f32>();
        let scale = test.output.iter().fold(1.0f32, |m, x| m.max(x.abs()));
        let is_close = |(a, b): (&f32, &f32)| (a - b).abs() <= HALF_TOLERANCE * scale;
        if output.len() != test.output.len() || !output.iter().zip(&test.output).all(is_close) {
            return Err(format!("self-test {} gives other outputs with weights of 16 bits", i + 1));
        }
        Ok(SelfTest { output, ..test.clone() })
    };
    card.self_test.iter().enumerate().map(round).collect()
}

/// What a card says of the network, without what it says of the data that it learnt from.
fn public(card: &ModelCard) -> ModelCard {
    let unsaid = Training { data: String::new(), from: None, provenance: None, ..card.training.clone() };
    let calibration = card.calibration.as_ref().map(Calibration::without_data);
    ModelCard { training: unsaid, calibration, ..card.clone() }
}
