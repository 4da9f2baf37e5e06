//! The bytes as a PyTorch file, and as the pickle of one, which the checksums of an archive would keep from being changed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use striate_formats::pth;

/// What a legacy file begins with: the magic number, the protocol, nothing about the machine.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.}.";

fuzz_target!(|bytes: &[u8]| {
    let _ = pth::from_bytes(bytes, Path::new("fuzz.pth"));
    let _ = pth::from_bytes(&[LEGACY, bytes].concat(), Path::new("fuzz.pth"));
});
