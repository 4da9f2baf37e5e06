//! The thread pool: one parallel loop, run by the caller and a few helper threads.
//!
//! Each thread begins with its own share of neighbouring tasks, the same one in every loop: what it wrote in one loop is in its cache in the next.
//! A thread that is done takes tasks of the others, from the end of their shares. So which thread runs which task is left to chance; what the tasks are is
//! not. A task must therefore write only what belongs to its index, and no sum may depend on how many tasks or threads there are, so that results are
//! the same on any number of threads.

use crate::settings::ComputeSettings;
use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, OnceLock};

/// How often an idle helper looks for work before it goes to sleep: a few tens of microseconds.
const SPINS: u32 = 4000;
/// The same while a network is running: some milliseconds.
const SPINS_IN_RUN: u32 = 100 * SPINS;

/// The most shares that tasks are cut into; more threads only take tasks of others.
const MAX_SHARES: usize = 64;

type Task = dyn Fn(usize) + Sync;

/// The tasks that a thread begins with and nobody has taken yet, on a cache line of its own: the first in the low half, the end in the high half.
#[derive(Default)]
#[repr(align(128))]
struct Share(AtomicU64);

impl Share {
    fn set(&self, tasks: Range<usize>) {
        self.0.store(tasks.start as u64 | (tasks.end as u64) << 32, Ordering::Relaxed);
    }

    fn take(&self, of: impl Fn(u64, u64) -> (usize, u64)) -> Option<usize> {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let (first, end) = (seen & 0xFFFF_FFFF, seen >> 32);
            if first >= end {
                return None;
            }
            let (task, rest) = of(first, end);
            match self.0.compare_exchange_weak(seen, rest, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(task),
                Err(other) => seen = other,
            }
        }
    }

    fn first(&self) -> Option<usize> {
        self.take(|first, end| (first as usize, (first + 1) | end << 32))
    }

    fn last(&self) -> Option<usize> {
        self.take(|first, end| (end as usize - 1, first | (end - 1) << 32))
    }
}

#[derive(Clone, Copy)]
struct Job {
    task: *const Task,
    helpers: usize,
    /// Those of the caller.
    settings: ComputeSettings,
}
// SAFETY: the task is `Sync`, and `run` keeps it alive until every helper is done with it.
unsafe impl Send for Job {}

#[derive(Default)]
struct State {
    job: Option<Job>,
    spawned: usize,
    /// Helpers that wait for `wake`.
    asleep: usize,
    /// Whether the caller waits for `done`.
    waits: bool,
    panic: Option<Box<dyn Any + Send>>,
}

struct Pool {
    /// Held by the thread whose loop the pool is running.
    owner: Mutex<()>,
    state: Mutex<State>,
    wake: Condvar,
    done: Condvar,
    /// Counts jobs, so that a spinning helper sees a new one without taking the lock.
    generation: AtomicUsize,
    /// Those of the caller, of the first helper, and so on; the rest are empty.
    shares: [Share; MAX_SHARES],
    busy: AtomicUsize,
}

impl Default for Pool {
    fn default() -> Self {
        Pool {
            owner: Mutex::default(),
            state: Mutex::default(),
            wake: Condvar::default(),
            done: Condvar::default(),
            generation: AtomicUsize::new(0),
            shares: std::array::from_fn(|_| Share::default()),
            busy: AtomicUsize::new(0),
        }
    }
}

static POOL: OnceLock<Pool> = OnceLock::new();
/// What the process may use, found once.
static AVAILABLE: OnceLock<usize> = OnceLock::new();

/// The number of threads that the calling thread's parallel loops use: that of its [`ComputeSettings`], or else what the process
/// may use, by its cgroup's CPU quota and its CPU affinity, not the host's core count.
pub fn num_threads() -> usize {
    threads_of(ComputeSettings::current())
}

fn threads_of(settings: ComputeSettings) -> usize {
    settings.threads.unwrap_or_else(available)
}

fn available() -> usize {
    *AVAILABLE.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
}

/// The number of threads that a parallel loop of the calling thread keeps busy: not more than the process may use, for threads that wait for a processor hold up
/// the others, and shared among the runs that are going on.
pub(crate) fn busy_threads() -> usize {
    let wanted = threads_of(ComputeSettings::current());
    // Tests run with more threads than the machine has.
    let most = if cfg!(test) { wanted } else { wanted.min(available()) };
    most.div_ceil(RUNS.load(Ordering::Relaxed).max(1)).max(1)
}

