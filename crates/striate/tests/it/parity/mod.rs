//! Every op against PyTorch: values and gradients, on every instruction set that this machine has.
//!
//! The fixtures in `tests/fixtures` are written by `scripts/make_fixtures.py`. Tolerances are stated per op: see
//! [`fixtures::Tolerance`].

mod batch_norm;
mod dense_losses;
mod dense_nets;
mod detection_loss;
mod elementwise;
mod fixtures;
mod image;
mod init;
mod layers;
mod losses;
mod matrix;
mod nets;
mod norm;
mod ops;
mod optim;
mod schedules;
mod sgd_and_adam;
mod shape;
mod tensor_ops;
mod zoo;
