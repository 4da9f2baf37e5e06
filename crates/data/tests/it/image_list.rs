//! Lists of images: what folders, manifests and archives are read as, and that a run's list is read back as it was written.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use striate_data::DataError;
use striate_data::images::{ImageList, ListOptions, Source, read_run_list, write_manifest, write_run_list};
use striate_imaging::{DecodeOptions, Image, Split, shown};

/// The bytes of a small PNG of its own for each `n`.
fn png(n: usize) -> Vec<u8> {
    let file = tempfile::Builder::new().suffix(".png").tempfile().unwrap();
    let data = (0..48).map(|i| (i * (n + 3) * 7 + n * 31) as u8).collect();
    Image::new(4, 4, 3, data).write_png(file.path()).unwrap();
    fs::read(file.path()).unwrap()
}

fn put(path: PathBuf, n: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, png(n)).unwrap();
}

fn names(list: &ImageList) -> Vec<(&str, &str)> {
    list.entries.iter().map(|e| (e.name.as_str(), list.classes[e.target.class()].as_str())).collect()
}

fn refused(result: Result<ImageList, DataError>, parts: &[&str]) -> String {
    let line = result.unwrap_err().to_string();
    assert_eq!(line.lines().count(), 1, "{line}");
    for part in parts {
        assert!(line.contains(part), "'{part}' is not in: {line}");
    }
    line
}

fn said(list: &ImageList, part: &str) {
    assert!(list.notes.iter().any(|n| n.contains(part)), "'{part}' is not in {:?}", list.notes);
}

/// Writes a run's list and reads it back.
fn again(list: &ImageList, data: &Path) -> Result<ImageList, DataError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), write_run_list(list)).unwrap();
    read_run_list(file.path(), data)
}

/// Whether a list read back is the one that was written.
fn same(a: &ImageList, b: &ImageList) {
    assert_eq!(a.classes, b.classes);
    assert_eq!(a.entries, b.entries);
}

// ---- folders

#[test]
fn names_of_classes_are_kept_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let classes = ["\u{1b}[31mred", " zebra", "a\tb", "a\nb", "cat", "cat ", "quo\"te", "ä,ö;ü"];
    for (n, class) in classes.iter().enumerate() {
        put(data.join(class).join("1.png"), n);
        put(data.join(class).join(" 2 .png"), n + 50);
    }
    let mut list = ImageList::open(&data).unwrap();
    assert_eq!(list.classes, classes);
    for (i, entry) in list.entries.iter_mut().enumerate() {
        entry.split = Some(Split::ALL[i % 3]);
        entry.fingerprint = Some(i as u64 * 0x0123_4567_89ab_cdef);
        entry.group = [None, Some(String::new()), Some(" g\n".into())][i / 3 % 3].clone();
    }
    same(&list, &again(&list, &data).unwrap());
    // A manifest that people read keeps them too, but for groups without a name.
    list.entries.iter_mut().for_each(|e| (e.group, e.fingerprint) = (e.group.take().filter(|g| !g.is_empty()), None));
    for place in ["data/m.csv", "m.csv"] {
        fs::write(dir.path().join(place), write_manifest(&list)).unwrap();
        let read = ImageList::open(&dir.path().join(place)).unwrap();
        let short = |l: &ImageList| -> Vec<(Source, usize, Option<Split>, Option<String>)> {
            l.entries.iter().map(|e| (e.source.clone(), e.target.class(), e.split, e.group.clone())).collect()
        };
        assert_eq!((&read.classes, short(&read)), (&list.classes, short(&list)));
    }
}

