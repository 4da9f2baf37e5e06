//! Resizing.

use crate::error::Fault;
use crate::import::{Context, Value};
use striate_tensor::op::{GridSampleMode, GridSamplePadding};
use striate_tensor::{Interpolation, Op, Tensor};

/// How one dimension is resized.
struct Axis {
    dim: usize,
    from: usize,
    to: usize,
    /// Output pixels for each input pixel.
    scale: f64,
    /// The part of the input that is resized, from 0 to 1.
    part: [f64; 2],
}

/// Where output pixel `i` lies in the input, by the mode of the node; `round` is applied to what is computed on the way.
fn coordinate(mode: &str, axis: &Axis, i: usize, round: fn(f64) -> f64) -> Result<f64, Fault> {
    let (i, from, to, scale) = (i as f64, axis.from as f64, axis.to as f64, round(axis.scale));
    Ok(match mode {
        "asymmetric" => round(i / scale),
        "half_pixel" => round(round((i + 0.5) / scale) - 0.5),
        "pytorch_half_pixel" if axis.to == 1 => 0.0,
        "pytorch_half_pixel" => round(round((i + 0.5) / scale) - 0.5),
        "half_pixel_symmetric" => {
            let adjustment = round(to / round(scale * from));
            let offset = round(from / 2.0 * round(1.0 - adjustment));
            round(round(offset + round((i + 0.5) / scale)) - 0.5)
        }
        "align_corners" if axis.to == 1 => 0.0,
        // The length that the scales ask for, which need not be whole.
        "align_corners" => round(i * (from - 1.0) / round(scale * from - 1.0)),
        "tf_crop_and_resize" => {
            let [start, end] = axis.part.map(|x| round(x * (from - 1.0)));
            if axis.to > 1 { round(start + i * (end - start) / (to - 1.0)) } else { (start + end) / 2.0 }
        }
        "tf_half_pixel_for_nn" => round((i + 0.5) / scale),
        other => return Err(Fault::new(format!("coordinates by '{other}' are not supported"))),
    })
}

/// As a runtime rounds that computes places in single precision.
fn single(x: f64) -> f64 {
    x as f32 as f64
}

pub(crate) fn resize(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let crops = ctx.string_or("coordinate_transformation_mode", "")? == "tf_crop_and_resize";
    let all = axes(ctx, &x, crops)?;
    let mut outside = Vec::new();
    for axis in all.iter().filter(|_| crops) {
        ctx.fits(&[axis.to])?;
        let is_outside =
            |i: usize| Ok(!(0.0..=(axis.from - 1) as f64).contains(&coordinate("tf_crop_and_resize", axis, i, |x| x)?));
        outside.push((axis.dim, (0..axis.to).map(is_outside).collect::<Result<Vec<bool>, Fault>>()?));
    }
    let mut y = resized(ctx, x, all)?;
    for (dim, mask) in outside.into_iter().filter(|(_, mask)| mask.contains(&true)) {
        let sizes: Vec<usize> = (0..y.rank()).map(|d| if d == dim { mask.len() } else { 1 }).collect();
        let value = ctx.number_like(&y, ctx.float_or("extrapolation_value", 0.0));
        y = ctx.op(Op::Where, [Value::known(Tensor::from_vec(mask, sizes)), value, y])?;
    }
    Ok(vec![y])
}

fn resized(ctx: &Context, mut x: Value, axes: Vec<Axis>) -> Result<Value, Fault> {
    let mode = ctx.string_or("mode", "nearest")?;
    let old = ctx.opset < 11;
    let coordinates = ctx.string_or("coordinate_transformation_mode", if old { "asymmetric" } else { "half_pixel" })?;
    if mode == "nearest" {
        let given = ctx.string_or("nearest_mode", "round_prefer_floor")?;
        let mut all = Vec::new();
        for axis in axes {
            ctx.fits(&[axis.to])?;
            // Before opset 11 it is the pixel before a place where images grow, and the one after it where they shrink.
            let rounding = match old {
                true if axis.scale < 1.0 => "ceil",
                true => "floor",
                false => given,
            };
            // A place between two pixels belongs to the one that single precision makes it.
            let place = |i: usize| nearest(rounding, coordinate(coordinates, &axis, i, single)?, axis.from);
            let places = (0..axis.to).map(place);
            let places = places.collect::<Result<Vec<i64>, Fault>>()?;
            all.push((axis, places));
        }
        if let Some(op) = as_nearest(&x, &all) {
            return ctx.op(op, [x]);
        }
        for (axis, places) in all {
            let n = places.len();
            x = ctx.op(Op::IndexSelect { dim: axis.dim }, [x, Value::known(Tensor::from_vec(places, [n]))])?;
        }
        return Ok(x);
    }
    let antialias = ctx.int_or("antialias", 0) != 0;
    let stretches = |axis: &Axis| antialias && axis.scale < 1.0;
    if !axes.iter().any(stretches)
        && let Some(op) = as_interpolation(ctx, &x, &axes, mode, coordinates)
    {
        return ctx.op(op, [x]);
    }
    for axis in axes {
        ctx.fits(&[axis.from, axis.to])?;
        let mut rows = vec![0f64; axis.from * axis.to];
        for (i, row) in rows.chunks_mut(axis.from.max(1)).enumerate() {
            let at = coordinate(coordinates, &axis, i, |x| x)?;
            let stretch = if stretches(&axis) { 1.0 / axis.scale } else { 1.0 };
            spread(ctx, mode, at, stretch, row)?;
        }
        let weights = Tensor::from_vec(rows, [axis.to, axis.from]).to_dtype(x.dtype());
        x = along(ctx, x, axis.dim, Value::known(weights))?;
    }
    Ok(x)
}

