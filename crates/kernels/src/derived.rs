//! What is computed from a buffer's values and kept with them until they change.

use crate::{Buffer, Element};
use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

/// What tells derived things of one buffer apart: what it is, then numbers that it depends on.
pub(crate) type Key = (&'static str, [usize; 3]);

/// Nothing yet where a key was asked for once.
type Kept = Option<Arc<dyn Any + Send + Sync>>;

/// Things computed from the values of a buffer.
#[derive(Default)]
pub(crate) struct Derived(Mutex<Vec<(Key, Kept)>>);

impl Derived {
    /// What `make` computes. It is kept from the second time on: weights that change after each use are not worth the memory.
    pub fn get<D: Any + Send + Sync>(&self, key: Key, make: impl Fn() -> D) -> Arc<D> {
        self.again(key, &make).unwrap_or_else(|| Arc::new(make()))
    }

    /// What `make` computes, kept; nothing the first time.
    pub fn again<D: Any + Send + Sync>(&self, key: Key, make: impl FnOnce() -> D) -> Option<Arc<D>> {
        let known = |all: &[(Key, Kept)]| all.iter().position(|(k, _)| *k == key);
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut all = lock();
            let Some(i) = known(&all) else {
                all.push((key, None));
                return None;
            };
            if let Some(kept) = all[i].1.clone().and_then(|kept| kept.downcast().ok()) {
                return Some(kept);
            }
        }
        let made = Arc::new(make());
        let mut all = lock();
        if let Some(i) = known(&all) {
            all[i].1 = Some(made.clone());
        }
        Some(made)
    }
}

/// The weights of an op: numbers, and where they fill a buffer, that, so that what is derived from them is kept with it.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, T: Element> {
    pub(crate) values: &'a [T],
    pub(crate) buffer: Option<&'a Buffer<T>>,
}

impl<T: Element> Weights<'_, T> {
    /// The same, if they are `f32`.
    pub(crate) fn as_f32(&self) -> Option<Weights<'_, f32>>
    where
        T: crate::Float,
    {
        let buffer = self.buffer.and_then(|buffer| (buffer as &dyn Any).downcast_ref());
        T::as_f32(self.values).map(|values| Weights { values, buffer })
    }
}

impl<'a, T: Element> From<&'a [T]> for Weights<'a, T> {
    fn from(values: &'a [T]) -> Self {
        Weights { values, buffer: None }
    }
}

impl<'a, T: Element> From<&'a Vec<T>> for Weights<'a, T> {
    fn from(values: &'a Vec<T>) -> Self {
        Weights { values, buffer: None }
    }
}

impl<'a, T: Element> From<&'a Buffer<T>> for Weights<'a, T> {
    fn from(buffer: &'a Buffer<T>) -> Self {
        Weights { values: buffer, buffer: Some(buffer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_derived_is_kept_from_the_second_time_on_until_the_values_change() {
        let mut buffer = Buffer::from_slice(&[1.0f32, 2.0]);
        let made = std::cell::Cell::new(0);
        let sum = |buffer: &Buffer<f32>, key: Key| {
            *buffer.derived(key, || {
                made.set(made.get() + 1);
                buffer.iter().sum::<f32>()
            })
        };
        let key = ("sum", [0; 3]);
        for _ in 0..4 {
            assert_eq!(sum(&buffer, key), 3.0);
        }
        assert_eq!(sum(&buffer, ("sum", [1, 0, 0])), 3.0);
        buffer[0] = 5.0;
        for _ in 0..4 {
            assert_eq!(sum(&buffer, key), 7.0);
        }
        let copy = buffer.clone();
        assert_eq!(sum(&copy, key), 7.0);
        assert_eq!(made.get(), 2 + 1 + 2 + 1);
    }
}
