//! Tensors of ONNX files.

use crate::error::{Fault, OnnxError, one_line};
use crate::model::External;
use crate::proto::TensorProto;
use crate::proto::tensor_proto::{DataLocation, DataType};
use bytes::Bytes;
use prost::Message;
use std::path::Path;
use std::{fmt, fs};
use striate_tensor::{DType, MAX_RANK, Shape, Tensor, bf16, f16};

/// The most elements of a tensor.
const MOST_ELEMENTS: usize = 1 << 31;

/// ONNX's number of a type.
pub(crate) fn data_type(dtype: DType) -> DataType {
    match dtype {
        DType::F32 => DataType::Float,
        DType::F64 => DataType::Double,
        DType::F16 => DataType::Float16,
        DType::BF16 => DataType::Bfloat16,
        DType::I64 => DataType::Int64,
        DType::I32 => DataType::Int32,
        DType::I8 => DataType::Int8,
        DType::U8 => DataType::Uint8,
        DType::Bool => DataType::Bool,
    }
}

/// The type of ONNX's number, if a tensor can have it.
pub(crate) fn dtype(data_type: i32) -> Result<DType, Fault> {
    let kind = DataType::try_from(data_type).map_err(|_| Fault::new(format!("there is no type {data_type}")))?;
    Ok(match kind {
        DataType::Float => DType::F32,
        DataType::Double => DType::F64,
        DataType::Float16 => DType::F16,
        DataType::Bfloat16 => DType::BF16,
        DataType::Int64 => DType::I64,
        DataType::Int32 => DType::I32,
        DataType::Int8 => DType::I8,
        DataType::Uint8 => DType::U8,
        DataType::Bool => DType::Bool,
        other => return Err(Fault::new(format!("type {} is not supported", other.as_str_name()))),
    })
}

/// A tensor under a name, its elements as little-endian bytes.
pub(crate) fn tensor_proto(name: &str, tensor: &Tensor) -> TensorProto {
    let t = tensor.clone();
    let bytes: Vec<u8> = match tensor.dtype() {
        DType::F32 => t.to_vec::<f32>().iter().flat_map(|x| x.to_le_bytes()).collect(),
        DType::F64 => t.to_vec::<f64>().iter().flat_map(|x| x.to_le_bytes()).collect(),
        DType::F16 => t.to_vec::<f16>().iter().flat_map(|x| x.to_le_bytes()).collect(),
        DType::BF16 => t.to_vec::<bf16>().iter().flat_map(|x| x.to_le_bytes()).collect(),
        DType::I64 => t.to_vec::<i64>().iter().flat_map(|x| x.to_le_bytes()).collect(),
        DType::I32 => t.to_vec::<i32>().iter().flat_map(|x| x.to_le_bytes()).collect(),
        DType::I8 => t.to_vec::<i8>().iter().flat_map(|x| x.to_le_bytes()).collect(),
        DType::U8 => t.to_vec::<u8>(),
        DType::Bool => t.to_vec::<bool>().into_iter().map(u8::from).collect(),
    };
    TensorProto {
        name: Some(name.into()),
        dims: tensor.shape().iter().map(|&n| n as i64).collect(),
        data_type: Some(data_type(tensor.dtype()) as i32),
        raw_data: Some(Bytes::from(bytes)),
        ..Default::default()
    }
}

/// The sizes of a tensor, if one can have them.
pub(crate) fn shape(dims: &[i64]) -> Result<Shape, Fault> {
    let sizes: Option<Vec<usize>> = dims.iter().map(|&n| usize::try_from(n).ok()).collect();
    let sizes = sizes.ok_or_else(|| Fault::new(format!("a size is negative in {dims:?}")))?;
    if sizes.len() > MAX_RANK {
        return Err(Fault::new(format!("{} dimensions, at most {MAX_RANK} are supported", sizes.len())));
    }
    let elements = sizes.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= MOST_ELEMENTS);
    elements.map(|_| Shape::new(&sizes)).ok_or_else(|| Fault::new(format!("a tensor of shape {dims:?} is too large")))
}

/// Refuses a number of bytes that is not what a tensor's elements take.
pub(crate) fn check_bytes(got: u64, proto: &TensorProto) -> Result<(), Fault> {
    let (shape, dtype) = (shape(&proto.dims)?, dtype(proto.data_type.unwrap_or(0))?);
    match got == (shape.numel() * dtype.size()) as u64 {
        true => Ok(()),
        false => Err(wrong_count(got, "bytes", shape, dtype)),
    }
}

