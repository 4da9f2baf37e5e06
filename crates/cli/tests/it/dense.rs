//! Detection and segmentation: through every verb.

use crate::common::*;
use crate::report::check_page;
use serde_json::Value;
use std::fs;
use std::path::Path;

const SIDE: usize = 64;
const NAMES: [&str; 2] = ["blue", "red"];
const COLOURS: [[u8; 3]; 2] = [[40, 60, 230], [230, 50, 40]];

/// A box of an object: its class, and left, top, right and bottom edge.
type Boxed = (usize, [usize; 4]);

/// Red and blue rectangles on grey noise: images of that, with the objects of each.
fn scenes(n: usize) -> Vec<(Vec<u8>, Vec<Boxed>)> {
    let mut state = 3u32;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 16) as usize % below
    };
    let mut all = Vec::new();
    for _ in 0..n {
        let mut pixels: Vec<u8> = (0..SIDE * SIDE).flat_map(|_| [90 + random(40) as u8; 3]).collect();
        let mut objects = Vec::new();
        // One in each half, so that none hides another.
        for half in 0..2 {
            if random(5) == 0 {
                continue;
            }
            let (class, w, h) = (random(2), 14 + random(14), 14 + random(14));
            let (x, y) = (half * SIDE / 2 + random(SIDE / 2 - w), random(SIDE - h));
            for row in y..y + h {
                for column in x..x + w {
                    pixels[(row * SIDE + column) * 3..][..3].copy_from_slice(&COLOURS[class]);
                }
            }
            objects.push((class, [x, y, x + w, y + h]));
        }
        all.push((pixels, objects));
    }
    all
}

fn ppm(pixels: &[u8]) -> Vec<u8> {
    [format!("P6 {SIDE} {SIDE} 255\n").as_bytes(), pixels].concat()
}

fn split(i: usize) -> &'static str {
    ["train", "train", "train", "val", "test"][i % 5]
}

/// A Pascal VOC folder of these scenes.
fn voc(dir: &Path, scenes: &[(Vec<u8>, Vec<Boxed>)]) {
    for folder in ["JPEGImages", "Annotations", "ImageSets/Main"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
    }
    for (i, (pixels, objects)) in scenes.iter().enumerate() {
        fs::write(dir.join(format!("JPEGImages/{i:03}.ppm")), ppm(pixels)).unwrap();
        let object = |(class, [l, t, r, b]): &Boxed| {
            format!(
                "<object><name>{}</name><bndbox><xmin>{l}</xmin><ymin>{t}</ymin><xmax>{r}</xmax><ymax>{b}</ymax></bndbox></object>\n",
                NAMES[*class]
            )
        };
        let xml = format!(
            "<annotation><filename>{i:03}.ppm</filename><size><width>{SIDE}</width><height>{SIDE}</height></size>\n{}</annotation>",
            objects.iter().map(object).collect::<String>()
        );
        fs::write(dir.join(format!("Annotations/{i:03}.xml")), xml).unwrap();
    }
    for name in ["train", "val", "test"] {
        let stems: String = (0..scenes.len()).filter(|&i| split(i) == name).map(|i| format!("{i:03}\n")).collect();
        fs::write(dir.join(format!("ImageSets/Main/{name}.txt")), stems).unwrap();
    }
}

