//! Empty tensors, NaN, infinities and large numbers.

use striate_tensor::{Conv2dOptions, DType, Reduction, Tensor};

fn t(values: &[f32]) -> Tensor {
    Tensor::from_slice(values, [values.len()])
}

#[test]
fn empty_batches_flow_through() {
    let x = Tensor::zeros([0, 3, 8, 8], DType::F32).requires_grad();
    let w = Tensor::ones([4, 3, 3, 3], DType::F32).requires_grad();
    let y = x.clone().conv2d(&w, None, &Conv2dOptions::default()).relu().max_pool2d(2).flatten(1, -1);
    assert_eq!(y.shape(), [0, 36]);
    let fc = Tensor::ones([2, 36], DType::F32).requires_grad();
    let y = y.linear(&fc, None);
    assert_eq!(y.shape(), [0, 2]);
    let grads = y.sum_all().backward();
    assert_eq!(grads.get(&w).unwrap().to_vec::<f32>(), vec![0.0; 4 * 27]);
    assert_eq!(grads.get(&fc).unwrap().to_vec::<f32>(), vec![0.0; 72]);
    assert_eq!(grads.get(&x).unwrap().shape(), [0, 3, 8, 8]);
    assert!(t(&[]).mean_all().item::<f32>().is_nan());
    assert_eq!(t(&[]).sum_all().item::<f32>(), 0.0);
}

#[test]
fn nan_is_not_hidden() {
    let x = t(&[1.0, f32::NAN, -1.0]);
    assert!(x.clone().relu().to_vec::<f32>()[1].is_nan());
    assert!(x.clone().max_all().item::<f32>().is_nan());
    assert!(x.clone().min_all().item::<f32>().is_nan());
    assert!(x.clone().maximum(t(&[0.0; 3])).to_vec::<f32>()[1].is_nan());
    assert_eq!(x.argmax(0, false).item::<i64>(), 1);
    assert!(!x.is_finite() && t(&[1.0, 2.0]).is_finite());
    assert!(!t(&[f32::INFINITY]).is_finite());
    let image = x
        .reshape([1, 1, 1, 3])
        .max_pool2d(striate_tensor::Pool2dOptions { stride: [1, 1], ..striate_tensor::Pool2dOptions::new([1, 2]) });
    assert!(image.to_vec::<f32>().iter().all(|x| x.is_nan()));
}

#[test]
fn large_logits_do_not_overflow() {
    let x = Tensor::from_vec(vec![1e30f32, -1e30, 0.0, 88.0, 1000.0, -1000.0], [2, 3]).requires_grad();
    let p = x.clone().softmax(1).to_vec::<f32>();
    assert_eq!(p, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    let target = Tensor::from_vec(vec![0i64, 1], [2]);
    let loss = x.clone().cross_entropy(&target, Reduction::Sum);
    assert_eq!(loss.item::<f32>(), 0.0);
    assert!(loss.backward().get(&x).unwrap().is_finite());
}

#[test]
fn long_sums_stay_accurate() {
    let n = 10_000_000;
    let x = Tensor::full(0.1, [n], DType::F32);
    let sum = x.clone().sum_all().item::<f32>() as f64;
    let exact = 0.1f32 as f64 * n as f64;
    assert!((sum - exact).abs() / exact < 1e-6, "{sum} is not {exact}");
    let columns = x.reshape([n / 4, 4]).sum(&[0]).to_vec::<f32>();
    assert!(columns.iter().all(|&c| (c as f64 - exact / 4.0).abs() / exact < 1e-6), "{columns:?}");
}

#[test]
fn conversion_between_types_follows_rust() {
    let x = t(&[1.9, -1.9, 300.0, f32::NAN]);
    assert_eq!(x.clone().to_dtype(DType::I64).to_vec::<i64>(), [1, -1, 300, 0]);
    assert_eq!(x.to_dtype(DType::U8).to_vec::<u8>(), [1, 0, 255, 0]);
}
