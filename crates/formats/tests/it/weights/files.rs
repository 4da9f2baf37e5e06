//! Weight files made by hand.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use striate_formats::{FormatError, Weights, pth};
use striate_tensor::{DType, Tensor, bf16, f16};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights").join(name)
}

/// A zip archive with these entries, stored as they are.
pub fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with(entries, CompressionMethod::Stored)
}

pub fn zip_with(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut zip = ZipWriter::new(Cursor::new(&mut bytes));
    for (name, content) in entries {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
    bytes
}

/// The zip form with this pickle and the storages 0, 1, ….
pub fn archive(pickle: &[u8], storages: &[&[u8]]) -> Vec<u8> {
    let names: Vec<String> = (0..storages.len()).map(|i| format!("a/data/{i}")).collect();
    let mut entries = vec![("a/data.pkl", pickle), ("a/version", b"3\n")];
    entries.extend(names.iter().map(String::as_str).zip(storages.iter().copied()));
    zip_of(&entries)
}

/// The legacy form with this pickle and storages.
pub fn legacy(pickle: &[u8], storages: &[(&str, u64, &[u8])]) -> Vec<u8> {
    let mut bytes = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.".to_vec();
    bytes.extend(pickle);
    bytes.extend(b"\x80\x02](");
    for (key, ..) in storages {
        bytes.extend(text(key));
    }
    bytes.extend(b"e.");
    for (_, numel, content) in storages {
        bytes.extend(numel.to_le_bytes());
        bytes.extend(*content);
    }
    bytes
}

pub fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

pub fn number(number: i64) -> Vec<u8> {
    [b"\x8a\x08", &number.to_le_bytes()[..]].concat()
}

fn numbers(numbers: &[i64]) -> Vec<u8> {
    [b"(".to_vec(), numbers.iter().flat_map(|&n| number(n)).collect(), b"t".to_vec()].concat()
}

/// A tensor of `torch.<class>` over the storage `key`, as a pickle has it.
pub fn tensor(class: &str, key: &str, numel: i64, offset: i64, sizes: &[i64], strides: &[i64]) -> Vec<u8> {
    view(class, key, numel, b"", offset, sizes, strides)
}

/// As [`tensor`], with what the legacy form says of a view.
pub fn view(class: &str, key: &str, numel: i64, part: &[u8], offset: i64, sizes: &[i64], strides: &[i64]) -> Vec<u8> {
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        format!("ctorch\n{class}\n").into_bytes(),
        text(key),
        text("cpu"),
        number(numel),
        part.to_vec(),
        b"tQ".to_vec(),
        number(offset),
        numbers(sizes),
        numbers(strides),
        b"\x89ccollections\nOrderedDict\n)RtR".to_vec(),
    ]
    .concat()
}

/// The pickle of a dictionary of these pickled values.
pub fn dict(entries: &[(&str, &[u8])]) -> Vec<u8> {
    [&b"\x80\x02"[..], &inner_dict(entries), b"."].concat()
}

/// A dictionary inside a pickle.
pub fn inner_dict(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let pairs: Vec<u8> = entries.iter().flat_map(|(key, value)| [&text(key)[..], value].concat()).collect();
    [&b"}("[..], &pairs, b"u"].concat()
}

/// The pickle of a state dict whose tensor `w` is of `f32` over storage 0.
pub fn one(numel: i64, offset: i64, sizes: &[i64], strides: &[i64]) -> Vec<u8> {
    dict(&[("w", &tensor("FloatStorage", "0", numel, offset, sizes, strides))])
}

/// The bytes of the numbers 0, 1, ….
pub fn floats(count: usize) -> Vec<u8> {
    (0..count).flat_map(|i| (i as f32).to_le_bytes()).collect()
}

pub fn read(bytes: &[u8]) -> Result<Weights, FormatError> {
    pth::from_bytes(bytes, Path::new("some.pth"))
}

/// The line that says why the bytes are refused.
pub fn refusal(bytes: &[u8]) -> String {
    match read(bytes) {
        Ok(weights) => panic!("accepted, with {} tensors", weights.tensors.len()),
        Err(error) => {
            let line = error.to_string();
            assert!(line.contains("some.pth") && !line.contains('\n') && line.len() < 400, "{line}");
            line
        }
    }
}

/// A tensor's type, shape and elements, so that equal ones are equal.
pub type Bits = (DType, Vec<usize>, Vec<u64>);

pub fn bits(tensor: &Tensor) -> Bits {
    let elements = match tensor.dtype() {
        DType::F32 => tensor.to_vec::<f32>().into_iter().map(|x| x.to_bits() as u64).collect(),
        DType::F64 => tensor.to_vec::<f64>().into_iter().map(f64::to_bits).collect(),
        DType::F16 => tensor.to_vec::<f16>().into_iter().map(|x| x.to_bits() as u64).collect(),
        DType::BF16 => tensor.to_vec::<bf16>().into_iter().map(|x| x.to_bits() as u64).collect(),
        DType::I64 => tensor.to_vec::<i64>().into_iter().map(|x| x as u64).collect(),
        DType::I32 => tensor.to_vec::<i32>().into_iter().map(|x| x as u64).collect(),
        DType::I8 => tensor.to_vec::<i8>().into_iter().map(|x| x as u64).collect(),
        DType::U8 => tensor.to_vec::<u8>().into_iter().map(u64::from).collect(),
        DType::Bool => tensor.to_vec::<bool>().into_iter().map(u64::from).collect(),
    };
    (tensor.dtype(), tensor.shape().to_vec(), elements)
}
