//! Arrays: numbers with a shape and a layout, and no gradients.
//!
//! [`Array`] is what a [`Backend`] works on. [`crate::Tensor`] puts autograd on top. Four-dimensional arrays are made
//! channels-last (NHWC in memory, NCHW in meaning); views may have any strides.

use crate::backend::{Backend, Place};
use crate::device::Device;
use crate::dtype::{DType, by_type};
use crate::element::{Element, Stored};
use crate::op::Spec;
use crate::shape::Shape;
use half::{bf16, f16};
use std::any::Any;
use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;
use striate_kernels::{AlignedVec, Bool, PackedMatrix, copy};

/// Where an array's elements are.
#[derive(Clone)]
pub enum Storage {
    /// `f32` in this process's memory.
    F32(Arc<AlignedVec<f32>>),
    /// `f64` in this process's memory.
    F64(Arc<AlignedVec<f64>>),
    /// `f16` in this process's memory.
    F16(Arc<AlignedVec<f16>>),
    /// `bf16` in this process's memory.
    BF16(Arc<AlignedVec<bf16>>),
    /// `i64` in this process's memory.
    I64(Arc<AlignedVec<i64>>),
    /// `i32` in this process's memory.
    I32(Arc<AlignedVec<i32>>),
    /// `i8` in this process's memory.
    I8(Arc<AlignedVec<i8>>),
    /// `u8` in this process's memory.
    U8(Arc<AlignedVec<u8>>),
    /// Truth values in this process's memory.
    Bool(Arc<AlignedVec<Bool>>),
    /// `f32` in this process's memory, as kernels read a weight; shown in the default layout.
    Packed(Arc<PackedMatrix>),
    /// Somewhere that only another backend knows.
    Remote(Arc<dyn Remote>),
}

/// An array's elements in the keeping of a backend other than the CPU's.
pub trait Remote: Any + Send + Sync {
    /// The backend that keeps them.
    fn backend(&self) -> Arc<dyn Backend>;
    /// The type of the elements.
    fn dtype(&self) -> DType;
    /// Copies the elements to memory, in the default layout of their shape.
    fn download(&self, shape: Shape) -> Array;
}

/// Numbers with a shape and a layout. A clone is a handle to the same numbers, which are copied before either changes.
#[derive(Clone)]
pub struct Array {
    pub(crate) storage: Storage,
    pub(crate) shape: Shape,
    pub(crate) strides: Shape,
    pub(crate) offset: usize,
}

/// The order in which memory runs through the dimensions of a fresh array, the slowest first.
pub(crate) fn memory_order(rank: usize) -> &'static [usize] {
    match rank {
        4 => &[0, 2, 3, 1],
        _ => &[0, 1, 2, 3, 4, 5, 6, 7][..rank],
    }
}

/// Elements in dense order: borrowed from an array where they lie so already, else copied.
pub(crate) enum Packed<'a, T: Stored> {
    Borrowed(&'a [T]),
    Owned(AlignedVec<T>),
}

impl<T: Stored> Deref for Packed<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match self {
            Packed::Borrowed(s) => s,
            Packed::Owned(b) => b,
        }
    }
}

impl<T: Stored> Packed<'_, T> {
    /// The elements in a buffer of their own, copied only if they are borrowed.
    pub fn into_buffer(self) -> AlignedVec<T> {
        match self {
            Packed::Borrowed(values) => AlignedVec::from_slice(values),
            Packed::Owned(buffer) => buffer,
        }
    }
}

impl Array {
    /// An array in the default layout of `shape`, whose values lie in `buffer` in that layout.
    pub(crate) fn from_buffer<T: Stored>(buffer: AlignedVec<T>, shape: Shape) -> Array {
        Array::in_order(buffer, shape, memory_order(shape.rank()))
    }

    /// An array whose values lie in `buffer` in row-major order of the dimensions taken in `order`.
    pub(crate) fn in_order<T: Stored>(buffer: AlignedVec<T>, shape: Shape, order: &[usize]) -> Array {
        assert_eq!(buffer.len(), shape.numel(), "{} values do not fill shape {shape}", buffer.len());
        Array { storage: T::wrap(Arc::new(buffer)), shape, strides: shape.strides_in(order), offset: 0 }
    }

    /// An array from values in row-major order.
    ///
    /// # Panics
    /// If the number of values does not fit `shape`.
    pub fn from_slice<T: Element>(values: &[T], shape: Shape) -> Array {
        Array::from_values(values.iter().copied(), shape)
    }

    /// As [`Array::from_slice`], from what gives the values.
    pub fn from_values<T: Element>(values: impl ExactSizeIterator<Item = T>, shape: Shape) -> Array {
        let rows = Array::in_order(T::store(values), shape, &(0..shape.rank()).collect::<Vec<_>>());
        rows.dense()
    }

