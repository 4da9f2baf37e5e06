//! Results that wait for whoever reads them, so that two ops share one pass over the numbers: a ReLU, which the next op may apply on
//! the way in, a normalization, which an addition and an activation may join, and a convolution, which a normalization, an activation
//! and a pooling may.

use crate::array::Array;
use crate::autograd::Node;
use crate::backend::{Clamp, Conv2dOptions, Input, Place, Statistics, Unary, meet};
use crate::dtype::DType;
use crate::shape::Shape;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock};

/// An array, there already or still to be computed.
pub(crate) enum Lazy {
    Ready(Array),
    Waiting(Arc<Pending>),
}

/// What is still to be done.
enum Work {
    /// max(x, 0)
    Relu(Array),
    Norm(Box<Norm>),
    Conv(Box<Conv>),
}

/// A convolution of which no gradient is wanted.
#[derive(Clone)]
pub(crate) struct Conv {
    pub x: Input,
    pub weight: Array,
    pub bias: Option<Array>,
    pub options: Conv2dOptions,
    /// The normalization that has joined it.
    pub norm: Option<Statistics>,
    /// The activation that has joined it, after the normalization.
    pub clamp: Option<Clamp>,
}

impl Conv {
    fn compute(self) -> Array {
        let Conv { x, weight, bias, options, norm, clamp } = self;
        let place = x.array.place();
        if norm.is_none() && clamp.is_none() {
            return place.conv2d(x, weight, bias, &options);
        }
        place.conv2d_finished(x, weight, bias, &options, norm, clamp)
    }

    /// The largest of each 2×2 pixels. A normalization may turn large values into small ones, so there must be none.
    pub fn pooled(self) -> Array {
        assert!(self.norm.is_none());
        self.x.array.place().conv2d_max_pool2(self.x, self.weight, self.bias, &self.options, self.clamp)
    }
}

/// A normalization by statistics that are known.
#[derive(Clone)]
pub(crate) struct Norm {
    pub x: Array,
    pub statistics: Statistics,
    /// What is added to the result, before the clamp.
    pub added: Option<Array>,
    pub clamp: Option<Clamp>,
    /// Whether the statistics are those of `x` itself, so that they change with it.
    pub own: bool,
}

impl Norm {
    pub fn compute(self) -> Array {
        let Norm { x, statistics, added, clamp, .. } = self;
        meet(&[&x, &statistics.mean]).batch_norm_fixed(x, statistics, added, clamp)
    }
}

/// A result that is computed when it is first read in full.
pub(crate) struct Pending {
    shape: Shape,
    dtype: DType,
    /// Gone when the value is there, which may have taken its memory.
    work: Mutex<Option<Work>>,
    value: OnceLock<Array>,
}

impl Pending {
    pub fn relu(x: Array) -> Arc<Pending> {
        Pending::new(x.shape(), x.dtype(), Work::Relu(x))
    }

    pub fn norm(norm: Norm) -> Arc<Pending> {
        Pending::new(norm.x.shape(), norm.x.dtype(), Work::Norm(Box::new(norm)))
    }

    pub fn conv(conv: Conv, shape: Shape) -> Arc<Pending> {
        Pending::new(shape, conv.weight.dtype(), Work::Conv(Box::new(conv)))
    }

    fn new(shape: Shape, dtype: DType, work: Work) -> Arc<Pending> {
        Arc::new(Pending { shape, dtype, work: Mutex::new(Some(work)), value: OnceLock::new() })
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    fn value(&self) -> &Array {
        self.value.get_or_init(|| {
            let work = self.work.lock().unwrap_or_else(|e| e.into_inner()).take();
            match work.expect("the value is computed once") {
                Work::Relu(x) => x.unary(Unary::Relu),
                Work::Norm(norm) => norm.compute(),
                Work::Conv(conv) => conv.compute(),
            }
        })
    }

    /// What is there: the value, or what a ReLU is to be computed from. Both are above 0 at the same places.
    pub fn input(&self) -> Input {
        let work = self.work.lock().unwrap_or_else(|e| e.into_inner());
        match &*work {
            Some(Work::Relu(raw)) => Input { array: raw.clone(), relu: true },
            // Another thread may be computing it now.
            _ => {
                drop(work);
                self.value().clone().into()
            }
        }
    }
}

impl Lazy {
    pub fn shape(&self) -> Shape {
        match self {
            Lazy::Ready(array) => array.shape(),
            Lazy::Waiting(pending) => pending.shape,
        }
    }

    pub fn dtype(&self) -> DType {
        match self {
            Lazy::Ready(array) => array.dtype(),
            Lazy::Waiting(pending) => pending.dtype,
        }
    }

    /// Whether it is in this process's memory, as all that waits will be.
    pub fn is_here(&self) -> bool {
        match self {
            Lazy::Ready(array) => matches!(array.place(), Place::Cpu),
            Lazy::Waiting(_) => true,
        }
    }

    /// The array, to change.
    pub fn ready(&mut self) -> &mut Array {
        if let Lazy::Waiting(pending) = self {
            *self = Lazy::Ready(pending.value().clone());
        }
        match self {
            Lazy::Ready(array) => array,
            Lazy::Waiting(_) => unreachable!("it has just been made ready"),
        }
    }

