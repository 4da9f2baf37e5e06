//! Weights in the order in which kernels read them, made once for many runs.

use crate::gemm::tile::Panels;
use crate::memory::NewBuffer;
use crate::settings::{ComputeSettings, Precision};
use crate::{AlignedVec, Element, Float};
use std::sync::OnceLock;

/// What kernels make of the weight of one convolution or linear layer. It belongs to whoever runs the layer many times with the same values, and fills when
/// they first run; one that runs with another instruction set or precision later packs anew each time.
#[derive(Default)]
pub struct PackedWeight {
    /// Kernels in another order, with the vector length that they are for.
    kernels: OnceLock<(usize, AlignedVec<f32>)>,
    /// Kernels transformed for tiles of 2 × 2 pixels, which are for fewer images than the others.
    small_tiles: OnceLock<(usize, AlignedVec<f32>)>,
    panels: OnceLock<((usize, Precision), Vec<Panels>)>,
}

impl PackedWeight {
    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        let kernels = [&self.kernels, &self.small_tiles].map(|k| k.get().map_or(0, |(_, kernels)| 4 * kernels.len()));
        kernels.iter().sum::<usize>() + self.panels.get().map_or(0, |(_, all)| all.iter().map(Panels::bytes).sum())
    }

    /// Transformed kernels, or those of one channel each.
    pub(crate) fn kernels(
        &self,
        lanes: usize,
        make: impl FnOnce(NewBuffer) -> AlignedVec<f32>,
    ) -> Option<&AlignedVec<f32>> {
        made_for(&self.kernels, lanes, make)
    }

    pub(crate) fn small_tiles(
        &self,
        lanes: usize,
        make: impl FnOnce(NewBuffer) -> AlignedVec<f32>,
    ) -> Option<&AlignedVec<f32>> {
        made_for(&self.small_tiles, lanes, make)
    }

    /// Panels for vectors of this length, and of this precision.
    pub(crate) fn panels(
        &self,
        lanes: usize,
        precision: Precision,
        make: impl FnOnce(NewBuffer) -> Vec<Panels>,
    ) -> Option<&[Panels]> {
        made_for(&self.panels, (lanes, precision), make).map(Vec::as_slice)
    }
}

/// What `cell` keeps, made now if it is empty; none if that was made for another `kind`.
fn made_for<K: Copy + PartialEq, T>(cell: &OnceLock<(K, T)>, kind: K, make: impl FnOnce(NewBuffer) -> T) -> Option<&T> {
    let (own, kept) = cell.get_or_init(|| (kind, make(AlignedVec::kept)));
    (*own == kind).then_some(kept)
}

/// The weight of an op, and where its packed form is kept, if it is.
#[derive(Clone, Copy)]
pub struct Weights<'a, T: Element> {
    pub(crate) values: &'a [T],
    pub(crate) packed: Option<&'a PackedWeight>,
}

impl<'a, T: Element> Weights<'a, T> {
    /// Values that are the same each time that `packed` comes with them.
    pub fn packed(values: &'a [T], packed: &'a PackedWeight) -> Self {
        Weights { values, packed: Some(packed) }
    }

    /// The precision that they are packed in.
    pub(crate) fn precision(&self) -> Precision {
        self.packed.map_or(Precision::F32, |_| ComputeSettings::current().precision)
    }

    /// The same, if they are `f32`.
    pub(crate) fn as_f32(&self) -> Option<Weights<'a, f32>>
    where
        T: Float,
    {
        T::as_f32(self.values).map(|values| Weights { values, packed: self.packed })
    }
}

impl<'a, T: Element> From<&'a [T]> for Weights<'a, T> {
    fn from(values: &'a [T]) -> Self {
        Weights { values, packed: None }
    }
}

impl<'a, T: Element> From<&'a Vec<T>> for Weights<'a, T> {
    fn from(values: &'a Vec<T>) -> Self {
        Weights { values, packed: None }
    }
}

impl<'a, T: Element> From<&'a AlignedVec<T>> for Weights<'a, T> {
    fn from(values: &'a AlignedVec<T>) -> Self {
        Weights { values, packed: None }
    }
}