fn wrong_count(got: impl fmt::Display, what: &str, shape: Shape, dtype: DType) -> Fault {
    Fault::new(format!("has {got} {what} for shape {shape} of {dtype}"))
}

/// A tensor whose elements are in the file: those of another one are loaded before ([`External::load`]).
pub(crate) fn tensor(proto: &TensorProto) -> Result<Tensor, Fault> {
    let (shape, dtype) = (shape(&proto.dims)?, dtype(proto.data_type.unwrap_or(0))?);
    let n = shape.numel();
    if proto.data_location == Some(DataLocation::External as i32) {
        return Err(Fault::new("its elements in another file are not loaded"));
    }
    if let Some(raw) = &proto.raw_data {
        check_bytes(raw.len() as u64, proto)?;
        return Ok(from_bytes(raw, shape, dtype));
    }
    let bits = &proto.int32_data;
    let counted = |got: usize| if got == n { Ok(()) } else { Err(wrong_count(got, "numbers", shape, dtype)) };
    Ok(match dtype {
        DType::F32 => {
            counted(proto.float_data.len())?;
            Tensor::from_vec(proto.float_data.clone(), shape)
        }
        DType::F64 => {
            counted(proto.double_data.len())?;
            Tensor::from_vec(proto.double_data.clone(), shape)
        }
        DType::I64 => {
            counted(proto.int64_data.len())?;
            Tensor::from_vec(proto.int64_data.clone(), shape)
        }
        DType::F16 | DType::BF16 | DType::I32 | DType::I8 | DType::U8 | DType::Bool => {
            counted(bits.len())?;
            match dtype {
                DType::F16 => Tensor::from_vec(map(bits, |x| f16::from_bits(x as u16)), shape),
                DType::BF16 => Tensor::from_vec(map(bits, |x| bf16::from_bits(x as u16)), shape),
                DType::I32 => Tensor::from_vec(bits.clone(), shape),
                DType::I8 => Tensor::from_vec(map(bits, |x| x as i8), shape),
                DType::U8 => Tensor::from_vec(map(bits, |x| x as u8), shape),
                _ => Tensor::from_vec(map(bits, |x| x != 0), shape),
            }
        }
    })
}

fn map<T>(bits: &[i32], f: impl Fn(i32) -> T) -> Vec<T> {
    bits.iter().map(|&x| f(x)).collect()
}

/// Little-endian elements, as many as the shape has.
fn from_bytes(raw: &[u8], shape: Shape, dtype: DType) -> Tensor {
    macro_rules! numbers {
        ($t:ty) => {{
            let chunks = raw.as_chunks::<{ std::mem::size_of::<$t>() }>().0;
            Tensor::from_vec(chunks.iter().map(|&b| <$t>::from_le_bytes(b)).collect::<Vec<_>>(), shape)
        }};
    }
    match dtype {
        DType::F32 => numbers!(f32),
        DType::F64 => numbers!(f64),
        DType::F16 => numbers!(f16),
        DType::BF16 => numbers!(bf16),
        DType::I64 => numbers!(i64),
        DType::I32 => numbers!(i32),
        DType::I8 => numbers!(i8),
        DType::U8 => Tensor::from_vec(raw.to_vec(), shape),
        DType::Bool => Tensor::from_vec(raw.iter().map(|&b| b != 0).collect::<Vec<_>>(), shape),
    }
}

/// Reads a file that holds one tensor, such as the ONNX project's test cases have.
///
/// # Errors
/// If the file cannot be read, or holds no tensor of a type that is supported.
pub fn read_tensor(path: &Path) -> Result<(String, Tensor), OnnxError> {
    let bytes = fs::read(path).map_err(|cause| OnnxError::Io { path: path.into(), cause })?;
    let bad = |reason: String| OnnxError::File { path: path.into(), reason: one_line(&reason) };
    let mut proto = TensorProto::decode(Bytes::from(bytes)).map_err(|e| bad(format!("not a tensor of ONNX: {e}")))?;
    External::beside(path).load(&mut proto).map_err(|e| bad(e.to_string()))?;
    let read = tensor(&proto).map_err(|e| bad(e.to_string()))?;
    Ok((proto.name().to_string(), read))
}
