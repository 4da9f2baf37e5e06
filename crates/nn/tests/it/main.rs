//! Layers, losses and optimizers, as a user of the crate sees them.

mod layers;
mod losses;
mod messages;
mod modules;
mod optim;
mod panics;
