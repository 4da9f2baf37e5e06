//! Where a thread's time goes, by phase and op.
//!
//! ```
//! use striate_tensor::{DType, Tensor, profile};
//! profile::start();
//! profile::phase("forward");
//! let x = Tensor::zeros([8, 8], DType::F32).exp();
//! let profile = profile::stop();
//! assert_eq!((profile.ops[0].phase, profile.ops[0].op, profile.ops[0].calls), ("forward", "exp", 1));
//! ```

use std::cell::RefCell;
use std::collections::HashMap;
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
    pub op: &'static str,
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
    ops: HashMap<(usize, &'static str), (u64, Duration)>,
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
    let op =
        |((phase, op), (calls, time)): ((usize, &'static str), _)| OpTime { phase: phases[phase].0, op, calls, time };
    let mut ops: Vec<OpTime> = recording.ops.into_iter().map(op).collect();
    ops.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| (a.phase, a.op).cmp(&(b.phase, b.op))));
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

    fn add(&mut self, op: &'static str, time: Duration, outer: Duration) {
        let (calls, sum) = self.ops.entry((self.current, op)).or_default();
        *calls += 1;
        *sum += time.saturating_sub(self.inner);
        self.inner = outer + time;
    }
}

/// What `run` gives, timed under the op's name if this thread is profiled.
pub(crate) fn timed<R>(op: &'static str, run: impl FnOnce() -> R) -> R {
    if !is_on() {
        return run();
    }
    let Some(outer) = with_recording(|r| std::mem::take(&mut r.inner)) else { return run() };
    let start = Instant::now();
    let result = run();
    let time = start.elapsed();
    with_recording(|r| r.add(op, time, outer));
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Tensor};

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
        for op in ["add", "matmul", "sigmoid"] {
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
        timed("outer", || timed("inner", || std::thread::sleep(Duration::from_millis(5))));
        let profile = stop();
        let time = |op: &str| profile.ops.iter().find(|o| o.op == op).unwrap().time;
        assert!(time("inner") >= Duration::from_millis(5) && time("outer") < time("inner"));
        let ops: Duration = profile.ops.iter().map(|o| o.time).sum();
        assert!(ops <= profile.phases.iter().map(|p| p.1).sum());
    }
}
