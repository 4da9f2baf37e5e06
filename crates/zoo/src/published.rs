//! Weights that others have trained on ImageNet and published.

mod torchvision;

use torchvision::TORCHVISION;

/// How pixels are weighed when an image is scaled, always with antialiasing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// By a triangle.
    Bilinear,
    /// By a cubic curve.
    Bicubic,
}

/// Weights may have been published more than once for a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The first (torchvision's `IMAGENET1K_V1`).
    V1,
    /// Trained longer, with more augmentation (torchvision's `IMAGENET1K_V2`).
    V2,
}

/// Weights of one of the [`ARCHITECTURES`](crate::ARCHITECTURES), for ImageNet's 1000 classes, and how images come to the network that has them:
/// the shorter side is scaled to [`resize`](Published::resize) pixels, the middle [`crop`](Published::crop) × `crop` are cut out, and of the
/// values from 0 to 1 [`mean`](Published::mean) is subtracted before they are divided by [`std`](Published::std).
///
/// Where torchvision has several versions, these are the ones that it loads by default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// The network's name.
    pub architecture: &'static str,
    /// Which of the published ones these are.
    pub version: Version,
    /// Where the file is; none where it is only known to be in [`package`](Published::package).
    pub url: Option<&'static str>,
    /// A Python package that has the file in its folder `models`.
    pub package: Option<&'static str>,
    /// The file's name.
    pub file: &'static str,
    /// The file's SHA-256 in hexadecimal digits, or the first of them.
    pub sha256: &'static str,
    /// Bytes of the file, within 600.
    pub bytes: u64,
    /// Accuracy on ImageNet's validation images in percent, as published.
    pub top1: f64,
    /// The licence, where one is named. torchvision names none for its weights: it leaves that to the terms of the data set.
    pub licence: Option<&'static str>,
    /// Pixels of the shorter side before cropping.
    pub resize: usize,
    /// Pixels of a side of what is cut out.
    pub crop: usize,
    /// How pixels are weighed when the image is scaled.
    pub interpolation: Interpolation,
    /// What is subtracted from red, green and blue.
    pub mean: [f32; 3],
    /// What they are divided by.
    pub std: [f32; 3],
}

type Normalization = ([f32; 3], [f32; 3]);

const IMAGENET: Normalization = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
/// torchvision's networks that take this change their images to it from [`IMAGENET`]; ours leave them.
const HALVES: Normalization = ([0.5; 3], [0.5; 3]);
const LITE: Normalization = ([127.0 / 255.0; 3], [128.0 / 255.0; 3]);

macro_rules! row {
    ($name:literal, $file:literal, $sha256:literal, $version:ident, $bytes:literal, $top1:literal, $resize:literal, $crop:literal,
     $interpolation:ident, $normalization:ident) => {
        Published {
            architecture: $name,
            version: $version,
            url: Some(concat!("https://download.pytorch.org/models/", $file)),
            package: None,
            file: $file,
            sha256: $sha256,
            bytes: $bytes,
            top1: $top1,
            licence: None,
            resize: $resize,
            crop: $crop,
            interpolation: $interpolation,
            mean: $normalization.0,
            std: $normalization.1,
        }
    };
}
use row;

/// TensorFlow's weights, whose evaluation cuts the middle out of images whose shorter side is 32 pixels longer; the accuracies are those that
/// its authors give.
macro_rules! lite {
    ($name:literal, $file:literal, $sha256:literal, $bytes:literal, $top1:literal, $crop:literal) => {
        Published {
            architecture: $name,
            version: Version::V1,
            url: None,
            package: Some(concat!($name, "-pytorch-model")),
            file: $file,
            sha256: $sha256,
            bytes: $bytes,
            top1: $top1,
            licence: Some("Apache-2.0"),
            resize: $crop + 32,
            crop: $crop,
            interpolation: Interpolation::Bicubic,
            mean: LITE.0,
            std: LITE.1,
        }
    };
}

