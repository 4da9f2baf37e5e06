//! Folders of images: training, measuring, and everything that can be wrong with them.

use crate::common::*;
use image::{Rgb, RgbImage};
use std::fs;
use std::path::{Path, PathBuf};

/// An image of a class: red ones have a bright upper half, blue ones a bright lower half, green ones a bright middle. `n` tells them apart.
fn image(class: &str, n: u32, size: u32) -> RgbImage {
    RgbImage::from_fn(size, size, |x, y| {
        let noise = ((x * 31 + y * 17 + n * 101 + x * y * (n + 3)) % 64) as u8;
        let third = 3 * y / size;
        let bright = matches!((class, third), ("red", 0) | ("green", 1) | ("blue", 2));
        if bright { Rgb([255 - noise, 200, 150 + noise]) } else { Rgb([noise, 40, noise / 2]) }
    })
}

fn write(path: PathBuf, class: &str, n: u32, size: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image(class, n, size).save(path).unwrap();
}

const CLASSES: [&str; 3] = ["red", "green", "blue"];

/// `dir/class/n.png`, this many of each class.
fn folders(dir: &Path, each: u32, size: u32) {
    for class in CLASSES {
        (0..each).for_each(|n| write(dir.join(class).join(format!("{n}.png")), class, n, size));
    }
}

/// As [`folders`], of other images.
fn others(dir: &Path, each: u32, size: u32) {
    for class in CLASSES {
        (0..each).for_each(|n| write(dir.join(class).join(format!("{n}.png")), class, 1000 + n, size));
    }
}

const NET: &str = "conv 8 3 padding same, relu, maxpool 4, flatten, linear";

/// Trains on `data` and gives what was said.
fn train(d: &Path, data: &str, out: &str, more: &[&str]) -> String {
    let args = ["train", data, "--model", NET, "--epochs", "4", "--batch-size", "16", "--lr", "0.01", "--out", out];
    succeed(d, &args.iter().chain(more).copied().collect::<Vec<_>>())
}

/// How many images of `all` a run said that it holds out.
fn held_out(said: &str, all: usize) -> usize {
    let (_, rest) = said.split_once("no split given: ").unwrap_or_else(|| panic!("no split: {said}"));
    let (n, rest) = rest.split_once(" of ").unwrap();
    assert!(rest.starts_with(&format!("{all} images are held out")), "{said}");
    n.parse().unwrap()
}

fn accuracy(d: &Path, args: &[&str]) -> serde_json::Value {
    let text = succeed(d, &[&["eval"], args, &["--json"]].concat());
    serde_json::from_str(&text).unwrap()
}

#[test]
fn folders_without_a_split_are_split_and_learnt() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("Größe 3 colours"), 40, 16);
    let said = train(d, "Größe 3 colours", "run", &[]);
    let n = held_out(&said, 120);
    assert!((10..40).contains(&n), "{said}");
    let listed = fs::read_to_string(d.join("run/images.csv")).unwrap();
    assert_eq!(listed.lines().filter(|l| l.contains(",val,")).count(), n);
    // What it was trained on is what it held out; another place is all that is there.
    let own = accuracy(d, &["run/model.safetensors"]);
    assert_eq!((own["images"].as_u64(), own["accuracy"].as_f64()), (Some(n as u64), Some(1.0)));
    assert_eq!(accuracy(d, &["run/model.safetensors", "Größe 3 colours"])["images"], n);
    folders(&d.join("new"), 5, 50);
    let new = accuracy(d, &["run/model.safetensors", "new"]);
    assert_eq!((new["images"].as_u64(), new["accuracy"].as_f64()), (Some(15), Some(1.0)));
    let line = succeed(d, &["predict", "run/model.safetensors", "new/blue/3.png"]);
    assert!(line.starts_with("new/blue/3.png: blue ("), "{line}");
    // A class that the model does not know.
    write(d.join("more/purple/1.png"), "red", 1, 16);
    write(d.join("more/red/1.png"), "red", 1, 16);
    fail(d, &["eval", "run/model.safetensors", "more"], 1, &["more", "purple", "blue, green, red"]);
}

