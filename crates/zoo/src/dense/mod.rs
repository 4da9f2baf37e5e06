//! Networks for detection and segmentation as text: `efficientnet-lite0 + fpn 64 + fcos`, `unet 32`, `mobilenet-v2 + deeplab`.

mod backbone;
mod detector;
mod pyramid;
mod segmenter;
mod semantic;
mod unet;

pub use backbone::Backbone;
pub use detector::BOX_VALUES;

use crate::registry::{ARCHITECTURES, Architecture, find};
use crate::text::{Fault, Span, TextError, closest};
use detector::Detector;
use segmenter::Segmenter;
use semantic::{DeepLab, SemanticPyramid};
use std::fmt;
use striate_nn::Classifier;
use striate_tensor::Generator;
use unet::{BackboneUNet, UNet};

/// What a network gives for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// One number for each class: `[n, classes]`.
    Classes,
    /// One number for each class of each pixel: `[n, classes, h, w]`.
    Pixels,
    /// For each place the logits of the classes, the distances to the four edges of the box around it, and the centerness: `[n, places, classes + 5]`. The places
    /// are those of a map for each of these strides, row by row.
    Places(Vec<usize>),
}

/// A network for detection or segmentation, as its text says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DenseNet {
    backbone: Option<&'static Architecture>,
    head: Head,
}

/// What stands on the backbone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    UNet { width: usize, depth: usize },
    BackboneUNet { width: usize },
    Pyramid { width: usize },
    DeepLab { width: usize },
    Fcos { width: usize, levels: usize, convs: usize },
}

/// What may be written, for messages.
const FORMS: &str = "BACKBONE + fpn [WIDTH] [LEVELS] + fcos [CONVS] for detection; unet [WIDTH] [DEPTH], BACKBONE + unet [WIDTH], BACKBONE + fpn [WIDTH] or \
     BACKBONE + deeplab [WIDTH] for segmentation";

/// The words of heads.
const WORDS: [&str; 4] = ["fpn", "fcos", "unet", "deeplab"];
const MAX_WIDTH: usize = 4096;

/// A word of a text, with the numbers after it.
struct Part<'t> {
    word: &'t str,
    numbers: Vec<&'t str>,
    span: Span,
}

impl<'t> Part<'t> {
    fn of(source: &'t str, text: &'t str) -> Part<'t> {
        let trimmed = text.trim();
        let start = trimmed.as_ptr() as usize - source.as_ptr() as usize;
        let mut words = trimmed.split_whitespace();
        let word = words.next().unwrap_or_default();
        Part { word, numbers: words.collect(), span: Span { start, end: start + trimmed.len() } }
    }

    fn fault(&self, message: String) -> Fault {
        Fault { span: self.span, message }
    }

    /// The numbers after the word, or what they are where they are left out: name, default, least and most of each.
    fn numbers<const N: usize>(&self, settings: [(&str, usize, usize, usize); N]) -> Result<[usize; N], Fault> {
        if self.numbers.len() > N {
            let names = settings.map(|s| s.0).join(" and ");
            return Err(self.fault(format!("'{}' takes {names} alone, got {} numbers", self.word, self.numbers.len())));
        }
        let mut values = [0; N];
        for (i, (name, default, least, most)) in settings.into_iter().enumerate() {
            let Some(text) = self.numbers.get(i) else {
                values[i] = default;
                continue;
            };
            let number = text.parse().ok().filter(|n| (least..=most).contains(n));
            values[i] = number.ok_or_else(|| {
                self.fault(format!("the {name} of '{}' is a number from {least} to {most}, got '{text}'", self.word))
            })?;
        }
        Ok(values)
    }
}

impl DenseNet {
    /// Whether a text is meant to be one: it has a plus, or begins with one of its words.
    pub fn is_meant(text: &str) -> bool {
        text.contains('+') || text.split_whitespace().next().is_some_and(|word| WORDS.contains(&word))
    }

    /// # Errors
    /// If the text is none.
    pub fn parse(text: &str) -> Result<DenseNet, TextError> {
        parse(text).map_err(|fault| TextError::new(text, fault, String::new()))
    }

    /// What it gives.
    pub fn output(&self) -> Output {
        match self.head {
            Head::Fcos { levels, .. } => {
                Output::Places((0..levels).map(|level| detector::STRIDES[0] << level).collect())
            }
            _ => Output::Pixels,
        }
    }

    /// The least height and width of its images: one pixel of its coarsest map.
    pub fn min_size(&self) -> usize {
        match self.head {
            Head::UNet { depth, .. } => 1 << depth,
            Head::Fcos { levels, .. } => detector::STRIDES[0] << (levels - 1),
            _ => 32,
        }
    }

