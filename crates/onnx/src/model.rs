//! ONNX files, read and written.

use crate::error::{Fault, OnnxError, one_line};
use crate::export::PREPARED;
use crate::import::captured;
use crate::network::{Port, port};
use crate::proto::tensor_proto::DataLocation;
use crate::proto::{GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto, ValueInfoProto};
use crate::tensor::{check_bytes, tensor_proto};
use bytes::Bytes;
use prost::Message;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};
use striate_formats::{FormatError, write_atomic, write_atomic_with};
use striate_tensor::Tensor;

/// The most bytes of elements inside a file: a protobuf message has less than 2 GiB.
const INSIDE: usize = (1 << 31) - (1 << 24);
/// Elements in another file begin at multiples of this.
const ALIGNMENT: usize = 64;
/// Tensors of fewer bytes stay inside.
const SMALL: usize = 1024;
/// The first version of the file's structure whose initializers are not all listed as inputs.
const FIRST_WITH_DEFAULTS: i64 = 4;

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
        let failed = |path: &Path, e: FormatError| OnnxError::File { path: path.into(), reason: e.to_string() };
        let write = |model: &ModelProto| write_atomic(path, &model.encode_to_vec()).map_err(|e| failed(path, e));
        let tensors = || self.0.graph.iter().flat_map(|g| &g.initializer);
        if tensors().map(bytes).sum::<usize>() <= inside {
            return write(&self.0);
        }
        let mut name = path.file_name().map(OsString::from).unwrap_or_default();
        name.push(".data");
        let Some(location) = name.to_str().map(str::to_string) else {
            let reason = "its name must be UTF-8, for its tensors lie in a second file".into();
            return Err(OnnxError::File { path: path.into(), reason });
        };
        // The elements themselves are shared, and go from there to the file.
        let mut model = self.0.clone();
        let (mut parts, mut end) = (Vec::new(), 0usize);
        for t in model.graph.iter_mut().flat_map(|g| &mut g.initializer) {
            let Some(raw) = t.raw_data.take_if(|raw| raw.len() >= SMALL) else { continue };
            let offset = end.next_multiple_of(ALIGNMENT);
            let entry = |key: &str, value: String| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
            t.data_location = Some(DataLocation::External as i32);
            t.external_data = vec![
                entry("location", location.clone()),
                entry("offset", offset.to_string()),
                entry("length", raw.len().to_string()),
            ];
            parts.push((offset - end, raw.clone()));
            end = offset + raw.len();
        }
        let data = path.with_file_name(&name);
        let fill = |file: &mut fs::File| {
            parts.iter().try_for_each(|(gap, raw)| {
                file.write_all(&[0; ALIGNMENT][..*gap])?;
                file.write_all(raw)
            })
        };
        write_atomic_with(&data, fill).map_err(|e| failed(&data, e))?;
        write(&model)
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

    /// Its inputs that have a default: an initializer of their name. Before version 4 of the file's structure all weights were listed as inputs, too, and none is
    /// one.
    ///
    /// # Errors
    /// If one is no tensor of a type that is supported.
    pub fn optional_inputs(&self, path: &Path) -> Result<Vec<Port>, OnnxError> {
        let Some(graph) = self.0.graph.as_ref().filter(|_| self.0.ir_version() >= FIRST_WITH_DEFAULTS) else {
            return Ok(Vec::new());
        };
        let stored: HashSet<&str> = graph.initializer.iter().map(|t| t.name()).collect();
        let with_default = graph.input.iter().filter(|info| stored.contains(info.name()));
        let bad = |info: &ValueInfoProto, e| {
            let reason = one_line(&format!("input '{}': {e}", info.name()));
            OnnxError::File { path: path.into(), reason }
        };
        with_default.map(|info| port(info).map_err(|e| bad(info, e))).collect()
    }

    /// Gives an input that has a default ([`Model::optional_inputs`]) another value.
    ///
    /// # Panics
    /// If it has no such input.
    pub fn set_input(&mut self, name: &str, value: &Tensor) {
        let stored = self.0.graph.iter_mut().flat_map(|g| &mut g.initializer).find(|t| t.name() == name);
        *stored.unwrap_or_else(|| panic!("Model::set_input: no input '{name}' has a default")) =
            tensor_proto(name, value);
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

    /// Takes the elements of a tensor out of the file that they lie in, if they lie in another one.
    pub fn load(&self, t: &mut TensorProto) -> Result<(), Fault> {
        if t.data_location == Some(DataLocation::External as i32) {
            t.raw_data = Some(self.bytes(t)?);
            t.data_location = None;
        }
        Ok(())
    }

    /// As [`External::load`], of the tensors in a node's attributes and in its own graphs.
    pub fn load_node(&self, node: &mut NodeProto) -> Result<(), Fault> {
        for a in &mut node.attribute {
            a.t.iter_mut().chain(&mut a.tensors).try_for_each(|t| self.load(t))?;
            for graph in a.g.iter_mut().chain(&mut a.graphs) {
                for t in &mut graph.initializer {
                    self.load(t).map_err(|e| Fault::new(format!("tensor '{}' in it: {e}", t.name())))?;
                }
                for node in &mut graph.node {
                    let name = node.output.first().cloned().unwrap_or_default();
                    self.load_node(node).map_err(|e| Fault::new(format!("node '{name}' in it: {e}")))?;
                }
            }
        }
        Ok(())
    }

    /// The elements of a tensor that lie in another file.
    fn bytes(&self, t: &TensorProto) -> Result<Bytes, Fault> {
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
        check_bytes(length, t)?;
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
    use crate::proto::{AttributeProto, FunctionProto};
    use crate::test_models::{graph_attribute, int, model, node, with};
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

    /// A model of x + w, where w lies in `w.bin`: as a constant, in the branches of a condition, in a function.
    fn with_constant_elsewhere(place: &str, location: &str) -> Model {
        let entry =
            |key: &str, value: &str| StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) };
        let mut w = tensor_proto("w", &Tensor::zeros([3], DType::F32));
        w.raw_data = None;
        w.data_location = Some(DataLocation::External as i32);
        w.external_data = vec![entry("location", location), entry("offset", "4")];
        let value = AttributeProto { name: Some("value".into()), t: Some(w.clone()), ..Default::default() };
        let constant = with(node("Constant", &[], &["w"]), value);
        let add = node("Add", &["x", "w"], &["y"]);
        match place {
            "constant" => model(Vec::new(), vec![constant, add]),
            "function" => {
                let f = FunctionProto {
                    name: Some("f".into()),
                    domain: Some("own".into()),
                    input: vec!["x".into()],
                    output: vec!["y".into()],
                    node: vec![constant, add],
                    ..Default::default()
                };
                let call = NodeProto { domain: Some("own".into()), ..node("f", &["x"], &["y"]) };
                model(vec![f], vec![call])
            }
            _ => {
                let yes = with(node("Constant", &[], &["yes"]), int("value_int", 1));
                let mut branch = graph_attribute("then_branch", vec![node("Add", &["x", "w"], &["z"])], "z");
                match place {
                    "initializer of a branch" => branch.g.as_mut().unwrap().initializer.push(w),
                    _ => branch.g.as_mut().unwrap().node.insert(0, constant),
                }
                let other = AttributeProto { name: Some("else_branch".into()), ..branch.clone() };
                model(Vec::new(), vec![yes, with(with(node("If", &["yes"], &["y"]), branch), other)])
            }
        }
    }

    #[test]
    fn constants_and_inner_graphs_may_lie_in_other_files() {
        let dir = tempfile::tempdir().unwrap();
        let numbers: Vec<u8> = [9f32, 1.0, 2.0, 3.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        fs::write(dir.path().join("w.bin"), numbers).unwrap();
        let path = dir.path().join("m.onnx");
        for place in ["constant", "function", "initializer of a branch", "constant of a branch"] {
            let read = |location: &str| Network::of_model(with_constant_elsewhere(place, location), &path);
            let y = read("w.bin").unwrap().forward(Tensor::ones([3], DType::F32), &Pass::eval());
            assert_eq!(y.to_vec::<f32>(), [2.0, 3.0, 4.0], "{place}");
            for (location, said) in [("../w.bin", "outside"), ("/etc/hostname", "outside"), ("v.bin", "cannot be read")]
            {
                let e = read(location).map(|_| ()).unwrap_err().to_string();
                assert!(e.contains("m.onnx: node") && e.contains(said), "{place}: {e}");
            }
            fs::write(dir.path().join("v.bin"), [0; 12]).unwrap();
            let e = read("v.bin").map(|_| ()).unwrap_err().to_string();
            assert!(e.contains("8 bytes for shape [3]"), "{place}: {e}");
            fs::remove_file(dir.path().join("v.bin")).unwrap();
        }
    }
}
