//! Pooling.

use super::{Result, image, plain, too_large};
use crate::text::plan::{Misfit, Planned, Size, Values};
use striate_nn::{AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, Forward, MaxPool2d, Module, Pass};
use striate_tensor::ops::pool2d;
use striate_tensor::{Pool2dOptions, Tensor};

/// The mean of each channel, `[n, c, h, w]` to `[n, c]`.
#[derive(Debug, Module)]
struct GlobalAvgPool {}

impl Forward for GlobalAvgPool {
    fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
        x.mean(&[2, 3])
    }
}

/// The windows that are written, and the size of what they give.
fn pool(
    word: &str,
    v: &Values,
    input: Size,
    dilation: [usize; 2],
) -> std::result::Result<(Pool2dOptions, Size), Misfit> {
    let sizes = image(word, input)?;
    let [kernel_size, stride, padding] = ["kernel", "stride", "padding"].map(|name| v.pair(name));
    let ceil_mode = v.flag("ceil");
    let options = Pool2dOptions { stride, padding, dilation, ceil_mode, ..Pool2dOptions::new(kernel_size) };
    let mut out = sizes;
    for d in 0..2 {
        if 2 * padding[d] > kernel_size[d] {
            let message = format!("padding must be at most half of the kernel, which is {}", kernel_size[d]);
            return Err(Misfit::at("padding", message));
        }
        let fits = pool2d::out_size(sizes[1 + d], &options, d);
        let window = [0, 1].map(|d| dilation[d] * (kernel_size[d] - 1) + 1);
        out[1 + d] = fits.ok_or_else(|| too_large(word, window, sizes, padding != [0; 2]))?;
    }
    Ok((options, Size::Image(out)))
}

pub(in crate::text) fn maxpool(v: &Values, input: Size) -> Result {
    let (options, output) = pool("maxpool", v, input, v.pair("dilation"))?;
    plain(output, MaxPool2d { options })
}

pub(in crate::text) fn avgpool(v: &Values, input: Size) -> Result {
    let (options, output) = pool("avgpool", v, input, [1; 2])?;
    plain(output, AvgPool2d { options }.count_include_pad(!v.flag("excludepad")))
}

pub(in crate::text) fn adaptiveavgpool(v: &Values, input: Size) -> Result {
    let [c, ..] = image("adaptiveavgpool", input)?;
    let [h, w] = v.pair("size");
    plain(Size::Image([c, h, w]), AdaptiveAvgPool2d::new([h, w]))
}

pub(in crate::text) fn adaptivemaxpool(v: &Values, input: Size) -> Result {
    let [c, ..] = image("adaptivemaxpool", input)?;
    let [h, w] = v.pair("size");
    plain(Size::Image([c, h, w]), AdaptiveMaxPool2d::new([h, w]))
}

pub(in crate::text) fn globalavgpool(_: &Values, input: Size) -> Result {
    let [c, ..] = image("globalavgpool", input)?;
    Ok(Planned { output: Size::Flat(c), parameters: 0, make: Box::new(|_| Box::new(GlobalAvgPool {})) })
}
