//! Filters of images: blurs, pixelation, and images seen through an affine map.

use striate_imaging::{Depth, Image};

/// Grey levels of an image as numbers.
pub(super) fn levels(image: &Image) -> Vec<f32> {
    image.data.iter().map(|&v| f32::from(v)).collect()
}

/// An image of these grey levels, each rounded to the nearest one that there is.
pub(super) fn image_of(like: &Image, levels: &[f32]) -> Image {
    Image::new(like.width, like.height, like.channels, levels.iter().map(|&v| u8::from_f32(v)).collect())
}

/// Blurred by a Gaussian of this standard deviation in pixels, cut off at four of them; edge pixels are repeated outwards. As
/// `scipy.ndimage.gaussian_filter(mode="nearest")` of each channel.
pub(super) fn gaussian_blur(image: &Image, sigma: f64) -> Image {
    let radius = (4.0 * sigma + 0.5) as isize;
    let weight = |i: isize| (-0.5 * (i as f64 / sigma).powi(2)).exp();
    let sum: f64 = (-radius..=radius).map(weight).sum();
    let kernel: Vec<f32> = (-radius..=radius).map(|i| (weight(i) / sum) as f32).collect();
    let Image { width: w, height: h, channels: c, .. } = *image;
    let row = w * c;
    let source = levels(image);
    let mut rows = vec![0.0; source.len()];
    for (y, out) in rows.chunks_exact_mut(row).enumerate() {
        for (k, &weight) in kernel.iter().enumerate() {
            let from = (y as isize + k as isize - radius).clamp(0, h as isize - 1) as usize;
            out.iter_mut().zip(&source[from * row..][..row]).for_each(|(out, v)| *out += weight * v);
        }
    }
    let mut blurred = vec![0.0; source.len()];
    let mut wide = vec![0.0; (w + 2 * radius as usize) * c];
    for (line, out) in rows.chunks_exact(row).zip(blurred.chunks_exact_mut(row)) {
        for (x, pixel) in wide.chunks_exact_mut(c).enumerate() {
            let from = (x as isize - radius).clamp(0, w as isize - 1) as usize;
            pixel.copy_from_slice(&line[from * c..][..c]);
        }
        for (k, &weight) in kernel.iter().enumerate() {
            out.iter_mut().zip(&wide[k * c..][..row]).for_each(|(out, v)| *out += weight * v);
        }
    }
    image_of(image, &blurred)
}

/// Adds the pixel at a place between pixels to `out`, by bilinear interpolation; edge pixels are repeated outwards.
fn add_sample(source: &[f32], [w, h, c]: [usize; 3], x: f64, y: f64, out: &mut [f32]) {
    let (x, y) = (x.clamp(0.0, (w - 1) as f64), y.clamp(0.0, (h - 1) as f64));
    let (left, top) = (x as usize, y as usize);
    let (right, below) = ((left + 1).min(w - 1), (top + 1).min(h - 1));
    let (fx, fy) = ((x - left as f64) as f32, (y - top as f64) as f32);
    let at = |x: usize, y: usize| &source[(y * w + x) * c..][..c];
    let [a, b, d, e] = [at(left, top), at(right, top), at(left, below), at(right, below)];
    for i in 0..c {
        let upper = a[i] + fx * (b[i] - a[i]);
        let lower = d[i] + fx * (e[i] - d[i]);
        out[i] += upper + fy * (lower - upper);
    }
}

/// Each pixel is the mean along a line of this length in pixels and this angle through it: of the middles of equal parts of it, of a pixel at most.
pub(super) fn motion_blur(image: &Image, length: f64, angle: f64) -> Image {
    let size = [image.width, image.height, image.channels];
    let source = levels(image);
    let steps = length.ceil().max(1.0) as usize;
    let along: Vec<[f64; 2]> = (0..steps)
        .map(|k| length * ((k as f64 + 0.5) / steps as f64 - 0.5))
        .map(|t| [t * angle.cos(), t * angle.sin()])
        .collect();
    let mut blurred = vec![0.0; source.len()];
    for (i, out) in blurred.chunks_exact_mut(image.channels).enumerate() {
        let (x, y) = ((i % image.width) as f64, (i / image.width) as f64);
        along.iter().for_each(|[dx, dy]| add_sample(&source, size, x + dx, y + dy, out));
        out.iter_mut().for_each(|v| *v /= along.len() as f32);
    }
    image_of(image, &blurred)
}

/// Each pixel is the one where the map `[[a, b], [c, d]]` about the image's middle leads from it, by bilinear interpolation. As
/// `scipy.ndimage.affine_transform(order=1, mode="nearest")`.
pub(super) fn seen_through(image: &Image, [a, b, c, d]: [f64; 4]) -> Image {
    let size = [image.width, image.height, image.channels];
    let source = levels(image);
    let middle = [image.width, image.height].map(|side| (side - 1) as f64 / 2.0);
    let mut seen = vec![0.0; source.len()];
    for (i, out) in seen.chunks_exact_mut(image.channels).enumerate() {
        let (x, y) = ((i % image.width) as f64 - middle[0], (i / image.width) as f64 - middle[1]);
        add_sample(&source, size, a * x + b * y + middle[0], c * x + d * y + middle[1], out);
    }
    image_of(image, &seen)
}

/// The image in cells, this many on its shorter side, each in the mean of its pixels: as Pillow's `resize` with `BOX` and back with `NEAREST`. A pixel is of the
/// cell that its middle lies in, and of the first of two where it lies between them.
pub(super) fn pixelated(image: &Image, cells: usize) -> Image {
    let Image { width: w, height: h, channels: c, .. } = *image;
    let shorter = w.min(h);
    if cells >= shorter {
        return image.clone();
    }
    let count = |side: usize| ((side * cells) as f64 / shorter as f64).round() as usize;
    let (columns, rows) = (count(w), count(h));
    let cell = |i: usize, side: usize, cells: usize| ((2 * i + 1) * cells - 1) / (2 * side);
    let places: Vec<usize> = (0..w * h).map(|i| cell(i / w, h, rows) * columns + cell(i % w, w, columns)).collect();
    let (mut sums, mut counts) = (vec![0u64; columns * rows * c], vec![0u64; columns * rows]);
    for (pixel, &place) in image.data.chunks_exact(c).zip(&places) {
        counts[place] += 1;
        sums[place * c..].iter_mut().zip(pixel).for_each(|(sum, &v)| *sum += u64::from(v));
    }
    let mean = |place: usize, i: usize| ((2 * sums[place * c + i] + counts[place]) / (2 * counts[place])) as u8;
    let data =
        places.iter().flat_map(|&place| (0..c).map(move |i| (place, i))).map(|(place, i)| mean(place, i)).collect();
    Image::new(w, h, c, data)
}