    /// Takes the normalization that waits here to put another in its place, if nobody else can ask for it and `wanted` says that it is one
    /// to take.
    pub fn take_norm(&mut self, wanted: impl FnOnce(&Norm) -> bool) -> Option<Norm> {
        let Lazy::Waiting(pending) = self else { return None };
        let work = Arc::get_mut(pending)?.work.get_mut().unwrap_or_else(|e| e.into_inner());
        match work.take() {
            Some(Work::Norm(norm)) if wanted(&norm) => Some(*norm),
            other => {
                *work = other;
                None
            }
        }
    }

    /// Takes the convolution that waits here, if nobody else can ask for it and `wanted` says that it is one to take.
    pub fn take_conv(&mut self, wanted: impl FnOnce(&Conv) -> bool) -> Option<Conv> {
        let Lazy::Waiting(pending) = self else { return None };
        let work = Arc::get_mut(pending)?.work.get_mut().unwrap_or_else(|e| e.into_inner());
        match work.take() {
            Some(Work::Conv(conv)) if wanted(&conv) => Some(*conv),
            other => {
                *work = other;
                None
            }
        }
    }

    pub fn into_array(self) -> Array {
        match self {
            Lazy::Ready(array) => array,
            Lazy::Waiting(pending) => pending.value().clone(),
        }
    }

    pub fn into_input(self) -> Input {
        match self {
            Lazy::Ready(array) => array.into(),
            Lazy::Waiting(pending) => pending.input(),
        }
    }
}

impl From<Array> for Lazy {
    fn from(array: Array) -> Self {
        Lazy::Ready(array)
    }
}

impl Deref for Lazy {
    type Target = Array;
    fn deref(&self) -> &Array {
        match self {
            Lazy::Ready(array) => array,
            Lazy::Waiting(pending) => pending.value(),
        }
    }
}

impl Clone for Lazy {
    /// Two readers are there now, so the value is computed once for both.
    fn clone(&self) -> Self {
        Lazy::Ready((**self).clone())
    }
}

/// The node before a ReLU whose result nobody else can use, if `node` is one: the op that reads the result may then give its
/// gradient there, past the ReLU. Otherwise `node` as it was.
pub(crate) fn skip_relu(node: Option<Arc<Node>>) -> (Option<Arc<Node>>, bool) {
    match node {
        Some(mut node) if node.is_relu => match Arc::get_mut(&mut node) {
            Some(relu) => (relu.take_inputs().pop().flatten(), true),
            None => (Some(node), false),
        },
        node => (node, false),
    }
}

#[cfg(test)]
mod tests {
    use crate::backend::Conv2dOptions;
    use crate::{DType, Tensor};

    #[test]
    fn a_normalization_and_an_activation_join_a_convolution_that_nobody_has_read() {
        let of = |shape: &[usize]| Tensor::ones(shape.to_vec(), DType::F32);
        let conv = || of(&[1, 2, 5, 5]).conv2d(&of(&[3, 2, 3, 3]), None, &Conv2dOptions::default());
        let normed = |y: Tensor| y.batch_norm_fixed(&of(&[3]), &of(&[3]), Some(&of(&[3])), None, 1e-5);
        let joined = |mut y: Tensor| y.array.take_conv(|_| true).map(|conv| (conv.norm.is_some(), conv.clamp));
        assert!(matches!(joined(conv()), Some((false, None))));
        assert!(matches!(joined(normed(conv())), Some((true, None))));
        assert!(matches!(joined(normed(conv()).relu6()), Some((true, Some([0.0, 6.0])))));
        assert!(matches!(joined(conv().relu()), Some((false, Some([0.0, _])))));
        assert!(joined(normed(conv().relu())).is_none(), "an activation comes after the normalization");
        let read = conv();
        read.to_vec::<f32>();
        assert!(joined(normed(read)).is_none());
        assert!(joined(normed(conv().requires_grad())).is_none());
    }

    #[test]
    fn an_addition_and_an_activation_join_a_normalization_that_nobody_has_read() {
        let x = Tensor::ones([2, 3, 4, 4], DType::F32);
        let normed = || x.clone().requires_grad().batch_norm(None, None, 1e-5).output;
        let joined =
            |mut y: Tensor| y.array.take_norm(|_| true).map(|norm| (norm.added.is_some(), norm.clamp.is_some()));
        assert_eq!(joined(normed()), Some((false, false)));
        assert_eq!(joined(normed().relu6()), Some((false, true)));
        assert_eq!(joined(normed() + x.clone()), Some((true, false)));
        assert_eq!(joined(x.clone() + normed()), Some((true, false)));
        // Clamped where an image was added, it is computed at once, for the gradient needs the result.
        assert_eq!((normed() + x.clone()).relu().node.unwrap().op, "batch_norm");
        assert_eq!((normed() + x.clone()).relu6().node.unwrap().op, "hardtanh");
        assert_eq!(joined(normed().relu() + x.clone()), None);
        assert_eq!(joined(normed() + x.clone() + x.clone()), None);
        let other = normed() + x.clone();
        let _second = other.clone();
        assert_eq!(other.relu().node.unwrap().op, "relu");
    }
}
