//! [`DataLoader`]: batches in an order that depends on nothing but the seed and the epoch.

use crate::collate::Collate;
use crate::dataset::Dataset;
use crate::error::DataError;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use striate_tensor::ComputeSettings;

/// Makes batches of a data set (`torch.utils.data.DataLoader`). The batches are the same for any number of workers.
#[derive(Debug)]
pub struct DataLoader<D> {
    dataset: Arc<D>,
    batch_size: usize,
    shuffle: Option<u64>,
    weights: Option<Vec<f64>>,
    limit: usize,
    drop_last: bool,
    join_single: bool,
    workers: usize,
    prefetch: usize,
}

type Made<D> = Result<<<D as Dataset>::Item as Collate>::Batch, DataError>;

impl<D: Dataset> DataLoader<D> {
    /// Batches of `batch_size` samples in the data set's order, the last one smaller if need be, made when asked for.
    ///
    /// # Panics
    /// If `batch_size` is 0.
    pub fn new(dataset: D, batch_size: usize) -> DataLoader<D> {
        assert!(batch_size > 0, "DataLoader: batch_size must be positive");
        DataLoader {
            dataset: Arc::new(dataset),
            batch_size,
            shuffle: None,
            weights: None,
            limit: usize::MAX,
            drop_last: false,
            join_single: false,
            workers: 0,
            prefetch: 2,
        }
    }

    /// In an order drawn anew for each epoch.
    pub fn shuffle(self, seed: u64) -> Self {
        DataLoader { shuffle: Some(seed), ..self }
    }

    /// Each sample drawn with a probability in proportion to its weight, as many as there are samples, some several times
    /// (`torch.utils.data.WeightedRandomSampler`). It draws by the seed of [`DataLoader::shuffle`], or 0.
    ///
    /// # Panics
    /// If there is not one weight for each sample, a weight is negative or not finite, or all are 0.
    pub fn weights(self, weights: Vec<f64>) -> Self {
        let n = self.dataset.len();
        assert!(weights.len() == n, "DataLoader: {} weights for {n} samples", weights.len());
        let right = weights.iter().all(|w| *w >= 0.0 && w.is_finite()) && (n == 0 || weights.iter().any(|w| *w > 0.0));
        assert!(right, "DataLoader: weights must be 0 or positive, and not all 0");
        DataLoader { weights: Some(weights), ..self }
    }

    /// At most `samples` in an epoch, the first of its order: with [`DataLoader::shuffle`] others each epoch.
    pub fn limit(self, samples: usize) -> Self {
        DataLoader { limit: samples, ..self }
    }

    /// Whether a last batch that is smaller is left out.
    pub fn drop_last(self, drop_last: bool) -> Self {
        DataLoader { drop_last, ..self }
    }

    /// Whether a single sample that is left over joins the batch before it, for networks that normalize over the batch. A batch of one stays where
    /// `batch_size` is 1 or there is one sample in all.
    pub fn join_single(self, join_single: bool) -> Self {
        DataLoader { join_single, ..self }
    }

    /// How many threads make batches ahead; with 0 each is made when it is asked for, and so are those of threads that the system does
    /// not give.
    pub fn workers(self, workers: usize) -> Self {
        DataLoader { workers, ..self }
    }

    /// How many batches may lie ready ahead of the one in use, besides the one that each worker is at.
    pub fn prefetch(self, prefetch: usize) -> Self {
        DataLoader { prefetch, ..self }
    }

    /// The data set.
    pub fn dataset(&self) -> &D {
        &self.dataset
    }

    /// How many batches an epoch has.
    pub fn num_batches(&self) -> usize {
        let n = self.dataset.len().min(self.limit);
        let joins = self.join_single && self.batch_size > 1 && n > self.batch_size && n % self.batch_size == 1;
        if self.drop_last || joins { n / self.batch_size } else { n.div_ceil(self.batch_size) }
    }

    /// The order of the samples in `epoch`: a Fisher–Yates shuffle by a ChaCha8 stream whose key is the seed and the epoch, or draws of
    /// that stream where samples have weights.
    pub fn order(&self, epoch: usize) -> Vec<usize> {
        let n = self.dataset.len();
        let mut order = match (&self.weights, self.shuffle) {
            (Some(weights), seed) => drawn(weights, &mut stream(seed.unwrap_or(0), epoch)),
            (None, Some(seed)) => shuffled(n, &mut stream(seed, epoch)),
            (None, None) => (0..n).collect(),
        };
        order.truncate(self.limit);
        order
    }
}

fn stream(seed: u64, epoch: usize) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(epoch as u64).to_le_bytes());
    key[16..23].copy_from_slice(b"shuffle");
    ChaCha8Rng::from_seed(key)
}

/// The numbers below `n` in an order that is as likely as any other.
fn shuffled(n: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, below(rng, i as u64 + 1) as usize);
    }
    order
}

