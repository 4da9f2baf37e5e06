//! [`ModelCard`]: what a model file says about its weights.

use crate::calibration::Calibration;
use crate::file::FORMAT_VERSION;
use crate::metric::Metric;
use crate::provenance::Provenance;
use crate::task::TaskCard;
use serde::{Deserialize, Deserializer, Serialize};
use striate_imaging::{Image, Preprocessing, Split};
use striate_nn::{Forward, Pass};
use striate_tensor::{ComputeSettings, Precision, Tensor};

/// How far, as a fraction of the largest output, a self-test may be off: instruction sets round differently.
const SELF_TEST_TOLERANCE: f32 = 1e-3;
/// The same of a network that computes in `bf16`, whose factors have 8 bits of precision.
const BF16_TOLERANCE: f32 = 0.1;

fn whole() -> f64 {
    1.0
}

fn is_whole(fraction: &f64) -> bool {
    *fraction == 1.0
}

/// What a model file says about its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The version of the file's layout.
    pub format_version: u32,
    /// The network's name, its canonical text (`conv 32 3, relu, …`), or [`GRAPH`](crate::GRAPH).
    pub architecture: String,
    /// What it is trained to do.
    #[serde(default, skip_serializing_if = "TaskCard::is_classification")]
    pub task: TaskCard,
    /// The names of the classes, labels or numbers, in the order of the outputs.
    pub classes: Vec<String>,
    /// How an image becomes the network's input.
    pub preprocessing: Preprocessing,
    /// How it was trained.
    pub training: Training,
    /// What makes its probabilities honest, if that was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Images with the outputs that they must give.
    pub self_test: Vec<SelfTest>,
}

/// How a model was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// `mnist`, or the path of the data. Empty if it is not known.
    pub data: String,
    /// What it had learnt from before: a network's name, or the path of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The optimizer's name.
    pub optimizer: String,
    /// The learning rate.
    pub lr: f64,
    /// Samples in a step.
    pub batch_size: usize,
    /// Epochs done when the weights were as they are.
    pub epochs: usize,
    /// The fraction of the training samples that each went through.
    #[serde(default = "whole", skip_serializing_if = "is_whole", alias = "epoch_share")]
    pub epoch_fraction: f64,
    /// What all random numbers came from.
    pub seed: u64,
    /// What was measured on the images held out; nothing if none were. Files of earlier versions have an accuracy alone.
    #[serde(default, alias = "accuracy", alias = "test_accuracy", deserialize_with = "metrics_or_accuracy")]
    pub metrics: Vec<Metric>,
    /// The name of the metric that the best epoch was chosen by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<String>,
    /// What those images were for.
    #[serde(default)]
    pub measured: Split,
    /// What was learnt from. Files of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// The version of Striate that trained it.
    pub striate_version: String,
}

/// Reads metrics, or the accuracy that stands in their place in files of earlier versions.
fn metrics_or_accuracy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Metric>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Metrics(Vec<Metric>),
        Accuracy(Option<f64>),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Metrics(metrics) => metrics,
        Written::Accuracy(accuracy) => accuracy.map(|value| Metric::fraction("accuracy", value)).into_iter().collect(),
    })
}

impl Training {
    /// The metric that the best epoch was chosen by, if it was measured.
    pub fn best(&self) -> Option<&Metric> {
        let monitor = self.monitor.as_deref().unwrap_or("accuracy");
        self.metrics.iter().find(|metric| metric.name == monitor)
    }

    /// Of a network that comes out of a file of another program.
    pub fn elsewhere(file: &str) -> Training {
        Training {
            data: String::new(),
            from: Some(file.into()),
            optimizer: String::new(),
            lr: 0.0,
            batch_size: 0,
            epochs: 0,
            epoch_fraction: 1.0,
            seed: 0,
            metrics: Vec::new(),
            monitor: None,
            measured: Split::default(),
            provenance: None,
            striate_version: env!("CARGO_PKG_VERSION").to_string(),
        }
    }
}

impl ModelCard {
    /// The file of another program that the network comes from, if it was not trained here.
    pub fn imported_from(&self) -> Option<&str> {
        self.training.from.as_deref().filter(|_| self.training.data.is_empty())
    }

