//! Progress bars for terminals.

use crate::output::{note, shown};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::Duration;
use striate::train::{Event, Sink, sinks};

/// Lines on standard output, with a bar on standard error below them where that is a terminal.
pub struct Progress {
    bar: ProgressBar,
    features: Option<ProgressBar>,
}

impl Progress {
    /// No bar yet: it comes with the first event.
    pub fn new() -> Self {
        Progress { bar: ProgressBar::hidden(), features: None }
    }

    fn start(&mut self, epochs: usize, steps: usize, batch_size: usize, done: u64) {
        if !io::stderr().is_terminal() {
            return;
        }
        let images = move |state: &ProgressState, w: &mut dyn std::fmt::Write| {
            let _ = write!(w, "{:.0} images/s", state.per_sec() * batch_size as f64);
        };
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} steps, {images}, ETA {eta}")
            .expect("the template is well-formed")
            .with_key("images", images);
        self.bar = ProgressBar::with_draw_target(Some((epochs * steps) as u64), ProgressDrawTarget::stderr_with_hz(10));
        self.bar.set_style(style);
        self.bar.set_position(done);
        self.bar.reset_eta();
        tick(&self.bar);
    }
}

/// Keeps the bar's times up to date where steps are slow. Without a thread for that each step does it.
fn tick(bar: &ProgressBar) {
    const EVERY: Duration = Duration::from_millis(500);
    let bar = bar.downgrade();
    let ticks = move || {
        while let Some(bar) = bar.upgrade().filter(|bar| !bar.is_finished()) {
            bar.tick();
            drop(bar);
            thread::sleep(EVERY);
        }
    };
    let _ = thread::Builder::new().name("striate-progress".into()).spawn(ticks);
}

/// A bar for the look at `n` images, hidden where nobody watches.
pub fn images_bar(n: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    counting_bar(n, "{wide_bar} {pos}/{len} images looked at, ETA {eta}")
}

/// A bar for `n` passes of a network, hidden where nobody watches.
pub fn passes_bar(n: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    counting_bar(n, "{wide_bar} {pos}/{len} passes, ETA {eta}")
}

fn counting_bar(n: usize, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    ProgressBar::with_draw_target(Some(n as u64), ProgressDrawTarget::stderr_with_hz(10)).with_style(style)
}

/// A bar for a file that comes from the network, hidden where nobody watches.
pub fn download_bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(
        "{wide_bar} {decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, ETA {eta}",
    )
    .expect("the template is well-formed");
    ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10)).with_style(style)
}

impl Sink for Progress {
    fn event(&mut self, event: &Event) {
        if !matches!(event, Event::Features { .. })
            && let Some(bar) = self.features.take()
        {
            bar.finish_and_clear();
        }
        match event {
            Event::Started(started) => {
                self.print(event);
                if let (Some(steps), Some(batch_size)) = (started.steps, started.batch_size) {
                    self.start(started.epochs, steps, batch_size, started.resumed_at.unwrap_or(0));
                }
            }
            Event::Features { done, total } if io::stderr().is_terminal() => {
                let new = || counting_bar(*total, "{wide_bar} {pos}/{len} images through the backbone, ETA {eta}");
                let bar = self.features.get_or_insert_with(new);
                bar.set_position(*done as u64);
                if done == total {
                    bar.finish_and_clear();
                    self.features = None;
                }
            }
            Event::Step { .. } => self.bar.inc(1),
            Event::Stopped { .. } | Event::Finished(_) => self.bar.finish_and_clear(),
            _ => self.print(event),
        }
    }
}

impl Progress {
    fn print(&self, event: &Event) {
        let Some(line) = sinks::line(event) else { return };
        if let Some(text) = line.strip_prefix("note: ") {
            self.bar.suspend(|| note(text));
        } else {
            // A reader that has gone away does not end the training.
            self.bar.suspend(|| {
                let mut out = io::stdout().lock();
                let _ = writeln!(out, "{}", shown(&line)).and_then(|()| out.flush());
            });
        }
    }
}
