//! Images as columns of windows, and back.

use crate::tensor::Tensor;

/// The windows of [`Tensor::unfold`] and [`Tensor::fold`], each setting for height, then width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnfoldOptions {
    /// Size of a window.
    pub kernel_size: [usize; 2],
    /// Distance between the elements of a window.
    pub dilation: [usize; 2],
    /// Zeros added on both sides.
    pub padding: [usize; 2],
    /// Steps between windows.
    pub stride: [usize; 2],
}

impl From<[usize; 2]> for UnfoldOptions {
    /// Windows of this size at every place, without padding.
    fn from(kernel_size: [usize; 2]) -> Self {
        UnfoldOptions { kernel_size, dilation: [1; 2], padding: [0; 2], stride: [1; 2] }
    }
}

impl From<usize> for UnfoldOptions {
    /// Square windows of this size at every place, without padding.
    fn from(kernel_size: usize) -> Self {
        [kernel_size; 2].into()
    }
}

impl UnfoldOptions {
    /// How many windows an image of size `[h, w]` has.
    fn windows(&self, op: &str, size: [usize; 2]) -> [usize; 2] {
        let all = [self.kernel_size, self.dilation, self.stride];
        assert!(
            all.iter().flatten().all(|&n| n > 0),
            "{op}: kernel_size, dilation and stride must be at least 1, got {self:?}"
        );
        [0, 1].map(|d| {
            let window = (self.kernel_size[d] - 1) * self.dilation[d] + 1;
            let padded = size[d] + 2 * self.padding[d];
            assert!(window <= padded, "{op}: windows of {self:?} do not fit an image of {}×{}", size[0], size[1]);
            (padded - window) / self.stride[d] + 1
        })
    }

    /// The rows (or columns) of the padded image that the windows see: element by element of a window, and for each of these
    /// window by window.
    fn places(&self, d: usize, windows: usize) -> Tensor {
        let place = |i: usize| (i / windows * self.dilation[d] + i % windows * self.stride[d]) as i64;
        let n = self.kernel_size[d] * windows;
        Tensor::from_vec((0..n).map(place).collect(), [n])
    }
}

impl Tensor {
    /// The windows of images `[n, c, h, w]` as columns `[n, c·kh·kw, windows]` (`torch.nn.functional.unfold`, im2col).
    /// An image `[c, h, w]` gives `[c·kh·kw, windows]`.
    ///
    /// # Panics
    /// If the rank is another, a setting is 0, or no window fits.
    pub fn unfold(self, options: impl Into<UnfoldOptions>) -> Tensor {
        let (o, shape) = (options.into(), self.shape_value());
        if shape.rank() == 3 {
            return self.unsqueeze(0).unfold(o).squeeze(0);
        }
        assert!(shape.rank() == 4, "unfold: the input must be [n, c, h, w] or [c, h, w], got {shape}");
        let [n, c] = [shape[0], shape[1]];
        let [oh, ow] = o.windows("unfold", [shape[2], shape[3]]);
        let [kh, kw] = o.kernel_size;
        let (rows, columns) = (o.places(0, oh).beside(&self), o.places(1, ow).beside(&self));
        let padded = self.pad(&[[o.padding[1]; 2], [o.padding[0]; 2]], 0.0);
        let windows = padded.index_select(2, &rows).index_select(3, &columns).reshape([n, c, kh, oh, kw, ow]);
        windows.permute(&[0, 1, 2, 4, 3, 5]).reshape([n, c * kh * kw, oh * ow])
    }

    /// Columns `[n, c·kh·kw, windows]` added up to images `[n, c, h, w]` of size `output_size` (`torch.nn.functional.fold`,
    /// col2im). It is the gradient of [`Tensor::unfold`]: what lies in several windows is added. `[c·kh·kw, windows]` gives
    /// `[c, h, w]`.
    ///
    /// # Panics
    /// If the rank is another, a setting is 0, no window fits, or `output_size` has another number of windows.
    pub fn fold(self, output_size: [usize; 2], options: impl Into<UnfoldOptions>) -> Tensor {
        let (o, shape) = (options.into(), self.shape_value());
        if shape.rank() == 2 {
            return self.unsqueeze(0).fold(output_size, o).squeeze(0);
        }
        assert!(shape.rank() == 3, "fold: the input must be [n, c·kh·kw, windows] or [c·kh·kw, windows], got {shape}");
        let [oh, ow] = o.windows("fold", output_size);
        let [kh, kw] = o.kernel_size;
        assert!(
            shape[1].is_multiple_of(kh * kw) && shape[2] == oh * ow,
            "fold: an image of {}×{} has {oh}×{ow} windows of {kh}×{kw}, which takes [n, c·{}, {}], got {shape}",
            output_size[0],
            output_size[1],
            kh * kw,
            oh * ow
        );
        let [n, c] = [shape[0], shape[1] / (kh * kw)];
        let index = [o.places(0, oh), o.places(1, ow)].map(|places| places.beside(&self).into_array());
        let windows = self.reshape([n, c, kh, kw, oh, ow]).permute(&[0, 1, 2, 4, 3, 5]);
        let flat = windows.reshape([n, c, kh * oh, kw * ow]);
        let [rows, columns] = index;
        let size = |d: usize| output_size[d] + 2 * o.padding[d];
        let padded = flat.added_up(2, rows, size(0)).added_up(3, columns, size(1));
        padded.narrow(2, o.padding[0], output_size[0]).narrow(3, o.padding[1], output_size[1])
    }
}
