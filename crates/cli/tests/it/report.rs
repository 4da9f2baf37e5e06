//! `eval --report`: the page, its numbers and the model card.

use crate::common::*;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Photographs of two classes, one of which is called like markup, as a table of images.
fn photos(d: &Path) {
    const NAMES: [&str; 2] = ["<b>dark</b> & \"cold\"", "bright|warm"];
    let mut state = 3u32;
    let mut random = move |below: u32| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 16) % below
    };
    fs::create_dir_all(d.join("photos")).unwrap();
    let mut table = csv_row(&["path", "label", "split"]);
    for i in 0..90 {
        let class = i % 2;
        // Some of either class look like the other.
        let level = if random(6) == 0 { 1 - class } else { class } as u32 * 90;
        let pixels: Vec<u8> = (0..20 * 16 * 3).map(|_| (level + random(120)) as u8).collect();
        fs::write(d.join(format!("photos/{i:02}.ppm")), [&b"P6 20 16 255\n"[..], &pixels].concat()).unwrap();
        let split = ["train", "train", "val", "test", "test"][i / 2 % 5];
        table += &csv_row(&[&format!("photos/{i:02}.ppm"), NAMES[class], split]);
    }
    fs::write(d.join("photos.csv"), table).unwrap();
}

fn csv_row(cells: &[&str]) -> String {
    cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect::<Vec<_>>().join(",") + "\n"
}

const NET: &str = "conv 8 3, batchnorm, relu, globalavgpool, linear";

#[test]
fn a_report_is_a_page_with_its_numbers_and_a_card() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    photos(d);
    let train =
        ["train", "photos.csv", "--model", NET, "--epochs", "4", "--batch-size", "8", "--size", "16", "--out", "run"];
    succeed(d, &[&train[..], &["--report"]].concat());
    let read = |file: &str| fs::read_to_string(d.join("run/report").join(file)).unwrap();
    let (page, card) = (read("report.html"), read("MODEL_CARD.md"));
    let numbers: serde_json::Value = serde_json::from_str(&read("report.json")).unwrap();
    assert_eq!(numbers["about"]["measured_on"], "test");
    assert_eq!(numbers["about"]["images"], 36);
    assert!(page.contains("&#60;b&#62;dark&#60;/b&#62;") && !page.contains("<b>dark"), "names are text");
    assert!(page.contains("data:image/jpeg;base64,") && page.contains("<svg"), "images and curves are in the page");
    assert!(card.contains("&lt;b&gt;dark") && card.contains("bright\\|warm"), "{card}");

    // Training images like those that it is wrong about, and what it has learnt.
    let features = &numbers["features"];
    assert_eq!((&features["searched"], &features["training_images"]), (&36.into(), &36.into()));
    assert_eq!((&features["filters"]["count"], &features["maps"][0]["grid"]["count"]), (&8.into(), &8.into()));
    let near = features["nearest"][0]["neighbours"].as_array().unwrap();
    let training: Vec<String> = (0..90).filter(|i| i / 2 % 5 < 2).map(|i| format!("photos/{i:02}.ppm")).collect();
    for image in near {
        assert!(training.iter().any(|name| image["image"] == name.as_str()), "{image}");
    }
    assert!(near.len() == 5 && near[0]["similarity"].as_f64() >= near[4]["similarity"].as_f64(), "{near:?}");
    assert_eq!(numbers["roc"].as_array().unwrap().len(), 3);
    assert!(page.contains("Nearest training images") && page.contains("macro average (AUC"));

    // The numbers are those that eval says.
    let said: serde_json::Value =
        serde_json::from_str(&succeed(d, &["eval", "run", "--json", "--report", "again"])).unwrap();
    let metric = |name: &str| {
        let all = numbers["metrics"].as_array().unwrap();
        all.iter().find(|m| m["name"] == name).unwrap_or_else(|| panic!("{name}: {all:?}")).clone()
    };
    assert_eq!(metric("accuracy")["value"], said["accuracy"]);
    assert_eq!(metric("f1_macro")["value"], said["metrics"]["f1_macro"]);
    let kappa = metric("cohen_kappa");
    let [low, high] = [0, 1].map(|end| kappa["interval_95"][end].as_f64().unwrap());
    assert!(low < kappa["value"].as_f64().unwrap() && kappa["value"].as_f64().unwrap() < high, "{kappa}");

    // Written again, on one thread, it is the same to the byte, but for what the author has written.
    let asked = "Who answers for the model, and under which licence it may be used.";
    fs::write(
        d.join("run/report/MODEL_CARD.md"),
        card.replace(&format!("*To be written by the author.* {asked}"), "Ada."),
    )
    .unwrap();
    succeed(d, &["eval", "run", "--threads", "1", "--report", "run/report"]);
    assert!(read("report.html") == page, "the page depends on the number of threads");
    let again = read("MODEL_CARD.md");
    assert!(again.contains("\nAda.\n") && !again.contains(asked), "{again}");

    // The run is only read, though it is training, and what cannot be read of it is said.
    let lock = fs::File::open(d.join("run/.lock")).unwrap();
    lock.lock().unwrap();
    succeed(d, &["eval", "run", "--report", "meanwhile"]);
    assert!(fs::read_to_string(d.join("meanwhile/report.json")).unwrap() == read("report.json"));
    fs::rename(d.join("photos"), d.join("moved")).unwrap();
    let table = fs::read_to_string(d.join("photos.csv")).unwrap();
    fs::write(d.join("moved.csv"), table.replace("photos/", "moved/")).unwrap();
    succeed(d, &["eval", "run", "moved.csv", "--report", "elsewhere"]);
    let elsewhere: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(d.join("elsewhere/report.json")).unwrap()).unwrap();
    let reason = elsewhere["features"]["unreadable"].as_str().unwrap();
    assert!(reason.contains("images.csv") && reason.contains("90 of its files not found"), "{reason}");
    assert_eq!(elsewhere["features"]["training_images"], 0);
    assert!(fs::read_to_string(d.join("elsewhere/report.html")).unwrap().contains("cannot be read"));

    let pages = ["run/report", "elsewhere"].map(|report| d.join(report).join("report.html"));
    check_page(&pages.each_ref().map(|page| page.as_path()));
}

