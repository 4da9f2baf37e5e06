//! `explain`: maps, files and scores, and what cannot be explained.

use crate::common::*;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A folder with images of two classes, a bright square at the left or at the right on noise, and a model that tells them apart.
fn trained(dir: &Path) {
    let image = |class: usize, seed: u32| {
        let mut state = seed;
        let mut noise = move || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 24) as u8 / 4
        };
        let (w, h) = (24, 24);
        let pixel = |i: usize| {
            let (x, y) = (i / 3 % w, i / 3 / w);
            let bright = (4..12).contains(&y) && (class * 14 + 1..class * 14 + 9).contains(&x);
            noise() + if bright { 190 } else { 0 }
        };
        let pixels: Vec<u8> = (0..w * h * 3).map(pixel).collect();
        [format!("P6 {w} {h} 255\n").as_bytes(), &pixels].concat()
    };
    for split in ["train", "val"] {
        for (class, name) in ["left", "right"].into_iter().enumerate() {
            let folder = dir.join("data").join(split).join(name);
            fs::create_dir_all(&folder).unwrap();
            for i in 0..if split == "train" { 24 } else { 4 } {
                fs::write(
                    folder.join(format!("{i}.ppm")),
                    image(class, 7 * i + class as u32 + if split == "val" { 5000 } else { 0 }),
                )
                .unwrap();
            }
        }
    }
    let net = "conv 8 3 padding same, relu, maxpool 2, conv 8 3 padding same, relu, flatten, linear";
    let args =
        ["train", "data", "--model", net, "--epochs", "6", "--batch-size", "8", "--augment", "none", "--out", "run"];
    succeed(dir, &args);
}

fn json(dir: &Path, args: &[&str]) -> Vec<Value> {
    succeed(dir, args).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The numbers of an npy file of f32 with two dimensions.
fn map(path: &Path) -> (Vec<usize>, Vec<f32>) {
    let file = fs::read(path).unwrap();
    let header = u16::from_le_bytes([file[8], file[9]]) as usize;
    let text = String::from_utf8_lossy(&file[10..10 + header]).into_owned();
    assert!(text.contains("<f4"), "{text}");
    let shape = text.split_once("'shape': (").unwrap().1.split_once(')').unwrap().0;
    let shape = shape.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    (shape, file[10 + header..].as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

#[test]
fn every_method_writes_a_map_and_an_overlay() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    trained(dir);
    let images = ["data/val/left/0.ppm", "data/val/right/0.ppm"];
    let all = json(dir, &["explain", "run", images[0], images[1], "--method", "all", "--samples", "8", "--json"]);
    assert_eq!(all.len(), 2);
    for (said, class) in all.iter().zip(["left", "right"]) {
        assert_eq!(said["target"]["name"], class);
        let explanations = said["explanations"].as_array().unwrap();
        assert_eq!(explanations.len(), 11);
        for found in explanations {
            let method = found["method"].as_str().unwrap();
            let (shape, numbers) = map(&dir.join(found["map"].as_str().unwrap()));
            assert_eq!((shape, numbers.len()), (vec![24, 24], 576), "{method}");
            assert!(numbers.iter().all(|x| x.is_finite()), "{method}");
            let drawn = image::open(dir.join(found["overlay"].as_str().unwrap())).unwrap();
            assert_eq!((drawn.width(), drawn.height()), (240, 240), "{method}: small images are drawn larger");
            if method.contains("cam") {
                assert_eq!(found["layer"], "relu_2", "{method}");
                assert!(numbers.iter().all(|x| (0.0..=1.0).contains(x)), "{method}");
            }
        }
        let complete = explanations.iter().find(|found| found["method"] == "integrated-gradients").unwrap();
        assert_eq!(complete["completeness"]["complete"], true, "{complete}");
    }
    // Two images of one name do not write over each other.
    assert_ne!(all[0]["explanations"][0]["map"], all[1]["explanations"][0]["map"]);
    // What is covered where the square is changes the answer most.
    let occluded = all[0]["explanations"].as_array().unwrap().iter().find(|found| found["method"] == "occlusion");
    let (_, numbers) = map(&dir.join(occluded.unwrap()["map"].as_str().unwrap()));
    let side = |columns: std::ops::Range<usize>| -> f32 {
        (4..12).flat_map(|y| columns.clone().map(move |x| y * 24 + x)).map(|i| numbers[i]).sum()
    };
    assert!(side(1..9) > 1.5 * side(15..23).abs(), "{} {}", side(1..9), side(15..23));
    // The same bits on any number of threads.
    let run = |threads: &str, out: &str| {
        let args =
            ["explain", "run", images[0], "--method", "all", "--out", out, "--threads", threads, "--samples", "8"];
        succeed(dir, &args);
    };
    run("1", "one");
    run("3", "three");
    for entry in fs::read_dir(dir.join("one")).unwrap() {
        let name = entry.unwrap().file_name();
        let read = |folder: &str| fs::read(dir.join(folder).join(&name)).unwrap();
        assert_eq!(read("one"), read("three"), "{name:?}");
    }
}

#[test]
fn explanations_are_scored() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    trained(dir);
    let args = ["explain", "run", "data/val/left/1.ppm", "--method", "occlusion,grad-cam", "--score"];
    let said = json(dir, &[&args[..], &["--json"]].concat());
    let found = &said[0]["explanations"][0]["scores"];
    let area = |name: &str| found["faithfulness"][name]["area"].as_f64().unwrap();
    assert!(area("insertion") > area("deletion"), "{found}");
    assert_eq!(found["faithfulness"]["random"].as_array().unwrap().len(), 19);
    assert_eq!(found["randomization"]["top_layer"], "6");
    let text = succeed(dir, &args);
    assert!(text.contains("insertion") && text.contains("occlusion"), "{text}");
}

#[test]
fn layers_and_classes_are_found_or_listed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    trained(dir);
    let layers = succeed(dir, &["explain", "run", "--list-layers"]);
    for line in ["0          conv2d  8×24×24", "relu_2     relu     8×12×12  default"] {
        let words = |text: &str| text.split_whitespace().map(str::to_string).collect::<Vec<_>>();
        assert!(layers.lines().any(|found| words(found) == words(line)), "{line} is not in\n{layers}");
    }
    let image = "data/val/left/0.ppm";
    fail(dir, &["explain", "run", image, "--layer", "relu2"], 1, &["no layer 'relu2'", "has relu_2, "]);
    fail(dir, &["explain", "run", image, "--layer", "6"], 1, &["'6' has the shape [2]", "maps are relu_2, 3, "]);
    fail(dir, &["explain", "run", image, "--class", "rigt"], 1, &["no class 'rigt'", "has right, left"]);
    fail(dir, &["explain", "run", image, "--class", "2"], 1, &["no class '2'"]);
    fail(dir, &["explain", "run", "none.png"], 1, &["none.png"]);
    let output = run(dir, &["explain", "run", image, "--method", "magic"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("there are grad-cam, grad-cam++"), "{}", stderr(&output));
    assert_eq!(run(dir, &["explain", "run"]).status.code(), Some(2));
    // By number, and of the class that is not predicted.
    let said = json(dir, &["explain", "run", image, "--class", "1", "--json"]);
    assert_eq!(said[0]["target"]["name"], "right");
    assert!(said[0]["target"]["probability"].as_f64().unwrap() < 0.5);
}

#[test]
fn a_network_without_maps_takes_methods_of_the_image() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    idx_dir(dir, 60, 20, 12);
    let args = ["train", "squares", "--model", "flatten, linear", "--epochs", "1", "--out", "run"];
    succeed(dir, &args);
    // A grey PNG of another size.
    image::GrayImage::from_fn(30, 17, |x, y| image::Luma([(x * y % 256) as u8])).save(dir.join("x.png")).unwrap();
    fail(dir, &["explain", "run", "x.png"], 1, &["no layer of the network has an output [c, h, w]", "saliency"]);
    let said = json(dir, &["explain", "run", "x.png", "--method", "saliency,integrated-gradients", "--json"]);
    // A linear network is complete in any number of steps.
    let complete = &said[0]["explanations"][1]["completeness"];
    assert!(complete["error"].as_f64().unwrap() < 1e-3 && complete["steps"] == 32, "{complete}");
}

