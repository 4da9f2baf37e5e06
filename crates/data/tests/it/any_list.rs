//! Any list of images comes back from the list of a run as it was written.

use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use striate_data::images::{Entry, ImageList, Source, read_run_list, write_run_list};
use striate_imaging::Split;

/// Names with all that is odd in them.
fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            any::<char>(),
            proptest::sample::select(vec![' ', '"', ',', '\\', '\n', '\r', '\t', ';', '#', '\u{1b}', 'x'])
        ],
        0..8,
    )
    .prop_map(String::from_iter)
}

#[cfg(unix)]
fn file() -> impl Strategy<Value = PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let byte = prop_oneof![any::<u8>(), proptest::sample::select(b" \"\\,\n\r\t'".to_vec())];
    proptest::collection::vec(byte.prop_filter("no part ends here", |b| *b != b'/' && *b != 0), 1..9)
        .prop_filter("not the folder itself", |name| name != b"." && name != b"..")
        .prop_map(|name| Path::new("/data").join(std::ffi::OsString::from_vec(name)))
}

#[cfg(not(unix))]
fn file() -> impl Strategy<Value = PathBuf> {
    "[a-z ,;']{1,8}x".prop_map(|name| std::path::absolute("data").unwrap().join(name))
}

proptest! {
    #[test]
    fn comes_back_as_it_was_written(
        classes in proptest::collection::btree_set(name(), 1..5),
        order in any::<bool>(),
        entries in proptest::collection::vec((file(), any::<usize>(), 0..4usize, proptest::option::of(name()), any::<Option<u64>>()), 0..12),
    ) {
        let mut classes: Vec<String> = classes.into_iter().collect();
        if order {
            classes.reverse();
        }
        let entry = |(path, label, split, group, fingerprint): (PathBuf, usize, usize, _, _)| Entry {
            split: Split::ALL.get(split).copied(),
            group,
            fingerprint,
            ..Entry::new(Source::File(path), "", label % classes.len())
        };
        let list = ImageList { entries: entries.into_iter().map(entry).collect(), classes: classes.clone(), ..ImageList::default() };
        let dir = tempfile::tempdir().unwrap();
        // One file that is there, for else all would be gone.
        let there = dir.path().join("there.png");
        fs::write(&there, "x").unwrap();
        let mut list = list;
        list.entries.push(Entry::new(Source::File(there), "", 0));
        let file = dir.path().join("images.csv");
        fs::write(&file, write_run_list(&list)).unwrap();
        let mut read = read_run_list(&file, dir.path()).unwrap();
        read.entries.iter_mut().for_each(|e| e.name.clear());
        prop_assert_eq!(&read.classes, &list.classes);
        prop_assert_eq!(&read.entries, &list.entries);
        // It is lines of text that no name breaks.
        let text = String::from_utf8(write_run_list(&list)).unwrap();
        prop_assert_eq!(text.lines().count(), 1 + list.classes.len() + list.entries.len());
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    }
}
