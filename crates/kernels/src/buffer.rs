//! Aligned memory for numbers, recycled through a pool.
//!
//! Fresh pages from the operating system cost more than the arithmetic of most elementwise ops, so
//! freed buffers are kept and handed out again.

use crate::Element;
use crate::derived::{Derived, Key};
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::any::Any;
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, OnceLock};

const ALIGN: usize = 64;
/// Smaller buffers go straight to the allocator, which is good at them.
const POOLED_FROM: usize = 4096;
/// What buffers in use and idle ones may always hold together. Where more has been in use at once they may hold that and a quarter, so
/// that a step that is done again and again finds all its buffers.
const KEPT: usize = 512 << 20;

#[derive(Default)]
struct Pool {
    idle: HashMap<usize, Vec<Chunk>>,
    idle_bytes: usize,
    used_bytes: usize,
    /// The most that was in use at once.
    peak_bytes: usize,
}

impl Pool {
    /// An idle chunk of this size, which counts as used now.
    fn take(&mut self, capacity: usize) -> Option<Chunk> {
        self.used_bytes += capacity;
        self.peak_bytes = self.peak_bytes.max(self.used_bytes);
        let chunk = self.idle.get_mut(&capacity).and_then(Vec::pop)?;
        self.idle_bytes -= capacity;
        Some(chunk)
    }

    /// Takes back a chunk, and gives those up that are too much.
    fn give(&mut self, chunk: Chunk, capacity: usize) {
        self.used_bytes -= capacity;
        self.idle_bytes += capacity;
        self.idle.entry(capacity).or_default().push(chunk);
        self.shrink();
    }

    /// Gives idle chunks of some sizes back until the rest is not too much.
    fn shrink(&mut self) {
        let limit = (self.peak_bytes + self.peak_bytes / 4).max(KEPT);
        while self.used_bytes + self.idle_bytes > limit {
            let Some(&capacity) = self.idle.iter().find(|(_, chunks)| !chunks.is_empty()).map(|(size, _)| size) else {
                return;
            };
            let chunk = self.idle.get_mut(&capacity).and_then(Vec::pop).expect("it was found not to be empty");
            self.idle_bytes -= capacity;
            free(chunk, capacity);
        }
    }
}

struct Chunk(NonNull<u8>);
// SAFETY: a chunk in the pool is owned by the pool alone.
unsafe impl Send for Chunk {}

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

fn acquire(capacity: usize) -> (NonNull<u8>, bool) {
    if capacity >= POOLED_FROM {
        let recycled = pool(|pool| {
            let chunk = pool.take(capacity);
            if chunk.is_none() {
                pool.shrink();
            }
            chunk
        });
        if let Some(chunk) = recycled {
            return (chunk.0, false);
        }
    }
    let layout = layout(capacity);
    // SAFETY: the capacity is never zero.
    let p = unsafe { alloc_zeroed(layout) };
    (NonNull::new(p).unwrap_or_else(|| handle_alloc_error(layout)), true)
}

fn release(p: NonNull<u8>, capacity: usize) {
    if capacity >= POOLED_FROM {
        pool(|pool| pool.give(Chunk(p), capacity));
    } else {
        free(Chunk(p), capacity);
    }
}

fn free(chunk: Chunk, capacity: usize) {
    // SAFETY: the chunk came from `acquire` with the same capacity, hence the same layout, and nobody else holds it.
    unsafe { dealloc(chunk.0.as_ptr(), layout(capacity)) }
}

/// Gives all idle buffers back to the operating system.
pub fn trim() {
    let idle = pool(|pool| {
        (pool.idle_bytes, pool.peak_bytes) = (0, pool.used_bytes);
        std::mem::take(&mut pool.idle)
    });
    for (capacity, chunks) in idle {
        chunks.into_iter().for_each(|chunk| free(chunk, capacity));
    }
}

/// A fixed number of values in memory aligned to 64 bytes.
pub struct Buffer<T: Element> {
    data: NonNull<T>,
    len: usize,
    capacity: usize,
    /// Gone when the values change.
    derived: OnceLock<Box<Derived>>,
}