/// As many draws as there are weights, with probabilities in proportion to them.
fn drawn(weights: &[f64], rng: &mut ChaCha8Rng) -> Vec<usize> {
    let up_to: Vec<f64> = weights
        .iter()
        .scan(0.0, |sum, w| {
            *sum += w;
            Some(*sum)
        })
        .collect();
    let total = up_to.last().copied().unwrap_or(0.0);
    // The last that can be drawn, should rounding lead beyond it.
    let last = weights.iter().rposition(|w| *w > 0.0).unwrap_or(0);
    let uniform = |rng: &mut ChaCha8Rng| (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    weights.iter().map(|_| uniform(rng) * total).map(|x| up_to.partition_point(|&u| u <= x).min(last)).collect()
}

/// A number below `n`, each as likely (Lemire, "Fast random integer generation in an interval", 2019).
fn below(rng: &mut ChaCha8Rng, n: u64) -> u64 {
    loop {
        let product = rng.next_u64() as u128 * n as u128;
        if product as u64 >= n.wrapping_neg() % n {
            return (product >> 64) as u64;
        }
    }
}

impl<D: Dataset + 'static> DataLoader<D> {
    /// The batches of `epoch`.
    pub fn epoch(&self, epoch: usize) -> Epoch<D> {
        self.epoch_from(epoch, 0)
    }

    /// The batches of `epoch` from number `first_batch` on.
    pub fn epoch_from(&self, epoch: usize, first_batch: usize) -> Epoch<D> {
        let batches = self.num_batches();
        let plan = Arc::new(Plan {
            dataset: self.dataset.clone(),
            order: self.order(epoch),
            batch_size: self.batch_size,
            last: (self.join_single && !self.drop_last).then(|| batches.saturating_sub(1)),
            epoch,
        });
        let workers = self.workers.min(batches.saturating_sub(first_batch));
        let workers = (0..workers)
            .map(|w| Worker::start(plan.clone(), first_batch + w..batches, workers, self.prefetch))
            .collect();
        Epoch { plan, next: first_batch, first: first_batch, end: batches, workers }
    }
}

/// What the batches of one epoch are made of.
struct Plan<D> {
    dataset: Arc<D>,
    order: Vec<usize>,
    batch_size: usize,
    /// The batch that takes all that is left, if one does.
    last: Option<usize>,
    epoch: usize,
}

impl<D: Dataset> Plan<D> {
    fn make(&self, batch: usize) -> Made<D> {
        let start = batch * self.batch_size;
        let end = match self.last {
            Some(last) if last == batch => self.order.len(),
            _ => (start + self.batch_size).min(self.order.len()),
        };
        self.dataset.batch_in(self.epoch, &self.order[start..end])
    }
}

/// A thread that makes every n-th batch, with the [`ComputeSettings`] of the thread that started it.
struct Worker<D: Dataset> {
    batches: Option<Receiver<Made<D>>>,
    thread: Option<JoinHandle<()>>,
}

impl<D: Dataset + 'static> Worker<D> {
    /// None where the system gives no thread.
    fn start(plan: Arc<Plan<D>>, batches: Range<usize>, workers: usize, prefetch: usize) -> Option<Worker<D>> {
        let (sender, receiver) = sync_channel(prefetch / workers);
        let settings = ComputeSettings::current();
        let work = move || {
            settings.set();
            for batch in batches.step_by(workers) {
                // The receiver is gone once nobody wants the batches any more.
                if sender.send(plan.make(batch)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("striate-data".into()).spawn(work).ok()?;
        Some(Worker { batches: Some(receiver), thread: Some(thread) })
    }
}

impl<D: Dataset> Worker<D> {
    fn receive(&mut self) -> Made<D> {
        if let Some(Ok(made)) = self.batches.as_ref().map(|b| b.recv()) {
            return made;
        }
        // The worker ended before it had made all its batches, which only a panic does.
        let panic = self.thread.take().and_then(|t| t.join().err());
        resume_unwind(panic.unwrap_or_else(|| Box::new("a data worker ended early")))
    }
}

/// The batches of one epoch, in order.
///
/// Dropping it ends its threads, after the batches that they are at. A data set's panic in a worker goes on in the thread that
/// asks for the batch.
pub struct Epoch<D: Dataset> {
    plan: Arc<Plan<D>>,
    first: usize,
    next: usize,
    end: usize,
    /// One without a thread has its batches made when they are asked for.
    workers: Vec<Option<Worker<D>>>,
}

impl<D: Dataset> Iterator for Epoch<D> {
    type Item = Made<D>;

    fn next(&mut self) -> Option<Made<D>> {
        if self.next >= self.end {
            return None;
        }
        let batch = self.next;
        self.next += 1;
        let worker = (batch - self.first) % self.workers.len().max(1);
        Some(match self.workers.get_mut(worker) {
            Some(Some(worker)) => worker.receive(),
            Some(None) | None => self.plan.make(batch),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end.saturating_sub(self.next);
        (left, Some(left))
    }
}

impl<D: Dataset> ExactSizeIterator for Epoch<D> {}

impl<D: Dataset> Drop for Epoch<D> {
    fn drop(&mut self) {
        for worker in self.workers.iter_mut().flatten() {
            worker.batches = None;
        }
        for worker in self.workers.iter_mut().flatten() {
            if let Some(thread) = worker.thread.take() {
                // A panic that nobody asked a batch of is of no interest any more.
                let _ = thread.join();
            }
        }
    }
}
