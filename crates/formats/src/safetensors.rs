//! safetensors files: named tensors with text metadata, as of <https://huggingface.co/docs/safetensors>.

use crate::atomic::write_atomic;
use crate::elements::{self, Flat, Kind};
use crate::error::{FormatError, read_file};
use crate::names::shown;
use crate::unreadable::Unreadable;
use crate::values::{check_shape, to_le_bytes};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use striate_tensor::{DType, Tensor};

/// The largest header that the format allows.
const HEADER_LIMIT: u64 = 100_000_000;
const METADATA: &str = "__metadata__";

/// What a safetensors file holds.
#[derive(Clone)]
pub struct Contents {
    /// The tensors with their names, in the order of the file. Integers of a type that no tensor has (I16, U16, U32) have become [`DType::I64`].
    pub tensors: Vec<(String, Tensor)>,
    /// The texts that go with them.
    pub metadata: BTreeMap<String, String>,
}

/// Reads a safetensors file, one tensor after another.
///
/// # Errors
/// If the file cannot be read, is not a safetensors file, is cut short or damaged, or holds a tensor of a type that is not supported.
pub fn read(path: &Path) -> Result<Contents, FormatError> {
    // How much a pipe holds is known once it has been read.
    if !path.is_file() {
        return from_bytes(&read_file(path)?, path);
    }
    let failed = |source| FormatError::Read { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    whole(readable(file, length, path)?, path)
}

/// Reads the bytes of a safetensors file; `path` is what errors call it.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Contents, FormatError> {
    whole(readable(bytes, bytes.len() as u64, path)?, path)
}

fn whole((contents, unreadable): (Contents, Vec<Unreadable>), path: &Path) -> Result<Contents, FormatError> {
    match unreadable.into_iter().next() {
        Some(odd) => Err(odd.error(path)),
        None => Ok(contents),
    }
}

/// What can be read of a safetensors file of `length` bytes, and the tensors that are of other types.
pub(crate) fn readable(
    mut file: impl Read,
    length: u64,
    path: &Path,
) -> Result<(Contents, Vec<Unreadable>), FormatError> {
    let not_this =
        |reason: String| FormatError::NotThisFormat { path: path.to_path_buf(), format: "safetensors", reason };
    let mut next = |bytes: &mut Vec<u8>, size: u64| {
        bytes.clear();
        bytes.reserve_exact(size as usize);
        let read = file.by_ref().take(size).read_to_end(bytes);
        read.map_err(|source| FormatError::Read { path: path.to_path_buf(), source })
    };
    let mut bytes = Vec::new();
    next(&mut bytes, 8)?;
    let Some(size) = bytes.first_chunk::<8>() else {
        return Err(not_this(format!("it has only {} bytes", bytes.len())));
    };
    let size = u64::from_le_bytes(*size);
    // Any header begins with a brace: what does not is of another kind, and its "size" means nothing.
    next(&mut bytes, 1)?;
    match bytes.first() {
        Some(b'{') => {}
        Some(_) => return Err(not_this("it does not begin with a header".into())),
        None => return Err(FormatError::truncated(path, size.saturating_add(8), length)),
    }
    if size > HEADER_LIMIT {
        return Err(FormatError::HeaderTooLarge { path: path.to_path_buf(), bytes: size, limit: HEADER_LIMIT });
    }
    let start = 8 + size;
    if start > length {
        return Err(FormatError::truncated(path, start, length));
    }
    next(&mut bytes, size.saturating_sub(1))?;
    bytes.insert(0, b'{');
    // It checks that the tensors lie one after another, each as long as its shape and type need.
    let header: Metadata = serde_json::from_slice(&bytes).map_err(|e| FormatError::damaged(path, e))?;
    let end = start.saturating_add(header.data_len() as u64);
    if end > length {
        return Err(FormatError::truncated(path, end, length));
    }
    if end < length {
        return Err(FormatError::damaged(path, format!("{} bytes after its last tensor", length - end)));
    }
    let (mut tensors, mut unreadable) = (Vec::new(), Vec::new());
    for name in header.offset_keys() {
        let info = header.info(&name).expect("a name of the header");
        let (begin, end) = info.data_offsets;
        let got = next(&mut bytes, (end - begin) as u64)?;
        if got < end - begin {
            return Err(FormatError::truncated(path, start + end as u64, start + (begin + got) as u64));
        }
        match tensor(path, &name, info, &bytes)? {
            Some(tensor) => tensors.push((name, tensor)),
            None => {
                let (shape, dtype) = (Some(info.shape.clone()), format!("{:?}", info.dtype));
                unreadable.push(Unreadable { name, dtype, shape });
            }
        }
    }
    let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    Ok((Contents { tensors, metadata }, unreadable))
}