/// The dimensions that change, or all of them where a part of each is resized.
fn axes(ctx: &Context, x: &Value, crops: bool) -> Result<Vec<Axis>, Fault> {
    let shape = x.shape();
    let dims = match ctx.ints("axes") {
        Some(list) => list.iter().map(|&a| ctx.axis(a, shape.rank())).collect::<Result<Vec<_>, _>>()?,
        None => (0..shape.rank()).collect(),
    };
    let scales = match ctx.op_type() {
        "Upsample" if ctx.opset < 9 => ctx.attribute("scales").map(|a| a.floats.iter().map(|&f| f as f64).collect()),
        "Upsample" => ctx.try_numbers(1)?,
        _ if ctx.opset < 11 => ctx.try_numbers(1)?,
        _ => ctx.try_numbers(2)?,
    };
    let sizes = if ctx.opset < 11 { None } else { ctx.try_integers(3)? };
    let policy = ctx.string_or("keep_aspect_ratio_policy", "stretch")?;
    let pick: Option<fn(f64, f64) -> f64> = match policy {
        "stretch" => None,
        "not_larger" => Some(f64::min),
        "not_smaller" => Some(f64::max),
        other => return Err(Fault::new(format!("keep_aspect_ratio_policy '{other}' is not supported"))),
    };
    let (scales, sizes) = (scales.filter(|s| !s.is_empty()), sizes.filter(|s| !s.is_empty()));
    let n = scales.as_ref().map(Vec::len).or(sizes.as_ref().map(Vec::len)).unwrap_or(0);
    if n != dims.len() {
        return Err(Fault::new(format!("{n} scales or sizes for {} dimensions", dims.len())));
    }
    let parts = if crops { ctx.try_numbers(1)?.unwrap_or_default() } else { [vec![0.0; n], vec![1.0; n]].concat() };
    if parts.len() != 2 * n {
        return Err(Fault::new(format!("{} numbers of its part for {n} dimensions", parts.len())));
    }
    // One scale for all dimensions, if their ratio is kept.
    let ratios = sizes.iter().flat_map(|sizes| dims.iter().zip(sizes).map(|(&d, &n)| n as f64 / shape[d] as f64));
    let shared = pick.filter(|_| scales.is_none()).and_then(|pick| ratios.reduce(pick));
    let mut all = Vec::new();
    for (i, &dim) in dims.iter().enumerate() {
        let from = shape[dim];
        let (to, scale) = match (&scales, &sizes) {
            (Some(scales), _) => ((from as f32 * scales[i] as f32).floor() as f64, scales[i]),
            (None, Some(sizes)) => match shared {
                Some(scale) => ((scale * from as f64 + 0.5).floor(), scale),
                None => (sizes[i] as f64, sizes[i] as f64 / from as f64),
            },
            (None, None) => return Err(Fault::new("it has neither scales nor sizes")),
        };
        if !(to >= 0.0 && to < (1u64 << 31) as f64) {
            return Err(Fault::new(format!("a size of {to} is not supported")));
        }
        let part = [parts[i], parts[n + i]];
        if from != to as usize || scale != 1.0 || part != [0.0, 1.0] {
            if from == 0 {
                return Err(Fault::new(format!("dimension {dim} of shape {shape} is empty")));
            }
            all.push(Axis { dim, from, to: to as usize, scale, part });
        }
    }
    Ok(all)
}

fn nearest(rounding: &str, at: f64, size: usize) -> Result<i64, Fault> {
    let i = match rounding {
        "floor" => at.floor(),
        "ceil" => at.ceil(),
        "round_prefer_floor" => (at - 0.5).ceil(),
        "round_prefer_ceil" => (at + 0.5).floor(),
        other => return Err(Fault::new(format!("nearest_mode '{other}' is not supported"))),
    };
    Ok((i as i64).clamp(0, size as i64 - 1))
}

/// The op that picks the same pixels, if there is one.
fn as_nearest(x: &Value, axes: &[(Axis, Vec<i64>)]) -> Option<Op> {
    if x.rank() != 4 || !x.dtype().is_float() || axes.iter().any(|(a, _)| a.dim < 2 || a.to == 0) {
        return None;
    }
    let picks = |shift: f64| {
        axes.iter().all(|(a, places)| {
            let scale = a.from as f64 / a.to as f64;
            let place = |i: usize| (((i as f64 + shift) * scale) as i64).min(a.from as i64 - 1);
            places.iter().enumerate().all(|(i, &p)| p == place(i))
        })
    };
    let mode = match (picks(0.0), picks(0.5)) {
        (true, _) => Interpolation::Nearest,
        (_, true) => Interpolation::NearestExact,
        _ => return None,
    };
    let size = [2, 3].map(|dim| axes.iter().find(|(a, _)| a.dim == dim).map_or(x.shape()[dim], |(a, _)| a.to));
    Some(Op::Interpolate { size, scale_factor: None, mode })
}

