//! The loop that all updates share.

use crate::float::Float;
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::strided::{CHUNK, parallel_parts};

/// The new parameter and state of one element, from the old ones and the gradient.
pub(super) trait Rule<T, const N: usize>: Copy + Send + Sync {
    fn apply(self, p: T, g: T, state: [T; N]) -> (T, [T; N]);
}

/// What an update reads and writes; all slices have one length.
pub(super) struct Slices<'a, T> {
    pub param: &'a mut [T],
    pub grad: &'a [T],
    pub state: Vec<&'a mut [T]>,
}

impl<T: Float> Slices<'_, T> {
    /// Applies `rule` to every element.
    ///
    /// # Panics
    /// If there are not `N` slices of state.
    pub(super) fn apply<R: Rule<T, N>, const N: usize>(self, rule: R) {
        let Ok(state) = <[&mut [T]; N]>::try_from(self.state) else { panic!("the rule takes {N} slices of state") };
        let mut chunks = state.map(|s| s.chunks_mut(CHUNK));
        let parts = self.param.chunks_mut(CHUNK).zip(self.grad.chunks(CHUNK));
        let parts = parts.map(|(param, grad)| {
            let state = chunks.each_mut().map(|c| c.next().expect("all have one length"));
            Part { rule, param, grad, state }
        });
        parallel_parts(parts, |_, part| T::dispatch(part));
    }
}

struct Part<'a, T, R, const N: usize> {
    rule: R,
    param: &'a mut [T],
    grad: &'a [T],
    state: [&'a mut [T]; N],
}

impl<T: Float, R: Rule<T, N>, const N: usize> Kernel for Part<'_, T, R, N> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Part { rule, param, grad, state } = self;
        let n = param.len();
        let grad = &grad[..n];
        let state = state.map(|s| &mut s[..n]);
        for i in 0..n {
            let mut old = [T::ZERO; N];
            for k in 0..N {
                old[k] = state[k][i];
            }
            let (p, new) = rule.apply(param[i], grad[i], old);
            for k in 0..N {
                state[k][i] = new[k];
            }
            param[i] = p;
        }
    }
}
