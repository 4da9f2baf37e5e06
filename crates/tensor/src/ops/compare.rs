//! Comparisons, logic, and choosing by a condition. A condition is a tensor of bytes (`u8`): 0 is false, all else true;
//! or of truth values (`bool`).

use crate::array::Array;
use crate::autograd::record;
use crate::dtype::DType;
use crate::element::Element;
use crate::op::hints;
use crate::op::{Compare, must};
use crate::shape::Shape;
use crate::tensor::Tensor;
use half::{bf16, f16};

/// A tensor or a number: what a tensor can be compared with, and what [`Tensor::where_`] chooses from.
#[derive(Clone, Debug)]
pub enum Operand {
    /// A tensor, broadcast.
    Tensor(Tensor),
    /// A number, the same for every element.
    Number(f64),
}

impl From<Tensor> for Operand {
    fn from(t: Tensor) -> Self {
        Operand::Tensor(t)
    }
}

impl From<&Tensor> for Operand {
    fn from(t: &Tensor) -> Self {
        Operand::Tensor(t.clone())
    }
}

macro_rules! number {
    ($($t:ty)*) => {
        $(impl From<$t> for Operand {
            fn from(number: $t) -> Self {
                Operand::Number(number as f64)
            }
        })*
    };
}

number!(f64 f32 i32 i64 usize u8);

/// Whether a tensor of this type can hold the number (floating-point ones: to rounding).
fn holds(dtype: DType, number: f64) -> bool {
    match dtype {
        DType::F32 | DType::F64 => true,
        DType::F16 => !number.is_finite() || <f16 as Element>::from_f64(number).is_finite(),
        DType::BF16 => !number.is_finite() || <bf16 as Element>::from_f64(number).is_finite(),
        DType::I64 => number.fract() == 0.0 && number.abs() < 9e18,
        DType::I32 => number.fract() == 0.0 && (i32::MIN as f64..=i32::MAX as f64).contains(&number),
        DType::I8 => number.fract() == 0.0 && (-128.0..=127.0).contains(&number),
        DType::U8 => number.fract() == 0.0 && (0.0..=255.0).contains(&number),
        DType::Bool => number == 0.0 || number == 1.0,
    }
}

impl Tensor {
    /// A number as a scalar of this tensor's type.
    pub(super) fn number(&self, op: &str, number: f64) -> Tensor {
        let dtype = self.dtype();
        assert!(holds(dtype, number), "{op}: a tensor of {dtype} cannot hold {number} (convert it with to_dtype)");
        self.array().like(number).into()
    }

    fn compared(&self, name: &str, op: Compare, other: Operand) -> Tensor {
        let x = self.array().clone();
        match other {
            Operand::Tensor(other) => {
                self.check_pair(name, &other);
                x.compare(op, other.into_array()).into()
            }
            Operand::Number(n) => {
                let x = if holds(x.dtype(), n) { x } else { x.cast(DType::F64) };
                let n = x.like(n);
                x.compare(op, n).into()
            }
        }
    }

    /// 1 (`u8`) where the element equals that of `other`, a tensor, which is broadcast, or a number, else 0 (`torch.eq`).
    ///
    /// # Panics
    /// If the shapes do not broadcast or the types differ. So do the other comparisons.
    pub fn eq(&self, other: impl Into<Operand>) -> Tensor {
        self.compared("eq", Compare::Eq, other.into())
    }

    /// 1 (`u8`) where the elements differ, as a NaN does from everything, else 0.
    pub fn ne(&self, other: impl Into<Operand>) -> Tensor {
        self.compared("ne", Compare::Ne, other.into())
    }

    /// 1 (`u8`) where this element is larger, else 0.
    pub fn gt(&self, other: impl Into<Operand>) -> Tensor {
        self.compared("gt", Compare::Gt, other.into())
    }

    /// 1 (`u8`) where this element is larger or equal, else 0.
    pub fn ge(&self, other: impl Into<Operand>) -> Tensor {
        self.compared("ge", Compare::Ge, other.into())
    }

    /// 1 (`u8`) where this element is smaller, else 0.
    pub fn lt(&self, other: impl Into<Operand>) -> Tensor {
        self.compared("lt", Compare::Lt, other.into())
    }

