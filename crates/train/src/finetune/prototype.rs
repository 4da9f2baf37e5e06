//! Classes as means of features: nothing is trained (Snell et al., Prototypical networks, 2017). Features and means are scaled to length 1, which serves
//! better where images are few (Wang et al., SimpleShot, 2019).

use crate::card;
use crate::config::{Layers, ResolvedConfig, TaskKind};
use crate::data::{Images, Validation, Watch};
use crate::error::TrainError;
use crate::events::{Event, Sink};
use crate::finetune::features;
use crate::loader::{Loader, measuring_batch};
use crate::network;
use crate::run_dir::RunDir;
use crate::run_result::{RunResult, RunState, seconds_since_1970};
use crate::session::{Ready, list_bad, prepare};
use crate::state::Measured;
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use striate_data::{Dataset, TensorDataset};
use striate_formats::write_atomic;
use striate_imaging::Split;
use striate_model::{Metric, Model, Provenance, Training};
use striate_nn::Classifier;
use striate_tensor::{Generator, Tensor, isa, num_threads};

/// What the classes of images held out are measured by.
const ACCURACY: &str = "accuracy";

/// What is measured besides all images: tasks of a few classes with a few images of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FewShot {
    /// Classes in a task; all if there are fewer.
    pub ways: usize,
    /// Images of each class that make its mean, one measurement for each number here.
    pub shots: Vec<usize>,
    /// Images of each class that are then classified.
    pub queries: usize,
    /// How many tasks are drawn.
    pub episodes: usize,
}

impl Default for FewShot {
    fn default() -> Self {
        FewShot { ways: 5, shots: vec![1, 5], queries: 15, episodes: 600 }
    }
}

/// How well few images serve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FewShotResult {
    /// Classes in a task.
    pub ways: usize,
    /// Images of each class that made its mean.
    pub shots: usize,
    /// Tasks.
    pub episodes: usize,
    /// Mean accuracy over the tasks.
    pub accuracy: f64,
    /// Half the width of its 95 % interval, by the normal distribution.
    pub half_width: f64,
}

/// What prototypes are worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PrototypeReport {
    /// Where the model was written.
    pub model: PathBuf,
    /// Images whose features made the means.
    pub train_samples: usize,
    /// What the images measured on are for.
    pub measured: Split,
    /// How many they are.
    pub measured_samples: usize,
    /// Those of them that are nearest to the mean of their class.
    pub correct: usize,
    /// Tasks of a few classes with a few images.
    pub few_shot: Vec<FewShotResult>,
}

/// Makes each class the mean of its images' features, measures that, and writes the model, whose head gives the products of features and means: the
/// largest is that of the mean with the smallest angle. None if `stop` is set on the way.
///
/// # Errors
/// If the settings, the data or the backbone cannot be used, or its head is not a linear layer.
pub fn prototypes(
    asked: &Layers,
    few: &FewShot,
    out: Option<&Path>,
    watch: &Watch,
    sink: &mut dyn Sink,
    stop: &AtomicBool,
) -> Result<Option<PrototypeReport>, TrainError> {
    let compute = asked.over(ResolvedConfig::default()).config.compute_settings();
    compute.scope(|| measure_prototypes(asked, few, out, watch, sink, stop))
}

