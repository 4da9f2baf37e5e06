//! A network's numbers by name.

use crate::module::{Entry, EntryMut, Module};
use std::collections::BTreeMap;
use std::fmt;
use striate_tensor::{DType, Tensor};

/// Tensors by name, as in PyTorch's `state_dict()`.
pub type StateDict = BTreeMap<String, Tensor>;

/// Why a state dict does not fit a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateDictError {
    /// The network has tensors that the state dict lacks.
    Missing(Vec<String>),
    /// The state dict has tensors that the network lacks.
    Unexpected(Vec<String>),
    /// A tensor has another shape or type.
    Mismatch {
        /// The tensor's name.
        name: String,
        /// What the network has.
        expected: (DType, Vec<usize>),
        /// What the state dict has.
        got: (DType, Vec<usize>),
    },
}

impl fmt::Display for StateDictError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateDictError::Missing(names) => write!(f, "tensors are missing: {}", names.join(", ")),
            StateDictError::Unexpected(names) => {
                write!(f, "there are tensors that the network lacks: {}", names.join(", "))
            }
            StateDictError::Mismatch { name, expected, got } => {
                write!(f, "tensor '{name}' is {} {:?}, the network needs {} {:?}", got.0, got.1, expected.0, expected.1)
            }
        }
    }
}

impl std::error::Error for StateDictError {}

/// The parameters and buffers of `module` by name.
pub fn state_dict(module: &dyn Module) -> StateDict {
    let mut all = StateDict::new();
    module.visit("", &mut |name, entry| {
        let value = match entry {
            Entry::Parameter(p) => p.value().clone(),
            Entry::Buffer(b) => b.value(),
            Entry::Layer(_) => return,
        };
        all.insert(name.to_string(), value);
    });
    all
}

/// The tensor in the type of `own`, where that holds all numbers of its type: files may keep weights in 16 bits.
fn widened(given: &Tensor, own: &Tensor) -> Tensor {
    let widens = matches!(
        (given.dtype(), own.dtype()),
        (DType::F16 | DType::BF16, DType::F32 | DType::F64)
            | (DType::I32 | DType::I8, DType::I64)
            | (DType::Bool, DType::U8)
    );
    if widens { given.clone().to_dtype(own.dtype()) } else { given.clone() }
}

/// `state` with what its tensors become in a network that has those of `own`.
pub(crate) fn widen_state_dict(own: &StateDict, state: &StateDict) -> StateDict {
    let widen = |(name, given): (&String, &Tensor)| {
        let value = own.get(name).map_or_else(|| given.clone(), |own| widened(given, own));
        (name.clone(), value)
    };
    state.iter().map(widen).collect()
}

/// Whether `state` has the tensors of `own`, with their shapes and types.
pub(crate) fn check_state_dict(own: &StateDict, state: &StateDict) -> Result<(), StateDictError> {
    let lacking =
        |a: &StateDict, b: &StateDict| -> Vec<String> { a.keys().filter(|k| !b.contains_key(*k)).cloned().collect() };
    let missing = lacking(own, state);
    if !missing.is_empty() {
        return Err(StateDictError::Missing(missing));
    }
    let unexpected = lacking(state, own);
    if !unexpected.is_empty() {
        return Err(StateDictError::Unexpected(unexpected));
    }
    for (name, mine) in own {
        let kind = |t: &Tensor| (t.dtype(), t.shape().to_vec());
        let (expected, got) = (kind(mine), kind(&state[name]));
        if expected != got {
            return Err(StateDictError::Mismatch { name: name.clone(), expected, got });
        }
    }
    Ok(())
}

/// Replaces every parameter and buffer of `module`. Weights of 16 bits and small integers become what the network has. On an error nothing
/// has changed.
pub fn load_state_dict(module: &mut dyn Module, state: &StateDict) -> Result<(), StateDictError> {
    let own = state_dict(module);
    let state = widen_state_dict(&own, state);
    check_state_dict(&own, &state)?;
    module.visit_mut("", &mut |name, entry| match entry {
        EntryMut::Parameter(p) => p.set(state[name].clone()),
        EntryMut::Buffer(b) => b.set(state[name].clone()),
    });
    Ok(())
}
