//! What belongs to the whole process: the instruction set and the number of threads.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static LOCK: RwLock<()> = RwLock::new(());

/// For tests that change either, or compare bits: while one of them holds this, the others wait.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    LOCK.write().unwrap_or_else(PoisonError::into_inner)
}

/// For all others that compute: while they hold this, nothing changes.
pub fn unchanged() -> RwLockReadGuard<'static, ()> {
    LOCK.read().unwrap_or_else(PoisonError::into_inner)
}
