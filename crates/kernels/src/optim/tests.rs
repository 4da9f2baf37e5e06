use super::*;
use crate::strided::CHUNK;

fn numbers(step: u64, n: usize) -> Vec<f64> {
    (0..n).map(|i| ((i as u64 * 31 + step * 17) % 23) as f64 / 7.0 - 1.5).collect()
}

fn assert_close<T: Float>(what: &str, got: &[T], want: &[f64], tolerance: f64) {
    for (g, w) in got.iter().zip(want) {
        assert!((g.to_f64() - w).abs() <= tolerance * w.abs().max(1.0), "{what}: {g}, expected {w}");
    }
}

/// One step of one element in `f64`, by the formulas of the papers.
fn reference(update: &Update, step: u64, p: &mut f64, g: f64, s: &mut [f64]) {
    match *update {
        Update::Sgd(h) => {
            let g = if h.maximize { -g } else { g } + h.weight_decay * *p;
            let mut direction = g;
            if h.momentum != 0.0 {
                s[0] = if step == 1 { g } else { h.momentum * s[0] + (1.0 - h.dampening) * g };
                direction = if h.nesterov { g + h.momentum * s[0] } else { s[0] };
            }
            *p -= h.lr * direction;
        }
        Update::Adam(h) => {
            let mut g = g;
            if h.decoupled {
                *p *= 1.0 - h.lr * h.weight_decay;
            } else {
                g += h.weight_decay * *p;
            }
            s[0] = h.beta1 * s[0] + (1.0 - h.beta1) * g;
            s[1] = h.beta2 * s[1] + (1.0 - h.beta2) * g * g;
            let m = s[0] / (1.0 - h.beta1.powi(step as i32));
            let v = s[1] / (1.0 - h.beta2.powi(step as i32));
            *p -= h.lr * m / (v.sqrt() + h.eps);
        }
        Update::RmsProp(h) => {
            let g = g + h.weight_decay * *p;
            s[0] = h.alpha * s[0] + (1.0 - h.alpha) * g * g;
            let mut square = s[0];
            if h.centered {
                s[1] = h.alpha * s[1] + (1.0 - h.alpha) * g;
                square -= s[1] * s[1];
            }
            let mut d = g / (square.max(0.0).sqrt() + h.eps);
            if h.momentum != 0.0 {
                let last = s.last_mut().unwrap();
                *last = h.momentum * *last + d;
                d = *last;
            }
            *p -= h.lr * d;
        }
        Update::Adagrad(h) => {
            let g = g + h.weight_decay * *p;
            s[0] += g * g;
            *p -= h.lr * g / (s[0].sqrt() + h.eps);
        }
        Update::NAdam(h) => {
            let g = g + h.weight_decay * *p;
            s[0] = h.beta1 * s[0] + (1.0 - h.beta1) * g;
            s[1] = h.beta2 * s[1] + (1.0 - h.beta2) * g * g;
            *p -= (h.lr_grad * g + h.lr_mean * s[0]) / ((s[1] / h.correction2).sqrt() + h.eps);
        }
        Update::Lion(h) => {
            let c = h.beta1 * s[0] + (1.0 - h.beta1) * g;
            *p -= h.lr * (if c == 0.0 { 0.0 } else { c.signum() } + h.weight_decay * *p);
            s[0] = h.beta2 * s[0] + (1.0 - h.beta2) * g;
        }
        Update::LambDirection(h) => {
            s[0] = h.beta1 * s[0] + (1.0 - h.beta1) * g;
            s[1] = h.beta2 * s[1] + (1.0 - h.beta2) * g * g;
            let m = s[0] / (1.0 - h.beta1.powi(step as i32));
            let v = s[1] / (1.0 - h.beta2.powi(step as i32));
            s[2] = m / (v.sqrt() + h.eps) + h.weight_decay * *p;
        }
        Update::Lerp(fraction) => *p = (1.0 - fraction) * *p + fraction * g,
    }
}

/// Compares four steps with the reference, from a state that is all `start`.
fn check<T: Float>(make: impl Fn(u64) -> Update, start: f64, tolerance: f64) {
    for n in [0, 1, 3, 17, CHUNK + 5] {
        let slots = make(1).slots();
        let mut want = numbers(9, n);
        let mut want_state = vec![vec![start; n]; slots];
        let mut param: Vec<T> = want.iter().map(|&x| T::from_f64(x)).collect();
        let mut state = vec![vec![T::from_f64(start); n]; slots];
        for step in 1..=4 {
            let (h, g) = (make(step), numbers(step, n));
            let grad: Vec<T> = g.iter().map(|&x| T::from_f64(x)).collect();
            update(&h, &mut param, &grad, state.iter_mut().map(|s| &mut s[..]).collect());
            for i in 0..n {
                let mut own: Vec<f64> = want_state.iter().map(|s| s[i]).collect();
                reference(&h, step, &mut want[i], g[i], &mut own);
                want_state.iter_mut().zip(own).for_each(|(s, x)| s[i] = x);
            }
        }
        let what = format!("{:?}", make(1));
        assert_close(&what, &param, &want, tolerance);
        for (got, want) in state.iter().zip(&want_state) {
            assert_close(&what, got, want, tolerance);
        }
    }
}

