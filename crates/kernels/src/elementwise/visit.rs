//! What is done with a function once it is known which: each becomes a loop of its own.

pub(super) trait WithUnary<T> {
    fn call(self, f: impl Fn(T) -> T + Copy + Sync);
}

pub(super) trait WithBinary<A, O> {
    fn call(self, f: impl Fn(A, A) -> O + Copy + Sync);
}
