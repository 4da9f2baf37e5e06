//! The stack machine that builds a pickle's values.

use super::globals::lookup;
use super::input::{Input, text};
use super::{Foreign, Id, Made, Pickle, PickleError, Value, damaged};
use std::collections::HashMap;

/// Values that a pickle may build. Large checkpoints have some hundred thousand.
const VALUE_LIMIT: usize = 1 << 20;
/// Values that may wait on the stack, and marks between them.
const STACK_LIMIT: usize = 1 << 20;
/// Values that may be remembered.
const MEMO_LIMIT: usize = 1 << 20;
const NEWEST_PROTOCOL: u8 = 5;
/// Values that say nothing lie once in the arena, so that a long list of losses takes little.
const NONE: Id = Id(0);
const NUMBER: Id = Id(1);
const OPAQUE: Id = Id(2);

/// Runs the pickle that `bytes` begin with, and says how many bytes it takes.
pub(crate) fn load(bytes: &[u8]) -> Result<(Pickle<'_>, usize), PickleError> {
    let mut machine = Machine {
        input: Input::new(bytes),
        values: vec![Value::None, Value::Number, Value::Opaque],
        spent: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        storages: Vec::new(),
    };
    while machine.step()? {}
    let root = machine.pop()?;
    let Machine { input, values, storages, .. } = machine;
    Ok((Pickle { values, root, storages }, input.at))
}

pub(super) struct Machine<'a> {
    input: Input<'a>,
    values: Vec<Value<'a>>,
    /// Values made, and copies of references to them.
    spent: usize,
    stack: Vec<Id>,
    /// How high the stack was at each mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    storages: Vec<Id>,
}

