//! Measuring a model on images that it has not learnt from.

use crate::batches::Batches;
use crate::data::{Images, MNIST, Splits, Watch, load_data};
use crate::error::TrainError;
use crate::images;
use crate::loader::{Loader, measuring_batch};
use crate::metrics::{
    ClassificationMetrics, Detail, DetectionMetrics, Metric, Metrics, MultiLabelMetrics, RegressionMetrics,
    SegmentationMetrics,
};
use crate::tasks::{Detection, Regression};
use striate_data::images::{BadImage, ListOptions, text_path};
use striate_data::{Batch, DataError, Target, class_numbers};
use striate_imaging::{AnyImage, Split};
use striate_model::{EvalSplit, ModelCard, Predictor, TaskCard};
use striate_nn::{BCEWithLogitsLoss, CrossEntropyLoss};
use striate_tensor::Tensor;

/// Images to measure a model on. What it has learnt from is not among them, as far as its file says what that is.
pub struct HeldOut {
    /// The images, as those to test on.
    pub data: Splits,
    /// What they are to the model.
    pub split: EvalSplit,
    /// How many were left out because they were learnt from.
    pub left_out: usize,
    /// The fraction of other images that the model file takes for learnt from, by mistake.
    pub error_rate: f64,
    /// Where each image of a part stands among all.
    pub(crate) places: Option<Vec<usize>>,
}

impl HeldOut {
    /// Of the images to test on in `data`, for the model of this card.
    pub(crate) fn of(mut data: Splits, card: &ModelCard) -> Result<HeldOut, TrainError> {
        let provenance = card.training.provenance.as_ref();
        let left_out = provenance.map_or(Ok(0), |p| data.leave_out(&p.learnt_from))?;
        let split = EvalSplit::of(provenance, data.held_out.fingerprints().into_iter().flatten());
        let error_rate = provenance.map_or(0.0, |p| p.learnt_from.error_rate());
        Ok(HeldOut { data, split, left_out, error_rate, places: None })
    }

    /// `n` of the images, evenly spread; all if there are no more. Images keep their names.
    pub fn spread(&self, n: usize) -> HeldOut {
        let all = self.data.held_out.len();
        let n = n.min(all);
        let places = (0..n).map(|i| i * all / n).map(|i| self.places.as_ref().map_or(i, |places| places[i])).collect();
        let data = Splits {
            train: self.data.train.spread(0),
            held_out: self.data.held_out.spread(n),
            run_files: Vec::new(),
            ..self.data.clone()
        };
        HeldOut { data, places: Some(places), ..*self }
    }

    /// The names of a batch's images, where images without names are known by their places among all.
    fn renamed(&self, batch: &Batch, names: Vec<String>) -> Vec<String> {
        match (&self.places, &self.data.held_out) {
            (Some(places), Images::Memory(_)) => {
                batch.indices.iter().map(|&i| format!("image {}", places[i])).collect()
            }
            _ => names,
        }
    }
}

/// How a model did on images held out.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The mean loss of the task.
    pub loss: f64,
    /// What was measured, by the task.
    pub results: Results,
    /// The names of the images that were measured on, in their order.
    pub names: Vec<String>,
    /// Images that could not be read, and do not count.
    pub bad: Vec<BadImage>,
}

/// What is measured of a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Results {
    /// Of one class for each image, with the scores of every image.
    Classification(ClassificationMetrics),
    /// Of any number of labels, at the model's thresholds, with the scores of every image.
    MultiLabel(MultiLabelMetrics),
    /// Of numbers, in their own units.
    Regression {
        /// Of the model's.
        model: RegressionMetrics,
        /// Of the mean of the training images, always.
        constant: RegressionMetrics,
    },
    /// Of objects with their boxes.
    Detection(DetectionMetrics),
    /// Of the class of each pixel.
    Segmentation(SegmentationMetrics),
}

