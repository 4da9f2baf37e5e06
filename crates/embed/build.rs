//! Packs the source of the crates that run a model, for the crates that this one writes.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use tar::{Builder, Header};
use toml::{Table, Value};

/// What a model is run by, besides crates of the registry.
const RUNTIME: [&str; 9] = ["formats", "graph", "imaging", "kernels", "model", "nn", "nn-derive", "tensor", "zoo"];
/// Where the runtime lies in a crate that is written.
const FOLDER: &str = "runtime";
/// What a manifest says that concerns files which are left out.
const LEFT_OUT: [&str; 4] = ["bench", "dev-dependencies", "example", "test"];

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate is"));
    let root = here.join("../..");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where to write"));
    println!("cargo::rerun-if-changed=build.rs");

    let file = File::create(out.join("runtime.tar.gz")).expect("cargo's directory can be written");
    let mut archive = Archive(Builder::new(GzEncoder::new(file, Compression::best())));
    let mut used = BTreeSet::new();
    for name in RUNTIME {
        let directory = root.join("crates").join(name);
        let mut manifest = parse(&directory.join("Cargo.toml"));
        LEFT_OUT.iter().for_each(|key| drop(manifest.remove(*key)));
        used.extend(drop_foreign(&mut manifest));
        archive.add(&format!("{FOLDER}/{name}/Cargo.toml"), write(&manifest).as_bytes());
        archive.add_tree(&directory.join("src"), &format!("{FOLDER}/{name}/src"));
    }
    for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
        archive.add(&format!("{FOLDER}/{name}"), &read(&root.join(name)));
    }
    archive.add("Cargo.lock", &read(&root.join("Cargo.lock")));
    archive.finish();
    fs::write(out.join("workspace.toml"), workspace(&root, &used)).expect("cargo's directory can be written");
    let is_cold = |name: &&&str| !["kernels", "nn-derive"].contains(*name);
    let cold =
        RUNTIME.iter().filter(is_cold).map(|n| format!("[profile.release.package.striate-{n}]\nopt-level = \"s\"\n"));
    fs::write(out.join("cold.toml"), cold.collect::<Vec<_>>().join("\n")).expect("cargo's directory can be written");
}

/// Takes the crates of ours that are no part of the runtime, which only features bring in, out of a manifest. Gives the names of the other dependencies.
fn drop_foreign(manifest: &mut Table) -> Vec<String> {
    let is_foreign = |name: &str| name.strip_prefix("striate-").is_some_and(|name| !RUNTIME.contains(&name));
    let Some(Value::Table(dependencies)) = manifest.get_mut("dependencies") else { return Vec::new() };
    dependencies.retain(|name, _| !is_foreign(name));
    let names = dependencies.keys().cloned().collect();
    if let Some(Value::Table(features)) = manifest.get_mut("features") {
        for feature in features.iter_mut().filter_map(|(_, parts)| parts.as_array_mut()) {
            feature.retain(|part| !part.as_str().and_then(|part| part.strip_prefix("dep:")).is_some_and(is_foreign));
        }
    }
    names
}

/// What the crates of the runtime take from their workspace.
fn workspace(root: &Path, used: &BTreeSet<String>) -> String {
    let mut all = parse(&root.join("Cargo.toml"));
    let Some(Value::Table(mut workspace)) = all.remove("workspace") else { panic!("Cargo.toml is of a workspace") };
    let Some(Value::Table(dependencies)) = workspace.remove("dependencies") else { panic!("it names dependencies") };
    let moved = |(name, mut value): (String, Value)| {
        if let Some(Value::String(path)) = value.get_mut("path") {
            *path = path.replacen("crates", FOLDER, 1);
            // Nothing is trained: that is half of the code.
            value.as_table_mut().expect("it has a path").insert("default-features".into(), false.into());
        }
        (name, value)
    };
    let model = "striate-model".to_string();
    let kept = dependencies.into_iter().filter(|(name, _)| used.contains(name) || *name == model).map(moved).collect();
    let mut out = Table::new();
    out.insert("dependencies".into(), Value::Table(kept));
    out.extend(["package", "lints"].map(|key| (key.to_string(), workspace.remove(key).expect("the workspace has it"))));
    let mut whole = Table::new();
    whole.insert("workspace".into(), Value::Table(out));
    write(&whole)
}

fn parse(path: &Path) -> Table {
    let text = String::from_utf8(read(path)).expect("manifests are UTF-8");
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn write(table: &Table) -> String {
    toml::to_string(table).expect("a table that was read can be written")
}

fn read(path: &Path) -> Vec<u8> {
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

struct Archive<W: Write>(Builder<W>);

impl<W: Write> Archive<W> {
    fn add(&mut self, name: &str, content: &[u8]) {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        self.0.append_data(&mut header, name, content).expect("the archive can be written");
    }

    /// All files below a directory, in the order of their names.
    fn add_tree(&mut self, directory: &Path, name: &str) {
        println!("cargo::rerun-if-changed={}", directory.display());
        let entries = fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a directory can be read").path()).collect();
        paths.sort();
        for path in paths {
            let name = format!("{name}/{}", path.file_name().expect("an entry has a name").display());
            match path.is_dir() {
                true => self.add_tree(&path, &name),
                false => self.add(&name, &read(&path)),
            }
        }
    }
}

impl<W: Write> Archive<GzEncoder<W>> {
    fn finish(self) {
        let gzip = self.0.into_inner().expect("the archive can be written");
        gzip.finish().expect("the archive can be written");
    }
}
