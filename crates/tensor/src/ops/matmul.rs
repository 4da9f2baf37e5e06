//! Matrix products.

use super::hints;
use crate::array::Array;
use crate::autograd::record;
use crate::backend::{Reduce, meet};
use crate::shape::Shape;
use crate::tensor::Tensor;

impl Tensor {
    /// The matrix product of the last two dimensions; the others broadcast. A vector counts as a row on the left and as
    /// a column on the right (`torch.matmul`).
    ///
    /// # Panics
    /// If the inner sizes differ, the other dimensions do not broadcast, a tensor is a scalar, or the types differ.
    pub fn matmul(self, other: &Tensor) -> Tensor {
        self.same_dtype("matmul", other);
        let (a, b) = (self.array.shape, other.array.shape);
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
        let (shape, w) = (self.array.shape, weight.array.shape);
        self.same_dtype("linear", weight);
        assert!(w.rank() == 2, "linear: the weight must be [out, in], got {w}");
        let fits = shape.rank() > 0 && shape[shape.rank() - 1] == w[1];
        assert!(
            fits,
            "linear: got an input of shape {shape}, a weight of shape {w} takes [.., {}]{}",
            w[1],
            hints::features(shape, w[0], w[1])
        );
        if let Some(b) = bias {
            self.same_dtype("linear", b);
            assert!(b.shape() == [w[0]], "linear: the bias must be [{}], got {}", w[0], b.array.shape);
        }
        let rows: usize = shape[..shape.rank() - 1].iter().product();
        let x = if shape.rank() == 2 { self } else { self.reshape([rows, w[1]]) };
        let (x, xn) = x.into_parts();
        let (wa, wn) = weight.clone().into_parts();
        let (ba, bn) = bias.map_or((None, None), |b| (Some(b.array().clone()), b.node.clone()));
        let saved_x = wn.is_some().then(|| x.clone());
        let saved_w = xn.is_some().then(|| wa.clone());
        let y = record("linear", meet(&[&x, &wa]).linear(x, wa, ba), [xn, wn, bn], |_| {
            move |g: Array, [_, _, wb]| {
                let to_x = saved_w.map(|w| g.clone().matmul(w));
                let to_w = saved_x.map(|x| g.clone().transposed().matmul(x));
                [to_x, to_w, wb.then(|| g.reduce(Reduce::Sum, &[0]).reshape(Shape::from([w[0]])))]
            }
        });
        if shape.rank() == 2 { y } else { y.reshape(shape.with(shape.rank() - 1, w[0])) }
    }
}
