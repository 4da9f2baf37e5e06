//! Pickles, read without running any of them.
//!
//! A pickle is a program for a stack machine. [`load`] runs the opcodes that build plain values; a name that a pickle wants to import
//! is looked up in a short list ([`globals`]) and means nothing but what that list says. What is not on the list is kept as its name
//! and what was put into it ([`Foreign`]), so that it can be left out or named. Values lie in one arena and refer to one
//! another by number, so that no nesting, sharing or cycle can use up memory or the call stack.

mod call;
mod foreign;
mod globals;
mod input;
mod machine;
mod write;

pub(crate) use foreign::{Foreign, Made};
pub(crate) use machine::load;
pub(crate) use write::Writer;

use crate::elements::Kind;
use crate::error::FormatError;
use crate::names::shown;
use globals::Global;
use std::borrow::Cow;
use std::ops::Index;
use std::path::Path;

/// A value's number in its [`Pickle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id(u32);

/// What a pickle can build here.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    None,
    Int(i64),
    /// An integer beyond 64 bits, as its little-endian bytes.
    Long(&'a [u8]),
    /// A truth value or a floating-point number, neither of which makes a tensor.
    Number,
    Text(&'a str),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Box<StorageRef<'a>>),
    Tensor(Box<TensorRef>),
    /// A tensor of a sort that has no elements in a storage of its own, by the name of that sort.
    OddTensor(&'a str),
    /// What only Python code could make.
    Foreign(Box<Foreign<'a>>),
    /// Something harmless that no weights are made of.
    Opaque,
}

/// A storage that a pickle refers to: a run of elements that lies elsewhere in the file.
#[derive(Clone, Debug)]
pub(crate) struct StorageRef<'a> {
    pub kind: Kind,
    pub key: &'a str,
    pub numel: u64,
    /// First element and number of elements of the part that is meant.
    pub view: Option<(u64, u64)>,
}

/// A tensor as a pickle describes it, unchecked.
#[derive(Debug)]
pub(crate) struct TensorRef {
    pub kind: Kind,
    pub storage: Id,
    /// In elements, as the strides.
    pub offset: i64,
    pub sizes: Vec<i64>,
    pub strides: Vec<i64>,
}

/// All values of a pickle.
pub(crate) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    /// What the pickle is of.
    pub root: Id,
    /// Every storage, in the order in which the pickle refers to them.
    pub storages: Vec<Id>,
}

impl<'a> Index<Id> for Pickle<'a> {
    type Output = Value<'a>;
    fn index(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }
}

impl<'a> Pickle<'a> {
    /// The pairs of a dictionary, or of an object that was filled like one.
    pub fn pairs(&self, id: Id) -> &[(Id, Id)] {
        match &self[id] {
            Value::Dict(pairs) => pairs,
            Value::Foreign(foreign) => &foreign.items,
            _ => &[],
        }
    }

    /// What only Python code could make, if it is that.
    pub fn foreign(&self, id: Id) -> Option<&Foreign<'a>> {
        match &self[id] {
            Value::Foreign(foreign) => Some(foreign),
            _ => None,
        }
    }

    /// A few words for what a value is.
    pub fn describe(&self, id: Id) -> Cow<'static, str> {
        match &self[id] {
            Value::None => "None".into(),
            Value::Int(_) | Value::Long(_) | Value::Number => "a number".into(),
            Value::Text(_) => "a text".into(),
            Value::Foreign(foreign) => format!("an object of {}", shown(&foreign.full_name())).into(),
            Value::List(_) => "a list".into(),
            Value::Tuple(_) => "a tuple".into(),
            Value::Dict(_) => "a dictionary".into(),
            Value::Storage(_) => "a storage".into(),
            Value::Tensor(_) => "a single tensor".into(),
            Value::OddTensor(sort) => format!("a single {sort} tensor").into(),
            Value::Global(_) | Value::Opaque => "another object".into(),
        }
    }
}

/// Why a pickle is refused.
#[derive(Debug, PartialEq)]
pub(crate) enum PickleError {
    /// It ends in the middle.
    Cut,
    /// It contradicts itself.
    Damaged(Cow<'static, str>),
    /// It calls something that does harm.
    Harm(String),
    /// It has more of something than is accepted.
    TooMany { what: &'static str, limit: usize },
}

impl PickleError {
    pub fn at(self, path: &Path) -> FormatError {
        let file = path.to_path_buf();
        match self {
            PickleError::Cut => FormatError::damaged(path, "its pickle ends in the middle; copy or download it again"),
            PickleError::Damaged(reason) => FormatError::damaged(path, format!("its pickle {reason}")),
            PickleError::Harm(name) => FormatError::Import { path: file, entry: String::new(), name },
            PickleError::TooMany { what, limit } => {
                FormatError::TooMuch { path: file, what: format!("more than {limit} {what} in its pickle") }
            }
        }
    }
}

/// A [`PickleError::Damaged`] as a result.
fn damaged<T>(reason: impl Into<Cow<'static, str>>) -> Result<T, PickleError> {
    Err(PickleError::Damaged(reason.into()))
}
