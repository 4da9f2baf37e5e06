//! Optimizer updates: the only ops that change a tensor in place.

use crate::array::Array;
use crate::backend::{AdamStep, SgdStep, Update};
use crate::tensor::Tensor;

impl Tensor {
    fn check_update(&self, op: &str, grad: &Tensor) {
        self.same_dtype(op, grad);
        let (own, got) = (self.array.shape, grad.array.shape);
        assert!(own == got, "{op}: the parameter has shape {own}, its gradient {got}");
    }

    /// Changes this tensor by one step of stochastic gradient descent (`torch.optim.SGD`); `velocity` has its shape.
    ///
    /// # Panics
    /// If shapes or types differ.
    pub fn sgd_step(&mut self, step: &SgdStep, grad: &Tensor, velocity: Option<&mut Array>) {
        self.check_update("sgd_step", grad);
        self.place().sgd_step(step, self.array.ready(), grad.array(), velocity);
    }

    /// Changes this tensor by one step of Adam (`torch.optim.Adam`, or AdamW where `step.decoupled`); the means `m` and `v` of the gradient and of its
    /// square have its shape.
    ///
    /// # Panics
    /// If shapes or types differ.
    pub fn adam_step(&mut self, step: &AdamStep, grad: &Tensor, m: &mut Array, v: &mut Array) {
        self.check_update("adam_step", grad);
        self.place().adam_step(step, self.array.ready(), grad.array(), m, v);
    }

    /// Changes this tensor by one step of the optimizer that `step` names; the arrays of `state` have its shape.
    ///
    /// # Panics
    /// If shapes or types differ, or there are not [`Update::slots`] arrays.
    pub fn update(&mut self, step: &Update, grad: &Tensor, state: &mut [Array]) {
        self.check_update("update", grad);
        self.place().update(step, self.array.ready(), grad.array(), state);
    }
}