    /// An array of `shape` filled with `value`.
    pub fn full(value: f64, shape: Shape, dtype: DType) -> Array {
        fn fill<T: Stored>(value: f64, shape: Shape) -> Array {
            let mut buffer = AlignedVec::zeroed(shape.numel());
            if value != 0.0 {
                buffer.fill(T::from_f64(value));
            }
            Array::from_buffer(buffer, shape)
        }
        by_type!(dtype, |T| fill::<T>(value, shape))
    }

    /// An array kept by another backend.
    pub fn remote(remote: Arc<dyn Remote>, shape: Shape) -> Array {
        let strides = shape.strides_in(memory_order(shape.rank()));
        Array { storage: Storage::Remote(remote), shape, strides, offset: 0 }
    }

    /// The sizes of its dimensions.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        match &self.storage {
            Storage::F32(_) => DType::F32,
            Storage::F64(_) => DType::F64,
            Storage::F16(_) => DType::F16,
            Storage::BF16(_) => DType::BF16,
            Storage::I64(_) => DType::I64,
            Storage::I32(_) => DType::I32,
            Storage::I8(_) => DType::I8,
            Storage::U8(_) => DType::U8,
            Storage::Bool(_) => DType::Bool,
            Storage::Packed(_) => DType::F32,
            Storage::Remote(r) => r.dtype(),
        }
    }

    /// Its shape and type.
    pub fn spec(&self) -> Spec {
        Spec { shape: self.shape, dtype: self.dtype() }
    }

    /// Where its elements lie in memory and how many bytes are kept there, for counting: arrays that share elements give the same. Zeros for one that is kept
    /// elsewhere.
    pub fn memory(&self) -> (usize, usize) {
        fn of<T: Stored>(buffer: &AlignedVec<T>) -> (usize, usize) {
            (buffer.as_ptr() as usize, buffer.len() * size_of::<T>())
        }
        match &self.storage {
            Storage::F32(b) => of(b),
            Storage::F64(b) => of(b),
            Storage::F16(b) => of(b),
            Storage::BF16(b) => of(b),
            Storage::I64(b) => of(b),
            Storage::I32(b) => of(b),
            Storage::I8(b) => of(b),
            Storage::U8(b) => of(b),
            Storage::Bool(b) => of(b),
            Storage::Packed(m) => (Arc::as_ptr(m) as usize, m.bytes()),
            Storage::Remote(_) => (0, 0),
        }
    }

    /// The device that keeps it.
    pub fn device(&self) -> Device {
        match &self.storage {
            Storage::Remote(r) => r.backend().device(),
            _ => Device::Cpu,
        }
    }

    /// The backend that keeps it.
    pub fn place(&self) -> Place {
        match &self.storage {
            Storage::Remote(r) => Place::Remote(r.backend()),
            _ => Place::Cpu,
        }
    }

    /// The keeper's own handle, where that is not the CPU.
    pub fn as_remote(&self) -> Option<&Arc<dyn Remote>> {
        match &self.storage {
            Storage::Remote(r) => Some(r),
            _ => None,
        }
    }

    /// This weight, outputs × inputs in rank 2 or as a kernel of 1×1, held packed for the settings of this thread and in no other form.
    pub(crate) fn to_packed(&self) -> Array {
        let sizes = [self.shape[0], self.shape[1]];
        assert_eq!(self.shape.numel(), sizes[0] * sizes[1], "{} is no matrix", self.shape);
        let matrix = PackedMatrix::new(sizes, &self.packed_default::<f32>());
        let strides = self.shape.strides_in(memory_order(self.shape.rank()));
        Array { storage: Storage::Packed(Arc::new(matrix)), shape: self.shape, strides, offset: 0 }
    }

    /// Whether nobody else holds the elements, and they are `f32` in this process's memory.
    pub(crate) fn is_sole_f32(&self) -> bool {
        matches!(&self.storage, Storage::F32(buffer) if Arc::strong_count(buffer) == 1)
    }

    /// The weight, if it is held only packed.
    pub(crate) fn as_packed(&self) -> Option<&PackedMatrix> {
        match &self.storage {
            Storage::Packed(matrix) => Some(matrix),
            _ => None,
        }
    }

    /// How many bytes a weight takes that is held only packed; none of others.
    pub fn packed_bytes(&self) -> Option<usize> {
        self.as_packed().map(PackedMatrix::bytes)
    }

    /// The array in this process's memory, in a form that every kernel reads.
    pub fn to_cpu(&self) -> Cow<'_, Array> {
        match &self.storage {
            Storage::Packed(matrix) => Cow::Owned(Array::from_buffer(matrix.values(), self.shape)),
            Storage::Remote(r) => Cow::Owned(r.download(self.shape)),
            _ => Cow::Borrowed(self),
        }
    }

    /// The array on `device`.
    ///
    /// # Panics
    /// If this build or machine has no such device.
    pub(crate) fn to_device(&self, device: Device) -> Array {
        let here = self.to_cpu().into_owned();
        match device.place() {
            Place::Cpu => here,
            Place::Remote(backend) => backend.upload(&here, None),
        }
    }

    /// Whether memory runs through the dimensions in `order` without gaps.
    pub(crate) fn is_dense_in(&self, order: &[usize]) -> bool {
        let mut step = 1;
        for &d in order.iter().rev() {
            if self.shape[d] > 1 && self.strides[d] != step {
                return false;
            }
            step *= self.shape[d].max(1);
        }
        true
    }

    fn typed<T: Stored>(&self) -> &Arc<AlignedVec<T>> {
        T::of(&self.storage).unwrap_or_else(|| panic!("expected a {} array in memory, got {}", T::DTYPE, self.dtype()))
    }

    /// The elements from the first on, with this array's strides.
    pub(crate) fn data<T: Stored>(&self) -> &[T] {
        &self.typed::<T>()[self.offset..]
    }

    /// The elements, dense in row-major order of the dimensions taken in `order`.
    pub(crate) fn packed<T: Stored>(&self, order: &[usize]) -> Packed<'_, T> {
        let n = self.shape.numel();
        if self.is_dense_in(order) {
            return Packed::Borrowed(&self.data::<T>()[..n]);
        }
        let mut out = AlignedVec::unspecified(n);
        copy::copy_strided(&self.shape.permuted(order), self.data::<T>(), &self.strides.permuted(order), &mut out);
        Packed::Owned(out)
    }

    /// The elements in the default layout.
    pub(crate) fn packed_default<T: Stored>(&self) -> Packed<'_, T> {
        self.packed(memory_order(self.shape.rank()))
    }

    /// The elements in row-major order, copied.
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        let here = self.to_cpu();
        T::load(&here.packed::<T::Stored>(&(0..self.shape.rank()).collect::<Vec<_>>()))
    }

    /// The array in its default layout, copied only if it is not in it yet.
    pub fn dense(self) -> Array {
        if matches!(self.storage, Storage::Remote(_)) || self.is_dense_in(memory_order(self.shape.rank())) {
            return self;
        }
        fn copied<T: Stored>(x: &Array) -> Array {
            let Packed::Owned(buffer) = x.packed_default::<T>() else { unreachable!("a dense array is not copied") };
            Array::from_buffer(buffer, x.shape)
        }
        by_type!(self.dtype(), |T| copied::<T>(&self))
    }

    /// The order of the dimensions in which the array is dense; the default one if it is dense in that, or in none.
    pub(crate) fn dense_order(&self) -> Cow<'static, [usize]> {
        let default = memory_order(self.shape.rank());
        if self.is_dense_in(default) {
            return default.into();
        }
        let (mut rest, mut order) = (default.to_vec(), Vec::with_capacity(default.len()));
        // By descending strides. A sort would be more machine code than all else here.
        while let Some(i) = (0..rest.len()).rev().max_by_key(|&i| self.strides[rest[i]]) {
            order.push(rest.remove(i));
        }
        if self.is_dense_in(&order) { order.into() } else { default.into() }
    }

    /// The elements to write to, in the default layout, if nobody else holds them and they lie so.
    pub(crate) fn exclusive<T: Stored>(&mut self) -> Option<&mut [T]> {
        self.exclusive_in(memory_order(self.shape.rank()))
    }

    /// As [`Array::exclusive`], dense in row-major order of the dimensions taken in `order`.
    pub(crate) fn exclusive_in<T: Stored>(&mut self, order: &[usize]) -> Option<&mut [T]> {
        if !self.is_dense_in(order) {
            return None;
        }
        let (offset, n) = (self.offset, self.shape.numel());
        let buffer = Arc::get_mut(T::of_mut(&mut self.storage)?)?;
        Some(&mut buffer[offset..offset + n])
    }

    /// The elements to write to, in the default layout, copied first if somebody else holds them.
    pub(crate) fn make_mut<T: Stored>(&mut self) -> &mut [T] {
        if self.exclusive::<T>().is_none() {
            let copy = self.packed_default::<T>().into_buffer();
            *self = Array::from_buffer(copy, self.shape);
        }
        self.exclusive().expect("a fresh copy is held by nobody else")
    }
}
