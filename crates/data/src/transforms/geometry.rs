//! Where pixels go: flips, rotation, affine and perspective maps, with torchvision's meaning. Scaling and cropping are methods of
//! [`Image`].

use crate::mask::VOID;
use striate_imaging::{Depth, Image};

/// Left becomes right.
pub fn flip_horizontal<T: Depth>(image: &Image<T>) -> Image<T> {
    fn reversed<T: Depth, const C: usize>(to: &mut [T], from: &[T]) {
        to.as_chunks_mut::<C>()
            .0
            .iter_mut()
            .zip(from.as_chunks::<C>().0.iter().rev())
            .for_each(|(to, from)| *to = *from);
    }
    let (row, c) = (image.width * image.channels, image.channels);
    let mut data = vec![T::default(); image.data.len()];
    for (to, from) in data.chunks_exact_mut(row.max(1)).zip(image.data.chunks_exact(row.max(1))) {
        match c {
            1 => reversed::<T, 1>(to, from),
            3 => reversed::<T, 3>(to, from),
            _ => to.chunks_exact_mut(c).zip(from.rchunks_exact(c)).for_each(|(to, from)| to.copy_from_slice(from)),
        }
    }
    Image { data, ..*image }
}

/// Top becomes bottom.
pub fn flip_vertical<T: Depth>(image: &Image<T>) -> Image<T> {
    let row = image.width * image.channels;
    Image { data: image.data.rchunks_exact(row.max(1)).flatten().copied().collect(), ..*image }
}

/// An image of the same size whose pixel (x, y) shows place `from(x, y)`, interpolated between the four pixels around it. Whole numbers
/// are the middles of pixels; what lies outside is black.
fn warp<T: Depth>(image: &Image<T>, from: impl Fn(f64, f64) -> (f64, f64)) -> Image<T> {
    match image.channels {
        1 => warp_of::<T, 1>(image, from),
        3 => warp_of::<T, 3>(image, from),
        c => panic!("geometry: needs an image of 1 or 3 channels, got {c}"),
    }
}

fn warp_of<T: Depth, const C: usize>(image: &Image<T>, from: impl Fn(f64, f64) -> (f64, f64)) -> Image<T> {
    let (w, h) = (image.width, image.height);
    let pixels = image.data.as_chunks::<C>().0;
    let add = |sums: &mut [f32; C], pixel: &[T; C], weight: f32| {
        sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += weight * value.to_u32() as f32);
    };
    let mut data = vec![T::default(); image.data.len()];
    for (y, row) in data.chunks_exact_mut((w * C).max(1)).enumerate() {
        for (x, out) in row.as_chunks_mut::<C>().0.iter_mut().enumerate() {
            let (sx, sy) = from(x as f64, y as f64);
            let mut sums = [0.0; C];
            let weights = |fx: f32, fy: f32| [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
            if sx >= 0.0 && sy >= 0.0 && sx < w as f64 - 1.0 && sy < h as f64 - 1.0 {
                let (left, top) = (sx as usize, sy as usize);
                let [a, b, c, d] = weights((sx - left as f64) as f32, (sy - top as f64) as f32);
                let at = top * w + left;
                add(&mut sums, &pixels[at], a);
                add(&mut sums, &pixels[at + 1], b);
                add(&mut sums, &pixels[at + w], c);
                add(&mut sums, &pixels[at + w + 1], d);
            } else if sx > -1.0 && sy > -1.0 && sx < w as f64 && sy < h as f64 {
                let (left, top) = (sx.floor(), sy.floor());
                let all = weights((sx - left) as f32, (sy - top) as f32);
                for (i, weight) in all.into_iter().enumerate() {
                    let (x, y) = (left as isize + (i % 2) as isize, top as isize + (i / 2) as isize);
                    if weight > 0.0 && (0..w as isize).contains(&x) && (0..h as isize).contains(&y) {
                        add(&mut sums, &pixels[y as usize * w + x as usize], weight);
                    }
                }
            }
            *out = sums.map(T::from_f32);
        }
    }
    Image { data, ..*image }
}

/// What an affine map does, in torchvision's terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Degrees, clockwise.
    pub angle: f64,
    /// Pixels to the right and down.
    pub translate: [f64; 2],
    /// How much larger things become.
    pub scale: f64,
    /// Degrees along x and along y.
    pub shear: [f64; 2],
    /// What stays in its place, in pixels from the image's middle.
    pub centre: [f64; 2],
}

