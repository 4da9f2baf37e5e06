//! Signals: the first asks a training to stop, the second ends the program. SIGHUP only asks, for a terminal that is closed may send several: its shell's, and its own. One
//! that was ignored when the program started, as after `nohup`, stays ignored.

use crate::output::Failure;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// What shells add to the number of a signal that has ended a process.
const BASE: i32 = 128;

/// The number of the first signal; 0 before.
static FIRST: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// What ends the process at a second signal.
static SECOND: Mutex<Vec<SigId>> = Mutex::new(Vec::new());

/// A flag that the first signal sets; a second one ends the process at once.
///
/// It needs no thread. Where a handler cannot be set, the signal ends the process, as it does by itself.
pub fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let first = FIRST.get_or_init(Arc::default);
    for signal in taken() {
        // In this order: the first signal finds the flag unset, and sets it.
        if ends(signal) {
            let second = flag::register_conditional_shutdown(signal, BASE + signal, stop.clone())?;
            SECOND.lock().unwrap_or_else(|e| e.into_inner()).push(second);
        }
        flag::register_usize(signal, first.clone(), signal as usize)?;
        flag::register(signal, stop.clone())?;
    }
    Ok(stop)
}

/// Lets a second signal no longer end the process, which has a terminal to give back first; every such signal sets the flag that this gives.
pub fn take_second() -> Arc<AtomicBool> {
    let again = Arc::new(AtomicBool::new(false));
    for signal in taken().into_iter().filter(|signal| ends(*signal)) {
        // Where a handler cannot be set, the second signal keeps its meaning.
        if flag::register(signal, again.clone()).is_err() {
            return again;
        }
    }
    for second in SECOND.lock().unwrap_or_else(|e| e.into_inner()).drain(..) {
        low_level::unregister(second);
    }
    again
}

/// The exit code of a process that the signal has stopped: 130 after Ctrl-C.
pub fn exit_code() -> u8 {
    let signal = FIRST.get().map_or(0, |first| first.load(Ordering::Relaxed));
    (BASE as usize + if signal == 0 { SIGINT as usize } else { signal }) as u8
}

/// The exit code of a process whose terminal was closed: that of the signal that comes with it.
pub fn hangup_code() -> u8 {
    match FIRST.get().map_or(0, |first| first.load(Ordering::Relaxed)) {
        0 => (BASE + HANGUP) as u8,
        _ => exit_code(),
    }
}

/// The number of SIGHUP, on every Unix.
const HANGUP: i32 = 1;

/// Whether a signal ends the process if it is the second.
fn ends(signal: i32) -> bool {
    signal != HANGUP
}

/// The signals that ask a training to stop.
#[cfg(unix)]
fn taken() -> Vec<i32> {
    use signal_hook::consts::SIGHUP;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match ignored(&status) {
        Some(mask) => [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| mask >> (signal - 1) & 1 == 0).collect(),
        // Nothing tells whether SIGHUP is ignored, so it keeps its meaning.
        None => vec![SIGINT, SIGTERM],
    }
}

#[cfg(not(unix))]
fn taken() -> Vec<i32> {
    vec![SIGINT, SIGTERM]
}

/// The mask of ignored signals in Linux's `/proc/self/status`.
#[cfg(unix)]
fn ignored(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_mask_is_read_from_the_status() {
        let status = "Name:\tcat\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t00000000ffffffff\n";
        assert_eq!(ignored(status), Some(0x1001));
        assert_eq!((ignored(""), ignored("SigIgn:\tnone\n")), (None, None));
    }
}
