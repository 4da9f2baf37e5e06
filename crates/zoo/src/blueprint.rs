//! What `--model` and the architecture of a model file can say: a ready network's name, or layers as text.

use crate::dense::{DenseNet, Output};
use crate::registry::{ARCHITECTURES, Architecture, find};
use crate::text::{Net, Plan, TextError, Word, closest, read};
use striate_nn::Classifier;
use striate_tensor::Generator;

/// What describes a network, before anything is known of the images.
#[derive(Clone, Copy, Debug)]
pub enum Description<'a> {
    /// A ready network.
    Ready(&'static Architecture),
    /// Layers as text.
    Layers(&'a str),
    /// A network for detection or segmentation as text: `resnet18 + fpn 64 + fcos`, `unet 32`.
    Dense(&'a str),
}

impl<'a> Description<'a> {
    /// What `model` means: a ready network if it is the name of one, else layers if it looks like them. A single word is taken for layers
    /// only if it is a layer's.
    pub fn of(model: &'a str) -> Option<Self> {
        let several = || model.contains(|c: char| c.is_whitespace() || ",()#".contains(c));
        match find(model) {
            Some(ready) => Some(Description::Ready(ready)),
            None if DenseNet::is_meant(model) => Some(Description::Dense(model)),
            None if several() || Word::find(model).is_some() => Some(Description::Layers(model)),
            None => None,
        }
    }

    /// What can stand for a network, for a message about one that is not known: `'lennet': did you mean lenet? …`.
    pub fn advice(model: &str) -> String {
        const LAYERS: &str = "give its layers, such as \"conv 32 3, relu, maxpool 2, flatten, linear\"";
        let names = || ARCHITECTURES.iter().map(|a| a.name);
        match closest(model, names()) {
            Some(near) => format!("did you mean {near}? Or {LAYERS}"),
            None => format!("known are {}, or {LAYERS}", names().collect::<Vec<_>>().join(", ")),
        }
    }

    /// The network for images of shape `images` (channels, height, width) and a number of classes. A ready network may take images of
    /// another shape only: see [`Blueprint::input`].
    ///
    /// # Errors
    /// If a text is no network, or its shapes do not fit.
    pub fn blueprint(self, images: [usize; 3], classes: usize) -> Result<Blueprint, TextError> {
        Ok(match self {
            Description::Ready(a) => {
                let input = a.input_for(images);
                Blueprint { name: a.name.to_string(), input, classes, kind: Kind::Ready(a) }
            }
            Description::Layers(text) => {
                let (net, plan) = read(text, images, classes)?;
                Blueprint { name: net.to_string(), input: images, classes, kind: Kind::Text(net, plan) }
            }
            Description::Dense(text) => {
                let net = DenseNet::parse(text)?;
                let least = net.min_size();
                let [channels, height, width] = images;
                let input = [channels.max(1), height.max(least), width.max(least)];
                Blueprint { name: net.to_string(), input, classes, kind: Kind::Dense(net) }
            }
        })
    }
}

enum Kind {
    Ready(&'static Architecture),
    Text(Net, Plan),
    Dense(DenseNet),
}

/// A network that can be built: its input and its number of classes are known.
pub struct Blueprint {
    name: String,
    input: [usize; 3],
    classes: usize,
    kind: Kind,
}

impl Blueprint {
    /// What a model file says of it: a ready network's name, or the canonical text.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A short name that can be part of a file's: `lenet`, `net-of-6-layers`.
    pub fn short_name(&self) -> String {
        match &self.kind {
            Kind::Ready(a) => a.name.to_string(),
            Kind::Text(net, _) => title(net).replace(' ', "-"),
            Kind::Dense(net) => net.short_name(),
        }
    }

    /// A short name for people: `lenet`, `net of 6 layers`.
    pub fn title(&self) -> String {
        match &self.kind {
            Kind::Ready(a) => a.name.to_string(),
            Kind::Text(net, _) => title(net),
            Kind::Dense(net) => net.to_string(),
        }
    }

    /// The shape of the images it takes: channels, height, width.
    pub fn input(&self) -> [usize; 3] {
        self.input
    }

    /// What it gives for an image.
    pub fn output(&self) -> Output {
        match &self.kind {
            Kind::Ready(_) | Kind::Text(..) => Output::Classes,
            Kind::Dense(net) => net.output(),
        }
    }

    /// The ready network that it stands on, where it is one for detection or segmentation.
    pub fn backbone(&self) -> Option<&'static Architecture> {
        match &self.kind {
            Kind::Dense(net) => net.backbone(),
            _ => None,
        }
    }

    /// What the names of the backbone's parameters begin with in it.
    pub fn backbone_prefix(&self) -> &'static str {
        match self.output() {
            Output::Classes => "",
            Output::Places(_) => "backbone.",
            Output::Pixels => "decoder.backbone.",
        }
    }

    /// How many numbers training changes, where that depends on a text.
    pub fn num_parameters(&self) -> Option<usize> {
        match &self.kind {
            Kind::Ready(_) | Kind::Dense(_) => None,
            Kind::Text(_, plan) => Some(plan.num_parameters()),
        }
    }

    /// The network with fresh weights.
    pub fn build(&self, rng: &mut Generator) -> Box<dyn Classifier> {
        match &self.kind {
            Kind::Ready(a) => a.build_for(self.input, self.classes, rng),
            Kind::Text(_, plan) => plan.build(rng),
            Kind::Dense(net) => net.build(self.input[0], self.classes, rng),
        }
    }
}

fn title(net: &Net) -> String {
    match net.num_layers() {
        1 => "net of 1 layer".to_string(),
        n => format!("net of {n} layers"),
    }
}

/// [`Blueprint::title`] of what a model file says of its network.
pub fn title_of(name: &str) -> String {
    match Description::of(name) {
        Some(Description::Layers(text)) => Net::parse(text).map_or_else(|_| name.to_string(), |net| title(&net)),
        _ => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_layers_are_told_apart() {
        let is_layers = |m: &str| Description::of(m).map(|d| matches!(d, Description::Layers(_)));
        for (model, expected) in [
            ("lenet", Some(false)),
            ("resnet-9000", None),
            ("", None),
            ("globalavgpool", Some(true)),
            ("flatten, linear", Some(true)),
            ("lenet, linear", Some(true)),
            ("foo 3", Some(true)),
        ] {
            assert_eq!(is_layers(model), expected, "{model}");
        }
    }

    #[test]
    fn an_unknown_name_gets_advice() {
        let layers = "give its layers, such as \"conv 32 3, relu, maxpool 2, flatten, linear\"";
        assert_eq!(Description::advice("lennet"), format!("did you mean lenet? Or {layers}"));
        let all = Description::advice("perceptron");
        assert!(
            all.starts_with("known are mnist-net, lenet, resnet18, ") && all.contains(", vgg19-bn, or give"),
            "{all}"
        );
    }

    #[test]
    fn titles_are_short() {
        let b = Description::of("flatten, (linear 4, relu) x3, linear").unwrap().blueprint([1, 2, 2], 3).unwrap();
        assert_eq!((b.short_name().as_str(), b.title().as_str()), ("net-of-8-layers", "net of 8 layers"));
        assert_eq!(title_of(b.name()), "net of 8 layers");
        assert_eq!(title_of("lenet"), "lenet");
    }
}
