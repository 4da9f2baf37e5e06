//! The message of a panic that a test expects.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether this thread is expected to panic, so that nothing is printed.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// What `f` panics with. The panic hook belongs to the whole process, so it is set once and stays; panics of other tests are printed.
pub fn message<R>(f: impl FnOnce() -> R) -> String {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !EXPECTED.try_with(Cell::get).unwrap_or(false) {
                before(info);
            }
        }));
    });
    EXPECTED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(f));
    EXPECTED.set(false);
    let payload = outcome.err().expect("it must panic");
    payload.downcast_ref::<String>().cloned().or_else(|| payload.downcast_ref::<&str>().map(|s| s.to_string())).unwrap()
}
