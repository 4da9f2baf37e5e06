//! A decoder that panics is an image that cannot be read, and nothing else.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether this thread is decoding, so that a panic of it is told by its result alone.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// What `decode` gives, or a line if it panics. Messages of other panics, and of other threads, are printed as ever.
pub fn guarded<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            // A thread that ends has no such variable any more, and decodes nothing.
            if !QUIET.try_with(Cell::get).unwrap_or(false) {
                before(info);
            }
        }));
    });
    let outer = QUIET.replace(true);
    // Whatever the decoder was building is dropped with it.
    let outcome = catch_unwind(AssertUnwindSafe(decode));
    QUIET.set(outer);
    outcome.unwrap_or_else(|_| {
        Err("its decoder failed: the file is damaged or of a rare kind; save it anew as PNG".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_next_one_is_told() {
        let line = guarded::<()>(|| panic!("index out of bounds")).unwrap_err();
        assert!(line.contains("its decoder failed") && line.lines().count() == 1);
        assert_eq!(guarded(|| Ok(3)), Ok(3));
        assert!(!QUIET.get());
        assert!(guarded(|| guarded::<()>(|| panic!()).or(Ok(()))).is_ok());
    }
}
