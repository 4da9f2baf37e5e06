//! Boxes, masks and labels drawn on an image. What lies outside of it is left out.

use crate::image::Image;

/// Okabe and Ito's colours, which colour-blind people tell apart (Color Universal Design, 2008), without black.
const PALETTE: [[u8; 3]; 7] =
    [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167]];

/// The colour of a class: Okabe and Ito's seven, then lighter and darker ones of the same hues, over and over.
pub fn class_colour(class: usize) -> [u8; 3] {
    let colour = PALETTE[class % PALETTE.len()];
    match class / PALETTE.len() % 3 {
        0 => colour,
        1 => mixed(colour, [255; 3], 0.5),
        _ => mixed(colour, [0; 3], 0.45),
    }
}

/// `colour` with so much of `other` in it.
fn mixed(colour: [u8; 3], other: [u8; 3], alpha: f32) -> [u8; 3] {
    std::array::from_fn(|i| (colour[i] as f32 * (1.0 - alpha) + other[i] as f32 * alpha).round() as u8)
}

/// The font: 95 glyphs from the space to `~`, 16 in a block of lines.
const FONT: &str = include_str!("font.txt");
const GLYPH: [usize; 2] = [5, 8];
/// A glyph with the gap after it.
const ADVANCE: usize = GLYPH[0] + 1;
const PER_BLOCK: usize = 16;
/// Pixels between a label's text and its edges, times the scale.
const MARGIN: usize = 1;

/// Whether a glyph has ink in a place.
fn inked(glyph: char, x: usize, y: usize) -> bool {
    let place = match glyph {
        ' '..='~' => glyph as usize - ' ' as usize,
        _ => '?' as usize - ' ' as usize,
    };
    let line = FONT.lines().nth(place / PER_BLOCK * GLYPH[1] + y).unwrap_or("");
    line.as_bytes().get(place % PER_BLOCK * ADVANCE + x) == Some(&b'#')
}

/// Width and height in pixels of a label of this text, at a scale of 1 or more.
pub fn label_size(text: &str, scale: usize) -> [usize; 2] {
    let n = text.chars().count();
    [(n * ADVANCE + 2 * MARGIN).saturating_sub(usize::from(n > 0)) * scale, (GLYPH[1] + 2 * MARGIN) * scale]
}

/// The rows or columns of 0 to `n` between two edges, rounded outwards; none if they are no numbers.
fn between(from: f32, to: f32, n: usize) -> std::ops::Range<usize> {
    if from.is_nan() || to.is_nan() || to < from {
        return 0..0;
    }
    from.floor().clamp(0.0, n as f32) as usize..to.ceil().clamp(0.0, n as f32) as usize
}

impl Image {
    fn colour(&self, [r, g, b]: [u8; 3]) -> Vec<u8> {
        if self.channels == 3 { vec![r, g, b] } else { Image::new(1, 1, 3, vec![r, g, b]).to_channels(1).data }
    }

    /// Fills the box (left, top, right, bottom) with a colour, as far as it lies in the image: each pixel that it touches. A box with NaN in
    /// it, or whose right is left of its left, is not drawn.
    ///
    /// # Panics
    /// If the image has not 1 or 3 channels.
    pub fn draw_filled(&mut self, [left, top, right, bottom]: [f32; 4], colour: [u8; 3]) {
        let colour = self.colour(colour);
        let (c, width) = (self.channels, self.width);
        let (columns, rows) = (between(left, right, width), between(top, bottom, self.height));
        for y in rows {
            let row = &mut self.data[y * width * c..(y + 1) * width * c];
            row[columns.start * c..columns.end.max(columns.start) * c]
                .chunks_exact_mut(c)
                .for_each(|pixel| pixel.copy_from_slice(&colour));
        }
    }

