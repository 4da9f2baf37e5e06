//! Several trainings in one process.

use crate::common::{config, patches};
use std::fs;
use std::path::Path;
use striate_tensor::ComputeSettings;
use striate_train::{Config, Event, Outcome, Session};

/// Trains with these threads, and gives the model file and how many threads the training said that it has.
fn run(config: Config, threads: usize, out: &Path) -> (Vec<u8>, usize) {
    let settings = ComputeSettings { threads: Some(threads), ..Default::default() };
    settings.scope(|| {
        let mut session = Session::start(config, Some(out)).unwrap();
        let mut events: Vec<Event> = Vec::new();
        assert!(matches!(session.run(&mut events), Ok(Outcome::Finished { .. })));
        assert_eq!(ComputeSettings::current(), settings, "a session's settings end with it");
        let Event::Started(started) = &events[0] else { panic!("{:?}", events[0]) };
        (fs::read(out.join("model.safetensors")).unwrap(), started.threads)
    })
}

#[test]
fn two_sessions_at_once_keep_their_own_settings() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let data = d.join("patches");
    patches(&data, 20);
    // Winograd's algorithm is for 3×3 convolutions of 16 channels or more.
    let net = "conv 16 3 padding same, relu, conv 16 3 padding same, relu, globalavgpool, linear";
    let of = |winograd: bool| config(&data).model(net).winograd(winograd).epochs(6);
    let alone = [(true, 1), (false, 2)]
        .map(|(winograd, threads)| run(of(winograd), threads, &d.join(format!("alone-{winograd}"))));
    assert_eq!([alone[0].1, alone[1].1], [1, 2]);
    // Files hold their settings besides, so weights are what is compared with each other.
    let weights = |model: &[u8]| model[8 + u64::from_le_bytes(model[..8].try_into().unwrap()) as usize..].to_vec();
    assert!(weights(&alone[0].0) != weights(&alone[1].0), "the two algorithms round otherwise");
    let together = std::thread::scope(|scope| {
        let start = |(winograd, threads)| {
            let (config, out) = (of(winograd), d.join(format!("together-{winograd}")));
            scope.spawn(move || run(config, threads, &out))
        };
        [(true, 1), (false, 2)].map(start).map(|thread| thread.join().unwrap())
    });
    assert!(together == alone);
    // One after the other on one thread, stopped in between, is no different.
    let mut first = Session::start(of(true), Some(&d.join("first"))).unwrap();
    let mut second = Session::start(of(false), Some(&d.join("second"))).unwrap();
    second.run(&mut ()).unwrap();
    first.run(&mut ()).unwrap();
    for (name, (model, _)) in ["first", "second"].into_iter().zip(&alone) {
        assert!(fs::read(d.join(name).join("model.safetensors")).unwrap() == *model, "{name}");
    }
}