/// The op that computes the same, if there is one.
fn as_interpolation(ctx: &Context, x: &Value, axes: &[Axis], mode: &str, coordinates: &str) -> Option<Op> {
    if x.rank() != 4 || axes.iter().any(|a| a.dim < 2 || a.to == 0) {
        return None;
    }
    let align_corners = match coordinates {
        "align_corners" if axes.iter().all(|a| a.scale * a.from as f64 == a.to as f64) => true,
        "half_pixel" => false,
        "pytorch_half_pixel" if axes.iter().all(|a| a.to > 1) => false,
        _ => return None,
    };
    let keys = (ctx.float_or("cubic_coeff_a", -0.75) + 0.75).abs() < 1e-9 && ctx.int_or("exclude_outside", 0) == 0;
    let mode = match mode {
        // The op leaves a dimension that keeps its size alone, whatever its factor.
        "linear" if axes.iter().any(|a| a.to == a.from) => return None,
        "linear" => Interpolation::Bilinear { align_corners },
        "cubic" if keys => Interpolation::Bicubic { align_corners },
        _ => return None,
    };
    let of = |dim: usize| axes.iter().find(|a| a.dim == dim);
    let size = [2, 3].map(|dim| of(dim).map_or(x.shape()[dim], |a| a.to));
    let exact = axes.iter().all(|a| a.scale == a.to as f64 / a.from as f64);
    let scale_factor = (!exact).then(|| [2, 3].map(|dim| of(dim).map_or(1.0, |a| a.scale)));
    let by_factor = |f: [f64; 2]| [2, 3].map(|dim| (x.shape()[dim] as f64 * f[dim - 2]) as usize) == size;
    scale_factor.is_none_or(by_factor).then_some(Op::Interpolate { size, scale_factor, mode })
}

/// Adds the weights of the input pixels around one place to a row. An antialiasing filter is `stretch` times as wide.
fn spread(ctx: &Context, mode: &str, at: f64, stretch: f64, row: &mut [f64]) -> Result<(), Fault> {
    let last = row.len() as i64 - 1;
    // A file may ask for pixels at any distance.
    let at = at.clamp(-1e9, 1e9);
    let a = ctx.float_or("cubic_coeff_a", -0.75);
    let weight = |t: f64| match mode {
        "linear" => 1.0 - t,
        _ if t <= 1.0 => ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0,
        _ => ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a,
    };
    let reach = match mode {
        "linear" => stretch,
        "cubic" => 2.0 * stretch,
        other => return Err(Fault::new(format!("mode '{other}' is not supported"))),
    };
    let (first, end) = ((at - reach).floor() as i64 + 1, (at + reach).ceil() as i64);
    let weights: Vec<(i64, f64)> = (first..end).map(|k| (k, weight((k as f64 - at).abs() / stretch))).collect();
    let excludes = ctx.int_or("exclude_outside", 0) != 0;
    let counts = |k: i64| !excludes || (0..=last).contains(&k);
    let total: f64 = weights.iter().filter(|(k, _)| counts(*k)).map(|(_, w)| w).sum();
    for (k, w) in weights.into_iter().filter(|(k, _)| counts(*k)) {
        row[k.clamp(0, last) as usize] += w / total;
    }
    Ok(())
}

/// The product of a matrix `[to, from]` with a value along one dimension.
fn along(ctx: &Context, x: Value, dim: usize, weights: Value) -> Result<Value, Fault> {
    let rank = x.rank();
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(dim, rank - 1);
    let y = ctx.op(Op::Linear, [ctx.permuted(x, order.clone())?, weights])?;
    ctx.permuted(y, order)
}

/// Images sampled at places from −1 to 1 (`torch.nn.functional.grid_sample`).
pub(crate) fn grid_sample(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let grid = ctx.cast(ctx.operand(1)?, x.dtype())?;
    let mode = match ctx.string_or("mode", "linear")? {
        "linear" | "bilinear" => GridSampleMode::Bilinear,
        "nearest" => GridSampleMode::Nearest,
        "cubic" | "bicubic" => GridSampleMode::Bicubic,
        other => return Err(Fault::new(format!("mode '{other}' is not supported"))),
    };
    let padding_mode = match ctx.string_or("padding_mode", "zeros")? {
        "zeros" => GridSamplePadding::Zeros,
        "border" => GridSamplePadding::Border,
        "reflection" => GridSamplePadding::Reflection,
        other => return Err(Fault::new(format!("padding_mode '{other}' is not supported"))),
    };
    let align_corners = ctx.int_or("align_corners", 0) != 0;
    Ok(vec![ctx.op(Op::GridSample { mode, padding_mode, align_corners }, [x, grid])?])
}
