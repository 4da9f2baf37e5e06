use crate::args::Models;
use crate::model_arg::ready;
use crate::output::{Failure, by, json_path, say, shown_path, thousands};
use crate::table::Table;
use serde_json::{Value, json};
use std::process::ExitCode;
use striate::Generator;
use striate::graph::{Summary, capture};
use striate::train::{cached_weights, weights_url};
use striate::zoo::{ARCHITECTURES, Architecture, Description, Interpolation, Published, published};

/// Classes of the networks for large images (ImageNet's), and of the two for digits.
const CLASSES: usize = 1000;
const DIGITS: usize = 10;

/// What a network costs.
struct Costs {
    classes: usize,
    parameters: usize,
    macs: u64,
}

fn costs(network: &Architecture) -> Costs {
    let classes = if network.min_size.is_some() { CLASSES } else { DIGITS };
    let [channels, height, width] = network.input;
    let built = network.build(classes, &mut Generator::blank());
    let summary = Summary::of(&capture(&*built, &[1, channels, height, width]));
    Costs { classes, parameters: summary.parameters, macs: summary.macs }
}

/// 11,689,512 as 11.7M.
fn short(n: u64) -> String {
    match n {
        0..1_000_000 => format!("{:.0}k", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}M", n as f64 / 1e6),
        _ => format!("{:.1}G", n as f64 / 1e9),
    }
}

fn word(interpolation: Interpolation) -> &'static str {
    match interpolation {
        Interpolation::Bilinear => "bilinear",
        Interpolation::Bicubic => "bicubic",
    }
}

pub fn run(args: Models) -> Result<ExitCode, Failure> {
    let one = match &args.name {
        Some(name) => match ready(name) {
            Some(network) => Some(network),
            None => return Err(format!("there is no network '{name}': {}", Description::advice(name)).into()),
        },
        None => None,
    };
    match one {
        _ if args.json => one.map_or(ARCHITECTURES, std::slice::from_ref).iter().try_for_each(|a| say(as_json(a)))?,
        Some(network) => detail(network)?,
        None => list()?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list() -> Result<(), Failure> {
    let mut table =
        Table::new(&["name", "parameters", "multiply-adds", "input", "smallest", "ImageNet top-1", "weights"]);
    // The last ones are the largest; built first, they leave their memory to the others.
    let costs: Vec<_> = ARCHITECTURES.iter().rev().map(costs).collect();
    for (a, Costs { parameters, macs, .. }) in ARCHITECTURES.iter().zip(costs.into_iter().rev()) {
        let known = published(a.name);
        let place = known.map_or("", |p| match (cached_weights(p), weights_url(p)) {
            (Some(_), _) => "here",
            (None, Some(_)) => "published",
            (None, None) => "package",
        });
        table.row(vec![
            a.name.into(),
            short(parameters as u64),
            short(macs),
            by(&a.input),
            a.min_size.map_or_else(String::new, |side| format!("{side}×{side}")),
            known.map_or_else(String::new, |p| format!("{:.1}%", p.top1)),
            place.into(),
        ]);
    }
    say(table)?;
    say(format_args!(
        "\nCounted with {CLASSES} classes (mnist-net and lenet: {DIGITS}). Weights are fetched once, by striate\n\
         finetune --from NAME and train --weights imagenet; a package's file is put in place by hand.\n\
         One network with all of that: striate models NAME. Its layers: striate inspect NAME."
    ))
}

fn detail(a: &Architecture) -> Result<(), Failure> {
    let Costs { classes, parameters, macs } = costs(a);
    say(format_args!("{}: {}", a.name, a.about))?;
    let (parameters, macs) = (thousands(parameters), thousands(macs));
    say(format_args!(
        "{parameters} parameters and {macs} multiply-adds for {classes} classes and a {} image; takes {}",
        by(&a.input),
        a.sizes()
    ))?;
    let Some(p) = published(a.name) else { return say("no published weights are known") };
    say(format_args!("published weights: {} (SHA-256 {}…), {:.2}% top-1 on ImageNet", p.file, &p.sha256[..8], p.top1))?;
    say(format_args!("  licence: {}", p.licence.unwrap_or("none is named")))?;
    match (cached_weights(p), weights_url(p), p.package) {
        (Some(path), ..) => say(format_args!("  here: {}", shown_path(&path)))?,
        (None, Some(url), _) => say(format_args!("  address: {url}"))?,
        (None, None, package) => say(format_args!("  in the Python package {}", package.unwrap_or_default()))?,
    }
    let numbers = |v: [f32; 3]| v.map(|x| format!("{x:.3}")).join(", ");
    say(format_args!(
        "  images: shorter side {} ({}), middle {}×{}, mean {}, std {}",
        p.resize,
        word(p.interpolation),
        p.crop,
        p.crop,
        numbers(p.mean),
        numbers(p.std)
    ))
}

fn as_json(a: &Architecture) -> Value {
    let Costs { classes, parameters, macs } = costs(a);
    json!({
        "name": a.name, "about": a.about, "input": a.input, "min_size": a.min_size, "classes": classes,
        "parameters": parameters, "multiply_adds": macs, "weights": published(a.name).map(weights),
    })
}

fn weights(p: &Published) -> Value {
    let (cached, cached_bytes) = cached_weights(p).map(|path| json_path(&path)).unzip();
    let mut value = json!({
        "file": p.file, "url": weights_url(p), "package": p.package, "sha256": p.sha256, "bytes": p.bytes,
        "version": format!("{:?}", p.version), "licence": p.licence, "top1": p.top1, "cached": cached,
        "resize": p.resize, "crop": p.crop, "interpolation": word(p.interpolation), "mean": p.mean, "std": p.std,
    });
    if let Some(bytes) = cached_bytes.flatten() {
        value["cached_bytes"] = bytes.into();
    }
    value
}