    /// Draws the outline of a box (left, top, right, bottom; the image goes from 0 to its width and height), `thickness` pixels wide, on the
    /// inside, as far as it lies in the image. A box with NaN in it, or whose right is left of its left, is not drawn.
    ///
    /// # Panics
    /// If the image has not 1 or 3 channels.
    pub fn draw_box(&mut self, bbox: [f32; 4], thickness: usize, colour: [u8; 3]) {
        if bbox.iter().any(|v| v.is_nan()) || bbox[2] < bbox[0] || bbox[3] < bbox[1] {
            return;
        }
        let [left, top, right, bottom] = [bbox[0].floor(), bbox[1].floor(), bbox[2].ceil(), bbox[3].ceil()];
        let thick = thickness as f32;
        let (x, y) = ((left + thick).min(right), (top + thick).min(bottom));
        self.draw_filled([left, top, right, y], colour);
        self.draw_filled([left, (bottom - thick).max(top), right, bottom], colour);
        self.draw_filled([left, top, x, bottom], colour);
        self.draw_filled([(right - thick).max(left), top, right, bottom], colour);
    }

    /// Lays the colours of a mask's classes over the image, `opacity` from 0 to 1. Pixels whose class has no colour stay as they are.
    ///
    /// # Panics
    /// If the mask has another size, or the image not 1 or 3 channels.
    pub fn draw_mask(&mut self, mask: &Image, opacity: f32, colour: impl Fn(u8) -> Option<[u8; 3]>) {
        assert!(
            [mask.width, mask.height] == [self.width, self.height] && mask.data.len() == mask.width * mask.height,
            "draw_mask: needs a mask of {}×{} pixels, got {}×{} of {} channels",
            self.width,
            self.height,
            mask.width,
            mask.height,
            mask.channels
        );
        let opacity = opacity.clamp(0.0, 1.0);
        let colours: Vec<_> = (0..=u8::MAX).map(|class| colour(class).map(|c| self.colour(c))).collect();
        for (pixel, class) in self.data.chunks_exact_mut(self.channels).zip(&mask.data) {
            let Some(colour) = &colours[*class as usize] else { continue };
            for (value, over) in pixel.iter_mut().zip(colour) {
                *value = (*value as f32 * (1.0 - opacity) + *over as f32 * opacity).round() as u8;
            }
        }
    }