fn measure_prototypes(
    asked: &Layers,
    few: &FewShot,
    out: Option<&Path>,
    watch: &Watch,
    sink: &mut dyn Sink,
    stop: &AtomicBool,
) -> Result<Option<PrototypeReport>, TrainError> {
    let began = Instant::now();
    if let Some(out) = out {
        RunDir::check_free(out)?;
    }
    let Ready { resolved, data, preprocessing, mut network, short_name, started_from } =
        prepare(asked, Validation::Optional, watch)?;
    let config = resolved.config;
    if config.task != TaskKind::Classification {
        let reason = format!("the task is {}, and classes alone have means", config.task.name());
        return Err(TrainError::Prototypes { reason });
    }
    if !is_linear(&*network) {
        let model = network::title(&config.model);
        return Err(TrainError::Prototypes { reason: format!("the head of {model} is not a linear layer") });
    }
    let run = RunDir::create_for(out, &data.name, &format!("{short_name}-prototypes"))?;
    for (name, bytes) in &data.run_files {
        write_atomic(&run.path().join(name), bytes)?;
    }
    data.notes.iter().for_each(|text| sink.event(&Event::Note { text: text.clone() }));
    data.weights.iter().for_each(|text| sink.event(&Event::Weights { text: text.clone() }));
    let size = measuring_batch(preprocessing.output_shape());
    let loader = |images: &Images| Loader::in_order(images, &preprocessing, size);
    let (train, held_out) = (loader(&data.train), loader(&data.held_out));
    let total = train.len() + held_out.len();
    let Some(known) = features::compute(&*network, &train, (0, total), sink, stop)? else { return Ok(None) };
    let Some(asked) = features::compute(&*network, &held_out, (train.len(), total), sink, stop)? else {
        return Ok(None);
    };
    let bad = [data.bad.clone(), train.bad(), held_out.bad()].concat();
    if !bad.is_empty() {
        sink.event(&list_bad(&run, bad)?);
    }
    let (known, asked) = (Samples::of(&known.data, data.classes.len()), Samples::of(&asked.data, data.classes.len()));
    if let Some(class) = known.by_class.iter().position(Vec::is_empty) {
        let reason = format!("no training image of class {} can be used", data.classes[class]);
        return Err(TrainError::Prototypes { reason });
    }
    let means: Vec<Vec<f64>> = known.by_class.iter().map(|images| known.mean(images)).collect();
    let (correct, measured_samples) = asked.count_nearest(&means);
    let few_shot = few.shots.iter().filter_map(|&shots| measure(few, shots, &known, &asked, config.seed)).collect();
    set_head_to_prototypes(&mut *network, &means);
    let accuracy = Metric::proportion(ACCURACY, correct, measured_samples);
    let metrics = if measured_samples > 0 { vec![accuracy] } else { Vec::new() };
    let result = Measured { epoch: 0, samples: measured_samples, metrics, calibration: Value::Null };
    // Nothing is chosen by the images held out.
    let seen = Provenance { learnt_from: data.provenance().learnt_from, ..Provenance::default() };
    let settings = card::training(&config, &result, ACCURACY, data.measured, started_from.union(&seen));
    let training = Training { optimizer: "none".into(), lr: 0.0, ..settings };
    let card = card::card(&config.model, &data, &preprocessing, training, &*network);
    network::save(&run.model(), &card, &*network)?;
    Model::load(&run.model())?;
    let measured = data.measured;
    let record = RunResult {
        state: RunState::Finished,
        task: config.task.name().into(),
        model: config.model.clone(),
        data: Some(data.name.clone()),
        split: measured,
        monitor: ACCURACY.into(),
        best: (measured_samples > 0).then(|| result.clone()),
        last: (measured_samples > 0).then_some(result),
        started: seconds_since_1970(),
        seconds: began.elapsed().as_secs_f64(),
        seed: config.seed,
        threads: num_threads(),
        isa: isa::isa().name().into(),
        striate_version: env!("CARGO_PKG_VERSION").into(),
        ..RunResult::default()
    };
    record.write(run.path())?;
    Ok(Some(PrototypeReport {
        model: run.model(),
        train_samples: known.len(),
        measured,
        measured_samples,
        correct,
        few_shot,
    }))
}

fn head_weight(network: &dyn Classifier) -> String {
    format!("{}.weight", network.head_name())
}

fn is_linear(network: &dyn Classifier) -> bool {
    let name = head_weight(network);
    network.named_parameters().iter().any(|(n, p)| *n == name && p.value().rank() == 2)
}

