//! What is said of numbers that go wrong, and of files that cannot be written.

use crate::common::{config, patches, train};
use crate::trainer::{CLASSES, Faulty, loaders, network, points, trainer};
use std::cell::RefCell;
use std::fs;
use std::path::Path;
use striate_data::{Batch, DataError, DataLoader, TensorDataset};
use striate_nn::{AdamW, Linear, Module, ReLU, Sequential, Sgd};
use striate_tensor::{Generator, Gradients, Tensor};
use striate_train::{
    Batches, Callback, Classification, Context, Event, FineTuneConfig, FineTuneMode, OptimizerKind, Session, Sink,
    TrainError, Trainer,
};

fn layers() -> Sequential {
    let rng = &mut Generator::new(7);
    Sequential::new().add(Linear::new(2, 16, rng)).add(ReLU).add(Linear::new(16, CLASSES, rng))
}

/// Named points, of which some are changed from one epoch on.
struct Changed {
    points: DataLoader<TensorDataset>,
    from: usize,
    factor: f64,
}

impl Batches for Changed {
    type Batch = Batch;
    fn per_epoch(&self) -> Option<usize> {
        Some(self.points.num_batches())
    }
    fn epoch_from(&self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = Result<Batch, DataError>> + '_> {
        let changed = move |batch: Result<Batch, DataError>| {
            let batch = batch?;
            let is_changed = epoch >= self.from && batch.indices.contains(&40);
            let images = if is_changed { batch.images.clone() * self.factor } else { batch.images.clone() };
            Ok(Batch { images, ..batch })
        };
        Box::new(self.points.epoch_from(epoch, first).map(changed))
    }
    fn names(&self, batch: &Batch) -> Vec<String> {
        batch.indices.iter().map(|i| format!("point-{i}.png")).collect()
    }
}

/// Keeps which parameter has the largest gradient, measured by its values, in each step.
struct Steepest<'a>(&'a RefCell<Vec<String>>);

impl<N: Module> Callback<N> for Steepest<'_> {
    fn gradients(&mut self, context: &mut Context<N>, gradients: &mut Gradients) {
        let norm = |t: &Tensor| t.to_vec::<f32>().iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        let slope = |p: &striate_nn::Parameter| norm(&gradients.get(p).unwrap()) / norm(p.value());
        let all = context.network.named_parameters();
        let steepest = all.into_iter().max_by(|a, b| slope(a.1).total_cmp(&slope(b.1))).unwrap();
        self.0.borrow_mut().push(steepest.0);
    }
}

#[test]
fn a_loss_spike_names_the_step_the_layer_and_the_files() {
    // 90 points in batches of 15: from the eleventh epoch on the third batch of six is wild.
    let train = Changed { points: DataLoader::new(points(90, 1), 15), from: 10, factor: -300.0 };
    let (_, held_out) = loaders();
    let (mut net, mut events) = (layers(), Vec::<Event>::new());
    let trainer = Trainer::new(&mut net, Classification::new(CLASSES)).optimizer(Sgd::new(1e-4)).epochs(11);
    let steepest = RefCell::new(Vec::new());
    trainer.callback(Steepest(&steepest)).sink(&mut events).fit(&train, &held_out).unwrap();
    let spikes: Vec<&Event> = events.iter().filter(|event| matches!(event, Event::LossSpike { .. })).collect();
    let [Event::LossSpike { epoch, steps, loss, usual, layer, samples }] = spikes[..] else { panic!("{spikes:?}") };
    assert_eq!((*epoch, *steps), (11, 63));
    assert!(*loss > 2.0 * usual && *usual > 0.5, "{loss} {usual}");
    assert_eq!(*layer, steepest.borrow()[62].rsplit_once('.').unwrap().0);
    assert_eq!(*samples, (30..45).map(|i| format!("point-{i}.png")).collect::<Vec<_>>());
    let line = striate_train::sinks::line(spikes[0]).unwrap();
    for part in
        ["step 63: ", &format!("the gradient of {layer} is the steepest"), "its batch: point-30.png, point-31.png"]
    {
        assert!(line.contains(part), "{line}");
    }
}

