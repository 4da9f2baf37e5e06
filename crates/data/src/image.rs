//! [`Image`]: pixels.

/// A picture of one byte per value: row by row, the channels of a pixel side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Values per pixel: 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// `height · width · channels` values.
    pub data: Vec<u8>,
}

impl Image {
    /// An image of these values.
    ///
    /// # Panics
    /// If there are not `height · width · channels` of them.
    pub fn new(width: usize, height: usize, channels: usize, data: Vec<u8>) -> Image {
        assert!(
            data.len() == width * height * channels,
            "Image: {} values do not fill {width}×{height} pixels of {channels} channels",
            data.len()
        );
        Image { width, height, channels, data }
    }

    /// The image as one of 1 or 3 channels: colours to grey by ITU-R BT.601 (`L = 0.299 R + 0.587 G + 0.114 B`, as Pillow does), grey to
    /// three equal channels.
    ///
    /// # Panics
    /// If it has, or is to have, another number of channels.
    pub fn to_channels(&self, channels: usize) -> Image {
        let data = match (self.channels, channels) {
            (1, 1) | (3, 3) => self.data.clone(),
            (3, 1) => {
                let grey = |p: &[u8; 3]| (299 * p[0] as u32 + 587 * p[1] as u32 + 114 * p[2] as u32 + 500) / 1000;
                self.data.as_chunks::<3>().0.iter().map(|p| grey(p) as u8).collect()
            }
            (1, 3) => self.data.iter().flat_map(|&v| [v; 3]).collect(),
            (from, to) => panic!("to_channels: needs 1 or 3 channels, got {from} to become {to}"),
        };
        Image { channels, data, ..*self }
    }

    /// Each value `v` as `255 - v`.
    pub fn inverted(mut self) -> Image {
        self.data.iter_mut().for_each(|v| *v = 255 - *v);
        self
    }

    /// The image with `padding` black pixels on each side.
    pub fn padded(&self, padding: usize) -> Image {
        let (width, height) = (self.width + 2 * padding, self.height + 2 * padding);
        let mut data = vec![0; width * height * self.channels];
        let row = self.width * self.channels;
        if row > 0 {
            for (y, from) in self.data.chunks_exact(row).enumerate() {
                let at = ((y + padding) * width + padding) * self.channels;
                data[at..at + row].copy_from_slice(from);
            }
        }
        Image { width, height, channels: self.channels, data }
    }

    /// The values of the pixels along the edge, each pixel once.
    pub(crate) fn border(&self) -> Vec<u8> {
        let (w, h) = (self.width, self.height);
        let edge = |i: usize| i < w || i >= w * (h - 1) || i.is_multiple_of(w) || i % w == w - 1;
        self.data
            .chunks_exact(self.channels)
            .enumerate()
            .filter(|(i, _)| edge(*i))
            .flat_map(|(_, p)| p)
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_grey_as_in_pillow() {
        let colours = Image::new(5, 1, 3, vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30, 255, 255, 255]);
        assert_eq!(colours.to_channels(1).data, [76, 150, 29, 18, 255]);
        assert_eq!(Image::new(2, 1, 1, vec![3, 9]).to_channels(3).data, [3, 3, 3, 9, 9, 9]);
    }

    #[test]
    fn padding_is_black_and_on_every_side() {
        let padded = Image::new(2, 1, 1, vec![7, 8]).padded(1);
        assert_eq!((padded.width, padded.height), (4, 3));
        assert_eq!(padded.data, [0, 0, 0, 0, 0, 7, 8, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn the_border_has_each_pixel_once() {
        let image = Image::new(3, 3, 1, (1..=9).collect());
        assert_eq!(image.border(), [1, 2, 3, 4, 6, 7, 8, 9]);
        assert_eq!(Image::new(1, 3, 1, vec![1, 2, 3]).border(), [1, 2, 3]);
    }
}