#[cfg(unix)]
#[test]
fn names_that_are_not_text_are_kept_as_they_are() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join(OsStr::from_bytes(b"d\xe4ta"));
    for (n, name) in
        [&b"caf\xe9/1\xff.png"[..], b"caf\xe8/1\xff.png", b"cat/back\\slash \xe9.png", b"cat/x.png"].iter().enumerate()
    {
        put(data.join(OsStr::from_bytes(name)), n);
    }
    let list = ImageList::open(&data).unwrap();
    assert_eq!(list.classes, ["caf\\xe8", "caf\\xe9", "cat"]);
    assert_eq!(list.entries.len(), 4);
    same(&list, &again(&list, &data).unwrap());
    let manifest = dir.path().join("m.csv");
    fs::write(&manifest, write_manifest(&list)).unwrap();
    let read = ImageList::open(&manifest).unwrap();
    assert_eq!(read.classes, list.classes);
    let sources = |l: &ImageList| l.entries.iter().map(|e| (e.source.clone(), e.target.class())).collect::<Vec<_>>();
    assert_eq!(sources(&read), sources(&list));
    read.entries.iter().for_each(|e| drop(e.source.decode(&DecodeOptions::default()).unwrap()));
    // A folder whose name would be the same class.
    put(data.join("caf\\xe9/3.png"), 9);
    refused(ImageList::open(&data), &["one class, 'caf\\xe9'", "rename"]);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_left_out_and_named() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    put(data.join("cat/1.png"), 1);
    put(data.join("dog/1.png"), 2);
    symlink("nowhere", data.join("cow")).unwrap();
    symlink("round.png", data.join("dog/round.png")).unwrap();
    symlink("../cat/1.png", data.join("dog/link.png")).unwrap();
    symlink("cat", data.join("lynx")).unwrap();
    symlink(data, data.join("cat/again")).unwrap();
    let pipe = data.join("cat/pipe.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(data.join("dog/socket.png")).unwrap();
    let list = ImageList::open(data).unwrap();
    let expected = [("cat/1.png", "cat"), ("dog/1.png", "dog"), ("dog/link.png", "dog"), ("lynx/1.png", "lynx")];
    assert_eq!(names(&list), expected);
    said(&list, "links that lead nowhere (2): cow, dog/round.png");
    said(&list, "pipes, sockets or devices (3): cat/pipe.png, dog/socket.png, lynx/pipe.png");
    said(&list, "lead back to a folder they lie in");
    // Nor is it opened when it is named.
    fs::write(data.join("m.csv"), "path,label\ncat/pipe.png,cat\n").unwrap();
    refused(ImageList::open(&data.join("m.csv")), &["cat/pipe.png (line 2, not a regular file)"]);
    refused(ImageList::open(&pipe), &["neither a folder nor a regular file"]);
    let error = Source::File(pipe).read(100).unwrap_err().to_string();
    assert!(error.contains("not a regular file"), "{error}");
}

#[test]
fn folders_named_as_splits_are_no_classes() {
    let dir = tempfile::tempdir().unwrap();
    let layout = |name: &str, files: &[&str]| {
        files.iter().enumerate().for_each(|(n, f)| put(dir.path().join(name).join(f), n));
        dir.path().join(name)
    };
    for (i, files) in [
        &["train/1.png", "test/2.png"][..],
        &["Train/1.png", "VAL/2.png", "Test/3.png"],
        &["train2017/1.png", "val2017/2.png"],
        &["train_images/1.png", "test_images/2.png"],
        &["train/1.png"],
        &["train/1.png", "test/1.png", "other/1.png"],
        &["dataset/train/1.png", "dataset/test/1.png"],
    ]
    .iter()
    .enumerate()
    {
        refused(
            ImageList::open(&layout(&format!("bad{i}"), files)),
            &["hold images, not a folder for each class", "manifest"],
        );
    }
    // A vehicle among vehicles.
    let list = ImageList::open(&layout("vehicles", &["bus/1.png", "train/1.png", "car/1.png"])).unwrap();
    assert_eq!(list.classes, ["bus", "car", "train"]);
    let list = ImageList::open(&layout("deep", &["all/train/cat/1.png", "all/train/dog/1.png", "all/test/cat/2.png"]))
        .unwrap();
    assert_eq!((list.classes.len(), list.splits()), (2, vec![Split::Train, Split::Test]));
    let list = ImageList::open(&layout("inside", &["cat/train/1.png", "cat/test/1.png", "dog/train/1.png"])).unwrap();
    assert_eq!(
        (&list.classes[..], list.splits()),
        (&["cat".to_string(), "dog".to_string()][..], vec![Split::Train, Split::Test])
    );
}

