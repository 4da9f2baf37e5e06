//! Optimizer updates: the only ops that change a tensor in place.

use crate::array::Array;
use crate::backend::Update;
use crate::tensor::Tensor;

impl Tensor {
    /// Changes this tensor by one step of the optimizer that `step` names; the arrays of `state` have its shape.
    ///
    /// # Panics
    /// If shapes or types differ, or there are not [`Update::slots`] arrays.
    pub fn update(&mut self, step: &Update, grad: &Tensor, state: &mut [Array]) {
        self.same_dtype(step.name(), grad);
        let (own, got) = (self.array.shape, grad.array.shape);
        assert!(own == got, "{}: the parameter has shape {own}, its gradient {got}", step.name());
        self.place().update(step, self.array.ready(), grad.array(), state);
    }
}
