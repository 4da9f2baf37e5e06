//! Writing to the terminal, and failing in one line.

use std::fmt::Display;
use std::io::{self, Write};

/// Why a command ends early.
#[derive(Debug)]
pub enum Failure {
    /// Nobody reads what is written any more.
    BrokenPipe,
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

/// Writes `text` and a line's end to standard output.
pub fn say(text: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|e| match e.kind() {
        io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
        _ => Failure::Message(format!("cannot write to standard output: {e}")),
    })
}

/// Writes several lines to standard error.
pub fn show(screen: &str) {
    let _ = writeln!(io::stderr(), "error: {screen}");
}

/// Writes one line to standard error.
pub fn complain(message: &str) {
    let line = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let _ = writeln!(io::stderr(), "error: {line}");
}

/// Writes one line to standard error about something that works, but is hardly meant.
pub fn note(message: &str) {
    let _ = writeln!(io::stderr(), "note: {message}");
}

/// The program as it was called, to be typed again in what it suggests.
pub fn program() -> String {
    std::env::args().next().filter(|p| !p.is_empty()).unwrap_or_else(|| "striate".into())
}

/// `1234567` as `1,234,567`.
pub fn thousands(n: impl Display) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// `1×28×28` of `[1, 28, 28]`
pub fn by(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}

#[cfg(test)]
mod tests {
    #[test]
    fn long_numbers_are_grouped() {
        for (n, text) in [(0u64, "0"), (999, "999"), (1000, "1,000"), (1_199_882, "1,199,882")] {
            assert_eq!(super::thousands(n), text);
        }
    }
}