#[test]
fn splits_share_classes_by_name_and_what_is_odd_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("data/train"), 20, 16);
    // The test split lacks the first class: numbers by folder order would be wrong ones.
    for class in ["green", "red"] {
        (50..60).for_each(|n| write(d.join("data/test").join(class).join(format!("{n}.png")), class, n, 16));
    }
    fs::copy(d.join("data/train/red/3.png"), d.join("data/test/red/copy.png")).unwrap();
    fs::write(d.join("data/train/notes.txt"), "x").unwrap();
    let said = train(d, "data", "run", &["--augment", "flip, pad-crop 1, mixup 0.2"]);
    assert!(said.contains("60 training and 20 test images"), "{said}");
    assert!(said.contains("test has no images of blue"), "{said}");
    assert!(said.contains("left out, not images (1): train/notes.txt"), "{said}");
    assert!(
        said.contains("1 image is in two splits") && said.contains("test/red/copy.png = train/red/3.png"),
        "{said}"
    );
    let measured = accuracy(d, &["run/model.safetensors"]);
    assert_eq!((measured["images"].as_u64(), measured["learnt_from_left_out"].as_u64()), (Some(20), Some(1)));
}

#[test]
fn a_manifest_and_an_archive_hold_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("data"), 20, 16);
    let mut text = String::from("label\tpath\tsplit\tgroup\n");
    for class in CLASSES {
        for n in 0..20 {
            text += &format!("{class}\tdata/{class}/{n}.png\t{}\tg{}\n", if n < 15 { "train" } else { "val" }, n / 5);
        }
    }
    fs::write(d.join("all.tsv"), &text).unwrap();
    let manifest = train(d, "all.tsv", "one", &["--cache", "ram"]);
    assert!(manifest.contains("45 training and 15 validation images"), "{manifest}");
    let mut tar = tar::Builder::new(fs::File::create(d.join("all.tar")).unwrap());
    tar.append_path_with_name(d.join("all.tsv"), "top/all.tsv").unwrap();
    tar.append_dir_all("top/data", d.join("data")).unwrap();
    tar.finish().unwrap();
    train(d, "all.tar", "two", &[]);
    assert!(weights(&d.join("one/model.safetensors")) == weights(&d.join("two/model.safetensors")));
    assert_eq!(accuracy(d, &["two/model.safetensors"])["images"], 15);
    let archive = tar::Builder::new(fs::File::create(d.join("folders.tar")).unwrap());
    let mut archive = archive;
    archive.append_dir_all("data", d.join("data")).unwrap();
    archive.finish().unwrap();
    held_out(&train(d, "folders.tar", "three", &[]), 60);
    succeed(d, &["train", "--resume", "three"]);
}

#[test]
fn manifests_that_are_not_right() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("data"), 3, 8);
    let refused = |text: &str, parts: &[&str]| {
        fs::write(d.join("m.csv"), text).unwrap();
        fail(d, &["train", "m.csv"], 1, &[&["m.csv"], parts].concat());
    };
    refused("path,label,colour\n", &["no images found", "the column 'colour' is ignored"]);
    refused("path,split\n", &["no column 'label'", "path, split"]);
    refused("path,class,breed\ndata/red/0.png,a,b\n", &["class, breed could each be the column 'label'"]);
    refused(
        "path,label\ndata/red/0.png,red\ndata/red/7.png,red\n",
        &["1 of its files not found", "data/red/7.png (line 3)"],
    );
    refused("path,label\n,red\n", &["line 2", "path is empty"]);
    refused("path,label,split\ndata/red/0.png,red,trian\n", &["line 2", "'trian'", "train, val or test"]);
    refused(
        "path,label\ndata/red/0.png,red\ndata/red/0.png,blue\n",
        &["data/red/0.png", "'red' in line 2", "'blue' in line 3"],
    );
    refused("path,label\ndata/red/0.png,red\n", &["of one class, 'red'"]);
    refused("path,label\n", &["no images found"]);
    refused("path,label,split\ndata/red/0.png,red,train\ndata/blue/0.png,blue,\n", &["1 of 2 lines have no split"]);
    fs::write(d.join("m.csv"), b"path,label\n\xff\xfe,red\n").unwrap();
    fail(d, &["train", "m.csv"], 1, &["m.csv", "UTF-8"]);
}

