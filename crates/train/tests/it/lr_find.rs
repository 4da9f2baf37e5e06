//! The learning-rate finder: what it finds, and that nothing of it remains.

use crate::trainer::{CLASSES, Faulty, bits, loaders, network, points, trainer};
use std::sync::atomic::AtomicBool;
use striate_data::DataLoader;
use striate_nn::{AdamW, Linear, Sgd};
use striate_tensor::Generator;
use striate_train::{Classification, LrFindEnd, LrFindOptions, Stream, TrainError, Trainer};

#[test]
fn a_search_leaves_everything_as_it_was() {
    let (train, held_out) = loaders();
    let mut untouched = network();
    trainer(&mut untouched).fit(&train, &held_out).unwrap();
    let before = bits(&network());
    let stopped = AtomicBool::new(true);
    for (what, options, ending) in [
        ("all steps", LrFindOptions { end_lr: 0.01, ..LrFindOptions::default() }, LrFindEnd::AllSteps),
        ("diverged", LrFindOptions { end_lr: 1e4, ..LrFindOptions::default() }, LrFindEnd::Diverged),
        (
            "not finite",
            LrFindOptions { end_lr: 1e38, steps: 12, stop_factor: 1e300, ..LrFindOptions::default() },
            LrFindEnd::NotFinite,
        ),
        ("stopped", LrFindOptions::default(), LrFindEnd::Stopped),
    ] {
        let mut net = network();
        let mut trainer = trainer(&mut net);
        if ending == LrFindEnd::Stopped {
            trainer = trainer.stop(&stopped);
        }
        let found = trainer.lr_find(&train, &options).unwrap();
        assert_eq!(found.ending, ending, "{what}: {:?}", found.points.last());
        if ending == LrFindEnd::Stopped {
            drop(trainer);
            assert_eq!(bits(&net), before, "{what}");
            continue;
        }
        assert_eq!(trainer.lr_find(&train, &options).unwrap(), found, "{what}: the same again");
        trainer.fit(&train, &held_out).unwrap();
        assert_eq!(bits(&net), bits(&untouched), "{what}");
    }
}

#[test]
fn the_suggestion_trains() {
    let (train, held_out) = loaders();
    let mut net = network();
    let search = Trainer::new(&mut net, Classification::new(CLASSES))
        .optimizer(AdamW::new(1.0))
        .lr_find(&train, &LrFindOptions::default());
    let found = search.unwrap();
    let lr = found.suggestion().unwrap();
    assert!((1e-3..1.0).contains(&lr), "{lr}");
    assert!(found.points.is_sorted_by(|a, b| a.lr < b.lr) && found.steepest.is_some());
    assert!(found.svg().contains("learning rate") && found.svg().contains(&format!("suggestion: {lr}")));
    let mut net = network();
    let trainer = Trainer::new(&mut net, Classification::new(CLASSES)).optimizer(AdamW::new(lr)).epochs(12);
    assert!(trainer.fit(&train, &held_out).unwrap().best().unwrap().value("accuracy") > 0.9);
}

#[test]
fn little_data_is_gone_through_again() {
    let options = LrFindOptions { steps: 30, end_lr: 0.1, ..LrFindOptions::default() };
    let rng = &mut Generator::new(0);
    for samples in [1, 5, 40] {
        let train = DataLoader::new(points(samples, 1), 16).shuffle(0);
        let mut net = Linear::new(2, CLASSES, rng);
        let mut trainer = Trainer::new(&mut net, Classification::new(CLASSES)).optimizer(Sgd::new(0.1)).accumulate(2);
        assert_eq!(trainer.lr_find(&train, &options).unwrap().points.len(), 30, "{samples} samples");
    }
    let nothing = Stream::new(|_| std::iter::empty());
    let mut net = Linear::new(2, CLASSES, rng);
    let found = Trainer::new(&mut net, Classification::new(CLASSES)).lr_find(&nothing, &options);
    assert!(matches!(found, Err(TrainError::NothingMeasured { .. })));
}

#[test]
fn samples_that_are_not_numbers_are_named() {
    let train = Faulty(DataLoader::new(points(90, 1), 16));
    let mut net = network();
    let error = trainer(&mut net).accumulate(1).lr_find(&train, &LrFindOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the loss is NaN at any learning rate, already in the images, in the batch of point 32, point 33, point 34, point 35 and 12 more"
    );
    assert_eq!(bits(&net), bits(&network()));
}

#[test]
fn options_without_a_meaning_are_named() {
    let (train, _) = loaders();
    for (options, line) in [
        (LrFindOptions { start_lr: 0.0, ..Default::default() }, "start_lr is 0, it must be a positive number"),
        (LrFindOptions { start_lr: f64::NAN, ..Default::default() }, "start_lr is NaN, it must be a positive number"),
        (
            LrFindOptions { end_lr: 1e-8, ..Default::default() },
            "end_lr is 0.00000001, it must be above the first rate, 1e-7",
        ),
        (LrFindOptions { steps: 9, ..Default::default() }, "steps is 9, it must be at least 10"),
        (LrFindOptions { stop_factor: 1.0, ..Default::default() }, "stop_factor is 1, it must be above 1"),
    ] {
        assert_eq!(trainer(&mut network()).lr_find(&train, &options).unwrap_err().to_string(), line);
    }
}