/// How many there are of [`Running`].
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// While it lives, a network is running: helpers stay awake between its parallel loops, and several that run at once share the threads.
pub struct Running(());

impl Running {
    /// Begins a run.
    pub fn begin() -> Running {
        RUNS.fetch_add(1, Ordering::Relaxed);
        Running(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sets the number of threads of every later parallel loop of the calling thread.
///
/// # Panics
/// If `n` is zero.
pub fn set_num_threads(n: usize) {
    ComputeSettings { threads: Some(n), ..ComputeSettings::current() }.set();
}

/// Calls `task(0)` to `task(tasks - 1)`, each once, in any order, on several threads; returns when all are done.
///
/// Inside a task, and while another thread's loop is running, the loop runs on the calling thread alone. All tasks have the caller's
/// [`ComputeSettings`].
///
/// # Panics
/// With the panic of a task, after all threads have stopped.
pub fn parallel_for(tasks: usize, task: impl Fn(usize) + Sync) {
    if tasks == 0 {
        return;
    }
    let _flush = FlushDenormals::set();
    let settings = ComputeSettings::current();
    let helpers = busy_threads().min(tasks) - 1;
    if helpers > 0 && u32::try_from(tasks).is_ok() {
        let pool = POOL.get_or_init(Pool::default);
        if let Ok(_owner) = pool.owner.try_lock() {
            return pool.run(tasks, helpers, settings, &task);
        }
    }
    (0..tasks).for_each(task);
}

/// Splits `out` into parts of `chunk` values (the last may be shorter) and calls `task(i, part)` for each, in parallel.
pub fn parallel_chunks<T: Send>(out: &mut [T], chunk: usize, task: impl Fn(usize, &mut [T]) + Sync) {
    let len = out.len();
    let base = SendPtr(out.as_mut_ptr());
    parallel_for(len.div_ceil(chunk.max(1)), |i| {
        let start = i * chunk;
        let part = chunk.min(len - start);
        // SAFETY: the parts of different tasks do not overlap and lie within `out`, which is borrowed exclusively.
        task(i, unsafe { std::slice::from_raw_parts_mut(base.get().add(start), part) });
    });
}

/// A pointer that tasks may share; each must touch only its own part.
pub(crate) struct SendPtr<T>(pub *mut T);
// SAFETY: the tasks that share it promise to keep to their own parts.
unsafe impl<T: Send> Send for SendPtr<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SendPtr<T> {}
impl<T> SendPtr<T> {
    #[inline(always)]
    pub(crate) fn get(&self) -> *mut T {
        self.0
    }
}

impl Pool {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn run(&'static self, tasks: usize, helpers: usize, settings: ComputeSettings, task: &(dyn Fn(usize) + Sync + '_)) {
        // SAFETY: only the lifetime is changed; this function returns after the last helper has left the job.
        let task: &'static Task = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync + '_), &'static Task>(task) };
        let shares = (helpers + 1).min(MAX_SHARES);
        for (i, share) in self.shares[..shares].iter().enumerate() {
            share.set(tasks * i / shares..tasks * (i + 1) / shares);
        }
        let asleep = {
            let mut state = self.lock();
            while state.spawned < helpers {
                let number = state.spawned + 1;
                let spawned =
                    std::thread::Builder::new().name(format!("striate-{number}")).spawn(move || self.help(number));
                if spawned.is_err() {
                    break;
                }
                state.spawned += 1;
            }
            state.job = Some(Job { task, helpers, settings });
            self.generation.fetch_add(1, Ordering::Release);
            state.asleep
        };
        if asleep > 0 {
            self.wake.notify_all();
        }
        let mine = catch_unwind(AssertUnwindSafe(|| self.work(task, 0, shares)));
        if mine.is_err() {
            self.drop_tasks();
        }
        // No helper may join any more; those that did are waited for.
        self.lock().job = None;
        let mut spins = 0;
        while self.busy.load(Ordering::Acquire) > 0 {
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
                continue;
            }
            let mut state = self.lock();
            while self.busy.load(Ordering::Acquire) > 0 {
                state.waits = true;
                state = self.done.wait(state).unwrap_or_else(|e| e.into_inner());
            }
            state.waits = false;
        }
        let theirs = self.lock().panic.take();
        if let Some(panic) = mine.err().or(theirs) {
            resume_unwind(panic);
        }
    }