impl Default for Affine {
    /// The map that changes nothing.
    fn default() -> Self {
        Affine { angle: 0.0, translate: [0.0; 2], scale: 1.0, shear: [0.0; 2], centre: [0.0; 2] }
    }
}

impl Affine {
    /// The rows of the matrix that says where a pixel comes from: the inverse of translation · centre · rotation · shear · scale · -centre.
    fn inverse(&self) -> [f64; 6] {
        let rotation = self.angle.to_radians();
        let [sx, sy] = self.shear.map(f64::to_radians);
        let a = (rotation - sy).cos() / sy.cos();
        let b = -(rotation - sy).cos() * sx.tan() / sy.cos() - rotation.sin();
        let c = (rotation - sy).sin() / sy.cos();
        let d = -(rotation - sy).sin() * sx.tan() / sy.cos() + rotation.cos();
        let [m0, m1, m3, m4] = [d, -b, -c, a].map(|v| v / self.scale);
        let [cx, cy] = self.centre;
        let (x, y) = (-cx - self.translate[0], -cy - self.translate[1]);
        [m0, m1, m0 * x + m1 * y + cx, m3, m4, m3 * x + m4 * y + cy]
    }
}

impl Affine {
    /// About the middle by this many degrees, counter-clockwise.
    pub fn rotation(degrees: f64) -> Affine {
        Affine { angle: -degrees, ..Affine::default() }
    }

    /// The map of an image of this width and height.
    pub fn map(&self, [width, height]: [usize; 2]) -> Map {
        let [a, b, c, d, e, f] = self.inverse();
        let origin = [width as f64 / 2.0 - 0.5, height as f64 / 2.0 - 0.5];
        Map { back: [a, b, c, d, e, f, 0.0, 0.0, 1.0], origin }
    }
}

/// The image under an affine map (torchvision's `affine`, bilinear).
pub fn affine<T: Depth>(image: &Image<T>, map: &Affine) -> Image<T> {
    Move::Map(map.map([image.width, image.height])).image(image)
}

/// Turned about its middle by this many degrees, counter-clockwise (torchvision's `rotate`, bilinear).
pub fn rotate<T: Depth>(image: &Image<T>, degrees: f64) -> Image<T> {
    affine(image, &Affine::rotation(degrees))
}

/// Seen from another side: its corner pixels (top left, top right, bottom right, bottom left) go to these places (torchvision's
/// `perspective`, bilinear).
///
/// # Panics
/// If three of the places lie on a line.
pub fn perspective<T: Depth>(image: &Image<T>, to: [[f64; 2]; 4]) -> Image<T> {
    Move::Map(Map::perspective([image.width, image.height], to)).image(image)
}

/// A projective map of an image's plane, which says for each pixel of the result where it comes from. Whole numbers are the middles of
/// pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Map {
    /// The rows of the matrix from the result to the image.
    back: [f64; 9],
    /// What the matrix takes for the point (0, 0).
    origin: [f64; 2],
}

impl Map {
    /// The corner pixels of an image of this width and height (top left, top right, bottom right, bottom left) go to these places.
    ///
    /// # Panics
    /// If three of the places lie on a line.
    pub fn perspective([width, height]: [usize; 2], to: [[f64; 2]; 4]) -> Map {
        let (right, bottom) = (width as f64 - 1.0, height as f64 - 1.0);
        let from = [[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]];
        // Eight equations for the numbers of the projection that takes each place back to its corner.
        let mut rows = Vec::with_capacity(8);
        for ([x, y], [u, v]) in to.into_iter().zip(from) {
            rows.push([x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u]);
            rows.push([0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v]);
        }
        let [a, b, c, d, e, f, g, h] = solve(rows);
        Map { back: [a, b, c, d, e, f, g, h, 1.0], origin: [-0.5; 2] }
    }

    /// Where the pixel (x, y) of the result comes from.
    fn from(&self, x: f64, y: f64) -> (f64, f64) {
        let (p, [ox, oy]) = (&self.back, self.origin);
        let (x, y) = (x - ox, y - oy);
        let depth = p[6] * x + p[7] * y + p[8];
        ((p[0] * x + p[1] * y + p[2]) / depth + ox, (p[3] * x + p[4] * y + p[5]) / depth + oy)
    }

