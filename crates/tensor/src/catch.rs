//! Panics as errors, where what fails is not the caller's fault.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is not printed.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// What `run` gives, or the message with which it panics, which is not printed. Panics outside of it, and of other threads, are printed as ever.
pub fn catch_panic<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            // A thread that ends has no such variable any more, and attempts nothing.
            if !QUIET.try_with(Cell::get).unwrap_or(false) {
                before(info);
            }
        }));
    });
    let outer = QUIET.replace(true);
    // Whatever `run` was writing down is dropped with it.
    let outcome = catch_unwind(AssertUnwindSafe(run));
    QUIET.set(outer);
    outcome.map_err(|payload| message(&*payload))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    text.unwrap_or("it panics").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_its_message_and_the_next_one_is_printed() {
        assert_eq!(catch_panic(|| panic!("index {}", 3)).map(|()| 0), Err("index 3".into()));
        assert_eq!(catch_panic(|| panic!("plain")).map(|()| 0), Err("plain".into()));
        assert_eq!(catch_panic(|| 3), Ok(3));
        assert_eq!(catch_panic(|| catch_panic(|| panic!("inner")).map(|()| 0)), Ok(Err("inner".into())));
        assert!(!QUIET.get());
    }
}
