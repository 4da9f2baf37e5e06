//! Small files that claim to be, or would become, large.

use super::files::{archive, dict, floats, inner_dict, legacy, one, read, refusal, tensor, text};
use std::time::{Duration, Instant};

/// The most memory that this process has had, in bytes, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

/// Whatever it is, it is read or refused soon and with little memory.
fn survive(bytes: &[u8], what: &str) {
    let start = Instant::now();
    let _ = read(bytes);
    assert!(start.elapsed() < Duration::from_secs(20), "{what}: {:?}", start.elapsed());
    if let Some(peak) = peak() {
        assert!(peak < 1 << 30, "{what}: {peak} bytes");
    }
}

#[test]
fn doubling_takes_no_memory() {
    let doubling: Vec<u8> = [b"\x80\x02)".to_vec(), b"2\x86".repeat(100_000), b".".to_vec()].concat();
    assert!(refusal(&archive(&doubling, &[])).contains("a tuple"));
    let remembered: Vec<u8> = [
        b"]q\0".to_vec(),
        (0..255u8).flat_map(|i| [b']', b'q', i + 1, b'(', b'h', i, b'h', i, b'h', i, b'e']).collect(),
    ]
    .concat();
    survive(&archive(&[remembered, b".".to_vec()].concat(), &[]), "lists of lists");
    let copied =
        [b"ccollections\nOrderedDict\nq\0](".to_vec(), b"K\0K\0\x86".repeat(5000), b"eq\x01".to_vec()].concat();
    let copied = [copied, b"h\0h\x01\x85R".repeat(5000), b".".to_vec()].concat();
    assert!(refusal(&archive(&copied, &[])).contains("values"));
}

#[test]
fn depth_takes_no_stack() {
    for (open, close) in [(&b")"[..], &b"\x85"[..]), (b"]", b"a"), (b"(", b"t"), (b"}K\0", b"s")] {
        for depth in [1000, 200_000] {
            survive(&archive(&[open.repeat(depth), close.repeat(depth - 1), b".".to_vec()].concat(), &[]), "depth");
        }
    }
    let wrapped = [b")".to_vec(), b"\x85".repeat(500_000), b".".to_vec()].concat();
    assert!(refusal(&archive(&wrapped, &[])).contains("a tuple"));
    let itself = b"\x80\x02}q\0X\x05\0\0\0modelh\0s.";
    assert!(refusal(&archive(itself, &[])).contains("no tensor"));
    let reduce = [b"ctorch._tensor\n_rebuild_from_type_v2\nq\0".to_vec(), b"(h\0N".repeat(10_000)].concat();
    survive(&archive(&[reduce, b")".to_vec(), b"tR".repeat(10_000), b".".to_vec()].concat(), &[]), "calls");
}

#[test]
fn counts_are_limited() {
    for (op, what) in
        [(&b")"[..], "values"), (b"K\x01", "values"), (b"(", "marks"), (b"N2222222222222222", "values at once")]
    {
        let pickle = [op.repeat((3 << 20) / op.len()), b".".to_vec()].concat();
        let line = refusal(&archive(&pickle, &[]));
        assert!(line.contains("more than 1048576") && line.contains(what), "{line}");
    }
    let memo: Vec<u8> = (0..2_000_000u32).flat_map(|i| [&b"r"[..], &i.to_le_bytes()].concat()).collect();
    let line = refusal(&archive(&[b"N".to_vec(), memo, b".".to_vec()].concat(), &[]));
    assert!(line.contains("remembered"), "{line}");
}

