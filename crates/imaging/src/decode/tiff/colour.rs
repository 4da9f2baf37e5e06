//! What the samples of a pixel show: grey, or red, green and blue, over the background.

use super::super::flatten::{add, blend, compact, deep, grey_over, over};
use super::directory::Directory;
use super::layout::{Alpha, JPEG, Layout, Photometric};
use super::tag;
use super::ycbcr::YCbCr;
use crate::image::{Depth, Image};

pub enum Colours {
    Grey {
        inverted: bool,
    },
    Rgb,
    /// A colour of 8 bits for each index.
    Palette(Vec<[u8; 3]>),
    Cmyk,
    YCbCr(YCbCr),
    /// Whether a* and b* are counted from 0 on.
    Lab {
        offset: bool,
    },
}

impl Colours {
    pub fn new(directory: &Directory, layout: &Layout) -> Result<Colours, String> {
        Ok(match layout.photometric {
            Photometric::WhiteIsZero => Colours::Grey { inverted: true },
            Photometric::BlackIsZero => Colours::Grey { inverted: false },
            Photometric::Rgb => Colours::Rgb,
            Photometric::Palette => Colours::Palette(palette(directory, layout)?),
            Photometric::Cmyk => Colours::Cmyk,
            // JPEG's decoder has made colours of them.
            Photometric::YCbCr if layout.compression == JPEG && !layout.planar => Colours::Rgb,
            Photometric::YCbCr => Colours::YCbCr(YCbCr::new(directory)?),
            Photometric::CieLab => Colours::Lab { offset: false },
            Photometric::IccLab => Colours::Lab { offset: true },
        })
    }

    /// The image of these samples, which lie side by side, alpha last.
    pub fn pixels<T: Depth>(&self, samples: Vec<T>, layout: &Layout, background: [u8; 3]) -> Result<Image<T>, String> {
        let plain = matches!(self, Colours::Rgb | Colours::Grey { inverted: false });
        let by: fn(T, T, T) -> T = match layout.alpha {
            Alpha::Associated if plain => add,
            Alpha::Associated => {
                return Err("TIFF of such colours multiplied with alpha is not read: save it as PNG".into());
            }
            _ => blend,
        };
        let ground = if T::MAX == 255 {
            background.map(|v| T::from_u32(v.into()))
        } else {
            deep(background).map(|v| T::from_u32(v.into()))
        };
        let alpha = layout.alpha != Alpha::None;
        let (channels, data) = match (self, alpha) {
            (Colours::Grey { inverted: false }, false) => (1, samples),
            (Colours::Grey { inverted: true }, false) => (1, compact(samples, |[v]| [white_is_zero(v)])),
            (Colours::Grey { inverted: false }, true) => grey_over(samples, ground, by),
            (Colours::Grey { inverted: true }, true) => {
                grey_over(compact(samples, |[v, a]| [white_is_zero(v), a]), ground, by)
            }
            (Colours::Rgb, false) => (3, samples),
            (Colours::Rgb, true) => (3, over(samples, ground, by)),
            (Colours::Cmyk, false) => (3, compact(samples, cmyk)),
            (Colours::Cmyk, true) => {
                let rgba = compact(samples, |[c, m, y, k, a]| {
                    let [r, g, b] = cmyk([c, m, y, k]);
                    [r, g, b, a]
                });
                (3, over(rgba, ground, by))
            }
            (Colours::YCbCr(model), false) => (3, compact(samples, |p| model.rgb(p))),
            (Colours::YCbCr(model), true) => {
                let rgba = compact(samples, |[y, cb, cr, a]| {
                    let [r, g, b] = model.rgb([y, cb, cr]);
                    [r, g, b, a]
                });
                (3, over(rgba, ground, by))
            }
            (Colours::Lab { offset }, false) => (3, compact(samples, |p| lab(p, *offset))),
            (Colours::Lab { offset }, true) => {
                let rgba = compact(samples, |[l, a, b, alpha]| {
                    let [r, g, b] = lab([l, a, b], *offset);
                    [r, g, b, alpha]
                });
                (3, over(rgba, ground, by))
            }
            (Colours::Palette(table), _) => {
                let n = layout.picked.len();
                let mut data = Vec::with_capacity(samples.len() / n * 3);
                for pixel in samples.chunks_exact(n) {
                    let colour = table[pixel[0].to_u32() as usize].map(|v| T::from_u32(v as u32 * (T::MAX / 255)));
                    match pixel.get(1) {
                        None => data.extend(colour),
                        Some(&a) => data.extend([0, 1, 2].map(|c| blend(colour[c], a, ground[c]))),
                    }
                }
                (3, data)
            }
        };
        Ok(Image::new(layout.width, layout.height, channels, data))
    }
}

fn white_is_zero<T: Depth>(value: T) -> T {
    T::from_u32(T::MAX - value.to_u32())
}

/// Ink as light.
fn cmyk<T: Depth>([c, m, y, k]: [T; 4]) -> [T; 3] {
    let light = |ink: T| (T::MAX - ink.to_u32()) as u64;
    [c, m, y].map(|ink| T::from_u32(((light(ink) * light(k) + T::MAX as u64 / 2) / T::MAX as u64) as u32))
}

fn palette(directory: &Directory, layout: &Layout) -> Result<Vec<[u8; 3]>, String> {
    let table = directory.numbers(tag::COLOUR_MAP)?.ok_or("damaged: it has no palette")?;
    let entries = 1usize << layout.bits;
    if table.len() < 3 * entries {
        return Err(format!("damaged: its palette has {} numbers, {} are needed", table.len(), 3 * entries));
    }
    // Colours have 16 bits; some writers gave them 8, which no colour above 255 tells.
    let shift = if table.iter().all(|v| *v < 256) { 0 } else { 8 };
    Ok((0..entries).map(|i| [0, 1, 2].map(|c| (table[c * entries + i] >> shift) as u8)).collect())
}

/// CIE L*a*b* under the white D50 as sRGB: by way of XYZ, adapted to the white D65 (Bradford).
fn lab<T: Depth>([l, a, b]: [T; 3], offset: bool) -> [T; 3] {
    let deep = T::MAX > 255;
    let light = l.to_u32() as f64 * 100.0 / T::MAX as f64;
    let signed = |v: T| {
        let (v, unit) = (v.to_u32() as f64, if deep { 256.0 } else { 1.0 });
        let zero = 128.0 * unit;
        let v = if offset {
            v - zero
        } else if v >= zero {
            v - 2.0 * zero
        } else {
            v
        };
        v / unit
    };
    let fy = (light + 16.0) / 116.0;
    let cubed = |f: f64| if f > 6.0 / 29.0 { f.powi(3) } else { 3.0 * (6.0f64 / 29.0).powi(2) * (f - 4.0 / 29.0) };
    let x = 0.96422 * cubed(fy + signed(a) / 500.0);
    let y = cubed(fy);
    let z = 0.82521 * cubed(fy - signed(b) / 200.0);
    let linear = [
        3.1338561 * x - 1.6168667 * y - 0.4906146 * z,
        -0.9787684 * x + 1.9161415 * y + 0.0334540 * z,
        0.0719453 * x - 0.2289914 * y + 1.4052427 * z,
    ];
    let gamma = |v: f64| if v <= 0.0031308 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
    linear.map(|v| T::from_f32((gamma(v.clamp(0.0, 1.0)) * T::MAX as f64) as f32))
}
