//! What can be typed to explain a model's answers.

use super::compute::Compute;
use clap::{Args, ValueEnum, value_parser};
use std::path::PathBuf;
use striate::report::Method;
use striate::report::explain::Baseline;

/// Show which parts of an image an answer comes from, and check whether the explanation can be trusted.
///
/// For each image and method it writes a PNG file, the map over the image, and an npy file, the map at the size that the network sees. It takes models of all tasks:
/// explained are the predicted class, label or number, the object of the highest score, or the pixels of the commonest class.
///
/// A map shows what the method finds, which may have little to do with the network: --score says whether it does.
#[derive(Debug, Args)]
pub struct Explain {
    /// The model file (model.safetensors), or the directory of the run that made it.
    #[arg(value_name = "MODEL|RUN")]
    pub model: PathBuf,
    /// The images: files; folders, for all images in them; patterns such as 'photos/*.jpg'; or - for one image from standard input.
    #[arg(value_name = "IMAGE|FOLDER|-", required_unless_present_any = ["list_layers", "filters"])]
    pub images: Vec<PathBuf>,
    /// How to explain: grad-cam, grad-cam++, score-cam and layer-cam by the output of a layer; saliency, smooth-grad, integrated-gradients, guided-backprop,
    /// gradient-shap and deep-lift by gradients of the image; occlusion by covering it. Several with commas between them; all for all.
    #[arg(long = "method", value_name = "NAME,…", default_value = "grad-cam", value_delimiter = ',', value_parser = methods)]
    pub methods: Vec<Methods>,
    /// The layer that the methods named cam explain by, such as layer4 or features.5 [default: the last one whose output is a map; of detectors and segmenters the
    /// end of the backbone].
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,
    /// The class, label or number to explain, by its name or its number from 0 [default: the predicted one].
    #[arg(long, value_name = "NAME|N")]
    pub class: Option<String>,
    /// Detection: which object to explain, from 1 for the one of the highest score.
    #[arg(long, value_name = "N", default_value = "1", value_parser = value_parser!(u32).range(1..))]
    pub object: u32,
    /// The folder to write to; it is made.
    #[arg(long, value_name = "DIR", default_value = "explanations")]
    pub out: PathBuf,
    /// Check each explanation: whether the answer falls when what the map shows is deleted, and comes back when it is inserted, better than with random maps; and
    /// whether the map changes when the network's weights are randomized.
    #[arg(long)]
    pub score: bool,
    /// What integrated gradients and DeepLIFT start from, and what occlusion and deletion cover with.
    #[arg(long, value_enum, value_name = "IMAGE", default_value = "mean")]
    pub baseline: BaselineArg,
    /// SmoothGrad and gradient SHAP: how many random points.
    #[arg(long, value_name = "N", default_value = "32", value_parser = value_parser!(u32).range(1..=4096))]
    pub samples: u32,
    /// Occlusion: the side of the square that is covered, in pixels of what the network sees [default: a seventh of the shorter side].
    #[arg(long, value_name = "PIXELS", value_parser = value_parser!(u32).range(1..))]
    pub window: Option<u32>,
    /// What all random numbers come from.
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,
    /// List the layers with the shapes of their outputs, and end.
    #[arg(long, conflicts_with = "images")]
    pub list_layers: bool,
    /// Write the filters of the first convolution as one PNG file, filters.png.
    #[arg(long)]
    pub filters: bool,
    /// Write the maps of the layer for each image as one PNG file.
    #[arg(long)]
    pub feature_maps: bool,
    /// Find the images of this folder that are nearest to each image by the features before the last layer (cosine similarity), and write them as one PNG file.
    #[arg(long, value_name = "FOLDER")]
    pub nearest: Option<PathBuf>,
    /// How many nearest images.
    #[arg(long, value_name = "N", default_value = "8", value_parser = value_parser!(u32).range(1..=64))]
    pub neighbours: u32,
    /// Print one JSON object per image.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub compute: Compute,
}

/// A method, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Methods {
    One(Method),
    All,
}

fn methods(text: &str) -> Result<Methods, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(Methods::All);
    }
    text.parse().map(Methods::One)
}

impl Explain {
    /// The methods, each once, in the order in which they were typed.
    pub fn methods(&self) -> Vec<Method> {
        let mut all = Vec::new();
        for methods in &self.methods {
            let named: &[Method] = match methods {
                Methods::All => &Method::ALL,
                Methods::One(method) => std::slice::from_ref(method),
            };
            named.iter().for_each(|method| {
                if !all.contains(method) {
                    all.push(*method);
                }
            });
        }
        all
    }
}

/// What stands for an image that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BaselineArg {
    /// The mean that is subtracted from images.
    Mean,
    Black,
    White,
}

impl From<BaselineArg> for Baseline {
    fn from(typed: BaselineArg) -> Baseline {
        match typed {
            BaselineArg::Mean => Baseline::Mean,
            BaselineArg::Black => Baseline::Black,
            BaselineArg::White => Baseline::White,
        }
    }
}