#[test]
fn a_report_of_other_tasks() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    photos(d);
    let table = fs::read_to_string(d.join("photos.csv")).unwrap();
    let rows: Vec<&str> = table.lines().skip(1).collect();
    let mut other = "path,labels,level,split\n".to_string();
    for (i, row) in rows.iter().enumerate() {
        let split = row.rsplit(',').next().unwrap();
        let labels = ["", "bright", "cold", "bright;cold"][i % 4];
        other += &format!("photos/{i:02}.ppm,{labels},{},{split}\n", i % 7);
    }
    fs::write(d.join("other.csv"), other).unwrap();
    let common = ["--model", NET, "--epochs", "2", "--batch-size", "8", "--size", "16", "--report"];
    let mut pages = Vec::new();
    for (task, column) in [("multi-label", "labels"), ("regression", "level")] {
        let train = ["train", "other.csv", "--task", task, "--label-column", column, "--out", task];
        succeed(d, &[&train[..], &common[..]].concat());
        let numbers = fs::read(d.join(task).join("report/report.json")).unwrap();
        let numbers: serde_json::Value = serde_json::from_slice(&numbers).unwrap();
        assert_eq!(numbers["about"]["task"], task);
        assert!(numbers["failures"][0]["images"].as_array().unwrap().len() == 12, "{numbers}");
        assert_eq!(numbers["constant_guess"].as_array().unwrap().is_empty(), task == "multi-label");
        if task == "multi-label" {
            let curve = numbers["roc"].as_array().unwrap().first().unwrap_or_else(|| panic!("{numbers}"));
            let [auc, low, high] = [&curve["auc"], &curve["auc_interval_95"][0], &curve["auc_interval_95"][1]]
                .map(|x| x.as_f64().unwrap_or_else(|| panic!("{curve}")));
            assert!(low <= auc && auc <= high, "{curve}");
        }
        pages.push(d.join(task).join("report/report.html"));
        let without = task.to_string() + "-unlabelled";
        let said = succeed(d, &["eval", task, "photos", "--unlabelled", "--json", "--report", &without]);
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        match task {
            "multi-label" => assert!(said["classes"][0]["predicted"].as_u64().unwrap() <= 90, "{said}"),
            _ => assert!(said["numbers"][0]["lowest"].as_f64() <= said["numbers"][0]["highest"].as_f64(), "{said}"),
        }
        pages.push(d.join(without).join("report.html"));
    }
    check_page(&pages.iter().map(|page| page.as_path()).collect::<Vec<_>>());
}

