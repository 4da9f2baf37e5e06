//! The crate against other programs.

mod calibration;
