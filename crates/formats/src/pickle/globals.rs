//! The names that a pickle may import, and all that they mean here.

use crate::elements::Kind;

/// What an imported name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Global {
    /// Its first argument, if there is one, has the pairs.
    OrderedDict,
    /// A dictionary whose argument is what lacking keys get.
    DefaultDict,
    Size,
    /// A class of storages, by its elements; `torch.UntypedStorage` has bytes.
    Storage(Kind),
    DType(Kind),
    Rebuild(Rebuild),
    /// A function that makes a tensor of another sort.
    RebuildOdd(&'static str),
    /// Something harmless whose calls give something harmless.
    Opaque,
}

/// PyTorch's functions that make a tensor, by the arguments that they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rebuild {
    /// (storage, offset, sizes, strides, …)
    Tensor,
    /// As `Tensor`; the seventh argument is the type of the elements.
    TensorOfType,
    /// (tensor, …)
    Parameter,
    /// (function, class, its arguments, state)
    FromType,
}

/// What `module.name` means, if it is one of the names that weights need or that often lie beside them.
pub(super) fn lookup(module: &str, name: &str) -> Option<Global> {
    Some(match (module, name) {
        ("collections", "OrderedDict") | ("builtins" | "__builtin__", "dict") => Global::OrderedDict,
        ("collections", "defaultdict") => Global::DefaultDict,
        ("torch", "Size") => Global::Size,
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Global::Rebuild(Rebuild::Tensor),
        ("torch._utils", "_rebuild_tensor_v3") => Global::Rebuild(Rebuild::TensorOfType),
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Global::Rebuild(Rebuild::Parameter),
        ("torch._tensor", "_rebuild_from_type_v2" | "_rebuild_from_type") => Global::Rebuild(Rebuild::FromType),
        ("torch._utils", "_rebuild_qtensor") => Global::RebuildOdd("quantized"),
        ("torch._utils", "_rebuild_sparse_tensor") => Global::RebuildOdd("sparse"),
        ("torch._utils", "_rebuild_meta_tensor_no_storage") => Global::RebuildOdd("meta"),
        ("torch._utils", "_rebuild_nested_tensor") => Global::RebuildOdd("nested"),
        ("torch._utils", "_rebuild_device_tensor_from_numpy" | "_rebuild_xla_tensor") => Global::RebuildOdd("device"),
        ("torch._utils", _) if name.starts_with("_rebuild") => Global::RebuildOdd("unknown"),
        ("torch" | "torch.storage", "UntypedStorage") => Global::Storage(Kind::U8),
        ("torch" | "torch.cuda", _) if name.ends_with("Storage") => Global::Storage(storage(name)?),
        ("torch", "device" | "Tensor" | "strided" | "sparse_coo" | "sparse_csr") => Global::Opaque,
        ("torch", "per_tensor_affine" | "per_channel_affine") => Global::Opaque,
        ("torch.serialization", "_get_layout") => Global::Opaque,
        ("torch.nn.parameter", "Parameter" | "Buffer") => Global::Opaque,
        ("torch", _) => Global::DType(dtype(name)?),
        // Scores, counters and the state of random numbers in checkpoints.
        ("numpy", "dtype" | "ndarray") => Global::Opaque,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar" | "_reconstruct") => Global::Opaque,
        ("_codecs", "encode") | ("collections", "Counter") => Global::Opaque,
        ("builtins" | "__builtin__", "set" | "frozenset" | "complex" | "bytearray") => Global::Opaque,
        _ => return None,
    })
}

fn storage(name: &str) -> Option<Kind> {
    Some(match name.strip_suffix("Storage")? {
        "Double" => Kind::F64,
        "Float" => Kind::F32,
        "Half" => Kind::F16,
        "BFloat16" => Kind::BF16,
        "Long" => Kind::I64,
        "Int" => Kind::I32,
        "Short" => Kind::I16,
        "Char" => Kind::I8,
        "Byte" => Kind::U8,
        "Bool" => Kind::Bool,
        "ComplexFloat" => Kind::Other("complex64", 8),
        "ComplexDouble" => Kind::Other("complex128", 16),
        "QInt8" => Kind::Other("qint8", 1),
        "QUInt8" => Kind::Other("quint8", 1),
        "QInt32" => Kind::Other("qint32", 4),
        "QUInt4x2" => Kind::Other("quint4x2", 1),
        "QUInt2x4" => Kind::Other("quint2x4", 1),
        _ => return None,
    })
}

fn dtype(name: &str) -> Option<Kind> {
    Some(match name {
        "float64" => Kind::F64,
        "float32" => Kind::F32,
        "float16" => Kind::F16,
        "bfloat16" => Kind::BF16,
        "int64" => Kind::I64,
        "int32" => Kind::I32,
        "int16" => Kind::I16,
        "int8" => Kind::I8,
        "uint32" => Kind::U32,
        "uint16" => Kind::U16,
        "uint8" => Kind::U8,
        "bool" => Kind::Bool,
        "uint64" => Kind::Other("uint64", 8),
        "complex32" => Kind::Other("complex32", 4),
        "complex64" => Kind::Other("complex64", 8),
        "complex128" => Kind::Other("complex128", 16),
        "qint8" => Kind::Other("qint8", 1),
        "quint8" => Kind::Other("quint8", 1),
        "qint32" => Kind::Other("qint32", 4),
        "float8_e4m3fn" => Kind::Other("float8_e4m3fn", 1),
        "float8_e5m2" => Kind::Other("float8_e5m2", 1),
        "float8_e4m3fnuz" => Kind::Other("float8_e4m3fnuz", 1),
        "float8_e5m2fnuz" => Kind::Other("float8_e5m2fnuz", 1),
        "float8_e8m0fnu" => Kind::Other("float8_e8m0fnu", 1),
        "float4_e2m1fn_x2" => Kind::Other("float4_e2m1fn_x2", 1),
        _ => return None,
    })
}
