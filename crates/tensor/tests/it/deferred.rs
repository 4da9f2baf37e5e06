//! Results that are computed when they are read: whoever reads them, and how often, the numbers are the same.

use striate_tensor::{Conv2dOptions, DType, Generator, Pool2dOptions, Tensor, profile};

/// max(x, 0) by ops that never wait.
fn plain_relu(x: Tensor) -> Tensor {
    let positive = x.gt(Tensor::zeros([], x.dtype())).to_dtype(x.dtype());
    x * positive
}

type Activation = fn(Tensor) -> Tensor;
type Net = fn(Tensor, &Tensor, fn(Tensor) -> Tensor) -> Tensor;

const NETS: [(&str, Net); 7] = [
    ("conv2d", |x, w, relu| relu(x).conv2d(w, None, &Conv2dOptions::default())),
    ("max_pool2d", |x, _, relu| relu(x).max_pool2d(2)),
    ("overlapping", |x, _, relu| {
        let o = Pool2dOptions { stride: [1, 2], padding: [1, 1], ..Pool2dOptions::new([3, 3]) };
        relu(x).max_pool2d(o)
    }),
    ("conv2d twice", |x, w, relu| {
        let o = Conv2dOptions { padding: [[1; 2]; 2], ..Conv2dOptions::default() };
        relu(relu(x).conv2d(w, None, &o)).conv2d(w, None, &o)
    }),
    ("residual", |x, w, relu| {
        let o = Conv2dOptions { padding: [[1; 2]; 2], ..Conv2dOptions::default() };
        let x = relu(x);
        relu(x.clone().conv2d(w, None, &o) + x)
    }),
    ("pooled and added", |x, _, relu| {
        let x = relu(x);
        x.clone().max_pool2d(2).sum_all() * 2.0 + x.sum_all()
    }),
    ("read twice", |x, _, relu| {
        let x = relu(x);
        let largest = Tensor::from_vec(x.to_vec::<f64>(), x.shape()).max_all();
        x * largest
    }),
];

#[test]
fn whoever_reads_a_relu_gets_the_same() {
    let rng = &mut Generator::new(3);
    let x = Tensor::randn([2, 3, 6, 5], DType::F64, rng);
    let w = Tensor::randn([3, 3, 3, 3], DType::F64, rng);
    for (name, net) in NETS {
        let run = |relu| {
            let (x, w) = (x.clone().requires_grad(), w.clone().requires_grad());
            let y = net(x.clone() + 0.0, &w, relu);
            let grads = y.clone().square().sum_all().backward();
            let of = |t: &Tensor| grads.get(t).map(|g| g.to_vec::<f64>());
            (y.to_vec::<f64>(), of(&x), of(&w))
        };
        let (lazy, plain) = (run(Tensor::relu), run(plain_relu));
        let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near(&lazy.0, &plain.0), "{name}: the result");
        assert!(near(&lazy.1.unwrap(), &plain.1.unwrap()), "{name}: the gradient of the input");
        assert_eq!(lazy.2.is_some(), plain.2.is_some(), "{name}");
        assert!(near(&lazy.2.unwrap_or_default(), &plain.2.unwrap_or_default()), "{name}: the weight's gradient");
    }
}

#[test]
fn a_relu_that_two_hold_is_not_skipped() {
    let x = Tensor::from_vec(vec![-1.0f64, 2.0, 3.0, -4.0], [1, 1, 2, 2]).requires_grad();
    let y = (x.clone() + 0.0).relu();
    let pooled = y.clone().max_pool2d(2).sum_all();
    let grads = (pooled + y.sum_all()).backward();
    assert_eq!(grads.get(&x).unwrap().to_vec::<f64>(), [0.0, 1.0, 2.0, 0.0]);
}

