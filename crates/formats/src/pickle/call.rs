//! What the calls in a pickle give: tensors, storages, dictionaries.

use super::globals::{Global, Rebuild};
use super::machine::Machine;
use super::{Foreign, Id, Made, PickleError, StorageRef, TensorRef, Value, damaged};
use crate::elements::Kind;

/// PyTorch's own limit of dimensions.
const RANK_LIMIT: usize = 64;

impl<'a> Machine<'a> {
    /// Pushes what `function(*arguments)` is; `made` says what becomes of a name that is on no list.
    pub(super) fn call(&mut self, function: Id, arguments: Id, made: Made) -> Result<(), PickleError> {
        let Value::Tuple(given) = self.value(arguments) else {
            return damaged("calls something with other than a tuple");
        };
        let given = given.get(..given.len().min(16)).unwrap_or_default().to_vec();
        let function = match self.value(function) {
            Value::Global(function) => *function,
            // What a harmless value would give is as harmless.
            Value::Opaque => Global::Opaque,
            Value::Foreign(_) => return self.call_foreign(function, arguments, made),
            _ => return damaged("calls something that is no function"),
        };
        match function {
            Global::OrderedDict => {
                let pairs = match given.first() {
                    Some(&pairs) => self.pairs(pairs)?,
                    None => Vec::new(),
                };
                self.push(Value::Dict(pairs))
            }
            Global::DefaultDict => self.push(Value::Dict(Vec::new())),
            Global::Size => match given.first() {
                Some(&sizes) if matches!(self.value(sizes), Value::Tuple(_) | Value::List(_)) => self.push_id(sizes),
                _ => self.push(Value::Tuple(Vec::new())),
            },
            Global::Rebuild(rebuild) => self.rebuild(rebuild, &given),
            Global::RebuildOdd(sort) => self.push(Value::OddTensor(sort)),
            Global::Opaque => self.push(Value::Opaque),
            Global::Storage(_) | Global::DType(_) => damaged("calls a type of elements"),
        }
    }

    fn rebuild(&mut self, rebuild: Rebuild, arguments: &[Id]) -> Result<(), PickleError> {
        match (rebuild, arguments) {
            (Rebuild::Tensor, &[storage, offset, sizes, strides, ..]) => match self.value(storage) {
                Value::Storage(of) => self.push_tensor(of.kind, storage, offset, sizes, strides),
                &Value::OddTensor(sort) => self.push(Value::OddTensor(sort)),
                _ => damaged("has a tensor without a storage"),
            },
            (Rebuild::TensorOfType, &[storage, offset, sizes, strides, _, _, dtype, ..]) => match self.value(dtype) {
                &Value::Global(Global::DType(kind)) => self.push_tensor(kind, storage, offset, sizes, strides),
                Value::Foreign(dtype) => self.push(Value::OddTensor(dtype.name)),
                _ => damaged("has a tensor of no known type"),
            },
            (Rebuild::Parameter, &[tensor, ..]) => match self.value(tensor) {
                Value::Tensor(_) | Value::OddTensor(_) => self.push_id(tensor),
                Value::Foreign(_) | Value::Opaque => self.push(Value::OddTensor("unknown")),
                _ => damaged("has a parameter without a tensor"),
            },
            // The function of a function of a function would be a way to nest without end.
            (Rebuild::FromType, &[function, _, arguments, ..]) => match self.value(function) {
                Value::Global(Global::Rebuild(inner)) if *inner != Rebuild::FromType => {
                    self.call(function, arguments, Made::Call)
                }
                Value::Global(Global::RebuildOdd(_)) | Value::Foreign(_) => self.push(Value::OddTensor("unknown")),
                _ => damaged("makes a tensor in a way that is not known"),
            },
            _ => damaged("makes a tensor from too few arguments"),
        }
    }

    fn push_tensor(&mut self, kind: Kind, storage: Id, offset: Id, sizes: Id, strides: Id) -> Result<(), PickleError> {
        if !matches!(self.value(storage), Value::Storage(_)) {
            return damaged("has a tensor without a storage");
        }
        let offset = self.int(offset)?;
        let (sizes, strides) = (self.ints(sizes)?, self.ints(strides)?);
        self.push(Value::Tensor(Box::new(TensorRef { kind, storage, offset, sizes, strides })))
    }

    fn int(&self, id: Id) -> Result<i64, PickleError> {
        match self.value(id) {
            Value::Int(number) => Ok(*number),
            _ => damaged("has something else where a number belongs"),
        }
    }

    fn ints(&self, id: Id) -> Result<Vec<i64>, PickleError> {
        match self.value(id) {
            Value::Tuple(items) | Value::List(items) if items.len() <= RANK_LIMIT => {
                items.iter().map(|&id| self.int(id)).collect()
            }
            Value::Tuple(_) | Value::List(_) => damaged(format!("has a tensor of more than {RANK_LIMIT} dimensions")),
            _ => damaged("has something else where a shape belongs"),
        }
    }

    /// The pairs that a dictionary is made from.
    fn pairs(&mut self, id: Id) -> Result<Vec<(Id, Id)>, PickleError> {
        let pairs: Vec<(Id, Id)> = match self.value(id) {
            Value::Dict(pairs) => pairs.clone(),
            Value::List(items) | Value::Tuple(items) => items
                .iter()
                .map(|&item| match self.value(item) {
                    Value::List(pair) | Value::Tuple(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
                    _ => damaged("makes a dictionary from something else than pairs"),
                })
                .collect::<Result<_, _>>()?,
            _ => return damaged("makes a dictionary from something else than pairs"),
        };
        // One list may be copied again and again.
        self.spend(pairs.len())?;
        Ok(pairs)
    }

    /// Pushes what a persistent id names: a storage, or in the legacy form a module's class, which has its source code beside it.
    pub(super) fn push_persistent(&mut self, id: Id) -> Result<(), PickleError> {
        let unknown = || damaged("refers to something else than a storage");
        let Value::Tuple(parts) = self.value(id) else { return unknown() };
        if let &[tag, class, ..] = &parts[..]
            && matches!(self.value(tag), Value::Text("module"))
        {
            let Value::Foreign(class) = self.value(class) else { return unknown() };
            let class = Foreign { made: Made::Object, ..Foreign::named(class.module, class.name) };
            return self.push(Value::Foreign(Box::new(class)));
        }
        let &[tag, class, key, _location, numel, ref rest @ ..] = &parts[..] else { return unknown() };
        let kind = match (self.value(tag), self.value(class), self.value(key)) {
            (Value::Text("storage"), Value::Global(Global::Storage(kind)), Value::Text(_)) => *kind,
            // One of a type that is newer than this program.
            (Value::Text("storage"), Value::Foreign(class), Value::Text(_)) => {
                let sort = class.name;
                return self.push(Value::OddTensor(sort));
            }
            _ => return unknown(),
        };
        let &Value::Text(key) = self.value(key) else { return unknown() };
        let count = |id: Id| -> Result<u64, PickleError> {
            u64::try_from(self.int(id)?).or_else(|_| damaged("has a storage of negative size"))
        };
        let view = match rest.first().map(|&view| self.value(view)) {
            None | Some(Value::None) => None,
            Some(Value::Tuple(view)) if view.len() == 3 => Some((count(view[1])?, count(view[2])?)),
            Some(_) => return unknown(),
        };
        let storage = StorageRef { kind, key, numel: count(numel)?, view };
        self.push(Value::Storage(Box::new(storage)))?;
        self.note_storage();
        Ok(())
    }
}