    /// Writes a line of text on a ground of this colour, in black or white, whichever is seen better. The label stands on the point (x, y),
    /// as above the top left corner of a box, and is moved as far as it must to lie in the image. Characters other than ASCII's are shown as
    /// `?`. Nothing is drawn at a point with NaN.
    ///
    /// # Panics
    /// If the image has not 1 or 3 channels.
    pub fn draw_label(&mut self, [x, y]: [f32; 2], text: &str, scale: usize, colour: [u8; 3]) {
        let scale = scale.max(1);
        let [width, height] = label_size(text, scale);
        if x.is_nan() || y.is_nan() || text.is_empty() {
            return;
        }
        let within =
            |at: f32, length: usize, room: usize| at.round().min(room as f32 - length as f32).max(0.0) as usize;
        let (left, top) = (within(x, width, self.width), within(y - height as f32, height, self.height));
        self.draw_filled([left, top, left + width, top + height].map(|v| v as f32), colour);
        let [r, g, b] = colour.map(u32::from);
        let ink = self.colour(if 299 * r + 587 * g + 114 * b > 128_000 { [0; 3] } else { [255; 3] });
        for (n, glyph) in text.chars().enumerate() {
            let start = left + (MARGIN + n * ADVANCE) * scale;
            if start >= self.width {
                break;
            }
            let bottom = self.height.min(top + (MARGIN + GLYPH[1]) * scale);
            for v in top + MARGIN * scale..bottom {
                for u in start..self.width.min(start + GLYPH[0] * scale) {
                    if inked(glyph, (u - start) / scale, (v - top) / scale - MARGIN) {
                        let at = (v * self.width + u) * self.channels;
                        self.data[at..at + self.channels].copy_from_slice(&ink);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INK: [u8; 3] = [255; 3];

    fn grey(width: usize, height: usize) -> Image {
        Image::filled(width, height, &[0u8])
    }

    fn rows(image: &Image) -> Vec<String> {
        let row = |line: &[u8]| line.iter().map(|&v| if v == 255 { '#' } else { '.' }).collect();
        image.data.chunks_exact(image.width).map(row).collect()
    }

    #[test]
    fn an_outline_lies_inside_its_box() {
        let mut image = grey(7, 6);
        image.draw_box([1.0, 1.0, 6.0, 5.0], 1, INK);
        assert_eq!(rows(&image), [".......", ".#####.", ".#...#.", ".#...#.", ".#####.", "......."]);
        let mut image = grey(7, 6);
        image.draw_box([1.2, 0.6, 5.5, 5.0], 2, INK);
        assert_eq!(rows(&image), [".#####.", ".#####.", ".##.##.", ".#####.", ".#####.", "......."]);
        // Of a box that reaches beyond the image only what lies in it.
        let mut image = grey(4, 3);
        image.draw_box([-5.0, 1.0, 2.0, 90.0], 1, INK);
        assert_eq!(rows(&image), ["....", "##..", ".#.."]);
    }

    #[test]
    fn whatever_a_box_is_nothing_breaks() {
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1e30, 1e30, -1.0, 0.0, 0.5, 3.0, 4.0];
        for [w, h] in [[0, 0], [1, 1], [3, 5]] {
            for i in 0..odd.len().pow(4) {
                let bbox = std::array::from_fn(|k| odd[i / odd.len().pow(k as u32) % odd.len()]);
                let mut image = Image::filled(w, h, &[0u8; 3]);
                image.draw_box(bbox, i % 4, INK);
                image.draw_label([bbox[0], bbox[1]], "a1é", i % 3, INK);
                if bbox.iter().any(|v| v.is_nan()) {
                    let mut same = Image::filled(w, h, &[0u8; 3]);
                    same.draw_box(bbox, 1, INK);
                    assert!(same.data.iter().all(|&v| v == 0));
                }
            }
        }
    }

    #[test]
    fn a_label_has_its_letters_and_stays_in_the_image() {
        let drawn = |at: [f32; 2], text: &str| {
            let mut image = grey(16, 12);
            // White on black ground.
            image.draw_label(at, text, 1, [0; 3]);
            rows(&image)
        };
        assert_eq!(label_size("Aé", 2), [26, 20]);
        let want = [".###..###.", "#...##...#", "#...#....#", "#####...#.", "#...#..#..", "#...#.....", "#...#..#.."];
        let got: Vec<String> =
            drawn([2.0, 11.0], "Aé")[2..9].iter().map(|row| format!("{}{}", &row[3..8], &row[9..14])).collect();
        assert_eq!(got, want, "letters, and a question mark for what the font has not");
        assert_eq!(drawn([-9.0, -9.0], "A")[1], "..###...........");
        assert_eq!(drawn([99.0, 99.0], "A")[3], "...........###..");
        assert!(drawn([f32::NAN, 3.0], "A").concat().chars().all(|c| c == '.'));
        // Black on white ground.
        let mut image = Image::filled(9, 10, &[7u8]);
        image.draw_label([0.0, 0.0], "I", 1, INK);
        assert_eq!((image.pixel(3, 1), image.pixel(0, 0), image.pixel(8, 0)), (&[0][..], &[255][..], &[7][..]));
    }

    #[test]
    fn every_ascii_character_has_a_glyph_of_its_own() {
        let glyph = |c: char| (0..40).map(|i| inked(c, i % 5, i / 5)).collect::<Vec<_>>();
        let all: std::collections::HashSet<_> = (' '..='~').map(glyph).collect();
        assert_eq!(all.len(), 95);
        assert!(!glyph(' ').contains(&true) && ('!'..='~').all(|c| glyph(c).contains(&true)));
        assert_eq!(glyph('\n'), glyph('?'));
    }

    #[test]
    fn a_mask_shines_through() {
        let mut image = Image::filled(3, 1, &[100u8, 100, 100]);
        let mask = Image::new(3, 1, 1, vec![0u8, 1, 255]);
        image.draw_mask(&mask, 0.5, |class| (class == 1).then_some([200, 0, 100]));
        assert_eq!(image.data, [100, 100, 100, 150, 50, 100, 100, 100, 100]);
    }

    #[test]
    fn classes_have_colours_of_their_own() {
        let colours: std::collections::HashSet<_> = (0..21).map(class_colour).collect();
        assert_eq!((colours.len(), class_colour(0), class_colour(21)), (21, [230, 159, 0], [230, 159, 0]));
        class_colour(usize::MAX);
    }
}
