//! Normalization.

use super::{Result, image, plain, product};
use crate::text::plan::{Make, Misfit, Planned, Size, Values};
use striate_nn::{BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm, LocalResponseNorm};

fn eps(v: &Values) -> std::result::Result<f64, Misfit> {
    let eps = v.real("eps");
    if eps < 0.0 {
        return Err(Misfit::at("eps", "eps is added to a variance: it must not be negative".into()));
    }
    Ok(eps)
}

pub(in crate::text) fn batchnorm(v: &Values, input: Size) -> Result {
    let c = input.features();
    let (eps, momentum, affine) = (eps(v)?, v.real("momentum"), !v.flag("noaffine"));
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

pub(in crate::text) fn groupnorm(v: &Values, input: Size) -> Result {
    let (c, groups, eps, affine) = (input.features(), v.count("groups"), eps(v)?, !v.flag("noaffine"));
    if !c.is_multiple_of(groups) {
        return Err(Misfit::at("groups", format!("groups must divide the {c} channels that come in")));
    }
    let make: Make = Box::new(move |_| {
        let mut layer = GroupNorm::new(groups, c);
        layer.eps = eps;
        Box::new(if affine { layer } else { layer.without_affine() })
    });
    Ok(Planned { output: input, parameters: if affine { 2 * c } else { 0 }, make })
}

pub(in crate::text) fn layernorm(v: &Values, input: Size) -> Result {
    let (eps, affine) = (eps(v)?, !v.flag("noaffine"));
    let shape = match input {
        Size::Image(sizes) => sizes.to_vec(),
        Size::Flat(n) => vec![n],
    };
    let parameters = if affine { product(&shape).saturating_mul(2) } else { 0 };
    let make: Make = Box::new(move |_| {
        let mut layer = LayerNorm::new(&shape[..]);
        layer.eps = eps;
        Box::new(if affine { layer } else { layer.without_affine() })
    });
    Ok(Planned { output: input, parameters, make })
}

pub(in crate::text) fn instancenorm(v: &Values, input: Size) -> Result {
    let [c, h, w] = image("instancenorm", input)?;
    let (eps, affine) = (eps(v)?, v.flag("affine"));
    if h * w == 1 {
        return Err("instancenorm normalizes over the pixels of each channel, but there is only one"
            .to_string()
            .into());
    }
    let make: Make = Box::new(move |_| {
        let mut layer = InstanceNorm2d::new(c);
        layer.eps = eps;
        Box::new(if affine { layer.affine() } else { layer })
    });
    Ok(Planned { output: input, parameters: if affine { 2 * c } else { 0 }, make })
}

pub(in crate::text) fn localresponsenorm(v: &Values, input: Size) -> Result {
    image("localresponsenorm", input)?;
    let [alpha, beta, k] = ["alpha", "beta", "k"].map(|name| v.real(name));
    plain(input, LocalResponseNorm { size: v.count("size"), alpha, beta, k })
}