impl Results {
    fn new(card: &ModelCard, detail: Detail) -> Results {
        let outputs = card.classes.len();
        match &card.task {
            TaskCard::Classification => Results::Classification(ClassificationMetrics::new(outputs, detail)),
            TaskCard::MultiLabel { thresholds } => {
                Results::MultiLabel(MultiLabelMetrics::new(outputs, detail).thresholds(thresholds))
            }
            TaskCard::Detection { .. } => Results::Detection(DetectionMetrics::new(outputs)),
            TaskCard::Segmentation { .. } => Results::Segmentation(SegmentationMetrics::new(outputs, detail)),
            TaskCard::Regression { .. } => {
                let new = || RegressionMetrics::new(card.classes.clone());
                Results::Regression { model: new(), constant: new() }
            }
        }
    }

    /// The metrics, without the loss.
    pub fn metrics(&self) -> Vec<Metric> {
        match self {
            Results::Classification(metrics) => metrics.finish(),
            Results::MultiLabel(metrics) => metrics.finish(),
            Results::Regression { model, .. } => model.finish(),
            Results::Detection(metrics) => metrics.finish(),
            Results::Segmentation(metrics) => metrics.finish(),
        }
    }

    /// How many images were measured on.
    pub fn images(&self) -> usize {
        match self {
            Results::Classification(metrics) => metrics.samples(),
            Results::MultiLabel(metrics) => metrics.samples(),
            Results::Regression { model, .. } => model.samples(),
            Results::Detection(metrics) => metrics.images(),
            Results::Segmentation(metrics) => metrics.images(),
        }
    }

    /// Adds a batch, and gives its mean loss. `original` gives the size of an image in its file, and its target in the pixels of that; `image` gives the image itself,
    /// where a detector is to look at it in several sizes.
    fn add(
        &mut self,
        model: &Predictor,
        output: Tensor,
        batch: &Batch,
        original: &dyn Fn(usize) -> ([usize; 2], Target),
        image: Option<&dyn Fn(usize) -> Result<AnyImage, DataError>>,
    ) -> Result<f64, TrainError> {
        let (card, targets) = (&model.card, &batch.targets);
        let originals = || batch.indices.iter().map(|&index| original(index)).unzip::<_, _, Vec<_>, Vec<_>>();
        let loss = match (self, &card.task) {
            (Results::MultiLabel(metrics), _) => {
                metrics.add(&output.to_vec::<f32>(), &targets.to_vec::<f32>());
                BCEWithLogitsLoss::new().forward(output, targets)
            }
            (Results::Regression { model, constant }, TaskCard::Regression { mean, std }) => {
                let numbers = targets.to_vec::<f32>();
                model.add(&card.task.answers(output.clone()).to_vec::<f32>(), &numbers);
                constant.add(&mean.repeat(targets.size(0)), &numbers);
                let task = Regression::new(card.classes.clone()).scale(mean.clone(), std.clone());
                task.smooth_l1(output, targets)
            }
            (Results::Classification(metrics), _) => {
                metrics.add(&output.to_vec::<f32>(), card.classes.len(), &targets.to_vec::<i64>());
                CrossEntropyLoss::new().forward(output, targets)
            }
            (Results::Detection(metrics), TaskCard::Detection { strides, .. }) => {
                let (sizes, targets) = originals();
                let found = match image {
                    Some(image) => {
                        let images: Vec<AnyImage> =
                            batch.indices.iter().map(|&i| image(i)).collect::<Result<_, _>>()?;
                        model
                            .detections_in(&output, &images)
                            .map_err(|e| TrainError::Measuring { reason: e.to_string() })?
                    }
                    None => model.detections(&output, &sizes),
                };
                for (found, target) in found.iter().zip(&targets) {
                    metrics.add(found, target.objects());
                }
                Detection::new(card.classes.len(), strides).loss_of(output, batch)
            }
            (Results::Segmentation(metrics), _) => {
                let (sizes, targets) = originals();
                for ((predicted, target), size) in model.class_maps(&output, &sizes).iter().zip(&targets).zip(&sizes) {
                    let Target::Mask(mask) = target else { unreachable!("images of a segmentation have masks") };
                    let [predicted, wanted] =
                        [predicted, &*mask.classes()?].map(|mask| class_numbers(mask).collect::<Vec<_>>());
                    metrics.add(&predicted, &wanted, [size[1], size[0]]);
                }
                CrossEntropyLoss::new().forward(output, &batch.targets)
            }
            (Results::Regression { .. } | Results::Detection(_), _) => unreachable!("results are of the card's task"),
        };
        Ok(loss.item::<f32>() as f64)
    }
}

