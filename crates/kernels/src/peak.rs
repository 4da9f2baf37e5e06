//! What this machine can do at most: multiply-adds in registers, and copies in memory.

use crate::gemm::tile::{Bf16Pair, Factor, Single};
use crate::isa::Kernel;
use crate::settings::{ComputeSettings, Precision};
use crate::simd::Simd;
use crate::target::Target;
use crate::threads::{num_threads, parallel_chunks, parallel_for};
use std::hint::black_box;
use std::marker::PhantomData;
use std::time::Instant;

/// Multiply-adds of vectors of `F` in `CHAINS` chains that do not wait for each other.
struct MultiplyAdds<F, const CHAINS: usize> {
    rounds: u32,
    factor: PhantomData<F>,
}

impl<F: Factor, const CHAINS: usize> Kernel for MultiplyAdds<F, CHAINS> {
    /// The sum of all numbers, and how many there are.
    type Output = (f32, usize);

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> (f32, usize) {
        let (x, y) = (simd.splat(black_box(F::of(0.5))), simd.splat(black_box(F::of(1.0))));
        let mut chains = [simd.splat(0.0); CHAINS];
        for _ in 0..self.rounds {
            for sum in &mut chains {
                *sum = F::mul_add(simd, x, y, *sum);
            }
        }
        (chains.into_iter().map(|x| simd.sum(x)).sum(), CHAINS * S::LANES)
    }
}

/// Runs of which the fastest counts: another program may take the processor away.
const RUNS: usize = 20;
const TASKS_PER_THREAD: usize = 8;
/// Half a millisecond's worth.
const ROUNDS: u32 = 1 << 17;

fn fastest(mut work: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..RUNS).map(time).fold(f64::INFINITY, f64::min)
}

fn multiply_adds<F: Factor, const CHAINS: usize>() -> f64 {
    let target = Target::current();
    let work = |rounds| F::run(target, MultiplyAdds::<F, CHAINS> { rounds, factor: PhantomData });
    let (_, numbers) = work(1);
    let tasks = TASKS_PER_THREAD * num_threads();
    let seconds = fastest(|| {
        parallel_for(tasks, |_| {
            black_box(work(ROUNDS));
        })
    });
    2e-9 * (tasks * numbers * F::COUNT) as f64 * f64::from(ROUNDS) / seconds
}

/// The most GFLOP/s of the instruction set and [`Precision`] in use on [`num_threads`] threads: multiply-adds that touch no memory, each of which counts
/// as two operations.
pub fn gflops() -> f64 {
    // Twelve keep two units of latency five busy; six leave registers free where an instruction set has few or splits its vectors.
    match ComputeSettings::current().precision {
        Precision::F32 => multiply_adds::<Single, 12>().max(multiply_adds::<Single, 6>()),
        Precision::Bf16 => multiply_adds::<Bf16Pair, 12>(),
    }
}

/// Numbers in each of the two arrays that are copied: far more than caches hold.
const COPIED: usize = 1 << 25;
const PART: usize = 1 << 16;

/// The GB/s of a copy of 128 MiB on [`num_threads`] threads, what is read and what is written counted once each.
pub fn copy_bandwidth() -> f64 {
    let (from, mut to) = (vec![1f32; COPIED], vec![0f32; COPIED]);
    let seconds = fastest(|| {
        parallel_chunks(&mut to, PART, |i, part| part.copy_from_slice(&from[i * PART..][..part.len()]));
        black_box(&mut to);
    });
    8e-9 * COPIED as f64 / seconds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::tests::{on_every_bf16_target, on_every_target};

    #[test]
    fn every_lane_of_every_chain_is_computed() {
        fn check<F: Factor, const CHAINS: usize>(target: Target) {
            let (sum, numbers) = F::run(target, MultiplyAdds::<F, CHAINS> { rounds: 3, factor: PhantomData });
            assert_eq!(numbers, CHAINS * target.lanes());
            assert_eq!(sum, 1.5 * (numbers * F::COUNT) as f32, "{target:?}");
        }
        on_every_target(|target| {
            check::<Single, 12>(target);
            check::<Single, 6>(target);
        });
        on_every_bf16_target(check::<Bf16Pair, 12>);
    }
}
