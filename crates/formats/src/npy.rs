//! npy files: one array, as NumPy saves it (NumPy enhancement proposal 1).

use crate::atomic::write_atomic;
use crate::elements::{self, Elements, Flat, Kind, SUPPORTED};
use crate::error::{FormatError, read_file};
use crate::values::{check_shape, to_le_bytes};
use npyz::{Endianness, NpyHeader, Order, TypeChar, WriterBuilder};
use std::path::Path;
use striate_tensor::{DType, Element, Tensor};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Enough for any array of numbers, and little enough that no header can exhaust the parser's stack.
const HEADER_LIMIT: usize = 4096;

/// Reads an npy file of floating-point numbers, integers of up to 64 bits (but `uint64`) or truth values, in either byte order and either
/// memory order. `int16`, `uint16` and `uint32` become [`DType::I64`], the others are what they are.
///
/// # Errors
/// If the file cannot be read, is not an npy file, is cut short or damaged, or holds another type.
pub fn read(path: &Path) -> Result<Tensor, FormatError> {
    from_bytes(&read_file(path)?, path)
}

/// Reads the bytes of an npy file; `path` is what errors call it.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Tensor, FormatError> {
    let (header, start) = header(bytes, path)?;
    let data = &bytes[start..];
    let (shape, kind, big_endian) = interpret(&header, path)?;
    let need = (shape.iter().product::<usize>() * kind.size()) as u64;
    if (data.len() as u64) < need {
        return Err(FormatError::truncated(path, need + start as u64, bytes.len() as u64));
    }
    if data.len() as u64 > need {
        return Err(FormatError::damaged(path, format!("{} bytes follow the array", data.len() as u64 - need)));
    }
    let flat = Flat { bytes: data, shape: &shape, big_endian };
    let array = match header.order() {
        Order::C => elements::read(kind, flat),
        Order::Fortran => elements::read(kind, ColumnMajor(flat)),
    };
    Ok(array.expect("other types were refused"))
}

/// Elements one after another, the first index running fastest.
struct ColumnMajor<'a>(Flat<'a>);

impl Elements for ColumnMajor<'_> {
    fn collect<T: Element, const N: usize>(self, element: impl Fn([u8; N]) -> T) -> Tensor {
        let shape = self.0.shape;
        let reversed: Vec<usize> = shape.iter().rev().copied().collect();
        let dims: Vec<isize> = (0..shape.len() as isize).rev().collect();
        let turned = Flat { shape: &reversed, ..self.0 }.collect(element).permute(&dims);
        Tensor::from_vec(turned.to_vec::<T>(), shape)
    }
}

/// The header, and where the data begins.
fn header(bytes: &[u8], path: &Path) -> Result<(NpyHeader, usize), FormatError> {
    if !bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())]) || bytes.is_empty() {
        let reason = "it does not begin as one".to_string();
        return Err(FormatError::NotThisFormat { path: path.to_path_buf(), format: "npy", reason });
    }
    let cut_short = |need: usize| FormatError::truncated(path, need as u64, bytes.len() as u64);
    let (start, length) = match bytes.get(6) {
        None => return Err(cut_short(10)),
        Some(1) => {
            let length = bytes.get(8..10).ok_or_else(|| cut_short(10))?;
            (10, u16::from_le_bytes([length[0], length[1]]) as usize)
        }
        Some(2 | 3) => {
            let length = bytes.get(8..12).ok_or_else(|| cut_short(12))?;
            (12, u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize)
        }
        Some(version) => return Err(FormatError::damaged(path, format!("version {version} of npy is not known"))),
    };
    if length > HEADER_LIMIT {
        let (bytes, limit) = (length as u64, HEADER_LIMIT as u64);
        return Err(FormatError::HeaderTooLarge { path: path.to_path_buf(), bytes, limit });
    }
    let text = bytes.get(start..start + length).ok_or_else(|| cut_short(start + length))?;
    check_text(text).map_err(|reason| FormatError::damaged(path, reason))?;
    let header = NpyHeader::from_reader(&bytes[..start + length]).map_err(|e| FormatError::damaged(path, e))?;
    Ok((header, start + length))
}

