//! Aligned memory for numbers, recycled through a pool.
//!
//! Fresh pages from the operating system cost more than the arithmetic of most elementwise ops, so
//! freed buffers are kept and handed out again.

use crate::Element;
use memmap2::MmapMut;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, Weak};

const ALIGN: usize = 64;
/// Smaller buffers go straight to the allocator, which is good at them.
const POOLED_FROM: usize = 4096;
/// From this size on they are asked of the operating system: its pages are zeros already, come into being where they are first written,
/// on all threads, and may be huge.
const MAPPED_FROM: usize = 1 << 20;
const HUGE_PAGE: usize = 2 << 20;
/// What buffers that are kept are cut from.
const SLAB_BYTES: usize = 4 * HUGE_PAGE;
/// What buffers in use and idle ones may always hold together. Where more has been in use at once they may hold that and half as
/// much, so that a step that is done again and again finds all its buffers: their sizes come to their most at different times, together to 1.37 times
/// the most in use for ResNet-18 and 1.24 times for ResNet-50.
const KEPT: usize = 512 << 20;

/// Makes the buffer of what is packed: [`AlignedVec::kept`] for what stays, else [`AlignedVec::unspecified`].
pub(crate) type NewBuffer = fn(usize) -> AlignedVec<f32>;

#[derive(Default)]
struct Pool {
    /// By capacity; no list is empty.
    idle: BTreeMap<usize, Vec<Chunk>>,
    idle_bytes: usize,
    used_bytes: usize,
    /// The most that was in use at once.
    peak_bytes: usize,
}

impl Pool {
    /// An idle chunk of a capacity from `capacity` to `most`, which counts as used now; if there is none, `capacity` does.
    fn take(&mut self, capacity: usize, most: usize) -> Option<Chunk> {
        let found = self.idle.range(capacity..=most).next().map(|(&found, _)| found);
        self.used_bytes += found.unwrap_or(capacity);
        self.peak_bytes = self.peak_bytes.max(self.used_bytes);
        let chunk = self.take_idle(found?);
        self.idle_bytes -= chunk.capacity;
        Some(chunk)
    }

    fn take_idle(&mut self, capacity: usize) -> Chunk {
        let idle = self.idle.get_mut(&capacity).expect("the capacity of an idle chunk");
        let chunk = idle.pop().expect("no list is empty");
        if idle.is_empty() {
            self.idle.remove(&capacity);
        }
        chunk
    }

    /// Takes back a chunk, and gives those up that are too much.
    fn give(&mut self, chunk: Chunk) {
        self.used_bytes -= chunk.capacity;
        self.idle_bytes += chunk.capacity;
        self.idle.entry(chunk.capacity).or_default().push(chunk);
        self.shrink();
    }

    /// Gives idle chunks of some sizes back until the rest is not too much.
    fn shrink(&mut self) {
        let limit = (self.peak_bytes + self.peak_bytes / 2).max(KEPT);
        while self.used_bytes + self.idle_bytes > limit {
            let Some(&capacity) = self.idle.keys().next() else { return };
            self.idle_bytes -= self.take_idle(capacity).capacity;
        }
    }
}

/// Whose memory a chunk is.
enum Memory {
    Allocator,
    /// Pages of its own.
    Pages {
        _map: MmapMut,
    },
    /// A piece of a slab, which goes when its last piece goes.
    Piece {
        _slab: Arc<Slab>,
    },
}

/// Memory of `capacity` bytes.
struct Chunk {
    start: NonNull<u8>,
    capacity: usize,
    memory: Memory,
}

// SAFETY: a chunk owns its memory.
unsafe impl Send for Chunk {}
// SAFETY: a chunk by itself gives nobody access to it.
unsafe impl Sync for Chunk {}

/// Panics, where the standard library would abort: a program can say it in a line.
#[cold]
fn out_of_memory(layout: Layout) -> ! {
    panic!("out of memory: the system gives no {} MB for a tensor", layout.size() >> 20)
}

