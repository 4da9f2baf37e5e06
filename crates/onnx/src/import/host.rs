//! Operators whose results depend on values in a way that no op has: they are computed here, from elements, and have no form in a graph unless their
//! operands are constants.

use crate::error::Fault;
use crate::import::{Context, Value};
use striate_tensor::{DType, Op, Shape, Tensor};

fn result(t: Tensor, of: &[&Value]) -> Value {
    if of.iter().all(|v| v.is_known()) { Value::known(t) } else { Value::computed(t) }
}

fn numbers(ctx: &Context, v: &Value) -> Result<Vec<f64>, Fault> {
    Ok(ctx.host(v)?.to_dtype(DType::F64).to_vec())
}

/// The positions of elements that are not 0, `[rank, count]`.
pub(crate) fn non_zero(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let x = ctx.operand(0)?;
    let shape = x.shape();
    let found: Vec<usize> = numbers(ctx, &x)?.iter().enumerate().filter(|(_, v)| **v != 0.0).map(|(i, _)| i).collect();
    let places = (0..shape.rank()).flat_map(|d| {
        let step: usize = shape[d + 1..].iter().product();
        let size = shape[d];
        found.iter().map(move |i| (i / step.max(1) % size.max(1)) as i64).collect::<Vec<i64>>()
    });
    let t = Tensor::from_vec(places.collect::<Vec<i64>>(), [shape.rank(), found.len()]);
    Ok(vec![result(t, &[&x])])
}

/// The slices along an axis where a condition holds.
pub(crate) fn compress(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, condition) = (ctx.operand(0)?, ctx.operand(1)?);
    let kept: Vec<i64> = (0..).zip(numbers(ctx, &condition)?).filter(|(_, v)| *v != 0.0).map(|(i, _)| i).collect();
    let (x, dim) = match ctx.int("axis") {
        Some(axis) => (x.clone(), ctx.axis(axis, x.rank())?),
        None => (ctx.reshaped(x.clone(), &[x.shape().numel()])?, 0),
    };
    let size = x.shape()[dim] as i64;
    let kept: Vec<i64> = kept.into_iter().filter(|&i| i < size).collect();
    let n = kept.len();
    Ok(vec![ctx.op(Op::IndexSelect { dim }, [x, result(Tensor::from_vec(kept, [n]), &[&condition])])?])
}

/// Where tuples of an index point in a tensor of shape `shape`, as positions of slices of its last dimensions; and how long a tuple is.
fn tuples(ctx: &Context, index: &Value, shape: &[usize]) -> Result<(Vec<i64>, usize), Fault> {
    let length = index.shape().last().copied().unwrap_or(0);
    if length == 0 || length > shape.len() {
        return Err(Fault::new(format!("tuples of {length} numbers do not index shape {shape:?}")));
    }
    let all = ctx.host(index)?.to_dtype(DType::I64).to_vec::<i64>();
    let mut places = Vec::with_capacity(all.len() / length);
    for tuple in all.chunks(length) {
        let mut place = 0;
        for (&i, &size) in tuple.iter().zip(shape) {
            let i = if i < 0 { i + size as i64 } else { i };
            if !(0..size as i64).contains(&i) {
                return Err(Fault::new(format!("index {i} is out of range for {size} elements")));
            }
            place = place * size as i64 + i;
        }
        places.push(place);
    }
    Ok((places, length))
}

pub(crate) fn gather_nd(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, index) = (ctx.operand(0)?, ctx.operand(1)?);
    let batch = usize::try_from(ctx.int_or("batch_dims", 0)).unwrap_or(0);
    let (shape, by) = (x.shape(), index.shape());
    if batch >= shape.rank().min(by.rank()) || shape[..batch] != by[..batch] {
        return Err(Fault::new(format!("{batch} leading dimensions of {shape} and {by} do not agree")));
    }
    let (mut places, length) = tuples(ctx, &index, &shape[batch..])?;
    let samples: usize = shape[..batch].iter().product();
    let slices: usize = shape[batch..batch + length].iter().product();
    let each = places.len() / samples.max(1);
    places.iter_mut().enumerate().for_each(|(i, place)| *place += (i / each.max(1) * slices) as i64);
    let rest = &shape[batch + length..];
    let flat = ctx.reshaped(x, &[&[samples * slices], rest].concat())?;
    let n = places.len();
    let picked = ctx.op(Op::IndexSelect { dim: 0 }, [flat, result(Tensor::from_vec(places, [n]), &[&index])])?;
    Ok(vec![ctx.reshaped(picked, &[&by[..by.rank() - 1], rest].concat())?])
}