#[test]
fn folders_that_are_not_right() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    fs::create_dir(d.join("empty")).unwrap();
    fail(d, &["train", "empty"], 1, &["empty", "no images found", "cat/1.jpg"]);
    write(d.join("flat/1.png"), "red", 1, 8);
    fail(d, &["train", "flat"], 1, &["flat", "not in a class folder (1): 1.png"]);
    write(d.join("one/red/1.png"), "red", 1, 8);
    fail(d, &["train", "one"], 1, &["one", "of one class, 'red'"]);
    fs::write(d.join("what.bin"), "x").unwrap();
    fail(d, &["train", "what.bin"], 1, &["what.bin", "not a folder of images"]);
    fs::write(d.join("x.tar.gz"), "x").unwrap();
    fail(d, &["train", "x.tar.gz"], 1, &["x.tar.gz", "unpack it"]);
    fs::write(d.join("x.tar"), "not a tar, but long enough for nothing").unwrap();
    fail(d, &["train", "x.tar"], 1, &["x.tar"]);
    for class in ["red", "blue"] {
        (0..3).for_each(|n| write(d.join("test-only/test").join(class).join(format!("{n}.png")), class, n, 8));
    }
    fail(d, &["train", "test-only"], 1, &["test-only", "no train images, only test"]);
    fail(d, &["train", "--size", "20"], 1, &["mnist", "--size"]);
    fail(d, &["train", "test-only", "--augment", "flop"], 2, &["no augmentation 'flop'", "flip [P]"]);
    fail(d, &["train", "test-only", "--max-bad", "200%"], 2, &["--max-bad"]);
    fail(d, &["train", "test-only", "--channels", "2"], 2, &["--channels"]);
    assert!(!d.join("runs").exists(), "nothing is made for a run that cannot start");
}

#[test]
fn rare_classes_can_count_more() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    for split in ["train", "val"] {
        for (class, n) in [("red", 30), ("green", 30), ("blue", 3)] {
            // No image is in both splits.
            let first = if split == "val" { 32 } else { 0 };
            let file = |n: u32| d.join("data").join(split).join(class).join(format!("{n}.png"));
            (first..first + n).for_each(|n| write(file(n), class, n, 16));
        }
    }
    for (out, flags) in
        [("a", &["--balance"][..]), ("b", &["--class-weights"]), ("c", &["--focal", "2", "--class-weights"])]
    {
        train(d, "data", out, flags);
        let measured = accuracy(d, &[&format!("{out}/model.safetensors")]);
        assert_eq!(measured["accuracy"].as_f64(), Some(1.0), "{flags:?}");
    }
    fail(d, &["train", "data", "--balance", "--class-weights"], 2, &["--balance", "--class-weights"]);
    fail(d, &["train", "data", "--focal", "2", "--augment", "mixup"], 1, &["--focal", "mixup"]);
}

#[test]
fn archives_that_lead_out_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    for name in ["../out.png", "/etc/out.png", "a/../../out.png"] {
        let mut tar = tar::Builder::new(fs::File::create(d.join("bad.tar")).unwrap());
        let mut header = tar::Header::new_gnu();
        // The builder itself would refuse the name.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(1);
        header.set_cksum();
        tar.append(&header, &b"x"[..]).unwrap();
        tar.finish().unwrap();
        fail(d, &["train", "bad.tar"], 1, &["bad.tar", "refused", "out.png"]);
    }
}

#[cfg(unix)]
#[test]
fn links_that_lead_round_end() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("data"), 10, 16);
    std::os::unix::fs::symlink(d.join("data"), d.join("data/red/again")).unwrap();
    std::os::unix::fs::symlink(d.join("data/blue/1.png"), d.join("data/blue/link.png")).unwrap();
    let said = train(d, "data", "run", &[]);
    assert!(said.contains("lead back to a folder they lie in (1): red/again"), "{said}");
    held_out(&said, 31);
}