/// The tensor of these bytes; `None` if no tensor can hold its type.
fn tensor(path: &Path, name: &str, info: &TensorInfo, bytes: &[u8]) -> Result<Option<Tensor>, FormatError> {
    let kind = match info.dtype {
        Dtype::F64 => Kind::F64,
        Dtype::F32 => Kind::F32,
        Dtype::F16 => Kind::F16,
        Dtype::BF16 => Kind::BF16,
        Dtype::I64 => Kind::I64,
        Dtype::I32 => Kind::I32,
        Dtype::I16 => Kind::I16,
        Dtype::I8 => Kind::I8,
        Dtype::U32 => Kind::U32,
        Dtype::U16 => Kind::U16,
        Dtype::U8 => Kind::U8,
        Dtype::BOOL => Kind::Bool,
        _ => return Ok(None),
    };
    let sizes: Vec<u64> = info.shape.iter().map(|&size| size as u64).collect();
    let shape = check_shape(path, &shown(name), &sizes)?;
    Ok(elements::read(kind, Flat { bytes, shape: &shape, big_endian: false }))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain values have a JSON form")
}

/// Writes a safetensors file with [`write_atomic`].
///
/// # Errors
/// If the file cannot be written, or a tensor is named `__metadata__`, a name that the format keeps for itself.
pub fn write(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    metadata: &BTreeMap<String, String>,
) -> Result<(), FormatError> {
    if tensors.contains_key(METADATA) {
        return Err(FormatError::Name { path: path.to_path_buf(), name: METADATA.into() });
    }
    let mut bytes = Vec::new();
    write_to(&mut bytes, tensors, metadata).expect("a vector takes all that is written");
    write_atomic(path, &bytes)
}

