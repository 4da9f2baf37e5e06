//! Weight files as PyTorch writes them, and as nobody should.

mod bombs;
mod checkpoints;
mod files;
mod fixtures;
mod fuzz;
mod hostile;
mod others;
mod written;

pub use files::bits;