#[test]
fn bad_images_are_left_out_counted_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("data/train"), 20, 16);
    others(&d.join("data/test"), 10, 16);
    let jpeg = d.join("data/train/red/cut.jpg");
    image("red", 99, 64).save(&jpeg).unwrap();
    let whole = fs::read(&jpeg).unwrap();
    fs::write(&jpeg, &whole[..whole.len() / 2]).unwrap();
    fs::write(d.join("data/train/red/empty.png"), "").unwrap();
    let said = train(d, "data", "run", &[]);
    assert!(said.contains("60 training and 30 test images"), "{said}");
    assert!(said.contains("left out: 2 images that cannot be read"), "{said}");
    let listed = fs::read_to_string(d.join("run/bad-images.txt")).unwrap();
    assert!(listed.contains("cut.jpg: it is cut short") && listed.contains("empty.png: the file is empty"), "{listed}");
    let line = fail(d, &["train", "data", "--max-bad", "1%"], 1, &["2 of 92 images", "--max-bad 1%", "cut.jpg"]);
    assert!(line.contains("empty.png"), "{line}");
}

#[test]
fn a_folder_that_changes_during_training() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("data/train"), 20, 16);
    others(&d.join("data/test"), 10, 16);
    let mut child = striate(d)
        .args(["train", "data", "--model", NET, "--epochs", "4000", "--patience", "0", "--out", "run", "--quiet"])
        .spawn()
        .unwrap();
    while !d.join("run/model.safetensors").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it goes on");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    fs::remove_file(d.join("data/train/red/3.png")).unwrap();
    fs::write(d.join("data/train/red/4.png"), "nonsense").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "a bad image does not stop it");
    child.kill().unwrap();
    child.wait().unwrap();
    // A run goes on without what is gone, and says so; without anything it does not.
    let mut resumed = striate(d);
    resumed.args(["train", "--resume", "run"]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    let mut child = resumed.spawn().unwrap();
    let mut said = String::new();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    while !said.contains("1 of its files not found: train/red/3.png") {
        let line = lines.next().unwrap_or_else(|| panic!("it ended: {said}")).unwrap();
        said = format!("{said}{line}\n");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_dir_all(d.join("data")).unwrap();
    fs::create_dir(d.join("data")).unwrap();
    fail(d, &["train", "--resume", "run"], 1, &["run/images.csv", "90 of its files not found"]);
}

#[test]
fn a_check_finds_what_spoils_a_result() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("data/train"), 4, 40);
    folders(&d.join("data/val"), 2, 40);
    let scene = |seed: u32| {
        let coarse = RgbImage::from_fn(6, 5, |x, y| {
            let v = |k: u32| (x * 89 + y * 57 + k * 131 + seed * 71 + x * y * seed * 13) as u8;
            Rgb([v(0), v(1), v(2)])
        });
        image::imageops::resize(&coarse, 120, 100, image::imageops::FilterType::CatmullRom)
    };
    scene(5).save(d.join("data/train/red/near.png")).unwrap();
    let small = image::imageops::resize(&scene(5), 60, 50, image::imageops::FilterType::Triangle);
    small.save(d.join("data/val/red/near.jpg")).unwrap();
    scene(9).save(d.join("data/train/red/twice.png")).unwrap();
    fs::copy(d.join("data/train/red/twice.png"), d.join("data/train/blue/twice.jpg")).unwrap();
    fs::write(d.join("data/train/green/broken.jpg"), "x").unwrap();
    let output = run(d, &["data", "check", "data", "--html", "page.html"]);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "nearly the same pixels in two splits",
        "train/red/near.png = val/red/near.jpg",
        "the same bytes under two labels",
        "train/blue/twice.jpg = train/red/twice.png",
        "1 image cannot be read: ",
        "broken.jpg",
        "1 file has the ending of another format: train/blue/twice.jpg is a PNG file",
        "problem: ",
        "note: ",
        " problems found.",
        "median 40",
    ] {
        assert!(said.contains(part), "'{part}' is not in: {said}");
    }
    let page = fs::read_to_string(d.join("page.html")).unwrap();
    assert!(
        page.contains("data:image/jpeg;base64,") && page.contains("val/red/near.jpg") && page.ends_with("</html>\n")
    );
    let json = run(d, &["data", "check", "data", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!((report["unreadable"].as_u64(), report["images"].as_u64()), (Some(1), Some(23)));
    assert!(
        report["findings"].as_array().unwrap().iter().any(|f| f["kind"] == "across splits" && f["problem"] == true)
    );

    folders(&d.join("good"), 2, 24);
    let said = succeed(d, &["data", "stats", "good"]);
    assert!(said.contains("6 images of 3 classes") && said.contains("width: 24 to 24"), "{said}");
}

#[test]
fn a_split_is_written_and_a_grid_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("data"), 20, 24);
    let said = succeed(d, &["data", "split", "data", "--out", "split.csv", "--val", "25%"]);
    let n: usize = said.split_once(" held out").unwrap().0.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(
        (6..30).contains(&n) && said.contains(&format!("split.csv: {} images to learn from, {n} held out", 60 - n)),
        "{said}"
    );
    fail(d, &["data", "split", "split.csv", "--out", "again.csv"], 1, &["split already"]);
    assert!(train(d, "split.csv", "run", &[]).contains(&format!("{} training and {n} validation images", 60 - n)));
    succeed(
        d,
        &[
            "data",
            "show",
            "data",
            "--out",
            "grid.png",
            "--augment",
            "flip 1",
            "--images",
            "3",
            "--epochs",
            "2",
            "--size",
            "24",
        ],
    );
    let grid = image::open(d.join("grid.png")).unwrap().to_rgb8();
    assert_eq!((grid.width(), grid.height()), (3 * 26 + 2, 3 * 26 + 2));
    // In the second column the first image is the other way round.
    assert!((0..24).all(|x| (0..24).all(|y| grid.get_pixel(2 + x, 2 + y) == grid.get_pixel(28 + 23 - x, 2 + y))));
}

