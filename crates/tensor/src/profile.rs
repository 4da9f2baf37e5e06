//! Where a thread's time goes, by phase and op.
//!
//! ```
//! use striate_tensor::{DType, Tensor, profile};
//! profile::start();
//! profile::phase("forward");
//! let x = Tensor::zeros([8, 8], DType::F32).exp();
//! let profile = profile::stop();
//! assert_eq!((profile.ops[0].phase, profile.ops[0].op.as_str(), profile.ops[0].calls), ("forward", "exp", 1));
//! ```

use crate::array::Array;
use crate::backend::cpu::Cpu;
use crate::backend::{
    Backend, Binary, Clamp, Compare, Conv2dOptions, GroupNormed, Input, Pool2dOptions, Reduce, Statistics, Taps, Unary,
    Update,
};
use crate::device::Device;
use crate::dtype::DType;
use crate::shape::Shape;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many threads are profiled.
static PROFILED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static CURRENT: RefCell<Option<Recording>> = const { RefCell::new(None) };
}

/// What an op took in a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpTime {
    /// The phase.
    pub phase: &'static str,
    /// The op.
    pub op: String,
    /// How often it ran.
    pub calls: u64,
    /// How long it ran in all, ops within it excluded.
    pub time: Duration,
}

/// Where the time went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Phases and how long they took, in the order in which they first came.
    pub phases: Vec<(&'static str, Duration)>,
    /// Ops, the longest first.
    pub ops: Vec<OpTime>,
}

struct Recording {
    phases: Vec<(&'static str, Duration)>,
    current: usize,
    since: Instant,
    ops: HashMap<(usize, String), (u64, Duration)>,
    /// What ops within the one that runs have taken.
    inner: Duration,
}

/// The phase before the first call of [`phase`].
pub const REST: &str = "rest";

/// Counts what ops this thread runs on the CPU from now on, and for how long.
pub fn start() {
    let recording = Recording {
        phases: vec![(REST, Duration::ZERO)],
        current: 0,
        since: Instant::now(),
        ops: HashMap::new(),
        inner: Duration::ZERO,
    };
    if CURRENT.replace(Some(recording)).is_none() {
        PROFILED.fetch_add(1, Ordering::Relaxed);
    }
}

/// From now on time counts for the phase of this name. Without effect on a thread that is not profiled.
pub fn phase(name: &'static str) {
    if is_on() {
        with_recording(|r| r.switch(name));
    }
}

/// Ends what [`start`] has begun. Empty if that was never called on this thread.
pub fn stop() -> Profile {
    let Some(mut recording) = CURRENT.take() else { return Profile::default() };
    PROFILED.fetch_sub(1, Ordering::Relaxed);
    recording.switch(REST);
    let phases = recording.phases;
    let op = |((phase, op), (calls, time)): ((usize, String), _)| OpTime { phase: phases[phase].0, op, calls, time };
    let mut ops: Vec<OpTime> = recording.ops.into_iter().map(op).collect();
    ops.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| (a.phase, &a.op).cmp(&(b.phase, &b.op))));
    Profile { phases, ops }
}

/// Whether any thread is profiled.
pub(crate) fn is_on() -> bool {
    PROFILED.load(Ordering::Relaxed) > 0
}

fn with_recording<R>(f: impl FnOnce(&mut Recording) -> R) -> Option<R> {
    CURRENT.with(|current| current.borrow_mut().as_mut().map(f))
}

impl Recording {
    fn switch(&mut self, name: &'static str) {
        let now = Instant::now();
        self.phases[self.current].1 += now - self.since;
        self.since = now;
        self.current = self.phases.iter().position(|(n, _)| *n == name).unwrap_or_else(|| {
            self.phases.push((name, Duration::ZERO));
            self.phases.len() - 1
        });
    }

    fn add(&mut self, op: String, time: Duration, outer: Duration) {
        let (calls, sum) = self.ops.entry((self.current, op)).or_default();
        *calls += 1;
        *sum += time.saturating_sub(self.inner);
        self.inner = outer + time;
    }
}

fn timed<R>(op: impl FnOnce() -> String, run: impl FnOnce() -> R) -> R {
    let Some(outer) = with_recording(|r| std::mem::take(&mut r.inner)) else { return run() };
    let start = Instant::now();
    let result = run();
    let time = start.elapsed();
    with_recording(|r| r.add(op(), time, outer));
    result
}

