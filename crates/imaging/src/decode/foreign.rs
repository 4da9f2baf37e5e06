//! Well-known files that are not decoded, so that each is called by its name.

/// What a file is that is not decoded, and what to do.
pub fn name_of(bytes: &[u8]) -> Option<String> {
    let known = signature(bytes).or_else(|| boxes(bytes)).or_else(|| text(bytes))?;
    Some(match known {
        Known::Image(name) => format!("{name} images are not read: save it as JPEG, PNG or TIFF"),
        Known::Other(line) => line.to_string(),
    })
}

enum Known {
    Image(&'static str),
    Other(&'static str),
}

/// First bytes, and what they begin.
const IMAGES: [(&[u8], &str); 24] = [
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\xd8\xff\xf7", "JPEG-LS"),
    (b"8BPS", "Photoshop (PSD)"),
    (b"\0\0\x01\0", "ICO"),
    (b"\0\0\x02\0", "CUR"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"farbfeld", "farbfeld"),
    (b"gimp xcf", "GIMP (XCF)"),
    (b"FUJIFILMCCD-RAW", "camera raw"),
    (b"FOVb", "camera raw"),
    (b"IIRO", "camera raw"),
    (b"IIRS", "camera raw"),
    (b"IIU\0", "camera raw"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"SIMPLE  =", "FITS"),
    (b"icns", "ICNS"),
    (b"\x01\xda", "SGI"),
];

const OTHERS: [(&[u8], &str); 12] = [
    (b"%PDF", "a PDF document, not an image: save its page as PNG or JPEG"),
    (b"%!PS", "a PostScript file, not an image: save its page as PNG or JPEG"),
    (b"PK\x03\x04", "a ZIP archive, not an image: unpack it"),
    (b"\x1f\x8b", "a gzip file, not an image: unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive, not an image: unpack it"),
    (b"Rar!", "a RAR archive, not an image: unpack it"),
    (b"BZh", "a bzip2 file, not an image: unpack it"),
    (b"\xfd7zXZ\0", "an xz file, not an image: unpack it"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file, not an image: unpack it"),
    (b"\x93NUMPY", "a NumPy array, not an image"),
    (b"\x89HDF", "an HDF5 file, not an image"),
    (
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer, not the image itself: fetch it with 'git lfs pull'",
    ),
];

fn signature(bytes: &[u8]) -> Option<Known> {
    let begins = |start: &[u8]| bytes.starts_with(start);
    if let Some((_, name)) = IMAGES.iter().find(|(start, _)| begins(start)) {
        return Some(Known::Image(name));
    }
    if let Some((_, line)) = OTHERS.iter().find(|(start, _)| begins(start)) {
        return Some(Known::Other(line));
    }
    // DICOM has 128 bytes of anything before its name.
    let dicom = bytes.get(128..132) == Some(b"DICM");
    let video = (begins(b"RIFF") && bytes.get(8..12) == Some(b"AVI ")) || begins(b"\x1a\x45\xdf\xa3");
    match () {
        _ if dicom => Some(Known::Image("DICOM")),
        _ if video => Some(Known::Other("a video, not an image: save frames of it as PNG or JPEG")),
        _ => None,
    }
}

/// Files of the ISO base media format: their brands tell images from videos.
fn boxes(bytes: &[u8]) -> Option<Known> {
    if bytes.get(4..8) != Some(b"ftyp") {
        return None;
    }
    let length = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    let brands = bytes.get(8..bytes.len().min(length.clamp(12, 256)))?;
    let has = |wanted: &[&[u8]]| brands.chunks_exact(4).any(|b| wanted.contains(&b));
    Some(if has(&[b"avif", b"avis"]) {
        Known::Image("AVIF")
    } else if has(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"]) {
        Known::Image("HEIC")
    } else if has(&[b"mif1", b"msf1"]) {
        Known::Image("HEIF")
    } else if has(&[b"crx "]) {
        Known::Image("camera raw")
    } else {
        Known::Other("a video, not an image: save frames of it as PNG or JPEG")
    })
}

fn text(bytes: &[u8]) -> Option<Known> {
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = start[..start.len().min(1024)].trim_ascii_start();
    if !start.starts_with(b"<") {
        return None;
    }
    let start = String::from_utf8_lossy(start).to_lowercase();
    if start.contains("<svg") {
        return Some(Known::Image("SVG"));
    }
    let html = ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| start.contains(tag));
    html.then_some(Known::Other("a web page, not an image: the download failed or needs a login; fetch it again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_called_by_its_name() {
        let heic = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic";
        let avif = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf";
        for (bytes, name) in [
            (&heic[..], "HEIC images are not read: save it as JPEG, PNG or TIFF"),
            (avif, "AVIF"),
            (b"\0\0\0\x10ftypcrx \0\0\0\x01", "camera raw"),
            (b"\0\0\0\x18ftypisom\0\0\x02\0isomavc1", "a video"),
            (b"\xff\x0a\xfa", "JPEG XL"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
            (b"8BPS\0\x01", "Photoshop"),
            (b"\0\0\x01\0\x01\0", "ICO"),
            (b"%PDF-1.7", "a PDF document"),
            (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
            (b"\xef\xbb\xbf  <!DOCTYPE HTML><html></html>", "a web page"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
            (b"PK\x03\x04\x14", "a ZIP archive"),
        ] {
            let line = name_of(bytes).unwrap();
            assert!(line.contains(name) && line.lines().count() == 1, "{line}");
        }
        for other in [&b""[..], b"<", b"hello", b"<note>hi</note>", b"\xff", b"BM", b"P6\n1 1\n255\nabc"] {
            assert!(name_of(other).is_none(), "{other:?}");
        }
    }
}