// SAFETY: a buffer owns its memory, and `T` is plain data.
unsafe impl<T: Element> Send for Buffer<T> {}
// SAFETY: as above; shared access only reads.
unsafe impl<T: Element> Sync for Buffer<T> {}

impl<T: Element> Buffer<T> {
    fn acquire(len: usize) -> (Self, bool) {
        let bytes = len.checked_mul(size_of::<T>()).expect("buffer size overflows");
        let capacity = size_class(bytes);
        let (p, fresh) = acquire(capacity);
        (Buffer { data: p.cast(), len, capacity, derived: OnceLock::new() }, fresh)
    }

    /// `len` values that are not specified: zeros, or whatever an earlier buffer held. For outputs that are
    /// about to be written in full.
    pub fn unspecified(len: usize) -> Self {
        Self::acquire(len).0
    }

    /// `len` zeros.
    pub fn zeroed(len: usize) -> Self {
        let (mut buffer, fresh) = Self::acquire(len);
        if !fresh {
            buffer.fill(T::default());
        }
        buffer
    }

    /// What `make` computes from the values. It is kept from the second time on that it is asked for under `key`, until the values change.
    pub(crate) fn derived<D: Any + Send + Sync>(&self, key: Key, make: impl FnOnce() -> D) -> Arc<D> {
        self.derived.get_or_init(Box::default).get(key, make)
    }

    /// A copy of `values`.
    pub fn from_slice(values: &[T]) -> Self {
        let mut buffer = Self::unspecified(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

impl<T: Element> Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: the memory holds `len` values; all bytes were initialized by `alloc_zeroed`, and every bit
        // pattern is a valid `T`.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len) }
    }
}

impl<T: Element> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.derived.take();
        // SAFETY: as in `deref`, and the access is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr(), self.len) }
    }
}

impl<T: Element> Drop for Buffer<T> {
    fn drop(&mut self) {
        release(self.data.cast(), self.capacity);
    }
}

impl<T: Element> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        Self::from_slice(self)
    }
}

impl<T: Element> From<Vec<T>> for Buffer<T> {
    fn from(values: Vec<T>) -> Self {
        Self::from_slice(&values)
    }
}

impl<T: Element> std::fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for len in [0, 1, 17, 1024, 100_003] {
            let mut a = Buffer::<f32>::unspecified(len);
            a.fill(7.0);
            drop(a);
            assert!(Buffer::<f32>::zeroed(len).iter().all(|&x| x == 0.0));
        }
    }

    #[test]
    fn a_step_done_again_finds_its_buffers() {
        const SIZES: [usize; 4] = [200 << 20, 300 << 20, 150 << 20, 170 << 20];
        let mut pool = Pool::default();
        let mut fresh = 0;
        for _ in 0..3 {
            let mut used: Vec<(Chunk, usize)> = Vec::new();
            for capacity in SIZES {
                let chunk = pool.take(capacity).unwrap_or_else(|| {
                    fresh += 1;
                    pool.shrink();
                    // SAFETY: the capacity is not zero.
                    Chunk(NonNull::new(unsafe { alloc_zeroed(layout(capacity)) }).unwrap())
                });
                used.push((chunk, capacity));
            }
            used.into_iter().for_each(|(chunk, capacity)| pool.give(chunk, capacity));
        }
        assert_eq!(fresh, SIZES.len());
        assert_eq!((pool.used_bytes, pool.idle_bytes), (0, SIZES.iter().sum()));
        // Buffers of other sizes take the place of those that nobody asks for.
        assert!(pool.take(500 << 20).is_none());
        pool.shrink();
        assert!(pool.used_bytes + pool.idle_bytes <= pool.peak_bytes + pool.peak_bytes / 4);
        pool.used_bytes = 0;
        pool.peak_bytes = 0;
        pool.shrink();
        assert!(pool.idle_bytes <= KEPT);
        for (capacity, chunks) in pool.idle {
            chunks.into_iter().for_each(|chunk| free(chunk, capacity));
        }
    }

    #[test]
    fn buffers_are_aligned() {
        for len in [1, 3, 5000] {
            assert_eq!(Buffer::<u8>::zeroed(len).as_ptr() as usize % ALIGN, 0);
        }
    }
}
