//! What each layer of the table makes of an input of a known size.

use super::settings::{Misfit, Values};
use super::size::Size;
use super::words::{Make, Planned};
use striate_nn::{
    AdaptiveAvgPool2d, AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, Dropout, Dropout2d, Flatten, Forward, LeakyReLU,
    Linear, LogSoftmax, MaxPool2d, Module, Padding, Pass, ReLU, Sigmoid, Softmax, Tanh,
};
use striate_tensor::ops::{conv2d, pool2d};
use striate_tensor::{Conv2dOptions, Pool2dOptions, Tensor};

type Result = std::result::Result<Planned, Misfit>;

/// The mean of each channel, `[n, c, h, w]` to `[n, c]`.
#[derive(Debug, Module)]
struct GlobalAvgPool {}

impl Forward for GlobalAvgPool {
    fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
        x.mean(&[2, 3], false)
    }
}

/// A layer without parameters that can be copied.
fn plain(output: Size, layer: impl Forward + Clone + 'static) -> Result {
    let make: Make = Box::new(move |_| Box::new(layer.clone()));
    Ok(Planned { output, parameters: 0, make })
}

fn image(word: &str, input: Size) -> std::result::Result<[usize; 3], Misfit> {
    match input {
        Size::Image(sizes) => Ok(sizes),
        Size::Flat(n) => Err(format!(
            "{word} needs images (channels×height×width), but gets a list of {n} numbers: put it before flatten"
        )
        .into()),
    }
}

fn product(sizes: &[usize]) -> usize {
    sizes.iter().fold(1, |n, &s| n.saturating_mul(s))
}

fn too_large(word: &str, window: [usize; 2], [_, h, w]: [usize; 3], padded: bool) -> Misfit {
    let [a, b] = window;
    let with = if padded { " with this padding" } else { "" };
    format!("a window of {a}×{b} does not fit {h}×{w} images{with}: give {word} padding, or shrink the images less before it").into()
}

pub(super) fn conv(v: &Values, input: Size) -> Result {
    let sizes = image("conv", input)?;
    let (channels, groups, bias) = (v.count("channels"), v.count("groups"), !v.flag("nobias"));
    let [kernel, stride, dilation] = ["kernel", "stride", "dilation"].map(|name| v.pair(name));
    let padding = v.padding("padding");
    let c = sizes[0];
    if !c.is_multiple_of(groups) || !channels.is_multiple_of(groups) {
        let message = format!("groups must divide the {c} channels that come in and the {channels} that go out");
        return Err(Misfit::at("groups", message));
    }
    if padding == Padding::Same && stride != [1; 2] {
        let half = kernel[0] / 2;
        let message = format!("padding same keeps the size, which takes stride 1: with a stride write padding {half}");
        return Err(Misfit::at("padding", message));
    }
    let builder = Conv2d::options(c, channels, kernel).stride(stride).dilation(dilation).groups(groups).bias(bias);
    let (builder, zeros) = match padding {
        Padding::Same => (builder.padding("same"), None),
        Padding::Zeros(p) => (builder.padding(p), Some(p)),
    };
    let mut out = [channels, sizes[1], sizes[2]];
    if let Some(p) = zeros {
        let options = Conv2dOptions { stride, padding: p.map(|p| [p, p]), dilation, groups };
        for d in 0..2 {
            let fits = conv2d::out_size(sizes[1 + d], kernel[d], &options, d);
            let window = [0, 1].map(|d| dilation[d] * (kernel[d] - 1) + 1);
            out[1 + d] = fits.ok_or_else(|| too_large("conv", window, sizes, p != [0; 2]))?;
        }
    }
    let parameters = product(&[channels, c / groups, kernel[0], kernel[1]]).saturating_add(channels * bias as usize);
    let make: Make = Box::new(move |rng| Box::new(builder.clone().build(rng)));
    Ok(Planned { output: Size::Image(out), parameters, make })
}

