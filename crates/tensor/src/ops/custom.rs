//! Ops of the user's own, with a backward pass of the user's own.

use crate::array::Array;
use crate::autograd::record;
use crate::tensor::Tensor;

impl Tensor {
    /// Makes `output` the result of an op of your own on `inputs` (`torch.autograd.Function`).
    ///
    /// Compute `output` beforehand, from the inputs' numbers ([`Tensor::detach`]): how it was computed is not recorded. If an input has a
    /// gradient, `backward` is kept. It gets the gradient with respect to `output`, of its shape and type, and for each input whether
    /// its gradient is wanted; it gives the gradient with respect to each input, of that input's shape and type, or none
    /// where it is zero or not wanted. What it needs besides, it captures. `op` is the name that messages call the op by.
    ///
    /// Check a backward pass with [`gradcheck`](crate::gradcheck()).
    ///
    /// ```
    /// use striate_tensor::{DType, Generator, Tensor, gradcheck};
    ///
    /// /// x / (1 + |x|)
    /// fn softsign(x: &Tensor) -> Tensor {
    ///     let below = x.detach().abs() + 1.0;
    ///     let y = x.detach() / &below;
    ///     Tensor::custom("softsign", [x], y, move |grad, _| [Some(grad / below.square())])
    /// }
    ///
    /// let x = Tensor::randn([3, 5], DType::F64, &mut Generator::new(0));
    /// gradcheck(|x| softsign(&x[0]), &[x]).unwrap();
    /// ```
    ///
    /// # Panics
    /// In [`Tensor::backward`], if a gradient that `backward` gives has another shape or type than its input.
    pub fn custom<const N: usize, F>(op: &'static str, inputs: [&Tensor; N], output: Tensor, backward: F) -> Tensor
    where
        F: FnOnce(Tensor, [bool; N]) -> [Option<Tensor>; N] + Send + 'static,
    {
        let forms = inputs.map(|x| (x.shape_value(), x.dtype()));
        record(op, output.into_array(), inputs.map(|x| x.node.clone()), move |_| {
            move |grad: Array, wants| {
                let grads = backward(grad.into(), wants);
                for (i, (grad, (shape, dtype))) in grads.iter().zip(forms).enumerate() {
                    let Some(g) = grad else { continue };
                    assert!(
                        g.shape_value() == shape && g.dtype() == dtype,
                        "{op}: its backward gave a gradient {} {} for input {i}, which is {dtype} {shape}",
                        g.dtype(),
                        g.shape_value()
                    );
                }
                grads.map(|grad| grad.map(Tensor::into_array))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Generator, gradcheck};

    /// x² · w, summed over the first dimension.
    fn weighted_squares(x: &Tensor, w: &Tensor) -> Tensor {
        let (a, b) = (x.detach(), w.detach());
        let y = (a.clone().square() * &b).sum(&[0]);
        Tensor::custom("weighted_squares", [x, w], y, move |grad, [to_x, to_w]| {
            let grad = grad.unsqueeze(0);
            let by_x = to_x.then(|| &a * &b * &grad * 2.0);
            [by_x, to_w.then(|| a.square() * grad)]
        })
    }

    fn inputs(shape: [usize; 2]) -> [Tensor; 2] {
        let rng = &mut Generator::new(3);
        [(); 2].map(|_| Tensor::randn(shape, DType::F64, rng))
    }

    #[test]
    fn its_gradient_takes_part_in_those_around_it() {
        for shape in [[1, 1], [3, 1], [1, 17], [3, 4]] {
            gradcheck(|t| weighted_squares(&t[0], &t[1]), &inputs(shape)).unwrap();
            gradcheck(|t| weighted_squares(&(t[0].clone().sin() * 0.5), &(&t[0] * &t[1])).exp(), &inputs(shape))
                .unwrap();
        }
    }

    #[test]
    fn a_wrong_backward_is_found() {
        let wrong = |x: &Tensor| Tensor::custom("wrong", [x], x.detach().square(), |grad, _| [Some(grad)]);
        assert!(gradcheck(|t| wrong(&t[0]), &inputs([2, 3])[..1]).is_err());
    }

    #[test]
    fn only_what_is_wanted_is_asked_for() {
        let [x, w] = inputs([3, 2]);
        let x = x.requires_grad();
        let gradients = weighted_squares(&x, &w).sum_all().backward();
        assert!(gradients.get(&x).is_some() && gradients.len() == 1);
        assert!(!weighted_squares(&x.detach(), &w).has_grad());
        let nothing = Tensor::custom("nothing", [&x], x.detach(), |_, _| [None]);
        assert!(nothing.sum_all().backward().is_empty());
    }

    #[test]
    fn a_record_of_the_output_itself_is_dropped() {
        let x = inputs([2, 2])[0].clone().requires_grad();
        let y = Tensor::custom("twice", [&x], x.clone() * 2.0, |grad, _| [Some(grad * 3.0)]);
        let gradients = y.sum_all().backward();
        assert_eq!(gradients.get(&x).unwrap().to_vec::<f64>(), [3.0; 4]);
    }

    #[test]
    #[should_panic(expected = "flat: its backward gave a gradient f64 [4] for input 0, which is f64 [2, 2]")]
    fn a_gradient_of_another_shape_is_refused() {
        let x = inputs([2, 2])[0].clone().requires_grad();
        let y = x.detach().flatten(0, -1);
        Tensor::custom("flat", [&x], y, |grad, _| [Some(grad)]).sum_all().backward();
    }
}
