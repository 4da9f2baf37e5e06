//! The whole terminal, taken and given back.

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use std::io::{self, IsTerminal, Stdout, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, TryLockError};
use std::thread::sleep;
use std::time::Duration;

/// Whether the terminal is taken.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Held while something is written to it.
static WRITING: Mutex<()> = Mutex::new(());
/// How often, and for how long in all, giving back waits for what is being written: a terminal that takes nothing is no reason to hang.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSES: usize = 40;

/// Why there can be no full screen, if that is so.
pub fn obstacle() -> Option<&'static str> {
    if !stdout().is_terminal() {
        return Some("standard output is no terminal");
    }
    (std::env::var_os("TERM").is_some_and(|term| term == "dumb")).then_some("the terminal cannot do that (TERM=dumb)")
}

/// Takes the whole terminal.
pub fn take() -> io::Result<Terminal<CrosstermBackend<Stdout>>> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let taken =
        execute!(stdout(), EnterAlternateScreen, Hide).and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
    if taken.is_err() {
        give_back();
    }
    taken
}

/// Does something with the terminal, unless it has been given back.
pub fn while_taken<T>(write: impl FnOnce() -> T) -> Option<T> {
    let _writing = WRITING.lock().unwrap_or_else(|e| e.into_inner());
    TAKEN.load(Ordering::SeqCst).then(write)
}

/// Gives the terminal back as it was. A panic does that too, also one in the middle of drawing.
pub fn give_back() {
    let mut writing = None;
    for _ in 0..PAUSES {
        match WRITING.try_lock() {
            Err(TryLockError::WouldBlock) => sleep(PAUSE),
            Ok(lock) => writing = Some(lock),
            Err(TryLockError::Poisoned(e)) => writing = Some(e.into_inner()),
        }
        if writing.is_some() {
            break;
        }
    }
    if TAKEN.swap(false, Ordering::SeqCst) {
        // The terminal may be gone.
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}