pub(super) fn linear(v: &Values, input: Size) -> Result {
    let n = match input {
        Size::Flat(n) => n,
        Size::Image(_) => {
            return Err(
                format!("linear needs a list of numbers, but gets {input} images: put flatten before it").into()
            );
        }
    };
    let (features, bias) = (v.count("features"), !v.flag("nobias"));
    let make: Make = Box::new(move |rng| {
        Box::new(if bias { Linear::new(n, features, rng) } else { Linear::without_bias(n, features, rng) })
    });
    let parameters = product(&[n, features]).saturating_add(features * bias as usize);
    Ok(Planned { output: Size::Flat(features), parameters, make })
}

pub(super) fn batchnorm(v: &Values, input: Size) -> Result {
    let c = input.features();
    let (eps, momentum, affine) = (v.real("eps"), v.real("momentum"), !v.flag("noaffine"));
    if eps < 0.0 {
        return Err(Misfit::at("eps", "eps is added to a variance: it must not be negative".into()));
    }
    macro_rules! make {
        ($layer:ident) => {
            Box::new(move |_| {
                let mut layer = $layer::new(c);
                (layer.eps, layer.momentum) = (eps, momentum);
                if !affine {
                    (layer.weight, layer.bias) = (None, None);
                }
                Box::new(layer)
            })
        };
    }
    let make: Make = match input {
        Size::Image(_) => make!(BatchNorm2d),
        Size::Flat(_) => make!(BatchNorm1d),
    };
    Ok(Planned { output: input, parameters: if affine { 2 * c } else { 0 }, make })
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

pub(super) fn maxpool(v: &Values, input: Size) -> Result {
    let (options, output) = pool("maxpool", v, input, v.pair("dilation"))?;
    plain(output, MaxPool2d { options })
}

pub(super) fn avgpool(v: &Values, input: Size) -> Result {
    let (options, output) = pool("avgpool", v, input, [1; 2])?;
    plain(output, AvgPool2d { options }.count_include_pad(!v.flag("excludepad")))
}

pub(super) fn adaptiveavgpool(v: &Values, input: Size) -> Result {
    let [c, ..] = image("adaptiveavgpool", input)?;
    let [h, w] = v.pair("size");
    plain(Size::Image([c, h, w]), AdaptiveAvgPool2d::new([h, w]))
}

pub(super) fn globalavgpool(_: &Values, input: Size) -> Result {
    let [c, ..] = image("globalavgpool", input)?;
    Ok(Planned { output: Size::Flat(c), parameters: 0, make: Box::new(|_| Box::new(GlobalAvgPool {})) })
}

pub(super) fn dropout(v: &Values, input: Size) -> Result {
    plain(input, Dropout::new(v.real("p")))
}

pub(super) fn dropout2d(v: &Values, input: Size) -> Result {
    if let Size::Flat(n) = input {
        return Err(
            format!("dropout2d zeroes whole channels of images, but gets a list of {n} numbers: use dropout").into()
        );
    }
    plain(input, Dropout2d::new(v.real("p")))
}

pub(super) fn flatten(_: &Values, input: Size) -> Result {
    plain(Size::Flat(input.numel()), Flatten::default())
}

pub(super) fn relu(_: &Values, input: Size) -> Result {
    plain(input, ReLU::default())
}

pub(super) fn leakyrelu(v: &Values, input: Size) -> Result {
    plain(input, LeakyReLU { negative_slope: v.real("slope") })
}

pub(super) fn tanh(_: &Values, input: Size) -> Result {
    plain(input, Tanh::default())
}

pub(super) fn sigmoid(_: &Values, input: Size) -> Result {
    plain(input, Sigmoid::default())
}

pub(super) fn softmax(_: &Values, input: Size) -> Result {
    plain(input, Softmax { dim: 1 })
}

pub(super) fn logsoftmax(_: &Values, input: Size) -> Result {
    plain(input, LogSoftmax { dim: 1 })
}
