//! The plain algorithm, for every shape and both number types.

use super::shape::Conv2dShape;
use crate::{Float, threads};

/// The input coordinate under kernel element `k` of the window at `o`, unless it lies in the padding.
#[inline(always)]
fn input_at(s: &Conv2dShape, d: usize, o: usize, k: usize) -> Option<usize> {
    (o * s.stride[d] + k * s.dilation[d]).checked_sub(s.padding[d][0]).filter(|&i| i < s.in_size[d])
}

/// The window whose kernel element `k` lies on input coordinate `i`, if there is one.
#[inline(always)]
fn window_at(s: &Conv2dShape, d: usize, out: usize, i: usize, k: usize) -> Option<usize> {
    let from = (i + s.padding[d][0]).checked_sub(k * s.dilation[d])?;
    (from % s.stride[d] == 0).then_some(from / s.stride[d]).filter(|&o| o < out)
}

pub fn forward<T: Float>(s: &Conv2dShape, input: &[T], weight: &[T], bias: Option<&[T]>, output: &mut [T]) {
    let [oh, ow] = s.out_size();
    let ([h, w], [kh, kw]) = (s.in_size, s.kernel);
    let (ci, co) = (s.in_channels / s.groups, s.out_channels / s.groups);
    threads::parallel_chunks(output, ow * s.out_channels, |row, out| {
        let (n, oy) = (row / oh, row % oh);
        for (ox, pixel) in out.chunks_exact_mut(s.out_channels).enumerate() {
            match bias {
                Some(bias) => pixel.copy_from_slice(bias),
                None => pixel.fill(T::ZERO),
            }
            for ky in 0..kh {
                let Some(iy) = input_at(s, 0, oy, ky) else { continue };
                for kx in 0..kw {
                    let Some(ix) = input_at(s, 1, ox, kx) else { continue };
                    let x = &input[((n * h + iy) * w + ix) * s.in_channels..][..s.in_channels];
                    for (o, y) in pixel.iter_mut().enumerate() {
                        let x = &x[o / co * ci..][..ci];
                        let k = &weight[((o * kh + ky) * kw + kx) * ci..][..ci];
                        *y += x.iter().zip(k).map(|(&x, &k)| x * k).sum::<T>();
                    }
                }
            }
        }
    });
}

pub fn input_grad<T: Float>(s: &Conv2dShape, grad_output: &[T], weight: &[T], grad_input: &mut [T]) {
    let [oh, ow] = s.out_size();
    let ([h, w], [kh, kw]) = (s.in_size, s.kernel);
    let (ci, co) = (s.in_channels / s.groups, s.out_channels / s.groups);
    if grad_input.is_empty() {
        return;
    }
    threads::parallel_chunks(grad_input, w * s.in_channels, |row, grad_row| {
        let (n, iy) = (row / h, row % h);
        grad_row.fill(T::ZERO);
        for (ix, pixel) in grad_row.chunks_exact_mut(s.in_channels).enumerate() {
            for ky in 0..kh {
                let Some(oy) = window_at(s, 0, oh, iy, ky) else { continue };
                for kx in 0..kw {
                    let Some(ox) = window_at(s, 1, ow, ix, kx) else { continue };
                    let grad = &grad_output[((n * oh + oy) * ow + ox) * s.out_channels..][..s.out_channels];
                    for (o, &g) in grad.iter().enumerate() {
                        let k = &weight[((o * kh + ky) * kw + kx) * ci..][..ci];
                        for (x, &k) in pixel[o / co * ci..][..ci].iter_mut().zip(k) {
                            *x += g * k;
                        }
                    }
                }
            }
        }
    });
}

pub fn weight_grad<T: Float>(s: &Conv2dShape, input: &[T], grad_output: &[T], grad_weight: &mut [T]) {
    let [oh, ow] = s.out_size();
    let ([h, w], [kh, kw]) = (s.in_size, s.kernel);
    let (ci, co) = (s.in_channels / s.groups, s.out_channels / s.groups);
    if grad_weight.is_empty() {
        return;
    }
    threads::parallel_chunks(grad_weight, kh * kw * ci, |o, grad_kernel| {
        grad_kernel.fill(T::ZERO);
        for (position, k) in grad_kernel.chunks_exact_mut(ci).enumerate() {
            let (ky, kx) = (position / kw, position % kw);
            for n in 0..s.batch {
                for oy in 0..oh {
                    let Some(iy) = input_at(s, 0, oy, ky) else { continue };
                    for ox in 0..ow {
                        let Some(ix) = input_at(s, 1, ox, kx) else { continue };
                        let g = grad_output[((n * oh + oy) * ow + ox) * s.out_channels + o];
                        let x = &input[((n * h + iy) * w + ix) * s.in_channels + o / co * ci..][..ci];
                        for (k, &x) in k.iter_mut().zip(x) {
                            *k += g * x;
                        }
                    }
                }
            }
        }
    });
}
