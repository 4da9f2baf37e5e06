//! Layers with a weight for each pair of channels or numbers.

use super::shape::padded;
use super::{Result, image, product, too_large};
use crate::text::plan::{Make, Misfit, Planned, Size, Values};
use striate_nn::{Conv2d, ConvTranspose2d, Linear, Padding};
use striate_tensor::ops::{conv_transpose, conv2d};
use striate_tensor::{Conv2dOptions, ConvTranspose2dOptions};

fn check_groups(groups: usize, from: usize, to: usize) -> std::result::Result<(), Misfit> {
    if from.is_multiple_of(groups) && to.is_multiple_of(groups) {
        return Ok(());
    }
    let message = format!("groups must divide the {from} channels that come in and the {to} that go out");
    Err(Misfit::at("groups", message))
}

pub(in crate::text) fn conv(v: &Values, input: Size) -> Result {
    let sizes = image("conv", input)?;
    let (channels, groups, bias) = (v.count("channels"), v.count("groups"), !v.flag("nobias"));
    let [kernel, stride, dilation] = ["kernel", "stride", "dilation"].map(|name| v.pair(name));
    let (padding, mode) = (v.padding("padding"), v.choice("paddingmode"));
    let c = sizes[0];
    check_groups(groups, c, channels)?;
    if padding == Padding::Same && stride != [1; 2] {
        let half = kernel[0] / 2;
        let message = format!("padding same keeps the size, which takes stride 1: with a stride write padding {half}");
        return Err(Misfit::at("padding", message));
    }
    let builder = Conv2d::options(c, channels, kernel).stride(stride).dilation(dilation).groups(groups).bias(bias);
    let builder = builder.padding_mode(mode);
    let added = match padding {
        Padding::Same => [0, 1].map(|d| (dilation[d] * (kernel[d] - 1)).div_ceil(2)),
        Padding::Zeros(p) => p,
    };
    padded(added, mode.into(), sizes)?;
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

pub(in crate::text) fn convtranspose(v: &Values, input: Size) -> Result {
    let [c, h, w] = image("convtranspose", input)?;
    let (channels, groups, bias) = (v.count("channels"), v.count("groups"), !v.flag("nobias"));
    check_groups(groups, c, channels)?;
    let kernel = v.pair("kernel");
    let [stride, padding, output_padding, dilation] =
        ["stride", "padding", "outputpadding", "dilation"].map(|name| v.pair(name));
    let options = ConvTranspose2dOptions { stride, padding, output_padding, dilation, groups };
    let mut out = [channels, h, w];
    for d in 0..2 {
        let limit = stride[d].max(dilation[d]);
        if output_padding[d] >= limit {
            return Err(Misfit::at(
                "outputpadding",
                format!("outputpadding must be below the stride or dilation, {limit}"),
            ));
        }
        out[1 + d] = conv_transpose::out_size(out[1 + d], kernel[d], &options, d).ok_or_else(|| {
            Misfit::at("padding", format!("padding cuts off all that {h}×{w} images and this kernel give"))
        })?;
    }
    let builder = ConvTranspose2d::options(c, channels, kernel)
        .stride(stride)
        .padding(padding)
        .output_padding(output_padding)
        .dilation(dilation)
        .groups(groups)
        .bias(bias);
    let parameters = product(&[c, channels / groups, kernel[0], kernel[1]]).saturating_add(channels * bias as usize);
    let make: Make = Box::new(move |rng| Box::new(builder.clone().build(rng)));
    Ok(Planned { output: Size::Image(out), parameters, make })
}

pub(in crate::text) fn linear(v: &Values, input: Size) -> Result {
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