#[test]
fn a_folder_is_read_through_the_table_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str, table: &str, text: &str, files: &[&str]| {
        let data = dir.path().join(name);
        files.iter().enumerate().for_each(|(n, f)| put(data.join(f), n));
        fs::write(data.join(table), text).unwrap();
        data
    };
    let files = ["train/000.png", "train/001.png", "test/002.png"];
    let kaggle = make("kaggle", "labels.csv", "id,breed\n000,dog\n001,07\n", &files);
    let list = ImageList::open(&kaggle).unwrap();
    assert_eq!(names(&list), [("train/000.png", "dog"), ("train/001.png", "07")]);
    said(&list, "classes are read from labels.csv");
    said(&list, "not named in labels.csv: 1 image");
    said(&list, "'id' is read as path, 'breed' as label");
    same(&list, &again(&list, &kaggle).unwrap());
    let flat = make("flat", "TRAIN.CSV", "filename;class\n1.png;a\n2.png;b\n", &["1.png", "2.png"]);
    assert_eq!(names(&ImageList::open(&flat).unwrap()), [("1.png", "a"), ("2.png", "b")]);
    let one = make("one", "train.csv", ",img,y\n0,1,a\n1,2.png,b\n", &["pics/1.png", "pics/2.png"]);
    let list = ImageList::open(&one).unwrap();
    assert_eq!(names(&list), [("pics/1.png", "a"), ("pics/2.png", "b")]);
    said(&list, "a column that numbers the lines is ignored");
    // Not all that it names is there, or it names nothing.
    let lacks = make("lacks", "labels.csv", "id,breed\n000,dog\n007,cat\n", &files);
    refused(ImageList::open(&lacks), &["train hold images", "labels.csv", "1 of its files not found: 007 (line 3)"]);
    let other = make("other", "labels.csv", "a,b\n1,2\n", &files);
    refused(ImageList::open(&other), &["train hold images", "labels.csv", "no column 'path'"]);
    let two = make("two", "a.csv", "id,breed\n000,dog\n001,cat\n", &files);
    fs::copy(two.join("a.csv"), two.join("b.csv")).unwrap();
    refused(ImageList::open(&two), &["a.csv, b.csv", "use one of them"]);
    // Folders of classes say more than a table beside them.
    let classes = make("classes", "labels.csv", "id,breed\n1,dog\n", &["cat/1.png", "cow/1.png"]);
    let list = ImageList::open(&classes).unwrap();
    assert_eq!(list.classes, ["cat", "cow"]);
    said(&list, "not images (1): labels.csv");
    // Unless its columns are named.
    let options = |label: &str| ListOptions { label_column: Some(label.into()), ..ListOptions::default() };
    refused(ImageList::open_with(&classes, &options("breed")), &["labels.csv", "1 of its files not found"]);
    fs::write(classes.join("labels.csv"), "id,breed\ncat/1,dog\ncow/1,cow\n").unwrap();
    assert_eq!(ImageList::open_with(&classes, &options("breed")).unwrap().classes, ["cow", "dog"]);
    fs::remove_file(classes.join("labels.csv")).unwrap();
    refused(ImageList::open_with(&classes, &options("breed")), &["columns are named", "no table"]);
}

// ---- manifests

