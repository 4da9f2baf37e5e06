//! The last step of the weight gradient: from the sums at all points to the kernels' gradients.

use super::tiles::POINTS;
use super::transform::{self, Half};
use crate::isa::Kernel;
use crate::simd::Simd;

/// The gradients of one output channel's kernels from the sums at all points.
pub(super) struct KernelGrad<'a> {
    /// partial × point × input channel
    pub sums: &'a [f32],
    /// The distance between partial sums.
    pub part: usize,
    pub partials: usize,
    /// The distance between points.
    pub point: usize,
    /// The first input channel of the sums, and how many.
    pub first: usize,
    pub columns: usize,
    /// element × input channel
    pub kernel: &'a mut [f32],
}

impl Kernel for KernelGrad<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let ci = self.kernel.len() / 9;
        let last = (self.partials - 1) * self.part + (POINTS - 1) * self.point;
        assert!(self.sums.len() >= last + self.columns && ci >= self.first + self.columns);
        for first in (0..self.columns).step_by(S::LANES) {
            let lanes = S::LANES.min(self.columns - first);
            let mut half = Half::<S, 3, 6>::new();
            for j in 0..6 {
                let mut column = [simd.splat(0.0); 6];
                for i in 0..6 {
                    for part in 0..self.partials {
                        let at = part * self.part + (i * 6 + j) * self.point + first;
                        // SAFETY: `lanes` of the sums' columns are left, within the length asserted above.
                        let sum = unsafe {
                            let from = self.sums.as_ptr().add(at);
                            if lanes == S::LANES { simd.load(from) } else { simd.load_first(from, lanes) }
                        };
                        column[i] = simd.add(column[i], sum);
                    }
                }
                half.set_column(j, &transform::kernel_grad(simd, column));
            }
            for y in 0..3 {
                // SAFETY: all columns are set.
                let row = transform::kernel_grad(simd, unsafe { half.row(simd, y, 6) });
                for x in 0..3 {
                    // SAFETY: as many of the kernel's input channels are left, as asserted.
                    unsafe {
                        let to = self.kernel.as_mut_ptr().add((y * 3 + x) * ci + self.first + first);
                        if lanes == S::LANES { simd.store(to, row[x]) } else { simd.store_first(to, row[x], lanes) }
                    }
                }
            }
        }
    }
}
