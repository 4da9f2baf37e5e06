//! Optimizer updates: the only ops that change a tensor in place.

use crate::array::Array;
use crate::backend::Update;
use crate::profile;
use crate::tensor::Tensor;

impl Tensor {
    fn check_update(&self, op: &str, grad: &Tensor) {
        self.same_dtype(op, grad);
        crate::op::must(crate::op::hints::is_float(op, &self.spec()));
        let (own, got) = (self.device(), grad.device());
        assert!(own == got, "{op}: the parameter is on {own}, its gradient on {got}: move one with to(Device::..)");
        let (own, got) = (self.shape_value(), grad.shape_value());
        assert!(own == got, "{op}: the parameter has shape {own}, its gradient {got}");
    }

    /// Changes this tensor by one step of the optimizer that `step` names; the arrays of `state` have its shape.
    ///
    /// # Panics
    /// If shapes or types differ, the type is neither `f32` nor `f64`, or there are not [`Update::slots`] arrays.
    pub fn update(&mut self, step: &Update, grad: &Tensor, state: &mut [Array]) {
        self.check_update(step.name(), grad);
        let place = self.array().place();
        profile::timed(step.name(), || place.update(step, self.value.array_mut(), grad.array(), state));
    }
}
