//! Three steps of every optimizer here and on the CPU.

use super::{Close, Reference, assert_close, numbers};
use crate::array::Array;
use crate::backend::{
    AdagradStep, AdamStep, Backend, LambStep, LionStep, NAdamStep, RmsPropStep, SgdStep, Update, cpu::Cpu,
};
use crate::dtype::DType;
use crate::shape::Shape;

/// What a variant of [`Update`] is tested by. A new variant needs a line here to compile.
macro_rules! every_update {
    ($($pattern:pat => $name:ident,)*) => {
        fn name_of(step: &Update) -> &'static str {
            match step {
                $($pattern => stringify!($name),)*
            }
        }
        mod every {
            $(
                #[test]
                fn $name() {
                    super::check(stringify!($name), super::$name());
                }
            )*
        }
    };
}

every_update! {
    Update::Sgd(_) => sgd,
    Update::Adam(_) => adam,
    Update::RmsProp(_) => rms_prop,
    Update::Adagrad(_) => adagrad,
    Update::NAdam(_) => nadam,
    Update::Lion(_) => lion,
    Update::LambDirection(_) => lamb_direction,
    Update::Lerp(_) => lerp,
}

/// Makes the settings of a step from its number, from 1.
type Settings = Box<dyn Fn(u64) -> Update>;

fn check(name: &str, all: Vec<Settings>) {
    assert!(!all.is_empty(), "{name} has no cases");
    for settings in all {
        assert_eq!(name_of(&settings(1)), name);
        for shape in [&[][..], &[17], &[0], &[3, 17], &[4, 3, 3, 2]] {
            for dtype in [DType::F32, DType::F64] {
                three_steps(&settings, Shape::from(shape), dtype);
            }
        }
    }
}

fn three_steps(settings: &Settings, shape: Shape, dtype: DType) {
    let mut on_cpu = numbers(shape, 1).cast(dtype);
    let mut state_on_cpu = vec![Array::full(0.0, shape, dtype); settings(1).slots()];
    let upload = |x: &Array| Reference.upload(x, None);
    let mut here = upload(&on_cpu);
    let mut state: Vec<Array> = state_on_cpu.iter().map(upload).collect();
    for step in 1..=3 {
        let (update, grad) = (settings(step), numbers(shape, 1 + step).cast(dtype));
        Cpu.update(&update, &mut on_cpu, &grad, &mut state_on_cpu);
        Reference.update(&update, &mut here, &upload(&grad), &mut state);
        let what = format!("step {step} of {update:?} on {shape}");
        assert_close(&what, &on_cpu, &here, Close::Largest);
        for (i, (on_cpu, here)) in state_on_cpu.iter().zip(&state).enumerate() {
            assert_close(&format!("state {i} after {what}"), on_cpu, here, Close::Largest);
        }
    }
}

fn sgd() -> Vec<Settings> {
    let all = [
        (0.0, 0.0, 0.0, false, false),
        (0.0, 0.0, 0.1, false, true),
        (0.9, 0.0, 0.1, false, false),
        (0.9, 0.3, 0.0, false, true),
        (0.8, 0.0, 0.2, true, false),
    ];
    let make = |(momentum, dampening, weight_decay, nesterov, maximize)| -> Settings {
        Box::new(move |step| {
            let first = step == 1;
            Update::Sgd(SgdStep { lr: 0.1, momentum, dampening, weight_decay, nesterov, first, maximize })
        })
    };
    all.into_iter().map(make).collect()
}

fn adam() -> Vec<Settings> {
    let make = |(weight_decay, decoupled)| -> Settings {
        Box::new(move |step| {
            Update::Adam(AdamStep { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay, decoupled, step })
        })
    };
    [(0.0, false), (0.1, false), (0.1, true)].into_iter().map(make).collect()
}

fn rms_prop() -> Vec<Settings> {
    let make = |(centered, momentum, weight_decay)| -> Settings {
        Box::new(move |_| {
            Update::RmsProp(RmsPropStep { lr: 0.01, alpha: 0.9, eps: 1e-3, weight_decay, momentum, centered })
        })
    };
    let all = [(false, 0.0, 0.0), (false, 0.9, 0.1), (true, 0.0, 0.1), (true, 0.8, 0.0)];
    all.into_iter().map(make).collect()
}

fn adagrad() -> Vec<Settings> {
    vec![Box::new(|_| Update::Adagrad(AdagradStep { lr: 0.1, eps: 1e-10, weight_decay: 0.1 }))]
}

fn nadam() -> Vec<Settings> {
    vec![Box::new(|step| {
        Update::NAdam(NAdamStep {
            lr_grad: 0.01 / step as f64,
            lr_mean: 0.02,
            beta1: 0.9,
            beta2: 0.99,
            correction2: 1.0 - 0.99f64.powi(step as i32),
            eps: 1e-8,
            weight_decay: 0.1,
        })
    })]
}

fn lion() -> Vec<Settings> {
    vec![Box::new(|_| Update::Lion(LionStep { lr: 0.01, beta1: 0.9, beta2: 0.98, weight_decay: 0.1 }))]
}

fn lamb_direction() -> Vec<Settings> {
    vec![Box::new(|step| {
        Update::LambDirection(LambStep { beta1: 0.9, beta2: 0.99, eps: 1e-6, weight_decay: 0.1, step })
    })]
}

fn lerp() -> Vec<Settings> {
    vec![Box::new(|_| Update::Lerp(0.1))]
}
