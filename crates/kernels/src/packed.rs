//! Weights in the order in which kernels read them, made once for many runs.

use crate::gemm::tile::Panels;
use crate::memory::NewBuffer;
use crate::settings::{ComputeSettings, Precision};
use crate::target::Target;
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

/// A matrix of weights, outputs × inputs, held in the order in which products of many rows read it and in no other.
pub struct PackedMatrix {
    panels: Panels,
    lanes: usize,
    sizes: [usize; 2],
}

impl PackedMatrix {
    /// Packs `values`, outputs × inputs, for the instruction set of this thread.
    ///
    /// # Panics
    /// If there are not as many values.
    pub fn new(sizes: [usize; 2], values: &[f32]) -> PackedMatrix {
        let [outputs, inputs] = sizes;
        assert!(values.len() == outputs * inputs, "{} values do not fill {outputs}×{inputs}", values.len());
        let lanes = Target::current().lanes();
        let panels = Panels::from_columns(AlignedVec::kept, lanes, inputs, outputs, values);
        PackedMatrix { panels, lanes, sizes }
    }

    /// Whether kernels read it with the settings of this thread as it is.
    pub fn fits(&self) -> bool {
        self.lanes == Target::current().lanes() && ComputeSettings::current().precision == Precision::F32
    }

    /// The values, outputs × inputs.
    pub fn values(&self) -> AlignedVec<f32> {
        let [_, inputs] = self.sizes;
        let mut values = AlignedVec::unspecified(self.len());
        for (first, cols, panel) in (0..self.panels.len()).map(|j| self.panels.get(j)) {
            let stored = panel.len().checked_div(inputs).unwrap_or(0);
            for (i, row) in values[first * inputs..][..cols * inputs].chunks_exact_mut(inputs.max(1)).enumerate() {
                row.iter_mut().zip(panel[i..].iter().step_by(stored)).for_each(|(to, x)| *to = *x);
            }
        }
        values
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.panels.bytes()
    }

    fn len(&self) -> usize {
        self.sizes.iter().product()
    }
}

/// The weight of an op, and where its packed form is kept, if it is.
#[derive(Clone, Copy)]
pub struct Weights<'a, T: Element> {
    pub(crate) values: &'a [T],
    pub(crate) packed: Option<&'a PackedWeight>,
    /// In the place of `values`, which are then none.
    pub(crate) matrix: Option<&'a PackedMatrix>,
}

impl<'a, T: Element> Weights<'a, T> {
    /// Values that are the same each time that `packed` comes with them.
    pub fn packed(values: &'a [T], packed: &'a PackedWeight) -> Self {
        Weights { packed: Some(packed), ..values.into() }
    }

    /// What is held only packed.
    ///
    /// # Panics
    /// If it does not [fit](PackedMatrix::fits).
    pub fn held(matrix: &'a PackedMatrix) -> Self {
        assert!(matrix.fits(), "a weight that is packed for another instruction set or precision");
        Weights { values: &[], packed: None, matrix: Some(matrix) }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.matrix.map_or(self.values.len(), PackedMatrix::len)
    }

    /// Panels that outlive this product: the matrix's, or those that are kept, made now if there are none.
    pub(crate) fn panels(
        &self,
        lanes: usize,
        precision: Precision,
        make: impl FnOnce(NewBuffer) -> Vec<Panels>,
    ) -> Option<&'a [Panels]> {
        match self.matrix {
            Some(matrix) => Some(std::slice::from_ref(&matrix.panels)),
            None => self.packed?.panels(lanes, precision, make),
        }
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
        T::as_f32(self.values).map(|values| Weights { values, packed: self.packed, matrix: self.matrix })
    }
}

impl<'a, T: Element> From<&'a [T]> for Weights<'a, T> {
    fn from(values: &'a [T]) -> Self {
        Weights { values, packed: None, matrix: None }
    }
}

