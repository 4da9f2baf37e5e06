//! Every element type: what is stored, moved, compared and converted, and what there is no arithmetic for.

use super::panics::message;
use striate_tensor::{Conv2dOptions, DType, Element, Generator, Tensor, Update, bf16, f16};

fn f16s(values: &[f32]) -> Tensor {
    Tensor::from_vec(values.iter().map(|&x| f16::from_f32(x)).collect(), [values.len()])
}

fn kept<T: Element>(values: [T; 3]) {
    let x = Tensor::from(values);
    assert_eq!((x.dtype(), x.to_vec::<T>()), (T::DTYPE, values.to_vec()));
    assert_eq!(x.clone().to_dtype(T::DTYPE).to_vec::<T>(), values);
    assert_eq!(x.clone().select(0, 1).item::<T>(), values[1]);
    assert_eq!(x.clone().flip(&[0]).to_vec::<T>(), [values[2], values[1], values[0]]);
    assert_eq!(x.clone().roll(&[1], &[0]).to_vec::<T>(), [values[2], values[0], values[1]]);
    assert_eq!(Tensor::cat(&[x.clone(), x.clone()], 0).to_vec::<T>(), [values, values].concat());
    let none = Tensor::from_vec(Vec::<T>::new(), [0, 3]);
    assert_eq!((none.shape(), none.to_vec::<T>()), (&[0, 3][..], vec![]));
    let image = x.clone().reshape([1, 3, 1, 1]).expand([2, 3, 2, 2]);
    assert_eq!(image.clone().permute(&[1, 0, 2, 3]).flatten(1, -1).narrow(1, 5, 1).to_vec::<T>(), values);
    assert_eq!(image.to_vec::<T>()[4..8], [values[1]; 4]);
    let padded = x.clone().reshape([1, 1, 1, 3]).pad(&[[1, 0]], 0.0);
    assert_eq!(padded.to_vec::<T>()[1..], values);
    assert_eq!(padded.to_vec::<T>()[0], T::default());
    assert!(x.equal(&x.clone()));
    for (value, dtype) in [(0.0, T::DTYPE), (1.0, T::DTYPE)] {
        let full = Tensor::full(value, [2], dtype);
        assert_eq!(full.to_vec::<T>(), [T::from_f64(value); 2]);
        assert_eq!(full.item_as_f64(), value);
    }
    let (zeros, ones) = (Tensor::zeros([3], T::DTYPE), Tensor::ones([3], T::DTYPE));
    assert_eq!(ones.gt(&zeros).to_vec::<u8>(), [1; 3]);
    assert_eq!(zeros.ge(1.0).to_vec::<u8>(), [0; 3]);
    assert_eq!(x.clone().gather(0, &Tensor::from([2i64, 0])).to_vec::<T>(), [values[2], values[0]]);
    for mask in [Tensor::from([1u8, 0, 3]), Tensor::from([true, false, true])] {
        assert_eq!(mask.where_(&ones, &zeros).to_vec::<T>(), [1.0, 0.0, 1.0].map(T::from_f64));
        assert_eq!(zeros.clone().masked_fill(&mask, 1.0).to_vec::<T>(), [1.0, 0.0, 1.0].map(T::from_f64));
        assert_eq!(x.clone().masked_select(&mask).to_vec::<T>(), [values[0], values[2]]);
        assert_eq!(x.index(mask).to_vec::<T>(), [values[0], values[2]]);
    }
}

trait ItemAsF64 {
    fn item_as_f64(&self) -> f64;
}

impl ItemAsF64 for Tensor {
    fn item_as_f64(&self) -> f64 {
        self.clone().select(0, 0).to_dtype(DType::F64).item::<f64>()
    }
}

#[test]
fn elements_of_every_type_are_stored_moved_and_compared() {
    kept([1.5f32, -2.0, 0.0]);
    kept([1e300, -2.0, 0.0]);
    kept([1.5, -2.0, 65504.0].map(f16::from_f32));
    kept([1.5, -2.0, 3e38].map(bf16::from_f32));
    kept([i64::MIN, 2, i64::MAX]);
    kept([i32::MIN, 2, i32::MAX]);
    kept([i8::MIN, 2, i8::MAX]);
    kept([0u8, 2, 255]);
    kept([false, true, false]);
}

#[test]
fn sizes_and_names() {
    let named: Vec<String> = DType::ALL.iter().map(|d| format!("{d} {}", d.size())).collect();
    assert_eq!(named, ["f32 4", "f64 8", "f16 2", "bf16 2", "i64 8", "i32 4", "i8 1", "u8 1", "bool 1"]);
    for dtype in DType::ALL {
        assert_eq!(Tensor::ones([5, 7], dtype).array().memory().1, 35 * dtype.size());
    }
}

