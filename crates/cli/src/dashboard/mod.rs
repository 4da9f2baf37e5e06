//! `--ui`: a training over the whole terminal, with live curves.

mod state;
mod terminal;
mod view;

#[cfg(test)]
mod tests;

use crate::output::{note, shown};
use crate::signals;
use ratatui::crossterm::event::{self, Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use state::State;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};
use striate::train::{Event, Sink, sinks};

pub use terminal::{give_back, obstacle};

/// How often it is drawn where no key is pressed.
const REFRESH: Duration = Duration::from_millis(500);
/// A key that is held down is not a second press.
const HELD: Duration = Duration::from_millis(700);

/// A training over the whole terminal. Events are noted down on the training's thread and drawn by another. Dropped, it gives the terminal back and prints
/// what must not be lost with it: how the training began, and its notes.
pub struct Dashboard {
    state: Arc<Mutex<State>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    first: Option<String>,
    notes: Vec<String>,
}

impl Dashboard {
    /// Takes the terminal; keys set `stop`.
    ///
    /// # Errors
    /// If the terminal does not let itself be taken.
    pub fn start(stop: Arc<AtomicBool>) -> std::io::Result<Dashboard> {
        let mut screen = terminal::take()?;
        let second = signals::take_second();
        let state = Arc::new(Mutex::new(State::new(Instant::now())));
        let is_over = Arc::new(AtomicBool::new(false));
        let noted = state.clone();
        striate::nn::notice::listen(move |text| lock(&noted).log(&format!("note: {text}")));
        let (shared, over) = (state.clone(), is_over.clone());
        let mut presses = Presses { stop, second, first: None };
        let draws = move || {
            while !over.load(Ordering::Relaxed) {
                presses.look(&shared);
                let view = lock(&shared).view(Instant::now(), memory());
                // A terminal that is gone does not end the training: the signal that comes with that does.
                let drawn = terminal::while_taken(|| screen.draw(|frame| view::draw(frame, &view)).is_ok());
                match drawn {
                    None => return,
                    Some(true) => presses.wait(&shared, REFRESH),
                    Some(false) => sleep(REFRESH),
                }
            }
        };
        match thread::Builder::new().name("striate-dashboard".into()).spawn(draws) {
            Ok(thread) => Ok(Dashboard { state, is_over, thread: Some(thread), first: None, notes: Vec::new() }),
            Err(e) => {
                give_back();
                Err(e)
            }
        }
    }
}

impl Sink for Dashboard {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Started(_) => self.first = sinks::line(event),
            Event::Step { .. } | Event::Progress { .. } | Event::Measured { .. } => {}
            _ => self.notes.extend(sinks::line(event)),
        }
        lock(&self.state).event(event, Instant::now());
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        striate::nn::notice::listen(note);
        // First the terminal: the other thread may hang in one that takes nothing.
        give_back();
        if let Some(thread) = self.thread.take().filter(|thread| thread.is_finished()) {
            let _ = thread.join();
        }
        if let Some(line) = &self.first {
            let _ = crate::output::say(shown(line));
        }
        for line in &self.notes {
            match line.strip_prefix("note: ") {
                Some(text) => note(text),
                None => _ = crate::output::say(shown(line)),
            }
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(|e| e.into_inner())
}

/// Keys and signals that ask the training to stop.
struct Presses {
    stop: Arc<AtomicBool>,
    /// Set by each signal.
    second: Arc<AtomicBool>,
    /// When the first of them came.
    first: Option<Instant>,
}

impl Presses {
    /// Waits for a key this long, and does what it asks for.
    fn wait(&mut self, state: &Mutex<State>, time: Duration) {
        match event::poll(time) {
            Ok(false) => return,
            Ok(true) => {}
            Err(_) => return sleep(time),
        }
        match event::read() {
            Ok(Input::Key(key)) if key.kind != KeyEventKind::Release => self.key(key, state),
            Ok(_) => {}
            Err(_) => sleep(time),
        }
    }

    fn key(&mut self, key: KeyEvent, state: &Mutex<State>) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => self.ask(state, true),
            KeyCode::Char('q' | 'Q') => self.ask(state, false),
            KeyCode::Tab | KeyCode::Right | KeyCode::Down => lock(state).choose(true),
            KeyCode::BackTab | KeyCode::Left | KeyCode::Up => lock(state).choose(false),
            _ => {}
        }
    }

    /// Looks whether a signal has come.
    fn look(&mut self, state: &Mutex<State>) {
        if self.second.swap(false, Ordering::Relaxed) {
            self.ask(state, true);
        }
    }

    /// Asks the training to stop; the second time the process ends at once, if `urgent`.
    fn ask(&mut self, state: &Mutex<State>, urgent: bool) {
        self.stop.store(true, Ordering::Relaxed);
        match self.first {
            None => {
                self.first = Some(Instant::now());
                lock(state).stop();
            }
            Some(first) if urgent && first.elapsed() > HELD => {
                give_back();
                std::process::exit(signals::exit_code().into());
            }
            Some(_) => {}
        }
    }
}

/// Bytes of memory that this process has in use, where the system tells.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}