#[test]
fn a_run_keeps_its_classes_whatever_they_are_called() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    for (class, like) in [(" zebra", "red"), ("cat", "green"), ("cat ", "blue")] {
        (0..20).for_each(|n| write(d.join("data").join(class).join(format!("{n}.png")), like, n, 16));
    }
    let n = held_out(&train(d, "data", "run", &[]), 60);
    let measured = accuracy(d, &["run/model.safetensors"]);
    assert_eq!((measured["images"].as_u64(), measured["accuracy"].as_f64()), (Some(n as u64), Some(1.0)));
    let before = fs::read(d.join("run/images.csv")).unwrap();
    let said = succeed(d, &["train", "--resume", "run"]);
    assert!(said.contains("100.00%") || said.contains("100 %") || said.contains("100%"), "{said}");
    assert!(fs::read(d.join("run/images.csv")).unwrap() == before);
}

#[cfg(unix)]
#[test]
fn names_that_are_not_text_and_archives_in_capitals_go_on() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("data"), 12, 16);
    let odd = d.join("data/red").join(std::ffi::OsStr::from_bytes(b"caf\xe9\x1b.png"));
    fs::rename(d.join("data/red/3.png"), odd).unwrap();
    let mut tar = tar::Builder::new(fs::File::create(d.join("SET.TAR")).unwrap());
    tar.append_dir_all("data", d.join("data")).unwrap();
    tar.finish().unwrap();
    for data in ["data", "SET.TAR"] {
        let said = train(d, data, &format!("run-{data}"), &[]);
        held_out(&said, 36);
        let said = succeed(d, &["train", "--resume", &format!("run-{data}")]);
        assert!(!said.contains("not found") && !said.contains('\u{1b}'), "{said}");
    }
}

