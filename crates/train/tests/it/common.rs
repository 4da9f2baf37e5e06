//! Small data sets and trainings that are stopped.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use striate_train::{Config, Event, ImageConfig, Outcome, Session, Sink};

/// Folders of three classes of 12×12 images: grey patches of other brightness, `per_class` of each, with noise.
pub fn patches(dir: &Path, per_class: usize) {
    let mut state = 3u32;
    let mut noise = move || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 24) as u8 / 6
    };
    for (class, level) in [("dark", 20), ("middle", 110), ("bright", 200)] {
        let dir = dir.join(class);
        fs::create_dir_all(&dir).unwrap();
        for i in 0..per_class {
            let pixels: Vec<u8> = (0..144).map(|_| level + noise()).collect();
            fs::write(dir.join(format!("{i}.pgm")), [&b"P5 12 12 255\n"[..], &pixels].concat()).unwrap();
        }
    }
}

/// Settings of a small training on such a folder.
pub fn config(data: &Path) -> Config {
    Config::default()
        .data(data.to_str().unwrap())
        .model("conv 4 3, batchnorm, relu, dropout 0.1, globalavgpool, linear")
        .epochs(4)
        .batch_size(8)
        .lr(0.01)
        .log_every(2)
        .images(ImageConfig::default().augment("none"))
}

/// Trains to the end.
pub fn train(config: Config, out: &Path) {
    let outcome = Session::start(config, Some(out)).unwrap().run(&mut ()).unwrap();
    assert!(matches!(outcome, Outcome::Finished { .. }));
}

/// Sets a flag after some steps.
pub struct StopAfter<'a>(pub usize, pub &'a AtomicBool);

impl Sink for StopAfter<'_> {
    fn event(&mut self, event: &Event) {
        if let Event::Step { .. } = event {
            self.0 = self.0.saturating_sub(1);
            self.1.store(self.0 == 0, Ordering::Relaxed);
        }
    }
}

/// Lets a training go on for `steps` steps, after which it is stopped; says whether it was, and did not end before.
pub fn stop_after(steps: usize, mut session: Session) -> bool {
    let stop = AtomicBool::new(false);
    let outcome = session.run_until(&stop, &mut StopAfter(steps, &stop)).unwrap();
    outcome == Outcome::Stopped
}
