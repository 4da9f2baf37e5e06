//! The likely mistakes behind shapes that do not fit, as the end of a message: empty, or `; …`.

use super::{Spec, ensure, must};
use crate::dtype::DType;
use crate::shape::Shape;

/// Checks that `x` is a batch of images.
///
/// # Panics
/// If it is not `[n, c, h, w]`; the message starts with `op`.
pub fn check_images(op: &str, x: Shape) {
    must(are_images(op, x));
}

/// Whether `x` is a batch of images.
pub(crate) fn are_images(op: &str, x: Shape) -> Result<(), String> {
    let hint = match x.rank() {
        3 => "; for a single image add the batch dimension with unsqueeze(0)",
        0..=2 => "; if it was flattened, flatten it later",
        _ => "",
    };
    ensure!(x.rank() == 4, "{op}: the input must be [n, c, h, w], got {x}{hint}");
    Ok(())
}

/// Whether `x` is of a floating-point type that there is arithmetic for.
pub(crate) fn is_float(op: &str, x: &Spec) -> Result<(), String> {
    has_kernel(op, x)?;
    ensure!(x.dtype.is_float(), "{op}: needs a floating-point tensor, got {} (convert it with to_dtype)", x.dtype);
    Ok(())
}

/// Whether `x` is of another type than a floating-point one of 16 bits, which there is no arithmetic for.
pub(crate) fn has_kernel(op: &str, x: &Spec) -> Result<(), String> {
    ensure!(!x.dtype.is_half(), "{op}: has no kernel for {} (convert it with to_dtype(DType::F32))", x.dtype);
    Ok(())
}

/// Whether `condition` is of a type that a condition can have.
pub(crate) fn is_mask(op: &str, condition: &Spec) -> Result<(), String> {
    ensure!(
        condition.dtype.is_mask(),
        "{op}: the condition must be u8, such as a comparison gives, or bool, got {}",
        condition.dtype
    );
    Ok(())
}

/// Whether `target` is a list of one `i64` for each row of `x [n, classes]`.
pub(crate) fn has_target(op: &str, x: &Spec, target: &Spec) -> Result<(), String> {
    let fits = x.shape.rank() == 2 && *target.shape == [x.shape[0]] && target.dtype == DType::I64;
    ensure!(fits, "{op}: an input {x} takes a target i64 [n], got {target}");
    Ok(())
}

/// Why `x` may not have the `need` channels in dimension 1 that it should have.
pub(crate) fn channels(x: Shape, need: usize) -> &'static str {
    match x[..] {
        [_, c, ..] if c == need => "",
        [_, _, _, last] if last == need => {
            "; it looks like channels-last: make it with Tensor::from_channels_last, or permute(&[0, 3, 1, 2])"
        }
        [_, 3, _, _] if need == 1 => "; the images are in colour, the weights for grey ones",
        [_, 1, _, _] if need == 3 => {
            "; the images are grey, the weights for colour ones: expand the one channel to three"
        }
        _ => "",
    }
}

/// Why the last dimension of `x` may not be the `need` features of a weight `[out, need]`.
pub(crate) fn features(x: Shape, out: usize, need: usize) -> String {
    let Some(&got) = x.last() else { return "; a scalar has no features".into() };
    let flat = |from: usize| x[from..].iter().product::<usize>();
    if x.rank() >= 3 && flat(1) == need {
        return "; flatten it first with flatten(1, -1)".into();
    }
    if x.rank() == 3 && flat(0) == need {
        return "; it looks like one image without a batch: unsqueeze(0), then flatten(1, -1)".into();
    }
    if x.rank() == 4 {
        return format!("; flattened with flatten(1, -1) it would have {} features", flat(1));
    }
    if let Some((c, a, b)) = as_images(got, need) {
        return format!(
            "; flattened, these could be images of {c}×{a}×{a} and {c}×{b}×{b}: is the network made for images of another size, such as 32×32 instead of 28×28?"
        );
    }
    if got == out {
        return "; the weight may be transposed, it must be [out, in]".into();
    }
    String::new()
}

/// The most channels with which both numbers are square images: channels and both sides. None if one would be a single pixel, as it is with
/// many pairs of layer widths, such as 128 and 512.
fn as_images(got: usize, need: usize) -> Option<(usize, usize, usize)> {
    let side = |n: usize| Some(n.isqrt()).filter(|s| s * s == n);
    let fits = |c: usize| {
        let both = got.is_multiple_of(c) && need.is_multiple_of(c);
        both.then(|| Some((c, side(got / c)?, side(need / c)?))).flatten()
    };
    (1..=got.min(need)).rev().find_map(fits).filter(|(_, a, b)| a.min(b) > &1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_taken_apart_as_images_of_most_channels() {
        for (got, need, expected) in [
            (256, 400, Some((16, 4, 5))),
            (784, 1024, Some((16, 7, 8))),
            (400, 256, Some((16, 5, 4))),
            (100, 99, None),
            (7, 13, None),
            (128, 512, None),
        ] {
            assert_eq!(as_images(got, need), expected, "{got} and {need}");
        }
    }
}
