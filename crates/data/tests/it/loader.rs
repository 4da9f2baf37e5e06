//! The loader: order, resuming, workers, and what goes wrong in them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use striate_data::{Collate, DataError, DataLoader, Dataset, ImageDataset, Subset, TensorDataset};
use striate_tensor::{ComputeSettings, Tensor, num_threads};

/// Numbers; some cannot be read, and one is worse than that.
struct Numbers {
    n: usize,
    unreadable: Option<usize>,
    panics: Option<usize>,
    made: Arc<AtomicUsize>,
}

struct Number(usize);

impl Collate for Number {
    type Batch = Vec<usize>;
    fn collate(items: Vec<Number>, _: &[usize]) -> Result<Vec<usize>, DataError> {
        Ok(items.into_iter().map(|n| n.0).collect())
    }
}

impl Dataset for Numbers {
    type Item = Number;
    fn len(&self) -> usize {
        self.n
    }
    fn get(&self, index: usize) -> Result<Number, DataError> {
        assert!(Some(index) != self.panics, "number {index} is cursed");
        self.made.fetch_add(1, Ordering::SeqCst);
        if Some(index) == self.unreadable { Err(DataError::Other("unreadable".into())) } else { Ok(Number(index)) }
    }
}

fn numbers(n: usize) -> Numbers {
    Numbers { n, unreadable: None, panics: None, made: Arc::default() }
}

fn all<D: Dataset + 'static>(loader: &DataLoader<D>, epoch: usize, first: usize) -> Vec<<D::Item as Collate>::Batch> {
    loader.epoch_from(epoch, first).map(Result::unwrap).collect()
}

#[test]
fn the_order_is_a_permutation_of_its_own_for_each_epoch_and_seed() {
    let loader = |seed| DataLoader::new(numbers(1000), 7).shuffle(seed);
    let order = loader(3).order(0);
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
    assert_eq!(order, loader(3).order(0));
    assert_ne!(order, loader(3).order(1));
    assert_ne!(order, loader(4).order(0));
    assert_eq!(DataLoader::new(numbers(5), 2).order(9), [0, 1, 2, 3, 4]);
}

/// Gives the number of threads that its kernels would use.
struct Threads;

impl Dataset for Threads {
    type Item = Number;
    fn len(&self) -> usize {
        20
    }
    fn get(&self, _: usize) -> Result<Number, DataError> {
        Ok(Number(num_threads()))
    }
}

#[test]
fn workers_compute_as_the_thread_that_asks() {
    let seven = ComputeSettings { threads: Some(7), ..ComputeSettings::default() };
    for workers in [0, 1, 3] {
        let loader = DataLoader::new(Threads, 5).workers(workers);
        assert_eq!(seven.scope(|| all(&loader, 0, 0)), vec![[7; 5]; 4]);
    }
}

#[test]
fn a_single_sample_that_is_left_over_joins_the_batch_before() {
    let sizes = |n, batch_size, limit: usize| {
        let loader = DataLoader::new(numbers(n), batch_size).join_single(true).limit(limit);
        let batches = all(&loader, 0, 0);
        assert_eq!(batches.len(), loader.num_batches(), "{n} by {batch_size}");
        let order: Vec<usize> = batches.iter().flatten().copied().collect();
        assert_eq!(order, (0..n.min(limit)).collect::<Vec<_>>(), "{n} by {batch_size}");
        assert_eq!(all(&loader, 0, batches.len().saturating_sub(1)), batches[batches.len().saturating_sub(1)..]);
        batches.iter().map(Vec::len).collect::<Vec<_>>()
    };
    let whole = usize::MAX;
    assert_eq!(sizes(32, 31, whole), [32]);
    assert_eq!(sizes(7, 3, whole), [3, 4]);
    assert_eq!(sizes(8, 3, whole), [3, 3, 2]);
    assert_eq!(sizes(9, 3, whole), [3, 3, 3]);
    assert_eq!(sizes(3, 2, whole), [3]);
    assert_eq!(sizes(1, 5, whole), [1]);
    assert_eq!(sizes(0, 5, whole), [0; 0]);
    assert_eq!(sizes(3, 1, whole), [1, 1, 1]);
    assert_eq!(sizes(20, 3, 4), [4]);
    let dropped = DataLoader::new(numbers(7), 3).join_single(true).drop_last(true);
    assert_eq!(all(&dropped, 0, 0).iter().map(Vec::len).collect::<Vec<_>>(), [3, 3]);
}

