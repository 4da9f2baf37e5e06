//! Explanations: which parts of an image an answer comes from, as far as the method can tell; and checks of that.
//!
//! ```no_run
//! use striate_imaging::{DecodeOptions, decode_image};
//! use striate_model::Model;
//! use striate_report::{ExplainOptions, Explainer, Method};
//! let model = Model::load("model.safetensors".as_ref())?;
//! let image = decode_image("cat.jpg".as_ref(), &DecodeOptions::default())?;
//! let explanation = Explainer::new(&model).explain(&image, Method::GradCam, &ExplainOptions::default())?;
//! println!("{}: {:.3}", explanation.target.name, explanation.target.value);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cam;
mod deep_lift;
mod error;
mod gradients;
mod grids;
mod maps;
mod method;
mod network;
mod occlusion;
mod options;
mod overlay;
mod score;
mod target;

pub use error::ExplainError;
pub use gradients::Completeness;
pub use grids::{Grid, Neighbour, nearest, nearest_grid};
pub use method::Method;
pub use network::Layer;
pub use options::{Baseline, Options};
pub use overlay::overlay;
pub use score::{Curve, Faithfulness, Randomization, Scores, Verdict};
pub use target::{Target, TargetKind};

use error::nearest_first;
use network::{Cut, Network};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use striate_graph::{Executable, ValueId};
use striate_imaging::AnyImage;
use striate_model::{Model, ModelCard, TaskCard};
use striate_tensor::{Tensor, catch_panic};
use target::Aim;

/// Ops whose output is one of their operand's: a pooled or moved map is no layer to explain by, if nothing is said.
const MOVED: [&str; 12] = [
    "max_pool2d",
    "avg_pool2d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "reshape",
    "flatten",
    "permute",
    "expand",
    "narrow",
    "pad",
    "interpolate",
    "index_select",
];

/// The seventh of the shorter side is what occlusion covers.
const WINDOWS: usize = 7;

/// What a method says of an image.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Explanation {
    /// The method.
    pub method: Method,
    /// The layer that it explains by; none of methods that go back to the image.
    pub layer: Option<String>,
    /// What is explained.
    pub target: Target,
    /// Height and width of the map: those of what the network sees.
    pub size: [usize; 2],
    /// A number for each pixel, row by row: from 0 to 1 of methods that explain by a layer; else the attributions, of SmoothGrad and saliency the largest over the
    /// channels, of the others their sum.
    #[serde(skip)]
    pub map: Vec<f32>,
    /// The attributions of each number that the network sees, `[c, h, w]`; none of methods that explain by a layer.
    #[serde(skip)]
    pub attributions: Option<Vec<f32>>,
    /// Of integrated gradients and DeepLIFT how far they are from complete.
    pub completeness: Option<Completeness>,
    /// Whether the map is 0 everywhere: it shows nothing.
    pub is_empty: bool,
}

/// An image with the question of which number is to be explained.
pub struct Question {
    /// The image as the network takes it, `[1, c, h, w]`.
    pub input: Tensor,
    /// What is explained.
    pub target: Target,
    aim: Aim,
}

/// A model made ready to be explained. What it prepares for a layer is kept, so that many images cost little more than their passes.
pub struct Explainer {
    card: ModelCard,
    network: Network,
    whole: OnceLock<Executable>,
    cuts: Mutex<HashMap<ValueId, Arc<Cut>>>,
    features: OnceLock<Option<Executable>>,
}

/// Explains an answer of a model: see [`Explainer::explain`], which is faster for many images.
///
/// # Errors
/// As [`Explainer::explain`].
pub fn explain(
    model: &Model,
    image: &AnyImage,
    method: Method,
    options: &Options,
) -> Result<Explanation, ExplainError> {
    Explainer::new(model).explain(image, method, options)
}

impl Explainer {
    /// Of a model of any task and architecture.
    pub fn new(model: &Model) -> Explainer {
        Explainer::with(model.card.clone(), Network::of(model))
    }

    fn with(card: ModelCard, network: Network) -> Explainer {
        Explainer { card, network, whole: OnceLock::new(), cuts: Mutex::default(), features: OnceLock::new() }
    }

    /// The layers whose output can be asked for, in the order in which they run.
    pub fn layers(&self) -> &[Layer] {
        &self.network.layers
    }

    /// The multiply-adds of a pass.
    pub fn macs(&self) -> u64 {
        let graph = &self.network.graph;
        graph.nodes.iter().map(|node| graph.macs(node)).sum()
    }

