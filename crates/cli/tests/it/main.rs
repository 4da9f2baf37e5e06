//! The program, run as a user would.

mod advice;
mod bad_input;
mod batch_size;
mod before_a_run;
mod bench;
mod calibration;
mod commands;
mod common;
mod dense;
mod explain;
mod finetune;
mod graph_models;
mod honest;
mod images;
mod inputs;
mod killed;
mod lr_find;
mod many_runs;
mod onnx;
#[cfg(target_os = "linux")]
mod pty;
mod report;
mod robustness;
mod run_files;
mod runs;
mod same_bits;
mod settings;
mod signals;
mod tasks;
mod terminal;
mod text_models;
mod threads;
mod ui;
mod weights;
mod zoo;