/// The images to measure the model of `card` on: those of `data`, or of what it was trained on, without what it has learnt from. Images of a folder have their
/// class by name. `watch` hears how far the look at all images has come.
pub fn load_to_measure(
    card: &ModelCard,
    data: Option<&str>,
    options: &ListOptions,
    watch: &Watch,
) -> Result<HeldOut, TrainError> {
    let data = data.unwrap_or(&card.training.data);
    if data.is_empty() {
        return Err(TrainError::NoTrainingData);
    }
    if options.attribute_column.is_some() && (data == MNIST || !images::are_images(&text_path(data))) {
        return Err(DataError::NoTable { path: text_path(data) }.into());
    }
    if data != MNIST && images::are_images(&text_path(data)) {
        return images::to_measure(&text_path(data), card, options, watch);
    }
    HeldOut::of(load_data(data)?, card)
}

/// The same images for two models: those of `data` that neither has learnt from, each as [`load_to_measure`] gives them.
///
/// # Errors
/// As [`load_to_measure`] of either.
pub fn load_to_compare(
    cards: [&ModelCard; 2],
    data: &str,
    options: &ListOptions,
    watch: &Watch,
) -> Result<[HeldOut; 2], TrainError> {
    let load = |card, other: &ModelCard| {
        let mut held_out = load_to_measure(card, Some(data), options, watch)?;
        if let Some(provenance) = &other.training.provenance {
            held_out.left_out += held_out.data.leave_out(&provenance.learnt_from)?;
        }
        Ok::<_, TrainError>(held_out)
    };
    Ok([load(cards[0], cards[1])?, load(cards[1], cards[0])?])
}

/// A batch that was measured, with what the network gave for it.
pub struct MeasuredBatch<'a> {
    /// The images and their targets.
    pub batch: &'a Batch,
    /// What the network gave.
    pub output: &'a Tensor,
    /// The features `[n, features]` of the images, of a model that was loaded with them.
    pub features: Option<&'a Tensor>,
    /// The names of the images.
    pub names: &'a [String],
}

/// Runs `model` on images held out.
///
/// # Errors
/// If none of them can be read, the network cannot be run on them, or the loss is not finite.
pub fn evaluate(model: &Predictor, held_out: &HeldOut) -> Result<Evaluation, TrainError> {
    evaluate_each(model, held_out, |_| ())
}

/// As [`evaluate`]; `each` sees every batch that was measured, in the order of the images.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_each(
    model: &Predictor,
    held_out: &HeldOut,
    mut each: impl FnMut(&MeasuredBatch),
) -> Result<Evaluation, TrainError> {
    let mut images = |batch: &Batch, _: &[String], _: usize| batch.images.clone();
    let mut measuring = Measuring::new(&model.card, 1, Detail::Scores);
    measuring.is_multi_scale = model.is_multi_scale();
    measuring.add(model, held_out, &mut images, &mut |_, measured| each(measured))?;
    let evaluation = measuring.finish(held_out.data.measured)?.swap_remove(0);
    if !evaluation.loss.is_finite() {
        return Err(TrainError::Loss { loss: evaluation.loss, data: held_out.data.name.clone() });
    }
    Ok(evaluation)
}

