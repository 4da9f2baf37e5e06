//! Every op here and on the CPU, whose results must be the same.

mod updates;

use super::{Reference, conv, elementwise, loss, norm, pool, reduce, resample, shape};
use crate::array::Array;
use crate::backend::{Backend, run};
use crate::device::Device;
use crate::dtype::{DType, by_type};
use crate::element::Stored;
use crate::op::{Family, Op, Spec, Unary};
use crate::shape::Shape;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use striate_kernels::AlignedVec;

/// An op and its operands. Those that are `f64` stand for floating-point numbers of either type.
pub struct Case {
    pub op: Op,
    pub inputs: Vec<Array>,
    pub close: Close,
    /// The pooling whose positions are the last operand, and its input: what they look like is each backend's own affair.
    pub pooling: Option<(Op, Array)>,
}

/// How close two results must be.
#[derive(Clone, Copy)]
pub enum Close {
    /// Alike to the bit.
    Exact,
    /// Each element by its own size.
    Each,
    /// By the size of the largest.
    Largest,
}

impl Case {
    pub fn new(op: Op, inputs: Vec<Array>, close: Close) -> Case {
        Case { op, inputs, close, pooling: None }
    }
    pub fn exact(op: Op, inputs: Vec<Array>) -> Case {
        Case::new(op, inputs, Close::Exact)
    }
    pub fn each(op: Op, inputs: Vec<Array>) -> Case {
        Case::new(op, inputs, Close::Each)
    }
    pub fn largest(op: Op, inputs: Vec<Array>) -> Case {
        Case::new(op, inputs, Close::Largest)
    }
}

/// The cases of a family: those of the file that computes it.
fn cases(family: Family) -> Vec<Case> {
    match family {
        Family::Shape | Family::Concatenation | Family::Indexing | Family::Conversion => shape::cases::all(),
        Family::Unary | Family::Elementwise => elementwise::cases::all(),
        Family::Reduction | Family::Matrix => reduce::cases::all(),
        Family::Convolution | Family::TransposedConvolution => conv::cases::all(),
        Family::Pooling | Family::AdaptivePooling => pool::cases::all(),
        Family::Resampling => resample::cases::all(),
        Family::Normalization => norm::cases::all(),
        Family::Softmax => loss::cases::all(),
    }
}

macro_rules! every_family {
    ($($test:ident: $family:ident,)*) => {
        $(
            #[test]
            fn $test() {
                check(Family::$family);
            }
        )*
    };
}

every_family! {
    shape_ops: Shape,
    concatenations: Concatenation,
    indexing: Indexing,
    conversions: Conversion,
    unary_ops: Unary,
    elementwise_ops: Elementwise,
    reductions: Reduction,
    products: Matrix,
    convolutions: Convolution,
    transposed_convolutions: TransposedConvolution,
    poolings: Pooling,
    adaptive_poolings: AdaptivePooling,
    resamplings: Resampling,
    normalizations: Normalization,
    softmaxes: Softmax,
}

/// The numbers of an array.
fn values(x: &Array) -> Vec<f64> {
    x.to_cpu().into_owned().cast(DType::F64).to_vec()
}

/// The same numbers, not shared with anybody and with memory running through the dimensions in this order.
fn laid_out(x: &Array, order: &[usize]) -> Array {
    fn typed<T: Stored>(x: &Array, order: &[usize]) -> Array {
        Array::in_order(AlignedVec::from_slice(&x.packed::<T>(order)), x.shape(), order)
    }
    by_type!(x.dtype(), |T| typed::<T>(x, order))
}

fn assert_close(what: &str, got: &Array, want: &Array, close: Close) {
    assert_eq!(got.spec(), want.spec(), "{what}");
    let single = got.dtype() == DType::F32;
    let (got, want) = (values(got), values(want));
    let largest = want.iter().filter(|x| x.is_finite()).fold(0.0, |a: f64, x| a.max(x.abs()));
    for (i, (&g, &w)) in got.iter().zip(&want).enumerate() {
        let (relative, size) = match close {
            Close::Exact => (0.0, 0.0),
            Close::Each => (if single { 2e-5 } else { 1e-11 }, w.abs()),
            Close::Largest => (if single { 1e-5 } else { 1e-11 }, largest),
        };
        // What is too small for a normal number may be 0.
        let allowed = relative * size + if single { 1e-36 } else { 1e-300 };
        let same = match close {
            Close::Exact => g.to_bits() == w.to_bits(),
            _ => g == w || (g - w).abs() <= allowed,
        };
        assert!(same || g.is_nan() && w.is_nan(), "{what}: element {i} is {g} on the CPU, {w} by the reference");
    }
}

