//! Images and models as they are named: runs, folders, patterns, standard input, names of any bytes.

use crate::common::*;
use image::{Rgb, RgbImage};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

const NET: &str = "conv 4 3, relu, globalavgpool, linear";

fn image_file(path: &Path, seed: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let noise = |x: u32, y: u32| (x * 31 + y * 17 + x * y * (seed + 3) + seed * 101) as u8;
    let image = RgbImage::from_fn(16, 16, |x, y| Rgb([noise(x, y), noise(y, x) / 2, (seed * 40) as u8]));
    image.save_with_format(path, image::ImageFormat::Png).unwrap();
}

/// `run`, a run whose model knows these classes.
fn trained(d: &Path, classes: &[&str]) {
    for (c, class) in classes.iter().enumerate() {
        for n in 0..10 {
            image_file(&d.join("data").join(class).join(format!("{n}.png")), 100 * c as u32 + n);
        }
    }
    succeed(d, &["train", "data", "--model", NET, "--epochs", "1", "--out", "run", "--quiet"]);
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn a_run_stands_for_its_model() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    trained(d, &["cat", "dog"]);
    let image = "data/cat/1.png";
    assert_eq!(succeed(d, &["eval", "run"]), succeed(d, &["eval", "run/model.safetensors"]));
    assert_eq!(succeed(d, &["predict", "run/", image]), succeed(d, &["predict", "run/model.safetensors", image]));
    assert_eq!(succeed(d, &["inspect", "run"]), succeed(d, &["inspect", "run/model.safetensors"]));
    succeed(d, &["export", "run", "--format", "PTH"]);
    assert!(d.join("run/model-weights.pth").is_file());
    // A folder that is called as a network is none of the other's business.
    fs::create_dir(d.join("lenet")).unwrap();
    assert!(succeed(d, &["inspect", "lenet"]).contains("fc3"));
    for verb in [&["eval", "lenet"][..], &["predict", "lenet", image], &["export", "lenet"]] {
        fail(d, verb, 1, &["lenet is a directory without model.safetensors", "run"]);
    }
    fs::rename(d.join("run"), d.join("my run")).unwrap();
    fs::remove_file(d.join("my run/model.safetensors")).unwrap();
    for verb in [&["eval", "my run"][..], &["predict", "my run", image], &["export", "my run"], &["inspect", "my run"]]
    {
        fail(d, verb, 1, &["my run has no model.safetensors yet", "train --resume 'my run'"]);
    }
}

#[test]
fn folders_and_patterns_give_their_images_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    trained(d, &["cat", "dog"]);
    for (n, name) in ["b.png", "a.PNG", "sub/c.jpg", "sub/deep/d.png", ".hidden.png", ".git/x.png"].iter().enumerate() {
        image_file(&d.join("photos").join(name), n as u32);
    }
    fs::write(d.join("photos/readme.txt"), "x").unwrap();
    fs::write(d.join("photos/sub/labels.csv"), "x").unwrap();
    let names = |output: &Output| -> Vec<String> {
        stdout(output).lines().map(|l| l.split(": ").next().unwrap().to_string()).collect()
    };
    let output = run(d, &["predict", "run", "photos"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(names(&output), ["photos/a.PNG", "photos/b.png", "photos/sub/c.jpg", "photos/sub/deep/d.png"]);
    assert!(stderr(&output).starts_with("note: 2 files in the folders left out"), "{}", stderr(&output));
    for (pattern, expected) in [
        ("photos/*.png", &["photos/b.png"][..]),
        ("photos/?.[pP]*", &["photos/a.PNG", "photos/b.png"]),
        ("./photos/*/*.jpg", &["./photos/sub/c.jpg"]),
        ("photos/**/*.png", &["photos/b.png", "photos/sub/deep/d.png"]),
        ("photos/.*.png", &["photos/.hidden.png"]),
        ("p*/su*", &["photos/sub/c.jpg", "photos/sub/deep/d.png"]),
    ] {
        let output = run(d, &["predict", "run", pattern]);
        assert_eq!(
            (names(&output), output.status.code()),
            (expected.iter().map(|s| s.to_string()).collect(), Some(0)),
            "{pattern}"
        );
    }
    fail(d, &["predict", "run", "photos/*.gif"], 1, &["photos/*.gif", "no file"]);
    fs::create_dir_all(d.join("none/.git")).unwrap();
    fs::write(d.join("none/x.txt"), "x").unwrap();
    let output = run(d, &["predict", "run", "none", "photos/b.png"]);
    assert!(stderr(&output).contains("error: none: no images in this folder, but 1 other file"), "{}", stderr(&output));
    assert_eq!((output.status.code(), names(&output)), (Some(1), vec!["photos/b.png".to_string()]));
    // A file whose name only looks like a pattern is a file.
    image_file(&d.join("odd[1]*.png"), 1);
    assert_eq!(names(&run(d, &["predict", "run", "odd[1]*.png"])), ["odd[1]*.png"]);
}

#[cfg(unix)]
#[test]
fn links_in_circles_end() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    trained(d, &["cat", "dog"]);
    image_file(&d.join("photos/a.png"), 1);
    std::os::unix::fs::symlink("..", d.join("photos/up")).unwrap();
    std::os::unix::fs::symlink("a.png", d.join("photos/link.png")).unwrap();
    let out = succeed(d, &["predict", "run", "photos/**/*.png"]);
    assert_eq!(lines(&out).len(), 2, "{out}");
    let out = succeed(d, &["predict", "run", "photos"]);
    assert_eq!(lines(&out).iter().filter(|l| l.starts_with("photos/a.png: ")).count(), 1, "{out}");
}