/// Sets the head of `network` so that the class of the nearest mean scores highest.
fn set_head_to_prototypes(network: &mut dyn Classifier, means: &[Vec<f64>]) {
    let head = network.head_name();
    for (name, parameter) in network.named_parameters_mut() {
        let shape = parameter.value().shape_value();
        if name == format!("{head}.weight") {
            let values = means.iter().flatten().map(|&m| m as f32).collect();
            parameter.set(Tensor::from_vec(values, shape));
        } else if name == format!("{head}.bias") {
            parameter.set(Tensor::zeros(shape, parameter.value().dtype()));
        }
    }
}

/// Scales a vector to length 1; one of zeros stays.
fn normalize(v: &mut [f32]) {
    let length = v.iter().map(|&x| x as f64 * x as f64).sum::<f64>().sqrt();
    if length > 0.0 {
        v.iter_mut().for_each(|x| *x = (*x as f64 / length) as f32);
    }
}

/// Features of images, and which of them are of each class.
struct Samples {
    width: usize,
    values: Vec<f32>,
    by_class: Vec<Vec<usize>>,
}

impl Samples {
    fn of(features: &TensorDataset, classes: usize) -> Samples {
        let mut by_class = vec![Vec::new(); classes];
        let labels = features.targets().to_vec::<i64>();
        labels.iter().enumerate().for_each(|(i, &label)| by_class[label as usize].push(i));
        let mut values: Vec<f32> = features.images().to_vec();
        let width = values.len() / features.len().max(1);
        values.chunks_exact_mut(width.max(1)).for_each(normalize);
        Samples { width, values, by_class }
    }

    fn len(&self) -> usize {
        self.by_class.iter().map(Vec::len).sum()
    }

    fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.width..(i + 1) * self.width]
    }

    /// The mean of some images, of length 1.
    fn mean(&self, images: &[usize]) -> Vec<f64> {
        let mut sum = vec![0.0; self.width];
        for &i in images {
            sum.iter_mut().zip(self.row(i)).for_each(|(s, &x)| *s += x as f64);
        }
        let length = sum.iter().map(|s| s * s).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        sum.iter().map(|s| s / length).collect()
    }

    /// The number of the mean that image `i` is nearest to.
    fn nearest(&self, i: usize, means: &[Vec<f64>]) -> usize {
        let score = |mean: &Vec<f64>| self.row(i).iter().zip(mean).map(|(&x, m)| x as f64 * m).sum::<f64>();
        let mut best = (f64::NEG_INFINITY, 0);
        for (class, mean) in means.iter().enumerate() {
            let score = score(mean);
            if score > best.0 {
                best = (score, class);
            }
        }
        best.1
    }

    /// How many of all images are nearest to the mean of their class, and how many there are.
    fn count_nearest(&self, means: &[Vec<f64>]) -> (usize, usize) {
        let right = |class: usize| self.by_class[class].iter().filter(|&&i| self.nearest(i, means) == class).count();
        ((0..self.by_class.len()).map(right).sum(), self.len())
    }
}

/// Tells the random numbers of tasks from others under the same seed.
const EPISODES: u64 = 0x6570_6973;

/// The accuracy over random tasks; none if fewer than two classes have enough images.
fn measure(few: &FewShot, shots: usize, known: &Samples, asked: &Samples, seed: u64) -> Option<FewShotResult> {
    let usable: Vec<usize> = (0..known.by_class.len())
        .filter(|&c| known.by_class[c].len() >= shots && !asked.by_class[c].is_empty())
        .collect();
    let ways = few.ways.min(usable.len());
    if ways < 2 || shots == 0 || few.episodes == 0 {
        return None;
    }
    let accuracies: Vec<f64> = (0..few.episodes)
        .map(|episode| {
            let rng = &mut Generator::keyed([seed, EPISODES, episode as u64, shots as u64]);
            let classes = draw(&usable, ways, rng);
            let means: Vec<Vec<f64>> =
                classes.iter().map(|&c| known.mean(&draw(&known.by_class[c], shots, rng))).collect();
            let (mut right, mut all) = (0, 0);
            for (way, &class) in classes.iter().enumerate() {
                for image in draw(&asked.by_class[class], few.queries, rng) {
                    right += usize::from(asked.nearest(image, &means) == way);
                    all += 1;
                }
            }
            right as f64 / f64::from(all.max(1))
        })
        .collect();
    let n = accuracies.len() as f64;
    let mean = accuracies.iter().sum::<f64>() / n;
    let variance = accuracies.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let half_width = 1.959963984540054 * (variance / n).sqrt();
    Some(FewShotResult { ways, shots, episodes: few.episodes, accuracy: mean, half_width })
}