/// Runs `model` on several variants of images held out, each of which is read once. `images` gives those of a batch, prepared as its own are, given the names of
/// its images and the number of the variant; `each` sees every batch of every variant that was measured. What is kept of each image is up to `detail`. The loss of
/// a variant may be NaN. A detector that was loaded with several scales is measured at its own size alone.
///
/// # Errors
/// If no image can be read, or the network cannot be run on them.
///
/// # Panics
/// If there are no variants.
pub fn evaluate_variants(
    model: &Predictor,
    held_out: &HeldOut,
    variants: usize,
    detail: Detail,
    mut images: impl FnMut(&Batch, &[String], usize) -> Tensor,
    mut each: impl FnMut(usize, &MeasuredBatch),
) -> Result<Vec<Evaluation>, TrainError> {
    assert!(variants > 0, "evaluate_variants: there are no variants");
    let mut measuring = Measuring::new(&model.card, variants, detail);
    measuring.add(model, held_out, &mut images, &mut each)?;
    measuring.finish(held_out.data.measured)
}

/// What was measured so far, of each variant.
pub(crate) struct Measuring {
    results: Vec<Results>,
    /// Summed over the images.
    losses: Vec<f64>,
    names: Vec<String>,
    bad: Vec<BadImage>,
    /// Whether a detector looks at the images in its other scales too.
    is_multi_scale: bool,
}

impl Measuring {
    pub fn new(card: &ModelCard, variants: usize, detail: Detail) -> Measuring {
        let results = vec![Results::new(card, detail); variants];
        Measuring { results, losses: vec![0.0; variants], names: Vec::new(), bad: Vec::new(), is_multi_scale: false }
    }

    /// Adds images held out: see [`evaluate_variants`].
    pub fn add(
        &mut self,
        model: &Predictor,
        held_out: &HeldOut,
        images: &mut dyn FnMut(&Batch, &[String], usize) -> Tensor,
        each: &mut dyn FnMut(usize, &MeasuredBatch),
    ) -> Result<(), TrainError> {
        let data = &held_out.data;
        let classes = &model.card.classes;
        if data.classes.len() > classes.len() {
            return Err(TrainError::Classes { model: classes.len(), data: data.name.clone(), got: data.classes.len() });
        }
        // Images in files are brought to the size.
        if let Images::Memory(_) = data.held_out {
            data.check_size(&model.card.architecture, &model.card.preprocessing)?;
        }
        let loader = Loader::in_order(
            &data.held_out,
            &model.card.preprocessing,
            measuring_batch(model.card.preprocessing.output_shape()),
        );
        for batch in loader.epoch_from(0, 0) {
            let batch = batch?;
            let samples = batch.images.size(0);
            if samples == 0 {
                continue;
            }
            let of_batch = held_out.renamed(&batch, loader.names(&batch));
            let original = |index: usize| {
                let size = loader.size_of(index).expect("an image of a batch has been read");
                (size, data.held_out.target(index))
            };
            let decoding = model.card.preprocessing.decoding();
            let image = |index: usize| data.held_out.image(index, &decoding);
            let image = self.is_multi_scale.then_some(&image as &dyn Fn(usize) -> _);
            for (variant, (results, loss)) in self.results.iter_mut().zip(&mut self.losses).enumerate() {
                let given = model.try_logits_and_features(images(&batch, &of_batch, variant));
                let (output, features) = given.map_err(|e| TrainError::Measuring { reason: e.to_string() })?;
                let (batch, features) = (&batch, features.as_ref());
                each(variant, &MeasuredBatch { batch, output: &output, features, names: &of_batch });
                *loss += results.add(model, output, batch, &original, image)? * samples as f64;
            }
            self.names.extend(of_batch);
        }
        self.bad.extend(data.bad.iter().cloned().chain(loader.bad()));
        Ok(())
    }

    /// Of each variant; `measured` is what the images are.
    pub fn finish(self, measured: Split) -> Result<Vec<Evaluation>, TrainError> {
        let images = self.results[0].images();
        if images == 0 {
            return Err(TrainError::NothingMeasured { measured });
        }
        let evaluation = |(results, loss): (Results, f64)| Evaluation {
            loss: loss / images as f64,
            results,
            names: self.names.clone(),
            bad: self.bad.clone(),
        };
        Ok(self.results.into_iter().zip(self.losses).map(evaluation).collect())
    }
}