    /// The map from the image to the result.
    fn inverse(&self) -> Map {
        let [a, b, c, d, e, f, g, h, i] = self.back;
        let adjugate = [
            e * i - f * h,
            c * h - b * i,
            b * f - c * e,
            f * g - d * i,
            a * i - c * g,
            c * d - a * f,
            d * h - e * g,
            b * g - a * h,
            a * e - b * d,
        ];
        let determinant = a * adjugate[0] + b * adjugate[3] + c * adjugate[6];
        Map { back: adjugate.map(|v| v / determinant), origin: self.origin }
    }
}

/// Where the pixels of an image go in a step that keeps its size: one value for the image, its mask and its boxes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Move {
    /// Left becomes right.
    FlipHorizontal,
    /// Top becomes bottom.
    FlipVertical,
    /// This many pixels added on each side, then a part of the size from before that begins at (`left`, `top`).
    PadCrop {
        /// Pixels added.
        padding: usize,
        /// The first column of the part.
        left: usize,
        /// The first row of the part.
        top: usize,
    },
    /// A projective map.
    Map(Map),
}

impl Move {
    /// The image after it: black where nothing of it lies.
    pub fn image<T: Depth>(&self, image: &Image<T>) -> Image<T> {
        match self {
            Move::FlipHorizontal => flip_horizontal(image),
            Move::FlipVertical => flip_vertical(image),
            Move::PadCrop { padding, left, top } => {
                image.padded(*padding).cropped(*left, *top, image.width, image.height)
            }
            Move::Map(map) => warp(image, |x, y| map.from(x, y)),
        }
    }

    /// The mask after it, by nearest neighbour: void where nothing of it lies.
    pub fn mask(&self, mask: &Image) -> Image {
        match self {
            Move::FlipHorizontal | Move::FlipVertical => self.image(mask),
            Move::PadCrop { padding, left, top } => {
                mask.padded_with(*padding, VOID).cropped(*left, *top, mask.width, mask.height)
            }
            Move::Map(map) => {
                let (w, h) = (mask.width, mask.height);
                let value = |x: usize, y: usize| {
                    let (x, y) = map.from(x as f64, y as f64);
                    let (x, y) = (x + 0.5, y + 0.5);
                    let inside = x >= 0.0 && y >= 0.0 && x < w as f64 && y < h as f64;
                    if inside { mask.data[y as usize * w + x as usize] } else { VOID }
                };
                let data = (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).map(|(x, y)| value(x, y)).collect();
                Image { data, ..*mask }
            }
        }
    }

    /// Where a point of an image of this width and height goes, which goes from 0 to its width and height.
    pub fn point(&self, [x, y]: [f64; 2], [width, height]: [usize; 2]) -> [f64; 2] {
        match self {
            Move::FlipHorizontal => [width as f64 - x, y],
            Move::FlipVertical => [x, height as f64 - y],
            Move::PadCrop { padding, left, top } => {
                [x + *padding as f64 - *left as f64, y + *padding as f64 - *top as f64]
            }
            Move::Map(map) => {
                let (x, y) = map.inverse().from(x - 0.5, y - 0.5);
                [x + 0.5, y + 0.5]
            }
        }
    }

    /// The bounds of where the corners of a box (left, top, right, bottom) go. NaN if one of them goes nowhere.
    pub fn bounds(&self, [left, top, right, bottom]: [f64; 4], size: [usize; 2]) -> [f64; 4] {
        let corners = [[left, top], [right, top], [right, bottom], [left, bottom]].map(|p| self.point(p, size));
        if corners.iter().flatten().any(|v| !v.is_finite()) {
            return [f64::NAN; 4];
        }
        let along =
            |axis: usize, pick: fn(f64, f64) -> f64| corners.iter().map(|p| p[axis]).reduce(pick).expect("four");
        [along(0, f64::min), along(1, f64::min), along(0, f64::max), along(1, f64::max)]
    }
}

/// Gauss's elimination, with the largest pivot of each column.
fn solve(mut rows: Vec<[f64; 9]>) -> [f64; 8] {
    for column in 0..8 {
        let best =
            (column..8).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs())).expect("not empty");
        rows.swap(column, best);
        let pivot = rows[column];
        assert!(pivot[column].abs() > 1e-9, "perspective: three of the corners lie on a line");
        for (i, row) in rows.iter_mut().enumerate() {
            if i != column {
                let factor = row[column] / pivot[column];
                row.iter_mut().zip(pivot).for_each(|(v, p)| *v -= factor * p);
            }
        }
    }
    std::array::from_fn(|i| rows[i][8] / rows[i][i])
}