    /// What the model's file says about it.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// The number of a class, label or output by its name, or by its number where none has that name.
    ///
    /// # Errors
    /// If there is none.
    pub fn class(&self, text: &str) -> Result<usize, ExplainError> {
        target::class_named(&self.card, text)
    }

    /// The layer that methods explain by if nothing is said: the last one whose output is a map with more than one row and column, and that is not a pooled, padded,
    /// scaled or rearranged one. Of detectors and segmenters, whose last maps are their answers, the last one of the most channels that is not
    /// joined of several: the end of the backbone.
    pub fn default_layer(&self) -> Option<&Layer> {
        let maps = self.network.layers.iter().filter(|layer| {
            layer.map_size().is_some() && layer.value != self.network.output() && !MOVED.contains(&layer.op.as_str())
        });
        match self.card.task {
            TaskCard::Detection { .. } | TaskCard::Segmentation { .. } => {
                maps.filter(|layer| layer.op != "cat").max_by_key(|layer| layer.shape[0])
            }
            _ => maps.last(),
        }
    }

    /// The layer of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn layer(&self, name: &str) -> Result<&Layer, ExplainError> {
        let layers = &self.network.layers;
        layers.iter().find(|layer| layer.is_called(name)).ok_or_else(|| {
            let names = layers.iter().flat_map(|layer| [&layer.name].into_iter().chain(&layer.aliases));
            ExplainError::NoLayer { name: name.to_string(), layers: nearest_first(name, names.map(String::as_str)) }
        })
    }

    /// The layer of this name, which must have maps; the default one if none is named.
    fn map_layer(&self, name: Option<&str>) -> Result<&Layer, ExplainError> {
        let Some(name) = name else { return self.default_layer().ok_or(ExplainError::NoMaps) };
        let layer = self.layer(name)?;
        if layer.shape.len() == 3 {
            return Ok(layer);
        }
        let maps = self.network.layers.iter().rev().filter(|layer| layer.shape.len() == 3);
        Err(ExplainError::NoMap {
            name: name.to_string(),
            shape: layer.shape.clone(),
            layers: maps.map(|layer| layer.name.clone()).collect(),
        })
    }

    fn whole(&self) -> &Executable {
        self.whole.get_or_init(|| self.network.executable())
    }

    fn cut(&self, layer: ValueId) -> Arc<Cut> {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        cuts.entry(layer).or_insert_with(|| Arc::new(self.network.cut(layer))).clone()
    }

    fn run(&self, x: &Tensor) -> Result<Tensor, ExplainError> {
        let outputs = self.whole().try_run(std::slice::from_ref(x)).map_err(|e| ExplainError::Run(e.to_string()))?;
        Ok(outputs.into_iter().next().expect("a network has an output"))
    }

    /// What is to be explained of an image: the class of `options`, or the predicted one.
    ///
    /// # Errors
    /// If there is no such class or object in it, or the network gives NaN for it.
    pub fn ask(&self, image: &AnyImage, options: &Options) -> Result<Question, ExplainError> {
        options.check()?;
        let input = self.card.preprocessing.apply_image(image).0;
        let outputs = self.run(&input)?;
        let aim = target::aim(&self.card, &outputs, options.class, options.object)?;
        Ok(Question { target: aim.described(&self.card, &outputs)?, input, aim })
    }

    /// What a method says of an image.
    ///
    /// # Errors
    /// If there is no such layer, class or object, an option is out of its range, or the network cannot be run on the image or gives NaN for it.
    pub fn explain(&self, image: &AnyImage, method: Method, options: &Options) -> Result<Explanation, ExplainError> {
        match method {
            // One pass finds the predicted class and explains it.
            Method::GradCam | Method::GradCamPlusPlus | Method::LayerCam => {
                options.check()?;
                let input = self.card.preprocessing.apply_image(image).0;
                caught(|| {
                    self.by_layer(&input, method, options, |outputs| {
                        target::aim(&self.card, outputs, options.class, options.object)
                    })
                })
            }
            _ => self.answer(&self.ask(image, options)?, method, options),
        }
    }

    /// What a method says of a question; class and object are those of the question, whatever `options` say.
    ///
    /// # Errors
    /// As [`Explainer::explain`].
    pub fn answer(&self, question: &Question, method: Method, options: &Options) -> Result<Explanation, ExplainError> {
        options.check()?;
        caught(|| self.answered(question, method, options))
    }

    fn answered(&self, question: &Question, method: Method, options: &Options) -> Result<Explanation, ExplainError> {
        let Question { input: x, aim, target } = question;
        let network = &self.network;
        let baseline = || options.baseline.image(&self.card.preprocessing);
        let attributions = match method {
            Method::GradCam | Method::GradCamPlusPlus | Method::LayerCam => {
                return self.by_layer(x, method, options, |_| Ok(aim.clone()));
            }
            Method::ScoreCam => {
                let layer = self.map_layer(options.layer.as_deref())?;
                let map = cam::by_score(network, self.whole(), &self.cut(layer.value), x, aim)?;
                return self.of_layer(method, layer, map, target.clone());
            }
            Method::Saliency => gradients::saliency(network, x, aim),
            Method::GuidedBackprop => gradients::guided_backprop(network, x, aim),
            Method::SmoothGrad => gradients::smooth_grad(network, x, aim, gradients::noise(x, options)),
            Method::GradientShap => {
                let points = gradients::random_points(&self.card.preprocessing, options);
                gradients::gradient_shap(network, x, aim, &points)
            }
            Method::IntegratedGradients | Method::DeepLift => {
                let baseline = baseline();
                let value = |x: &Tensor| Ok(f64::from(aim.values(self.run(x)?).to_vec::<f32>()[0]));
                let values = [value(x)?, value(&baseline)?];
                let (attributions, completeness) = match method {
                    Method::DeepLift => {
                        let attributions = deep_lift::deep_lift(network, x, &baseline, aim);
                        let complete = gradients::completeness(&attributions, values, options.tolerance, 1);
                        (attributions, complete)
                    }
                    _ => gradients::integrated_gradients(network, x, &baseline, aim, values, options),
                };
                let explanation = self.of_input(method, attributions, target.clone())?;
                return Ok(Explanation { completeness: Some(completeness), ..explanation });
            }
            Method::Occlusion => {
                let [_, _, h, w] = x.shape()[..] else { unreachable!("images have four dimensions") };
                let window = options.window.unwrap_or_else(|| h.min(w).div_ceil(WINDOWS)).min(h.max(w));
                let stride = options.stride.unwrap_or_else(|| window.div_ceil(2)).min(window);
                occlusion::occlusion(network, self.whole(), x, &baseline(), aim, [window, stride])?
            }
        };
        self.of_input(method, attributions, target.clone())
    }

    fn by_layer(
        &self,
        x: &Tensor,
        method: Method,
        options: &Options,
        aim: impl FnOnce(&Tensor) -> Result<Aim, ExplainError>,
    ) -> Result<Explanation, ExplainError> {
        let layer = self.map_layer(options.layer.as_deref())?;
        let (looked, outputs, aim) = cam::look(&self.network, &self.cut(layer.value), x, aim)?;
        self.of_layer(method, layer, cam::by_gradient(method, &looked), aim.described(&self.card, &outputs)?)
    }

    fn of_layer(
        &self,
        method: Method,
        layer: &Layer,
        map: Vec<f32>,
        target: Target,
    ) -> Result<Explanation, ExplainError> {
        let [_, height, width] = self.card.preprocessing.output_shape();
        let size = [height, width];
        let [_, h, w] = layer.shape[..] else { unreachable!("the layer was checked") };
        finite(&map)?;
        let map = cam::finished(map, [h, w], size);
        let is_empty = map.iter().all(|&x| x == 0.0);
        let layer = Some(layer.name.clone());
        Ok(Explanation { method, layer, target, size, map, attributions: None, completeness: None, is_empty })
    }

    fn of_input(&self, method: Method, attributions: Vec<f32>, target: Target) -> Result<Explanation, ExplainError> {
        let [_, height, width] = self.card.preprocessing.output_shape();
        finite(&attributions)?;
        let mut map = vec![0.0f32; height * width];
        for channel in attributions.chunks_exact(height * width) {
            let largest = matches!(method, Method::Saliency | Method::SmoothGrad);
            // Occlusion covers all channels at once: each has the whole of it.
            let join = |sum: f32, x: f32| match method {
                _ if largest => sum.max(x),
                Method::Occlusion => x,
                _ => sum + x,
            };
            map.iter_mut().zip(channel).for_each(|(sum, &x)| *sum = join(*sum, x));
        }
        let is_empty = map.iter().all(|&x| x == 0.0);
        let size = [height, width];
        Ok(Explanation {
            method,
            layer: None,
            target,
            size,
            map,
            attributions: Some(attributions),
            completeness: None,
            is_empty,
        })
    }
}

fn finite(values: &[f32]) -> Result<(), ExplainError> {
    if values.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(ExplainError::NotFinite) }
}

/// What goes wrong in a network of another program is an error.
fn caught<T>(run: impl FnOnce() -> Result<T, ExplainError>) -> Result<T, ExplainError> {
    catch_panic(run).unwrap_or_else(|message| Err(ExplainError::Run(message)))
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
pub(crate) mod tests;