#[test]
fn filters_maps_and_neighbours_are_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    trained(dir);
    let args = ["explain", "run", "data/val/left/0.ppm", "--filters", "--feature-maps", "--nearest", "data/train"];
    let said = json(dir, &[&args[..], &["--neighbours", "5", "--json"]].concat());
    assert_eq!((&said[0]["filters"]["layer"], &said[0]["filters"]["count"]), (&"0".into(), &8.into()));
    let maps = &said[1]["feature_maps"];
    assert_eq!((&maps["layer"], &maps["count"], &maps["size"]), (&"relu_2".into(), &8.into(), &vec![12, 12].into()));
    let near = said[1]["nearest"]["images"].as_array().unwrap();
    assert_eq!(near.len(), 5);
    assert!(near.iter().all(|image| image["image"].as_str().unwrap().contains("left")), "{near:?}");
    let similarity: Vec<f64> = near.iter().map(|image| image["similarity"].as_f64().unwrap()).collect();
    assert!(similarity.is_sorted_by(|a, b| a >= b) && similarity[0] <= 1.0, "{similarity:?}");
    for file in [&said[0]["filters"]["file"], &maps["file"], &said[1]["nearest"]["file"]] {
        image::open(dir.join(file.as_str().unwrap())).unwrap();
    }
    // Without an image there are filters alone.
    let text = succeed(dir, &["explain", "run", "--filters", "--out", "only"]);
    assert!(text.contains("8 filters of 0: only/filters.png"), "{text}");
    assert_eq!(fs::read_dir(dir.join("only")).unwrap().count(), 1);
    fs::create_dir(dir.join("empty")).unwrap();
    fail(dir, &["explain", "run", "data/val/left/0.ppm", "--nearest", "empty"], 1, &["no images in this folder"]);
}