    /// The ready network that it stands on.
    pub fn backbone(&self) -> Option<&'static Architecture> {
        self.backbone
    }

    /// A short name that can be part of a file's: `resnet18-unet`.
    pub fn short_name(&self) -> String {
        let head = match self.head {
            Head::UNet { .. } | Head::BackboneUNet { .. } => "unet",
            Head::Pyramid { .. } => "fpn",
            Head::DeepLab { .. } => "deeplab",
            Head::Fcos { .. } => "fcos",
        };
        match self.backbone {
            Some(backbone) => format!("{}-{head}", backbone.name),
            None => head.to_string(),
        }
    }

    /// With fresh weights, for images of this many channels.
    pub fn build(&self, in_channels: usize, classes: usize, rng: &mut Generator) -> Box<dyn Classifier> {
        let backbone = |rng: &mut Generator| {
            let architecture = self.backbone.expect("a head stands on a backbone");
            Backbone::new(architecture, in_channels, rng).expect("the backbone was looked at when its text was read")
        };
        match self.head {
            Head::UNet { width, depth } => {
                Box::new(Segmenter::new(UNet::new(in_channels, width, depth, rng), classes, rng))
            }
            Head::BackboneUNet { width } => {
                Box::new(Segmenter::new(BackboneUNet::new(backbone(rng), width, rng), classes, rng))
            }
            Head::Pyramid { width } => {
                Box::new(Segmenter::new(SemanticPyramid::new(backbone(rng), width, rng), classes, rng))
            }
            Head::DeepLab { width } => Box::new(Segmenter::new(DeepLab::new(backbone(rng), width, rng), classes, rng)),
            Head::Fcos { width, levels, convs } => {
                let coarser = levels - detector::STRIDES.len();
                Box::new(Detector::new(backbone(rng), [width, convs, coarser], classes, rng))
            }
        }
    }
}

fn parse(text: &str) -> Result<DenseNet, Fault> {
    let parts: Vec<Part> = text.split('+').map(|part| Part::of(text, part)).collect();
    if let Some(empty) = parts.iter().find(|part| part.word.is_empty()) {
        return Err(empty.fault(format!("nothing stands on one side of a +: a network is {FORMS}")));
    }
    let first = &parts[0];
    let width = |default| ("width", default, 1, MAX_WIDTH);
    if first.word == "unet" {
        if let Some(more) = parts.get(1) {
            return Err(
                more.fault("nothing stands on a unet: a backbone comes before it, as in resnet18 + unet".into())
            );
        }
        let [width, depth] = first.numbers([width(32), ("depth", 4, 1, 8)])?;
        return Ok(DenseNet { backbone: None, head: Head::UNet { width, depth } });
    }
    if WORDS.contains(&first.word) {
        return Err(first.fault(format!("'{}' stands on a backbone, as in resnet18 + {}", first.word, first.word)));
    }
    for part in &parts[1..] {
        if !WORDS.contains(&part.word) {
            let near = closest(part.word, WORDS).map_or(String::new(), |near| format!(": did you mean {near}?"));
            return Err(part.fault(format!("there is no head '{}'{near} A network is {FORMS}", part.word)));
        }
    }
    let words: Vec<&str> = parts[1..].iter().map(|part| part.word).collect();
    let backbone = backbone_of(first, matches!(words[..], ["fpn"] | ["deeplab"]))?;
    let head = match words[..] {
        ["unet"] => {
            let [width] = parts[1].numbers([width(16)])?;
            Head::BackboneUNet { width }
        }
        ["fpn"] => {
            let [width] = parts[1].numbers([width(128)])?;
            Head::Pyramid { width }
        }
        ["deeplab"] => {
            let [width] = parts[1].numbers([width(256)])?;
            Head::DeepLab { width }
        }
        ["fpn", "fcos"] => {
            let [width, levels] = parts[1].numbers([width(64), ("levels", 3, 3, 6)])?;
            let [convs] = parts[2].numbers([("convolutions", 2, 1, 8)])?;
            Head::Fcos { width, levels, convs }
        }
        ["fcos"] => return Err(parts[1].fault("fcos stands on an fpn, as in resnet18 + fpn 64 + fcos".into())),
        _ => return Err(parts[1].fault(format!("these heads do not stand on each other: a network is {FORMS}"))),
    };
    Ok(DenseNet { backbone: Some(backbone), head })
}

/// `needs_quarter`: its map at a stride of 4 is needed.
fn backbone_of(part: &Part, needs_quarter: bool) -> Result<&'static Architecture, Fault> {
    let Some(architecture) = find(part.word) else {
        let near = closest(part.word, ARCHITECTURES.iter().map(|a| a.name));
        let near = near.map_or(String::new(), |near| format!(": did you mean {near}?"));
        return Err(part.fault(format!("there is no backbone '{}'{near}", part.word)));
    };
    part.numbers::<0>([])?;
    let found = backbone::look_at(architecture).map_err(|reason| part.fault(reason))?;
    if needs_quarter && !found.stages.iter().any(|stage| stage.stride == 4) {
        let name = architecture.name;
        return Err(part.fault(format!("{name} gives no map at a stride of 4: take another network as the backbone")));
    }
    Ok(architecture)
}

