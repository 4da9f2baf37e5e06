//! The transforms of kernels, laid out as right operands of the products.

use super::tiles::point_stride;
use super::transform::{Half, Tile};
use crate::copy::transpose::transpose;
use crate::gemm::tile::tile_cols;
use crate::isa::Kernel;
use crate::memory::NewBuffer;
use crate::simd::{MAX_LANES, Simd};
use crate::target::Target;
use crate::{AlignedVec, threads};
use std::marker::PhantomData;
use std::ops::Range;

/// The kernels of a convolution, or of the one that gives its input gradient.
#[derive(Clone, Copy)]
pub(super) struct Kernels<'a> {
    /// Output channel of the layer × element × input channel of the layer
    pub values: &'a [f32],
    /// Channels that the convolution takes and gives.
    pub inputs: usize,
    pub outputs: usize,
    /// Whether this is for the input gradient: the layer's output channels are what it takes, and kernels are rotated by 180°.
    pub rotated: bool,
}

impl Kernels<'_> {
    /// All of them, transformed, as panels of adjacent output channels: panel × point × input channel × output channel, points
    /// [`point_stride`] apart.
    pub fn transformed<F: Tile>(self, target: Target, new: NewBuffer) -> AlignedVec<f32> {
        let Kernels { inputs, outputs, .. } = self;
        let (lanes, width) = (target.lanes(), tile_cols(target.lanes()));
        let panel = |channels: usize| F::POINTS * point_stride(inputs * channels.next_multiple_of(lanes));
        let rest = if outputs.is_multiple_of(width) { 0 } else { panel(outputs % width) };
        let mut kernels = new(outputs / width * panel(width) + rest);
        threads::parallel_chunks(&mut kernels, panel(width), |j, panel| {
            let channels = width.min(outputs - j * width);
            target.run(KernelPanel {
                kernels: self,
                inputs: 0..inputs,
                first: j * width,
                channels,
                panel,
                tile: PhantomData::<F>,
            });
        });
        kernels
    }

    /// Element `k` of the kernels of input channel `i`, for output channels from `first` on; rotated kernels alone have it in one piece.
    #[inline(always)]
    fn rotated_row(&self, k: usize, i: usize, first: usize) -> &[f32] {
        &self.values[(i * 9 + 8 - k) * self.outputs + first..]
    }

    /// Writes element `k` of the kernels of some input channels and `used` output channels from `first` on: input channel × output channel,
    /// rows of `stored`, of which the rest is 0.
    #[inline(always)]
    fn gather(&self, k: usize, inputs: Range<usize>, first: usize, used: usize, stored: usize, to: &mut [f32]) {
        let to = &mut to[..inputs.len() * stored];
        if self.rotated {
            for (row, i) in to.chunks_exact_mut(stored).zip(inputs) {
                row[..used].copy_from_slice(&self.rotated_row(k, i, first)[..used]);
                row[used..].fill(0.0);
            }
            return;
        }
        let from = &self.values[(first * 9 + k) * self.inputs + inputs.start..];
        if used == stored {
            return transpose(used, 9 * self.inputs, from, to);
        }
        for (i, row) in to.chunks_exact_mut(stored).enumerate() {
            for (o, x) in row.iter_mut().enumerate() {
                *x = if o < used { from[o * 9 * self.inputs + i] } else { 0.0 };
            }
        }
    }
}

/// Of [`Kernels::transformed`], the panel that begins at output channel `column`, a multiple of `width`.
pub(super) fn kernel_panel<F: Tile>(kernels: &[f32], ci: usize, column: usize, width: usize) -> &[f32] {
    &kernels[column / width * F::POINTS * point_stride(ci * width)..]
}

/// Transforms the kernels of a few output channels, and of all or some input channels.
pub(super) struct KernelPanel<'a, F> {
    pub kernels: Kernels<'a>,
    pub inputs: Range<usize>,
    /// The panel's first output channel, and how many it has.
    pub first: usize,
    pub channels: usize,
    /// point × input channel × output channel, points [`point_stride`] apart
    pub panel: &'a mut [f32],
    /// The tiles that they are for.
    pub tile: PhantomData<F>,
}

/// Input channels that are read together: elements of a kernel that share a cache line.
const TOGETHER: usize = 16;
/// Values of one element that are gathered: those of a whole panel.
const GATHERED: usize = TOGETHER * tile_cols(MAX_LANES);

impl<F: Tile> Kernel for KernelPanel<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let stored = self.channels.next_multiple_of(S::LANES);
        let inputs = self.inputs.len();
        let point = point_stride(inputs * stored);
        assert!(self.panel.len() >= (F::POINTS - 1) * point + inputs * stored && stored <= tile_cols(S::LANES));
        // Rotated kernels are read where they lie.
        let gathers = !self.kernels.rotated || self.channels < stored;
        let mut elements = [[0.0f32; GATHERED]; 9];
        for start in (0..inputs).step_by(TOGETHER) {
            let count = TOGETHER.min(inputs - start);
            let first = self.inputs.start + start;
            if gathers {
                for k in 0..9 {
                    self.kernels.gather(k, first..first + count, self.first, self.channels, stored, &mut elements[k]);
                }
            }
            for i in 0..count {
                for o in (0..stored).step_by(S::LANES) {
                    let mut half = Half::<S, 6, 3>::new();
                    for x in 0..3 {
                        let mut column = [simd.splat(0.0); 3];
                        for y in 0..3 {
                            let k = y * 3 + x;
                            let from = match gathers {
                                true => &elements[k][i * stored + o..],
                                false => self.kernels.rotated_row(k, first + i, self.first + o),
                            };
                            // SAFETY: the slice that is taken first is as long as the vector.
                            column[y] = unsafe { simd.load(from[..S::LANES].as_ptr()) };
                        }
                        half.set_column(x, &F::kernel(simd, column));
                    }
                    for y in 0..F::SIZE {
                        // SAFETY: all columns are set.
                        let row = F::kernel(simd, unsafe { half.row(simd, y, 3) });
                        for x in 0..F::SIZE {
                            let to = (y * F::SIZE + x) * point + (start + i) * stored + o;
                            // SAFETY: the panel has `inputs * stored` numbers at each point, as asserted.
                            unsafe { simd.store(self.panel.as_mut_ptr().add(to), row[x]) };
                        }
                    }
                }
            }
        }
    }
}