impl<'a, T: Element> From<&'a Vec<T>> for Weights<'a, T> {
    fn from(values: &'a Vec<T>) -> Self {
        values[..].into()
    }
}

impl<'a, T: Element> From<&'a AlignedVec<T>> for Weights<'a, T> {
    fn from(values: &'a AlignedVec<T>) -> Self {
        values[..].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv2d::{Conv2dShape, conv2d};
    use crate::gemm::{Matrix, linear};
    use crate::isa::Isa;
    use crate::target::tests::on_every_target;

    const SIZES: [[usize; 2]; 8] = [[1, 1], [3, 17], [33, 5], [17, 64], [100, 3], [64, 128], [0, 3], [3, 0]];

    fn counted(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * 0.37).sin()).collect()
    }

    #[test]
    fn values_come_back() {
        on_every_target(|target| {
            for sizes in SIZES {
                let values = counted(sizes.iter().product());
                let matrix = PackedMatrix::new(sizes, &values);
                assert_eq!(matrix.values()[..], values[..], "{target:?} {sizes:?}");
                assert!(matrix.fits() && matrix.bytes() >= 4 * values.len());
            }
        });
    }

    #[test]
    fn products_are_those_with_the_values() {
        on_every_target(|target| {
            for [outputs, inputs] in SIZES {
                for rows in [0, 1, 5, 130] {
                    let (x, weight) = (counted(rows * inputs), counted(outputs * inputs));
                    let (matrix, packed) = (PackedMatrix::new([outputs, inputs], &weight), PackedWeight::default());
                    let (mut got, mut want) = (vec![f32::NAN; rows * outputs], vec![f32::NAN; rows * outputs]);
                    let s = Conv2dShape {
                        batch: rows,
                        in_channels: inputs,
                        in_size: [1; 2],
                        out_channels: outputs,
                        kernel: [1; 2],
                        stride: [1; 2],
                        padding: [[0; 2]; 2],
                        dilation: [1; 2],
                        groups: 1,
                    };
                    conv2d(&s, &x[..], Weights::packed(&weight[..], &packed), None, &mut want);
                    conv2d(&s, &x[..], Weights::held(&matrix), None, &mut got);
                    assert_eq!(got, want, "{target:?} {rows}×{inputs}×{outputs}");
                    if crate::gemm::reads_packed(rows, inputs, outputs) {
                        let x = Matrix::row_major(&x, inputs);
                        linear(rows, inputs, outputs, x, Weights::packed(&weight[..], &packed), None, &mut want);
                        linear(rows, inputs, outputs, x, Weights::held(&matrix), None, &mut got);
                        assert_eq!(got, want, "{target:?} linear {rows}×{inputs}×{outputs}");
                    }
                }
            }
        });
    }

    #[test]
    fn another_instruction_set_is_refused() {
        let on = |isa| ComputeSettings { isa: Some(isa), ..ComputeSettings::default() };
        let matrix = on(Isa::Portable).scope(|| PackedMatrix::new([2, 3], &counted(6)));
        for isa in Isa::available() {
            let fits = on(isa).scope(|| matrix.fits());
            let taken = on(isa).scope(|| std::panic::catch_unwind(|| Weights::<f32>::held(&matrix).len()));
            assert_eq!(taken.is_ok(), fits, "{}", isa.name());
        }
    }

    #[test]
    #[should_panic(expected = "a matrix is no weight")]
    fn larger_kernels_are_refused() {
        let matrix = PackedMatrix::new([4, 9], &counted(36));
        let s = Conv2dShape {
            batch: 1,
            in_channels: 1,
            in_size: [5; 2],
            out_channels: 4,
            kernel: [3; 2],
            stride: [1; 2],
            padding: [[0; 2]; 2],
            dilation: [1; 2],
            groups: 1,
        };
        conv2d(&s, &counted(25)[..], Weights::held(&matrix), None, &mut [0.0; 36]);
    }
}