    /// Of `network`, with these images to test itself.
    pub fn new(
        architecture: &str,
        classes: Vec<String>,
        preprocessing: Preprocessing,
        training: Training,
        (network, images): (&dyn Forward, &[Image]),
    ) -> ModelCard {
        let self_test = images.iter().map(|image| SelfTest::record(network, &preprocessing, image)).collect();
        let architecture = architecture.to_string();
        let task = TaskCard::Classification;
        let (format_version, calibration) = (FORMAT_VERSION, None);
        ModelCard { format_version, architecture, task, classes, preprocessing, training, calibration, self_test }
    }

    /// Of another task than classification.
    pub fn for_task(self, task: TaskCard) -> ModelCard {
        ModelCard { task, ..self }
    }

    /// What the network's outputs say: [`TaskCard::answers`] of scores that are divided by the temperatures of the calibration, where there is one.
    pub fn answers(&self, outputs: Tensor) -> Tensor {
        let calibration = self.calibration.as_ref().filter(|calibration| calibration.changes_probabilities());
        let outputs = match calibration {
            Some(calibration) => match calibration.temperatures[..] {
                [temperature] => outputs * (1.0 / temperature),
                ref each => {
                    let factors: Vec<f32> = each.iter().map(|t| (1.0 / t) as f32).collect();
                    outputs * &Tensor::from_vec(factors, [1, each.len()])
                }
            },
            None => outputs,
        };
        self.task.answers(outputs)
    }

    /// Whether `logits` gives the outputs that this promises.
    pub(crate) fn check_self_tests(&self, logits: impl Fn(Tensor) -> Result<Tensor, String>) -> Result<(), String> {
        for (i, test) in self.self_test.iter().enumerate() {
            let image = test.image().ok_or("damaged metadata: a self-test image of the wrong size")?;
            let got = logits(self.preprocessing.apply(&image).0);
            let got = thinned(got.map_err(|e| format!("self-test {} cannot be run: {e}", i + 1))?.to_vec());
            let scale = test.output.iter().fold(1.0f32, |m, x| m.max(x.abs()));
            if !got.iter().all(|x| x.is_finite()) {
                return Err(format!("self-test {} gives numbers that are infinite or NaN", i + 1));
            }
            let is_close = |tolerance: f32| {
                let close = |(a, b): (&f32, &f32)| (a - b).abs() <= tolerance * scale;
                got.len() == test.output.len() && got.iter().zip(&test.output).all(close)
            };
            match ComputeSettings::current().precision {
                Precision::Bf16 if !is_close(BF16_TOLERANCE) => {
                    return Err(format!(
                        "self-test {} gives outputs in bf16 that are too far from those in f32: leave out --precision bf16",
                        i + 1
                    ));
                }
                Precision::F32 if !is_close(SELF_TEST_TOLERANCE) => {
                    return Err(format!(
                        "self-test {} gives other outputs than it did when the model was written",
                        i + 1
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// An image with the output that it must give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Values per pixel.
    pub channels: usize,
    /// The values, row by row.
    pub pixels: Vec<u8>,
    /// The network's outputs; of more than 2,048 as many of them, evenly spread.
    pub output: Vec<f32>,
}

impl SelfTest {
    /// What `network` gives for `image`.
    pub fn record(network: &dyn Forward, preprocessing: &Preprocessing, image: &Image) -> SelfTest {
        SelfTest {
            width: image.width,
            height: image.height,
            channels: image.channels,
            pixels: image.data.clone(),
            output: thinned(logits(network, preprocessing, image)),
        }
    }

    /// The image; none if its values do not fill it.
    pub fn image(&self) -> Option<Image> {
        let fits = self.pixels.len() == self.width.checked_mul(self.height)?.checked_mul(self.channels)?;
        let Self { width, height, channels, .. } = *self;
        fits.then(|| Image { width, height, channels, data: self.pixels.clone() })
    }
}

/// The most outputs that a self-test holds.
const OUTPUTS: usize = 2048;

pub(crate) fn thinned(outputs: Vec<f32>) -> Vec<f32> {
    let step = outputs.len().div_ceil(OUTPUTS).max(1);
    if step == 1 { outputs } else { outputs.into_iter().step_by(step).collect() }
}

fn logits(network: &dyn Forward, preprocessing: &Preprocessing, image: &Image) -> Vec<f32> {
    let (x, _) = preprocessing.apply(image);
    network.forward(x, &Pass::eval()).to_vec()
}