/// Refuses what would make the parser nest deeply or multiply sizes without end.
fn check_text(text: &[u8]) -> Result<(), &'static str> {
    let (mut depth, mut quote, mut number, mut product) = (0, None, None::<u64>, 8u64);
    for &c in text {
        if let Some(q) = quote {
            if c == q {
                quote = None;
            }
            continue;
        }
        if let b'0'..=b'9' = c {
            let digit = (c - b'0') as u64;
            number = Some(
                number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(digit)).ok_or("a number too large")?,
            );
            continue;
        }
        if let Some(n) = number.take() {
            product = product.checked_mul(n.max(1)).ok_or("a shape that no memory can hold")?;
        }
        match c {
            b'\'' | b'"' => quote = Some(c),
            b'(' | b'[' | b'{' => depth += 1,
            _ => {}
        }
        if depth > 8 {
            return Err("its header is nested too deeply");
        }
    }
    if product > isize::MAX as u64 { Err("a shape that no memory can hold") } else { Ok(()) }
}

/// The shape, the type, and whether the bytes are big-endian.
fn interpret(header: &NpyHeader, path: &Path) -> Result<(Vec<usize>, Kind, bool), FormatError> {
    let shape = check_shape(path, "array", header.shape())?;
    let npyz::DType::Plain(ty) = header.dtype() else { return Err(unsupported(path, header.dtype().descr())) };
    let kind = match (ty.type_char(), ty.size_field()) {
        (TypeChar::Float, 2) => Kind::F16,
        (TypeChar::Float, 4) => Kind::F32,
        (TypeChar::Float, 8) => Kind::F64,
        (TypeChar::Int, 1) => Kind::I8,
        (TypeChar::Int, 2) => Kind::I16,
        (TypeChar::Int, 4) => Kind::I32,
        (TypeChar::Int, 8) => Kind::I64,
        (TypeChar::Uint, 1) => Kind::U8,
        (TypeChar::Uint, 2) => Kind::U16,
        (TypeChar::Uint, 4) => Kind::U32,
        (TypeChar::Bool, 1) => Kind::Bool,
        _ => return Err(unsupported(path, ty.to_string())),
    };
    Ok((shape, kind, ty.endianness() == Endianness::Big))
}

fn unsupported(path: &Path, dtype: String) -> FormatError {
    FormatError::Dtype { path: path.to_path_buf(), tensor: "array".into(), dtype, supported: SUPPORTED }
}

/// Writes an npy file with [`write_atomic`], little-endian, in C order.
///
/// # Errors
/// If the file cannot be written, or the tensor is [`DType::BF16`], which NumPy has not.
pub fn write(path: &Path, tensor: &Tensor) -> Result<(), FormatError> {
    check_type(path, "array", tensor)?;
    write_atomic(path, &to_bytes(tensor))
}

/// Refuses a type that the format has not.
pub(crate) fn check_type(path: &Path, name: &str, tensor: &Tensor) -> Result<(), FormatError> {
    match type_string(tensor.dtype()) {
        Some(_) => Ok(()),
        None => {
            let (path, tensor, dtype) = (path.to_path_buf(), name.to_string(), tensor.dtype());
            Err(FormatError::NoType { path, tensor, dtype, format: "npy" })
        }
    }
}

/// The format's name of a type.
fn type_string(dtype: DType) -> Option<&'static str> {
    Some(match dtype {
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::F16 => "<f2",
        DType::BF16 => return None,
        DType::I64 => "<i8",
        DType::I32 => "<i4",
        DType::I8 => "|i1",
        DType::U8 => "|u1",
        DType::Bool => "|b1",
    })
}

/// The bytes of an npy file. The same tensor gives the same bytes.
///
/// # Panics
/// If the tensor is [`DType::BF16`], which NumPy has not.
pub fn to_bytes(tensor: &Tensor) -> Vec<u8> {
    let ty = type_string(tensor.dtype())
        .unwrap_or_else(|| panic!("npy: has no type for {} (convert it with to_dtype(DType::F32))", tensor.dtype()));
    let dtype = npyz::DType::Plain(ty.parse().expect("a known type"));
    let shape: Vec<u64> = tensor.shape().iter().map(|&size| size as u64).collect();
    let mut bytes = Vec::new();
    npyz::WriteOptions::new_header_only()
        .dtype(dtype)
        .shape(&shape)
        .writer(&mut bytes)
        .write_header_only()
        .expect("a vector takes all that is written");
    bytes.extend(to_le_bytes(tensor));
    bytes
}
