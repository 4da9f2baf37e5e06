//! Good files, changed in ways that chance decides: the same ways in every run. `fuzz/` searches further.

use super::files::{archive, fixture, floats};
use std::io::{Cursor, Read};
use std::path::Path;
use striate_formats::{safetensors, weights_from_bytes};

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % n.max(1)
    }

    /// Some bytes changed, left out, doubled, or put in from another file.
    fn change(&mut self, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        const TELLING: &[u8] = b"\x00\x01\x7f\x80\xff().0122acehjlopqrstu}]RQXKMJbNI\x81\x85\x86\x87\x8a\x93\x94";
        let mut bytes = bytes.to_vec();
        for _ in 0..1 + self.below(4) {
            let at = self.below(bytes.len());
            let end = (at + 1 + self.below(24)).min(bytes.len());
            match self.below(6) {
                _ if bytes.is_empty() => {}
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = TELLING[self.below(TELLING.len())],
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                4 => {
                    let from = self.below(other.len());
                    let to = (from + 1 + self.below(48)).min(other.len());
                    bytes.splice(at..end, other[from..to].iter().copied());
                }
                _ => bytes.truncate(at.max(1)),
            }
        }
        bytes
    }
}

/// How often something is tried; the environment variable `STRIATE_FUZZ` multiplies it.
fn rounds(count: usize) -> usize {
    count * std::env::var("STRIATE_FUZZ").ok().and_then(|factor| factor.parse().ok()).unwrap_or(1)
}

fn survive(bytes: &[u8]) {
    if let Err(error) = weights_from_bytes(bytes, Path::new("some.file")) {
        let line = error.to_string();
        assert!(line.contains("some.file") && !line.contains('\n'), "{line}");
    }
}

fn files(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| std::fs::read(fixture(name)).unwrap()).collect()
}

/// Every file with some of its bytes changed.
#[test]
fn changed_files_are_read_or_refused() {
    let files = files(&[
        "dtypes_legacy.pth",
        "views_legacy.pth",
        "checkpoint_legacy.pth",
        "views.pth",
        "dtypes.pth",
        "checkpoint_strangers_legacy.pth",
    ]);
    let mut chance = Chance(1);
    for _ in 0..rounds(20_000) {
        let (a, b) = (chance.below(files.len()), chance.below(files.len()));
        survive(&chance.change(&files[a], &files[b]));
    }
}

/// Changed pickles in archives that are whole, as checksums would keep others out.
#[test]
fn changed_pickles_are_read_or_refused() {
    let pickles: Vec<Vec<u8>> = files(&[
        "views.pth",
        "protocol5.pth",
        "attributes.pth",
        "checkpoint.pth",
        "refused_sparse.pth",
        "whole.pth",
        "checkpoint_strangers_2.pth",
        "checkpoint_strangers_5.pth",
        "checkpoint_dino.pth",
        "refused_object.pth",
    ])
    .into_iter()
    .map(|bytes| {
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut pickle = Vec::new();
        zip.by_name("archive/data.pkl").unwrap().read_to_end(&mut pickle).unwrap();
        pickle
    })
    .collect();
    let storage = floats(64);
    let storages: Vec<&[u8]> = vec![&storage; 12];
    for pickle in &pickles[..4] {
        assert!(weights_from_bytes(&archive(pickle, &storages), Path::new("x")).is_ok());
    }
    let mut chance = Chance(2);
    for _ in 0..rounds(20_000) {
        let (a, b) = (chance.below(pickles.len()), chance.below(pickles.len()));
        survive(&archive(&chance.change(&pickles[a], &pickles[b]), &storages));
    }
}

#[test]
fn changed_safetensors_files_are_read_or_refused() {
    let bytes = std::fs::read(fixture("expected.safetensors")).unwrap();
    let mut chance = Chance(3);
    for _ in 0..rounds(3000) {
        let _ = safetensors::from_bytes(&chance.change(&bytes, &bytes), Path::new("x"));
    }
}

/// Each byte of an archive's own structure, at its extremes.
#[test]
fn every_changed_byte_of_a_small_archive_is_survived() {
    let bytes = std::fs::read(fixture("views.pth")).unwrap();
    let good = weights_from_bytes(&bytes, Path::new("x")).unwrap();
    assert_eq!(good.tensors.len(), 7);
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = value;
            survive(&changed);
        }
    }
}
