//! Names of files and classes, as messages show them.

use std::ffi::OsStr;
use std::fmt::Write;

/// A name for the terminal or a page: control characters, invisible ones, those that change the direction of text, and bytes that are not
/// UTF-8 are escaped (`\n`, `\x1b`, `\u{202e}`, `\xe9`). Everything else stays as it is.
pub fn shown(name: impl AsRef<OsStr>) -> String {
    let mut out = String::new();
    for chunk in name.as_ref().as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            let _ = match c {
                '\n' => out.write_str("\\n"),
                '\r' => out.write_str("\\r"),
                '\t' => out.write_str("\\t"),
                c if c.is_control() && c.is_ascii() => write!(out, "\\x{:02x}", c as u32),
                c if c.is_control() || is_misleading(c) => write!(out, "\\u{{{:x}}}", c as u32),
                c => out.write_char(c),
            };
        }
        hex(&mut out, chunk.invalid());
    }
    out
}

fn hex(out: &mut String, bytes: &[u8]) {
    bytes.iter().for_each(|b| out.push_str(&format!("\\x{b:02x}")));
}

/// Whether a character is not seen, or changes how others are.
pub fn is_misleading(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_moves_the_cursor_or_hides() {
        for (name, text) in [
            ("größe 3 猫", "größe 3 猫"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("\u{1b}[31mred\u{7f}", "\\x1b[31mred\\x7f"),
            ("\u{85}\u{202e}gpj.exe\u{feff}\u{200b}", "\\u{85}\\u{202e}gpj.exe\\u{feff}\\u{200b}"),
            ("back\\slash", "back\\slash"),
            ("👩\u{200d}🚀", "👩\u{200d}🚀"),
        ] {
            assert_eq!(shown(name), text);
        }
        #[cfg(unix)]
        assert_eq!(shown(std::os::unix::ffi::OsStrExt::from_bytes(b"caf\xe9.png") as &OsStr), "caf\\xe9.png");
    }
}
