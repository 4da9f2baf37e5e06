//! Luma and chroma as red, green and blue, and chroma that several pixels share.

use super::directory::Directory;
use super::inflate::cut_or;
use super::layout::Layout;
use super::tag;
use crate::image::Depth;
use std::io::Read;

/// How luma and chroma become colours (TIFF 6.0, section 21).
pub struct YCbCr {
    /// The weights of red, green and blue in luma.
    weights: [f64; 3],
    /// Black and white of luma, then zero and the most of each chroma.
    reference: [f64; 6],
}

impl YCbCr {
    pub fn new(directory: &Directory) -> Result<YCbCr, String> {
        let weights = directory.fractions::<3>(tag::YCBCR_COEFFICIENTS).unwrap_or([0.299, 0.587, 0.114]);
        let reference =
            directory.fractions::<6>(tag::REFERENCE_BLACK_WHITE).unwrap_or([0.0, 255.0, 128.0, 255.0, 128.0, 255.0]);
        let sound = weights.iter().all(|w| *w > 0.0) && (0..3).all(|i| reference[2 * i + 1] > reference[2 * i]);
        if sound { Ok(YCbCr { weights, reference }) } else { Err("damaged: its YCbCr colours have no meaning".into()) }
    }

    pub fn rgb<T: Depth>(&self, values: [T; 3]) -> [T; 3] {
        let [red, green, blue] = self.weights;
        let full = |i: usize, most: f64| {
            let v = values[i].to_u32() as f64 * 255.0 / T::MAX as f64;
            (v - self.reference[2 * i]) * most / (self.reference[2 * i + 1] - self.reference[2 * i])
        };
        let (y, cb, cr) = (full(0, 255.0), full(1, 127.0), full(2, 127.0));
        let r = y + cr * (2.0 - 2.0 * red);
        let b = y + cb * (2.0 - 2.0 * blue);
        let g = (y - blue * b - red * r) / green;
        [r, g, b].map(|v| T::from_f32((v * T::MAX as f64 / 255.0) as f32))
    }
}

/// Rows of a strip or tile whose data come in units: the lumas of a few pixels, then the chroma that these share.
pub fn units(
    reader: &mut dyn Read,
    layout: &Layout,
    rows: usize,
    row: &mut dyn FnMut(usize, &[u16]),
) -> Result<(), String> {
    if layout.bits != 8 || layout.planar || layout.samples != 3 || layout.predictor != 1 {
        return Err("TIFF with subsampled colours of this kind is not read: save it as PNG".into());
    }
    let [across, down] = layout.subsampling;
    let unit = across * down + 2;
    let mut bytes = vec![0; layout.chunk[0].div_ceil(across) * unit];
    let mut line = Vec::with_capacity(layout.chunk[0] * 3);
    for top in (0..rows).step_by(down) {
        reader.read_exact(&mut bytes).map_err(|e| cut_or(&e))?;
        for y in 0..down.min(rows - top) {
            line.clear();
            for x in 0..layout.chunk[0] {
                let unit = &bytes[x / across * unit..][..unit];
                let [cb, cr] = [unit[across * down], unit[across * down + 1]];
                line.extend([unit[y * across + x % across], cb, cr].map(u16::from));
            }
            row(top + y, &line);
        }
    }
    Ok(())
}