#[test]
fn nan_passes_through_a_waiting_relu() {
    let x = Tensor::from_vec(vec![f32::NAN, -1.0, 1.0, -2.0], [1, 1, 2, 2]);
    assert!(x.clone().relu().max_pool2d(2).item::<f32>().is_nan());
    let w = Tensor::ones([1, 1, 2, 2], DType::F32);
    assert!(x.relu().conv2d(&w, None, &Conv2dOptions::default()).item::<f32>().is_nan());
}

/// The statistics of a normalization, and whether its gradient is wanted.
#[derive(Clone, Copy, Debug)]
enum By {
    Batch,
    Constants,
    ConstantsAlone,
}

/// Normalization, then `activation`, then what reads it; `apart` keeps the activation from joining the normalization.
fn norm_net(activation: Activation, apart: bool, by: By) -> Vec<Vec<f64>> {
    let rng = &mut Generator::new(4);
    let x = Tensor::randn([3, 4, 5, 6], DType::F64, rng).requires_grad();
    let weight = Tensor::randn([4], DType::F64, rng).requires_grad();
    let bias = Tensor::randn([4], DType::F64, rng).requires_grad();
    let kernel = Tensor::randn([2, 4, 3, 3], DType::F64, rng).requires_grad();
    let (mean, var) = (Tensor::full(0.1, [4], DType::F64), Tensor::full(2.0, [4], DType::F64));
    let normed = match by {
        By::Batch => x.clone().batch_norm(Some(&weight), Some(&bias), 1e-5).output,
        By::Constants => x.clone().batch_norm_inference(&mean, &var, Some(&weight), Some(&bias), 1e-5),
        By::ConstantsAlone => {
            x.detach().batch_norm_inference(&mean, &var, Some(&weight.detach()), Some(&bias.detach()), 1e-5)
        }
    };
    let held = apart.then(|| normed.clone());
    let y = activation(normed).conv2d(&kernel, None, &Conv2dOptions::default());
    drop(held);
    let grads = y.clone().square().sum_all().backward();
    let of = |t: &Tensor| grads.get(t).map(|g| g.to_vec::<f64>()).unwrap_or_default();
    vec![y.to_vec(), of(&x), of(&weight), of(&bias), of(&kernel)]
}

#[test]
fn an_activation_joins_the_normalization_before_it() {
    let activations: [(&str, Activation); 5] = [
        ("relu", Tensor::relu),
        ("relu6", Tensor::relu6),
        ("narrow", |x| x.hardtanh(-0.3, 0.4)),
        ("twice", |x| x.relu().hardtanh(0.1, 0.9)),
        ("none", |x| x),
    ];
    for (name, activation) in activations {
        for by in [By::Batch, By::Constants, By::ConstantsAlone] {
            let (joined, apart) = (norm_net(activation, false, by), norm_net(activation, true, by));
            for (joined, apart) in joined.iter().zip(&apart) {
                assert_eq!(joined.len(), apart.len(), "{name}");
                let near = joined.iter().zip(apart).all(|(a, b)| (a - b).abs() <= 1e-9 * b.abs().max(1.0));
                assert!(near, "{name}, by {by:?}: {joined:?}\n{apart:?}");
            }
        }
    }
}

/// The values and gradients of `net` of an image, its normalization by a batch and another image; `apart` keeps all from joining.
fn sum_net(net: fn(Tensor, Tensor, &dyn Fn(Tensor) -> Tensor) -> Tensor, dtype: DType, apart: bool) -> Vec<Vec<f64>> {
    let rng = &mut Generator::new(6);
    let x = Tensor::randn([3, 4, 5, 6], dtype, rng).requires_grad();
    let other = Tensor::randn([3, 4, 5, 6], dtype, rng).requires_grad();
    let weight = Tensor::randn([4], dtype, rng).requires_grad();
    let bias = Tensor::randn([4], dtype, rng).requires_grad();
    let kernel = Tensor::randn([2, 4, 3, 3], dtype, rng).requires_grad();
    let held = std::cell::RefCell::new(Vec::new());
    let keep = |t: Tensor| {
        if apart {
            held.borrow_mut().push(t.clone());
        }
        t
    };
    let normed = keep(x.clone().batch_norm(Some(&weight), Some(&bias), 1e-5).output);
    let y = net(normed, other.clone(), &keep).conv2d(&kernel, None, &Conv2dOptions::default());
    let grads = y.clone().square().sum_all().backward();
    let of = |t: &Tensor| grads.get(t).map(|g| g.clone().to_dtype(DType::F64).to_vec::<f64>()).unwrap_or_default();
    vec![y.to_dtype(DType::F64).to_vec(), of(&x), of(&other), of(&weight), of(&bias), of(&kernel)]
}