/// How an element is changed by an update.
fn combination(ctx: &Context) -> Result<fn(f64, f64) -> f64, Fault> {
    Ok(match ctx.string_or("reduction", "none")? {
        "none" => |_, b| b,
        "add" => |a, b| a + b,
        "mul" => |a, b| a * b,
        "max" => f64::max,
        "min" => f64::min,
        other => return Err(Fault::new(format!("reduction '{other}' is not supported"))),
    })
}

/// Updates of a tensor at the places of an index along one dimension, of the same shape as the updates.
pub(crate) fn scatter_along(ctx: &Context, dim: usize, [x, index, updates]: [Value; 3]) -> Result<Value, Fault> {
    let (shape, by) = (x.shape(), index.shape());
    let combine = combination(ctx)?;
    let fits = by == updates.shape() && by.rank() == shape.rank();
    if !fits || (0..by.rank()).any(|d| d != dim && by[d] > shape[d]) {
        return Err(Fault::new(format!(
            "an index of shape {by} and updates of {} do not fit {shape}",
            updates.shape()
        )));
    }
    let places = ctx.host(&index)?.to_vec::<i64>();
    let (mut all, new) = (numbers(ctx, &x)?, numbers(ctx, &updates)?);
    for (i, (&place, &update)) in places.iter().zip(&new).enumerate() {
        let mut rest = i;
        let (mut at, mut step) = (0, 1);
        for d in (0..by.rank()).rev() {
            at += step * if d == dim { place as usize } else { rest % by[d] };
            (rest, step) = (rest / by[d], step * shape[d]);
        }
        all[at] = combine(all[at], update);
    }
    Ok(result(Tensor::from_vec(all, shape).to_dtype(x.dtype()), &[&x, &index, &updates]))
}

pub(crate) fn scatter_nd(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, index, updates) = (ctx.operand(0)?, ctx.operand(1)?, ctx.operand(2)?);
    let shape = x.shape();
    let (places, length) = tuples(ctx, &index, &shape)?;
    let slice: usize = shape[length..].iter().product();
    let combine = combination(ctx)?;
    let (mut all, new) = (numbers(ctx, &x)?, numbers(ctx, &updates)?);
    if new.len() != places.len() * slice {
        return Err(Fault::new(format!("updates of shape {} do not fit {} places", updates.shape(), places.len())));
    }
    for (place, update) in places.iter().zip(new.chunks(slice.max(1))) {
        let into = &mut all[*place as usize * slice..][..slice];
        into.iter_mut().zip(update).for_each(|(a, &b)| *a = combine(*a, b));
    }
    Ok(vec![result(Tensor::from_vec(all, shape).to_dtype(x.dtype()), &[&x, &index, &updates])])
}

/// The corners of a box: as two corners in any order, or as centre and size.
fn corners(b: &[f64], is_centred: bool) -> [f64; 4] {
    if is_centred {
        let [x, y, w, h] = [b[0], b[1], b[2], b[3]];
        return [y - h / 2.0, x - w / 2.0, y + h / 2.0, x + w / 2.0];
    }
    [b[0].min(b[2]), b[1].min(b[3]), b[0].max(b[2]), b[1].max(b[3])]
}

fn overlap(a: [f64; 4], b: [f64; 4]) -> f64 {
    let side = |d: usize| (a[d + 2].min(b[d + 2]) - a[d].max(b[d])).max(0.0);
    let area = |r: [f64; 4]| (r[2] - r[0]) * (r[3] - r[1]);
    let both = side(0) * side(1);
    let union = area(a) + area(b) - both;
    if union > 0.0 { both / union } else { 0.0 }
}