#[test]
fn a_limited_epoch_is_the_beginning_of_the_whole() {
    let whole = DataLoader::new(numbers(20), 3).shuffle(5);
    let limited = DataLoader::new(numbers(20), 3).shuffle(5).limit(8).workers(2);
    for epoch in [0, 1] {
        assert_eq!(limited.order(epoch), whole.order(epoch)[..8]);
        assert_eq!(all(&limited, epoch, 0).concat(), whole.order(epoch)[..8]);
        assert_eq!(all(&limited, epoch, 2).concat(), whole.order(epoch)[6..8], "resumed");
    }
    assert_eq!((limited.num_batches(), limited.epoch(0).len()), (3, 3));
    assert_eq!(DataLoader::new(numbers(20), 3).limit(8).drop_last(true).num_batches(), 2);
    assert_eq!(DataLoader::new(numbers(2), 3).limit(8).order(0), [0, 1]);
    assert_eq!(DataLoader::new(numbers(2), 3).limit(0).num_batches(), 0);
    let drawn = DataLoader::new(numbers(4), 2).weights(vec![0.0, 1.0, 0.0, 0.0]).limit(3);
    assert_eq!(all(&drawn, 0, 0), [vec![1, 1], vec![1]]);
}

#[test]
fn every_place_is_as_likely_for_every_sample() {
    let loader = DataLoader::new(numbers(4), 1).shuffle(1);
    let mut counts = [[0; 4]; 4];
    for epoch in 0..4000 {
        for (place, sample) in loader.order(epoch).into_iter().enumerate() {
            counts[place][sample] += 1;
        }
    }
    // Five standard deviations of a count with mean 1000.
    assert!(counts.iter().flatten().all(|&c| (c - 1000i32).abs() < 140), "{counts:?}");
}

#[test]
fn samples_are_drawn_by_their_weights() {
    let loader = |seed| DataLoader::new(numbers(4), 1).shuffle(seed).weights(vec![1.0, 0.0, 2.0, 5.0]);
    let mut counts = [0; 4];
    for epoch in 0..4000 {
        let order = loader(1).order(epoch);
        assert_eq!(order.len(), 4);
        order.into_iter().for_each(|sample| counts[sample] += 1);
    }
    // Five standard deviations.
    for (count, expected) in counts.into_iter().zip([2000, 0, 4000, 10000i32]) {
        assert!((count - expected).abs() <= 310, "{counts:?}");
    }
    assert_eq!(counts[1], 0);
    assert_eq!(loader(3).order(5), loader(3).order(5));
    assert_ne!(
        (0..9).map(|e| loader(3).order(e)).collect::<Vec<_>>(),
        (0..9).map(|e| loader(4).order(e)).collect::<Vec<_>>()
    );
}