#[test]
fn sgd_matches_the_reference() {
    for (momentum, dampening, weight_decay, nesterov, maximize) in [
        (0.0, 0.0, 0.0, false, false),
        (0.0, 0.0, 0.1, false, true),
        (0.9, 0.0, 0.1, false, false),
        (0.9, 0.3, 0.0, false, true),
        (0.8, 0.0, 0.2, true, false),
    ] {
        let make = |step| {
            let first = step == 1;
            Update::Sgd(SgdStep { lr: 0.1, momentum, dampening, weight_decay, nesterov, first, maximize })
        };
        // The first step must not read the velocity.
        check::<f32>(make, f64::NAN, 1e-6);
        check::<f64>(make, f64::NAN, 1e-14);
    }
}

#[test]
fn adam_matches_the_reference() {
    for (weight_decay, decoupled) in [(0.0, false), (0.1, false), (0.1, true)] {
        let make = |step| {
            Update::Adam(AdamStep { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay, decoupled, step })
        };
        check::<f32>(make, 0.0, 1e-6);
        check::<f64>(make, 0.0, 1e-12);
    }
}

#[test]
fn rmsprop_matches_the_reference() {
    for (centered, momentum, weight_decay) in [(false, 0.0, 0.0), (false, 0.9, 0.1), (true, 0.0, 0.1), (true, 0.8, 0.0)]
    {
        let make =
            |_| Update::RmsProp(RmsPropStep { lr: 0.01, alpha: 0.9, eps: 1e-3, weight_decay, momentum, centered });
        check::<f32>(make, 0.0, 1e-5);
        check::<f64>(make, 0.0, 1e-12);
    }
}

#[test]
fn the_others_match_the_reference() {
    let updates: [fn(u64) -> Update; 5] = [
        |_| Update::Adagrad(AdagradStep { lr: 0.1, eps: 1e-10, weight_decay: 0.1 }),
        |step| {
            Update::NAdam(NAdamStep {
                lr_grad: 0.01 / step as f64,
                lr_mean: 0.02,
                beta1: 0.9,
                beta2: 0.99,
                correction2: 1.0 - 0.99f64.powi(step as i32),
                eps: 1e-8,
                weight_decay: 0.1,
            })
        },
        |_| Update::Lion(LionStep { lr: 0.01, beta1: 0.9, beta2: 0.98, weight_decay: 0.1 }),
        |step| Update::LambDirection(LambStep { beta1: 0.9, beta2: 0.99, eps: 1e-6, weight_decay: 0.1, step }),
        |_| Update::Lerp(0.1),
    ];
    for make in updates {
        check::<f32>(make, 0.0, 1e-5);
        check::<f64>(make, 0.0, 1e-12);
    }
}

/// Results of PyTorch 2.15 in f64, from these gradients.
#[test]
fn three_steps_end_where_pytorch_does() {
    const GRADS: [[f64; 2]; 3] = [[0.5, -1.0], [0.25, 3.0], [-1.0, 0.125]];
    for (momentum, dampening, weight_decay, nesterov, want) in [
        (0.9, 0.3, 0.1, false, [0.8556145599999999, -2.04376412]),
        (0.8, 0.0, 0.2, true, [0.8426103039999999, -2.179040608]),
    ] {
        let (mut p, mut velocity) = ([1.0, -2.0], [0.0; 2]);
        for (i, grad) in GRADS.iter().enumerate() {
            let first = i == 0;
            let h = SgdStep { lr: 0.1, momentum, dampening, weight_decay, nesterov, first, maximize: false };
            update(&Update::Sgd(h), &mut p, grad, vec![&mut velocity]);
        }
        assert_close("sgd", &p, &want, 1e-14);
    }
    for (decoupled, want) in
        [(false, [0.8120982607786772, -1.9732507475776464]), (true, [0.8006389224608368, -1.9322085175864672])]
    {
        let (mut p, mut m, mut v) = ([1.0, -2.0], [0.0; 2], [0.0; 2]);
        for (step, grad) in (1..).zip(&GRADS) {
            let h = AdamStep { lr: 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1, decoupled, step };
            update(&Update::Adam(h), &mut p, grad, vec![&mut m, &mut v]);
        }
        assert_close("adam", &p, &want, 1e-14);
    }
}

/// A gradient that never changes has no variance, and rounding must not make a NaN of it.
#[test]
fn a_constant_gradient_is_centered_without_a_nan() {
    let h = RmsPropStep { lr: 0.01, alpha: 0.99, eps: 1e-8, weight_decay: 0.0, momentum: 0.0, centered: true };
    let (mut p, mut square, mut mean) = (vec![0.0f32; 64], vec![0.0; 64], vec![0.0; 64]);
    let g: Vec<f32> = (0..64).map(|i| 0.1 + i as f32 * 0.37).collect();
    for _ in 0..3000 {
        update(&Update::RmsProp(h), &mut p, &g, vec![&mut square, &mut mean]);
    }
    assert!(p.iter().all(|p| p.is_finite()));
}