#[test]
fn an_image_comes_through_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    trained(d, &["cat", "dog"]);
    let bytes = fs::read(d.join("data/cat/1.png")).unwrap();
    let piped = |args: &[&str], bytes: &[u8]| {
        let mut child =
            striate(d).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(bytes);
        child.wait_with_output().unwrap()
    };
    let after = |out: String| out.split_once(": ").unwrap().1.to_string();
    let expected = after(succeed(d, &["predict", "run", "data/cat/1.png"]));
    let output = piped(&["predict", "run", "-"], &bytes);
    assert_eq!(stdout(&output), format!("standard input: {expected}"), "{}", stderr(&output));
    if cfg!(unix) {
        assert_eq!(after(stdout(&piped(&["predict", "run", "/dev/stdin"], &bytes))), expected);
    }
    let output = piped(&["predict", "run", "--json", "data/dog/1.png", "-"], &bytes);
    assert_eq!(serde_json::from_str::<Value>(lines(&stdout(&output))[1]).unwrap()["image"], "-");
    for (bytes, part) in [(&b""[..], "empty"), (&bytes[..40], "standard input: "), (b"hello", "not an image")] {
        let output = piped(&["predict", "run", "-"], bytes);
        assert!(output.status.code() == Some(1) && stderr(&output).contains(part), "{}", stderr(&output));
        assert!(stderr(&output).starts_with("error: standard input"), "{}", stderr(&output));
    }
    assert_eq!(piped(&["predict", "run", "-", "-"], &bytes).status.code(), Some(1));
}

#[test]
fn top_says_how_many_classes_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    trained(d, &["a", "b", "c", "d"]);
    let listed = |args: &[&str]| succeed(d, &[&["predict", "run", "data/a/1.png"], args].concat()).matches('%').count();
    assert_eq!([&[][..], &["--top", "1"], &["--top", "3"], &["--top", "9"]].map(listed), [2, 1, 3, 4]);
    assert!(!succeed(d, &["predict", "run", "data/a/1.png", "--top", "1"]).contains("next"));
    let top = |args: &[&str]| {
        let out = succeed(d, &[&["predict", "run", "data/a/1.png", "--json"], args].concat());
        serde_json::from_str::<Value>(&out).unwrap()["top"].as_array().unwrap().len()
    };
    assert_eq!([&[][..], &["--top", "1"], &["--top", "9"]].map(top), [3, 1, 4]);
    fail(d, &["predict", "run", "x.png", "--top", "0"], 2, &["--top", "a whole number, 1 or more"]);
}

