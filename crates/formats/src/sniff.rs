//! What a file is, by its first bytes.

/// Whether the bytes begin as a zip archive, be it an empty one.
pub(crate) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// What a file is that is no weight file, where its first bytes tell.
pub(crate) fn stranger(bytes: &[u8]) -> Option<&'static str> {
    let start = bytes[..bytes.len().min(1024)].trim_ascii_start();
    let begins = |text: &str| start.get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text.as_bytes()));
    Some(match bytes {
        [] => "it is empty; download it again",
        _ if begins("<!doctype") || begins("<html") || begins("<head") => {
            "it is a web page, as a download that failed leaves it; download it again"
        }
        _ if begins("<?xml") => "it is an XML document, as a download that failed leaves it; download it again",
        _ if begins("version https://git-lfs") => {
            "it is a Git LFS pointer; get the file itself with 'git lfs pull', or download it"
        }
        [0x89, b'H', b'D', b'F', ..] => "it is an HDF5 file, as Keras writes it",
        [b'G', b'G', b'U', b'F', ..] => "it is a GGUF file",
        [0x1f, 0x8b, ..] => "it is compressed with gzip; unpack it first",
        [0x80, 2..=5, ..] => "it is a pickle that torch.save did not write; save it in Python with torch.save",
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => "it is an npy file, whose only array has no name; use npz",
        _ if begins("{") => "it is a JSON text",
        _ => return None,
    })
}
