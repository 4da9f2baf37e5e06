//! ONNX files, read and written.

use crate::error::{Fault, OnnxError};
use crate::proto::tensor_proto::DataLocation;
use crate::proto::{ModelProto, StringStringEntryProto, TensorProto};
use bytes::Bytes;
use prost::Message;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};
use striate_formats::write_atomic;

/// The most bytes of elements inside a file: a protobuf message has less than 2 GiB.
const INSIDE: usize = (1 << 31) - (1 << 24);
/// Elements in another file begin at multiples of this.
const ALIGNMENT: usize = 64;
/// Tensors of fewer bytes stay inside.
const SMALL: usize = 1024;

/// An ONNX model.
#[derive(Clone, Debug)]
pub struct Model(pub(crate) ModelProto);

impl Model {
    /// Writes the file. Where its tensors are too large for one message, their elements lie beside it, in a file of the same name with `.data` after it.
    ///
    /// # Errors
    /// If a file cannot be written. What was there before stays, then.
    pub fn write(&self, path: &Path) -> Result<(), OnnxError> {
        self.write_limited(path, INSIDE)
    }

    /// As [`Model::write`], with at most `inside` bytes of elements in the file itself.
    pub(crate) fn write_limited(&self, path: &Path, inside: usize) -> Result<(), OnnxError> {
        let bytes = |t: &TensorProto| t.raw_data.as_ref().map_or(0, Bytes::len);
        let tensors = || self.0.graph.iter().flat_map(|g| &g.initializer);
        let write = |path: &Path, bytes: &[u8]| {
            write_atomic(path, bytes).map_err(|e| OnnxError::File { path: path.into(), reason: e.to_string() })
        };
        if tensors().map(bytes).sum::<usize>() <= inside {
            return write(path, &self.0.encode_to_vec());
        }
        let mut name = path.file_name().map(OsString::from).unwrap_or_default();
        name.push(".data");
        let Some(location) = name.to_str().map(str::to_string) else {
            let reason = "its name must be UTF-8, for its tensors lie in a second file".into();
            return Err(OnnxError::File { path: path.into(), reason });
        };
        let mut model = self.0.clone();
        let mut data = Vec::with_capacity(tensors().map(|t| bytes(t).next_multiple_of(ALIGNMENT)).sum());
        for t in model.graph.iter_mut().flat_map(|g| &mut g.initializer) {
            let Some(raw) = t.raw_data.take_if(|raw| raw.len() >= SMALL) else { continue };
            data.resize(data.len().next_multiple_of(ALIGNMENT), 0);
            let entry = |key: &str, value: String| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
            t.data_location = Some(DataLocation::External as i32);
            t.external_data = vec![
                entry("location", location.clone()),
                entry("offset", data.len().to_string()),
                entry("length", raw.len().to_string()),
            ];
            data.extend_from_slice(&raw);
        }
        write(&path.with_file_name(&name), &data)?;
        write(path, &model.encode_to_vec())
    }

    /// Reads a file's structure. Elements of tensors that lie in other files are read when they are wanted.
    ///
    /// # Errors
    /// If the file cannot be read or is no ONNX model.
    pub fn read(path: &Path) -> Result<Model, OnnxError> {
        let bytes = fs::read(path).map_err(|cause| OnnxError::Io { path: path.into(), cause })?;
        let bad = |reason: String| OnnxError::File { path: path.into(), reason };
        let model = ModelProto::decode(Bytes::from(bytes)).map_err(|e| bad(format!("not an ONNX file: {e}")))?;
        match model.graph {
            Some(_) => Ok(Model(model)),
            None => Err(bad("not an ONNX file: it holds no graph".into())),
        }
    }

    /// A text that goes with the model.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.0.metadata_props.iter().find(|e| e.key() == key).map(|e| e.value())
    }
}

/// Elements that lie in other files of a folder.
pub(crate) struct External {
    folder: PathBuf,
    files: std::cell::RefCell<HashMap<PathBuf, Bytes>>,
}

impl External {
    /// Of the model at `path`.
    pub fn beside(path: &Path) -> External {
        External { folder: path.parent().map(Path::to_path_buf).unwrap_or_default(), files: Default::default() }
    }

    /// The elements of a tensor.
    pub fn bytes(&self, t: &TensorProto) -> Result<Bytes, Fault> {
        let get = |key: &str| t.external_data.iter().find(|e| e.key() == key).map(|e| e.value());
        let number = |key: &str| {
            let parse =
                |text: &str| text.parse::<usize>().map_err(|_| Fault::new(format!("its {key} '{text}' is no number")));
            get(key).map(parse).transpose()
        };
        let location = Path::new(get("location").ok_or_else(|| Fault::new("it says nowhere where its elements lie"))?);
        if location.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(Fault::new(format!(
                "its elements lie outside of the model's folder, in {}",
                location.display()
            )));
        }
        let file = self.read(location)?;
        let offset = number("offset")?.unwrap_or(0);
        let length = number("length")?.unwrap_or(file.len().saturating_sub(offset));
        match offset.checked_add(length).filter(|&end| end <= file.len()) {
            Some(end) => Ok(file.slice(offset..end)),
            None => Err(Fault::new(format!(
                "its {length} bytes at {offset} are not in {}, which has {}",
                location.display(),
                file.len()
            ))),
        }
    }

    fn read(&self, location: &Path) -> Result<Bytes, Fault> {
        let path = self.folder.join(location);
        if let Some(bytes) = self.files.borrow().get(&path) {
            return Ok(bytes.clone());
        }
        let bytes =
            fs::read(&path).map_err(|e| Fault::new(format!("its elements cannot be read: {}: {e}", path.display())))?;
        let bytes = Bytes::from(bytes);
        self.files.borrow_mut().insert(path, bytes.clone());
        Ok(bytes)
    }
}
