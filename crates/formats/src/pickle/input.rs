//! The bytes of a pickle, read one argument after another.

use super::{PickleError, damaged};

pub(super) struct Input<'a> {
    bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { bytes, at: 0 }
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], PickleError> {
        let taken = self.bytes[self.at..].get(..count).ok_or(PickleError::Cut)?;
        self.at += count;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        Ok(self.take(N)?.try_into().expect("as many as were asked for"))
    }

    pub fn u8(&mut self) -> Result<u8, PickleError> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16, PickleError> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, PickleError> {
        self.array().map(u32::from_le_bytes)
    }

    /// As many bytes as the next four say.
    pub fn sized4(&mut self) -> Result<&'a [u8], PickleError> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    /// As many bytes as the next eight say.
    pub fn sized8(&mut self) -> Result<&'a [u8], PickleError> {
        let length = u64::from_le_bytes(self.array()?);
        self.take(usize::try_from(length).map_err(|_| PickleError::Cut)?)
    }

    /// As many bytes as the next one says.
    pub fn sized1(&mut self) -> Result<&'a [u8], PickleError> {
        let length = self.u8()? as usize;
        self.take(length)
    }

    /// The text up to the end of the line.
    pub fn line(&mut self) -> Result<&'a str, PickleError> {
        text(self.line_bytes()?)
    }

    /// What stands before the end of the line.
    pub fn line_bytes(&mut self) -> Result<&'a [u8], PickleError> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&b| b == b'\n').ok_or(PickleError::Cut)?;
        self.at += length + 1;
        Ok(&rest[..length])
    }
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, PickleError> {
    std::str::from_utf8(bytes).or_else(|_| damaged("has a text that is not UTF-8"))
}
