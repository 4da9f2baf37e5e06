//! Writing a state dict in PyTorch's zip form.

use crate::atomic::write_atomic;
use crate::error::FormatError;
use crate::pickle::Writer;
use crate::values::to_le_bytes;
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;
use striate_tensor::{DType, Tensor};
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime};

/// Where storages begin, in bytes, so that PyTorch can map them into memory.
const ALIGNMENT: u16 = 64;

/// Writes a PyTorch file with [`write_atomic`], which `torch.load(path, weights_only=True)` reads as a state dict.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<(), FormatError> {
    write_atomic(path, &to_bytes(tensors))
}

/// The bytes of a PyTorch file. The same tensors give the same bytes.
pub fn to_bytes(tensors: &BTreeMap<String, Tensor>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut zip = ZipWriter::new(Cursor::new(&mut bytes));
    let mut entry = |name: &str, content: &[u8]| {
        // The date is left at the format's first day, so that equal contents make equal files.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .with_alignment(ALIGNMENT)
            .large_file(content.len() as u64 >= u32::MAX as u64);
        zip.start_file(format!("archive/{name}"), options).expect("memory takes all that is written");
        zip.write_all(content).expect("memory takes all that is written");
    };
    entry("data.pkl", &pickle(tensors));
    entry("byteorder", b"little");
    for (index, tensor) in tensors.values().enumerate() {
        entry(&format!("data/{index}"), &to_le_bytes(tensor));
    }
    entry("version", b"3\n");
    zip.finish().expect("memory takes all that is written");
    bytes
}

fn pickle(tensors: &BTreeMap<String, Tensor>) -> Vec<u8> {
    let mut pickle = Writer::new();
    pickle.empty_ordered_dict();
    pickle.mark();
    for (index, (name, tensor)) in tensors.iter().enumerate() {
        pickle.text(name);
        pickle.name("torch._utils", "_rebuild_tensor_v2");
        pickle.mark();
        storage(&mut pickle, index, tensor);
        pickle.number(0);
        pickle.numbers(tensor.shape());
        pickle.numbers(&row_major(tensor.shape()));
        // No gradient, no hooks.
        pickle.no();
        pickle.empty_ordered_dict();
        pickle.tuple();
        pickle.call();
    }
    pickle.set_items();
    pickle.finish()
}

fn storage(pickle: &mut Writer, index: usize, tensor: &Tensor) {
    let class = match tensor.dtype() {
        DType::F32 => "FloatStorage",
        DType::F64 => "DoubleStorage",
        DType::F16 => "HalfStorage",
        DType::BF16 => "BFloat16Storage",
        DType::I64 => "LongStorage",
        DType::I32 => "IntStorage",
        DType::I8 => "CharStorage",
        DType::U8 => "ByteStorage",
        DType::Bool => "BoolStorage",
    };
    pickle.mark();
    pickle.text("storage");
    pickle.name("torch", class);
    pickle.text(&index.to_string());
    pickle.text("cpu");
    pickle.number(tensor.numel());
    pickle.tuple();
    pickle.persistent();
}

fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for dim in (1..shape.len()).rev() {
        strides[dim - 1] = strides[dim] * shape[dim].max(1);
    }
    strides
}