impl<'a> Machine<'a> {
    pub(super) fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id.0 as usize]
    }

    pub(super) fn spend(&mut self, count: usize) -> Result<(), PickleError> {
        self.spent += count;
        if self.spent > VALUE_LIMIT {
            return Err(PickleError::TooMany { what: "values", limit: VALUE_LIMIT });
        }
        Ok(())
    }

    pub(super) fn push(&mut self, value: Value<'a>) -> Result<(), PickleError> {
        self.spend(1)?;
        self.values.push(value);
        self.push_id(Id(self.values.len() as u32 - 1))
    }

    pub(super) fn push_id(&mut self, id: Id) -> Result<(), PickleError> {
        if self.stack.len() == STACK_LIMIT {
            return Err(PickleError::TooMany { what: "values at once", limit: STACK_LIMIT });
        }
        self.stack.push(id);
        Ok(())
    }

    /// Notes that the value on top is a storage.
    pub(super) fn note_storage(&mut self) {
        self.storages.extend(self.stack.last());
    }

    fn top(&self) -> Result<Id, PickleError> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.marks.last().copied().unwrap_or(0) => Ok(id),
            _ => damaged("takes from an empty stack"),
        }
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    /// What lies above the last mark, which goes away.
    fn pop_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        match self.marks.pop() {
            Some(height) => Ok(self.stack.split_off(height)),
            None => damaged("goes back to a mark that is not there"),
        }
    }

    fn mark(&mut self) -> Result<(), PickleError> {
        if self.marks.len() == STACK_LIMIT {
            return Err(PickleError::TooMany { what: "marks at once", limit: STACK_LIMIT });
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn remember(&mut self, index: u32) -> Result<(), PickleError> {
        let id = self.top()?;
        self.memo.insert(index, id);
        if self.memo.len() > MEMO_LIMIT {
            return Err(PickleError::TooMany { what: "remembered values", limit: MEMO_LIMIT });
        }
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), PickleError> {
        match self.memo.get(&index) {
            Some(&id) => self.push_id(id),
            None => damaged(format!("recalls value {index}, which it never stored")),
        }
    }

    /// Does one opcode; `false` after the last.
    fn step(&mut self) -> Result<bool, PickleError> {
        match self.input.u8()? {
            b'.' => return Ok(false),
            // PROTO, FRAME
            0x80 => match self.input.u8()? {
                0..=NEWEST_PROTOCOL => {}
                version => return damaged(format!("is of protocol {version}, which is not known")),
            },
            0x95 => drop(self.input.take(8)?),
            // The stack
            b'(' => self.mark()?,
            b'0' => match self.marks.last() {
                Some(&height) if height == self.stack.len() => drop(self.marks.pop()),
                _ => drop(self.pop()?),
            },
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.push_id(top)?;
            }
            // The memo
            b'p' => {
                let index = self.memo_line()?;
                self.remember(index)?;
            }
            b'q' => {
                let index = self.input.u8()?.into();
                self.remember(index)?;
            }
            b'r' => {
                let index = self.input.u32()?;
                self.remember(index)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            b'g' => {
                let index = self.memo_line()?;
                self.recall(index)?;
            }
            b'h' => {
                let index = self.input.u8()?.into();
                self.recall(index)?;
            }
            b'j' => {
                let index = self.input.u32()?;
                self.recall(index)?;
            }
            // Names
            b'c' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.import(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (&Value::Text(module), &Value::Text(name)) = (self.value(module), self.value(name)) else {
                    return damaged("imports something that is no name");
                };
                self.import(module, name)?;
            }
            // REDUCE and NEWOBJ, NEWOBJ_EX, INST, OBJ
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments, Made::Call)?;
            }
            0x81 => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                self.call(class, arguments, Made::Object)?;
            }
            0x92 => {
                let (_keywords, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(class, arguments, Made::Object)?;
            }
            b'i' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                let arguments = self.pop_mark()?;
                self.instance(arguments, |machine| machine.import(module, name))?;
            }
            b'o' => {
                let mut arguments = self.pop_mark()?;
                if arguments.is_empty() {
                    return damaged("makes an object of no class");
                }
                let class = arguments.remove(0);
                self.instance(arguments, |machine| machine.push_id(class))?;
            }
            // BUILD: attributes of an object, none of which is a weight.
            b'b' => {
                let state = self.pop()?;
                let top = self.top()?;
                match &mut self.values[top.0 as usize] {
                    Value::Global(_) => return damaged("changes what it imported"),
                    Value::Foreign(foreign) => foreign.parts.push(state),
                    _ => {}
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.push_persistent(id)?;
            }
            opcode => return self.step_value(opcode).map(|()| true),
        }
        Ok(true)
    }

    /// The opcodes that make a value, or put values into another.
    fn step_value(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            b'N' => self.push_id(NONE),
            0x88 | 0x89 => self.push_id(NUMBER),
            b'J' => {
                let number = i32::from_le_bytes(self.input.array()?);
                self.push(Value::Int(number.into()))
            }
            b'K' => {
                let number = self.input.u8()?;
                self.push(Value::Int(number.into()))
            }
            b'M' => {
                let number = self.input.u16()?;
                self.push(Value::Int(number.into()))
            }
            0x8a => {
                let bytes = self.input.sized1()?;
                self.push(long(bytes))
            }
            0x8b => {
                let bytes = self.input.sized4()?;
                self.push(long(bytes))
            }
            b'I' | b'L' => {
                let line = self.input.line()?;
                let digits = line.strip_suffix('L').unwrap_or(line);
                match digits.parse() {
                    _ if matches!(line, "00" | "01") => self.push_id(NUMBER),
                    Ok(number) => self.push(Value::Int(number)),
                    // One of more than 64 bits is no size of a tensor.
                    Err(_) if is_integer(digits) => self.push_id(NUMBER),
                    Err(_) => damaged("has a number that is none"),
                }
            }
            b'G' => {
                self.input.take(8)?;
                self.push_id(NUMBER)
            }
            b'F' => match self.input.line()?.parse::<f64>() {
                Ok(_) => self.push_id(NUMBER),
                Err(_) => damaged("has a number that is none"),
            },
            b'X' => {
                let bytes = self.input.sized4()?;
                self.push_text(bytes)
            }
            0x8c => {
                let bytes = self.input.sized1()?;
                self.push_text(bytes)
            }
            0x8d => {
                let bytes = self.input.sized8()?;
                self.push_text(bytes)
            }
            b'T' => {
                let bytes = self.input.sized4()?;
                self.push_text(bytes)
            }
            b'U' => {
                let bytes = self.input.sized1()?;
                self.push_text(bytes)
            }
            // Texts as source code: what is escaped there is no name of a weight.
            b'S' | b'V' => {
                let line = self.input.line_bytes()?;
                let bare = match line {
                    [b'\'', bare @ .., b'\''] | [b'"', bare @ .., b'"'] if opcode == b'S' => bare,
                    _ => line,
                };
                if bare.contains(&b'\\') { self.push_id(OPAQUE) } else { self.push_text(bare) }
            }
            b'B' => self.skip(|input| input.sized4()),
            b'C' => self.skip(|input| input.sized1()),
            0x8e | 0x96 => self.skip(|input| input.sized8()),
            // Containers
            b')' => self.push(Value::Tuple(Vec::new())),
            b']' => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            0x8f => self.push_id(OPAQUE),
            b't' => {
                let items = self.pop_mark()?;
                self.push(Value::Tuple(items))
            }
            0x85..=0x87 => {
                let mut items = Vec::with_capacity(3);
                for _ in 0x85..=opcode {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.push(Value::Tuple(items))
            }
            b'l' => {
                let items = self.pop_mark()?;
                self.push(Value::List(items))
            }
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Value::Dict(Vec::new()))?;
                self.insert(items)
            }
            0x91 => {
                self.pop_mark()?;
                self.push_id(OPAQUE)
            }
            // Names by a number that the program that wrote them has registered.
            0x82 => self.skip(|input| input.take(1)),
            0x83 => self.skip(|input| input.take(2)),
            0x84 => self.skip(|input| input.take(4)),
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.append(items)
            }
            0x90 => {
                self.pop_mark()?;
                self.top().map(drop)
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.insert(vec![key, value])
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.insert(items)
            }
            _ => damaged(format!("has the opcode {opcode:#04x}, which PyTorch does not write")),
        }
    }

    fn memo_line(&mut self) -> Result<u32, PickleError> {
        self.input.line()?.parse().or_else(|_| damaged("has a memo number that is none"))
    }

    fn skip(&mut self, read: fn(&mut Input<'a>) -> Result<&'a [u8], PickleError>) -> Result<(), PickleError> {
        read(&mut self.input)?;
        self.push_id(OPAQUE)
    }

    /// A text; what is not UTF-8 is no name of a weight: a path, or Python 2's bytes.
    fn push_text(&mut self, bytes: &'a [u8]) -> Result<(), PickleError> {
        match text(bytes) {
            Ok(text) => self.push(Value::Text(text)),
            Err(_) => self.push_id(OPAQUE),
        }
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), PickleError> {
        let top = self.top()?;
        match &mut self.values[top.0 as usize] {
            Value::List(list) => list.extend(items),
            Value::Foreign(foreign) => foreign.parts.extend(items),
            Value::Opaque => {}
            _ => return damaged("appends to something that is no list"),
        }
        Ok(())
    }

    fn insert(&mut self, items: Vec<Id>) -> Result<(), PickleError> {
        let (pairs, []) = items.as_chunks::<2>() else { return damaged("has a key without a value") };
        let top = self.top()?;
        match &mut self.values[top.0 as usize] {
            Value::Dict(dict) => dict.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Value::Foreign(foreign) => foreign.items.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Value::Opaque => {}
            _ => return damaged("puts a key into something that is no dictionary"),
        }
        Ok(())
    }

    fn import(&mut self, module: &'a str, name: &'a str) -> Result<(), PickleError> {
        self.push(match lookup(module, name) {
            Some(global) => Value::Global(global),
            None => Value::Foreign(Box::new(Foreign::named(module, name))),
        })
    }

    /// Makes an object in the ways of the oldest protocols, of the class that `class` pushes.
    fn instance(
        &mut self,
        arguments: Vec<Id>,
        class: impl FnOnce(&mut Self) -> Result<(), PickleError>,
    ) -> Result<(), PickleError> {
        self.push(Value::Tuple(arguments))?;
        let arguments = self.pop()?;
        class(self)?;
        let class = self.pop()?;
        self.call(class, arguments, Made::Object)
    }
}

fn is_integer(digits: &str) -> bool {
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

fn long(bytes: &[u8]) -> Value<'_> {
    if bytes.len() > 8 {
        return Value::Long(bytes);
    }
    let filler = if bytes.last().is_some_and(|&last| last >= 0x80) { 0xff } else { 0 };
    let mut all = [filler; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(all))
}
