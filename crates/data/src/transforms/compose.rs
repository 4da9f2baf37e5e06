//! How an image with its targets comes to the network's size at random: a part of it, all of it at another scale, or four in one.

use super::random::{between, random_part, up_to};
use super::targets::Targets;
use std::sync::Arc;
use striate_imaging::{AnyImage, Image, Placement, Preprocessing, Scale};
use striate_tensor::Generator;

/// A sample as it is kept for training: decoded, with its targets in its own pixels.
#[derive(Clone)]
pub(crate) struct Kept {
    pub image: Arc<AnyImage>,
    pub targets: Targets,
}

/// By how much the images of a mosaic are scaled where nothing else is said (Ultralytics' YOLOv5).
const MOSAIC_SCALE: [f64; 2] = [0.5, 1.5];

/// The largest side, in pixels, at which an image is drawn.
const LARGEST: f64 = 1e6;

fn size_of<T>(image: &Image<T>) -> [usize; 2] {
    [image.width, image.height]
}

/// A random part of at least the fraction `least` of the area, stretched to the network's size.
pub(super) fn part<T: Scale>(
    image: &Image<T>,
    targets: &Targets,
    p: &Preprocessing,
    least: f64,
    rng: &mut Generator,
) -> (Image<T>, Targets) {
    let [h, w] = p.size;
    let part = random_part(size_of(image), least, rng);
    let [left, top, part_w, part_h] = part;
    let scale = [w as f64 / part_w, h as f64 / part_h];
    let placement = Placement { scale, offset: [-left * scale[0], -top * scale[1]] };
    (image.resized_part(part, w, h, p.filter), targets.cropped(&placement, [w, h]))
}

/// All of it as in evaluation; or, with `jitter`, scaled by a factor between these more, and as much of that as the input holds, at a random
/// place.
pub(super) fn fitted<T: Scale>(
    image: &Image<T>,
    targets: &Targets,
    p: &Preprocessing,
    jitter: Option<[f64; 2]>,
    rng: &mut Generator,
) -> (Image<T>, Targets) {
    let [h, w] = p.size;
    let Some([low, high]) = jitter else {
        let placement = p.unpadded_placement(size_of(image));
        return (p.scaled(image), targets.cropped(&placement, [w, h]));
    };
    let factor = between(rng, low, high);
    let [scaled_w, scaled_h] = scaled(p, size_of(image), factor);
    let mut start = |room: usize, side: i64| {
        let spare = up_to(rng, (room as i64).abs_diff(side) as usize) as i64;
        if side > room as i64 { -spare } else { spare }
    };
    let at = [start(w, scaled_w), start(h, scaled_h), scaled_w, scaled_h];
    let mut canvas = Canvas::new(p, targets);
    canvas.paste(image, targets, at, [0, 0, w, h], p);
    (canvas.image, canvas.targets)
}

/// Width and height at which an image is drawn that `p` scales, and `factor` once more.
fn scaled(p: &Preprocessing, size: [usize; 2], factor: f64) -> [i64; 2] {
    p.scaled_size(size).map(|side| (side as f64 * factor).round().clamp(1.0, LARGEST) as i64)
}

/// Four images around a point (Bochkovskiy et al., YOLOv4, 2020), as YOLOX lays them out: on a canvas of twice the network's width and height,
/// with the point in its middle half, each at the scale that it has alone, times a factor. The input is a random part of that canvas. An image
/// that cannot be read leaves its quarter empty.
pub(super) fn mosaic<T: Scale>(
    image: &Image<T>,
    targets: &Targets,
    p: &Preprocessing,
    jitter: Option<[f64; 2]>,
    (n, other): (usize, &dyn Fn(usize) -> Option<Kept>),
    rng: &mut Generator,
) -> (Image<T>, Targets) {
    let [h, w] = p.size;
    let [low, high] = jitter.unwrap_or(MOSAIC_SCALE);
    let factor = between(rng, low, high);
    let mut point_in = |side: usize| {
        let whole = 2.0 * side as f64 * factor;
        let point = whole * between(rng, 0.25, 0.75);
        // Where the input begins on the canvas, or how far before the canvas.
        let begin = between(rng, 0.0, 1.0) * (whole - side as f64);
        (point - begin).round() as i64
    };
    let [x, y] = [point_in(w), point_in(h)];
    let others = [(); 3].map(|()| rng.below(n.max(1) as u64) as usize);
    let mut canvas = Canvas::new(p, targets);
    let window = |start: i64, end: i64, side: usize| {
        let (start, end) = (start.clamp(0, side as i64) as usize, end.clamp(0, side as i64) as usize);
        (start, end - start)
    };
    for quarter in 0..4 {
        let (right, below) = (quarter % 2 == 1, quarter / 2 == 1);
        let (left, width) = if right { window(x, w as i64, w) } else { window(0, x, w) };
        let (top, height) = if below { window(y, h as i64, h) } else { window(0, y, h) };
        if width == 0 || height == 0 {
            continue;
        }
        let mut draw = |image: &Image<T>, targets: &Targets| {
            let [scaled_w, scaled_h] = scaled(p, size_of(image), factor);
            let at_x = if right { x } else { x - scaled_w };
            let at_y = if below { y } else { y - scaled_h };
            canvas.paste(image, targets, [at_x, at_y, scaled_w, scaled_h], [left, top, width, height], p);
        };
        match quarter {
            0 => draw(image, targets),
            _ => {
                let Some(kept) = other(others[quarter - 1]) else { continue };
                let image = T::of(&kept.image);
                draw(&image, &kept.targets.within(size_of(&image)));
            }
        }
    }
    (canvas.image, canvas.targets)
}

/// An input on which images are put.
struct Canvas<T> {
    image: Image<T>,
    targets: Targets,
}

impl<T: Scale> Canvas<T> {
    /// The border's colour everywhere, and nothing of what `targets` holds.
    fn new(p: &Preprocessing, targets: &Targets) -> Canvas<T> {
        let [h, w] = p.size;
        Canvas { image: Image::filled(w, h, &p.border()), targets: targets.blank([w, h]) }
    }

    fn paste(&mut self, image: &Image<T>, targets: &Targets, at: [i64; 4], window: [usize; 4], p: &Preprocessing) {
        if image.channels == self.image.channels {
            self.image.paste_scaled(image, at, window, p.filter);
        } else {
            self.image.paste_scaled(&image.to_channels(self.image.channels), at, window, p.filter);
        }
        self.targets.paste(targets, size_of(image), at, window);
    }
}
