//! Maximum pooling of `f32` with positions in bytes, by vectors.

use super::{Pool2dShape, WindowIndex};
use crate::simd::Simd;

/// As [`super::max_pool2d`], for the output rows from `first` on, counted over all images.
#[inline(always)]
pub(super) fn max_rows<S: Simd>(
    simd: S,
    s: &Pool2dShape,
    relu: bool,
    first: usize,
    x: &[f32],
    out: &mut [f32],
    argmax: &mut [u8],
) {
    let ([oh, ow], c) = (s.out_size(), s.channels);
    let image = s.in_size[0] * s.in_size[1] * c;
    let mut positions = Vec::new();
    for (r, (out, argmax)) in out.chunks_exact_mut(ow * c).zip(argmax.chunks_exact_mut(ow * c)).enumerate() {
        let x = &x[(first + r) / oh * image..][..image];
        let y = s.window(0, (first + r) % oh);
        // The output pixel whose positions are listed; those of whole windows lie alike.
        let mut listed: Option<usize> = None;
        for ox in 0..ow {
            let window = s.window(1, ox);
            let whole = window.low == 0 && window.high == s.kernel[1];
            if !whole || listed.is_none() {
                s.list(y, window, &mut positions);
                listed = whole.then_some(ox);
            }
            let shift = listed.map_or(0, |from| (ox - from) * s.stride[1] * c);
            // Nothing is below the start, so without a ReLU the first position wins against it; with one only what is above 0 does.
            let (lowest, none) = match relu {
                true => (0.0, u8::NONE as f32),
                false => (f32::NEG_INFINITY, positions.first().map_or(0, |p| p.0) as f32),
            };
            assert!(positions.last().is_none_or(|p| p.1 + shift + c <= x.len()));
            let (out, argmax) = (&mut out[ox * c..][..c], &mut argmax[ox * c..][..c]);
            for channel in (0..c).step_by(S::LANES) {
                let lanes = S::LANES.min(c - channel);
                let (mut best, mut at) = (simd.splat(lowest), simd.splat(none));
                // SAFETY: positions are listed in rising order and the last was checked; `lanes` channels are left in each pixel.
                unsafe {
                    for &(k, place) in &positions {
                        let from = x.as_ptr().add(place + shift + channel);
                        let values = if lanes == S::LANES { simd.load(from) } else { simd.load_first(from, lanes) };
                        (best, at) = simd.better(best, at, values, k as f32);
                    }
                    let to = out.as_mut_ptr().add(channel);
                    if lanes == S::LANES {
                        simd.store(to, best)
                    } else {
                        simd.store_first(to, best, lanes)
                    }
                    simd.store_bytes(argmax.as_mut_ptr().add(channel), at, lanes);
                }
            }
        }
    }
}