/// Spoils the gradient of a parameter in a step, counted from 0.
struct Spoil(u64, &'static str, f32);

impl<N: Module> Callback<N> for Spoil {
    fn gradients(&mut self, context: &mut Context<N>, gradients: &mut Gradients) {
        if context.state.steps != self.0 {
            return;
        }
        for (name, parameter) in context.network.named_parameters() {
            if name == self.1 && gradients.take(parameter).is_some() {
                gradients.set(parameter, Tensor::full_like(parameter.value(), self.2.into()));
            }
        }
    }
}

#[test]
fn numbers_that_are_not_finite_name_the_step_the_layer_and_the_files() {
    let (_, held_out) = loaders();
    let train = || Changed { points: DataLoader::new(points(90, 1), 15), from: usize::MAX, factor: 1.0 };
    let named = |from: usize| (from..from + 15).map(|i| format!("point-{i}.png")).collect::<Vec<_>>();
    // An update spoils the weights of a layer: it is the third step's, and the next one only shows it.
    let dir = tempfile::tempdir().unwrap();
    let mut net = layers();
    let spoiled = Trainer::new(&mut net, Classification::new(CLASSES)).optimizer(Sgd::new(1.0)).run_dir(dir.path());
    let spoiled = spoiled.callback(Spoil(2, "2.weight", f32::INFINITY)).fit(&train(), &held_out).unwrap_err();
    let TrainError::NonFinite { step, epoch, what, place, samples, .. } = &spoiled else { panic!("{spoiled}") };
    assert_eq!((*step, *epoch, what.as_str()), (3, 1, "the weights are not finite"));
    assert_eq!((place.as_str(), samples), ("first in the weights of layer 2", &named(30)));
    let line = spoiled.to_string();
    for part in ["step 3 (epoch 1)", "layer 2", "in the batch of point-30.png, point-31.png"] {
        assert!(line.contains(part), "{line}");
    }
    // In the last step of an epoch it shows at the end of that.
    let mut net = layers();
    let last = Trainer::new(&mut net, Classification::new(CLASSES)).optimizer(Sgd::new(1.0));
    let last = last.callback(Spoil(5, "0.bias", f32::NAN)).fit(&train(), &held_out).unwrap_err();
    let TrainError::NonFinite { step, epoch, place, samples, .. } = &last else { panic!("{last}") };
    assert_eq!((*step, *epoch, samples), (6, 1, &named(75)), "{last}");
    assert!(place.contains("layer 0"), "{last}");
    // A forward pass that overflows names the layer in which it does.
    let mut net = layers();
    for (_, parameter) in net.named_parameters_mut().into_iter().filter(|(name, _)| name == "0.weight") {
        let value = Tensor::full_like(parameter.value(), 3e38);
        parameter.set(value);
    }
    let wild = Trainer::new(&mut net, Classification::new(CLASSES)).fit(&train(), &held_out).unwrap_err();
    let TrainError::NonFinite { step, place, samples, .. } = &wild else { panic!("{wild}") };
    assert_eq!((*step, place.starts_with("first at layer 0 (op "), samples), (1, true, &named(0)), "{wild}");
}

#[test]
fn a_checkpoint_with_spoiled_weights_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let (train, held_out) = loaders();
    let mut net = network();
    let spoiled = trainer(&mut net).checkpoint_every(2).run_dir(dir.path()).callback(Spoil(3, "4.bias", f32::NAN));
    let error = spoiled.fit(&train, &held_out).unwrap_err();
    let TrainError::NonFinite { step: 4, checkpoint: Some(checkpoint), .. } = &error else { panic!("{error}") };
    let kept = striate_formats::safetensors::read(checkpoint).unwrap();
    assert!(kept.tensors.iter().filter(|(_, t)| t.dtype().is_float()).all(|(_, t)| t.is_finite()));
}

#[test]
fn a_head_on_kept_features_names_the_files_too() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let data = d.join("patches");
    patches(&data, 10);
    train(config(&data).epochs(1), &d.join("start"));
    let start = d.join("start/model.safetensors").to_str().unwrap().to_string();
    let finetune = FineTuneConfig::default().from(&*start).mode(FineTuneMode::Head);
    // The first update makes weights whose outputs no number holds.
    let tuned = config(&data).finetune(finetune).optimizer(OptimizerKind::Adam).lr(3e38);
    let error = Session::start(tuned, Some(&d.join("tuned"))).unwrap().run(&mut ()).unwrap_err();
    let TrainError::NonFinite { samples, place, .. } = &error else { panic!("{error}") };
    assert_eq!(samples.len(), 8, "{error}");
    assert!(samples.iter().all(|name| name.ends_with(".pgm") && data.join(name).is_file()), "{error}");
    assert!(place.contains("layer 5"), "{error}");
}

/// Lets the disk be full for some files of a run that begins, and keeps what is said of that.
#[cfg(target_os = "linux")]
struct Fill<'a> {
    run: &'a Path,
    files: &'a [&'a str],
    notes: Vec<String>,
}

#[cfg(target_os = "linux")]
impl Sink for Fill<'_> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Started(_) => self.files.iter().for_each(|file| {
                let path = self.run.join(file);
                let _ = fs::remove_file(&path);
                std::os::unix::fs::symlink("/dev/full", path).unwrap();
            }),
            Event::Note { text } if text.starts_with("cannot write ") => self.notes.push(text.clone()),
            _ => {}
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_for_metrics_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let data = d.join("patches");
    patches(&data, 10);
    let run = |name: &str, files: &[&str]| {
        let path = d.join(name);
        let mut fill = Fill { run: &path, files, notes: Vec::new() };
        Session::start(config(&data), Some(&path)).unwrap().run(&mut fill).unwrap();
        let kept = ["checkpoint.safetensors", "model.safetensors", "last.safetensors"];
        (kept.map(|file| fs::read(path.join(file)).unwrap()), fill.notes)
    };
    let (whole, notes) = run("whole", &[]);
    assert_eq!(notes, [""; 0]);
    // Pictures are written beside, and then put in place.
    for files in [&["metrics.csv", ".partial-curves.svg", ".partial-confusion.svg"][..], &[".partial-curves.svg"]] {
        let (full, notes) = run(&format!("full-{}", files.len()), files);
        assert!(full == whole, "{files:?}: checkpoints are whole");
        assert_eq!(notes.len(), 1, "it is said once: {notes:?}");
        let file = files[0].trim_start_matches(".partial-");
        assert!(notes[0].contains(&format!("{file}: No space left on device")), "{notes:?}");
        assert!(notes[0].ends_with("; training goes on without it"), "{notes:?}");
    }
}

#[test]
fn samples_that_are_not_numbers_are_named_with_the_step() {
    let train = Faulty(DataLoader::new(points(90, 1), 16));
    let (_, held_out) = loaders();
    let mut net = network();
    let error = Trainer::new(&mut net, Classification::new(CLASSES)).optimizer(AdamW::new(0.01));
    let error = error.fit(&train, &held_out).unwrap_err().to_string();
    assert!(
        error.starts_with("step 3 (epoch 1): the loss is NaN, already in the images, in the batch of point 32"),
        "{error}"
    );
    assert!(!Path::new("runs").exists());
}