#[test]
fn an_addition_joins_the_normalization_before_it() {
    type Net = fn(Tensor, Tensor, &dyn Fn(Tensor) -> Tensor) -> Tensor;
    let nets: [(&str, Net); 8] = [
        ("sum", |n, x, _| n + x),
        ("sum, the other way round", |n, x, _| x + n),
        ("sum and relu", |n, x, keep| keep(n + x).relu()),
        ("sum and relu6", |n, x, keep| keep(n + x).relu6()),
        ("two sums and relu", |n, x, keep| keep(keep(n + x.clone()) + x).relu()),
        ("two normalizations", |n, x, keep| keep(n + keep(x.batch_norm(None, None, 1e-3).output)).relu()),
        ("relu first", |n, x, keep| keep(keep(n.relu()) + x).relu()),
        ("of a constant", |n, x, keep| keep(n + x.detach()).relu()),
    ];
    for (name, net) in nets {
        // The same sums in the same order: the forward pass agrees to the bit, and a ReLU's gradient, too.
        let (joined, apart) = (sum_net(net, DType::F32, false), sum_net(net, DType::F32, true));
        assert_eq!(joined[0], apart[0], "{name}");
        let (joined, apart) = (sum_net(net, DType::F64, false), sum_net(net, DType::F64, true));
        for (joined, apart) in joined.iter().zip(&apart) {
            assert_eq!(joined.len(), apart.len(), "{name}");
            let near = joined.iter().zip(apart).all(|(a, b)| (a - b).abs() <= 1e-9 * b.abs().max(1.0));
            assert!(near, "{name}: {joined:?}\n{apart:?}");
        }
    }
}

#[test]
fn what_is_broadcast_does_not_join_a_normalization() {
    let x = Tensor::randn([2, 3, 4, 4], DType::F32, &mut Generator::new(9));
    let row = Tensor::randn([4], DType::F32, &mut Generator::new(10));
    let normed = || x.clone().batch_norm(None, None, 1e-5).output;
    let held = normed();
    let _second = held.clone();
    assert_eq!((normed() + row.clone()).to_vec::<f32>(), (held + row.clone()).to_vec::<f32>());
    assert_eq!((row.clone() + normed()).to_vec::<f32>(), (normed() + row).to_vec::<f32>());
    // NaN passes through the sum and the activation.
    let nan = Tensor::full(f64::NAN, [2, 3, 4, 4], DType::F32);
    assert!((normed() + nan).relu().to_vec::<f32>().iter().all(|x| x.is_nan()));
}

#[test]
fn a_normalization_that_two_read_is_computed_once_for_both() {
    let x = Tensor::randn([2, 3, 4, 4], DType::F64, &mut Generator::new(9)).requires_grad();
    let gradient = |join: bool| {
        let normed = x.clone().batch_norm(None, None, 1e-5).output;
        let (a, b) = (normed.clone(), normed);
        let b = if join { b } else { b + 0.0 };
        let grads = (a.relu() * b.hardtanh(-1.0, 0.5)).square().sum_all().backward();
        grads.get(&x).unwrap().to_vec::<f64>()
    };
    let (one, other) = (gradient(true), gradient(false));
    assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-12) && one.iter().any(|g| *g != 0.0));
}

