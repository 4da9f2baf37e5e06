//! The bytes as a safetensors file, and as the header of one, whose length is right.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use striate_formats::safetensors;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("fuzz.safetensors");
    let _ = safetensors::from_bytes(bytes, path);
    let header = bytes.iter().rposition(|&b| b == b'}').map_or(bytes.len(), |end| end + 1);
    let _ = safetensors::from_bytes(&[&(header as u64).to_le_bytes(), bytes].concat(), path);
});
