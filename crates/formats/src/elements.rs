//! The types of elements that files have, and the tensors that they become.

use striate_tensor::{Element, Tensor, bf16, f16};

/// The types that can be read, whatever file they are in.
pub(crate) const SUPPORTED: &str =
    "float64, float32, float16, bfloat16, int64, int32, int16, int8, uint32, uint16, uint8 and bool";

/// The type of a storage's or a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U32,
    U16,
    U8,
    Bool,
    /// One that no tensor here can hold: its name and the bytes that an element takes.
    #[cfg_attr(not(feature = "archives"), expect(dead_code))]
    Other(&'static str, usize),
}

impl Kind {
    /// Bytes that an element takes in a file.
    pub fn size(self) -> usize {
        match self {
            Kind::F64 | Kind::I64 => 8,
            Kind::F32 | Kind::I32 | Kind::U32 => 4,
            Kind::F16 | Kind::BF16 | Kind::I16 | Kind::U16 => 2,
            Kind::I8 | Kind::U8 | Kind::Bool => 1,
            Kind::Other(_, size) => size,
        }
    }
}

/// Elements as bytes, in whatever order they lie.
pub(crate) trait Elements {
    /// The tensor of `element` of the bytes of each, least significant first.
    fn collect<T: Element, const N: usize>(self, element: impl Fn([u8; N]) -> T) -> Tensor;
}

/// The tensor of these elements, without loss; `None` if no tensor can hold them.
pub(crate) fn read(kind: Kind, elements: impl Elements) -> Option<Tensor> {
    Some(match kind {
        Kind::F64 => elements.collect(f64::from_le_bytes),
        Kind::F32 => elements.collect(f32::from_le_bytes),
        Kind::F16 => elements.collect(f16::from_le_bytes),
        Kind::BF16 => elements.collect(bf16::from_le_bytes),
        Kind::I64 => elements.collect(i64::from_le_bytes),
        Kind::I32 => elements.collect(i32::from_le_bytes),
        Kind::I16 => elements.collect(|b| i16::from_le_bytes(b) as i64),
        Kind::I8 => elements.collect(i8::from_le_bytes),
        Kind::U32 => elements.collect(|b| u32::from_le_bytes(b) as i64),
        Kind::U16 => elements.collect(|b| u16::from_le_bytes(b) as i64),
        Kind::U8 => elements.collect(|[b]| b),
        Kind::Bool => elements.collect(|[b]| b != 0),
        Kind::Other(..) => return None,
    })
}

/// Elements one after another, in row-major order; there are as many bytes as the shape needs.
pub(crate) struct Flat<'a> {
    pub bytes: &'a [u8],
    pub shape: &'a [usize],
    pub big_endian: bool,
}

impl Elements for Flat<'_> {
    fn collect<T: Element, const N: usize>(self, element: impl Fn([u8; N]) -> T) -> Tensor {
        let of = |&bytes: &[u8; N]| {
            let mut bytes = bytes;
            if self.big_endian {
                bytes.reverse();
            }
            element(bytes)
        };
        Tensor::from_values(self.bytes.as_chunks::<N>().0.iter().map(of), self.shape)
    }
}