/// Images and grey masks of these scenes.
fn pairs(dir: &Path, scenes: &[(Vec<u8>, Vec<Boxed>)]) {
    for (i, (pixels, objects)) in scenes.iter().enumerate() {
        let folder = dir.join(split(i));
        fs::create_dir_all(folder.join("images")).unwrap();
        fs::create_dir_all(folder.join("masks")).unwrap();
        fs::write(folder.join(format!("images/{i:03}.ppm")), ppm(pixels)).unwrap();
        let mut mask = vec![0u8; SIDE * SIDE];
        for (class, [l, t, r, b]) in objects {
            (*t..*b).for_each(|y| mask[y * SIDE + l..y * SIDE + r].fill(*class as u8 + 1));
        }
        let file = [format!("P5 {SIDE} {SIDE} 255\n").into_bytes(), mask].concat();
        fs::write(folder.join(format!("masks/{i:03}.pgm")), file).unwrap();
    }
    fs::write(dir.join("classes.csv"), "name,value\nbackground,0\nblue,1\nred,2\n").unwrap();
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn metric(measured: &Value, name: &str) -> f64 {
    measured["metrics"][name].as_f64().unwrap_or_else(|| panic!("no {name} in {measured}"))
}

fn overlap(a: &[f64], b: [usize; 4]) -> f64 {
    let b = b.map(|x| x as f64);
    let across = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let down = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let area = |b: &[f64]| (b[2] - b[0]) * (b[3] - b[1]);
    across * down / (area(a) + area(&b) - across * down)
}

const DETECTOR: &str = "shufflenet-v2-x0-5 + fpn 24 + fcos 1";

/// Groups, corruptions and an attack on the `images` test images, also in the report; the groups as text.
fn what_is_measured_beside(d: &Path, images: u64, main: &str) -> String {
    let rows: String = (0..120).map(|i| format!("{i:03}.ppm,{}\n", ["a", "b"][i / 5 % 2])).collect();
    fs::write(d.join("sites.csv"), format!("path,site\n{rows}")).unwrap();
    let by_site = ["eval", "run", "--group-column", "site", "--group-table", "sites.csv"];
    let beside =
        ["--robustness", "--robustness-images", "6", "--attack", "fgsm,pgd", "--epsilon", "16", "--attack-steps", "3"];
    let found = json(&succeed(d, &[&by_site[..], &beside, &["--json", "--report", "report"]].concat()));
    let groups = &found["groups"];
    assert_eq!((&groups["main_metric"], &groups["images"]), (&main.into(), &images.into()));
    let of_groups: Vec<u64> =
        groups["groups"].as_array().unwrap().iter().map(|g| g["images"].as_u64().unwrap()).collect();
    assert_eq!(of_groups, [images / 2, images / 2]);
    // Groups of fewer than 10 images take no part in a gap.
    assert_eq!(groups["gaps"][0]["p_value"].as_f64().is_some(), images >= 20, "{groups}");
    // What would move the targets is left out.
    let corruptions = found["robustness"]["corruptions"].as_array().unwrap();
    assert_eq!((corruptions.len(), &found["robustness"]["main_metric"]), (9, &main.into()));
    assert_eq!(found["robustness"]["families"][0]["values"].as_array().unwrap().len(), 6);
    let clean = found["attacks"]["clean"]["value"].as_f64().unwrap();
    for attack in found["attacks"]["attacks"].as_array().unwrap() {
        assert!(attack["metric"]["value"].as_f64().unwrap() < clean, "{clean}: {attack}");
        assert_eq!(attack["without_gradient"], 0);
    }
    let report = json(&fs::read_to_string(d.join("report/report.json")).unwrap());
    assert_eq!((&report["groups"], &report["attacks"]), (groups, &found["attacks"]));
    let page = fs::read_to_string(d.join("report/report.html")).unwrap();
    assert!(page.contains("strength (0: as they are)") && page.contains("id=\"groups\""));
    for number in report["metrics"].as_array().unwrap().iter().filter(|m| m["value"].as_f64().is_some_and(|x| x < 1.0))
    {
        let [low, high] = [0, 1].map(|end| number["interval_95"][end].as_f64().unwrap_or_else(|| panic!("{number}")));
        let value = number["value"].as_f64().unwrap();
        assert!(0.0 <= low && low <= value && value <= high && high <= 1.0, "{number}");
    }
    let of_class = &report["classes"][1]["metrics"][0];
    assert!(of_class["interval_95"][0].as_f64() <= of_class["value"].as_f64(), "{of_class}");
    // Of the same images without their labels.
    let folder = if main == "map" { "voc/JPEGImages" } else { "pairs/test/images" };
    let said = json(&succeed(d, &["eval", "run", folder, "--unlabelled", "--json", "--report", "unlabelled"]));
    let red = said["classes"].as_array().unwrap().iter().find(|row| row["class"] == "red").unwrap();
    assert!(red["predicted"].as_u64().unwrap() > 10, "{said}");
    check_page(&["report", "unlabelled"].map(|r| d.join(r).join("report.html")).each_ref().map(|page| page.as_path()));
    succeed(d, &by_site)
}

/// Multi-scale test and soft-NMS of a detector that gives `measured` without them.
fn several_sizes_and_soft_nms(d: &Path, measured: &Value) {
    let eval = |more: &[&str]| json(&succeed(d, &[&["eval", "run", "--json"], more].concat()));
    // The same size twice finds everything twice, and the second time is suppressed.
    let twice = eval(&["--scales", "1"]);
    assert!((metric(&twice, "map") - metric(measured, "map")).abs() < 0.02, "{twice} and {measured}");
    let several = eval(&["--scales", "0.75,1.5"]);
    assert!(metric(&several, "map50") > 0.5 && metric(&several, "map") != metric(measured, "map"), "{several}");
    assert_eq!(several, eval(&["--scales", "0.75,1.5", "--threads", "1"]));
    let soft = eval(&["--soft-nms", "0.5"]);
    assert!(metric(&soft, "map50") > 0.7 && soft["metrics"] != measured["metrics"], "{soft}");
    succeed(d, &["predict", "run", "voc/JPEGImages/004.ppm", "--scales", "1.5", "--soft-nms", "0.5"]);
    fail(d, &["eval", "run", "--scales", "9"], 1, &["9 times its size", "0.1 to 4"]);
    fail(d, &["eval", "run", "--soft-nms", "0"], 2, &["above 0"]);
    fail(d, &["eval", "run", "--scales", "2", "--report", "r"], 1, &["leave out --scales"]);
    fail(d, &["eval", "run", "--scales", "2", "--robustness"], 1, &["leave out --scales"]);
}

#[test]
fn objects_are_learnt_found_measured_and_exported() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let scenes = scenes(120);
    voc(&d.join("voc"), &scenes);
    let common = ["train", "voc", "--task", "detection", "--model", DETECTOR, "--size", "64"];
    let said =
        succeed(d, &[&common[..], &["--epochs", "30", "--lr", "0.004", "--augment", "flip", "--out", "run"]].concat());
    assert!(said.contains("2 classes: blue, red)") && said.contains("mAP@[.5:.95]"), "{said}");
    let csv = fs::read_to_string(d.join("run/metrics.csv")).unwrap();
    assert!(csv.starts_with("steps,epoch,split,lr,grad_norm,loss,map,map50,"), "{csv}");
    assert!(fs::read_to_string(d.join("run/precision-recall.svg")).unwrap().contains("red (AP "));

    let measured = json(&succeed(d, &["eval", "run", "--json"]));
    assert_eq!(measured["task"], "detection");
    assert!(metric(&measured, "map50") > 0.8, "{measured}");
    assert!(measured["classes"]["red"]["ap50"].as_f64().unwrap() > 0.7, "{measured}");
    assert!(succeed(d, &["eval", "run"]).contains("AP at .5"));
    several_sizes_and_soft_nms(d, &measured);
    let groups = what_is_measured_beside(d, 24, "map");
    assert!(groups.contains("mAP@.5  ") && groups.contains("Largest gap in mAP@[.5:.95]"), "{groups}");
    fail(d, &["eval", "run", "--group-column", "site"], 1, &["--group-table"]);

    // What is found is what is there, in the pixels of the image.
    let (mut right, mut all) = (0, 0);
    for (i, (_, objects)) in scenes.iter().enumerate().filter(|(i, _)| split(*i) == "test") {
        let found = json(&succeed(d, &["predict", "run", &format!("voc/JPEGImages/{i:03}.ppm"), "--json"]));
        let found = found["objects"].as_array().unwrap();
        for (class, bbox) in objects {
            let is_it = |o: &&Value| {
                let edges: Vec<f64> = o["box"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
                o["class"] == NAMES[*class] && overlap(&edges, *bbox) > 0.5
            };
            right += found.iter().any(|o| is_it(&o)) as usize;
            all += 1;
        }
    }
    assert!(right * 10 >= all * 8, "{right} of {all} objects are found");
    let text = succeed(d, &["predict", "run", "voc/JPEGImages", "--draw", "drawn", "--score", "0.3"]);
    assert_eq!(text.lines().count(), scenes.len());
    assert_eq!(fs::read_dir(d.join("drawn")).unwrap().count(), scenes.len());
    assert!(succeed(d, &["inspect", "run"]).contains("2 classes"));

    let said = succeed(d, &["export", "run", "--format", "onnx", "--nms", "--out", "model.onnx"]);
    assert!(said.contains("detections [n, 7]"), "{said}");
    succeed(d, &["import", "model.onnx", "--out", "imported.safetensors"]);
    let again = json(&succeed(d, &["eval", "imported.safetensors", "voc", "--json"]));
    assert!((metric(&again, "map") - metric(&measured, "map")).abs() < 0.01, "{again}");
    fail(d, &["eval", "imported.safetensors", "voc", "--scales", "1.5"], 1, &["graph for images of one size"]);

    let said =
        succeed(d, &["explain", "run", "voc/JPEGImages/004.ppm", "--method", "grad-cam,saliency", "--out", "why"]);
    assert!(said.contains(NAMES[scenes[4].1[0].0]), "{said}");
    let overlays = fs::read_dir(d.join("why"))
        .unwrap()
        .filter(|f| f.as_ref().unwrap().path().extension().is_some_and(|e| e == "png"));
    assert_eq!(overlays.count(), 2);
    fail(d, &["explain", "run", "voc/JPEGImages/004.ppm", "--object", "100000", "--out", "none"], 1, &["object"]);

    // What has learnt already finds its classes in other data, and learns more.
    let said =
        succeed(d, &["finetune", "voc", "--from", "run/model.safetensors", "--task", "detection", "--epochs", "1"]);
    assert!(said.contains("head.cls is kept"), "{said}");
}

#[test]
fn pixels_are_learnt_measured_and_exported() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let scenes = scenes(60);
    pairs(&d.join("pairs"), &scenes);
    let common = ["train", "pairs", "--task", "segmentation", "--model", "unet 6 2", "--size", "64", "--epochs", "25"];
    let said =
        succeed(d, &[&common[..], &["--lr", "0.01", "--ema", "0.9", "--augment", "flip", "--out", "run"]].concat());
    assert!(said.contains("3 classes: background, blue, red)"), "{said}");
    assert!(d.join("run/confusion.svg").is_file());
    let measured = json(&succeed(d, &["eval", "run", "--json"]));
    assert!(metric(&measured, "mean_iou") > 0.85, "{measured}");
    assert!(measured["classes"]["red"]["dice"].as_f64().unwrap() > 0.85, "{measured}");
    assert!(succeed(d, &["eval", "run"]).contains("boundary F1"));
    let groups = what_is_measured_beside(d, 12, "mean_iou");
    assert!(groups.contains("mean Dice") && groups.contains("Largest gap in mean IoU"), "{groups}");
    // A manifest of masks has the column itself.
    let row =
        |i: usize| format!("pairs/test/images/{i:03}.ppm,pairs/test/masks/{i:03}.pgm,{}\n", ["a", "b"][i / 5 % 2]);
    let rows: String = (0..60).filter(|&i| split(i) == "test").map(row).collect();
    fs::write(d.join("masks.csv"), format!("path,mask,site\n{rows}")).unwrap();
    fs::copy(d.join("pairs/classes.csv"), d.join("classes.csv")).unwrap();
    let of_manifest = json(&succeed(d, &["eval", "run", "masks.csv", "--group-column", "site", "--json"]));
    assert_eq!(of_manifest["groups"]["groups"].as_array().unwrap().len(), 2);

    let image = "pairs/test/images/004.ppm";
    let all = ["predict", "run", image, "--json", "--draw", "drawn", "--masks", "masks"];
    let found = json(&succeed(d, &all));
    let objects = &scenes[4].1;
    let area = |class: usize| {
        let area = |(c, [l, t, r, b]): &Boxed| if *c == class { (r - l) * (b - t) } else { 0 };
        objects.iter().map(area).sum::<usize>() as f64 / (SIDE * SIDE) as f64
    };
    for (class, name) in NAMES.into_iter().enumerate() {
        let fraction = found["classes"][name]["fraction"].as_f64().unwrap();
        assert!((fraction - area(class)).abs() < 0.03, "{name}: {fraction}, {}: {found}", area(class));
    }
    assert!(d.join("drawn/004.png").is_file() && d.join("masks/004.png").is_file());
    let class = NAMES[objects[0].0];
    let said = succeed(d, &["explain", "run", image, "--method", "grad-cam", "--class", class, "--out", "why"]);
    assert!(said.contains(class), "{said}");
    // In parts of the image's own size it is the same; in smaller ones nearly so.
    fail(d, &["predict", "run", image, "--scales", "2"], 1, &["its task is segmentation"]);
    fail(d, &["predict", "run", image, "--soft-nms", "0.5"], 1, &["model's task is segmentation"]);
    let parts = json(&succeed(d, &["predict", "run", image, "--json", "--window", "64"]));
    assert_eq!(parts["classes"], found["classes"]);
    succeed(d, &["predict", "run", image, "--window", "40"]);

    succeed(d, &["export", "run", "--format", "onnx", "--out", "model.onnx"]);
    succeed(d, &["import", "model.onnx", "--out", "imported.safetensors"]);
    let again = json(&succeed(d, &["eval", "imported.safetensors", "pairs", "--json"]));
    assert!((metric(&again, "mean_iou") - metric(&measured, "mean_iou")).abs() < 1e-3, "{again}");
}

