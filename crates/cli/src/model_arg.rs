//! A network as it was typed: a name, its layers, or a file that holds them; a model file, or the run that made it.

use crate::advice;
use crate::output::{Failure, program, quoted, shown, shown_path};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use striate::Generator;
use striate::nn::Forward;
use striate::train::TrainError;
use striate::zoo::{Architecture, Description, find};

/// Images where nothing says of what shape: the built-in MNIST's.
const IMAGES: [usize; 3] = [1, 28, 28];

/// The longest file of layers that is read.
const LIMIT: u64 = 1 << 20;

/// A network as it was typed.
pub struct ModelArg {
    /// A name, or layers as text.
    pub text: String,
    /// The file that the text comes from.
    file: Option<String>,
}

/// A network with fresh weights.
pub struct Fresh {
    /// The network.
    pub network: Box<dyn Forward>,
    /// The shape of its images: channels, height, width.
    pub input: [usize; 3],
    /// What it is, in a line.
    pub title: String,
}

/// The file of layers that this names: `@net.txt`, or a path that ends in `.txt`.
pub fn text_file(typed: &OsStr) -> Option<PathBuf> {
    let is_text = || Path::new(typed).extension().is_some_and(|ending| ending == "txt");
    without_at(typed).or_else(|| is_text().then(|| typed.into()))
}

/// The path after an `@`.
#[cfg(unix)]
fn without_at(typed: &OsStr) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    typed.as_bytes().strip_prefix(b"@").map(|path| OsStr::from_bytes(path).into())
}

#[cfg(not(unix))]
fn without_at(typed: &OsStr) -> Option<PathBuf> {
    typed.to_str()?.strip_prefix('@').map(PathBuf::from)
}

/// The ready network of this name, in any case.
pub fn ready(name: &str) -> Option<&'static Architecture> {
    find(name).or_else(|| find(&name.to_lowercase()))
}

/// What was typed, or the text in the file that it names.
pub fn read(typed: &(impl AsRef<OsStr> + ?Sized)) -> Result<ModelArg, Failure> {
    let typed = typed.as_ref();
    let Some(path) = text_file(typed) else {
        let typed = typed.to_string_lossy();
        let text = ready(&typed).map_or_else(|| typed.to_string(), |network| network.name.to_string());
        return Ok(ModelArg { text, file: None });
    };
    let name = shown_path(&path);
    let mut text = String::new();
    let mut file = File::open(&path).map_err(|e| format!("cannot read {name}: {e}"))?.take(LIMIT + 1);
    file.read_to_string(&mut text).map_err(|e| format!("cannot read {name}: {e}"))?;
    if text.len() as u64 > LIMIT {
        return Err(format!("{name} is longer than 1 MiB: it should hold a network's layers").into());
    }
    // A file always holds layers: a name alone in it would be one of a layer.
    Ok(ModelArg { text: text + "\n", file: Some(name) })
}

/// The files of a run's directory that count here.
const MODEL: &str = "model.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";

/// The model file that was typed, or the one in the run's directory that was.
pub fn model_path(typed: &Path) -> Result<PathBuf, Failure> {
    if !typed.is_dir() {
        return Ok(typed.to_path_buf());
    }
    let model = typed.join(MODEL);
    if model.is_file() {
        return Ok(model);
    }
    let name = shown_path(typed);
    Err(if typed.join(CHECKPOINT).is_file() {
        let (program, run) = (program(), quoted(typed));
        format!("{name} has no {MODEL} yet, for its run has not ended: go on with {program} train --resume {run}")
    } else {
        format!("{name} is a directory without {MODEL}: name a model file, or the directory of a run")
    }
    .into())
}

impl ModelArg {
    /// The network with fresh weights, for images of shape `input` if that is given; none if nothing is known of that name.
    pub fn fresh(&self, input: Option<[usize; 3]>, classes: usize) -> Result<Option<Fresh>, Failure> {
        let Some(description) = Description::of(&self.text) else { return Ok(None) };
        let images = match (input, description) {
            (Some(input), Description::Ready(a)) if !a.takes(input) => {
                return Err(format!("--input: {} takes {}", a.name, a.sizes()).into());
            }
            (Some(input), _) => input,
            (None, Description::Ready(a)) => a.input,
            (None, Description::Layers(_) | Description::Dense(_)) => IMAGES,
        };
        let blueprint = description.blueprint(images, classes).map_err(|e| self.failure(TrainError::Text(e)))?;
        let title = match description {
            Description::Ready(a) => format!("{}: {}", a.name, a.about),
            Description::Layers(_) => format!("{}: {}", blueprint.title(), blueprint.name()),
            Description::Dense(_) => blueprint.title(),
        };
        let network = blueprint.build(&mut Generator::new(0));
        Ok(Some(Fresh { network, input: blueprint.input(), title }))
    }

    /// That nothing is known of this name.
    pub fn unknown(&self) -> Failure {
        format!("there is no network '{}': {}", shown(&self.text), Description::advice(&self.text)).into()
    }

    /// What to tell the user of `error`: where it lies in the text, if it does.
    pub fn failure(&self, error: TrainError) -> Failure {
        match (error, &self.file) {
            (TrainError::Text(e), Some(file)) => Failure::Screen(format!("{file}: {}", e.screen())),
            (TrainError::Text(e), None) => Failure::Screen(e.screen()),
            (e, _) => advice::failure(e),
        }
    }
}