#[test]
fn a_report_of_folds_is_of_images_that_were_not_learnt_from() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    photos(d);
    let all = fs::read_to_string(d.join("photos.csv")).unwrap().replace("\"split\"", "\"other\"");
    fs::write(d.join("photos.csv"), all).unwrap();
    let common = ["--model", NET, "--epochs", "2", "--batch-size", "8", "--size", "16", "--folds", "3"];
    let said = succeed(d, &[&["train", "photos.csv", "--out", "cv", "--report"], &common[..]].concat());
    assert!(said.contains("Report:      cv/report/report.html"), "{said}");
    let read = |file: &str| fs::read_to_string(d.join(file)).unwrap();
    let numbers: serde_json::Value = serde_json::from_str(&read("cv/report/report.json")).unwrap();
    let about = &numbers["about"];
    assert_eq!(
        (&about["measured_on"], &about["folds"], &about["images"]),
        (&"out_of_fold".into(), &3.into(), &90.into())
    );

    // The numbers are those of the table of answers, each by the fold that held the image out.
    let mut table = csv::Reader::from_path(d.join("cv/predictions.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    let right = rows.iter().filter(|row| row[2] == row[3]).count();
    let named = |list: &serde_json::Value, name: &str| {
        let found = list.as_array().unwrap().iter().find(|m| m["name"] == name);
        found.unwrap_or_else(|| panic!("{name}: {list}"))["value"].as_f64().unwrap()
    };
    assert!((named(&numbers["metrics"], "accuracy") - right as f64 / 90.0).abs() < 1e-12);
    let folds = numbers["folds"].as_array().unwrap();
    for (fold, row) in folds.iter().enumerate() {
        let number = (fold + 1).to_string();
        let held_out: Vec<_> = rows.iter().filter(|row| row[1] == number).collect();
        let right = held_out.iter().filter(|row| row[2] == row[3]).count();
        assert_eq!(row["images"], held_out.len());
        assert!((named(&row["metrics"], "accuracy") - right as f64 / held_out.len() as f64).abs() < 1e-12);
    }
    assert_eq!(folds.len(), 3);
    let curves = numbers["training_curves"].as_array().unwrap();
    for (fold, row) in folds.iter().enumerate() {
        let of = |unit: &str| {
            let mut curves = curves.iter().filter(|curve| curve["fold"] == fold + 1 && curve["unit"] == unit);
            let curve = curves.next().unwrap_or_else(|| panic!("{unit} of fold {fold}: {numbers}"));
            assert_eq!(curves.next(), None);
            (curve["name"].as_str().unwrap(), curve["points"].as_array().unwrap())
        };
        let ((name, points), best) = (of("fraction"), named(&row["metrics"], "accuracy"));
        assert_eq!((name, of("loss").0), ("validation accuracy", "validation"));
        let reaches = |point: &serde_json::Value| (point[1].as_f64().unwrap() - best).abs() < 1e-6;
        assert!(points.len() == 2 && points.iter().any(reaches), "{points:?}, {best}");
    }
    assert_eq!(curves.len(), 6);
    let suspects: serde_json::Value = serde_json::from_str(&succeed(d, &["label-errors", "cv", "--json"])).unwrap();
    let images = |of: &serde_json::Value| {
        of.as_array().unwrap().iter().map(|s| s["image"].to_string()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(images(&numbers["label_errors"]["suspects"]), images(&suspects["suspects"]));
    assert!(!images(&suspects["suspects"]).is_empty(), "a sixth of the photos look like the other class");
    let by_name: std::collections::BTreeMap<String, &str> =
        rows.iter().map(|row| (format!("\"{}\"", &row[0]), &row[2])).collect();
    for failure in numbers["failures"].as_array().unwrap().iter().flat_map(|list| list["images"].as_array().unwrap()) {
        assert_eq!(failure["actual"], by_name[&failure["image"].to_string()]);
    }

    let page = read("cv/report/report.html");
    assert!(page.contains("no model has learnt from an image that it was measured on") && page.contains("Grad-CAM of"));
    assert!(read("cv/report/MODEL_CARD.md").contains("of 3 folds"));
    // A cross-validation that is done writes its report again, to the byte.
    fs::remove_dir_all(d.join("cv/report")).unwrap();
    succeed(d, &["train", "--resume", "cv", "--report", "--threads", "1", "--quiet"]);
    assert!(read("cv/report/report.html") == page, "the page depends on the number of threads");

    // Images in memory, labels and numbers.
    idx_dir(d, 60, 20, 28);
    let idx = ["train", "squares", "--model", "flatten, linear", "--epochs", "1", "--folds", "2", "--out", "idx"];
    succeed(d, &[&idx[..], &["--report"]].concat());
    assert!(read("idx/report/report.html").contains(" of fold 2"));
    let other: String =
        (0..90).map(|i| format!("photos/{i:02}.ppm,{},{}\n", ["a", "b", "a;b"][i % 3], i % 7)).collect();
    fs::write(d.join("other.csv"), format!("path,labels,level\n{other}")).unwrap();
    for (task, column) in [("multi-label", "labels"), ("regression", "level")] {
        let train = ["train", "other.csv", "--task", task, "--label-column", column, "--out", task, "--report"];
        succeed(d, &[&train[..], &common[..]].concat());
        let numbers: serde_json::Value = serde_json::from_str(&read(&format!("{task}/report/report.json"))).unwrap();
        assert_eq!((&numbers["about"]["images"], &numbers["about"]["task"]), (&90.into(), &task.into()));
    }
    check_page(&[&d.join("cv/report/report.html"), &d.join("idx/report/report.html")]);
}

#[test]
fn images_without_labels_are_reported_without_measures() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    photos(d);
    succeed(d, &["train", "photos.csv", "--model", NET, "--epochs", "2", "--size", "16", "--out", "run"]);
    let said = succeed(d, &["eval", "run", "photos", "--unlabelled", "--report", "report"]);
    assert!(
        said.contains("90 images of photos without labels") && said.contains("Report:  report/report.html"),
        "{said}"
    );
    let page = fs::read_to_string(d.join("report/report.html")).unwrap();
    assert!(page.contains("How certain it is") && !page.contains("How good it is") && !page.contains("95% interval"));
    let numbers: serde_json::Value = serde_json::from_slice(&fs::read(d.join("report/report.json")).unwrap()).unwrap();
    let counts: u64 = numbers["classes"].as_array().unwrap().iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!((counts, &numbers["about"]["loss"]), (90, &serde_json::Value::Null));
    check_page(&[d.join("report/report.html").as_path()]);
    fail(d, &["eval", "run", "--unlabelled"], 2, &["<DATA>"]);
}

#[test]
fn a_report_of_one_class_or_of_none_right_says_no_more_than_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    photos(d);
    succeed(d, &["train", "photos.csv", "--model", NET, "--epochs", "4", "--size", "16", "--out", "run"]);
    let table = fs::read_to_string(d.join("photos.csv")).unwrap();
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    let test: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).filter(|row| &row[2] == "test").collect();
    let names = [&test[0][1], test.iter().map(|row| &row[1]).find(|name| **name != test[0][1]).unwrap()];
    let mut one = csv_row(&["path", "label"]);
    let mut wrong = one.clone();
    for row in &test {
        if row[1] == *names[0] {
            one += &csv_row(&[&row[0], &row[1]]);
        }
        let said: serde_json::Value =
            serde_json::from_str(&succeed(d, &["predict", "run", &row[0], "--json"])).unwrap();
        let taken_for = said["class"].as_str().unwrap_or_else(|| panic!("{said}"));
        wrong += &csv_row(&[&row[0], names[usize::from(taken_for == names[0])]]);
    }
    let report = |name: &str, table: &str| -> serde_json::Value {
        fs::write(d.join(format!("{name}.csv")), table).unwrap();
        succeed(d, &["eval", "run", &format!("{name}.csv"), "--report", name]);
        serde_json::from_slice(&fs::read(d.join(name).join("report.json")).unwrap()).unwrap()
    };
    let of = |numbers: &serde_json::Value, name: &str| {
        numbers["metrics"].as_array().unwrap().iter().find(|m| m["name"] == name).unwrap().clone()
    };
    // The other class has no image: it has no recall and no curve.
    let numbers = report("one", &one);
    assert_eq!(numbers["roc"], serde_json::json!([]));
    let empty = numbers["classes"].as_array().unwrap().iter().find(|row| row["count"] == 0).unwrap();
    let recall = empty["metrics"].as_array().unwrap().iter().find(|m| m["name"] == "recall").unwrap();
    assert!(recall["value"].is_null() && recall["interval_95"].is_null(), "{recall}");
    assert!(of(&numbers, "roc_auc_macro")["value"].is_null());

    // Resamples of images that are all wrong are all wrong too, which says nothing of how often others are.
    let numbers = report("wrong", &wrong);
    let accuracy = of(&numbers, "accuracy");
    assert!(accuracy["value"] == 0.0 && accuracy["interval_95"][1].as_f64().unwrap() > 0.05, "{accuracy}");
    for name in ["balanced_accuracy", "f1_macro"] {
        let number = of(&numbers, name);
        assert!(number["value"] == 0.0 && number["interval_95"].is_null(), "{number}");
    }
    let page = fs::read_to_string(d.join("wrong/report.html")).unwrap();
    assert!(!page.contains("0.0% to 0.0%") && page.contains("they do not tell how far it may be off"));
    check_page(&["one", "wrong"].map(|name| d.join(name).join("report.html")).each_ref().map(|page| page.as_path()));
}

