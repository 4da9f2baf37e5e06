//! The first directory of a TIFF file, of either byte order and of 32 or 64 bits.

use std::collections::BTreeMap;

pub struct Directory<'a> {
    file: &'a [u8],
    /// Whether the lowest byte comes first.
    pub little: bool,
    entries: BTreeMap<u16, Entry>,
}

/// Where an entry's values lie.
struct Entry {
    kind: u16,
    start: usize,
    bytes: usize,
}

const DAMAGED: &str = "damaged: its directory does not lie in the file";

/// Bytes of a value of a type.
fn width_of(kind: u16) -> Option<usize> {
    Some(match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => return None,
    })
}

impl<'a> Directory<'a> {
    pub fn open(file: &'a [u8]) -> Result<Directory<'a>, String> {
        Directory::parse(file).ok_or_else(|| DAMAGED.to_string())
    }

    fn parse(file: &'a [u8]) -> Option<Directory<'a>> {
        let little = file.starts_with(b"II");
        let mut directory = Directory { file, little, entries: BTreeMap::new() };
        let long = directory.unsigned(2, 2)? == 43;
        // Bytes of an offset, of the number of entries, and of an entry.
        let (offset, number, each) = if long { (8, 8, 20) } else { (4, 2, 12) };
        let start = directory.unsigned(offset, offset)?;
        let n = directory.unsigned(start, number)?;
        for i in 0..n {
            let at = start.checked_add(number)?.checked_add(i.checked_mul(each)?)?;
            let (tag, kind) = (directory.unsigned(at, 2)? as u16, directory.unsigned(at + 2, 2)? as u16);
            let count = directory.unsigned(at + 4, offset)?;
            // A value of an unknown type is passed over.
            let Some(bytes) = width_of(kind).and_then(|w| w.checked_mul(count)) else { continue };
            let place = at + 4 + offset;
            let start = if bytes <= offset { place } else { directory.unsigned(place, offset)? };
            directory.entries.entry(tag).or_insert(Entry { kind, start, bytes });
        }
        Some(directory)
    }

    /// A number of 2, 4 or 8 bytes.
    fn unsigned(&self, at: usize, bytes: usize) -> Option<usize> {
        let bytes = self.file.get(at..at.checked_add(bytes)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | *byte as u64;
        let sum = if self.little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) };
        usize::try_from(sum).ok()
    }

    /// The bytes of an entry, if it is there.
    pub fn bytes(&self, tag: u16) -> Result<Option<&'a [u8]>, String> {
        let Some(entry) = self.entries.get(&tag) else { return Ok(None) };
        let end = entry.start.checked_add(entry.bytes).ok_or(DAMAGED)?;
        self.file.get(entry.start..end).ok_or_else(|| DAMAGED.to_string()).map(Some)
    }

    /// The whole numbers of an entry, if it is there.
    pub fn numbers(&self, tag: u16) -> Result<Option<Vec<usize>>, String> {
        let Some(bytes) = self.bytes(tag)? else { return Ok(None) };
        let entry = &self.entries[&tag];
        let width = match entry.kind {
            1 | 3 | 4 | 6 | 7 | 8 | 9 | 13 | 16 | 18 => width_of(entry.kind).expect("these are known"),
            _ => return Err(format!("damaged: its entry {tag} holds no whole numbers")),
        };
        let places = (0..bytes.len() / width).map(|i| entry.start + i * width);
        Ok(Some(places.filter_map(|at| self.unsigned(at, width)).collect()))
    }

    /// The first number of an entry, if it is there.
    pub fn number(&self, tag: u16) -> Result<Option<usize>, String> {
        Ok(self.numbers(tag)?.and_then(|n| n.first().copied()))
    }

    /// The fractions of an entry; none if there are not `n`.
    pub fn fractions<const N: usize>(&self, tag: u16) -> Option<[f64; N]> {
        let entry = self.entries.get(&tag).filter(|e| e.kind == 5 && e.bytes == 8 * N)?;
        let mut all = [0.0; N];
        for (i, value) in all.iter_mut().enumerate() {
            let at = entry.start.checked_add(8 * i)?;
            let (top, bottom) = (self.unsigned(at, 4)?, self.unsigned(at.checked_add(4)?, 4)?);
            *value = top as f64 / bottom as f64;
        }
        all.iter().all(|v| v.is_finite()).then_some(all)
    }

    pub fn has(&self, tag: u16) -> bool {
        self.entries.contains_key(&tag)
    }
}
