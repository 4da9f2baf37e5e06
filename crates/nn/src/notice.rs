//! Notes to whoever runs a program: things that work, but are hardly meant.

use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

type Listener = Box<dyn Fn(&str) + Send + Sync>;

static LISTENER: RwLock<Option<Listener>> = RwLock::new(None);

/// Hands every later note to `listener`, one line each. Without a listener they go to standard error.
pub fn listen(listener: impl Fn(&str) + Send + Sync + 'static) {
    *LISTENER.write().unwrap_or_else(|e| e.into_inner()) = Some(Box::new(listener));
}

/// Gives a note, unless `said` tells that it has been given in this process.
pub(crate) fn once(said: &AtomicBool, note: &str) {
    if said.swap(true, Ordering::Relaxed) {
        return;
    }
    match &*LISTENER.read().unwrap_or_else(|e| e.into_inner()) {
        Some(listener) => listener(note),
        None => eprintln!("note: {note}"),
    }
}
