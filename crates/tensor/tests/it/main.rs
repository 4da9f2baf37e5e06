//! Tensors and their ops, as a user of the crate sees them.

mod deferred;
mod dtypes;
mod edges;
mod layouts;
mod memory;
mod messages;
mod panics;