    /// The tasks of share `own`, then those that are left of the others.
    fn work(&self, task: &Task, own: usize, shares: usize) {
        if own < shares {
            while let Some(i) = self.shares[own].first() {
                task(i);
            }
        }
        for other in 1..=shares {
            while let Some(i) = self.shares[(own + other) % shares].last() {
                task(i);
            }
        }
    }

    /// So that nobody begins another task.
    fn drop_tasks(&self) {
        self.shares.iter().for_each(|share| share.set(0..0));
    }

    fn help(&self, number: usize) {
        let _flush = FlushDenormals::set();
        let mut seen = 0;
        loop {
            let mut spins = 0;
            while self.generation.load(Ordering::Acquire) == seen
                && (spins < SPINS || (spins < SPINS_IN_RUN && RUNS.load(Ordering::Relaxed) > 0))
            {
                std::hint::spin_loop();
                spins += 1;
            }
            let job = {
                let mut state = self.lock();
                while self.generation.load(Ordering::Acquire) == seen {
                    state.asleep += 1;
                    state = self.wake.wait(state).unwrap_or_else(|e| e.into_inner());
                    state.asleep -= 1;
                }
                seen = self.generation.load(Ordering::Acquire);
                match state.job {
                    Some(job) if number <= job.helpers => {
                        self.busy.fetch_add(1, Ordering::AcqRel);
                        job
                    }
                    _ => continue,
                }
            };
            job.settings.adopt();
            // SAFETY: `busy` was raised under the lock while the job was there, so `run` waits for this helper.
            let task = unsafe { &*job.task };
            let shares = (job.helpers + 1).min(MAX_SHARES);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.work(task, number, shares))) {
                self.drop_tasks();
                self.lock().panic.get_or_insert(panic);
            }
            let state = self.lock();
            if self.busy.fetch_sub(1, Ordering::AcqRel) == 1 && state.waits {
                self.done.notify_all();
            }
            drop(state);
        }
    }
}

/// While it lives, results too small to be normal numbers become zero: arithmetic on denormals is many times slower.
struct FlushDenormals {
    #[cfg(target_arch = "x86_64")]
    saved: u32,
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
impl FlushDenormals {
    fn set() -> Self {
        const FTZ_DAZ: u32 = 0x8040;
        let mut saved = 0u32;
        // SAFETY: stores the control register into `saved`.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut saved, options(nostack)) };
        let wanted = saved | FTZ_DAZ;
        if wanted != saved {
            // SAFETY: only the two flush bits change; exceptions stay masked.
            unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &wanted, options(nostack)) };
        }
        FlushDenormals { saved }
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
impl Drop for FlushDenormals {
    fn drop(&mut self) {
        // SAFETY: restores the value read in `set`.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &self.saved, options(nostack)) };
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
impl FlushDenormals {
    fn set() -> Self {
        FlushDenormals {
            #[cfg(target_arch = "x86_64")]
            saved: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once() {
        set_num_threads(3);
        for tasks in [0, 1, 2, 7, 1000] {
            let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
            parallel_for(tasks, |i| {
                counts[i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    fn loops_may_nest_and_race() {
        set_num_threads(3);
        let total = AtomicUsize::new(0);
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for _ in 0..200 {
                        parallel_for(5, |_| {
                            parallel_for(3, |_| {
                                total.fetch_add(1, Ordering::Relaxed);
                            })
                        })
                    }
                });
            }
        });
        assert_eq!(total.load(Ordering::Relaxed), 4 * 200 * 15);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        set_num_threads(3);
        for bad in [0, 50, 99] {
            let caught = catch_unwind(|| parallel_for(100, |i| assert!(i != bad, "task {bad}")));
            assert!(caught.is_err());
        }
        let n = AtomicUsize::new(0);
        parallel_for(10, |_| {
            n.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(n.load(Ordering::Relaxed), 10);
    }

    #[test]
    fn chunks_cover_the_slice() {
        let mut v = vec![0usize; 1003];
        parallel_chunks(&mut v, 100, |i, part| part.fill(i + 1));
        assert!(v.iter().enumerate().all(|(j, &x)| x == j / 100 + 1));
    }
}