const LITES: &[Published] = &[
    lite!(
        "efficientnet-lite0",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        18_826_032,
        75.1,
        224
    ),
    lite!(
        "efficientnet-lite1",
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        21_946_926,
        76.7,
        240
    ),
    lite!(
        "efficientnet-lite2",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        24_666_229,
        77.6,
        260
    ),
];

/// All weights that are known to be published.
pub fn all_published() -> impl Iterator<Item = &'static Published> {
    TORCHVISION.iter().chain(LITES)
}

/// The published weights of the network of this name, which may be written as torchvision does: `mobilenet_v2`.
pub fn published(name: &str) -> Option<&'static Published> {
    let name = name.replace('_', "-");
    all_published().find(|p| p.architecture == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{ARCHITECTURES, find};
    use std::collections::HashSet;
    use striate_tensor::Generator;

    #[test]
    fn rows_agree_with_themselves_and_their_networks() {
        let mut files = HashSet::new();
        for p in all_published() {
            let name = p.architecture;
            let network = find(name).unwrap_or_else(|| panic!("{name} is no network"));
            assert_eq!((network.input, published(name)), ([3, p.crop, p.crop], Some(p)), "{name}");
            assert!(p.crop <= p.resize && p.resize < 2 * p.crop, "{name}");
            assert!((50.0..90.0).contains(&p.top1), "{name}");
            assert!(p.mean.iter().all(|m| (0.4..=0.5).contains(m)) && p.std.iter().all(|s| (0.2..0.51).contains(s)));
            let hex = |s: &str| s.len() >= 8 && s.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
            let named = p.file.strip_suffix(".pth").and_then(|f| f.rsplit('-').next()).unwrap();
            assert!(hex(p.sha256) && p.sha256.starts_with(named) && files.insert(p.file), "{name}");
            assert_eq!(p.url.is_none(), p.package.is_some(), "{name}");
            assert!(p.url.is_none_or(|url| url.starts_with("https://") && url.ends_with(&format!("/{}", p.file))));
            // The file's stem is the network's name, but for dots, dashes and what torchvision adds.
            let letters = |s: &str| s.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
            let stem = letters(p.file.split("_top1").next().unwrap());
            let stem = if stem.starts_with("shufflenetv2x15") { stem.replace("x1", "x10") } else { stem };
            assert!(stem.starts_with(&letters(name)), "{name}: {}", p.file);
        }
    }

    #[test]
    fn files_are_as_large_as_their_networks() {
        // Two of the networks have no heads for training alone here, the files have them.
        for p in all_published()
            .filter(|p| p.bytes < 150_000_000 && !["googlenet", "inception-v3"].contains(&p.architecture))
        {
            let net = find(p.architecture).unwrap().build(1000, &mut Generator::blank());
            let (mut numbers, mut tensors) = (0, 0);
            net.visit("", &mut |_, entry| {
                tensors += 1;
                numbers += match entry {
                    striate_nn::Entry::Parameter(p) => p.value().numel(),
                    striate_nn::Entry::Buffer(b) => b.value().numel(),
                    striate_nn::Entry::Layer(_) => 0,
                };
            });
            let rest = p.bytes.checked_sub(4 * numbers as u64).unwrap_or_else(|| panic!("{} is short", p.file));
            assert!(rest < 2000 * tensors + 20_000, "{}: {rest} bytes beside {tensors} tensors", p.file);
        }
    }

    #[test]
    fn what_is_not_published_is_not_found() {
        for name in ["lenet", "mnist-net", "efficientnet-lite4", "resnet", ""] {
            assert_eq!(published(name), None, "{name}");
        }
        assert_eq!(published("wide_resnet50_2").map(|p| p.version), Some(Version::V2));
        let rest: Vec<_> = ARCHITECTURES.iter().map(|a| a.name).filter(|name| published(name).is_none()).collect();
        assert_eq!(rest, ["mnist-net", "lenet", "efficientnet-lite3", "efficientnet-lite4"]);
    }
}