#[test]
fn columns_endings_and_delimiters_are_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    for n in 0..3 {
        put(d.join(format!("images/{n}.png")), n);
    }
    let open = |text: &str, options: &ListOptions| {
        fs::write(d.join("m.csv"), text).unwrap();
        ImageList::open_with(&d.join("m.csv"), options)
    };
    let none = ListOptions::default();
    let expected = [("images/0.png", "00"), ("images/1.png", "1")];
    for text in [
        "path,label\nimages/0.png,00\nimages/1.png,1\n",
        "\u{feff}image_id;category\r\n0;00\r\n1;1\r\n",
        "Unnamed: 0,Image Path,Target\n7,0.png,00\n8,1.png,1\n",
        "label\tpath\n00\t./images/0.png\n1\timages/1\n",
        "\"file\",\"y\"\n\"0\",\"00\"\n\"1\",\" 1\"\n",
    ] {
        let list = open(text, &none);
        if text.contains(" 1") {
            assert_eq!(list.unwrap().classes, [" 1", "00"]);
        } else {
            assert_eq!(names(&list.unwrap()), expected, "{text}");
        }
    }
    let list = open("path,label,w,h\nimages/0.png,a,1,2\nimages/1.png,b,1,2\n", &none).unwrap();
    assert_eq!(list.notes, ["2 columns are ignored: w, h"]);
    let text = "id,file,breed,class\n9,0,x,a\n8,1,y,b\n";
    assert!(matches!(open(text, &none), Err(DataError::Columns { .. })));
    refused(open(text, &none), &["id, file could each be the column 'path'"]);
    let named = |path: &str, label: &str| ListOptions {
        path_column: Some(path.into()),
        label_column: Some(label.into()),
        ..ListOptions::default()
    };
    assert_eq!(names(&open(text, &named("file", "breed")).unwrap()), [("images/0.png", "x"), ("images/1.png", "y")]);
    refused(open(text, &named("file", "Breeds")), &["no column 'Breeds'", "id, file, breed, class"]);
    fs::copy(d.join("images/0.png"), d.join("images/0.jpg")).unwrap();
    refused(open("id,y\n0,a\n1,b\n", &none), &["'0' could be any of 0.jpg, 0.png"]);
    refused(open("", &none), &["empty"]);
    refused(open("path,label\nimages/1.png\n", &none), &["line 2 has 1 field"]);
    refused(open("path,label\nimages/1.png,\"a\n", &none), &["line 2", "never closed"]);
}

#[test]
fn lines_that_repeat_are_one_note() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    (0..10).for_each(|n| put(d.join(format!("{n}.png")), n));
    let rows: String = (0..10).map(|n| format!("{n}.png,{}\n", n % 2)).collect();
    fs::write(d.join("m.csv"), format!("path,label\n{}", rows.repeat(100))).unwrap();
    let list = ImageList::open(&d.join("m.csv")).unwrap();
    assert_eq!(list.entries.len(), 10);
    assert_eq!(
        list.notes,
        ["990 lines repeat an image named before: 0.png (line 12), 1.png (line 13), 2.png (line 14) and 987 more"]
    );
}

#[test]
fn one_class_can_be_listed_but_not_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path().join("cat/1.png"), 1);
    let list = ImageList::open(dir.path()).unwrap();
    assert_eq!(list.classes, ["cat"]);
    let line = list.for_training().unwrap_err().to_string();
    assert!(line.contains("of one class, 'cat'"), "{line}");
    put(dir.path().join("dog/1.png"), 2);
    ImageList::open(dir.path()).unwrap().for_training().unwrap();
}

// ---- archives

/// Something in an archive: a file, or a link of a kind to another name.
enum Item<'a> {
    File(usize),
    Link(tar::EntryType, &'a str),
}

fn archive(path: &Path, items: &[(&[u8], Item)]) {
    let mut tar = tar::Builder::new(fs::File::create(path).unwrap());
    for (name, item) in items {
        let mut header = tar::Header::new_gnu();
        assert!(name.len() < 100);
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name);
        header.set_mode(0o644);
        match item {
            Item::File(n) => {
                let bytes = png(*n);
                header.set_size(bytes.len() as u64);
                header.set_cksum();
                tar.append(&header, &bytes[..]).unwrap();
            }
            Item::Link(kind, target) => {
                header.set_entry_type(*kind);
                header.set_size(0);
                header.set_link_name_literal(target).unwrap();
                header.set_cksum();
                tar.append(&header, &b""[..]).unwrap();
            }
        }
    }
    tar.finish().unwrap();
}

