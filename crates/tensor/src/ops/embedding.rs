//! Looking up rows of a table, and moving pixels between channels and places.

use crate::array::Array;
use crate::autograd::record;
use crate::dtype::DType;
use crate::op::hints::check_images;
use crate::op::{Binary, Compare, Op};
use crate::shape::Shape;
use crate::tensor::Tensor;

impl Tensor {
    /// Row `i` of `weight [rows, dim]` for each number `i` of this tensor (`i64`, any shape); the result is `[.., dim]`
    /// (`torch.nn.functional.embedding`). Row `padding_idx` gets no gradient.
    ///
    /// # Panics
    /// If this tensor is not `i64`, `weight` is not `[rows, dim]`, or a number is not one of its rows.
    pub fn embedding(&self, weight: &Tensor, padding_idx: Option<usize>) -> Tensor {
        let (shape, table) = (self.shape_value(), weight.shape_value());
        assert!(self.dtype() == DType::I64, "embedding: the input must hold rows as i64, got {}", self.dtype());
        assert!(table.rank() == 2, "embedding: the weight must be [rows, dim], got {table}");
        if self.device() == crate::Device::Cpu
            && let Some(bad) = self.to_vec::<i64>().iter().find(|&&i| i < 0 || i >= table[0] as i64)
        {
            panic!("embedding: row {bad} is not one of the {} rows, 0 to {}", table[0], table[0] as i64 - 1);
        }
        let n = shape.numel();
        let index = self.array().clone().reshape(Shape::from([n]));
        let (w, node) = weight.clone().into_parts();
        let rows = record("embedding", Op::IndexSelect { dim: 0 }.run1([w, index.clone()]), [node], move |_| {
            move |g: Array, _| {
                let g = match padding_idx {
                    None => g,
                    Some(padding) => {
                        let kept = index.clone().compare(Compare::Ne, index.like(padding as f64)).cast(g.dtype());
                        g.binary(Binary::Mul, kept.reshape(Shape::from([n, 1])))
                    }
                };
                [Some(Op::IndexAdd { dim: 0, size: table[0] }.run1([g, index]))]
            }
        });
        rows.reshape(shape.iter().copied().chain([table[1]]).collect::<Shape>())
    }

    /// `[n, c · r², h, w]` as `[n, c, h · r, w · r]`, r being `upscale_factor` (`torch.nn.functional.pixel_shuffle`; Shi et al.,
    /// 2016).
    ///
    /// # Panics
    /// If the tensor is not `[n, c, h, w]`, or r² does not divide its channels.
    pub fn pixel_shuffle(self, upscale_factor: usize) -> Tensor {
        let (s, r) = (self.shape_value(), upscale_factor);
        check_images("pixel_shuffle", s);
        assert!(
            r > 0 && s[1].is_multiple_of(r * r),
            "pixel_shuffle: the {} channels of shape {s} are not divided by the square of the factor {r}",
            s[1]
        );
        let c = s[1] / (r * r);
        // Channels last, as images are stored: one copy then suffices.
        let parts = self.reshape([s[0], c, r, r, s[2], s[3]]).permute(&[0, 4, 2, 5, 3, 1]);
        parts.reshape([s[0], s[2] * r, s[3] * r, c]).permute(&[0, 3, 1, 2])
    }

    /// `[n, c, h · r, w · r]` as `[n, c · r², h, w]`, r being `downscale_factor` (`torch.nn.functional.pixel_unshuffle`).
    ///
    /// # Panics
    /// If the tensor is not `[n, c, h, w]`, or r does not divide its height and width.
    pub fn pixel_unshuffle(self, downscale_factor: usize) -> Tensor {
        let (s, r) = (self.shape_value(), downscale_factor);
        check_images("pixel_unshuffle", s);
        assert!(
            r > 0 && s[2].is_multiple_of(r) && s[3].is_multiple_of(r),
            "pixel_unshuffle: height and width of shape {s} are not divided by the factor {r}"
        );
        let (h, w) = (s[2] / r, s[3] / r);
        let parts = self.permute(&[0, 2, 3, 1]).reshape([s[0], h, r, w, r, s[1]]).permute(&[0, 1, 3, 5, 2, 4]);
        parts.reshape([s[0], h, w, s[1] * r * r]).permute(&[0, 3, 1, 2])
    }
}
