//! Memory is reused only where nobody can see it.

use striate_tensor::Tensor;

fn t(values: &[f32]) -> Tensor {
    Tensor::from_slice(values, [values.len()])
}

#[test]
fn an_op_leaves_a_tensor_alone_that_somebody_else_holds() {
    let x = t(&[-1.0, 2.0]);
    let y = x.clone().relu();
    let z = x.clone() + 1.0;
    let w = &x * &x;
    assert_eq!(x.to_vec::<f32>(), [-1.0, 2.0]);
    assert_eq!(
        (y.to_vec::<f32>(), z.to_vec::<f32>(), w.to_vec::<f32>()),
        (vec![0.0, 2.0], vec![0.0, 3.0], vec![1.0, 4.0])
    );
}

#[test]
fn a_view_keeps_its_source_from_being_overwritten() {
    let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [2, 2]);
    let view = x.clone().narrow(0, 0, 1);
    let y = x.neg();
    assert_eq!(view.to_vec::<f32>(), [1.0, 2.0]);
    assert_eq!(y.to_vec::<f32>(), [-1.0, -2.0, -3.0, -4.0]);
    let part = y.narrow(1, 1, 1).exp().log();
    let close = |a: f32, b: f32| (a - b).abs() < 1e-5;
    assert!(part.to_vec::<f32>().iter().zip([-2.0, -4.0]).all(|(&a, b)| close(a, b)));
}

#[test]
fn what_backward_needs_is_not_overwritten_by_what_follows() {
    // exp keeps its output for backward; relu, which comes next, would like to write into it.
    let x = t(&[0.5, -0.5]).requires_grad();
    let grads = x.clone().exp().neg().relu().sum_all().backward();
    assert_eq!(grads.get(&x).unwrap().to_vec::<f32>(), [0.0, 0.0]);
    let grads = (x.clone().exp() + 1.0).square().sum_all().backward();
    let expected: Vec<f32> = [0.5f32, -0.5].iter().map(|x| 2.0 * (x.exp() + 1.0) * x.exp()).collect();
    assert!(grads.get(&x).unwrap().to_vec::<f32>().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn a_gradient_that_two_inputs_share_is_not_changed_through_one() {
    let (a, b) = (t(&[1.0, 2.0]).requires_grad(), t(&[3.0, 4.0]).requires_grad());
    let grads = (a.clone() * 2.0 + b.clone() * 3.0).sum_all().backward();
    assert_eq!(grads.get(&a).unwrap().to_vec::<f32>(), [2.0, 2.0]);
    assert_eq!(grads.get(&b).unwrap().to_vec::<f32>(), [3.0, 3.0]);
}

#[test]
fn images_are_stored_channels_last_and_read_channels_first() {
    let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
    let x = Tensor::from_vec(values.clone(), [1, 2, 3, 4]);
    assert_eq!(x.to_vec::<f32>(), values);
    let hwc: Vec<f32> = (0..12).flat_map(|i| [i as f32, (i + 12) as f32]).collect();
    assert_eq!(Tensor::from_channels_last(hwc, [1, 2, 3, 4]).to_vec::<f32>(), values);
    assert_eq!(x.clone().flatten(1, -1).to_vec::<f32>(), values);
    let y = x.permute(&[0, 2, 3, 1]).reshape([12, 2]).select(1, 1);
    assert_eq!(y.to_vec::<f32>(), values[12..]);
}