impl Chunk {
    /// Zeros.
    fn new(capacity: usize) -> Self {
        let layout = layout(capacity);
        if capacity >= MAPPED_FROM {
            let mut map = map(capacity).unwrap_or_else(|| out_of_memory(layout));
            return Chunk { start: NonNull::from(&mut *map).cast(), capacity, memory: Memory::Pages { _map: map } };
        }
        assert!(capacity > 0);
        // SAFETY: the capacity is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        Chunk {
            start: NonNull::new(start).unwrap_or_else(|| out_of_memory(layout)),
            capacity,
            memory: Memory::Allocator,
        }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if matches!(self.memory, Memory::Allocator) {
            // SAFETY: the memory came from the allocator with this layout, and the chunk owns it.
            unsafe { dealloc(self.start.as_ptr(), layout(self.capacity)) }
        }
    }
}

/// Zeros of the operating system, on huge pages if it has them.
fn map(bytes: usize) -> Option<MmapMut> {
    let map = MmapMut::map_anon(bytes).ok()?;
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage);
    Some(map)
}

/// Memory that is cut into pieces from its start on.
struct Slab {
    start: NonNull<u8>,
    _map: MmapMut,
}

// SAFETY: a slab by itself gives nobody access to its memory.
unsafe impl Send for Slab {}
// SAFETY: as above.
unsafe impl Sync for Slab {}

/// The slab that pieces are cut from, and how many of its bytes are in pieces.
static SLAB: Mutex<(Weak<Slab>, usize)> = Mutex::new((Weak::new(), 0));

/// The next piece of a slab, of zeros.
fn piece(bytes: usize) -> Option<Chunk> {
    let capacity = bytes.next_multiple_of(ALIGN);
    if !(1..=SLAB_BYTES).contains(&capacity) {
        return None;
    }
    let mut current = SLAB.lock().unwrap_or_else(|e| e.into_inner());
    let (weak, used) = &mut *current;
    let slab = match weak.upgrade().filter(|_| *used + capacity <= SLAB_BYTES) {
        Some(slab) => slab,
        None => {
            // The system may place it anywhere, and only whole huge pages become such.
            let mut map = map(SLAB_BYTES + HUGE_PAGE)?;
            let skipped = map.as_ptr().align_offset(HUGE_PAGE);
            let slab = Arc::new(Slab { start: NonNull::from(&mut map[skipped..][..SLAB_BYTES]).cast(), _map: map });
            (*weak, *used) = (Arc::downgrade(&slab), 0);
            slab
        }
    };
    assert!(*used + capacity <= SLAB_BYTES);
    // SAFETY: the piece ends within the slab, as asserted.
    let start = unsafe { slab.start.add(*used) };
    *used += capacity;
    Some(Chunk { start, capacity, memory: Memory::Piece { _slab: slab } })
}

static POOL: Mutex<Option<Pool>> = Mutex::new(None);

fn pool<R>(f: impl FnOnce(&mut Pool) -> R) -> R {
    f(POOL.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert_default())
}

/// Rounds up to one of eight sizes per power of two, so that buffers of about the same size can stand in for
/// each other while less than an eighth is wasted.
fn size_class(bytes: usize) -> usize {
    if bytes < POOLED_FROM {
        return bytes.max(1).next_multiple_of(ALIGN);
    }
    let step = (bytes.next_power_of_two() / 16).max(ALIGN);
    bytes.next_multiple_of(step)
}

fn layout(capacity: usize) -> Layout {
    Layout::from_size_align(capacity, ALIGN).expect("buffer size overflows the address space")
}

/// With [`reusing_larger`] a buffer of [`MAPPED_FROM`] bytes or more may lie in one so many times as large.
const LARGER: usize = 4;

