//! Normalization within samples: group, layer and instance normalization.

use crate::array::Array;
use crate::autograd::record;
use crate::backend::meet;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Samples normalized by the statistics of their groups of channels.
pub struct GroupNorm {
    /// The normalized samples.
    pub output: Tensor,
    /// The mean of each group, `[n, groups]`. No gradient flows through it.
    pub mean: Tensor,
    /// The biased variance of each group, `[n, groups]`. No gradient flows through it.
    pub var: Tensor,
}

impl Tensor {
    /// Normalizes groups of channels of each sample of `[n, c, ..]` to mean 0 and variance 1, then scales by `weight` and shifts by `bias`,
    /// both `[c]` (`torch.nn.functional.group_norm`; Wu and He, 2018). As many groups as channels make it instance normalization.
    ///
    /// # Panics
    /// If `groups` does not divide the channels, shapes do not fit or types differ.
    pub fn group_norm(self, groups: usize, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> GroupNorm {
        let shape = self.shape_value();
        assert!(shape.rank() >= 2, "group_norm: the input must be [n, c, ..], got {shape}");
        assert!(
            groups > 0 && shape[1].is_multiple_of(groups),
            "group_norm: {groups} groups do not divide the {} channels of shape {shape}",
            shape[1]
        );
        for t in [weight, bias].into_iter().flatten() {
            self.same_dtype("group_norm", t);
            assert!(
                t.shape() == [shape[1]],
                "group_norm: an input of shape {shape} takes weights [{}], got {}",
                shape[1],
                t.shape_value()
            );
        }
        let normed = self.into_image().group_normed("group_norm", groups, weight, bias, eps);
        GroupNorm { output: normed.output.reshape(shape), ..normed }
    }

    /// For `[n, c, h, w]`.
    fn group_normed(
        self,
        op: &'static str,
        groups: usize,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> GroupNorm {
        let (x, xn) = self.into_parts();
        let part = |t: Option<&Tensor>| t.map_or((None, None), |t| (Some(t.array().clone()), t.node.clone()));
        let ((w, wn), (b, bn)) = (part(weight), part(bias));
        let saved = (xn.is_some() || wn.is_some() || bn.is_some()).then(|| (x.clone(), w.clone()));
        let arrays: Vec<&Array> = [Some(&x), w.as_ref(), b.as_ref()].into_iter().flatten().collect();
        let normed = meet(&arrays).group_norm(x, groups, w, b, eps);
        let (mean, var) = (normed.mean, normed.var);
        let statistics = (Tensor::from(mean.clone()), Tensor::from(var.clone()));
        let output = record(op, normed.output, [xn, wn, bn], move |_| {
            move |g: Array, [wx, ww, wb]| {
                let (x, w) = saved.expect("kept when a gradient is wanted");
                let [to_x, to_w, to_b] = g.place().group_norm_grad(g, x, mean, var, w, eps);
                [wx.then_some(to_x), ww.then_some(to_w), wb.then_some(to_b)]
            }
        });
        GroupNorm { output, mean: statistics.0, var: statistics.1 }
    }

    /// Normalizes the last dimensions, whose sizes are `normalized_shape`, to mean 0 and variance 1, then scales by `weight` and shifts by
    /// `bias`, both of that shape (`torch.nn.functional.layer_norm`; Ba et al., 2016).
    ///
    /// # Panics
    /// If the tensor does not end in `normalized_shape`, shapes do not fit or types differ.
    pub fn layer_norm(
        self,
        normalized_shape: &[usize],
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Tensor {
        let shape = self.shape_value();
        assert!(
            !normalized_shape.is_empty() && shape.ends_with(normalized_shape),
            "layer_norm: an input of shape {shape} does not end in {normalized_shape:?} (for channels of an image, which come first, \
             permute before and after)"
        );
        for t in [weight, bias].into_iter().flatten() {
            self.same_dtype("layer_norm", t);
            assert!(
                t.shape() == normalized_shape,
                "layer_norm: the weight and the bias must be {normalized_shape:?}, got {}",
                t.shape_value()
            );
        }
        let size: usize = normalized_shape.iter().product();
        let rows = shape[..shape.rank() - normalized_shape.len()].iter().product::<usize>();
        let flat = |t: Option<&Tensor>| t.map(|t| t.clone().reshape(Shape::from([size])));
        let (weight, bias) = (flat(weight), flat(bias));
        let x = self.reshape([rows, size, 1, 1]);
        x.group_normed("layer_norm", 1, weight.as_ref(), bias.as_ref(), eps).output.reshape(shape)
    }
}