/// Writes the bytes of a safetensors file. The same tensors and metadata give the same bytes.
///
/// Wider types come first, so that every tensor is aligned; within a type the order is that of the names.
///
/// # Errors
/// If `out` does not take the bytes.
///
/// # Panics
/// If a tensor is named `__metadata__`.
pub fn write_to(
    mut out: impl Write,
    tensors: &BTreeMap<String, Tensor>,
    metadata: &BTreeMap<String, String>,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Entry {
        dtype: &'static str,
        shape: Vec<usize>,
        data_offsets: [usize; 2],
    }
    assert!(!tensors.contains_key(METADATA), "write_to: a tensor may not be named '{METADATA}'");
    let mut order: Vec<(&String, &Tensor)> = tensors.iter().collect();
    order.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.dtype().size()));
    // The crate's writer takes the metadata as a hash map, whose order changes from run to run.
    let mut header = String::from("{");
    if !metadata.is_empty() {
        header += &format!("\"{METADATA}\":{},", json(metadata));
    }
    let mut end = 0;
    for &(name, tensor) in &order {
        let dtype = match tensor.dtype() {
            DType::F32 => "F32",
            DType::F64 => "F64",
            DType::F16 => "F16",
            DType::BF16 => "BF16",
            DType::I64 => "I64",
            DType::I32 => "I32",
            DType::I8 => "I8",
            DType::U8 => "U8",
            DType::Bool => "BOOL",
        };
        let start = end;
        end += tensor.numel() * tensor.dtype().size();
        let entry = Entry { dtype, shape: tensor.shape().to_vec(), data_offsets: [start, end] };
        header += &format!("{}:{},", json(name), json(&entry));
    }
    if header.ends_with(',') {
        header.pop();
    }
    header.push('}');
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    for (_, tensor) in order {
        out.write_all(&to_le_bytes(tensor))?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::{bf16, f16};

    fn sample() -> (BTreeMap<String, Tensor>, BTreeMap<String, String>) {
        let image: Vec<f32> = (0..2 * 3 * 2 * 5).map(|i| i as f32 - 7.5).collect();
        let tensors = [
            ("conv.weight", Tensor::from_vec(image, [2, 3, 2, 5])),
            ("odd", Tensor::from_vec(vec![f32::NAN, f32::INFINITY, -0.0], [3])),
            ("long", Tensor::from_vec(vec![i64::MIN, i64::MAX], [2, 1])),
            ("double", Tensor::from_vec(vec![std::f64::consts::PI], [])),
            ("bytes", Tensor::from_vec(vec![0u8, 255, 7], [3])),
            ("empty", Tensor::from_vec(Vec::<f32>::new(), [0, 3])),
            ("half", Tensor::from_vec(vec![f16::MIN_POSITIVE_SUBNORMAL, f16::NAN, f16::MAX], [1, 3])),
            ("brain", Tensor::from_vec(vec![bf16::NEG_INFINITY], [])),
            ("int", Tensor::from_vec(vec![i32::MIN, 7, i32::MAX], [3, 1, 1])),
            ("quantized", Tensor::from_vec(vec![i8::MIN, -1, i8::MAX, 0, 5], [5])),
            ("mask", Tensor::from_vec(vec![true, false, true], [3])),
            ("no mask", Tensor::from_vec(Vec::<bool>::new(), [2, 0])),
        ];
        let metadata = [("b", "two\n\"quoted\""), ("a", "é"), ("c", "")];
        (
            tensors.into_iter().map(|(n, t)| (n.to_string(), t)).collect(),
            metadata.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        )
    }

    fn bytes_of(tensors: &BTreeMap<String, Tensor>, metadata: &BTreeMap<String, String>) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_to(&mut bytes, tensors, metadata).unwrap();
        bytes
    }

    fn refused(bytes: &[u8]) -> FormatError {
        match from_bytes(bytes, Path::new("some.safetensors")) {
            Ok(_) => panic!("accepted {} bytes", bytes.len()),
            Err(e) => {
                assert!(e.to_string().contains("some.safetensors"), "{e}");
                e
            }
        }
    }

    /// A file with this header and that many bytes of data.
    fn with_header(header: &str, data: usize) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let (tensors, metadata) = sample();
        write(&path, &tensors, &metadata).unwrap();
        let back = read(&path).unwrap();
        assert_eq!(back.metadata, metadata);
        let order: Vec<&str> = back.tensors.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(order[..2], ["double", "long"], "eight-byte types come first");
        assert_eq!(back.tensors.len(), tensors.len());
        for (name, tensor) in &back.tensors {
            let was = &tensors[name];
            assert_eq!((was.shape(), was.dtype()), (tensor.shape(), tensor.dtype()), "{name}");
            assert_eq!(to_le_bytes(was), to_le_bytes(tensor), "{name}");
        }
    }

    #[test]
    fn the_same_contents_give_the_same_bytes_and_the_crate_reads_them() {
        let (tensors, metadata) = sample();
        let bytes = bytes_of(&tensors, &metadata);
        assert_eq!(bytes, bytes_of(&sample().0, &sample().1));
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.tensor("conv.weight").unwrap().shape(), [2, 3, 2, 5]);
        assert_eq!(file.tensor("conv.weight").unwrap().data()[..4], (-7.5f32).to_le_bytes());
        let none = bytes_of(&BTreeMap::new(), &BTreeMap::new());
        assert!(from_bytes(&none, Path::new("x")).unwrap().tensors.is_empty());
    }

    #[test]
    fn every_length_that_is_too_short_is_refused() {
        let (tensors, metadata) = sample();
        let bytes = bytes_of(&tensors, &metadata);
        for length in 0..bytes.len() {
            refused(&bytes[..length]);
        }
        assert!(matches!(refused(&bytes[..bytes.len() - 1]), FormatError::Truncated { .. }));
        assert!(matches!(refused(&[&bytes[..], b"x"].concat()), FormatError::Damaged { .. }));
    }

    #[test]
    fn a_file_that_becomes_shorter_while_it_is_read_is_refused() {
        let (tensors, metadata) = sample();
        let bytes = bytes_of(&tensors, &metadata);
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for length in 0..bytes.len() {
            let error = readable(&bytes[..length], bytes.len() as u64, Path::new("x")).err().expect("it is refused");
            if length >= 8 + header {
                assert!(
                    matches!(error, FormatError::Truncated { got, .. } if got == length as u64),
                    "{length}: {error}"
                );
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (tensors, metadata) = sample();
        let bytes = bytes_of(&tensors, &metadata);
        for read_it in [
            |path: &Path| read(path).map(|c| c.tensors.len()),
            |path: &Path| crate::read_weights(path).map(|w| w.tensors.len()),
        ] {
            let writer = std::thread::spawn({
                let (pipe, bytes) = (pipe.clone(), bytes.clone());
                move || std::fs::write(pipe, bytes).unwrap()
            });
            assert_eq!(read_it(&pipe).unwrap(), tensors.len());
            writer.join().unwrap();
        }
    }

    #[test]
    fn every_changed_byte_of_the_header_is_survived() {
        let (tensors, metadata) = sample();
        let bytes = bytes_of(&tensors, &metadata);
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for at in 0..8 + header {
            for value in [0, b'0', b'9', b'"', b'{', 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                let _ = from_bytes(&changed, Path::new("x"));
            }
        }
    }

    #[test]
    fn lies_are_refused() {
        assert!(matches!(refused(b"PK\x03\x04 something else"), FormatError::NotThisFormat { .. }));
        assert!(matches!(refused(b""), FormatError::NotThisFormat { .. }));
        let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
        assert!(matches!(refused(&huge), FormatError::HeaderTooLarge { .. }));
        let long = [&1000u64.to_le_bytes()[..], b"{}"].concat();
        assert!(matches!(refused(&long), FormatError::Truncated { need: 1008, got: 10, .. }));
        for header in [
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
            r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
            r#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,18446744073709551615]}}"#,
            r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}"#,
            r#"{"a":{"dtype":"F32","shape":[0,9223372036854775808,4],"data_offsets":[0,0]}}"#,
            r#"{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}}"#,
            r#"{"a":"#,
            r#"{"a":1}"#,
            &format!("{{\"a\":{}", "[".repeat(100_000)),
        ] {
            refused(&with_header(header, 8));
        }
    }

    #[test]
    fn a_type_that_is_not_supported_is_named() {
        for (dtype, bytes) in [("C64", 16), ("F8_E4M3", 2), ("F8_E5M2", 2), ("U64", 16)] {
            let header = format!(r#"{{"w":{{"dtype":"{dtype}","shape":[2],"data_offsets":[0,{bytes}]}}}}"#);
            let line = refused(&with_header(&header, bytes)).to_string();
            assert!(line.contains("'w'") && line.contains(dtype) && line.contains("bfloat16"), "{line}");
        }
    }

    #[test]
    fn integers_and_truth_values_lose_nothing() {
        let entries = [
            ("I16", 2, &[0x00, 0x80][..], -32768),
            ("U32", 4, &[0xff; 4], u32::MAX as i64),
            ("U16", 2, &[0xff; 2], u16::MAX as i64),
            ("I64", 8, &[0xff; 8], -1),
        ];
        for (dtype, size, bytes, value) in entries {
            let header = format!(r#"{{"n":{{"dtype":"{dtype}","shape":[1],"data_offsets":[0,{size}]}}}}"#);
            let file = [&with_header(&header, 0)[..], bytes].concat();
            let contents = from_bytes(&file, Path::new("x")).unwrap();
            assert_eq!(contents.tensors[0].1.to_vec::<i64>(), [value], "{dtype}");
        }
        let header = r#"{"n":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}"#;
        let contents = from_bytes(&[&with_header(header, 0)[..], &[0, 1, 1]].concat(), Path::new("x")).unwrap();
        assert_eq!(contents.tensors[0].1.to_vec::<bool>(), [false, true, true]);
        let contents = from_bytes(&[&with_header(header, 0)[..], &[0, 2, 255]].concat(), Path::new("x")).unwrap();
        assert_eq!(contents.tensors[0].1.to_vec::<bool>(), [false, true, true], "any byte but 0 is true");
        let header = r#"{"n":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},"q":{"dtype":"I8","shape":[2],"data_offsets":[4,6]}}"#;
        let file = [&with_header(header, 0)[..], &[0xfe, 0xff, 0xff, 0xff, 0x80, 0x7f]].concat();
        let tensors = from_bytes(&file, Path::new("x")).unwrap().tensors;
        assert_eq!((tensors[0].1.to_vec::<i32>(), tensors[1].1.to_vec::<i8>()), (vec![-2], vec![-128, 127]));
    }

    #[test]
    fn half_precision_stays_as_it_is() {
        let header = r#"{"h":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[2,4]}}"#;
        let mut bytes = with_header(header, 0);
        bytes.extend([0x00, 0x3e, 0xc0, 0x3f]);
        let contents = from_bytes(&bytes, Path::new("x")).unwrap();
        assert_eq!(contents.tensors[0].1.to_vec::<f16>(), [f16::from_f32(1.5)]);
        assert_eq!(contents.tensors[1].1.to_vec::<bf16>(), [bf16::from_f32(1.5)]);
    }

    #[test]
    fn a_missing_file_and_a_reserved_name() {
        let line = read(Path::new("nowhere.safetensors")).err().unwrap().to_string();
        assert!(line.starts_with("cannot read nowhere.safetensors: "), "{line}");
        let tensors = BTreeMap::from([(METADATA.to_string(), Tensor::from_vec(vec![1u8], [1]))]);
        assert!(matches!(write(Path::new("x"), &tensors, &BTreeMap::new()), Err(FormatError::Name { .. })));
    }
}
