//! Small data sets and the real program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program, ready for arguments, in directory `dir`.
pub fn striate(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_striate"));
    command.current_dir(dir).env_remove("STRIATE_ISA");
    command
}

/// Runs the program and waits for it.
pub fn run(dir: &Path, args: &[&str]) -> Output {
    striate(dir).args(args).output().expect("the program starts")
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the program, which must succeed, and gives what it printed: of a training also its notes, which are on standard error, after the rest.
pub fn succeed(dir: &Path, args: &[&str]) -> String {
    let output = run(dir, args);
    assert!(output.status.success(), "striate {args:?} failed: {}", stderr(&output));
    let trains = args.first().is_some_and(|verb| ["train", "finetune"].contains(verb));
    if trains { stdout(&output) + &stderr(&output) } else { stdout(&output) }
}

/// Runs the program, which must fail with exit code `code` and one line that holds every one of `parts`.
pub fn fail(dir: &Path, args: &[&str], code: i32, parts: &[&str]) -> String {
    let output = run(dir, args);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "striate {args:?}: {text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1, "striate {args:?} must say one line, said: {text}");
    for part in parts {
        assert!(text.contains(part), "striate {args:?}: '{part}' is not in: {text}");
    }
    text
}

/// An idx file of `dims` with these bytes.
pub fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dims.len() as u8];
    for d in dims {
        file.extend(d.to_be_bytes());
    }
    file.extend(data);
    file
}

/// Images that show their class: a bright square whose place is the class, on noise.
fn images(n: usize, size: usize, seed: u32) -> (Vec<u8>, Vec<u8>) {
    let mut state = seed;
    let mut noise = move || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 24) as u8
    };
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for i in 0..n {
        let class = i % 10;
        let (row, column) = (class / 5 * size / 2, class % 5 * size / 5);
        for y in 0..size {
            for x in 0..size {
                let bright = (row..row + size / 4).contains(&y) && (column..column + size / 5).contains(&x);
                pixels.push(if bright { 255 - noise() / 4 } else { noise() / 4 });
            }
        }
        labels.push(class as u8);
    }
    (pixels, labels)
}

/// Writes a directory of idx files: `train` training images and `test` test images of `size`×`size`.
pub fn idx_dir(parent: &Path, train: usize, test: usize, size: usize) -> PathBuf {
    let dir = parent.join("squares");
    fs::create_dir_all(&dir).unwrap();
    for (name, n, seed) in [("train", train, 1), ("t10k", test, 2)] {
        let (pixels, labels) = images(n, size, seed);
        let dims = [n as u32, size as u32, size as u32];
        fs::write(dir.join(format!("{name}-images-idx3-ubyte")), idx(&dims, &pixels)).unwrap();
        fs::write(dir.join(format!("{name}-labels-idx1-ubyte")), idx(&dims[..1], &labels)).unwrap();
    }
    dir
}

/// The weights of a model file as raw bytes, in the order of the file.
pub fn weights(model: &Path) -> Vec<u8> {
    let file = fs::read(model).unwrap_or_else(|e| panic!("{}: {e}", model.display()));
    let header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    file[8 + header..].to_vec()
}

/// A safetensors file with its header changed by `edit`.
pub fn edited(file: &[u8], edit: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    let n = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&file[8..8 + n]).unwrap();
    edit(&mut header);
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &file[8 + n..]].concat()
}

/// Sends a signal to a program that runs.
#[cfg(target_os = "linux")]
pub fn send(child: &std::process::Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}