#[test]
fn a_small_archive_names_no_number_of_files_by_links() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bomb.tar");
    let names: Vec<(String, String)> = (0..400).map(|n| (format!("cat/{n}.png"), format!("dog{n}"))).collect();
    let mut items: Vec<(&[u8], Item)> = vec![(b"dog/1.png", Item::File(1))];
    items.extend(names.iter().map(|(file, _)| (file.as_bytes(), Item::File(2))));
    items.extend(names.iter().map(|(_, link)| (link.as_bytes(), Item::Link(tar::EntryType::Symlink, "cat"))));
    archive(&path, &items);
    let list = ImageList::open(&path).unwrap();
    assert_eq!(list.entries.len(), 401 + 250 * 400);
    assert!(
        list.notes.iter().any(|n| n.contains("add more than 100,000 files") && n.contains("150")),
        "{:?}",
        list.notes
    );
}

fn content(list: &ImageList, name: &str) -> Vec<u8> {
    let entry = list.entries.iter().find(|e| e.name == name).unwrap_or_else(|| panic!("{name}: {:?}", names(list)));
    entry.source.read(1 << 20).unwrap()
}

#[test]
fn links_in_an_archive_are_followed_and_what_is_left_out_is_named() {
    use tar::EntryType::{Char, Fifo, Link, Symlink};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("SET.Tar");
    archive(
        &path,
        &[
            (b"cat/1.png", Item::File(1)),
            (b"cat/2.png", Item::File(2)),
            (b"./dog/1.png", Item::File(3)),
            (b"cow/1.png", Item::Link(Link, "cat/1.png")),
            (b"cow/2.png", Item::Link(Symlink, "../cat/2.png")),
            (b"cow/3.png", Item::Link(Symlink, "2.png")),
            (b"cow/later.png", Item::Link(Link, "dog/later.png")),
            (b"lynx", Item::Link(Symlink, "cat")),
            (b"deep/through.png", Item::Link(Symlink, "../lynx/2.png")),
            (b"deep/pool.png", Item::Link(Symlink, "../.pool/9.png")),
            (b".pool/9.png", Item::File(9)),
            (b"cat/1.png", Item::File(4)),
            (b"dog/later.png", Item::File(5)),
            (b"dog/gone.png", Item::Link(Link, "dog/nowhere.png")),
            (b"dog/out.png", Item::Link(Symlink, "../../out.png")),
            (b"dog/abs.png", Item::Link(Symlink, "/etc/out.png")),
            (b"dog/self.png", Item::Link(Symlink, "self.png")),
            (b"dog/pipe.png", Item::Link(Fifo, "")),
            (b"dog/device.png", Item::Link(Char, "")),
            (b"dog/inside", Item::Link(Symlink, "../dog")),
        ],
    );
    let list = ImageList::open(&path).unwrap();
    assert_eq!(list.classes, ["cat", "cow", "deep", "dog", "lynx"]);
    for (name, n) in [
        ("cat/1.png", 4),
        ("cat/2.png", 2),
        ("dog/1.png", 3),
        // A hard link is to what was there when it was made.
        ("cow/1.png", 1),
        ("cow/2.png", 2),
        ("cow/3.png", 2),
        ("cow/later.png", 5),
        ("lynx/1.png", 4),
        ("lynx/2.png", 2),
        ("deep/through.png", 2),
        ("deep/pool.png", 9),
    ] {
        assert_eq!(content(&list, name), png(n), "{name}");
    }
    assert_eq!(list.entries.len(), 12);
    for note in [
        "links to what is not in the archive (1): dog/gone.png",
        "links that lead out of the archive (2): dog/out.png, dog/abs.png",
        "links that lead back to themselves (1): dog/self.png",
        "pipes or devices (2): dog/pipe.png, dog/device.png",
        "links that lead back to a folder they lie in (1): dog/inside",
    ] {
        said(&list, note);
    }
    same(&list, &again(&list, &path).unwrap());
    // The places of entries may change, their names may not.
    archive(&path, &[(b"cat/1.png", Item::File(1)), (b"dog/1.png", Item::File(3)), (b"dog/2.png", Item::File(2))]);
    let list = ImageList::open(&path).unwrap();
    archive(&path, &[(b"dog/2.png", Item::File(2)), (b"dog/1.png", Item::File(3)), (b"cat/1.png", Item::File(1))]);
    let read = again(&list, &path).unwrap();
    assert_eq!((names(&read), content(&read, "dog/2.png")), (names(&list), png(2)));
    archive(&path, &[(b"dog/2.png", Item::File(2)), (b"cat/1.png", Item::File(1))]);
    refused(again(&list, &path), &["SET.Tar", "lacks 1 image: dog/1.png"]);
}

