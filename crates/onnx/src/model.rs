//! ONNX files, read and written.

use crate::error::{Fault, OnnxError};
use crate::export::PREPARED;
use crate::import::captured;
use crate::proto::tensor_proto::DataLocation;
use crate::proto::{GraphProto, ModelProto, StringStringEntryProto, TensorProto};
use bytes::Bytes;
use prost::Message;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
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
        Model::from_bytes(bytes, path)
    }

    /// The bytes of a file; `path` is what errors call it.
    ///
    /// # Errors
    /// If they are no ONNX model.
    pub fn from_bytes(bytes: impl Into<Bytes>, path: &Path) -> Result<Model, OnnxError> {
        let bad = |reason: String| OnnxError::File { path: path.into(), reason };
        let model = ModelProto::decode(bytes.into()).map_err(|e| bad(format!("not an ONNX file: {e}")))?;
        match model.graph {
            Some(_) => Ok(Model(model)),
            None => Err(bad("not an ONNX file: it holds no graph".into())),
        }
    }

    /// Of a model that prepares images itself ([`crate::ExportOptions::images`]): the part that prepares them, and the network that takes the result. None of
    /// another one.
    pub fn split_at_prepared(&self) -> Option<[Model; 2]> {
        let prepared = self.metadata(PREPARED)?;
        let graph = self.0.graph.as_ref()?;
        let port = graph.value_info.iter().find(|info| info.name() == prepared)?;
        let before = GraphProto { output: vec![port.clone()], ..graph.clone() };
        let after = GraphProto { input: vec![port.clone()], ..graph.clone() };
        Some([before, after].map(|part| Model(ModelProto { graph: Some(needed(part)), ..self.0.clone() })))
    }

    /// The model with its first output alone, without the nodes that are for others, and the names of those.
    pub fn with_first_output(mut self) -> (Model, Vec<String>) {
        let Some(mut graph) = self.0.graph.take() else { return (self, Vec::new()) };
        let others = graph.output.split_off(graph.output.len().min(1));
        let others: Vec<String> = others.iter().map(|info| info.name().to_string()).collect();
        self.0.graph = Some(if others.is_empty() { graph } else { needed(graph) });
        (self, others)
    }

    /// A text that goes with the model.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.0.metadata_props.iter().find(|e| e.key() == key).map(|e| e.value())
    }
}