#[test]
fn any_number_of_workers_makes_the_same_batches_and_any_start_the_rest_of_them() {
    for (n, size, drop_last) in
        [(0, 3, false), (1, 3, false), (17, 3, false), (17, 3, true), (2, 3, true), (18, 3, true)]
    {
        let loader = |workers, prefetch| {
            DataLoader::new(numbers(n), size).shuffle(5).drop_last(drop_last).workers(workers).prefetch(prefetch)
        };
        let plain = all(&loader(0, 0), 2, 0);
        assert_eq!(plain.len(), loader(0, 0).num_batches());
        let seen: usize = plain.iter().map(Vec::len).sum();
        assert_eq!(seen, if drop_last { n / size * size } else { n });
        for (workers, prefetch) in [(1, 0), (1, 4), (2, 1), (3, 5), (16, 2)] {
            for first in [0, 1, 4, 100] {
                let rest = plain.get(first..).unwrap_or_default();
                assert_eq!(all(&loader(workers, prefetch), 2, first), rest, "{n} {workers} {prefetch} {first}");
            }
        }
    }
}

#[test]
fn no_more_is_made_ahead_than_asked_for() {
    let data = numbers(1000);
    let made = data.made.clone();
    let loader = DataLoader::new(data, 1).workers(2).prefetch(4);
    let mut epoch = loader.epoch(0);
    epoch.next().unwrap().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let ahead = made.load(Ordering::SeqCst);
    assert!(ahead <= 1 + 4 + 2, "{ahead} samples made for one batch taken");
    let start = Instant::now();
    drop(epoch);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(made.load(Ordering::SeqCst) <= ahead + 2);
}

#[test]
fn a_sample_that_cannot_be_read_is_an_error_in_its_place() {
    for workers in [0, 2] {
        let loader = DataLoader::new(Numbers { unreadable: Some(5), ..numbers(9) }, 2).workers(workers);
        let results: Vec<bool> = loader.epoch(0).map(|b| b.is_ok()).collect();
        assert_eq!(results, [true, true, false, true, true]);
    }
}

#[test]
fn a_panic_in_a_worker_reaches_the_caller() {
    for workers in [0, 1, 3] {
        let loader = DataLoader::new(Numbers { panics: Some(5), ..numbers(9) }, 2).workers(workers);
        let caught =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| loader.epoch(0).map(Result::unwrap).count()));
        let payload = caught.expect_err("the panic goes on");
        assert_eq!(payload.downcast_ref::<String>().unwrap(), "number 5 is cursed");
        // Nobody asks for the cursed batch.
        let mut epoch = loader.epoch(0);
        assert_eq!(epoch.next().unwrap().unwrap(), [0, 1]);
    }
}

#[test]
fn images_tensors_and_subsets() {
    let images = ImageDataset::new(2, 2, 1, (0..20).collect(), vec![0, 1, 2, 3, 4]);
    let batches = all(&DataLoader::new(images.clone(), 2).shuffle(1).workers(1), 0, 0);
    let order = DataLoader::new(images.clone(), 2).shuffle(1).order(0);
    assert_eq!(batches.iter().flat_map(|b| b.indices.clone()).collect::<Vec<_>>(), order);
    assert_eq!(batches[2].images.shape(), [1, 1, 2, 2]);
    let whole = images.batch(&[0, 1, 2, 3, 4]).unwrap();
    let tensors = TensorDataset::new(whole.images, &whole.targets);
    let batch = Subset::new(tensors, vec![4, 2]).batch(&[1, 0]).unwrap();
    assert_eq!(batch.targets.to_vec::<i64>(), [2, 4]);
    assert_eq!(batch.images.to_vec::<f32>(), images.batch(&[2, 4]).unwrap().images.to_vec::<f32>());
}

#[test]
fn images_of_two_sizes_are_no_batch() {
    struct Mixed;
    impl Dataset for Mixed {
        type Item = striate_data::Sample;
        fn len(&self) -> usize {
            2
        }
        fn get(&self, index: usize) -> Result<Self::Item, DataError> {
            let n = index + 1;
            Ok(striate_data::Sample { image: Tensor::from_vec(vec![0f32; n], [1, 1, n]), target: 0.into() })
        }
    }
    let line = Mixed.batch(&[0, 1]).err().unwrap().to_string();
    assert!(line.contains("[1, 1, 1]") && line.contains("[1, 1, 2]"), "{line}");
}