/// Up to `n` of the items, each at most once.
fn draw(items: &[usize], n: usize, rng: &mut Generator) -> Vec<usize> {
    let mut items = items.to_vec();
    let n = n.min(items.len());
    rng.partial_shuffle(&mut items, n).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_nn::Pass;

    /// Three classes around points far from each other, with a spread.
    fn clouds(per_class: usize, spread: f64, seed: u64) -> TensorDataset {
        let rng = &mut Generator::new(seed);
        let centres = [[4.0, 0.0], [-4.0, 1.0], [0.0, -9.0]];
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for i in 0..3 * per_class {
            labels.push((i % 3) as i64);
            values.extend(centres[i % 3].map(|c| (c + spread * rng.normal()) as f32));
        }
        let n = labels.len();
        TensorDataset::new(Tensor::from_vec(values, [n, 2]), &Tensor::from_vec(labels, [n]))
    }

    #[test]
    fn the_nearest_mean_wins() {
        let (known, asked) = (Samples::of(&clouds(40, 0.5, 1), 3), Samples::of(&clouds(20, 0.5, 2), 3));
        let means: Vec<Vec<f64>> = known.by_class.iter().map(|images| known.mean(images)).collect();
        assert_eq!(asked.count_nearest(&means), (60, 60));
        let few = FewShot { ways: 5, ..FewShot::default() };
        let result = measure(&few, 5, &known, &asked, 0).unwrap();
        assert_eq!((result.ways, result.accuracy, result.half_width), (3, 1.0, 0.0));
    }

    #[test]
    fn more_images_of_each_class_serve_better() {
        let (known, asked) = (Samples::of(&clouds(40, 4.0, 1), 3), Samples::of(&clouds(40, 4.0, 2), 3));
        let few = FewShot { ways: 3, episodes: 200, ..FewShot::default() };
        let [one, ten] = [1, 10].map(|shots| measure(&few, shots, &known, &asked, 0).unwrap());
        assert!(one.accuracy + one.half_width < ten.accuracy - ten.half_width, "{one:?} {ten:?}");
        assert!(one.accuracy > 0.4 && one.half_width > 0.0 && one.half_width < 0.05, "{one:?}");
        assert_eq!(measure(&few, 1, &known, &asked, 0).unwrap(), one);
        assert!(measure(&few, 41, &known, &asked, 0).is_none());
    }

    #[test]
    fn the_head_scores_as_the_means_do() {
        let known = Samples::of(&clouds(10, 1.0, 3), 3);
        let means: Vec<Vec<f64>> = known.by_class.iter().map(|images| known.mean(images)).collect();
        let text = striate_zoo::Description::of("flatten, linear").unwrap();
        let mut network = text.blueprint([1, 1, 2], 3).unwrap().build(&mut Generator::new(0));
        assert!(is_linear(&network));
        set_head_to_prototypes(&mut *network, &means);
        let asked = clouds(30, 3.0, 4);
        let samples = Samples::of(&asked, 3);
        let x = asked.images().clone().reshape([90, 1, 1, 2]);
        let scores = network.forward(x, &Pass::eval()).argmax(1, false).to_vec::<i64>();
        assert!((0..90).all(|i| samples.nearest(i, &means) == scores[i] as usize));
    }

    #[test]
    fn draws_are_without_repetition() {
        let rng = &mut Generator::new(0);
        let mut drawn = draw(&[3, 5, 7, 9], 9, rng);
        drawn.sort();
        assert_eq!(drawn, [3, 5, 7, 9]);
        assert_eq!(draw(&[3, 5, 7, 9], 2, rng).len(), 2);
    }
}
