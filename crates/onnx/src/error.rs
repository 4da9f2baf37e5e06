//! What can be wrong with an ONNX file.

use crate::proto::NodeProto;
use std::fmt;
use std::path::{Path, PathBuf};
use striate_formats::shown;

/// What is wrong in one place, without the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault(String);

impl Fault {
    pub fn new(message: impl Into<String>) -> Fault {
        Fault(message.into())
    }

    /// In one line: names from files may hold anything.
    pub fn line(&self) -> String {
        one_line(&self.0)
    }
}

pub(crate) fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { c.escape_debug().collect::<String>() } else { c.to_string() };
    text.chars().map(plain).collect()
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Fault(message)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why an ONNX file cannot be written, read or run.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// An op of the network has no form in ONNX.
    #[error("ONNX has no form of {node} ({op}): {reason}")]
    NotExported {
        /// The node's result.
        node: String,
        /// The op's name.
        op: &'static str,
        /// What stands in the way.
        reason: String,
    },
    /// The version of ONNX's operators is not one that is written.
    #[error("opset {0} is not supported: choose one from {min} to {max}", min = crate::MIN_OPSET, max = crate::MAX_OPSET)]
    Opset(i64),
    /// The version has no resizing with antialiasing.
    #[error("opset {0} cannot resize with antialiasing, which images of any size need: choose one from {min} to {max}", min = crate::MIN_RAW_OPSET, max = crate::MAX_OPSET)]
    RawOpset(i64),
    /// The file cannot be read or written.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The file is no ONNX file, or damaged.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A node cannot be run.
    #[error("{}: node '{node}' ({op_type}): {reason}", path.display())]
    Node {
        /// The file.
        path: PathBuf,
        /// The node's name, or that of its first result.
        node: String,
        /// Its operator.
        op_type: String,
        /// What stands in the way.
        reason: String,
    },
}

impl OnnxError {
    /// What makes an error of a fault of this node.
    pub(crate) fn at_node(path: &Path, node: &NodeProto) -> impl FnOnce(Fault) -> OnnxError + use<> {
        let name = Some(node.name()).filter(|name| !name.is_empty());
        let name = name.or(node.output.first().map(String::as_str)).unwrap_or("?");
        let (path, node, op_type) = (path.to_path_buf(), shown(name), shown(node.op_type()));
        |fault| OnnxError::Node { path, node, op_type, reason: fault.line() }
    }
}
