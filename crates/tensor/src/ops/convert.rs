//! The same numbers on another device, or of another type.

use crate::array::Array;
use crate::autograd::record;
use crate::device::Device;
use crate::dtype::DType;
use crate::tensor::Tensor;

impl Tensor {
    /// This tensor on `device`; itself if it is there already. The gradient flows back to where it was (`torch.Tensor.to`).
    ///
    /// # Panics
    /// If this build or machine has no such device.
    pub fn to(self, device: Device) -> Tensor {
        let from = self.device();
        if from == device {
            return self;
        }
        let (x, node) = self.into_parts();
        record("to", x.to_device(device), [node], move |_| move |g: Array, _| [Some(g.to_device(from))])
    }

    /// The elements converted to another type. Between floating-point types the gradient flows.
    ///
    /// Floating-point numbers are rounded to nearest, ties to even. In an integer fractions are cut off, what lies outside its range becomes
    /// its nearest end, and NaN becomes 0. As `bool` every number but 0 is true, NaN too; true is 1.
    ///
    /// # Panics
    /// If this tensor has a gradient and `dtype` is a floating-point type of 16 bits.
    pub fn to_dtype(self, dtype: DType) -> Tensor {
        let from = self.dtype();
        if from == dtype {
            return self;
        }
        let (x, node) = self.into_parts();
        let node = node.filter(|_| dtype.is_float());
        record("to_dtype", x.cast(dtype), [node], |_| move |g: Array, _| [Some(g.cast(from))])
    }
}
