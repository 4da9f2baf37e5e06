//! The result does not depend on how the input lies in memory: as it was made, as a view with any strides, or repeated.

use striate_tensor::{DType, Generator, Index, Tensor, UnfoldOptions};

/// `x` and tensors with the same elements that lie otherwise in memory.
fn lying_otherwise(x: &Tensor) -> Vec<Tensor> {
    let rank = x.rank();
    let reversed: Vec<isize> = (0..rank as isize).rev().collect();
    // Twice reversed, with a copy in between.
    let turned = Tensor::from_vec(x.clone().permute(&reversed).to_vec::<f32>(), {
        let mut sizes = x.shape().to_vec();
        sizes.reverse();
        sizes
    });
    let last = x.size(-1);
    let inside = x.clone().pad(&[[2, 1]], 7.0).narrow(-1, 2, last);
    vec![turned.permute(&reversed), inside]
}

/// All of the tensor's numbers as one type.
fn numbers(x: &Tensor) -> (Vec<usize>, Vec<f64>) {
    (x.shape().to_vec(), x.clone().to_dtype(DType::F64).to_vec())
}

type Function = (&'static str, fn(Tensor) -> Tensor);

#[test]
fn views_give_what_copies_give() {
    let functions: &[Function] = &[
        ("lt", |x| x.lt(0.0)),
        ("ne", |x| x.ne(x.clone().round())),
        ("logical_not", |x| x.logical_not()),
        ("any", |x| x.gt(1.0).any(&[1], false)),
        ("nonzero", |x| x.gt(0.5).nonzero()),
        ("masked_select", |x| x.clone().masked_select(&x.gt(0.5))),
        ("floor", Tensor::floor),
        ("erf", Tensor::erf),
        ("argmax", |x| x.argmax(1, false)),
        ("argmin", |x| x.argmin(0, true)),
        ("sort", |x| x.sort(1, true).0),
        ("argsort", |x| x.argsort(-1, false)),
        ("cumsum", |x| x.cumsum(1)),
        ("sum of bytes", |x| x.gt(0.0).sum(&[0, -1])),
        ("max of integers", |x| (x * 10.0).to_dtype(DType::I64).max(&[1])),
        ("var", |x| x.var(&[0, 2], 1, false)),
        ("norm", |x| x.norm(2.0, &[1], false)),
        ("logsumexp", |x| x.logsumexp(&[1], true)),
        ("index", |x| x.index((1, Index::step(.., 2), ..-1))),
        ("index by lists", |x| x.index((vec![1, 0], .., vec![2, -1]))),
        ("scatter_add", |x| {
            let index = Tensor::full(1.0, x.shape(), DType::I64);
            Tensor::zeros(x.shape(), DType::F32).scatter_add(1, &index, x)
        }),
        ("flip", |x| x.flip(&[0, -1])),
        ("roll", |x| x.roll(&[2], &[1])),
        ("repeat", |x| x.repeat(&[2, 1, 1, 1])),
        ("chunk", |x| Tensor::cat(&x.chunk(2, 1), 0)),
        ("tril", |x| x.tril(0)),
        ("einsum", |x| Tensor::einsum("abcd,ebcd->ea", &[x.clone(), x])),
        ("unfold", |x| x.unfold(UnfoldOptions { padding: [1, 1], ..2.into() })),
        ("diagonal", |x| x.diagonal(0, 2)),
    ];
    let x = Tensor::randn([2, 4, 3, 5], DType::F32, &mut Generator::new(3));
    for (name, f) in functions {
        let expected = numbers(&f(x.clone()));
        for (i, view) in lying_otherwise(&x).into_iter().enumerate() {
            assert_eq!(numbers(&view), numbers(&x));
            let got = numbers(&f(view));
            // Sums run along memory, so that their last bit may differ.
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * b.abs().max(1.0);
            let same = got.0 == expected.0 && got.1.iter().zip(&expected.1).all(near);
            assert!(same, "{name} of view {i}: {got:?}, expected {expected:?}");
        }
    }
}

#[test]
fn repeated_dimensions_are_read_as_often_as_they_are_there() {
    let row = Tensor::from([3.0f32, 1.0, 2.0]);
    let x = row.clone().expand([2, 3]);
    assert_eq!(x.clone().sort(1, false).0.to_vec::<f32>(), [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
    assert_eq!(x.clone().cumsum(0).to_vec::<f32>(), [3.0, 1.0, 2.0, 6.0, 2.0, 4.0]);
    assert_eq!(x.lt(2.0).sum_all().item::<i64>(), 2);
    assert_eq!(x.index((.., vec![2, 2])).to_vec::<f32>(), [2.0; 4]);
    let ones = Tensor::ones([1, 1], DType::F32).expand([2, 3]);
    let index = Tensor::from_vec(vec![0i64, 0, 1], [1, 3]).expand([2, 3]);
    let sums = Tensor::zeros([2, 3], DType::F32).scatter_add(1, &index, ones);
    assert_eq!(sums.to_vec::<f32>(), [2.0, 1.0, 0.0, 2.0, 1.0, 0.0]);
}

#[test]
fn empty_tensors_flow_through() {
    let x = Tensor::zeros([0, 3], DType::F32);
    assert_eq!(x.lt(1.0).shape(), [0, 3]);
    assert_eq!(x.clone().sort(0, false).0.shape(), [0, 3]);
    assert_eq!(x.clone().sort(1, false).1.shape(), [0, 3]);
    assert_eq!(x.clone().topk(2, 1, true).0.shape(), [0, 2]);
    assert_eq!(x.argmin(1, false).shape(), [0]);
    assert_eq!(x.clone().cumsum(0).shape(), [0, 3]);
    assert_eq!(x.clone().norm(2.0, &[0], false).to_vec::<f32>(), [0.0; 3]);
    assert!(x.clone().var(&[0], 1, false).isnan().all(&[], false).item::<u8>() == 1);
    assert_eq!(x.nonzero().shape(), [0, 2]);
    assert_eq!(x.clone().flip(&[0]).roll(&[1, 2], &[0, 1]).repeat(&[2, 2]).shape(), [0, 6]);
    assert_eq!(x.chunk(2, 0).len(), 2);
    assert_eq!(x.split(2, 0).len(), 1);
    assert_eq!(x.clone().tril(0).shape(), [0, 3]);
    assert_eq!(x.index((.., vec![0, 2])).shape(), [0, 2]);
    assert_eq!(x.index(x.gt(0.0)).shape(), [0]);
    assert_eq!(x.clone().narrow(1, 2, 1).exp().to_vec::<f32>(), [0.0f32; 0]);
    assert_eq!(Tensor::zeros([0, 2, 4, 4], DType::F32).unfold(3).shape(), [0, 18, 4]);
    assert_eq!(Tensor::zeros([0, 18, 4], DType::F32).fold([4, 4], 3).shape(), [0, 2, 4, 4]);
    let none = Tensor::zeros([0], DType::I64);
    assert_eq!(none.clone().sum_all().item::<i64>(), 0);
    assert_eq!(none.one_hot(3).shape(), [0, 3]);
    assert!(none.equal(&none) && none.all(&[], false).item::<u8>() == 1 && none.any(&[], false).item::<u8>() == 0);
}

#[test]
fn closeness() {
    let x = Tensor::from([1.0f32, f32::INFINITY, -2.0]);
    assert!(x.allclose(&Tensor::from([1.000001f32, f32::INFINITY, -2.0]), 1e-5, 1e-8));
    assert!(!x.allclose(&Tensor::from([1.001f32, f32::INFINITY, -2.0]), 1e-5, 1e-8));
    assert!(!x.allclose(&Tensor::from([1.0f32, f32::NEG_INFINITY, -2.0]), 1e-5, 1e-8));
    assert!(!x.allclose(&Tensor::from([1.0f32, 5.0, -2.0]), 1e-5, 1e-8));
    let nan = Tensor::from([f32::NAN]);
    assert!(!nan.allclose(&nan, 1e-5, 1e-8) && !nan.equal(&nan));
    assert!(x.equal(&x) && !x.equal(&x.clone().to_dtype(DType::F64)) && !x.equal(&x.clone().unsqueeze(0)));
}

#[test]
fn numbers_beside_a_tensor_of_whole_numbers() {
    let x = Tensor::from([1i64, 2, 3]);
    assert_eq!(x.lt(2.5).to_vec::<u8>(), [1, 1, 0]);
    assert_eq!(x.eq(2).to_vec::<u8>(), [0, 1, 0]);
    let bytes = Tensor::from([0u8, 100, 255]);
    assert_eq!(bytes.lt(300).to_vec::<u8>(), [1; 3]);
    assert_eq!(bytes.gt(-1).to_vec::<u8>(), [1; 3]);
    assert_eq!(bytes.clone().clamp(10.0, 200.0).to_vec::<u8>(), [10, 100, 200]);
    assert_eq!(bytes.max_all().item::<u8>(), 255);
    assert_eq!((1.0 - x.clone() * 2.0).to_vec::<i64>(), [-1, -3, -5]);
    assert_eq!(x.clone().neg().abs().to_vec::<i64>(), [1, 2, 3]);
    assert_eq!(x.clone().maximum(Tensor::from([2i64])).to_vec::<i64>(), [2, 2, 3]);
}