/// Each image has its line, whatever the others are, and however many.
#[test]
fn unreadable_images_among_many_are_told_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    trained(d, &["cat", "dog"]);
    for n in 0..150 {
        let path = d.join(format!("many/{n:03}.png"));
        image_file(&path, n);
        if n % 50 == 7 {
            fs::write(path, "broken").unwrap();
        }
    }
    let output = run(d, &["predict", "run", "many"]);
    let (out, err) = (stdout(&output), stderr(&output));
    assert_eq!((output.status.code(), lines(&out).len(), lines(&err).len()), (Some(1), 147, 3), "{err}");
    for (line, n) in lines(&err).iter().zip([7, 57, 107]) {
        assert!(line.starts_with(&format!("error: many/{n:03}.png: ")), "{line}");
    }
    // Neither its neighbours nor the threads change what is said of an image.
    for n in [0, 8, 149] {
        let name = format!("many/{n:03}.png");
        let alone = succeed(d, &["predict", "run", &name, "--json", "--threads", "1"]);
        let all = run(d, &["predict", "run", "many", "--json"]);
        assert!(stdout(&all).contains(&alone), "{alone}");
    }
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_work_and_can_be_had_back() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let os = |bytes: &'static [u8]| OsStr::from_bytes(bytes);
    trained(d, &["cat", "dog"]);
    image_file(&d.join(os(b"photos/caf\xe9.png")), 1);
    image_file(&d.join("photos/ok.png"), 2);
    fs::rename(d.join("run"), d.join(os(b"r\xfcn"))).unwrap();
    let go = |args: &[&OsStr]| {
        let output = striate(d).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let model = os(b"r\xfcn");
    let out = go(&[os(b"predict"), model, os(b"photos")]);
    assert!(out.starts_with("photos/caf\\xe9.png: ") && lines(&out)[1].starts_with("photos/ok.png: "), "{out}");
    let out = go(&[os(b"predict"), model, os(b"photos/c*.png"), os(b"photos/ok.png"), os(b"--json")]);
    let values: Vec<Value> = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(
        (&values[0]["image"], &values[0]["image_bytes"]),
        (&"photos/caf\u{fffd}.png".into(), &"photos/caf%E9.png".into())
    );
    assert_eq!((&values[1]["image"], values[1].get("image_bytes")), (&"photos/ok.png".into(), None));
    let json: Value = serde_json::from_str(&go(&[os(b"eval"), model, os(b"--json")])).unwrap();
    assert_eq!(json["model_bytes"], "r%FCn/model.safetensors");
    assert!(go(&[os(b"eval"), model, os(b"--csv"), os(b"\xff.csv")]).starts_with("r\\xfcn/model.safetensors: "));
    assert!(d.join(os(b"\xff.csv")).is_file());
    assert!(go(&[os(b"inspect"), model]).starts_with("r\\xfcn/model.safetensors: "));
    assert!(go(&[os(b"export"), model, os(b"--out"), os(b"\xff.npz")]).starts_with("\\xff.npz: "));
    let mut broken = d.join(os(b"\xe9.safetensors"));
    fs::copy(d.join(os(b"r\xfcn/model.safetensors")), &broken).unwrap();
    assert!(go(&[os(b"export"), broken.file_name().unwrap()]).contains("\\xe9-weights.pth: "));
    broken.set_file_name(os(b"n\xebt.txt"));
    fs::write(&broken, "conv 3 3, relu, flatten, linear").unwrap();
    assert!(go(&[os(b"inspect"), os(b"@n\xebt.txt")]).contains("linear"));
    let full = [&b"@"[..], broken.as_os_str().as_bytes()].concat();
    assert!(go(&[os(b"inspect"), OsStr::from_bytes(&full)]).contains("linear"));
    assert!(go(&[os(b"inspect"), os(b"n\xebt.txt")]).contains("linear"));
    assert!(go(&[os(b"bench"), os(b"--model"), os(b"@n\xebt.txt"), os(b"--batch-size"), os(b"1")]).contains("linear"));
    let train = [
        os(b"train"),
        os(b"data"),
        os(b"--model"),
        os(b"@n\xebt.txt"),
        os(b"--epochs"),
        os(b"1"),
        os(b"--log"),
        os(b"json"),
    ];
    let events = go(&[&train[..], &[os(b"--out"), os(b"n\xebw")]].concat());
    let events: Vec<Value> = events.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    for event in ["started", "checkpoint", "finished"] {
        assert!(events.iter().any(|e| e["event"] == event), "{event} is missing");
    }
    let last = events.last().unwrap();
    assert_eq!((&last["run_bytes"], &last["model_bytes"]), (&"n%EBw".into(), &"n%EBw/model.safetensors".into()));
    // What does not exist is told in one line.
    for args in
        [&[os(b"eval"), os(b"\xff")][..], &[os(b"inspect"), os(b"\xff")], &[os(b"predict"), model, os(b"\xff.png")]]
    {
        let output = striate(d).args(args).output().unwrap();
        let said = stderr(&output);
        assert!(output.status.code() == Some(1) && lines(&said).len() == 1 && said.starts_with("error: "), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn names_cannot_command_the_terminal_and_columns_line_up() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    trained(d, &["\x1b[31mred\x1b[0m", "a\nb", "猫", "x\u{202e}y"]);
    image_file(&d.join("im\x1b[2Jg\n.png"), 1);
    let harmless = |text: &str| {
        let bad = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(bad), "{text:?}");
    };
    let out = succeed(d, &["eval", "run"]);
    harmless(&out);
    assert!(out.contains("\\x1b[31mred\\x1b[0m") && out.contains("a\\nb") && out.contains("x\\u{202e}y"), "{out}");
    let matrix: Vec<&str> = out.split("\n\n").nth(2).unwrap().lines().collect();
    let width = |line: &&str| line.chars().map(|c| if c == '猫' { 2 } else { 1 }).sum::<usize>();
    assert!(matrix.iter().all(|line| width(line) == width(&matrix[0])), "{out}");
    let out = succeed(d, &["predict", "run", "im\x1b[2Jg\n.png"]);
    harmless(&out);
    assert_eq!(lines(&out).len(), 1, "{out}");
    let output = run(d, &["predict", "run", "missing\x1b[2J.png", "no*\x1b.png"]);
    harmless(&stderr(&output));
    for verb in [
        &["inspect", "run\x1b"][..],
        &["eval", "\x1b"],
        &["export", "\x1b"],
        &["train", "\x1b"],
        &["train", "--\x1b[2J"],
    ] {
        harmless(&stderr(&run(d, verb)));
    }
    // Machines get the names as they are.
    let json: Value = serde_json::from_str(&succeed(d, &["eval", "run", "--json"])).unwrap();
    let names: Vec<&str> = json["classes"].as_array().unwrap().iter().map(|c| c["class"].as_str().unwrap()).collect();
    assert!(names.contains(&"\x1b[31mred\x1b[0m") && names.contains(&"a\nb"), "{names:?}");
}

#[test]
fn export_writes_over_nothing_that_it_reads() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    trained(d, &["cat", "dog"]);
    let model = d.join("run/model.safetensors");
    let before = fs::read(&model).unwrap();
    fs::hard_link(&model, d.join("hard.safetensors")).unwrap();
    let mut names = vec!["run/model.safetensors", "./run/../run/model.safetensors", "hard.safetensors"];
    if cfg!(unix) {
        #[cfg(unix)]
        std::os::unix::fs::symlink("run/model.safetensors", d.join("link.safetensors")).unwrap();
        names.push("link.safetensors");
    }
    for out in names {
        for verb in [&["export", "run", "--format", "npz", "--out"][..], &["eval", "run", "--csv"]] {
            fail(d, &[verb, &[out]].concat(), 1, &[out, "name another"]);
            assert!(fs::read(&model).unwrap() == before, "{out}");
        }
    }
    fs::write(d.join("list.csv"), "path,label\ndata/cat/1.png,cat\n").unwrap();
    fail(d, &["eval", "run", "list.csv", "--csv", "list.csv"], 1, &["list.csv", "name another"]);
    // The ending tells the format.
    for (out, magic) in [("w.npz", &b"PK"[..]), ("w.safetensors", &b""[..]), ("w.pt", &b"PK"[..])] {
        succeed(d, &["export", "run", "--out", out]);
        assert!(fs::read(d.join(out)).unwrap().starts_with(magic), "{out}");
    }
    assert!(fs::read(d.join("w.npz")).unwrap() != fs::read(d.join("w.pt")).unwrap());
}