/// The ops that `f` computes.
fn computed(f: impl FnOnce()) -> Vec<&'static str> {
    profile::start();
    f();
    let mut ops: Vec<_> = profile::stop().ops.into_iter().map(|op| op.op).collect();
    ops.sort_unstable();
    ops
}

#[test]
fn a_clone_and_a_shape_compute_nothing() {
    let x = Tensor::randn([2, 3, 4, 4], DType::F32, &mut Generator::new(9)).requires_grad();
    let normed = || x.clone().batch_norm(None, None, 1e-5).output;
    let y = normed();
    let looked = computed(|| {
        let copies = vec![y.clone(); 3];
        assert_eq!((y.shape(), y.rank(), y.numel(), copies[0].dtype()), (&[2, 3, 4, 4][..], 4, 96, DType::F32));
        assert_eq!(y.device().to_string(), "cpu");
        assert!(y.op_name() == Some("batch_norm") && y.has_grad());
    });
    assert_eq!(looked, [""; 0]);
    assert_eq!(
        computed(|| {
            y.realize();
        }),
        ["batch_norm"]
    );
    assert_eq!(
        computed(|| {
            y.realize();
        }),
        [""; 0]
    );
    // Held or not, the ops are the same.
    let held = normed();
    let alone = computed(|| {
        normed().relu6().realize();
    });
    let kept = computed(|| {
        held.clone().relu6().realize();
    });
    assert_eq!(alone, ["batch_norm", "batch_norm_stats"]);
    assert_eq!(kept, ["batch_norm"]);
}

#[test]
fn a_clone_held_changes_no_bit() {
    let rng = &mut Generator::new(11);
    let x = Tensor::randn([3, 5, 6, 7], DType::F32, rng).requires_grad();
    let other = Tensor::randn([3, 5, 6, 7], DType::F32, rng).requires_grad();
    let kernel = Tensor::randn([4, 5, 3, 3], DType::F32, rng).requires_grad();
    let run = |hold: bool| {
        let held = std::cell::RefCell::new(Vec::new());
        let keep = |t: Tensor| {
            held.borrow_mut().extend(hold.then(|| t.clone()));
            t
        };
        let y = keep(x.clone().batch_norm(None, None, 1e-5).output);
        let y = keep(keep(y + other.clone()).relu());
        let y = keep(keep(keep(y.conv2d(&kernel, None, &Conv2dOptions::default())).relu()).max_pool2d(2));
        let value = y.to_vec::<f32>();
        let grads = y.square().sum_all().backward();
        let of = |t: &Tensor| grads.get(t).unwrap().to_vec::<f32>();
        [value, of(&x), of(&other), of(&kernel)]
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn a_clamp_is_the_same_joined_and_by_itself() {
    let values = [-0.0f32, 0.0, f32::NAN, -1.0, 1.0, 6.0, 7.0, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE];
    let x = Tensor::from_vec(values.to_vec(), [10, 1, 1, 1]);
    let zero = Tensor::zeros([1], DType::F32);
    let one = Tensor::ones([1], DType::F32);
    // The identity: nothing is added to a variance of 1.
    let normed = || x.clone().batch_norm_inference(&zero, &one, None, Some(&Tensor::full(-0.0, [1], DType::F32)), 0.0);
    let bits = |t: Tensor| t.to_vec::<f32>().into_iter().map(|v| if v.is_nan() { u32::MAX } else { v.to_bits() });
    type Clamp = fn(Tensor) -> Tensor;
    let clamps: [Clamp; 3] = [Tensor::relu, Tensor::relu6, |t| t.hardtanh(-1.0, 0.0)];
    for clamp in clamps {
        let plain = normed();
        plain.realize();
        assert!(bits(clamp(normed())).eq(bits(clamp(plain))));
        assert!(bits(clamp(normed())).eq(bits(clamp(x.clone()))));
    }
    assert!(bits(x.clone().relu6()).eq(bits(x.clone().clamp(0.0, 6.0))));
    assert_eq!(x.clone().relu6().to_vec::<f32>()[0].to_bits(), 0);
}
