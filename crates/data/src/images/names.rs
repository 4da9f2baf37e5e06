//! Names of files and classes as text: shown to people, and written so that they can be read back.

use std::ffi::{OsStr, OsString};
use std::fmt::{Display, Write};
use std::path::{Component, MAIN_SEPARATOR, Path, PathBuf};
use striate_imaging::{is_misleading, shown};

/// How many names a line gives.
const SHOWN: usize = 3;

/// The first `most` names, shown, and how many more there are.
pub fn listed<S: AsRef<OsStr>>(names: &[S], most: usize) -> String {
    let mut line = names.iter().take(most).map(shown).collect::<Vec<_>>().join(", ");
    if names.len() > most {
        let _ = write!(line, " and {} more", names.len() - most);
    }
    line
}

/// The first few names, shown, and how many more there are.
pub fn some<S: AsRef<OsStr>>(names: &[S]) -> String {
    listed(names, SHOWN)
}

/// `1 image`, `2 images`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {}", plural(n, noun))
}

/// `1234567` as `1,234,567`.
pub fn thousands(n: impl Display) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `image` of 1, `images` of others; `class` and `classes`.
pub fn plural(n: usize, noun: &str) -> String {
    match noun.ends_with("ss") {
        _ if n == 1 => noun.to_string(),
        true => format!("{noun}es"),
        false => format!("{noun}s"),
    }
}

/// A name as text. One that is not UTF-8 has its odd bytes as `\xe9`, and `\\` for a backslash.
pub fn text_of(name: &OsStr) -> String {
    name.to_str().map_or_else(|| escaped(name.as_encoded_bytes(), false), String::from)
}

/// What the text of a path begins with that is not UTF-8.
const BYTES: &str = "bytes:";

/// A path as text for a file of settings, whatever its bytes; [`text_path`] gives it back. One that is UTF-8 stays as it is.
pub fn path_text(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.starts_with(BYTES) => text.to_string(),
        _ => format!("{BYTES}{}", escaped(path.as_os_str().as_encoded_bytes(), false)),
    }
}

/// The path that [`path_text`] wrote.
pub fn text_path(text: &str) -> PathBuf {
    let bytes = text.strip_prefix(BYTES).and_then(unescaped);
    bytes.map_or_else(|| PathBuf::from(text), |bytes| PathBuf::from(os_string(bytes)))
}

/// The parts of a path with `/` between them, as text.
pub fn text_of_path(path: &Path) -> String {
    let plain: PathBuf = path.components().filter(|c| *c != Component::CurDir).collect();
    let text = text_of(plain.as_os_str());
    if MAIN_SEPARATOR == '/' { text } else { text.replace(MAIN_SEPARATOR, "/") }
}

fn hex(out: &mut String, bytes: &[u8]) {
    bytes.iter().for_each(|b| out.push_str(&format!("\\x{b:02x}")));
}

/// Bytes as text: `\\`, `\xe9`, and control characters as `\n`, `\x1b` if `control`. [`unescaped`] gives them back.
pub fn escaped(bytes: &[u8], control: bool) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' if control => out.push_str("\\n"),
                '\r' if control => out.push_str("\\r"),
                '\t' if control => out.push_str("\\t"),
                c if control && (c.is_control() || is_misleading(c)) => {
                    hex(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes())
                }
                c => out.push(c),
            }
        }
        hex(&mut out, chunk.invalid());
    }
    out
}

/// What [`escaped`] was given; `None` for what it never gives.
pub fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'x' => {
                    let digits = [bytes.next()?, bytes.next()?];
                    let digit = |d: u8| (d as char).to_digit(16);
                    (digit(digits[0])? * 16 + digit(digits[1])?) as u8
                }
                _ => return None,
            },
            byte => byte,
        });
    }
    Some(out)
}

/// The name of these bytes. Systems whose names are not bytes replace what they cannot hold.
pub fn os_string(bytes: Vec<u8>) -> OsString {
    #[cfg(unix)]
    return std::os::unix::ffi::OsStringExt::from_vec(bytes);
    #[cfg(not(unix))]
    return String::from_utf8_lossy(&bytes).into_owned().into();
}

/// What is left out of a list, by the reason.
#[derive(Default)]
pub struct LeftOut(Vec<(String, Vec<String>)>);

impl LeftOut {
    /// Counts `name`, left out because of `reason`, which stands after a count of files.
    pub fn add(&mut self, reason: &str, name: String) {
        match self.0.iter_mut().find(|(r, _)| r == reason) {
            Some((_, names)) => names.push(name),
            None => self.0.push((reason.to_string(), vec![name])),
        }
    }

    /// A line for each reason.
    pub fn notes(self) -> impl Iterator<Item = String> {
        self.0.into_iter().map(|(reason, names)| format!("left out, {reason} ({}): {}", names.len(), some(&names)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_cut_short_and_nouns_counted() {
        assert_eq!(some(&["a\n", "b", "c", "d", "e"]), "a\\n, b, c and 2 more");
        assert_eq!([count(1, "image"), count(2, "class"), count(0, "file")], ["1 image", "2 classes", "0 files"]);
    }

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).chain(*b"\\x41\\n\xc2\x85\xe2\x80\xae").collect();
        for control in [false, true] {
            let text = escaped(&all, control);
            assert_eq!(unescaped(&text), Some(all.clone()));
            assert_eq!(text.chars().any(char::is_control), !control);
        }
        for bad in ["\\", "\\x1", "\\xg0", "\\q", "a\\"] {
            assert_eq!(unescaped(bad), None, "{bad}");
        }
        assert_ne!(text_of(&os_string(b"\xe9".to_vec())), text_of(&os_string(b"\xe8".to_vec())));
    }
}
