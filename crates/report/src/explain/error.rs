//! [`ExplainError`].

use striate_imaging::shown;

/// How many names an error lists.
const NAMES: usize = 40;

/// Why there is no explanation. Each message is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// The network has no layer of this name.
    #[error("the network has no layer '{}'; the nearest names first, it has {}", shown(name), listed(layers))]
    NoLayer {
        /// What was asked for.
        name: String,
        /// The layers that there are, those of the nearest names first.
        layers: Vec<String>,
    },
    /// A layer's output is no map, which methods that explain by a layer need.
    #[error(
        "the output of layer '{}' has the shape {shape:?}, which is no map; layers with maps are {}",
        shown(name),
        listed(layers)
    )]
    NoMap {
        /// The layer.
        name: String,
        /// Its shape, without the batch.
        shape: Vec<usize>,
        /// The layers that have maps, the last ones first.
        layers: Vec<String>,
    },
    /// No layer of the network has maps.
    #[error(
        "no layer of the network has an output [c, h, w] with h and w above 1, which methods named cam and feature maps need; saliency and \
             integrated-gradients do not"
    )]
    NoMaps,
    /// There is no class of this name or number.
    #[error("the model has no {kind} '{}'; the nearest names first, it has {}", shown(name), listed(classes))]
    NoClass {
        /// `class`, `label` or `number`.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// The classes that there are, those of the nearest names first.
        classes: Vec<String>,
    },
    /// A detector finds no such object in the image.
    #[error("{0}")]
    NoObject(String),
    /// No pixel is predicted as the class.
    #[error("no pixel of the image is predicted as '{}'; there are pixels of {}", shown(class), listed(predicted))]
    NoPixels {
        /// The class.
        class: String,
        /// The classes that pixels are predicted as.
        predicted: Vec<String>,
    },
    /// The network gives NaN or infinite numbers for the image.
    #[error("the network gives NaN or infinite numbers for this image")]
    NotFinite,
    /// An option is out of its range.
    #[error("{0}")]
    Option(String),
    /// The network cannot be run on the image.
    #[error("the network cannot be run on it: {0}")]
    Run(String),
}

fn listed(names: &[String]) -> String {
    let few = names.iter().take(NAMES).map(shown).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => few,
        more => format!("{few} and {more} more"),
    }
}

/// The names, those that are nearest to `wanted` first: by the number of letters to change, and before that those that begin as it does.
pub(crate) fn nearest_first<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut all: Vec<&str> = names.into_iter().collect();
    let wanted = wanted.to_lowercase();
    all.sort_by_cached_key(|name| {
        let lower = name.to_lowercase();
        let contains = !wanted.is_empty() && (lower.contains(&wanted) || wanted.contains(&lower));
        (!contains, strsim::osa_distance(&wanted, &lower))
    });
    all.into_iter().map(str::to_string).collect()
}
