//! What a program that only runs models leaves out.

/// Whether gradients, steps of optimizers and `f64` are there: the feature `training`. A program that only runs models is smaller without.
pub const TRAINING: bool = cfg!(feature = "training");

/// Stops at what needs the feature.
///
/// # Panics
/// Always, with the name of what was to be done.
pub fn no_training(op: &str) -> ! {
    panic!("{op}: this build runs models and does not train (feature `training`)")
}