    /// 1 (`u8`) where this element is smaller or equal, else 0.
    pub fn le(&self, other: impl Into<Operand>) -> Tensor {
        self.compared("le", Compare::Le, other.into())
    }

    /// 1 (`u8`) where the element is NaN, else 0.
    pub fn isnan(&self) -> Tensor {
        self.ne(self)
    }

    /// 1 (`u8`) where the element is infinite, else 0.
    pub fn isinf(&self) -> Tensor {
        self.eq(f64::INFINITY).logical_or(&self.eq(f64::NEG_INFINITY))
    }

    /// 1 (`u8`) where the element is neither infinite nor NaN, else 0. [`Tensor::is_finite`] tells it of all at once.
    pub fn isfinite(&self) -> Tensor {
        self.isinf().logical_or(&self.isnan()).logical_not()
    }

    /// Whether shape, type and every element are equal (`torch.equal`); a NaN equals nothing.
    pub fn equal(&self, other: &Tensor) -> bool {
        self.shape_value() == other.shape_value()
            && self.dtype() == other.dtype()
            && self.eq(other).all(&[], false).is_true()
    }

    /// Whether every element differs by at most `atol + rtol · |other|` (`torch.allclose`, where 10⁻⁵ and 10⁻⁸ are the
    /// defaults). Infinities of one sign are close, a NaN is close to nothing.
    ///
    /// # Panics
    /// If the shapes do not broadcast, or the types differ or are not floating-point.
    pub fn allclose(&self, other: &Tensor, rtol: f64, atol: f64) -> bool {
        self.check_pair("allclose", other);
        let (a, b) = (self.detach(), other.detach());
        let near = (&a - &b).abs().le(b.clone().abs() * rtol + atol).logical_and(&b.isfinite());
        near.logical_or(&a.eq(&b)).all(&[], false).is_true()
    }

    fn is_true(&self) -> bool {
        self.item::<u8>() != 0
    }

    /// The condition that the element is not 0.
    fn truth(&self) -> Array {
        match self.dtype() {
            DType::U8 => self.array().clone(),
            DType::Bool => self.array().clone().cast(DType::U8),
            _ => self.ne(0.0).into_array(),
        }
    }

    /// 1 (`u8`) where both elements are not 0, else 0 (`torch.logical_and`). The tensors may be of any types.
    ///
    /// # Panics
    /// If the shapes do not broadcast. So do the other logical functions of two tensors.
    pub fn logical_and(&self, other: &Tensor) -> Tensor {
        Shape::broadcast("logical_and", &self.shape_value(), &other.shape_value());
        let (truth, one) = (self.truth(), other.ne(0.0).into_array());
        let none = truth.like(0.0);
        truth.select(one, none).into()
    }

    /// 1 (`u8`) where an element is not 0, else 0 (`torch.logical_or`).
    pub fn logical_or(&self, other: &Tensor) -> Tensor {
        Shape::broadcast("logical_or", &self.shape_value(), &other.shape_value());
        let (truth, other) = (self.truth(), other.ne(0.0).into_array());
        let one = truth.like(1.0);
        truth.select(one, other).into()
    }

    /// 1 (`u8`) where one element is 0 and the other is not, else 0 (`torch.logical_xor`).
    pub fn logical_xor(&self, other: &Tensor) -> Tensor {
        Shape::broadcast("logical_xor", &self.shape_value(), &other.shape_value());
        self.ne(0.0).ne(other.ne(0.0))
    }

    /// 1 (`u8`) where the element is 0, else 0 (`torch.logical_not`).
    pub fn logical_not(&self) -> Tensor {
        self.eq(0.0)
    }

    /// 1 (`u8`) where an element along `dims` is not 0, else 0; an empty list means all dimensions (`torch.any`).
    ///
    /// # Panics
    /// If a dimension does not exist or is named twice.
    pub fn any(&self, dims: &[isize], keepdim: bool) -> Tensor {
        self.ne(0.0).sum_by(dims, keepdim).ne(0.0)
    }

