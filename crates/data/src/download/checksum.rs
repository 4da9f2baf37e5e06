//! SHA-256 of files, compared with the digits that are known.

use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Adds all that `source` has to a checksum, and counts it.
pub(super) fn absorb(hash: &mut Sha256, mut source: impl Read) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 18];
    let mut n = 0;
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(n),
            Ok(read) => {
                hash.update(&buffer[..read]);
                n += read as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// The first hexadecimal digits of a checksum, as many as `expected` has.
pub(super) fn digits(hash: Sha256, expected: &str) -> String {
    let mut text = String::new();
    for byte in hash.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text.truncate(expected.len());
    text
}

/// Whether the file at `path` is there and what it should be.
pub(super) fn holds(path: &Path, expected: &str) -> io::Result<bool> {
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    let mut hash = Sha256::new();
    absorb(&mut hash, file)?;
    Ok(digits(hash, expected) == expected)
}
