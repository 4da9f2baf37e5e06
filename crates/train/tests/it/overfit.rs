//! Overfitting one batch: what is said of it, and that nothing of it remains.

use crate::trainer::{CLASSES, Faulty, bits, loaders, network, points, trainer};
use striate_data::DataLoader;
use striate_nn::{Adam, Linear, Module, ReLU, Sequential, Sgd};
use striate_tensor::{DType, Generator, Tensor};
use striate_train::{Classification, Event, OverfitVerdict, TrainError, Trainer};

#[test]
fn a_batch_is_memorized_and_nothing_remains() {
    let (train, held_out) = loaders();
    let mut untouched = network();
    trainer(&mut untouched).fit(&train, &held_out).unwrap();
    let mut net = network();
    let mut events: Vec<Event> = Vec::new();
    let mut trainer = trainer(&mut net).sink(&mut events);
    let found = trainer.overfit_one_batch(&train, 500).unwrap();
    assert_eq!((found.verdict, found.samples), (OverfitVerdict::Memorized, 16), "{found:?}");
    assert!(found.last_loss < 0.01 * found.first_loss || found.accuracy == Some(1.0) && found.last_loss < 0.01);
    assert!(found.steps < 500 && found.best_loss <= found.last_loss, "{found:?}");
    trainer.fit(&train, &held_out).unwrap();
    assert_eq!(bits(&net), bits(&untouched));
    assert!(matches!(events[0], Event::Progress { step: 1, steps: Some(500), .. }));
}

fn verdict(net: &mut Sequential, lr: f64, steps: usize) -> OverfitVerdict {
    let before = bits(net);
    let train = DataLoader::new(points(12, 1), 12);
    let mut trainer = Trainer::new(net, Classification::new(CLASSES)).optimizer(Sgd::new(lr));
    let found = trainer.overfit_one_batch(&train, steps).unwrap();
    drop(trainer);
    assert_eq!(bits(net), before, "{found:?}");
    found.verdict
}

#[test]
fn what_a_loss_does_is_told_apart() {
    let rng = &mut Generator::new(7);
    let mut layers = || Sequential::new().add(Linear::new(2, 16, rng)).add(ReLU).add(Linear::new(16, CLASSES, rng));
    assert_eq!(verdict(&mut layers(), 1e-7, 50), OverfitVerdict::Flat);
    assert_eq!(verdict(&mut layers(), 0.05, 20), OverfitVerdict::Slow);
    assert_eq!(verdict(&mut layers(), 1e38, 50), OverfitVerdict::NotFinite);
    let mut dead = layers();
    for (name, parameter) in dead.named_parameters_mut() {
        let value = if name == "0.bias" { -1e6 } else { 0.0 };
        let value = Tensor::full_like(parameter.value(), value);
        if name.starts_with("0.") || name == "2.bias" {
            parameter.set(value);
        }
    }
    // The output's bias alone still learns, and three classes of as many samples have nothing for it to learn.
    assert!([OverfitVerdict::NoGradient, OverfitVerdict::Flat].contains(&verdict(&mut dead, 0.1, 50)));
}

#[test]
fn samples_that_contradict_each_other_cannot_be_memorized() {
    let labels = Tensor::from_vec((0..12).map(|i| i % 2).collect::<Vec<i64>>(), [12]);
    let data = striate_data::TensorDataset::new(Tensor::ones([12, 2], DType::F32), &labels);
    let mut net = Linear::new(2, 2, &mut Generator::new(0));
    let mut trainer = Trainer::new(&mut net, Classification::new(2)).optimizer(Adam::new(0.05));
    let train = DataLoader::new(data, 12);
    let found = trainer.overfit_one_batch(&train, 300).unwrap();
    assert_eq!((found.verdict, found.accuracy), (OverfitVerdict::Stuck, Some(0.5)), "{found:?}");
    assert!((found.last_loss - 2f64.ln()).abs() < 1e-3, "{found:?}");
    drop(trainer);
    let mut trainer = Trainer::new(&mut net, Classification::new(2)).optimizer(Sgd::new(1e3));
    let found = trainer.overfit_one_batch(&train, 50).unwrap();
    assert_eq!(found.verdict, OverfitVerdict::Unstable, "{found:?}");
}

#[test]
fn odd_batches() {
    // One sample, and fewer than a batch.
    for samples in [1, 3] {
        let mut net = Linear::new(2, CLASSES, &mut Generator::new(0));
        let mut trainer = Trainer::new(&mut net, Classification::new(CLASSES)).optimizer(Adam::new(0.1));
        let found = trainer.overfit_one_batch(&DataLoader::new(points(samples, 1), 16), 500).unwrap();
        assert_eq!((found.verdict, found.samples), (OverfitVerdict::Memorized, samples));
    }
    let nan = Faulty(DataLoader::new(points(90, 1), 45));
    let mut net = network();
    let error = trainer(&mut net).overfit_one_batch(&nan, 10).unwrap_err();
    assert!(matches!(error, TrainError::NonFiniteAtAnyRate { .. }), "{error}");
    assert!(error.to_string().contains("in the batch of point 0, point 1"), "{error}");
    let none = striate_train::Stream::new(|_| std::iter::empty());
    assert!(matches!(trainer(&mut network()).overfit_one_batch(&none, 10), Err(TrainError::NothingMeasured { .. })));
}