#[test]
fn elements_of_every_type_are_shown() {
    assert_eq!(f16s(&[1.0, -0.1]).to_string(), "tensor([ 1.0000, -0.1000], shape=[2], dtype=f16)");
    let x = Tensor::from([bf16::NAN, bf16::from_f32(2.0)]);
    assert_eq!(x.to_string(), "tensor([nan,  2.], shape=[2], dtype=bf16)");
    assert_eq!(Tensor::from([-128i8, 7]).to_string(), "tensor([-128,    7], shape=[2], dtype=i8)");
    assert_eq!(Tensor::from([-5i32]).to_string(), "tensor([-5], shape=[1], dtype=i32)");
    assert_eq!(Tensor::from([true, false]).to_string(), "tensor([ true, false], shape=[2], dtype=bool)");
}

#[test]
fn conversions_round_to_nearest_even_and_truth_is_not_0() {
    let x =
        Tensor::from([1.0 + 2f64.powi(-11), 1.0 + 3.0 * 2f64.powi(-11), 65519.9, 65520.0, 2f64.powi(-24), f64::NAN]);
    let y = x.clone().to_dtype(DType::F16).to_vec::<f16>();
    assert_eq!(y[..5], [1.0, 1.0 + 2f64.powi(-9), 65504.0, f64::INFINITY, 2f64.powi(-24)].map(f16::from_f64));
    assert!(y[5].is_nan());
    let y = Tensor::from([1.0f32 + 2f32.powi(-8), f32::MAX, f32::from_bits(0x8000), f32::from_bits(0x8001)]);
    let bits: Vec<u16> = y.to_dtype(DType::BF16).to_vec::<bf16>().into_iter().map(|x| x.to_bits()).collect();
    assert_eq!(bits, [0x3f80, 0x7f80, 0, 1]);
    assert_eq!(x.clone().to_dtype(DType::Bool).to_vec::<bool>(), [true; 6]);
    assert_eq!(Tensor::from([0.0f32, -0.0, 0.3]).to_dtype(DType::Bool).to_vec::<bool>(), [false, false, true]);
    assert_eq!(Tensor::from([false, true]).to_dtype(DType::I8).to_vec::<i8>(), [0, 1]);
    assert_eq!(Tensor::from([-300i64, 300]).to_dtype(DType::I8).to_vec::<i8>(), [-128, 127]);
    assert_eq!(f16s(&[1.9, -1.9]).to_dtype(DType::I32).to_vec::<i32>(), [1, -1]);
}

#[test]
fn small_integers_and_truth_values_are_summed_as_i64() {
    for dtype in [DType::I32, DType::I8, DType::U8, DType::Bool] {
        let x = Tensor::ones([1000], dtype);
        assert_eq!(x.clone().sum_all().item::<i64>(), 1000, "{dtype}");
        assert_eq!(x.clone().prod_all().item::<i64>(), 1, "{dtype}");
        assert_eq!(x.clone().max_all().dtype(), dtype);
        assert_eq!((x.any(&[], false).item::<u8>(), x.all(&[], false).item::<u8>()), (1, 1));
    }
    assert_eq!(Tensor::from([i32::MAX; 4]).sum_all().item::<i64>(), 4 * i32::MAX as i64);
    assert_eq!(Tensor::from([-128i8, 3]).min_all().item::<i8>(), -128);
    let mask = Tensor::from([true, false, true]);
    assert_eq!(mask.nonzero().to_vec::<i64>(), [0, 2]);
    assert_eq!(mask.logical_and(&Tensor::from([1.5f32, 2.0, 0.0])).to_vec::<u8>(), [1, 0, 0]);
    assert_eq!(mask.logical_or(&mask).to_vec::<u8>(), [1, 0, 1]);
    assert_eq!(mask.logical_not().to_vec::<u8>(), [0, 1, 0]);
    assert_eq!(mask.eq(2.0).to_vec::<u8>(), [0; 3]);
}

#[test]
fn what_is_ordered_is_sorted() {
    let x = f16s(&[3.0, f32::NAN, -1.0, f32::INFINITY, 0.0]);
    assert_eq!(x.argsort(0, false).to_vec::<i64>(), [2, 4, 0, 3, 1]);
    assert_eq!((x.argmax(0, false).item::<i64>(), f16s(&[3.0, -1.0]).argmin(0, false).item::<i64>()), (1, 1));
    assert_eq!(Tensor::from([5i8, -5, 0]).argsort(0, true).to_vec::<i64>(), [0, 2, 1]);
    assert_eq!(Tensor::from([true, false]).argsort(0, false).to_vec::<i64>(), [1, 0]);
    // A number that the type cannot hold.
    assert_eq!(x.gt(1e6).to_vec::<u8>(), [0, 0, 0, 1, 0]);
    assert_eq!(x.isnan().to_vec::<u8>(), [0, 1, 0, 0, 0]);
    assert_eq!(x.isfinite().to_vec::<u8>(), [1, 0, 1, 0, 1]);
    assert!(!x.is_finite() && f16s(&[65504.0]).is_finite());
}

