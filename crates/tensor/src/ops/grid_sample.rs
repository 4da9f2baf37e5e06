//! Images sampled at places that a grid gives: the sampler of spatial transformer networks (Jaderberg et al., 2015).

use crate::array::Array;
use crate::autograd::record;
use crate::op::hints::{are_images, is_float};
use crate::op::{GridSampleMode, GridSamplePadding, Op, Spec, ensure, same_dtype};
use crate::tensor::Tensor;

/// Shape and type of `grid_sample`'s result.
pub(crate) fn grid_sample_rule(x: &Spec, grid: &Spec) -> Result<Spec, String> {
    are_images("grid_sample", x.shape)?;
    ensure!(x.shape[2] > 0 && x.shape[3] > 0, "grid_sample: an image of shape {} has no pixels", x.shape);
    let [n, height, width, 2] = grid.shape[..] else {
        return Err(format!("grid_sample: the grid must be [n, h, w, 2], got {}", grid.shape));
    };
    ensure!(n == x.shape[0], "grid_sample: {n} grids do not fit {} images of shape {}", x.shape[0], x.shape);
    same_dtype("grid_sample", x, grid)?;
    is_float("grid_sample", x)?;
    Ok(x.reshaped([n, x.shape[1], height, width]))
}

impl Tensor {
    /// The images `[n, c, h, w]` at the places that `grid` `[n, rows, columns, 2]` gives: `[n, c, rows, columns]` (`torch.nn.functional.grid_sample`).
    ///
    /// A place is x, then y; −1 and 1 are the edges of the image or, with `align_corners`, the centres of the outermost pixels. `mode` is `"bilinear"`,
    /// `"nearest"` or `"bicubic"`, `padding_mode` is `"zeros"`, `"border"` or `"reflection"`.
    ///
    /// A coordinate that is not a number gives NaN; it shows zeros for `"nearest"` among zeros, and the first pixel of its dimension for `"nearest"` and
    /// `"bilinear"` with another padding.
    ///
    /// ```
    /// use striate_tensor::Tensor;
    /// let image = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
    /// let grid = Tensor::from_vec(vec![0.0f32, 0.0, -0.5, 0.5], [1, 1, 2, 2]);
    /// let y = image.grid_sample(&grid, "bilinear", "zeros", false);
    /// assert_eq!(y.to_vec::<f32>(), [2.5, 3.0]);
    /// ```
    ///
    /// # Panics
    /// If shapes do not fit, an image has no pixels, types differ, or there is no such mode.
    pub fn grid_sample(
        self,
        grid: &Tensor,
        mode: impl Into<GridSampleMode>,
        padding_mode: impl Into<GridSamplePadding>,
        align_corners: bool,
    ) -> Tensor {
        let (mode, padding_mode) = (mode.into(), padding_mode.into());
        let ((x, node), (grid, grid_node)) = (self.into_parts(), grid.clone().into_parts());
        let saved = (node.is_some() || grid_node.is_some()).then(|| (x.clone(), grid.clone()));
        let y = Op::GridSample { mode, padding_mode, align_corners }.run1([x, grid]);
        record("grid_sample", y, [node, grid_node], move |_| {
            move |g: Array, [wants_x, wants_grid]| {
                let (x, grid) = saved.expect("kept when a gradient is wanted");
                let op = Op::GridSampleGrad { mode, padding_mode, align_corners };
                let [to_x, to_grid] = op.run_many(vec![g, x, grid]);
                [wants_x.then_some(to_x), wants_grid.then_some(to_grid)]
            }
        })
    }
}
