//! What changes an image's shape or drops parts of it, without weights of its own; and what reweighs its channels.

use super::{Result, image, plain, product};
use crate::text::plan::{Make, Misfit, Planned, Size, Values};
use striate_nn::{
    CircularPad2d, Dropout, Dropout2d, Flatten, Identity, PixelShuffle, ReflectionPad2d, ReplicationPad2d,
    SqueezeExcitation, StochasticDepth, StochasticDepthMode, Upsample, ZeroPad2d,
};
use striate_tensor::{Interpolation, PaddingMode, Resize};

pub(in crate::text) fn dropout(v: &Values, input: Size) -> Result {
    plain(input, Dropout::new(v.real("p")))
}

pub(in crate::text) fn dropout2d(v: &Values, input: Size) -> Result {
    if let Size::Flat(n) = input {
        return Err(
            format!("dropout2d zeroes whole channels of images, but gets a list of {n} numbers: use dropout").into()
        );
    }
    plain(input, Dropout2d::new(v.real("p")))
}

pub(in crate::text) fn stochasticdepth(v: &Values, input: Size) -> Result {
    let mode = if v.flag("batch") { StochasticDepthMode::Batch } else { StochasticDepthMode::Row };
    plain(input, StochasticDepth::new(v.real("p"), mode))
}

pub(in crate::text) fn flatten(_: &Values, input: Size) -> Result {
    plain(Size::Flat(input.numel()), Flatten::default())
}

pub(in crate::text) fn identity(_: &Values, input: Size) -> Result {
    plain(input, Identity::default())
}

pub(in crate::text) fn upsample(v: &Values, input: Size) -> Result {
    let [c, h, w] = image("upsample", input)?;
    let (scale, align_corners) = (v.pair("scale"), v.flag("aligncorners"));
    let mode = match v.choice("mode") {
        "bilinear" => Interpolation::Bilinear { align_corners },
        "bicubic" => Interpolation::Bicubic { align_corners },
        _ if align_corners => {
            return Err(Misfit::at("aligncorners", "aligncorners goes with mode bilinear or bicubic".into()));
        }
        _ => Interpolation::Nearest,
    };
    let output = Size::Image([c, h.saturating_mul(scale[0]), w.saturating_mul(scale[1])]);
    plain(output, Upsample::new(Resize::ScaleFactor(scale.map(|s| s as f64)), mode))
}

pub(in crate::text) fn pixelshuffle(v: &Values, input: Size) -> Result {
    let [c, h, w] = image("pixelshuffle", input)?;
    let factor = v.count("factor");
    let square = product(&[factor, factor]);
    if !c.is_multiple_of(square) {
        let message = format!("pixelshuffle {factor} makes one channel of {square}, and {c} come in");
        return Err(Misfit::at("factor", message));
    }
    plain(Size::Image([c / square, h * factor, w * factor]), PixelShuffle::new(factor))
}

/// Height and width with padding on both sides, if the image has what to fill it with.
pub(super) fn padded(
    padding: [usize; 2],
    mode: PaddingMode,
    [_, h, w]: [usize; 3],
) -> std::result::Result<[usize; 2], Misfit> {
    for (p, size) in padding.into_iter().zip([h, w]) {
        let most = match mode {
            PaddingMode::Reflect => size - 1,
            PaddingMode::Circular => size,
            _ => usize::MAX,
        };
        if p > most {
            let message = format!("{h}×{w} images can fill a padding of at most {most} in this mode, not {p}");
            return Err(Misfit::at("padding", message));
        }
    }
    Ok([h + 2 * padding[0], w + 2 * padding[1]])
}

macro_rules! pad {
    ($word:ident, $layer:ident, $mode:ident) => {
        pub(in crate::text) fn $word(v: &Values, input: Size) -> Result {
            let sizes = image(stringify!($word), input)?;
            let padding = v.pair("padding");
            let [h, w] = padded(padding, PaddingMode::$mode, sizes)?;
            let [rows, columns] = padding;
            plain(Size::Image([sizes[0], h, w]), $layer::new([columns, columns, rows, rows]))
        }
    };
}

pad!(zeropad, ZeroPad2d, Zeros);
pad!(reflectionpad, ReflectionPad2d, Reflect);
pad!(replicationpad, ReplicationPad2d, Replicate);
pad!(circularpad, CircularPad2d, Circular);

pub(in crate::text) fn squeezeexcitation(v: &Values, input: Size) -> Result {
    let [c, ..] = image("squeezeexcitation", input)?;
    let squeezed = v.count("channels");
    let parameters = product(&[2, c, squeezed]).saturating_add(c + squeezed);
    let make: Make = Box::new(move |rng| Box::new(SqueezeExcitation::new(c, squeezed, rng)));
    Ok(Planned { output: input, parameters, make })
}
