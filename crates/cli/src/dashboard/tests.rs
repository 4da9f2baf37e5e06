//! Screens of made-up trainings, as text.

use super::state::State;
use super::view::draw;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use striate::imaging::Split;
use striate::train::{Direction, Event, Metric, Started, StartedData};

/// The screen of this size, one line a row.
fn screen(state: &State, now: Instant, [width, height]: [u16; 2]) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let view = state.view(now, Some(512_000_000));
    terminal.draw(|frame| draw(frame, &view)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y: u16| {
        let (mut line, mut x) = (String::new(), 0);
        while x < width {
            let symbol = buffer[(x, y)].symbol();
            line += symbol;
            // A wide character takes the next cell, too.
            x += unicode_width::UnicodeWidthStr::width(symbol).max(1) as u16;
        }
        line.trim_end().to_string() + "\n"
    };
    (0..height).map(row).collect()
}

fn started(model: &str, data: &str) -> Event {
    Event::Started(Box::new(Started {
        task: "classification".into(),
        run: Some(PathBuf::from("runs/own")),
        model: model.into(),
        parameters: 61_706,
        data: Some(StartedData {
            data: data.into(),
            classes: vec!["cat".into(), "dog".into()],
            input: [1, 28, 28],
            train_samples: 60_000,
            measured_samples: 10_000,
            epoch_fraction: 1.0,
        }),
        measured: Split::Test,
        epochs: 5,
        steps: Some(600),
        batch_size: Some(100),
        seed: 0,
        threads: 2,
        isa: "avx2",
        resumed_at: None,
    }))
}

fn metrics(loss: f64, accuracy: f64) -> Vec<Metric> {
    vec![Metric::number("loss", loss, Direction::Minimize), Metric::fraction("accuracy", accuracy)]
}

/// A training that has come to step 300 of its third epoch, and the time then: ten steps a second.
fn training() -> (State, Instant) {
    let mut now = Instant::now();
    let mut state = State::new(now);
    state.event(&started("lenet", "mnist"), now);
    for steps in 1..=1500_u64 {
        now += Duration::from_millis(100);
        let (epoch, step) = ((steps - 1) as usize / 600 + 1, (steps - 1) as usize % 600 + 1);
        let loss = 2.3 * (-(steps as f64) / 250.0).exp() + 0.02 * (1.0 + (steps as f64 / 9.0).sin());
        state.event(&Event::Step { epoch, step, samples: 100, loss }, now);
        if step.is_multiple_of(100) {
            let metrics = metrics(loss, 1.0 - loss / 3.0);
            let (steps, epochs, steps_done, grad_norm) =
                (Some(600), 5, steps, if epoch == 1 { 1.25 } else { f64::NAN });
            state
                .event(&Event::Progress { epoch, epochs, step, steps, steps_done, metrics, lr: 0.001, grad_norm }, now);
        }
        if step == 600 {
            let (metrics, monitor) = (metrics(loss + 0.01, 0.97 + epoch as f64 / 100.0), "accuracy".into());
            state.event(&Event::Measured { epoch, epochs: 5, steps, split: Split::Test, metrics, monitor }, now);
        }
    }
    (state, now)
}

#[track_caller]
fn is(shown: &str, snapshot: &str, name: &str) {
    if let Some(dir) = std::env::var_os("STRIATE_SNAPSHOTS") {
        std::fs::write(PathBuf::from(dir).join(name), shown).unwrap();
        return;
    }
    assert!(
        shown == snapshot,
        "{name} (STRIATE_SNAPSHOTS=DIR writes it anew) is\n{shown}\nin the place of\n{snapshot}"
    );
}

#[test]
fn a_training_in_a_small_terminal() {
    let (state, now) = training();
    is(&screen(&state, now, [80, 24]), include_str!("snapshots/80x24.txt"), "80x24.txt");
}

#[test]
fn a_training_in_a_large_terminal() {
    let (mut state, now) = training();
    state.choose(true);
    state.choose(false);
    state.stop();
    is(&screen(&state, now, [200, 50]), include_str!("snapshots/200x50.txt"), "200x50.txt");
}

#[test]
fn odd_numbers_and_names() {
    let now = Instant::now();
    let mut state = State::new(now);
    let long = "猫と犬の写真".repeat(20);
    state.event(&started("lenet", &long), now);
    state.event(&Event::Note { text: format!("{long} \x1b[31m\n") }, now);
    state.event(&Event::Step { epoch: 1, step: 1, samples: 1, loss: 1.0 }, now);
    let (metrics, monitor) = (metrics(0.5, f64::NAN), "accuracy".to_string());
    let measured = Event::Measured { epoch: 1, epochs: 5, steps: 1, split: Split::Val, metrics, monitor };
    state.event(&measured, now);
    is(&screen(&state, now, [80, 24]), include_str!("snapshots/odd.txt"), "odd.txt");
}

#[test]
fn no_size_and_no_event_is_too_little() {
    let (state, now) = training();
    let empty = State::new(now);
    for width in [0, 1, 2, 5, 39, 69, 70, 71, 300] {
        for height in [0, 1, 2, 3, 4, 5, 7, 11, 14, 15, 60] {
            screen(&state, now, [width, height]);
            screen(&empty, now, [width, height]);
        }
    }
    is(&screen(&empty, now, [60, 20]), include_str!("snapshots/empty.txt"), "empty.txt");
    is(&screen(&state, now, [40, 12]), include_str!("snapshots/40x12.txt"), "40x12.txt");
}

/// Numbers that are not finite, huge, tiny or all equal are drawn without a panic.
#[test]
fn any_numbers_are_drawn() {
    for values in [
        vec![f64::NAN; 5],
        vec![f64::INFINITY, 1.0, f64::NEG_INFINITY],
        vec![0.0; 9],
        vec![1e308, -1e308],
        vec![5e-324],
    ] {
        let now = Instant::now();
        let mut state = State::new(now);
        state.event(&started("lenet", "mnist"), now);
        for (steps, &value) in values.iter().enumerate() {
            let (metrics, monitor) = (metrics(value, value), "accuracy".to_string());
            let steps = steps as u64;
            state.event(&Event::Measured { epoch: 1, epochs: 2, steps, split: Split::Val, metrics, monitor }, now);
        }
        for size in [[80, 24], [30, 15]] {
            screen(&state, now, size);
        }
    }
}