thread_local! {
    static REUSES_LARGER: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`. Its large buffers lie in idle ones of up to four times their size where there are any: in a network whose maps become smaller from layer to
/// layer, later maps then lie in the memory of earlier ones.
pub fn reusing_larger<R>(work: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            REUSES_LARGER.set(self.0);
        }
    }
    let _restore = Restore(REUSES_LARGER.replace(true));
    work()
}

/// A chunk, and whether it holds zeros.
fn acquire(capacity: usize) -> (Chunk, bool) {
    if capacity >= POOLED_FROM {
        let larger = if capacity >= MAPPED_FROM && REUSES_LARGER.get() { LARGER } else { 1 };
        let recycled = pool(|pool| {
            let chunk = pool.take(capacity, larger * capacity);
            if chunk.is_none() {
                pool.shrink();
            }
            chunk
        });
        if let Some(chunk) = recycled {
            return (chunk, false);
        }
    }
    (Chunk::new(capacity), true)
}

fn release(chunk: Chunk) {
    if chunk.capacity >= POOLED_FROM {
        pool(|pool| pool.give(chunk));
    }
}

/// Gives all idle buffers back to the operating system.
pub fn trim() {
    let idle = pool(|pool| {
        (pool.idle_bytes, pool.peak_bytes) = (0, pool.used_bytes);
        std::mem::take(&mut pool.idle)
    });
    drop(idle);
}

/// How many bytes the pool comes to hold, in use and idle, for a training whose steps have `peak` bytes in use at once. While that is little it holds
/// buffers of other sizes beside them, such as those of a last batch and of validation.
pub fn held(peak: usize) -> usize {
    (peak + peak / 2).max((3 * peak).min(KEPT))
}

/// Does `work`, and says how many bytes of buffers were in use at once beyond those that were before, at most.
pub fn peak_during<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let (before, most) = pool(|pool| {
        let most = std::mem::replace(&mut pool.peak_bytes, pool.used_bytes);
        (pool.used_bytes, most)
    });
    let result = work();
    let peak = pool(|pool| {
        let peak = pool.peak_bytes;
        pool.peak_bytes = peak.max(most);
        peak
    });
    (result, peak - before)
}

/// A fixed number of values in memory aligned to 64 bytes.
pub struct AlignedVec<T: Element> {
    data: NonNull<T>,
    len: usize,
    /// What `data` points to; taken only by `drop`.
    chunk: Option<Chunk>,
}

// SAFETY: a buffer owns its memory, and `T` is plain data.
unsafe impl<T: Element> Send for AlignedVec<T> {}
// SAFETY: as above; shared access only reads.
unsafe impl<T: Element> Sync for AlignedVec<T> {}

impl<T: Element> AlignedVec<T> {
    fn acquire(len: usize) -> (Self, bool) {
        let bytes = len.checked_mul(size_of::<T>()).expect("buffer size overflows");
        let (chunk, fresh) = acquire(size_class(bytes));
        (AlignedVec { data: chunk.start.cast(), len, chunk: Some(chunk) }, fresh)
    }

    /// `len` values that are not specified: zeros, or whatever an earlier buffer held. For outputs that are
    /// about to be written in full.
    pub fn unspecified(len: usize) -> Self {
        Self::acquire(len).0
    }

    /// `len` zeros that stay as long as a network is in use. Such buffers share huge pages: every pass reads all of them, and with pages of 4 kB that is thousands
    /// of TLB misses.
    pub(crate) fn kept(len: usize) -> Self {
        match len.checked_mul(size_of::<T>()).and_then(piece) {
            Some(chunk) => AlignedVec { data: chunk.start.cast(), len, chunk: Some(chunk) },
            None => Self::zeroed(len),
        }
    }

    /// `len` zeros.
    pub fn zeroed(len: usize) -> Self {
        let (mut buffer, fresh) = Self::acquire(len);
        if !fresh {
            buffer.fill(T::default());
        }
        buffer
    }

    /// A copy of `values`.
    pub fn from_slice(values: &[T]) -> Self {
        let mut buffer = Self::unspecified(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

impl<T: Element> Deref for AlignedVec<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: the memory holds `len` values; all bytes were initialized with zeros, and every bit
        // pattern is a valid `T`.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len) }
    }
}

impl<T: Element> DerefMut for AlignedVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and the access is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr(), self.len) }
    }
}

impl<T: Element> Drop for AlignedVec<T> {
    fn drop(&mut self) {
        if let Some(chunk) = self.chunk.take().filter(|chunk| !matches!(chunk.memory, Memory::Piece { .. })) {
            release(chunk);
        }
    }
}

impl<T: Element> Clone for AlignedVec<T> {
    fn clone(&self) -> Self {
        Self::from_slice(self)
    }
}

impl<T: Element> From<Vec<T>> for AlignedVec<T> {
    fn from(values: Vec<T>) -> Self {
        Self::from_slice(&values)
    }
}

impl<T: Element> std::fmt::Debug for AlignedVec<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "out of memory: the system gives no 1073741824 MB")]
    fn what_no_memory_has_is_said() {
        let _ = AlignedVec::<f32>::unspecified(1 << 48);
    }

    #[test]
    fn size_classes_waste_less_than_an_eighth() {
        for bytes in (1..100_000).chain([1 << 20, (1 << 20) + 1, 123_456_789]) {
            let class = size_class(bytes);
            assert!(class >= bytes);
            assert_eq!(class % ALIGN, 0);
            if bytes >= POOLED_FROM {
                assert!(class - bytes <= bytes / 8, "{bytes} -> {class}");
            }
        }
    }

    #[test]
    fn zeroed_is_zero_even_when_recycled() {
        for len in [0, 1, 17, 1024, 100_003, 1 << 20] {
            let mut a = AlignedVec::<f32>::unspecified(len);
            a.fill(7.0);
            drop(a);
            let (b, c) = (AlignedVec::<f32>::zeroed(len), AlignedVec::<f32>::zeroed(len));
            assert!(b.iter().chain(&c[..]).all(|&x| x == 0.0));
        }
    }

    #[test]
    fn the_most_in_use_at_once_is_counted() {
        const LARGE: usize = 64 << 20;
        let before = AlignedVec::<u8>::zeroed(LARGE);
        let (kept, peak) = peak_during(|| {
            drop(AlignedVec::<u8>::zeroed(3 * LARGE));
            AlignedVec::<u8>::zeroed(LARGE)
        });
        // Other tests use the pool at the same time, but not as much.
        assert!((3 * LARGE..4 * LARGE).contains(&peak), "{peak}");
        drop((before, kept));
    }

    #[test]
    fn a_step_done_again_finds_its_buffers() {
        const SIZES: [usize; 4] = [200 << 20, 300 << 20, 150 << 20, 170 << 20];
        let mut pool = Pool::default();
        let mut fresh = 0;
        for _ in 0..3 {
            let mut used = Vec::new();
            for capacity in SIZES {
                used.push(pool.take(capacity, capacity).unwrap_or_else(|| {
                    fresh += 1;
                    pool.shrink();
                    Chunk::new(capacity)
                }));
            }
            used.into_iter().for_each(|chunk| pool.give(chunk));
        }
        assert_eq!(fresh, SIZES.len());
        assert_eq!((pool.used_bytes, pool.idle_bytes), (0, SIZES.iter().sum()));
        // Buffers of other sizes take the place of those that nobody asks for.
        assert!(pool.take(500 << 20, 500 << 20).is_none());
        pool.shrink();
        assert!(pool.used_bytes + pool.idle_bytes <= pool.peak_bytes + pool.peak_bytes / 2);
        pool.used_bytes = 0;
        pool.peak_bytes = 0;
        pool.shrink();
        assert!(pool.idle_bytes <= KEPT);
    }

    #[test]
    fn sizes_that_are_in_use_at_different_times_are_all_kept() {
        let mut pool = Pool::default();
        let mut fresh = 0;
        let mut take = |pool: &mut Pool, megabytes: usize| {
            pool.take(megabytes << 20, megabytes << 20).unwrap_or_else(|| {
                fresh += 1;
                pool.shrink();
                Chunk::new(megabytes << 20)
            })
        };
        for _ in 0..3 {
            let whole = take(&mut pool, 300);
            for megabytes in [200, 180] {
                let part = take(&mut pool, megabytes);
                pool.give(part);
            }
            pool.give(whole);
        }
        assert_eq!(fresh, 3);
    }

    #[test]
    fn the_smallest_chunk_that_is_large_enough_is_taken() {
        let mut pool = Pool::default();
        let take = |pool: &mut Pool, megabytes: usize| {
            let capacity = megabytes << 20;
            pool.take(capacity, LARGER * capacity).unwrap_or_else(|| Chunk::new(capacity))
        };
        let chunks = [16, 50, 100].map(|megabytes| take(&mut pool, megabytes));
        chunks.into_iter().for_each(|chunk| pool.give(chunk));
        let [a, b] = [30, 100].map(|megabytes| take(&mut pool, megabytes));
        assert_eq!((a.capacity >> 20, b.capacity >> 20), (50, 100));
        let fresh = take(&mut pool, 3);
        assert_eq!(
            (fresh.capacity >> 20, pool.used_bytes >> 20, pool.idle_bytes >> 20),
            (3, 153, 16),
            "16 is too large for 3"
        );
        [a, b, fresh].into_iter().for_each(|chunk| pool.give(chunk));
        assert_eq!((pool.used_bytes, pool.idle_bytes >> 20), (0, 169));
    }

    #[test]
    fn larger_buffers_are_reused_where_that_is_asked_for() {
        const LEN: usize = (33 << 20) + 12345;
        let large = AlignedVec::<u8>::unspecified(LEN);
        let at = large.as_ptr();
        drop(large);
        let in_large = |len: usize| AlignedVec::<u8>::unspecified(len).as_ptr() == at;
        assert!(!in_large(LEN / 2) && !reusing_larger(|| in_large(LEN / 5)), "one of five times the size is too large");
        // Idle ones of other tests that are smaller come first.
        let mut held = Vec::new();
        let mut takes_large = || {
            held.push(AlignedVec::<u8>::unspecified(LEN / 3));
            held.last().is_some_and(|buffer| buffer.as_ptr() == at)
        };
        assert!(reusing_larger(|| (0..20).any(|_| takes_large())));
    }

    #[test]
    fn kept_buffers_are_apart() {
        let lens =
            [0, 1, 17, 100_003, HUGE_PAGE, SLAB_BYTES / 4 - 5, SLAB_BYTES / 4, SLAB_BYTES / 4 + 1, 1, 4 * SLAB_BYTES];
        let mut kept: Vec<AlignedVec<f32>> = lens.iter().map(|&len| AlignedVec::kept(len)).collect();
        for (i, buffer) in kept.iter_mut().enumerate() {
            assert!(buffer.len() == lens[i] && buffer.iter().all(|&x| x == 0.0));
            assert_eq!(buffer.as_ptr() as usize % ALIGN, 0);
            buffer.fill(i as f32);
        }
        // A slab outlives the first of its buffers.
        kept.drain(..5);
        for (i, buffer) in kept.iter().enumerate() {
            assert!(buffer.iter().all(|&x| x == (i + 5) as f32));
        }
    }

    #[test]
    fn a_slab_goes_with_its_last_piece() {
        let pieces = [piece(64).unwrap(), piece(SLAB_BYTES).unwrap()];
        let slabs = pieces.each_ref().map(|chunk| match &chunk.memory {
            Memory::Piece { _slab } => Arc::downgrade(_slab),
            _ => unreachable!(),
        });
        drop(pieces);
        // The first may hold pieces of other tests.
        assert!(slabs[1].upgrade().is_none());
    }

    #[test]
    fn buffers_are_aligned() {
        for len in [1, 3, 5000, (1 << 20) + 1, 5 << 20] {
            assert_eq!(AlignedVec::<u8>::zeroed(len).as_ptr() as usize % ALIGN, 0);
        }
    }
}