#[cfg(unix)]
#[test]
fn an_archive_keeps_names_that_are_not_text() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar");
    archive(
        &path,
        &[
            (b"top/caf\xe9/1.png", Item::File(1)),
            (b"top/caf\xe8/1.png", Item::File(2)),
            (b"top/ cat /\n\xff.png", Item::File(3)),
            (b"top/ cat /2.png", Item::File(4)),
        ],
    );
    let list = ImageList::open(&path).unwrap();
    assert_eq!(list.classes, [" cat ", "caf\\xe8", "caf\\xe9"]);
    assert_eq!(content(&list, "caf\\xe9/1.png"), png(1));
    same(&list, &again(&list, &path).unwrap());
}

#[test]
fn long_names_and_holes_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let long = "x".repeat(150);
    put(d.join("data/cat").join(format!("{long}.png")), 1);
    put(d.join("data/dog/1.png"), 2);
    // A hole in the middle of a file that is still an image: PNM takes any bytes.
    let mut holes = b"P5 512 512 255\n".to_vec();
    holes.resize(15 + 512 * 512, 0);
    holes[15..4000].fill(9);
    holes[200_000..201_000].fill(7);
    fs::create_dir_all(d.join("data/dog")).unwrap();
    let mut file = fs::File::create(d.join("data/dog/holes.pgm")).unwrap();
    file.write_all(&holes[..8192]).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(196_608)).unwrap();
    file.write_all(&holes[196_608..]).unwrap();
    drop(file);
    for format in ["gnu", "posix", "v7-long"] {
        let mut command = std::process::Command::new("tar");
        let format = if format == "v7-long" { "oldgnu" } else { format };
        command.current_dir(d).args(["-c", "-S", "-f", "a.tar", "--format", format, "data"]);
        if !command.status().is_ok_and(|s| s.success()) {
            eprintln!("this system's tar has no {format}");
            continue;
        }
        let list = ImageList::open(&d.join("a.tar")).unwrap();
        assert_eq!(content(&list, &format!("cat/{long}.png")), png(1), "{format}");
        match list.entries.iter().any(|e| e.name == "dog/holes.pgm") {
            true => assert!(content(&list, "dog/holes.pgm") == holes, "{format}"),
            // Where the system made a hole, and the format of its map is not read.
            false => said(&list, "dog/holes.pgm"),
        }
    }
}

// ---- lists of runs

#[test]
fn what_is_gone_stays_in_the_list_and_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    (0..4).for_each(|n| put(data.join(if n < 2 { "a" } else { "b" }).join(format!("{n}.png")), n));
    let mut list = ImageList::open(&data).unwrap();
    list.classes.push("a class without images".into());
    fs::remove_file(data.join("b/3.png")).unwrap();
    let read = again(&list, &data).unwrap();
    same(&list, &read);
    assert_eq!(read.notes, ["1 of its files not found: b/3.png"]);
    fs::remove_dir_all(data.join("a")).unwrap();
    fs::remove_file(data.join("b/2.png")).unwrap();
    refused(again(&list, &data), &["4 of its files not found: a/0.png"]);
}

