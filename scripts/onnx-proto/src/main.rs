//! `cargo run -- ONNX.PROTO OUT.RS`: the structures of ONNX files for `prost`, without a protobuf compiler. `onnx.proto` is in the Python package `onnx`.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let paths: Vec<PathBuf> = env::args().skip(1).map(PathBuf::from).collect();
    let [proto, out] = &paths[..] else { panic!("usage: onnx-proto ONNX.PROTO OUT.RS") };
    let folder = proto.parent().expect("a file lies in a folder");
    let files = protox::compile([proto], [folder]).expect("onnx.proto is read");
    let made = env::temp_dir().join(format!("onnx-proto-{}", std::process::id()));
    fs::create_dir_all(&made).expect("a folder for the result");
    let mut config = prost_build::Config::new();
    config.bytes(["."]).disable_comments(["."]).out_dir(&made);
    config.compile_fds(files).expect("code is made");
    let code = fs::read_to_string(made.join("onnx.rs")).expect("the package is called onnx");
    let head = "//! Structures of ONNX files: made by `scripts/onnx-proto` of `onnx.proto`, version 1.23.2 (ONNX project, Apache-2.0). Not written by hand.\n\n";
    fs::write(out, format!("{head}{code}")).expect("the result is written");
    fs::remove_dir_all(&made).expect("the folder goes");
}
