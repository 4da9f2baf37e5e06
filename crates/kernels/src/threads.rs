//! The thread pool: one parallel loop, run by the caller and a few helper threads.
//!
//! Which thread runs which task is left to chance; what the tasks are is not. A task must therefore write only
//! what belongs to its index, and the number of tasks must come from the problem's size, so that results are
//! the same on any number of threads.

use crate::settings::ComputeSettings;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, OnceLock};

/// How often an idle helper looks for work before it goes to sleep: a few tens of microseconds.
const SPINS: u32 = 4000;

type Task = dyn Fn(usize) + Sync;

#[derive(Clone, Copy)]
struct Job {
    task: *const Task,
    tasks: usize,
    helpers: usize,
    /// Those of the caller.
    settings: ComputeSettings,
}
// SAFETY: the task is `Sync`, and `run` keeps it alive until every helper is done with it.
unsafe impl Send for Job {}

#[derive(Default)]
struct State {
    job: Option<Job>,
    joined: usize,
    spawned: usize,
    panic: Option<Box<dyn Any + Send>>,
}

#[derive(Default)]
struct Pool {
    /// Held by the thread whose loop the pool is running.
    owner: Mutex<()>,
    state: Mutex<State>,
    wake: Condvar,
    done: Condvar,
    /// Counts jobs, so that a spinning helper sees a new one without taking the lock.
    generation: AtomicUsize,
    next: AtomicUsize,
    busy: AtomicUsize,
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
    let available = || std::thread::available_parallelism().map_or(1, |n| n.get());
    settings.threads.unwrap_or_else(|| *AVAILABLE.get_or_init(available))
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
    let helpers = threads_of(settings).min(tasks) - 1;
    if helpers > 0 {
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
        self.next.store(0, Ordering::Relaxed);
        {
            let mut state = self.lock();
            while state.spawned < helpers {
                let name = format!("striate-{}", state.spawned + 1);
                let spawned = std::thread::Builder::new().name(name).spawn(|| self.help());
                if spawned.is_err() {
                    break;
                }
                state.spawned += 1;
            }
            state.joined = 0;
            state.job = Some(Job { task, tasks, helpers: helpers.min(state.spawned), settings });
            self.generation.fetch_add(1, Ordering::Release);
        }
        self.wake.notify_all();
        let mine = catch_unwind(AssertUnwindSafe(|| self.work(task, tasks)));
        if mine.is_err() {
            self.next.store(tasks, Ordering::Relaxed);
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
            let state = self.lock();
            if self.busy.load(Ordering::Acquire) > 0 {
                drop(self.done.wait(state).unwrap_or_else(|e| e.into_inner()));
            }
        }
        let theirs = self.lock().panic.take();
        if let Some(panic) = mine.err().or(theirs) {
            resume_unwind(panic);
        }
    }

    fn work(&self, task: &Task, tasks: usize) {
        loop {
            let i = self.next.fetch_add(1, Ordering::Relaxed);
            if i >= tasks {
                return;
            }
            task(i);
        }
    }

    fn help(&self) {
        let _flush = FlushDenormals::set();
        let mut seen = 0;
        loop {
            let mut spins = 0;
            while self.generation.load(Ordering::Acquire) == seen && spins < SPINS {
                std::hint::spin_loop();
                spins += 1;
            }
            let job = {
                let mut state = self.lock();
                while self.generation.load(Ordering::Acquire) == seen {
                    state = self.wake.wait(state).unwrap_or_else(|e| e.into_inner());
                }
                seen = self.generation.load(Ordering::Acquire);
                match state.job {
                    Some(job) if state.joined < job.helpers => {
                        state.joined += 1;
                        self.busy.fetch_add(1, Ordering::AcqRel);
                        job
                    }
                    _ => continue,
                }
            };
            job.settings.adopt();
            // SAFETY: `busy` was raised under the lock while the job was there, so `run` waits for this helper.
            let task = unsafe { &*job.task };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.work(task, job.tasks))) {
                self.next.store(job.tasks, Ordering::Relaxed);
                self.lock().panic.get_or_insert(panic);
            }
            let state = self.lock();
            if self.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
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