#[test]
fn a_list_that_was_changed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("images.csv");
    let head = "path,label,split,group,fingerprint\n,a,,,\n,b,,,\n";
    for (text, part) in [
        ("", "not the list of a run"),
        ("path,label\n", "not the list of a run"),
        ("path,label,split,group,fingerprint\n", "without any image"),
        (&format!("{head}/x.png,c,train,,\n"), "line 4"),
        (&format!("{head}/x.png,a,trian,,\n"), "line 4"),
        (&format!("{head}/x.png,a,train,,xyz\n"), "line 4"),
        (&format!("{head}/x\\q.png,a,train,,\n"), "line 4"),
        (&format!("{head}/x.png,a,train\n"), "line 4"),
        (&format!("{head},a,,,\n"), "line 4"),
        (&format!("{head}/x.png,a,,,\n,c,,,\n"), "line 5"),
        (&format!("{head}/x.png,\"a,,,\n"), "line 4"),
    ] {
        fs::write(&file, text).unwrap();
        refused(read_run_list(&file, dir.path()), &["images.csv", part]);
    }
}

#[test]
fn the_list_of_a_run_can_be_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    (0..4).for_each(|n| put(data.join(if n < 2 { " a" } else { "b" }).join(format!("{n}.png")), n));
    let mut list = ImageList::open(&data).unwrap();
    list.classes.reverse();
    list.entries.iter_mut().for_each(|e| (e.target, e.split) = ((1 - e.target.class()).into(), Some(Split::Val)));
    fs::write(dir.path().join("images.csv"), write_run_list(&list)).unwrap();
    let read = ImageList::open(&dir.path().join("images.csv")).unwrap();
    assert_eq!(read.classes, ["b", " a"]);
    same(&list, &read_run_list(&dir.path().join("images.csv"), &data).unwrap());
    assert!(read.entries.iter().zip(&list.entries).all(|(a, b)| (&a.target, a.split) == (&b.target, b.split)));
}

#[test]
fn errors_show_names_escaped() {
    let line = refused(ImageList::open(Path::new("no\u{1b}[31mwhere\n.csv")), &["no\\x1b[31mwhere\\n.csv"]);
    assert!(!line.contains('\u{1b}'));
    assert_eq!(shown("a\u{202e}b"), "a\\u{202e}b");
}

#[test]
fn a_column_of_groups_has_no_say_in_splits() {
    let dir = tempfile::tempdir().unwrap();
    (0..3).for_each(|n| put(dir.path().join(format!("{n}.png")), n));
    let table = dir.path().join("images.csv");
    fs::write(&table, "path,label,group,Site\n0.png,cat,p1,north\n1.png,dog,p2,\n2.png,cat,p1,south\n").unwrap();
    let named = |column: &str| ListOptions { attribute_column: Some(column.into()), ..ListOptions::default() };
    let list = ImageList::open_with(&table, &named("site")).unwrap();
    let of =
        |f: &dyn Fn(&striate_data::images::Entry) -> Option<String>| list.entries.iter().map(f).collect::<Vec<_>>();
    assert_eq!(of(&|e| e.attribute.clone()), [Some("north".into()), None, Some("south".into())]);
    assert_eq!(of(&|e| e.group.clone()), [Some("p1".into()), Some("p2".into()), Some("p1".into())]);
    assert!(!list.notes.iter().any(|n| n.contains("ignored")), "{:?}", list.notes);
    // The column that keeps images together may group results as well, and so may the class.
    let by_patient = ImageList::open_with(&table, &named("group")).unwrap();
    assert_eq!(by_patient.entries[0].attribute, by_patient.entries[0].group);
    assert_eq!(ImageList::open_with(&table, &named("label")).unwrap().entries[1].attribute.as_deref(), Some("dog"));
    assert!(ImageList::open(&table).unwrap().entries.iter().all(|e| e.attribute.is_none()));
    refused(ImageList::open_with(&table, &named("town")), &["no column 'town'", "path, label, group, Site"]);
    put(dir.path().join("folders/cat/1.png"), 7);
    refused(ImageList::open_with(&dir.path().join("folders"), &named("site")), &["no table"]);
    let objects = ListOptions { target: striate_data::TargetKind::Objects, ..named("site") };
    refused(ImageList::open_with(&table, &objects), &["no table"]);
    fs::write(&table, "path,label,site\n0.png,cat,north\n0.png,cat,south\n").unwrap();
    refused(ImageList::open_with(&table, &named("site")), &["line 2", "line 3", "cat, north", "cat, south"]);
}