/// Runs the cases of a family, which must have some of each of its ops.
fn check(family: Family) {
    let cases: Vec<Case> = cases(family).into_iter().filter(|case| case.op.family() == family).collect();
    let tested: HashSet<&str> = cases.iter().map(|case| case.op.variant()).collect();
    for (variant, _) in Op::VARIANTS.iter().filter(|(_, of)| *of == family) {
        assert!(tested.contains(variant), "{variant} has no case");
    }
    for (i, case) in cases.iter().enumerate() {
        for dtype in [DType::F32, DType::F64] {
            check_case(&format!("case {i}: {:?}", case.op), case, dtype);
        }
        // Gradients come from the op that they belong to, whose operands have been checked.
        if !case.op.name().ends_with("_grad") {
            check_misfits(case);
        }
    }
}

/// The shape rule takes operands of other ranks and sizes, or says what does not fit.
fn check_misfits(case: &Case) {
    let specs: Vec<Spec> = case.inputs.iter().map(Array::spec).collect();
    for i in 0..specs.len() {
        for shape in (0..=5).flat_map(|rank| [0, 1, 3].map(|n| vec![n; rank])) {
            let mut specs = specs.clone();
            specs[i] = specs[i].reshaped(&shape[..]);
            let Err(payload) = catch_unwind(AssertUnwindSafe(|| case.op.outputs(&specs))) else { continue };
            let text = payload.downcast_ref::<String>().map_or("a text without values", |s| s);
            let op = text.split(": ").next().unwrap_or_default();
            let is_name = op.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
            assert!(is_name, "{:?} of {shape:?} as operand {i}: {text}", case.op);
        }
    }
}

fn check_case(what: &str, case: &Case, dtype: DType) {
    let typed = |x: &Array| if x.dtype() == DType::F64 { x.clone().cast(dtype) } else { x.clone() };
    let inputs: Vec<Array> = case.inputs.iter().map(typed).collect();
    let specs: Vec<_> = inputs.iter().map(|x| x.spec().to_string()).collect();
    let what = format!("{what} of {}", specs.join(", "));
    let positions = |place: &dyn Backend| {
        case.pooling.as_ref().map(|(op, x)| run(op, vec![place.upload(&typed(x), None)]).swap_remove(1))
    };
    let uploaded = inputs.iter().map(|x| Reference.upload(x, None)).chain(positions(&Reference)).collect();
    let want = run(&case.op, uploaded);
    // Operands that somebody else holds, that are for the taking, and in another order.
    let inputs: Vec<Array> = inputs.into_iter().chain(positions(&*Device::Cpu.place())).collect();
    let in_rows = |x: &Array| laid_out(x, &(0..x.shape().rank()).collect::<Vec<_>>());
    let in_columns = |x: &Array| laid_out(x, &(0..x.shape().rank()).rev().collect::<Vec<_>>());
    let own = |x: &Array| laid_out(x, crate::array::memory_order(x.shape().rank()));
    for inputs in [
        inputs.clone(),
        inputs.iter().map(own).collect(),
        inputs.iter().map(in_rows).collect(),
        inputs.iter().map(in_columns).collect(),
    ] {
        let got = run(&case.op, inputs);
        assert_eq!(got.len(), want.len(), "{what}");
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            assert_eq!(want.device(), Device::Reference);
            let are_positions = matches!(case.op, Op::AdaptiveMaxPool2d { .. }) && i == 1;
            if !are_positions {
                assert_close(&format!("result {i} of {what}"), got, want, case.close);
            }
        }
    }
}

/// Numbers from −2 to 2 that look random, and are the same in `f32`.
pub fn numbers(shape: impl Into<Shape>, seed: u64) -> Array {
    let shape = shape.into();
    let number = |i: u64| {
        let mut z = (i + 1000 * seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z >> 40) as f64 / (1u64 << 22) as f64 - 2.0) as f32 as f64
    };
    Array::from_slice(&(0..shape.numel() as u64).map(number).collect::<Vec<f64>>(), shape)
}

/// Numbers from 0.5 to 2.5, such as variances are.
pub fn positive(shape: impl Into<Shape>, seed: u64) -> Array {
    numbers(shape, seed).unary(Unary::Abs).unary(Unary::AddScalar(0.5))
}

