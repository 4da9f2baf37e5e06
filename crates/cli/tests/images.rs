//! Folders of images: training, measuring, and everything that can be wrong with them.

mod common;

use common::*;
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

/// `dir/class/n.png`, so many of each class.
fn folders(dir: &Path, each: u32, size: u32) {
    for class in CLASSES {
        (0..each).for_each(|n| write(dir.join(class).join(format!("{n}.png")), class, n, size));
    }
}

const NET: &str = "conv 8 3 padding same, relu, maxpool 4, flatten, linear";

/// Trains on `data` and gives what was said.
fn train(d: &Path, data: &str, out: &str, more: &[&str]) -> String {
    let args = ["train", data, "--model", NET, "--epochs", "4", "--batch-size", "16", "--lr", "0.01", "--out", out];
    succeed(d, &args.iter().chain(more).copied().collect::<Vec<_>>())
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
    assert!(said.contains("no split given: 24 of 120 images are held out"), "{said}");
    let listed = fs::read_to_string(d.join("run/images.csv")).unwrap();
    assert_eq!(listed.lines().filter(|l| l.contains(",val,")).count(), 24);
    // What it was trained on is what it held out; another place is all that is there.
    let own = accuracy(d, &["run/model.safetensors"]);
    assert_eq!((own["images"].as_u64(), own["accuracy"].as_f64()), (Some(24), Some(1.0)));
    assert_eq!(accuracy(d, &["run/model.safetensors", "Größe 3 colours"])["images"], 24);
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
    assert!(said.contains("60 training and 21 test images"), "{said}");
    assert!(said.contains("test has no images of blue"), "{said}");
    assert!(said.contains("left out as no images: train/notes.txt"), "{said}");
    assert!(
        said.contains("1 image is in two splits") && said.contains("test/red/copy.png = train/red/3.png"),
        "{said}"
    );
    let measured = accuracy(d, &["run/model.safetensors"]);
    assert_eq!((measured["images"].as_u64(), measured["accuracy"].as_f64()), (Some(21), Some(1.0)));
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
    assert!(train(d, "folders.tar", "three", &[]).contains("no split given: 12 of 60"));
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
    refused("path,label,colour\n", &["unknown column 'colour'", "path, label"]);
    refused("path,split\n", &["no column 'label'"]);
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
    fail(d, &["train", "flat"], 1, &["flat", "not in a class folder: 1.png"]);
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
            (0..n).for_each(|n| write(d.join("data").join(split).join(class).join(format!("{n}.png")), class, n, 16));
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
    assert!(said.contains("leads back to a folder") && said.contains("again"), "{said}");
    assert!(said.contains("of 31 images are held out"), "{said}");
}

#[test]
fn bad_images_are_left_out_counted_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("data/train"), 20, 16);
    folders(&d.join("data/test"), 10, 16);
    let jpeg = d.join("data/train/red/cut.jpg");
    image("red", 99, 64).save(&jpeg).unwrap();
    let whole = fs::read(&jpeg).unwrap();
    fs::write(&jpeg, &whole[..whole.len() / 2]).unwrap();
    fs::write(d.join("data/train/red/empty.png"), "").unwrap();
    let said = train(d, "data", "run", &[]);
    assert!(said.contains("60 training and 30 test images"), "{said}");
    assert!(said.contains("Left out: 2 images that cannot be read"), "{said}");
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
    folders(&d.join("data/test"), 10, 16);
    let mut child = striate(d)
        .args(["train", "data", "--model", NET, "--epochs", "4000", "--out", "run", "--quiet"])
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
    fail(d, &["train", "--resume", "run"], 1, &["run/images.csv", "1 of its files not found", "3.png"]);
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
        "1 file of another format than the name says",
        "spoils results",
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
    assert!(report["findings"].as_array().unwrap().iter().any(|f| f["kind"] == "across splits" && f["spoils"] == true));

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
    assert!(said.contains("45 images to learn from, 15 held out"), "{said}");
    fail(d, &["data", "split", "split.csv", "--out", "again.csv"], 1, &["split already"]);
    assert!(train(d, "split.csv", "run", &[]).contains("45 training and 15 validation images"));
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