#[test]
fn a_report_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    photos(d);
    succeed(d, &["train", "photos.csv", "--model", NET, "--epochs", "1", "--size", "16", "--out", "run"]);
    fs::write(d.join("taken"), "a file").unwrap();
    fail(d, &["eval", "run", "--report", "taken"], 1, &["cannot make the folder taken"]);
    fs::create_dir(d.join("report")).unwrap();
    fs::write(d.join("report/MODEL_CARD.md"), b"caf\xe9").unwrap();
    let output = run(d, &["eval", "run", "--report", "report"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("MODEL_CARD.md is not UTF-8"), "{}", stderr(&output));
    assert_eq!(fs::read(d.join("report/MODEL_CARD.md")).unwrap(), b"caf\xe9");
}

/// Opens pages in headless Chromium, where it is installed, and holds the numbers beside them against the schema.
pub fn check_page(pages: &[&Path]) {
    let schema = include_str!("../../../report/schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    for page in pages {
        let numbers = fs::read(page.with_file_name("report.json")).unwrap();
        let errors: Vec<String> = schema
            .iter_errors(&serde_json::from_slice(&numbers).unwrap())
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}", page.display());
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/check_report.py");
    let Ok(output) = Command::new("python3").arg(script).args(pages).output() else {
        eprintln!("skipped: there is no python3, so the pages were not opened");
        return;
    };
    match output.status.code() {
        Some(0) => {}
        Some(77) => eprintln!("{}, so the pages were not opened", stdout(&output).trim()),
        _ => panic!("{}{}", stdout(&output), stderr(&output)),
    }
}