/// Boxes of each class in the order of their scores, without those that overlap a better one: `[count, 3]`, of image, class and box.
pub(crate) fn non_max_suppression(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (boxes, scores) = (ctx.operand(0)?, ctx.operand(1)?);
    let one = |i: usize| Ok::<_, Fault>(ctx.try_numbers(i)?.and_then(|n| n.first().copied()));
    let most = one(2)?.unwrap_or(0.0) as usize;
    let (limit, least) = (one(3)?.unwrap_or(0.0), one(4)?.unwrap_or(f64::NEG_INFINITY));
    let (one_shape, other_shape) = (boxes.shape().to_vec(), scores.shape().to_vec());
    let (n, count, classes) = match (&one_shape[..], &other_shape[..]) {
        (&[n, count, 4], &[m, classes, same]) if (n, count) == (m, same) => (n, count, classes),
        _ => {
            return Err(Fault::new(format!("boxes of {one_shape:?} and scores of {other_shape:?} do not go together")));
        }
    };
    let (boxes_of, scores_of) = (numbers(ctx, &boxes)?, numbers(ctx, &scores)?);
    let is_centred = ctx.int_or("center_point_box", 0) != 0;
    let mut chosen: Vec<i64> = Vec::new();
    for image in 0..n {
        for class in 0..classes {
            let scores = &scores_of[(image * classes + class) * count..][..count];
            let mut order: Vec<usize> = (0..count).filter(|&i| scores[i] > least).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
            let mut kept: Vec<[f64; 4]> = Vec::new();
            for i in order {
                if kept.len() >= most {
                    break;
                }
                ctx.spend(8 * (1 + kept.len() as u64))?;
                let b = corners(&boxes_of[(image * count + i) * 4..][..4], is_centred);
                if kept.iter().all(|&k| overlap(k, b) <= limit) {
                    kept.push(b);
                    chosen.extend([image as i64, class as i64, i as i64]);
                }
            }
        }
    }
    let rows = chosen.len() / 3;
    Ok(vec![result(Tensor::from_vec(chosen, [rows, 3]), &[&boxes, &scores])])
}

/// The slices of sequences backwards, each as long as it says; the rest stays.
pub(crate) fn reverse_sequence(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, lengths) = (ctx.operand(0)?, ctx.integers(1)?);
    let (time, batch) = (ctx.int_or("time_axis", 0) as usize, ctx.int_or("batch_axis", 1) as usize);
    let shape = x.shape();
    if time.max(batch) > 1 || time == batch || shape.rank() < 2 || lengths.len() != shape[batch] {
        return Err(Fault::new(format!("axes {time} and {batch} do not fit shape {shape}")));
    }
    let (steps, samples) = (shape[time], shape[batch]);
    let place = |t: usize, b: usize| (if time == 0 { t * samples + b } else { b * steps + t }) as i64;
    let mut order = vec![0i64; steps * samples];
    for (b, &length) in lengths.iter().enumerate() {
        let length = usize::try_from(length).ok().filter(|&n| n <= steps);
        let length = length.ok_or_else(|| Fault::new(format!("a sequence is longer than {steps}")))?;
        for t in 0..steps {
            let from = if t < length { length - 1 - t } else { t };
            order[place(t, b) as usize] = place(from, b);
        }
    }
    let flat = ctx.reshaped(x, &[&[steps * samples], &shape[2..]].concat())?;
    let n = order.len();
    let y = ctx.op(Op::IndexSelect { dim: 0 }, [flat, Value::known(Tensor::from_vec(order, [n]))])?;
    Ok(vec![ctx.reshaped(y, &shape)?])
}

/// Images `[n, c, h, w]` as lists.
struct Images {
    shape: [usize; 4],
    all: Vec<f64>,
}

impl Images {
    fn of(ctx: &Context, x: &Value) -> Result<Images, Fault> {
        let shape: [usize; 4] =
            x.shape().to_vec().try_into().map_err(|_| Fault::new(format!("shape {} is no images", x.shape())))?;
        Ok(Images { shape, all: numbers(ctx, x)? })
    }

    fn at(&self, n: usize, c: usize, y: i64, x: i64) -> f64 {
        let [_, channels, h, w] = self.shape;
        self.all[((n * channels + c) * h + y as usize) * w + x as usize]
    }
}