#[test]
fn every_type_compares() {
    for dtype in
        [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I64, DType::I32, DType::I8, DType::U8, DType::Bool]
    {
        let typed = |values: [f32; 3]| Tensor::from(values).to_dtype(dtype);
        let (a, b) = (typed([0.0, 1.0, 1.0]), typed([1.0, 1.0, 0.0]));
        assert_eq!(a.eq(&b).to_vec::<u8>(), [0, 1, 0], "{dtype}");
        assert_eq!(a.ne(&b).to_vec::<u8>(), [1, 0, 1], "{dtype}");
        assert_eq!(a.lt(&b).to_vec::<u8>(), [1, 0, 0], "{dtype}");
        assert_eq!(a.ge(&b).to_vec::<u8>(), [0, 1, 1], "{dtype}");
        assert_eq!((a.argmax(0, false).item::<i64>(), b.argmin(0, false).item::<i64>()), (1, 2), "{dtype}");
        assert_eq!(a.argsort(0, true).to_vec::<i64>(), [1, 2, 0], "{dtype}");
    }
    // Neighbours that f32 does not tell apart.
    let x = Tensor::from([i32::MAX, i32::MAX - 1, i32::MIN]);
    assert_eq!(x.gt(Tensor::from([i32::MAX - 1, i32::MAX, i32::MIN])).to_vec::<u8>(), [1, 0, 0]);
    assert_eq!(x.argsort(0, false).to_vec::<i64>(), [2, 1, 0]);
    let x = Tensor::from([bf16::NAN, bf16::ONE]);
    assert_eq!((x.eq(&x).to_vec::<u8>(), x.argmax(0, false).item::<i64>()), (vec![0, 1], 0));
}

#[test]
fn arithmetic_without_a_kernel_is_refused_by_name() {
    let h = |shape: &[usize]| Tensor::ones(shape, DType::BF16);
    let convert = "(convert it with to_dtype(DType::F32))";
    let rng = Generator::new(0);
    for (got, op) in [
        (message(|| h(&[2]) + h(&[2])), "add"),
        (message(|| h(&[2]) * 2.0), "mul"),
        (message(|| h(&[2]).relu()), "relu"),
        (message(|| h(&[2]).abs()), "abs"),
        (message(|| h(&[2]).clamp(0.0, 1.0)), "clamp"),
        (message(|| h(&[2]).sum_all()), "sum"),
        (message(|| h(&[2]).mean_all()), "mean"),
        (message(|| h(&[2]).max_all()), "max"),
        (message(|| h(&[2]).var(&[], 1, false)), "var"),
        (message(|| h(&[2]).cumsum(0)), "cumsum"),
        (message(|| h(&[2, 2]).softmax(1)), "softmax"),
        (message(|| h(&[2, 2]).matmul(&h(&[2, 2]))), "matmul"),
        (message(|| h(&[2, 2]).linear(&h(&[2, 2]), None)), "linear"),
        (message(|| h(&[1, 1, 3, 3]).conv2d(&h(&[1, 1, 3, 3]), None, &Conv2dOptions::default())), "conv2d"),
        (message(|| h(&[1, 1, 4, 4]).max_pool2d(2)), "max_pool2d"),
        (message(|| h(&[1, 1, 4, 4]).avg_pool2d(2)), "avg_pool2d"),
        (message(|| h(&[2]).update(&Update::Lerp(0.5), &h(&[2]), &mut [])), "lerp"),
    ] {
        assert_eq!(got, format!("{op}: has no kernel for bf16 {convert}"));
    }
    let drawn = message(|| Tensor::randn([2], DType::F16, &mut rng.clone()));
    assert_eq!(drawn, "random: has no kernel for f16 (draw f32 and convert it with to_dtype)");
    let whole = message(|| Tensor::from([1i8]).exp());
    assert_eq!(whole, "exp: needs a floating-point tensor, got i8 (convert it with to_dtype)");
    let whole = message(|| Tensor::from([1i32]) + Tensor::from([1i32]));
    assert_eq!(whole, "add: needs a tensor of floating-point numbers or i64, got i32 (convert it with to_dtype)");
    let number = message(|| Tensor::from([true]).where_(f16s(&[1.0]), 1e6));
    assert_eq!(number, "where: a tensor of f16 cannot hold 1000000 (convert it with to_dtype)");
}

#[test]
fn sixteen_bits_have_no_gradient() {
    let convert = "(detach it, or convert it with to_dtype(DType::F32))";
    let leaf = message(|| f16s(&[1.0]).requires_grad());
    assert_eq!(leaf, format!("requires_grad: a tensor of f16 cannot have a gradient {convert}"));
    let x = || Tensor::from([1.0f32]).requires_grad();
    let cast = message(|| x().to_dtype(DType::BF16));
    assert_eq!(cast, format!("to_dtype: a tensor of bf16 cannot have a gradient {convert}"));
    assert_eq!(x().detach().to_dtype(DType::BF16).to_vec::<bf16>(), [bf16::ONE]);
    assert!(!x().to_dtype(DType::Bool).has_grad());
    let whole = message(|| Tensor::from([1i32]).requires_grad());
    assert_eq!(whole, "requires_grad: only floating-point tensors have gradients, got i32");
}