    /// 1 (`u8`) where all elements along `dims` are not 0, else 0; an empty list means all dimensions (`torch.all`).
    ///
    /// # Panics
    /// If a dimension does not exist or is named twice.
    pub fn all(&self, dims: &[isize], keepdim: bool) -> Tensor {
        self.eq(0.0).sum_by(dims, keepdim).eq(0.0)
    }

    /// The elements of `a` where this tensor (`u8` or `bool`) is not 0, else those of `b` (`torch.where`). Both are tensors or numbers,
    /// and all broadcast. Two numbers give `f32`.
    ///
    /// # Panics
    /// If this tensor is neither `u8` nor `bool`, the shapes do not broadcast, the types of `a` and `b` differ, or a number is none of the
    /// other's type.
    pub fn where_(&self, a: impl Into<Operand>, b: impl Into<Operand>) -> Tensor {
        must(hints::is_mask("where", &self.spec()));
        let (a, b) = match (a.into(), b.into()) {
            (Operand::Tensor(a), Operand::Tensor(b)) => (a, b),
            (Operand::Tensor(a), Operand::Number(b)) => {
                let b = a.number("where", b);
                (a, b)
            }
            (Operand::Number(a), Operand::Tensor(b)) => (b.number("where", a), b),
            (Operand::Number(a), Operand::Number(b)) => {
                let of = |number| self.array().beside(Array::full(number, Shape::from([]), DType::F32)).into();
                (of(a), of(b))
            }
        };
        let shape = a.check_pair("where", &b);
        Shape::broadcast("where", &self.shape_value(), &shape);
        let condition = self.array().clone();
        let ((a, an), (b, bn)) = (a.into_parts(), b.into_parts());
        let (sa, sb) = (a.shape(), b.shape());
        record("where", condition.clone().select(a, b), [an, bn], move |_| {
            move |g: Array, [wa, wb]| {
                let zero = g.like(0.0);
                let to_a = wa.then(|| condition.clone().select(g.clone(), zero.clone()).unbroadcast(sa));
                [to_a, wb.then(|| condition.select(zero, g).unbroadcast(sb))]
            }
        })
    }

    /// With `value` where `mask` (`u8` or `bool`, broadcast) is not 0 (`torch.Tensor.masked_fill`).
    ///
    /// # Panics
    /// If `mask` is neither `u8` nor `bool`, does not broadcast to this tensor's shape, or `value` is not of this tensor's type.
    pub fn masked_fill(self, mask: &Tensor, value: f64) -> Tensor {
        let shape = self.shape_value();
        let fits = Shape::broadcast("masked_fill", &shape, &mask.shape_value()) == shape;
        assert!(fits, "masked_fill: a mask of shape {} does not broadcast to shape {shape}", mask.shape_value());
        mask.where_(value, self)
    }

    /// The positions of the elements that are not 0, in row-major order: `[n, rank]`, `i64` (`torch.nonzero`).
    pub fn nonzero(&self) -> Tensor {
        let shape = self.shape_value();
        let strides = shape.row_major();
        let truth = Tensor::from(self.truth()).to_vec::<u8>();
        let places: Vec<usize> = (0..truth.len()).filter(|&i| truth[i] != 0).collect();
        let position = |&at: &usize| (0..shape.rank()).map(move |d| (at / strides[d] % shape[d]) as i64);
        let positions =
            Tensor::from_vec(places.iter().flat_map(position).collect::<Vec<i64>>(), [places.len(), shape.rank()]);
        positions.beside(self)
    }

    /// The elements where `mask` (`u8` or `bool`) is not 0, in row-major order (`torch.masked_select`).
    ///
    /// # Panics
    /// If `mask` is neither `u8` nor `bool` or the shapes do not broadcast.
    pub fn masked_select(self, mask: &Tensor) -> Tensor {
        assert!(mask.dtype().is_mask(), "masked_select: the mask must be u8 or bool, got {}", mask.dtype());
        let shape = Shape::broadcast("masked_select", &self.shape_value(), &mask.shape_value());
        let flat = [shape.numel()];
        let places = mask.clone().expand(shape).reshape(flat).nonzero().flatten(0, -1);
        self.expand(shape).reshape(flat).index_select(0, &places)
    }
}
