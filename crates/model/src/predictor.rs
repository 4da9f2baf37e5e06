//! [`Predictor`]: a model for use alone.

use crate::boxes::Detection;
use crate::card::ModelCard;
use crate::error::ModelError;
use crate::file::{GRAPH, Model, Opened, read_graph};
use crate::places::{in_images, sizes_of};
use crate::scales::Scale;
use std::path::Path;
use striate_graph::{Executable, Graph, RunError, ValueId, capture};
use striate_imaging::{AnyImage, decode_bytes};
use striate_tensor::{Op, Tensor};

/// A model for use alone: its network's optimized graph, without the memory of the network that it was made from.
pub struct Predictor {
    /// What the model's file says about it.
    pub card: ModelCard,
    executable: Executable,
    /// Whether the features are an output, too.
    has_features: bool,
    /// The other sizes in which a detector looks at images.
    scales: Vec<Scale>,
}

/// What a model says of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The number of the likeliest class.
    pub class: usize,
    /// The probability of each class.
    pub probabilities: Vec<f32>,
}

impl Predictor {
    /// Reads a model file, and checks that it gives the outputs that it promises.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load(path: &Path) -> Result<Predictor, ModelError> {
        Predictor::read(path, false, &[])
    }

    /// As [`Predictor::load`], with the features of images at hand: see [`Predictor::try_logits_and_features`].
    ///
    /// # Errors
    /// As [`Model::load`], and if the network has no linear layer or convolution that its features could be the input of.
    pub fn load_with_features(path: &Path) -> Result<Predictor, ModelError> {
        Predictor::read(path, true, &[])
    }

    /// As [`Predictor::load`], of a detector that looks at images at these times the model's own size as well: see [`Predictor::detect`]. Each takes the memory of
    /// a network.
    ///
    /// # Errors
    /// As [`Model::load`], and if the model is no detector, its network takes one size alone, or a factor is not from 0.1 to 4.
    pub fn load_at_scales(path: &Path, factors: &[f64]) -> Result<Predictor, ModelError> {
        Predictor::read(path, false, factors)
    }

    /// Whether it looks at images in several sizes.
    pub fn is_multi_scale(&self) -> bool {
        !self.scales.is_empty()
    }

    fn read(path: &Path, has_features: bool, factors: &[f64]) -> Result<Predictor, ModelError> {
        let model = Model::untested(path)?;
        let scales = if factors.is_empty() { Vec::new() } else { Scale::all(&model, path, factors)? };
        let Model { card, network } = model;
        let [c, h, w] = card.preprocessing.output_shape();
        let mut graph = capture(&*network, &[1, c, h, w]);
        drop(network);
        if has_features {
            let features = features(&graph).ok_or_else(|| ModelError::Unusable {
                path: path.to_path_buf(),
                reason: "its network has no last linear layer or convolution, whose input would be its features".into(),
            })?;
            graph.outputs.push(features);
        }
        let predictor = Predictor { card, executable: Executable::new(graph), has_features, scales };
        // What loading and folding leave idle is not needed again.
        striate_tensor::trim_memory();
        predictor.self_test().map_err(|reason| ModelError::Unusable { path: path.to_path_buf(), reason })?;
        Ok(predictor)
    }

    /// Of the bytes of a model file that holds its network as a graph, such as one that a program embeds. `name` is what errors call it. The self-tests
    /// are left to [`Predictor::self_test`].
    ///
    /// # Errors
    /// If it is no such file, or is damaged.
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Predictor, ModelError> {
        let path = Path::new(name);
        let Opened { card, contents } = Opened::from_bytes(bytes, path)?;
        if card.architecture != GRAPH {
            let reason = format!("holds its network by its name, {}, and not as a graph", card.architecture);
            return Err(ModelError::Unusable { path: path.to_path_buf(), reason });
        }
        let graph = read_graph(contents, &card, path)?;
        Ok(Predictor { card, executable: Executable::new(graph), has_features: false, scales: Vec::new() })
    }

    /// Whether it gives the outputs that its file promises; if not, which it does not.
    ///
    /// # Errors
    /// If it gives others.
    pub fn self_test(&self) -> Result<(), String> {
        self.card.check_self_tests(|x| self.try_logits(x).map_err(|e| e.to_string()))
    }

    /// The logits for a batch of preprocessed images.
    ///
    /// # Panics
    /// As [`Predictor::try_logits`] fails.
    pub fn logits(&self, images: Tensor) -> Tensor {
        self.executable.forward(images)
    }

    /// The logits for a batch of preprocessed images.
    ///
    /// # Errors
    /// If the images have another shape, or the network picks by a position that it computes and that is out of range, as networks of other programs can.
    pub fn try_logits(&self, images: Tensor) -> Result<Tensor, RunError> {
        Ok(self.executable.try_run(&[images])?.swap_remove(0))
    }

    /// The logits for a batch of preprocessed images and, if it was loaded with them, their features `[n, features]`: what the last linear layer or convolution
    /// takes. Of maps the mean over all places.
    ///
    /// # Errors
    /// As [`Predictor::try_logits`].
    pub fn try_logits_and_features(&self, images: Tensor) -> Result<(Tensor, Option<Tensor>), RunError> {
        let mut outputs = self.executable.try_run(&[images])?;
        let features = self.has_features.then(|| outputs.swap_remove(1)).map(|features| match features.shape().len() {
            4 => features.mean(&[2, 3]),
            _ => features.flatten(1, -1),
        });
        Ok((outputs.swap_remove(0), features))
    }

    /// What the model says of a batch of preprocessed images: the probability of each class or label, or the numbers: see [`ModelCard::answers`].
    ///
    /// # Errors
    /// As [`Predictor::try_logits`].
    pub fn answers(&self, images: Tensor) -> Result<Tensor, RunError> {
        Ok(self.card.answers(self.try_logits(images)?))
    }

    /// The objects in each of some images, in their own pixels and clipped to them; those of the highest scores first. Of a model that was loaded with several scales
    /// what is found at all of them is joined before boxes suppress each other (multi-scale test).
    ///
    /// # Errors
    /// As [`Predictor::try_logits`].
    ///
    /// # Panics
    /// If the model's task is not detection.
    pub fn detect(&self, images: &[AnyImage]) -> Result<Vec<Vec<Detection>>, RunError> {
        let preprocessing = &self.card.preprocessing;
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let inputs: Vec<Tensor> = images.iter().map(|image| preprocessing.apply_image(image).0).collect();
        let outputs = self.try_logits(Tensor::cat(&inputs, 0))?;
        self.detections_in(&outputs, images)
    }

    /// What outputs `[n, places, classes + 5]` at the model's own size say of these images, and what is found in them at its other scales: see [`Predictor::detect`].
    ///
    /// # Errors
    /// As [`Predictor::try_logits`].
    ///
    /// # Panics
    /// If the model's task is not detection.
    pub fn detections_in(&self, outputs: &Tensor, images: &[AnyImage]) -> Result<Vec<Vec<Detection>>, RunError> {
        let (task, sizes) = (&self.card.task, sizes_of(images));
        if !self.is_multi_scale() {
            return Ok(self.detections(outputs, &sizes));
        }
        let preprocessing = &self.card.preprocessing;
        let mut found = in_images(preprocessing, task.candidates(outputs, preprocessing), &sizes);
        for scale in &self.scales {
            let more = scale.candidates(task, images)?;
            found.iter_mut().zip(more).for_each(|(found, more)| found.extend(more));
        }
        let (_, suppression) = task.detector();
        Ok(found.iter().map(|found| suppression.apply(found)).collect())
    }

    /// What outputs `[n, places, classes + 5]` at the model's own size say of images of these widths and heights: see [`Predictor::detect`].
    ///
    /// # Panics
    /// If the model's task is not detection.
    pub fn detections(&self, outputs: &Tensor, sizes: &[[usize; 2]]) -> Vec<Vec<Detection>> {
        let preprocessing = &self.card.preprocessing;
        let [_, height, width] = preprocessing.output_shape();
        in_images(preprocessing, self.card.task.detections(outputs, [height, width]), sizes)
    }

    /// The class of the image in these bytes of a JPEG, PNG, WebP, GIF, TIFF, BMP or PNM file. `name` is what errors call it.
    ///
    /// # Errors
    /// If it cannot be decoded, the network cannot be run on it, or gives NaN for it; or the model does not tell classes apart.
    pub fn classify(&self, image: &[u8], name: &str) -> Result<Prediction, ModelError> {
        let path = Path::new(name);
        if !self.card.task.is_classification() {
            let reason = format!("the model's task is {}, not classification", self.card.task.name());
            return Err(ModelError::Unusable { path: path.to_path_buf(), reason });
        }
        let preprocessing = &self.card.preprocessing;
        let image = decode_bytes(image, path, &preprocessing.decoding())?;
        let logits = self.try_logits(preprocessing.apply_image(&image).0);
        let logits = logits.map_err(|cause| ModelError::Run { path: path.to_path_buf(), cause })?;
        let probabilities = self.card.answers(logits).to_vec::<f32>();
        if !probabilities.iter().all(|p| p.is_finite()) {
            let reason = "the model gives NaN for this image".into();
            return Err(ModelError::Unusable { path: path.to_path_buf(), reason });
        }
        let likeliest = |&a: &usize, &b: &usize| probabilities[a].total_cmp(&probabilities[b]).then(b.cmp(&a));
        let class = (0..probabilities.len()).max_by(likeliest).expect("a model has classes");
        Ok(Prediction { class, probabilities })
    }
}

/// What the last linear layer or convolution takes, seen from the output.
fn features(graph: &Graph) -> Option<ValueId> {
    let mut at = *graph.outputs.first()?;
    loop {
        let node = graph.producer(at)?;
        let is_layer = match node.op {
            Op::Linear | Op::Conv2d { .. } => true,
            Op::MatMul => graph.value(node.inputs[1]).is_known(),
            _ => false,
        };
        let depends = |id: &&ValueId| graph.value(**id).dims.iter().any(|d| d.per_sample > 0);
        at = *node.inputs.iter().find(depends)?;
        if is_layer {
            return Some(at);
        }
    }
}
