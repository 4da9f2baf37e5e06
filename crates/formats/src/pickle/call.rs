//! What the calls in a pickle give: tensors, storages, dictionaries.

use super::globals::{Global, Kind, Rebuild};
use super::machine::Machine;
use super::{Id, PickleError, StorageRef, TensorRef, Value, damaged};

/// PyTorch's own limit of dimensions.
const RANK_LIMIT: usize = 64;

impl<'a> Machine<'a> {
    /// Pushes what `function(*arguments)` is.
    pub(super) fn call(&mut self, function: Id, arguments: Id) -> Result<(), PickleError> {
        let Value::Tuple(arguments) = self.value(arguments) else {
            return damaged("calls something with other than a tuple");
        };
        let arguments = arguments.get(..arguments.len().min(16)).unwrap_or_default().to_vec();
        let function = match self.value(function) {
            Value::Global(function) => *function,
            // What a harmless value would give is as harmless.
            Value::Opaque => Global::Opaque,
            _ => return damaged("calls something that is no function"),
        };
        match function {
            Global::OrderedDict => {
                let pairs = match arguments.first() {
                    Some(&pairs) => self.pairs(pairs)?,
                    None => Vec::new(),
                };
                self.push(Value::Dict(pairs))
            }
            Global::Size => match arguments.first() {
                Some(&sizes) if matches!(self.value(sizes), Value::Tuple(_) | Value::List(_)) => self.push_id(sizes),
                _ => self.push(Value::Tuple(Vec::new())),
            },
            Global::Rebuild(rebuild) => self.rebuild(rebuild, &arguments),
            Global::RebuildOdd(sort) => self.push(Value::OddTensor(sort)),
            Global::Opaque => self.push(Value::Opaque),
            Global::Storage(_) | Global::DType(_) => damaged("calls a type of elements"),
        }
    }

    fn rebuild(&mut self, rebuild: Rebuild, arguments: &[Id]) -> Result<(), PickleError> {
        match (rebuild, arguments) {
            (Rebuild::Tensor, &[storage, offset, sizes, strides, ..]) => {
                let Value::Storage(of) = self.value(storage) else { return damaged("has a tensor without a storage") };
                self.push_tensor(of.kind, storage, offset, sizes, strides)
            }
            (Rebuild::TensorOfType, &[storage, offset, sizes, strides, _, _, dtype, ..]) => {
                let Value::Global(Global::DType(kind)) = self.value(dtype) else {
                    return damaged("has a tensor of no known type");
                };
                self.push_tensor(*kind, storage, offset, sizes, strides)
            }
            (Rebuild::Parameter, &[tensor, ..]) => match self.value(tensor) {
                Value::Tensor(_) | Value::OddTensor(_) => self.push_id(tensor),
                _ => damaged("has a parameter without a tensor"),
            },
            // The function of a function of a function would be a way to nest without end.
            (Rebuild::FromType, &[function, _, arguments, ..]) => match self.value(function) {
                Value::Global(Global::Rebuild(inner)) if *inner != Rebuild::FromType => self.call(function, arguments),
                Value::Global(Global::RebuildOdd(_)) => self.call(function, arguments),
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

    /// Pushes the storage that a persistent id names.
    pub(super) fn push_storage(&mut self, id: Id) -> Result<(), PickleError> {
        let unknown = || damaged("refers to something else than a storage");
        let Value::Tuple(parts) = self.value(id) else { return unknown() };
        let &[tag, class, key, _location, numel, ref rest @ ..] = &parts[..] else { return unknown() };
        let (Value::Text("storage"), Value::Global(Global::Storage(kind)), &Value::Text(key)) =
            (self.value(tag), self.value(class), self.value(key))
        else {
            return unknown();
        };
        let count = |id: Id| -> Result<u64, PickleError> {
            u64::try_from(self.int(id)?).or_else(|_| damaged("has a storage of negative size"))
        };
        let view = match rest.first().map(|&view| self.value(view)) {
            None | Some(Value::None) => None,
            Some(Value::Tuple(view)) if view.len() == 3 => Some((count(view[1])?, count(view[2])?)),
            Some(_) => return unknown(),
        };
        let storage = StorageRef { kind: *kind, key, numel: count(numel)?, view };
        self.push(Value::Storage(Box::new(storage)))?;
        self.note_storage();
        Ok(())
    }
}