#[test]
fn objects_take_little_and_are_looked_through_once() {
    let many = [b"}(".to_vec(), b"X\x01\0\0\0acp\nA\n)\x81".repeat(100_000), b"u.".to_vec()].concat();
    survive(&archive(&many, &[]), "objects");
    let nested =
        [b"cp\nA\nq\0".to_vec(), b"h\0".repeat(100_000), b")\x81".to_vec(), b"\x85\x81".repeat(99_999)].concat();
    survive(&archive(&[b"}X\x05\0\0\0model".to_vec(), nested, b"s.".to_vec()].concat(), &[]), "objects in objects");
    // Each holds the one before twice.
    let doubled: Vec<u8> =
        (0..200u8).flat_map(|i| [b"cp\nA\nh", &[i][..], b"h", &[i], b"\x86\x81q", &[i + 1]].concat()).collect();
    let pickle = [&b"}X\x05\0\0\0modelNq\0"[..], &doubled, b"s."].concat();
    survive(&archive(&pickle, &[]), "objects that double");
    let itself = b"\x80\x02}X\x05\0\0\0modelcp\nA\n)\x81q\0}X\x01\0\0\0ah\0sbs.";
    assert!(refusal(&archive(itself, &[])).contains("'p.A'"));
    let losses = [
        b"}(X\x05\0\0\0modelcp\nA\n)\x81X\x04\0\0\0loss](".to_vec(),
        b"G\0\0\0\0\0\0\0\0".repeat(500_000),
        b"e(".to_vec(),
        b"G\0\0\0\0\0\0\0\0".repeat(900_000),
        b"eu.".to_vec(),
    ]
    .concat();
    assert!(refusal(&archive(&losses, &[])).contains("'p.A'"), "a long list is no reason to refuse a file");
}

#[test]
fn views_that_repeat_their_storage_are_limited() {
    let expanded = |size: i64| archive(&one(1, 0, &[size, size], &[0, 0]), &[&floats(1)]);
    let weights = read(&expanded(1000)).unwrap();
    assert_eq!(weights.tensors[0].1.numel(), 1_000_000);
    for size in [10_000, 1 << 20] {
        assert!(refusal(&expanded(size)).contains("repeat"));
    }
    let megabyte = tensor("FloatStorage", "0", 1, 0, &[1 << 18], &[0]);
    let names: Vec<String> = (0..1000).map(|i| i.to_string()).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (&name[..], &megabyte[..])).collect();
    assert!(refusal(&archive(&dict(&entries), &[&floats(1)])).contains("repeat"));
}

#[test]
fn one_storage_of_many_tensors_is_checked_once() {
    let storage = floats(1 << 20);
    let names: Vec<String> = (0..5000).map(|i| i.to_string()).collect();
    let small = tensor("FloatStorage", "0", 1 << 20, 0, &[1], &[1]);
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (&name[..], &small[..])).collect();
    survive(&archive(&dict(&entries), &[&storage]), "many views");
}

#[test]
fn dictionaries_in_dictionaries_are_searched_soon() {
    let large = [b"}(".to_vec(), b"K\0K\0".repeat(200_000), b"uq\0".to_vec()].concat();
    let model = [&text("model")[..], b"h\0"].concat();
    let level = [&b"0}("[..], &model.repeat(64), b"uq\0"].concat();
    survive(&archive(&[large, level.repeat(5), b".".to_vec()].concat(), &[]), "search");
}

#[test]
fn long_names_take_their_length_and_no_more() {
    let w = tensor("FloatStorage", "0", 1, 0, &[1], &[1]);
    for part in ["module.", "_orig_mod.", "_orig_mod.module."] {
        let pickle = dict(&[(&format!("{}w", part.repeat(200_000)), &w)]);
        let weights = read(&archive(&pickle, &[&floats(1)])).unwrap();
        assert_eq!(weights.tensors[0].0, "w");
        survive(&archive(&pickle, &[&floats(1)]), part);
    }
    // Every entry that is left out is named with the entries that lead to it.
    let names: Vec<String> = (0..100_000).map(|i| i.to_string()).collect();
    let mut entries: Vec<(&str, &[u8])> = names.iter().map(|name| (&name[..], &b"N"[..])).collect();
    entries.push(("w", &w));
    let pickle = dict(&[(&"x".repeat(1 << 20), &inner_dict(&entries))]);
    let file = archive(&pickle, &[&floats(1)]);
    assert_eq!(read(&file).unwrap().ignored.len(), 100_000);
    survive(&file, "names");
}

#[test]
fn sizes_in_headers_are_not_believed() {
    for length in [u64::MAX, 1 << 63, 1 << 40] {
        let pickle = one(1, 0, &[1], &[1]);
        assert!(refusal(&legacy(&pickle, &[("0", length, &floats(1))])).contains("cut short"));
    }
    for text in [
        &b"X\xff\xff\xff\x7f"[..],
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"T\xff\xff\xff\x7f",
        b"\x8b\xff\xff\xff\x7f",
    ] {
        assert!(refusal(&archive(text, &[])).contains("ends in the middle"));
    }
}
