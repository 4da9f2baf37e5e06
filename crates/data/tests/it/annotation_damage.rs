//! Annotation files that are damaged, huge or odd: each is refused in one line, or read as far as that is safe.

use crate::annotations::{COCO, boxes, image, object, objects, options, owned, put, refused, voc, xml};
use std::fs;
use std::path::Path;
use striate_data::annotations::{Annotations, ConvertOptions, Format, IssueKind, convert};
use striate_data::images::{ImageList, read_run_list, write_manifest, write_run_list};
use striate_data::{Mask, Target, TargetKind};

#[test]
fn damaged_xml_is_refused_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    image(dir.path().join("a.png"), [10, 20], 0);
    let good = xml(&[object("x", ["0", "0", "5", "5"], "")]);
    let with = |text: &str| {
        put(dir.path().join("a.xml"), text);
        objects(dir.path())
    };
    assert!(with(&good).is_ok());
    for end in 1..good.len() - 1 {
        if good.is_char_boundary(end) && good[..end].contains("<annotation>") {
            refused(with(&good[..end]), &["a.xml: line "]);
        }
    }
    let laughs = "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol1 \"&lol;&lol;&lol;&lol;&lol;&lol;&lol;\">]>\n<annotation>&lol1;</annotation>";
    refused(with(laughs), &["line 1", "document type (DTD)"]);
    refused(with(&good.replace("<name>x", "<name>&secret;")), &["line 3", "the entity 'secret' is not expanded"]);
    refused(with(&good.replace("<xmin>0", "<xmin>zero")), &["line 3", "'zero' in <xmin>"]);
    refused(with(&good.replace("<xmin>0</xmin>", "")), &["line 3", "no <bndbox>"]);
    refused(with(&good.replace("<name>x</name>", "")), &["line 3", "no <name>"]);
    refused(with(&good.replace("</object>", "</objekt>")), &["line 3", "not well-formed"]);
    refused(with(""), &["it is empty"]);
    refused(with(&"<annotation>".repeat(100_000)), &["elements lie in each other"]);
    put(dir.path().join("a.xml"), b"<annotation>\xff</annotation>");
    refused(objects(dir.path()), &["not UTF-8"]);
    put(dir.path().join("b.png"), "no image");
    put(
        dir.path().join("b.xml"),
        xml(&[object("x", ["0", "0", "1e300", "5"], ""), object("x", ["0", "0", "7", "5"], "")]),
    );
    let list = with(&good).unwrap();
    assert_eq!(boxes(&list, "b.png"), owned(&[("x", [0.0, 0.0, 7.0, 5.0])]), "of an image that cannot be read");
    fs::remove_file(dir.path().join("b.xml")).unwrap();
    let odd = [
        ["NaN", "0", "5", "5"],
        ["0", "0", "inf", "5"],
        ["-9", "0", "-5", "5"],
        ["5", "5", "2", "2"],
        ["0", "0", "1e300", "9"],
    ];
    let list = with(&xml(&odd.map(|edges| object("x", edges, "")))).unwrap();
    assert_eq!(boxes(&list, "a.png"), owned(&[("x", [0.0, 0.0, 20.0, 9.0])]));
    for (kind, n) in [(IssueKind::NotANumber, 2), (IssueKind::NoArea, 2), (IssueKind::Outside, 1)] {
        assert_eq!(list.issues.count(kind), n, "{kind:?}");
    }
}

#[test]
fn a_million_boxes_take_seconds() {
    let dir = tempfile::tempdir().unwrap();
    image(dir.path().join("images/a.png"), [1000, 1000], 0);
    let line = |i: usize| format!("0 {:.4} {:.4} 0.01 0.01\n", (i % 1000) as f64 / 1000.0, (i / 1000) as f64 / 1000.0);
    put(dir.path().join("labels/a.txt"), (0..1_000_000).map(line).collect::<String>());
    let start = std::time::Instant::now();
    let list = objects(dir.path()).unwrap();
    assert_eq!(boxes(&list, "a.png").len(), 1_000_000);
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    assert!(list.issues.iter().count() <= 3000 && list.notes.len() < 20);
}