/// Whole numbers from `low` to before `high`.
pub fn integers(shape: impl Into<Shape>, seed: u64, low: i64, high: i64) -> Array {
    let shape = shape.into();
    let numbers = values(&numbers(shape, seed));
    let whole = |x: &f64| low + ((x + 2.0) / 4.0 * (high - low) as f64) as i64;
    Array::from_slice(&numbers.iter().map(whole).collect::<Vec<i64>>(), shape)
}

/// With NaN, infinities and zeros here and there.
pub fn with_specials(x: &Array) -> Array {
    let specials = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0];
    let mix = |(i, x): (usize, f64)| if i % 3 == 1 { specials[i / 3 % specials.len()] } else { x };
    Array::from_slice(&values(x).into_iter().enumerate().map(mix).collect::<Vec<f64>>(), x.shape())
}

/// The types that are stored, moved and compared, but not computed with.
pub const STORED: [DType; 6] = [DType::U8, DType::F16, DType::BF16, DType::I32, DType::I8, DType::Bool];

/// An array of each type: numbers, integers, the others.
pub fn of_each_type(shape: impl Into<Shape>, seed: u64) -> [Array; 2 + STORED.len()] {
    let shape = shape.into();
    let [floats, whole] = [numbers(shape, seed), integers(shape, seed, -9, 10)];
    let stored = STORED.map(|dtype| match dtype {
        DType::F16 | DType::BF16 => Reference.upload(&floats, None).cast(dtype),
        DType::I32 => Reference.upload(&integers(shape, seed, -70_000, 70_000), None).cast(dtype),
        DType::I8 => Reference.upload(&integers(shape, seed, -128, 128), None).cast(dtype),
        DType::Bool => Reference.upload(&integers(shape, seed, 0, 2), None).cast(dtype),
        _ => Reference.upload(&integers(shape, seed, 0, 256), None).cast(dtype),
    });
    let [a, b, c, d, e, f] = stored.map(|x| x.to_cpu().into_owned());
    [floats, whole, a, b, c, d, e, f]
}

/// Of all ranks up to 5, some without elements.
pub fn shapes() -> Vec<Shape> {
    [
        &[][..],
        &[1],
        &[17],
        &[0],
        &[3, 17],
        &[0, 3],
        &[2, 3, 5],
        &[2, 3, 4, 5],
        &[1, 17, 3, 1],
        &[2, 0, 3, 1],
        &[2, 3, 1, 4, 2],
    ]
    .into_iter()
    .map(Shape::from)
    .collect()
}

/// What a panic says.
fn message(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = std::panic::catch_unwind(f).expect_err("a panic");
    payload.downcast_ref::<String>().expect("a formatted message").clone()
}

#[test]
fn numbers_out_of_range_are_refused_in_the_same_words() {
    let list = |values: &[i64]| Array::from_slice(values, Shape::from([values.len()]));
    let shape = Shape::from([3]);
    for bad in [-1, 3] {
        let index = || list(&[0, bad]);
        for (op, x, index) in [
            (Op::Gather { dim: 0 }, numbers([3], 1), index()),
            (Op::ScatterAdd { dim: 0, shape }, numbers([2], 1), index()),
            (Op::IndexSelect { dim: 0 }, numbers([3], 1), index()),
            (Op::IndexAdd { dim: 0, size: 3 }, numbers([2], 1), index()),
            (Op::CrossEntropy, numbers([2, 3], 1), index()),
        ] {
            let inputs = [x, index];
            let uploaded = inputs.each_ref().map(|x| Reference.upload(x, None));
            let (on_cpu, here) = (inputs.to_vec(), uploaded.to_vec());
            let words = |inputs: Vec<Array>| {
                message(std::panic::AssertUnwindSafe(|| {
                    run(&op, inputs);
                }))
            };
            assert_eq!(words(here), words(on_cpu));
        }
    }
}

#[test]
fn results_are_rounded_to_their_type() {
    let x = Reference.upload(&Array::from_slice(&[0.1f32, 1e30], Shape::from([2])), None);
    assert_eq!(x.clone().unary(Unary::AddScalar(0.2)).to_vec::<f32>()[0], 0.1f32 + 0.2);
    assert_eq!(x.unary(Unary::Square).to_vec::<f32>()[1], f32::INFINITY);
}