/// `add_scalar` of `AddScalar(1.0)`
fn snake_case(op: &impl Debug) -> String {
    let text = format!("{op:?}");
    let mut name = String::new();
    for c in text.chars().take_while(char::is_ascii_alphanumeric) {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// The CPU, with every op timed.
pub(crate) struct Profiled;

macro_rules! timed {
    ($($op:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        $(fn $op(&self, $($arg: $type),*) $(-> $result)? {
            timed(|| stringify!($op).to_string(), || Cpu.$op($($arg),*))
        })*
    };
}

impl Backend for Profiled {
    fn device(&self) -> Device {
        Cpu.device()
    }
    fn unary(&self, op: Unary, x: Array) -> Array {
        let name = || match op {
            Unary::Activation(a) => a.name().to_string(),
            _ => snake_case(&op),
        };
        timed(name, || Cpu.unary(op, x))
    }
    fn binary(&self, op: Binary, a: Array, b: Array) -> Array {
        timed(|| snake_case(&op), || Cpu.binary(op, a, b))
    }
    fn reduce(&self, op: Reduce, x: Array, dims: &[usize]) -> Array {
        timed(|| snake_case(&op), || Cpu.reduce(op, x, dims))
    }
    fn resample(&self, op: &'static str, x: Array, steps: &[(usize, Taps)]) -> Array {
        timed(|| op.to_string(), || Cpu.resample(op, x, steps))
    }
    fn update(&self, step: &Update, param: &mut Array, grad: &Array, state: &mut [Array]) {
        timed(|| step.name().to_string(), || Cpu.update(step, param, grad, state))
    }
    timed! {
        upload(x: &Array, tag: Option<u64>) -> Array;
        reshape(x: Array, shape: Shape) -> Array;
        permute(x: Array, order: &[usize]) -> Array;
        expand(x: Array, shape: Shape) -> Array;
        narrow(x: Array, dim: usize, start: usize, len: usize) -> Array;
        cat(xs: &[Array], dim: usize) -> Array;
        pad(x: Array, padding: &[[usize; 2]], value: f64) -> Array;
        cast(x: Array, dtype: DType) -> Array;
        compare(op: Compare, a: Array, b: Array) -> Array;
        select(condition: Array, a: Array, b: Array) -> Array;
        argmax(x: Array, dim: usize) -> Array;
        argmin(x: Array, dim: usize) -> Array;
        argsort(x: Array, dim: usize, descending: bool) -> Array;
        cumsum(x: Array, dim: usize, reverse: bool) -> Array;
        matmul(a: Array, b: Array) -> Array;
        linear(x: Array, weight: Array, bias: Option<Array>) -> Array;
        gather(x: Array, dim: usize, index: Array) -> Array;
        scatter_add(grad: Array, dim: usize, index: Array, shape: Shape) -> Array;
        index_select(x: Array, dim: usize, index: Array) -> Array;
        index_add(grad: Array, dim: usize, index: Array, shape: Shape) -> Array;
        conv2d(x: Input, weight: Array, bias: Option<Array>, options: &Conv2dOptions) -> Array;
        conv2d_finished(x: Input, weight: Array, bias: Option<Array>, options: &Conv2dOptions, norm: Option<Statistics>, clamp: Option<Clamp>) -> Array;
        conv2d_max_pool2(x: Input, weight: Array, bias: Option<Array>, options: &Conv2dOptions, clamp: Option<Clamp>) -> Array;
        conv2d_input_grad(grad: Array, weight: Array, before_relu: Option<Array>, input: Shape, options: &Conv2dOptions) -> Array;
        conv2d_weight_grad(x: Input, grad: Array, weight: Shape, options: &Conv2dOptions) -> Array;
        max_pool2d(x: Input, options: &Pool2dOptions) -> (Array, Array);
        max_pool2d_grad(grad: Array, position: Array, input: Shape, options: &Pool2dOptions) -> Array;
        avg_pool2d(x: Array, options: &Pool2dOptions) -> Array;
        avg_pool2d_grad(grad: Array, input: Shape, options: &Pool2dOptions) -> Array;
        batch_norm_stats(x: &Array) -> [Array; 2];
        batch_norm_fixed(x: Array, statistics: Statistics, added: Option<Array>, clamp: Option<Clamp>) -> Array;
        batch_norm_grad(grad: Array, x: Array, statistics: Statistics, clamp: Option<Clamp>, own: bool) -> [Array; 3];
        group_norm(x: Array, groups: usize, weight: Option<Array>, bias: Option<Array>, eps: f64) -> GroupNormed;
        group_norm_grad(grad: Array, x: Array, mean: Array, var: Array, weight: Option<Array>, eps: f64) -> [Array; 3];
        softmax(x: Array, dim: usize, log: bool) -> Array;
        softmax_grad(y: Array, grad: Array, dim: usize, log: bool) -> Array;
        cross_entropy(logits: Array, target: Array) -> (Array, Array);
        cross_entropy_grad(log_probs: Array, target: Array, grad: Array) -> Array;
        is_finite(x: &Array) -> bool;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;

    fn calls(profile: &Profile, phase: &str, op: &str) -> u64 {
        profile.ops.iter().filter(|o| o.phase == phase && o.op == op).map(|o| o.calls).sum()
    }

    #[test]
    fn ops_count_for_their_phase_and_thread() {
        let x = Tensor::rand_uniform([4, 4], 0.0, 1.0, DType::F32, &mut crate::Generator::new(0));
        let work = || drop((x.clone() + 1.0).matmul(&x).sigmoid());
        assert_eq!(stop(), Profile::default());
        start();
        work();
        phase("twice");
        work();
        std::thread::scope(|s| s.spawn(work).join().unwrap());
        phase(REST);
        phase("twice");
        work();
        let profile = stop();
        work();
        for op in ["add_scalar", "matmul", "sigmoid"] {
            assert_eq!((calls(&profile, REST, op), calls(&profile, "twice", op)), (1, 2), "{op}: {profile:?}");
        }
        let names: Vec<_> = profile.phases.iter().map(|p| p.0).collect();
        assert_eq!(names, [REST, "twice"]);
        assert_eq!(stop(), Profile::default());
    }

    /// The sum of all ops is never more than the phases, so nothing counts twice.
    #[test]
    fn an_op_within_another_counts_once() {
        start();
        timed(|| "outer".into(), || timed(|| "inner".into(), || std::thread::sleep(Duration::from_millis(5))));
        let profile = stop();
        let time = |op: &str| profile.ops.iter().find(|o| o.op == op).unwrap().time;
        assert!(time("inner") >= Duration::from_millis(5) && time("outer") < time("inner"));
        let ops: Duration = profile.ops.iter().map(|o| o.time).sum();
        assert!(ops <= profile.phases.iter().map(|p| p.1).sum());
    }

    #[test]
    fn names_are_the_ops() {
        assert_eq!(snake_case(&Unary::MulScalar(2.0)), "mul_scalar");
        assert_eq!(snake_case(&Reduce::Mean), "mean");
    }
}