#[test]
fn data_that_cannot_be_split_says_why_and_what_helps() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    // Two images of each class are enough.
    folders(&d.join("few"), 2, 32);
    let said = succeed(d, &["data", "split", "few", "--out", "few.csv"]);
    assert!(said.contains("3 images to learn from, 3 held out"), "{said}");
    assert!(said.contains("train few.csv"), "{said}");
    // One is not.
    write(d.join("few/black/1.png"), "black", 1, 32);
    fail(
        d,
        &["data", "split", "few", "--out", "no.csv"],
        1,
        &["class 'black'", "2 are needed", "finetune --mode prototype"],
    );
    let said = stdout(&run(d, &["data", "check", "few"]));
    assert!(said.contains("problem: class 'black' cannot be split") && said.ends_with("1 problem found.\n"), "{said}");
    // A fixed camera: what differs is a speck.
    for (class, v) in [("ok", 20), ("defect", 250)] {
        for n in 0..12 {
            let mut camera = image("red", 5, 64);
            camera.put_pixel(n * 5, 63 - n * 4, Rgb([v, v / 2, 9]));
            fs::create_dir_all(d.join("camera").join(class)).unwrap();
            camera.save(d.join("camera").join(class).join(format!("{n}.png"))).unwrap();
        }
    }
    let parts =
        &["class 'defect' (and 1 more class)", "all its 12 images are nearly the same", "--split-near-duplicates"];
    fail(d, &["data", "split", "camera", "--out", "no.csv"], 1, parts);
    assert!(!d.join("no.csv").exists());
    let output = run(d, &["data", "check", "camera"]);
    assert!(
        output.status.code() == Some(1) && stdout(&output).contains("problem: class 'defect'"),
        "{}",
        stdout(&output)
    );
    succeed(d, &["data", "split", "camera", "--out", "it's here.csv", "--split-near-duplicates"]);
    let said = succeed(d, &["data", "split", "camera", "--out", "it's here.csv", "--split-near-duplicates"]);
    let next = said.lines().last().unwrap().split_once(" train ").unwrap().1;
    assert_eq!(next, "'it'\\''s here.csv'");
    let shell = std::process::Command::new("sh").current_dir(d).args(["-c", &format!("ls {next}")]).output().unwrap();
    assert!(shell.status.success(), "{}", stderr(&shell));
    succeed(d, &["data", "stats", "it's here.csv"]);
    // One class is enough to be looked at.
    folders(&d.join("all"), 2, 24);
    fs::rename(d.join("all/red"), d.join("red")).unwrap();
    fs::create_dir(d.join("one")).unwrap();
    fs::rename(d.join("red"), d.join("one/red")).unwrap();
    assert!(succeed(d, &["data", "stats", "one"]).contains("2 images of 1 class, "));
    let said = stdout(&run(d, &["data", "check", "one"]));
    assert!(said.contains("problem: all images are of one class, 'red'"), "{said}");
}

#[test]
fn nothing_is_written_over_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("data"), 6, 24);
    let rows: String = CLASSES.iter().flat_map(|c| (0..6).map(move |n| format!("data/{c}/{n}.png,{c}\n"))).collect();
    fs::write(d.join("m.csv"), format!("path,label\n{rows}")).unwrap();
    let before = (fs::read(d.join("m.csv")).unwrap(), fs::read(d.join("data/red/0.png")).unwrap());
    fail(d, &["data", "split", "m.csv", "--out", "data/../m.csv"], 1, &["m.csv", "read here"]);
    fail(d, &["data", "split", "data", "--out", "data/red/0.png"], 1, &["0.png", "read here"]);
    fail(d, &["data", "check", "m.csv", "--html", "m.csv"], 1, &["m.csv", "read here"]);
    fail(d, &["data", "show", "m.csv", "--out", "data/red/0.png"], 1, &["0.png", "read here"]);
    fail(d, &["data", "show", "data", "--out", "grid.jpg"], 2, &["grid.jpg", ".png"]);
    fail(d, &["data", "split", "data", "--out", "x.csv", "--val", "0%"], 2, &["more than 0%"]);
    assert!((fs::read(d.join("m.csv")).unwrap(), fs::read(d.join("data/red/0.png")).unwrap()) == before);
}

#[test]
fn columns_can_be_named_and_names_are_shown_escaped() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("img"), 6, 24);
    let row = |c: &'static str| (0..6).map(move |n| format!("{c}{n},img/{c}/{n}.png,{c},\u{1b}[31m{c}\n"));
    let rows: String = CLASSES.into_iter().flat_map(row).collect();
    fs::write(d.join("m.csv"), format!("id,file,class,category\n{rows}")).unwrap();
    fail(d, &["data", "check", "m.csv"], 1, &["id, file could each be the column 'path'", "--path-column NAME"]);
    let columns = ["--path-column", "file", "--label-column", "category"];
    for verb in
        [&["data", "stats", "m.csv"][..], &["data", "check", "m.csv"], &["data", "split", "m.csv", "--out", "s.csv"]]
    {
        let output = run(d, &[verb, &columns].concat());
        let said = stdout(&output) + &stderr(&output);
        assert!(!said.contains('\u{1b}') && !said.contains("error"), "{said}");
        assert!(said.contains("\\x1b[31mred") || verb[1] == "split", "{said}");
    }
    succeed(
        d,
        &[&["data", "show", "m.csv", "--out", "g.PNG", "--images", "2", "--epochs", "1"][..], &columns].concat(),
    );
    assert!(succeed(d, &["data", "stats", "s.csv"]).contains("18 images of 3 classes"));
}
