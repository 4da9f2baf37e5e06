//! Tensors and their ops, as a user of the crate sees them.

mod dtypes;
mod edges;
mod layouts;
mod lazy;
mod memory;
mod messages;
mod panics;