/// A graph without the nodes that its outputs do not need, where its inputs are given.
fn needed(mut graph: GraphProto) -> GraphProto {
    let given: HashSet<String> = graph.input.iter().map(|info| info.name().to_string()).collect();
    let mut read: HashSet<String> = graph.output.iter().map(|info| info.name().to_string()).collect();
    let mut kept = Vec::new();
    for node in graph.node.into_iter().rev() {
        if node.output.iter().any(|name| read.contains(name) && !given.contains(name)) {
            read.extend(node.input.iter().cloned());
            read.extend(captured(&node).into_iter().map(str::to_string));
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
    graph.initializer.retain(|tensor| read.contains(tensor.name()));
    graph
}

/// Elements that lie in other files of a folder.
pub(crate) struct External {
    folder: PathBuf,
}

impl External {
    /// Of the model at `path`.
    pub fn beside(path: &Path) -> External {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        External { folder: folder.unwrap_or(Path::new(".")).to_path_buf() }
    }

    /// The elements of a tensor.
    pub fn bytes(&self, t: &TensorProto) -> Result<Bytes, Fault> {
        let get = |key: &str| t.external_data.iter().find(|e| e.key() == key).map(|e| e.value());
        let number = |key: &str| {
            let parse =
                |text: &str| text.parse::<u64>().map_err(|_| Fault::new(format!("its {key} '{text}' is no number")));
            get(key).map(parse).transpose()
        };
        let location = Path::new(get("location").ok_or_else(|| Fault::new("it says nowhere where its elements lie"))?);
        let path = self.inside(location)?;
        let failed = |e: std::io::Error| Fault::new(format!("its elements cannot be read: {}: {e}", path.display()));
        let mut file = fs::File::open(&path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let offset = number("offset")?.unwrap_or(0);
        let length = number("length")?.unwrap_or(size.saturating_sub(offset));
        if offset.checked_add(length).is_none_or(|end| end > size) {
            let place = location.display();
            return Err(Fault::new(format!("its {length} bytes at {offset} are not in {place}, which has {size}")));
        }
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let mut bytes = vec![0; length as usize];
        file.read_exact(&mut bytes).map_err(failed)?;
        Ok(Bytes::from(bytes))
    }

    /// The path of a file in the folder: neither its name nor a link may lead out of it.
    fn inside(&self, location: &Path) -> Result<PathBuf, Fault> {
        let outside =
            || Fault::new(format!("its elements lie outside of the model's folder, in {}", location.display()));
        if location.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(outside());
        }
        let path = self.folder.join(location);
        let real = |path: &Path| {
            let failed = |e| Fault::new(format!("its elements cannot be read: {}: {e}", path.display()));
            path.canonicalize().map_err(failed)
        };
        if real(&path)?.starts_with(real(&self.folder)?) { Ok(path) } else { Err(outside()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Network;
    use crate::export::ExportOptions;
    use striate_graph::capture;
    use striate_nn::{Forward, Linear, Pass};
    use striate_tensor::{DType, Generator, Tensor};

    /// A model whose weight lies in a second file.
    fn written(folder: &Path) -> Linear {
        let net = Linear::new(40, 20, &mut Generator::new(0));
        let model = Model::of_graph(&capture(&net, &[1, 40]), &ExportOptions::default()).unwrap();
        model.write_limited(&folder.join("m.onnx"), 1000).unwrap();
        net
    }

    #[test]
    fn large_tensors_lie_beside_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let net = written(dir.path());
        assert_eq!(fs::metadata(dir.path().join("m.onnx.data")).unwrap().len(), 40 * 20 * 4);
        let read = Network::read(&dir.path().join("m.onnx")).unwrap();
        let x = Tensor::randn([3, 40], DType::F32, &mut Generator::new(1));
        let (want, got) = (net.forward(x.clone(), &Pass::eval()), read.forward(x, &Pass::eval()));
        assert_eq!(want.to_vec::<f32>(), got.to_vec::<f32>());
    }

    #[test]
    fn tensors_in_other_files_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path());
        let (file, data) = (dir.path().join("m.onnx"), dir.path().join("m.onnx.data"));
        let good = Model::read(&file).unwrap();
        let refused = |key: &str, value: &str, words: &[&str]| {
            let mut model = good.clone();
            let tensors = model.0.graph.as_mut().unwrap().initializer.iter_mut();
            let entries = tensors.flat_map(|t| &mut t.external_data).filter(|e| e.key() == key);
            entries.for_each(|e| e.value = Some(value.into()));
            let e = Network::of_model(model, &file).map(|_| ()).unwrap_err().to_string();
            assert!(words.iter().all(|word| e.contains(word)), "{e}");
        };
        refused("offset", "1", &["m.onnx: tensor 'weight'", "3200 bytes at 1", "which has 3200"]);
        refused("offset", "-1", &["'-1' is no number"]);
        refused("length", "18446744073709551615", &["are not in"]);
        refused("length", "16", &["16 bytes for shape [20, 40]"]);
        refused("location", "../m.onnx.data", &["outside"]);
        refused("location", "/etc/hostname", &["outside"]);
        refused("location", "nowhere", &["cannot be read"]);
        #[cfg(unix)]
        {
            let other = tempfile::NamedTempFile::new().unwrap();
            std::os::unix::fs::symlink(other.path(), dir.path().join("link")).unwrap();
            refused("location", "link", &["outside"]);
        }
        fs::remove_file(data).unwrap();
        let e = Network::read(&file).map(|_| ()).unwrap_err().to_string();
        assert!(e.contains("m.onnx.data") && e.contains("tensor 'weight'"), "{e}");
    }
}
