//! Matrix products.

use crate::array::Array;
use crate::autograd::record;
use crate::op::hints;
use crate::op::{Op, Reduce, Spec, ensure, same_dtype};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Shape and type of the product of stacks of matrices with equal leading dimensions.
pub(crate) fn matmul_rule(a: &Spec, b: &Spec) -> Result<Spec, String> {
    same_dtype("matmul", a, b)?;
    let (x, y) = (a.shape, b.shape);
    let rank = x.rank();
    let fits = rank >= 2 && y.rank() == rank && x[..rank - 2] == y[..rank - 2] && x[rank - 1] == y[rank - 2];
    ensure!(fits, "matmul: shapes {x} and {y} are no stacks of matrices that can be multiplied");
    hints::is_float("matmul", a)?;
    Ok(a.reshaped(x.with(rank - 1, y[rank - 1])))
}

/// Shape and type of the result of input, weight and perhaps bias.
pub(crate) fn linear_rule(inputs: &[Spec]) -> Result<Spec, String> {
    let (x, weight) = (&inputs[0], &inputs[1]);
    same_dtype("linear", x, weight)?;
    let (shape, w) = (x.shape, weight.shape);
    ensure!(w.rank() == 2, "linear: the weight must be [out, in], got {w}");
    ensure!(
        shape.rank() > 0 && shape[shape.rank() - 1] == w[1],
        "linear: got an input of shape {shape}, a weight of shape {w} takes [.., {}]{}",
        w[1],
        hints::features(shape, w[0], w[1])
    );
    if let Some(b) = inputs.get(2) {
        same_dtype("linear", x, b)?;
        ensure!(*b.shape == [w[0]], "linear: the bias must be [{}], got {}", w[0], b.shape);
    }
    hints::is_float("linear", x)?;
    Ok(x.reshaped(shape.with(shape.rank() - 1, w[0])))
}

impl Tensor {
    /// The matrix product of the last two dimensions; the others broadcast. A vector counts as a row on the left and as
    /// a column on the right (`torch.matmul`).
    ///
    /// # Panics
    /// If the inner sizes differ, the other dimensions do not broadcast, a tensor is a scalar, or the types differ.
    pub fn matmul(self, other: &Tensor) -> Tensor {
        self.same_dtype("matmul", other);
        let (a, b) = (self.shape_value(), other.shape_value());
        assert!(a.rank() > 0 && b.rank() > 0, "matmul: needs vectors or matrices, got shapes {a} and {b}");
        let inner = if b.rank() == 1 { b[0] } else { b[b.rank() - 2] };
        let (k, hint) = (a[a.rank() - 1], "; the second one transposed would fit");
        assert!(
            k == inner,
            "matmul: shapes {a} and {b}: the inner sizes {k} and {inner} differ{}",
            if b.rank() > 1 && b[b.rank() - 1] == k { hint } else { "" }
        );
        if a.rank() == 1 {
            return self.unsqueeze(0).matmul(other).squeeze(if b.rank() == 1 { 0 } else { -2 });
        }
        if b.rank() == 1 {
            return self.matmul(&other.clone().unsqueeze(-1)).squeeze(-1);
        }
        if a.rank() > 2 && b.rank() == 2 {
            // One large product instead of many small ones.
            let rows = a[..a.rank() - 1].iter().product::<usize>();
            let shape = a.with(a.rank() - 1, b[1]);
            return self.reshape([rows, inner]).matmul(other).reshape(shape);
        }
        let lead = Shape::broadcast("matmul", &Shape::new(&a[..a.rank() - 2]), &Shape::new(&b[..b.rank() - 2]));
        let stacked = |s: Shape| lead.iter().copied().chain(s[s.rank() - 2..].iter().copied()).collect::<Shape>();
        let (x, y) = (self.expand(stacked(a)), other.clone().expand(stacked(b)));
        let ((x, xn), (y, yn)) = (x.into_parts(), y.into_parts());
        let saved = (xn.is_some() || yn.is_some()).then(|| (x.clone(), y.clone()));
        record("matmul", x.matmul(y), [xn, yn], |_| {
            move |g: Array, [wx, wy]| {
                let (x, y) = saved.expect("kept when a gradient is wanted");
                [wx.then(|| g.clone().matmul(y.transposed())), wy.then(|| x.transposed().matmul(g))]
            }
        })
    }

    /// `x · weightᵀ + bias` over the last dimension: `x [.., in]`, `weight [out, in]`, `bias [out]`
    /// (`torch.nn.functional.linear`).
    ///
    /// # Panics
    /// If shapes do not fit or types differ.
    pub fn linear(self, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let ((x, xn), (w, wn)) = (self.into_parts(), weight.clone().into_parts());
        let (b, bn) = bias.map_or((None, None), |b| (Some(b.array().clone()), b.node.clone()));
        let (shape, features) = (x.shape(), w.shape());
        let saved_x = wn.is_some().then(|| x.clone());
        let saved_w = xn.is_some().then(|| w.clone());
        let y = Op::Linear.run_all([x, w].into_iter().chain(b).collect()).swap_remove(0);
        record("linear", y, [xn, wn, bn], |_| {
            move |g: Array, [_, _, to_bias]| {
                let rows: usize = shape[..shape.rank() - 1].iter().product();
                let g = g.reshape(Shape::from([rows, features[0]]));
                let to_x = saved_w.map(|w| g.clone().matmul(w).reshape(shape));
                let to_w = saved_x.map(|x| g.clone().transposed().matmul(x.reshape(Shape::from([rows, features[1]]))));
                let to_b = to_bias.then(|| g.reduce(Reduce::Sum, &[0]).reshape(Shape::from([features[0]])));
                [to_x, to_w, to_b]
            }
        })
    }
}