#[test]
fn boxes_and_masks_are_shown_checked_and_converted() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let scenes = scenes(10);
    voc(&d.join("voc"), &scenes);
    pairs(&d.join("pairs"), &scenes);
    succeed(d, &["data", "show", "voc", "--task", "detection", "--out", "boxes.png", "--images", "3", "--epochs", "2"]);
    succeed(
        d,
        &["data", "show", "pairs", "--task", "segmentation", "--out", "masks.png", "--augment", "flip, rotate 20"],
    );
    assert!(d.join("boxes.png").is_file() && d.join("masks.png").is_file());
    let objects: usize = scenes.iter().map(|(_, objects)| objects.len()).sum();
    for format in ["coco", "yolo", "csv"] {
        let said = succeed(d, &["data", "convert", "voc", "--to", format, "--out", format]);
        assert!(said.contains(&format!("10 images with {objects} objects")), "{said}");
        let stats = succeed(d, &["data", "stats", format, "--task", "detection"]);
        assert!(stats.contains("10 images of 2 classes"), "{stats}");
    }
    fail(d, &["data", "convert", "voc", "--to", "coco", "--out", "coco"], 1, &["coco"]);
    succeed(d, &["data", "check", "pairs", "--task", "segmentation"]);
}

#[test]
fn mistakes_have_one_clear_line() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    voc(&d.join("voc"), &scenes(10));
    let train = |more: &[&str], parts: &[&str]| {
        fail(d, &[&["train", "voc", "--task", "detection"], more].concat(), 1, parts);
    };
    train(&["--model", "resnet18"], &["detection needs a network that gives boxes", "fpn 64 + fcos"]);
    train(&["--model", "unet 8"], &["detection needs a network that gives boxes"]);
    train(&["--augment", "mixup"], &["mixup", "mosaic"]);
    train(&["--folds", "3"], &["--folds 3 cannot be used", "folds are for classes"]);
    train(&["--class-weights"], &["--class-weights"]);
    fail(d, &["train", "voc", "--task", "segmentation"], 1, &["mask"]);
    let images = d.join("voc/JPEGImages/000.ppm");
    fs::write(d.join("voc/Annotations/000.xml"), "<annotation><object>").unwrap();
    fail(d, &["train", "voc", "--task", "detection"], 1, &["000.xml"]);
    assert!(images.is_file());
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let scenes = scenes(20);
    voc(&d.join("voc"), &scenes);
    pairs(&d.join("pairs"), &scenes);
    let changes = ["--augment", "mosaic 0.5, scale-jitter 0.6 1.6, flip", "--epochs", "3", "--size", "64"];
    let tasks = [
        ["train", "voc", "--task", "detection", "--model", DETECTOR],
        ["train", "pairs", "--task", "segmentation", "--model", "unet 4 2"],
    ];
    for task in tasks {
        let name = task[3];
        let args = |more: &[&'static str]| [&task[..], &changes, &["--quiet"], more].concat();
        let last = |run: &str| weights(&d.join(run).join("last.safetensors"));
        let out = |run: String| -> &'static str { run.leak() };
        let [one, two, killed] = ["one", "two", "killed"].map(|run| out(format!("{name}-{run}")));
        succeed(d, &args(&["--threads", "1", "--out", one]));
        succeed(d, &args(&["--threads", "2", "--out", two]));
        assert!(last(one) == last(two), "{name}: 2 threads end in other weights than 1");
        let mut child = striate(d).args(args(&["--checkpoint-every", "1", "--out", killed])).spawn().unwrap();
        while !d.join(killed).join("checkpoint.safetensors").exists() {
            assert!(child.try_wait().unwrap().is_none(), "the run ended before its first checkpoint");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        std::thread::sleep(std::time::Duration::from_millis(150));
        child.kill().unwrap();
        child.wait().unwrap();
        // A run that was over already stays as it is.
        run(d, &["train", "--quiet", "--resume", killed]);
        assert!(last(one) == last(killed), "{name}: a killed run ends in other weights");
    }
}