#[test]
fn damaged_coco_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    for (n, name) in ["a.png", "b.png"].into_iter().enumerate() {
        image(dir.path().join(name), [10, 20], n);
    }
    let file = dir.path().join("data.json");
    let with = |from: &str, to: &str| {
        assert!(COCO.contains(from));
        put(file.clone(), COCO.replace(from, to));
        objects(&file)
    };
    assert!(with("a.png", "a.png").is_ok());
    for end in [1, 20, 200, 500, COCO.len() - 1] {
        put(file.clone(), &COCO[..end]);
        refused(objects(&file), &["data.json", "line "]);
    }
    refused(
        with("\"category_id\": 90", "\"category_id\": 91"),
        &["1 of its annotations are of no category", "annotations[0]", "category 91"],
    );
    refused(with("\"id\": 3", "\"id\": 7"), &["images[1]: the id 7 is that of another image"]);
    refused(with("{\"id\": 5, \"name\": \"ape\"}", "{\"id\": 90, \"name\": \"ape\"}"), &["categories[1]"]);
    refused(with("[1, 2, 10, 7.5]", "[1, 2, 10]"), &["annotations[0]", "3 numbers"]);
    refused(with("[1, 2, 10, 7.5]", "[1, 2, 10, NaN]"), &["data.json", "line 7"]);
    refused(with("[1, 2, 10, 7.5]", "[1, 2, 1e999, 1]"), &["data.json"]);
    refused(with("[[1, 2, 11, 2, 11, 9.5, 1, 9.5]]", "7"), &["annotations[0]", "neither polygons nor runs"]);
    refused(with("[0, 200]", "\"~~\""), &["annotations[1]", "character"]);
    refused(with("\"file_name\": \"a.png\", ", ""), &["images[0]: missing field `file_name`"]);
    // An outline that cannot be filled is left out, the box stays.
    for (from, to) in [
        ("[[1, 2, 11, 2, 11, 9.5, 1, 9.5]]", "[[1, 2, 11, 2]]"),
        ("[0, 200]", "[0, 20]"),
        ("[10, 20], \"counts\"", "[20, 10], \"counts\""),
    ] {
        let list = with(from, to).unwrap();
        assert_eq!((list.issues.count(IssueKind::Outline), boxes(&list, "a.png").len()), (1, 2), "{to}");
        assert!(ImageList::open_with(&file, &options(TargetKind::Mask)).is_ok());
    }
    put(file.clone(), "[1, 2]");
    refused(objects(&file), &["not a COCO file"]);
    put(file.clone(), format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    refused(objects(&file), &["not a COCO file"]);
    put(
        file.clone(),
        COCO.replace("[[1, 2, 11, 2, 11, 9.5, 1, 9.5]]", &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
    );
    refused(objects(&file), &["data.json"]);
}

#[cfg(unix)]
#[test]
fn odd_trees_end() {
    use std::os::unix::ffi::OsStringExt;
    let dir = tempfile::tempdir().unwrap();
    voc(dir.path());
    std::os::unix::fs::symlink(dir.path(), dir.path().join("JPEGImages/loop")).unwrap();
    let deep = (0..100).fold(dir.path().to_path_buf(), |path, _| path.join("d"));
    fs::create_dir_all(deep).unwrap();
    let odd = std::ffi::OsString::from_vec(b"caf\xe9.png".to_vec());
    image(dir.path().join("JPEGImages").join("plain.png"), [10, 20], 9);
    fs::rename(dir.path().join("JPEGImages/plain.png"), dir.path().join("JPEGImages").join(&odd)).unwrap();
    let odd = std::ffi::OsString::from_vec(b"caf\xe9.xml".to_vec());
    put(dir.path().join("Annotations").join(odd), xml(&[object("cat", ["0", "0", "5", "5"], "")]));
    fs::remove_dir_all(dir.path().join("ImageSets")).unwrap();
    let list = objects(dir.path()).unwrap();
    assert_eq!(list.entries.len(), 4);
    assert!(list.entries.iter().any(|e| e.name.ends_with("caf\\xe9.png")), "{:?}", list.entries);
    let run = dir.path().join("list.csv");
    fs::write(&run, write_run_list(&list)).unwrap();
    assert_eq!(read_run_list(&run, dir.path()).unwrap().entries, list.entries);
    fs::write(&run, write_manifest(&list)).unwrap();
    assert_eq!(
        objects(&run).unwrap().entries.iter().map(|e| &e.target).collect::<Vec<_>>(),
        list.entries.iter().map(|e| &e.target).collect::<Vec<_>>()
    );
    let all = Annotations::open(dir.path()).unwrap();
    let error = convert(&all, Format::Coco, &dir.path().join("out"), &ConvertOptions::default()).unwrap_err();
    assert!(error.to_string().contains("not UTF-8"), "{error}");
}

/// Changes a few bytes, at places that come from `seed`.
fn mutated(bytes: &[u8], seed: &mut u64) -> Vec<u8> {
    let mut next = |n: usize| {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) as usize % n.max(1)
    };
    let mut bytes = if bytes.is_empty() { b" ".to_vec() } else { bytes.to_vec() };
    for _ in 0..1 + next(3) {
        let at = next(bytes.len());
        match next(5) {
            0 => drop(bytes.drain(at..(at + next(20)).min(bytes.len()))),
            1 => bytes[at] = b"0123456789.-e<>{}[]\",:;'#&\n "[next(28)],
            2 => bytes[at] ^= 1 << next(8),
            3 => bytes.insert(at, b'9'),
            _ => {
                let part = bytes[at..(at + next(30)).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
        }
        if bytes.is_empty() {
            bytes.push(b' ');
        }
    }
    bytes
}

/// Reads whatever is there, draws masks and writes a run's list.
fn tried(path: &Path) {
    for kind in [TargetKind::Objects, TargetKind::Mask] {
        match ImageList::open_with(path, &options(kind)) {
            Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
            Ok(list) => {
                for entry in &list.entries {
                    match &entry.target {
                        Target::Mask(mask @ (Mask::File(_) | Mask::Shapes(_))) => drop(mask.classes()),
                        Target::Objects(objects) => {
                            for o in objects {
                                assert!(o.bbox.iter().all(|v| v.is_finite()) && o.area() > 0.0, "{o:?}");
                                assert!(o.class < list.classes.len());
                            }
                        }
                        other => panic!("{other:?}"),
                    }
                }
                assert!(!write_run_list(&list).is_empty());
            }
        }
    }
}

#[test]
fn changed_bytes_never_end_in_a_panic() {
    let yolo = "1 0.5 0.5 0.5 0.4\n0 0.1 0.1 0.9 0.1 0.5 0.9\n";
    let yaml = "path: .\ntrain: images\nnames: {0: 'cat', 1: \"dog\"}\n";
    let table = "path,label,xmin,ymin,xmax,ymax,split,crowd\nimages/a.png,cat,1,2,11,9.5,train,1\n";
    let palette = "name,red,green,blue\nsky,0,0,0\nroad,255,0,0\n";
    let one = xml(&[object("cat", ["1", "2", "11", "9.5"], "<difficult>1</difficult>")]);
    let cases: [(&[(&str, &str)], usize); 5] = [
        (&[("images/a.xml", &one)], 0),
        (&[("data.json", COCO)], 0),
        (&[("labels/a.txt", yolo), ("data.yaml", yaml)], 1),
        (&[("boxes.csv", table)], 0),
        (&[("masks/a.txt", ""), ("palette.csv", palette)], 1),
    ];
    let mut seed = 1;
    for (files, changed) in cases {
        let dir = tempfile::tempdir().unwrap();
        for (n, name) in ["images/a.png", "images/b.png"].into_iter().enumerate() {
            image(dir.path().join(name), [10, 20], n);
        }
        files.iter().for_each(|(name, text)| put(dir.path().join(name), text));
        if files[0].0.starts_with("masks") {
            image(dir.path().join("masks/a.png"), [10, 20], 0);
        }
        for round in 0..120 {
            let (name, text) = files[if round % 2 == 0 { changed } else { 0 }];
            put(dir.path().join(name), mutated(text.as_bytes(), &mut seed));
            tried(dir.path());
            put(dir.path().join(name), text);
        }
    }
}

#[test]
fn changed_bytes_of_a_runs_list_never_end_in_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    for (n, name) in ["images/a.png", "images/b.png"].into_iter().enumerate() {
        image(dir.path().join(name), [10, 20], n);
    }
    put(dir.path().join("data.json"), COCO);
    let run = dir.path().join("list.txt");
    let mut seed = 2;
    for kind in [TargetKind::Objects, TargetKind::Mask] {
        let list = ImageList::open_with(dir.path(), &options(kind)).unwrap();
        let bytes = write_run_list(&list);
        for _ in 0..400 {
            put(run.clone(), mutated(&bytes, &mut seed));
            match read_run_list(&run, dir.path()) {
                Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
                Ok(list) => list.entries.iter().for_each(|entry| {
                    if let Target::Mask(mask @ Mask::Shapes(_)) = &entry.target {
                        drop(mask.classes());
                    }
                }),
            }
        }
    }
}
