//! Where pixels go: flips, rotation, affine and perspective maps, with torchvision's meaning. Scaling and cropping are methods of
//! [`Image`].

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
    let (w, h, c) = (image.width, image.height, image.channels);
    let mut data = Vec::with_capacity(image.data.len());
    let weigh = |x: isize, y: isize, weight: f32, sums: &mut [f32; 3]| {
        if weight > 0.0 && (0..w as isize).contains(&x) && (0..h as isize).contains(&y) {
            let at = (y as usize * w + x as usize) * c;
            for (sum, value) in sums.iter_mut().zip(&image.data[at..at + c]) {
                *sum += weight * value.to_u32() as f32;
            }
        }
    };
    for y in 0..h {
        for x in 0..w {
            let (sx, sy) = from(x as f64, y as f64);
            let (left, top) = (sx.floor(), sy.floor());
            let (fx, fy) = ((sx - left) as f32, (sy - top) as f32);
            let (left, top) = (left as isize, top as isize);
            let mut sums = [0.0; 3];
            weigh(left, top, (1.0 - fx) * (1.0 - fy), &mut sums);
            weigh(left.saturating_add(1), top, fx * (1.0 - fy), &mut sums);
            weigh(left, top.saturating_add(1), (1.0 - fx) * fy, &mut sums);
            weigh(left.saturating_add(1), top.saturating_add(1), fx * fy, &mut sums);
            data.extend(sums[..c].iter().map(|&v| T::from_f32(v)));
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

/// The image under an affine map (torchvision's `affine`, bilinear).
pub fn affine<T: Depth>(image: &Image<T>, map: &Affine) -> Image<T> {
    let m = map.inverse();
    let (cx, cy) = (image.width as f64 / 2.0 - 0.5, image.height as f64 / 2.0 - 0.5);
    warp(image, |x, y| {
        let (x, y) = (x - cx, y - cy);
        (m[0] * x + m[1] * y + m[2] + cx, m[3] * x + m[4] * y + m[5] + cy)
    })
}

/// Turned about its middle by so many degrees, counter-clockwise (torchvision's `rotate`, bilinear).
pub fn rotate<T: Depth>(image: &Image<T>, degrees: f64) -> Image<T> {
    affine(image, &Affine { angle: -degrees, ..Affine::default() })
}

/// Seen from another side: its corner pixels (top left, top right, bottom right, bottom left) go to these places (torchvision's
/// `perspective`, bilinear).
///
/// # Panics
/// If three of the places lie on a line.
pub fn perspective<T: Depth>(image: &Image<T>, to: [[f64; 2]; 4]) -> Image<T> {
    let (right, bottom) = (image.width as f64 - 1.0, image.height as f64 - 1.0);
    let from = [[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]];
    // Eight equations for the numbers of the projection that takes each place back to its corner.
    let mut rows = Vec::with_capacity(8);
    for ([x, y], [u, v]) in to.into_iter().zip(from) {
        rows.push([x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u]);
        rows.push([0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v]);
    }
    let p = solve(rows);
    warp(image, |x, y| {
        let (x, y) = (x + 0.5, y + 0.5);
        let depth = p[6] * x + p[7] * y + 1.0;
        ((p[0] * x + p[1] * y + p[2]) / depth - 0.5, (p[3] * x + p[4] * y + p[5]) / depth - 0.5)
    })
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
