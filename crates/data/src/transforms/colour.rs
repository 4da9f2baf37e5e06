//! What colours become, with torchvision's meaning. Sums are made in `f32` and rounded to the nearest value at the end, where torchvision
//! drops the fraction of bytes.

use striate_imaging::{Depth, Image};

/// torchvision's weights of red, green and blue in grey.
const GREY: [f32; 3] = [0.2989, 0.587, 0.114];

fn unit<T: Depth>(value: T) -> f32 {
    value.to_u32() as f32 / T::MAX as f32
}

fn depth<T: Depth>(unit: f32) -> T {
    T::from_f32(unit * T::MAX as f32)
}

fn each<T: Depth>(image: &Image<T>, f: impl Fn(f32) -> f32) -> Image<T> {
    Image { data: image.data.iter().map(|&v| depth(f(unit(v)))).collect(), ..*image }
}

fn each_colour<T: Depth>(image: &Image<T>, f: impl Fn([f32; 3]) -> [f32; 3]) -> Image<T> {
    let pixels = image.data.as_chunks::<3>().0.iter();
    Image { data: pixels.flat_map(|p| f(p.map(unit)).map(depth)).collect(), ..*image }
}

fn grey([r, g, b]: [f32; 3]) -> f32 {
    GREY[0] * r + GREY[1] * g + GREY[2] * b
}

/// Every value times `factor`.
pub fn brightness<T: Depth>(image: &Image<T>, factor: f32) -> Image<T> {
    each(image, |v| factor * v)
}

/// Away from the mean grey by `factor`, or towards it.
pub fn contrast<T: Depth>(image: &Image<T>, factor: f32) -> Image<T> {
    let pixels = image.width * image.height;
    let sum: f64 = if image.channels == 3 {
        image.data.as_chunks::<3>().0.iter().map(|p| grey(p.map(unit)) as f64).sum()
    } else {
        image.data.iter().map(|&v| unit(v) as f64).sum()
    };
    let mean = (sum / pixels.max(1) as f64) as f32;
    each(image, |v| factor * v + (1.0 - factor) * mean)
}

/// Away from each pixel's grey by `factor`, or towards it. Grey images stay as they are.
pub fn saturation<T: Depth>(image: &Image<T>, factor: f32) -> Image<T> {
    if image.channels != 3 {
        return image.clone();
    }
    each_colour(image, |p| {
        let grey = (1.0 - factor) * grey(p);
        p.map(|v| factor * v + grey)
    })
}

/// Hues moved by `shift` of the circle, from -0.5 to 0.5. Grey images stay as they are.
pub fn hue<T: Depth>(image: &Image<T>, shift: f32) -> Image<T> {
    if image.channels != 3 {
        return image.clone();
    }
    each_colour(image, |[r, g, b]| {
        let (value, low) = (r.max(g).max(b), r.min(g).min(b));
        let chroma = value - low;
        if chroma == 0.0 {
            return [r, g, b];
        }
        let sixth = if value == r {
            (g - b) / chroma
        } else if value == g {
            2.0 + (b - r) / chroma
        } else {
            4.0 + (r - g) / chroma
        };
        let sixth = (sixth + 6.0 * shift).rem_euclid(6.0);
        let channel = |offset: f32| {
            let k = (offset + sixth) % 6.0;
            value - chroma * k.min(4.0 - k).clamp(0.0, 1.0)
        };
        [channel(5.0), channel(3.0), channel(1.0)]
    })
}

/// Grey, with as many channels as before.
pub fn greyscale<T: Depth>(image: &Image<T>) -> Image<T> {
    if image.channels != 3 {
        return image.clone();
    }
    each_colour(image, |p| [grey(p); 3])
}

/// Only the `bits` highest of each value's 8 bits.
///
/// # Panics
/// If `bits` is more than 8.
pub fn posterize<T: Depth>(image: &Image<T>, bits: u32) -> Image<T> {
    assert!(bits <= 8, "posterize: there are 8 bits, {bits} were to be kept");
    let total = T::MAX.count_ones();
    let mask = if bits == 0 { 0 } else { T::MAX >> (total - bits) << (total - bits) };
    Image { data: image.data.iter().map(|v| T::from_u32(v.to_u32() & mask)).collect(), ..*image }
}

/// Values of `threshold` (0 to 1) and above are inverted.
pub fn solarize<T: Depth>(image: &Image<T>, threshold: f32) -> Image<T> {
    let invert = |&v: &T| if unit(v) >= threshold { T::from_u32(T::MAX - v.to_u32()) } else { v };
    Image { data: image.data.iter().map(invert).collect(), ..*image }
}

/// Each channel stretched so that it goes from black to white.
pub fn autocontrast<T: Depth>(image: &Image<T>) -> Image<T> {
    let mut out = image.clone();
    for channel in 0..image.channels {
        let values = || image.data.iter().skip(channel).step_by(image.channels).map(|v| v.to_u32());
        let (Some(low), Some(high)) = (values().min(), values().max()) else { continue };
        if high > low {
            let scale = T::MAX as f32 / (high - low) as f32;
            for (o, v) in out.data.iter_mut().skip(channel).step_by(image.channels).zip(values()) {
                *o = T::from_f32((v - low) as f32 * scale);
            }
        }
    }
    out
}

/// Each channel's values spread so that all are about as frequent, in 256 levels, as Pillow does.
pub fn equalize<T: Depth>(image: &Image<T>) -> Image<T> {
    let mut out = image.clone();
    let shift = T::MAX.count_ones() - 8;
    let level = |v: T| (v.to_u32() >> shift) as usize;
    for channel in 0..image.channels {
        let mut counts = [0usize; 256];
        image.data.iter().skip(channel).step_by(image.channels).for_each(|&v| counts[level(v)] += 1);
        let last = counts.iter().rev().find(|&&n| n > 0).copied().unwrap_or(0);
        let step = (image.width * image.height - last) / 255;
        if step == 0 {
            continue;
        }
        let mut below = 0;
        let table = counts.map(|n| {
            let value = ((below + step / 2) / step).min(255) as u32;
            below += n;
            T::from_u32(value * (T::MAX / 255))
        });
        out.data.iter_mut().skip(channel).step_by(image.channels).for_each(|v| *v = table[level(*v)]);
    }
    out
}