impl fmt::Display for DenseNet {
    /// The canonical text: all numbers written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(backbone) = self.backbone {
            write!(f, "{} + ", backbone.name)?;
        }
        match self.head {
            Head::UNet { width, depth } => write!(f, "unet {width} {depth}"),
            Head::BackboneUNet { width } => write!(f, "unet {width}"),
            Head::Pyramid { width } => write!(f, "fpn {width}"),
            Head::DeepLab { width } => write!(f, "deeplab {width}"),
            Head::Fcos { width, levels, convs } => write!(f, "fpn {width} {levels} + fcos {convs}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_nn::{Module, Pass};
    use striate_tensor::{DType, Tensor};

    fn canonical(text: &str) -> String {
        DenseNet::parse(text).unwrap().to_string()
    }

    #[test]
    fn texts_are_read_and_written() {
        for (text, expected) in [
            ("unet", "unet 32 4"),
            ("  unet 8 2 ", "unet 8 2"),
            ("resnet18+unet", "resnet18 + unet 16"),
            ("mobilenet_v2 + deeplab", "mobilenet-v2 + deeplab 256"),
            ("efficientnet-lite0 + fpn 64 + fcos", "efficientnet-lite0 + fpn 64 3 + fcos 2"),
            ("resnet50 + fpn 32", "resnet50 + fpn 32"),
        ] {
            assert_eq!(canonical(text), expected);
            assert_eq!(canonical(expected), expected);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expected) in [
            ("resnet18 + ", "nothing stands on one side"),
            ("+ unet", "nothing stands on one side"),
            ("restnet18 + unet", "did you mean resnet18?"),
            ("resnet18 + fcos", "fcos stands on an fpn"),
            ("resnet18 + fpm 64 + fcos", "did you mean fpn?"),
            ("resnet18 + unet 0", "the width of 'unet' is a number from 1 to 4096, got '0'"),
            ("resnet18 + unet 8 2", "'unet' takes width alone, got 2 numbers"),
            ("unet 32 + fcos", "nothing stands on a unet"),
            ("fpn 64 + fcos", "'fpn' stands on a backbone"),
            ("shufflenet-v2-x1-0 + deeplab", "gives no map at a stride of 4"),
            ("lenet + unet", "lenet takes 1×32×32 images alone"),
            ("vgg16 + unet", "vgg16 gives no map at a stride of"),
            ("resnet18 + fpn + deeplab", "do not stand on each other"),
            ("resnet18 5 + unet", "takes"),
        ] {
            let line = DenseNet::parse(text).unwrap_err().to_string();
            assert!(line.contains(expected), "{text}: {line}");
        }
    }

    #[test]
    fn every_head_gives_the_shape_that_it_says() {
        let strides = |size: usize, strides: &[usize]| strides.iter().map(|s| size.div_ceil(*s).pow(2)).sum::<usize>();
        for (text, places) in [
            ("resnet18 + fpn 8 + fcos 1", Some(strides(96, &[8, 16, 32]))),
            ("mobilenet-v2 + fpn 8 4 + fcos 1", Some(strides(96, &[8, 16, 32, 64]))),
            ("unet 4 3", None),
            ("resnet18 + unet 4", None),
            ("efficientnet-lite0 + fpn 8", None),
            ("mobilenet-v2 + deeplab 8", None),
        ] {
            let net = DenseNet::parse(text).unwrap();
            let network = net.build(3, 5, &mut Generator::new(1));
            let y = network.forward(Tensor::zeros([2, 3, 96, 96], DType::F32), &Pass::eval());
            match places {
                Some(places) => assert_eq!(y.shape(), [2, places, 5 + BOX_VALUES], "{text}"),
                None => assert_eq!(y.shape(), [2, 5, 96, 96], "{text}"),
            }
            let head = format!("{}.weight", network.head_name());
            assert!(network.named_parameters().iter().any(|(name, _)| *name == head), "{text}: {head}");
            // Odd sizes too, and every parameter learns.
            let x = Tensor::ones([2, 3, 75, 50], DType::F32);
            let y = network.forward(x, &Pass::train(0));
            if places.is_none() {
                assert_eq!(y.shape(), [2, 5, 75, 50], "{text}");
            }
            let gradients = y.sum_all().backward();
            for (name, parameter) in network.named_parameters() {
                assert!(gradients.get(parameter).is_some(), "{text}: {name} has no gradient");
            }
        }
    }
}
