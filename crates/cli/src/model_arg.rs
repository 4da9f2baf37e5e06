//! A network as it was typed: a name, its layers, or a file that holds them.

use crate::output::Failure;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use striate::Generator;
use striate::nn::Forward;
use striate::train::TrainError;
use striate::zoo::Description;

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

/// Whether this names a file of layers: `@net.txt`, or a path that ends in `.txt`.
pub fn is_text_file(typed: &str) -> bool {
    typed.starts_with('@') || typed.ends_with(".txt")
}

/// What was typed, or the text in the file that it names.
pub fn read(typed: &str) -> Result<ModelArg, Failure> {
    if !is_text_file(typed) {
        return Ok(ModelArg { text: typed.to_string(), file: None });
    }
    let path = Path::new(typed.strip_prefix('@').unwrap_or(typed));
    let mut text = String::new();
    let mut file = File::open(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?.take(LIMIT + 1);
    file.read_to_string(&mut text).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    if text.len() as u64 > LIMIT {
        return Err(format!("{} is longer than 1 MiB: it should hold a network's layers", path.display()).into());
    }
    // A file always holds layers: a name alone in it would be one of a layer.
    Ok(ModelArg { text: text + "\n", file: Some(path.display().to_string()) })
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
            (None, Description::Layers(_)) => IMAGES,
        };
        let blueprint = description.blueprint(images, classes).map_err(|e| self.failure(TrainError::Text(e)))?;
        let title = match description {
            Description::Ready(a) => format!("{}: {}", a.name, a.about),
            Description::Layers(_) => format!("{}: {}", blueprint.title(), blueprint.name()),
        };
        let network = blueprint.build(&mut Generator::new(0));
        Ok(Some(Fresh { network, input: blueprint.input(), title }))
    }

    /// That nothing is known of this name.
    pub fn unknown(&self) -> Failure {
        format!("there is no network '{}': {}", self.text, Description::advice(&self.text)).into()
    }

    /// What to tell the user of `error`: where it lies in the text, if it does.
    pub fn failure(&self, error: TrainError) -> Failure {
        match (error, &self.file) {
            (TrainError::Text(e), Some(file)) => Failure::Screen(format!("{file}: {}", e.screen())),
            (TrainError::Text(e), None) => Failure::Screen(e.screen()),
            (e, _) => e.into(),
        }
    }
}
