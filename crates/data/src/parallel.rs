//! Work on several threads that one thread could do as well.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use striate_tensor::ComputeSettings;

/// `work` of each number below `n`, in order. The calling thread takes part; a thread that the system does not give is done without. All have the
/// caller's [`ComputeSettings`].
pub fn map<T: Send>(n: usize, threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n {
                return done;
            }
            done.push((i, work(i)));
        }
    };
    let mut all = thread::scope(|scope| {
        let settings = ComputeSettings::current();
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, move || settings.scope(run)).ok();
        let helpers: Vec<_> = (1..threads.min(n)).map_while(spawn).collect();
        let mut all = run();
        for helper in helpers {
            all.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    });
    all.sort_unstable_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, done)| done).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_have_the_callers_settings() {
        let own = ComputeSettings { threads: Some(5), winograd: false, ..ComputeSettings::default() };
        let seen = own.scope(|| map(100, 4, |_| ComputeSettings::current()));
        assert_eq!(seen, vec![own; 100]);
    }

    #[test]
    fn every_number_is_worked_on_once_and_in_order() {
        for threads in [0, 1, 2, 7] {
            for n in [0, 1, 5, 100] {
                assert_eq!(map(n, threads, |i| i * i), (0..n).map(|i| i * i).collect::<Vec<_>>());
            }
        }
    }
}
