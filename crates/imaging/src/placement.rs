//! [`Placement`]: where a point of an image goes when the image is scaled and placed.

use crate::image::{Depth, Image};

/// Where a point of an image goes: `scale · point + offset` along each axis. Points are in pixels, where an image goes from 0 to its width
/// and height: the middle of the first pixel is (0.5, 0.5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// How much larger things become, along x and y.
    pub scale: [f64; 2],
    /// Where the image's top left corner goes, x and y.
    pub offset: [f64; 2],
}

impl Placement {
    /// The image scaled from this size to that one (width and height), its top left corner at `offset`.
    pub fn new(from: [usize; 2], to: [usize; 2], offset: [f64; 2]) -> Placement {
        Placement { scale: [0, 1].map(|i| to[i] as f64 / from[i] as f64), offset }
    }

    /// Where the point (x, y) of the image goes.
    pub fn to_input(&self, point: [f64; 2]) -> [f64; 2] {
        [0, 1].map(|i| point[i] * self.scale[i] + self.offset[i])
    }

    /// Which point of the image goes there: the inverse of [`Placement::to_input`].
    pub fn to_image(&self, point: [f64; 2]) -> [f64; 2] {
        [0, 1].map(|i| (point[i] - self.offset[i]) / self.scale[i])
    }

    /// Where a box (left, top, right, bottom) of the image goes. It is not clipped.
    pub fn box_to_input(&self, bbox: [f32; 4]) -> [f32; 4] {
        corners(bbox, |point| self.to_input(point))
    }

    /// Which box (left, top, right, bottom) of the image goes there. It is not clipped.
    pub fn box_to_image(&self, bbox: [f32; 4]) -> [f32; 4] {
        corners(bbox, |point| self.to_image(point))
    }

    /// The placement followed by a shift.
    pub fn shifted(self, [x, y]: [f64; 2]) -> Placement {
        Placement { offset: [self.offset[0] + x, self.offset[1] + y], ..self }
    }
}

fn corners([left, top, right, bottom]: [f32; 4], map: impl Fn([f64; 2]) -> [f64; 2]) -> [f32; 4] {
    let ([left, top], [right, bottom]) = (map([left.into(), top.into()]), map([right.into(), bottom.into()]));
    [left, top, right, bottom].map(|v| v as f32)
}

impl<T: Depth> Image<T> {
    /// The `width`×`height` pixels that a placement makes of it, by nearest neighbour: a pixel has the value at the point of the image that
    /// goes to its middle, and `fill` in each channel where that lies outside. Scaled to a size this is Pillow's `NEAREST` and PyTorch's
    /// `nearest-exact`, whose pixels lie where those of [`Image::resized`] do.
    pub fn nearest(&self, placement: &Placement, width: usize, height: usize, fill: T) -> Image<T> {
        let from = |axis: usize, to: usize, n: usize| {
            let at = |i: usize| {
                let mut middle = [0.5; 2];
                middle[axis] += i as f64;
                let at = placement.to_image(middle)[axis].floor();
                (at >= 0.0 && at < n as f64).then_some(at as usize)
            };
            (0..to).map(at).collect::<Vec<_>>()
        };
        let (columns, rows) = (from(0, width, self.width), from(1, height, self.height));
        let c = self.channels;
        let mut data = vec![fill; width * height * c];
        for (out, row) in data.chunks_exact_mut((width * c).max(1)).zip(rows) {
            let Some(row) = row else { continue };
            let line = &self.data[row * self.width * c..][..self.width * c];
            if c == 1 {
                out.iter_mut()
                    .zip(&columns)
                    .for_each(|(out, column)| *out = column.map_or(fill, |column| line[column]));
                continue;
            }
            for (out, column) in out.chunks_exact_mut(c).zip(&columns) {
                if let Some(column) = column {
                    out.copy_from_slice(&line[column * c..][..c]);
                }
            }
        }
        Image { width, height, channels: c, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let p = Placement::new([640, 3], [64, 9], [1.0, -2.0]).shifted([2.0, 2.0]);
        assert_eq!(p.to_input([0.0, 0.0]), [3.0, 0.0]);
        assert_eq!(p.to_input([640.0, 3.0]), [67.0, 9.0]);
        let bbox = [10.0, 1.0, 330.0, 2.5];
        assert_eq!(p.box_to_input(bbox), [4.0, 3.0, 36.0, 7.5]);
        assert_eq!(p.box_to_image([4.0, 3.0, 36.0, 7.5]), bbox);
    }

    #[test]
    fn nearest_takes_the_pixel_under_the_middle_as_pillow_does() {
        let row = |n: u8, to: usize| {
            let image = Image::new(n as usize, 1, 1, (0..n).collect());
            image.nearest(&Placement::new([n as usize, 1], [to, 1], [0.0; 2]), to, 1, 99).data
        };
        // Pillow 11: Image.fromarray(row).resize((to, 1), Image.NEAREST).
        assert_eq!(row(5, 3), [0, 2, 4]);
        assert_eq!(row(3, 7), [0, 0, 1, 1, 1, 2, 2]);
        assert_eq!(row(10, 4), [1, 3, 6, 8]);
        assert_eq!(row(4, 4), [0, 1, 2, 3]);
        let image = Image::new(2, 1, 1, vec![1u8, 2]);
        let shifted = Placement::new([2, 1], [2, 1], [1.0, 1.0]);
        assert_eq!(image.nearest(&shifted, 4, 3, 9).data, [9, 9, 9, 9, 9, 1, 2, 9, 9, 9, 9, 9]);
        assert_eq!(image.to_channels(3).nearest(&shifted, 4, 2, 9).data[15..], [1, 1, 1, 2, 2, 2, 9, 9, 9]);
        assert_eq!(image.nearest(&shifted, 0, 3, 9).data, []);
        let nan = Placement { scale: [f64::NAN; 2], offset: [0.0; 2] };
        assert_eq!(image.nearest(&nan, 2, 1, 9).data, [9, 9]);
    }
}
