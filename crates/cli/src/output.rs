//! Writing to the terminal, and failing in one line.

use serde::Serialize;
use std::fmt::{Display, Write as _};
use std::io::{self, Write};
use std::path::Path;
pub use striate::data::images::{plural, thousands};
pub use striate::imaging::shown;
pub use striate::train::sinks::json_path;

/// Why a command ends early.
#[derive(Debug)]
pub enum Failure {
    /// Nobody reads what is written any more.
    BrokenPipe,
    /// The terminal was closed.
    TerminalClosed,
    /// What to tell the user, in one line.
    Message(String),
    /// What to tell and show the user, in several lines.
    Screen(String),
}

impl<E: Display> From<E> for Failure {
    fn from(e: E) -> Self {
        Failure::Message(e.to_string())
    }
}

/// Writes `text` and a line's end to standard output. Names in it are to be [`shown`].
pub fn say(text: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|e| match e.kind() {
        io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
        _ if is_of_a_closed_terminal(&e) => Failure::TerminalClosed,
        _ => Failure::Message(format!("cannot write to standard output: {e}")),
    })
}

/// Whether writing to standard output failed because its terminal was closed. Then it is none any more, but still a device.
#[cfg(unix)]
fn is_of_a_closed_terminal(e: &io::Error) -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileTypeExt;
    /// "Input/output error", on every Unix.
    const EIO: i32 = 5;
    let kind = || std::fs::File::from(io::stdout().as_fd().try_clone_to_owned().ok()?).metadata().ok();
    e.raw_os_error() == Some(EIO) && kind().is_some_and(|kind| kind.file_type().is_char_device())
}

#[cfg(not(unix))]
fn is_of_a_closed_terminal(_: &io::Error) -> bool {
    false
}

/// Whether something was written, where it is no failure that nobody reads it any more.
pub fn or_unread(said: Result<(), Failure>) -> Result<(), Failure> {
    match said {
        Err(Failure::BrokenPipe | Failure::TerminalClosed) => Ok(()),
        said => said,
    }
}

/// Writes a value as a line of JSON to standard output.
pub fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    say(serde_json::to_string(value)?)
}

/// Writes several lines to standard error.
pub fn show(screen: &str) {
    let lines: Vec<String> = screen.split('\n').map(shown).collect();
    let _ = writeln!(io::stderr(), "error: {}", lines.join("\n"));
}

/// Writes one line to standard error.
pub fn print_error(message: &str) {
    let line = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let _ = writeln!(io::stderr(), "error: {}", shown(&line));
}

/// Writes one line to standard error about something that works, but is hardly meant.
pub fn note(message: &str) {
    let _ = writeln!(io::stderr(), "note: {}", shown(message));
}

/// The program as it was called, to be typed again in what it suggests.
pub fn program() -> String {
    let called = std::env::args_os().next().filter(|p| !p.is_empty());
    called.map_or_else(|| "striate".into(), |called| quoted(Path::new(&called)))
}

/// A path as [`shown`].
pub fn shown_path(path: &Path) -> String {
    shown(path)
}

/// A path as a shell takes it, whatever is in it.
pub fn quoted(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let plain = |c: char| c.is_alphanumeric() || "_@%+=:,./-".contains(c);
    match path.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(plain) && !text.starts_with('-') => text.to_string(),
        Some(text) if cfg!(windows) => {
            if text.chars().all(|c| plain(c) || c == '\\') {
                text.to_string()
            } else {
                format!("\"{text}\"")
            }
        }
        // What begins with a dash would be an option.
        Some(text) if text.starts_with('-') => quoted(&Path::new(".").join(text)),
        Some(text) if shown(text) == text => format!("'{}'", text.replace('\'', r"'\''")),
        _ => {
            let mut out = String::from("$'");
            for &byte in bytes {
                match byte {
                    b'\'' | b'\\' => out.extend(['\\', byte as char]),
                    b' '..=b'~' => out.push(byte as char),
                    _ => _ = write!(out, "\\x{byte:02x}"),
                }
            }
            out + "'"
        }
    }
}

/// `98.32%`; `–` where there is no number.
pub fn percent(x: impl Into<Option<f64>>) -> String {
    x.into().map_or("–".into(), |x| format!("{:.2}%", 100.0 * x))
}

/// `1 image`, `1,000 images`
pub fn count_of(n: usize, noun: &str) -> String {
    format!("{} {}", thousands(n), plural(n, noun))
}

/// `1×28×28` of `[1, 28, 28]`
pub fn by(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_grouped() {
        for (n, text) in [(0u64, "0"), (999, "999"), (1000, "1,000"), (1_199_882, "1,199,882")] {
            assert_eq!(thousands(n), text);
        }
        assert_eq!([percent(0.98316), percent(None)], ["98.32%", "–"]);
        assert_eq!((count_of(1, "image"), count_of(1000, "image")), ("1 image".into(), "1,000 images".into()));
    }

    #[cfg(unix)]
    #[test]
    fn paths_are_quoted_whatever_they_are() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let path = |bytes: &'static [u8]| Path::new(OsStr::from_bytes(bytes));
        for (bytes, text) in [
            (&b"run/model.safetensors"[..], "run/model.safetensors"),
            (b"my run", "'my run'"),
            (b"it's", r"'it'\''s'"),
            (b"~/x", "'~/x'"),
            (b"a*b$c", "'a*b$c'"),
            ("été".as_bytes(), "été"),
            (b"-x", "./-x"),
            (b"- x", "'./- x'"),
            (b"", "''"),
            (b"caf\xe9", r"$'caf\xe9'"),
            (b"a\nb'\\", r"$'a\x0ab\'\\'"),
        ] {
            assert_eq!(quoted(path(bytes)), text);
        }
    }

    /// The shell itself gives back the very bytes.
    #[cfg(unix)]
    #[test]
    fn a_shell_reads_what_is_quoted() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        use std::process::Command;
        for bytes in [&b"my 'run'\\"[..], b"caf\xe9 \x1b[1m0", b"a\nb$(c)`d`!", "猫 \u{202e}".as_bytes()] {
            let line = format!("printf %s {}", quoted(Path::new(OsStr::from_bytes(bytes))));
            let Ok(output) = Command::new("bash").args(["-c", &line]).output() else { return };
            assert_eq!(output.stdout, bytes, "{line}");
        }
    }
}