/// Parts of images in one size (He et al., 2017, Mask R-CNN).
pub(crate) fn roi_align(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let (x, rois, batch) = (ctx.operand(0)?, ctx.operand(1)?, ctx.integers(2)?);
    let images = Images::of(ctx, &x)?;
    let [n, c, h, w] = images.shape;
    let size = |name: &str| usize::try_from(ctx.int_or(name, 1)).unwrap_or(0);
    let (rows, columns, ratio) = (size("output_height"), size("output_width"), ctx.int_or("sampling_ratio", 0));
    let scale = ctx.float_or("spatial_scale", 1.0);
    let default = if ctx.opset < 16 { "output_half_pixel" } else { "half_pixel" };
    let half = match ctx.string_or("coordinate_transformation_mode", default)? {
        "half_pixel" => true,
        "output_half_pixel" => false,
        other => return Err(Fault::new(format!("coordinate_transformation_mode '{other}' is not supported"))),
    };
    let largest = match ctx.string_or("mode", "avg")? {
        "max" => true,
        "avg" => false,
        other => return Err(Fault::new(format!("mode '{other}' is not supported"))),
    };
    let all = numbers(ctx, &rois)?;
    if all.len() != batch.len() * 4 || batch.iter().any(|&b| !(0..n as i64).contains(&b)) || h == 0 || w == 0 {
        return Err(Fault::new(format!("regions of shape {} do not fit {}", rois.shape(), x.shape())));
    }
    if !(0..=64).contains(&ratio) {
        return Err(Fault::new(format!("a sampling ratio of {ratio} is not supported")));
    }
    ctx.fits(&[batch.len(), c, rows, columns, ratio.max(1) as usize])?;
    let mut out = Vec::new();
    for (roi, &image) in all.chunks(4).zip(&batch) {
        let shift = if half { 0.5 } else { 0.0 };
        let [x1, y1, x2, y2] = [0, 1, 2, 3].map(|i| roi[i] * scale - shift);
        let (mut width, mut height) = (x2 - x1, y2 - y1);
        if !half {
            (width, height) = (width.max(1.0), height.max(1.0));
        }
        let (bin_h, bin_w) = (height / rows as f64, width / columns as f64);
        let samples = |bin: f64| if ratio > 0 { ratio as usize } else { (bin.ceil() as usize).clamp(1, 64) };
        let (down, across) = (samples(bin_h), samples(bin_w));
        for channel in 0..c {
            for row in 0..rows {
                for column in 0..columns {
                    let (mut sum, mut best) = (0.0, f64::NEG_INFINITY);
                    for i in 0..down {
                        for j in 0..across {
                            let y = y1 + bin_h * (row as f64 + (i as f64 + 0.5) / down as f64);
                            let x = x1 + bin_w * (column as f64 + (j as f64 + 0.5) / across as f64);
                            let parts = bilinear(&images, [image as usize, channel], [y, x]);
                            sum += parts.iter().sum::<f64>();
                            best = parts.iter().fold(best, |a, &b| a.max(b));
                        }
                    }
                    out.push(if largest { best } else { sum / (down * across) as f64 });
                }
            }
        }
    }
    let shape = Shape::from([batch.len(), c, rows, columns]);
    Ok(vec![result(Tensor::from_vec(out, shape).to_dtype(x.dtype()), &[&x, &rois])])
}

/// The four weighted pixels around a place; zeros more than a pixel outside of the image.
fn bilinear(images: &Images, [n, c]: [usize; 2], [y, x]: [f64; 2]) -> [f64; 4] {
    let [_, _, h, w] = images.shape;
    if y < -1.0 || y > h as f64 || x < -1.0 || x > w as f64 {
        return [0.0; 4];
    }
    let around = |at: f64, size: usize| {
        let at = at.max(0.0);
        let low = (at.floor() as i64).min(size as i64 - 1);
        let high = (low + 1).min(size as i64 - 1);
        let fraction = if low == high { 0.0 } else { at - low as f64 };
        (low, high, fraction)
    };
    let ((y0, y1, sy), (x0, x1, sx)) = (around(y, h), around(x, w));
    [
        (1.0 - sy) * (1.0 - sx) * images.at(n, c, y0, x0),
        (1.0 - sy) * sx * images.at(n, c, y0, x1),
        sy * (1.0 - sx) * images.at(n, c, y1, x0),
        sy * sx * images.at(n, c, y1, x1),
    ]
}
