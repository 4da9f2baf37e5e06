//! eval by group and on changed images, and compare.

use crate::common::*;
use crate::report::check_page;
use std::fs;
use std::path::Path;

const NET: &str = "conv 8 5 stride 3, relu, flatten, linear 32, relu, linear";

/// Grey images of a bright square on the left or right with a table of them. Those of site b are hard: the square is hardly there.
fn sites(d: &Path, n: usize) {
    const SIDE: usize = 20;
    let mut state = 11u32;
    let mut random = move |below: u32| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 16) % below
    };
    fs::create_dir_all(d.join("images")).unwrap();
    let mut table = "path,label,site,split,id\n".to_string();
    for i in 0..n {
        let mut pixels: Vec<u8> = (0..SIDE * SIDE).map(|_| 60 + random(80) as u8).collect();
        let (right, site) = (i % 2 == 1, ["a", "b", ""][i / 2 % 3]);
        for (y, x) in (6..14).flat_map(|y| (2..8).map(move |x| (y, x + 10 * usize::from(right)))) {
            pixels[y * SIDE + x] += if site == "b" { 4 } else { 100 };
        }
        let file = [format!("P5 {SIDE} {SIDE} 255\n").into_bytes(), pixels].concat();
        fs::write(d.join(format!("images/{i:03}.pgm")), file).unwrap();
        let class = if right { "right" } else { "left" };
        let split = if i % 5 < 2 { "train" } else { "test" };
        table += &format!("images/{i:03}.pgm,{class},{site},{split},{i}\n");
    }
    fs::write(d.join("sites.csv"), table).unwrap();
}

fn train(d: &Path, out: &str, epochs: &str, lr: &str) {
    let settings = ["--lr", lr, "--batch-size", "16", "--augment", "none"];
    succeed(d, &[&["train", "sites.csv", "--model", NET, "--epochs", epochs, "--out", out][..], &settings].concat());
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn a_gap_between_sites_is_found_and_models_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    sites(d, 400);
    train(d, "good", "15", "0.003");
    train(d, "poor", "1", "0.000001");

    let found = &json(&succeed(d, &["eval", "good", "sites.csv", "--group-column", "site", "--json"]))["groups"];
    assert_eq!((found["column"].as_str(), found["main_metric"].as_str()), (Some("site"), Some("accuracy")));
    let groups = found["groups"].as_array().unwrap();
    let values: Vec<Option<&str>> = groups.iter().map(|g| g["value"].as_str()).collect();
    assert_eq!(values, [Some("a"), Some("b"), None]);
    let images: u64 = groups.iter().map(|g| g["images"].as_u64().unwrap()).sum();
    assert_eq!(images, found["images"].as_u64().unwrap());
    let gap = &found["gaps"][0];
    assert_eq!(gap["lowest"], 1, "{gap}");
    assert!(gap["difference"].as_f64().unwrap() > 0.1 && gap["p_value"].as_f64().unwrap() < 0.01, "{gap}");
    assert_eq!(found["gaps"].as_array().unwrap().len(), 2 + 3 * 2);
    let text = succeed(d, &["eval", "good", "sites.csv", "--group-column", "Site"]);
    assert!(
        text.contains("Largest gap in accuracy: ") && text.contains("from b to ") && text.contains("(no value)"),
        "{text}"
    );
    fail(d, &["eval", "good", "sites.csv", "--group-column", "id"], 1, &["'id'", "values over", "at most"]);
    fail(d, &["eval", "good", "sites.csv", "--group-column", "colour"], 1, &["no column 'colour'", "site"]);
    fail(d, &["eval", "good", "images", "--group-column", "site"], 1, &["no table", "--group-table", "site"]);

    let found = json(&succeed(d, &["compare", "poor", "good", "sites.csv", "--json"]));
    let difference = &found["difference"];
    let value = found["b"]["value"].as_f64().unwrap() - found["a"]["value"].as_f64().unwrap();
    assert!((difference["value"].as_f64().unwrap() - value).abs() < 1e-9 && value > 0.1, "{found}");
    assert!(difference["interval_95"][0].as_f64().unwrap() > 0.0);
    let test = &found["mcnemar"];
    let count = |key: &str| test[key].as_u64().unwrap();
    let all = count("both_right") + count("only_a_right") + count("only_b_right") + count("both_wrong");
    assert_eq!(all, found["images"].as_u64().unwrap());
    assert!(test["p_exact"].as_f64().unwrap() < 0.01 && found["model_b"]["file_bytes"].as_u64().unwrap() > 1000);
    // Of two classes, models differ where one of them is right.
    let differ = found["disagreements"].as_array().unwrap();
    assert_eq!(differ.len() as u64, count("only_a_right") + count("only_b_right"));
    assert!(differ[0]["image"].as_str().unwrap().starts_with("images/"));
    let text = succeed(d, &["compare", "poor", "good", "sites.csv"]);
    for part in ["B less A: +", "B is better", "McNemar's test: p ", "B wrong", "They predict different classes for "] {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
    let same = succeed(d, &["compare", "good", "good/model.safetensors", "sites.csv"]);
    assert!(
        same.contains("these images do not tell which is better") && same.contains("the same class for every"),
        "{same}"
    );
    let twice: Vec<String> = (0..2)
        .map(|_| succeed(d, &["eval", "good", "sites.csv", "--group-column", "site", "--threads", "2"]))
        .collect();
    assert_eq!(twice[0], succeed(d, &["eval", "good", "sites.csv", "--group-column", "site", "--threads", "1"]));
    assert_eq!(twice[0], twice[1]);
}

#[test]
fn changed_images_are_measured_and_attacks_refused_where_there_is_no_loss() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    sites(d, 120);
    train(d, "run", "12", "0.003");
    let robust =
        ["eval", "run", "sites.csv", "--robustness", "--robustness-images", "40", "--robustness-examples", "seen"];
    let attack = ["--attack", "fgsm,pgd", "--epsilon", "1,32", "--attack-steps", "4"];
    let output = run(d, &[&robust[..], &attack, &["--json"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let (said, found) = (stderr(&output), json(&stdout(&output)));
    // 40 images, as they are and 11 corruptions at 5 strengths; both attacks at two epsilons.
    assert!(said.contains("corruptions: 40 images, 2,240 forward passes, "), "{said}");
    assert!(said.contains("attacks: 40 images, 400 passes forwards and backwards, "), "{said}");
    let robustness = &found["robustness"];
    let corruptions = robustness["corruptions"].as_array().unwrap();
    assert_eq!((corruptions.len(), robustness["images"].as_u64()), (11, Some(40)));
    let accuracy = |value: &serde_json::Value| value["value"].as_f64().unwrap();
    let mut sum = 0.0;
    for corruption in corruptions {
        let strengths = corruption["strengths"].as_array().unwrap();
        let error = strengths.iter().map(|s| 1.0 - accuracy(&s["metric"])).sum::<f64>() / 5.0;
        assert!((corruption["mean_error"].as_f64().unwrap() - error).abs() < 1e-12, "{corruption}");
        assert!(strengths[4]["metric"]["interval_95"][1].as_f64().unwrap() > accuracy(&strengths[4]["metric"]) - 1e-12);
        sum += error / 11.0;
    }
    assert!((robustness["mean_corruption_error"].as_f64().unwrap() - sum).abs() < 1e-12);
    let attacks = found["attacks"]["attacks"].as_array().unwrap();
    let named: Vec<(&str, f64)> =
        attacks.iter().map(|a| (a["attack"].as_str().unwrap(), a["epsilon"].as_f64().unwrap())).collect();
    assert_eq!(named, [("fgsm", 1.0), ("fgsm", 32.0), ("pgd", 1.0), ("pgd", 32.0)]);
    assert_eq!(found["attacks"]["clean"], robustness["clean"]);
    let [fgsm, pgd] = [1, 3].map(|i: usize| accuracy(&attacks[i]["metric"]));
    assert!(fgsm < 0.4 && pgd <= fgsm + 0.05, "32 levels hide the squares: {fgsm} {pgd}");
    for (file, size) in
        [("clean.png", 20), ("gaussian-noise-1.png", 20), ("pixelation-5.png", 20), ("pgd-32-9-added.png", 20)]
    {
        let image = image::open(d.join("seen").join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert_eq!((image.width(), image.height()), (size, size), "{file}");
    }
    let again = |threads: &str| json(&succeed(d, &[&robust[..6], &attack, &["--json", "--threads", threads]].concat()));
    assert_eq!(again("1")["robustness"], again("3")["robustness"]);
    assert_eq!(again("1")["attacks"], found["attacks"]);
    fs::create_dir(d.join("stripes")).unwrap();
    for i in 0..12 {
        let pixels: Vec<u8> = (0..400).map(|at| ((at * (i + 3)) % 256) as u8).collect();
        fs::write(d.join(format!("stripes/{i}.pgm")), [&b"P5 20 20 255\n"[..], &pixels].concat()).unwrap();
    }
    let whole = ["--group-column", "site", "--out-of-distribution", "stripes", "--report", "report"];
    succeed(d, &[&robust[..6], &attack, &whole].concat());
    check_page(&[&d.join("report/report.html")]);
    let text = succeed(d, &[&robust[..6], &attack].concat());
    for part in [
        "On corrupted images (40 images): clean accuracy ",
        "gaussian noise",
        "Mean corruption error: ",
        "Under attack (40 images)",
        "32/255",
    ] {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
    fail(d, &["eval", "run", "sites.csv", "--attack", "pgd", "--epsilon", "0"], 2, &["more than 0"]);
    fail(d, &["eval", "run", "sites.csv", "--attack", "cw"], 2, &["fgsm", "pgd"]);
    fail(d, &["eval", "run", "sites.csv", "--robustness-examples", "x"], 1, &["add one of them"]);
}

#[test]
fn models_that_cannot_be_compared() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    sites(d, 60);
    train(d, "sides", "1", "0.003");
    let table = fs::read_to_string(d.join("sites.csv")).unwrap().replace(",right,", ",east,");
    fs::write(d.join("sites.csv"), &table).unwrap();
    train(d, "others", "1", "0.003");
    let said = fail(d, &["compare", "sides", "others", "sites.csv"], 1, &["do not have the same classes"]);
    assert!(said.contains("the first alone has right, the second alone has east"), "{said}");
    let numbers = table.replace(",left,", ",0,").replace(",east,", ",1,");
    fs::write(d.join("numbers.csv"), numbers).unwrap();
    succeed(
        d,
        &[
            "train",
            "numbers.csv",
            "--task",
            "regression",
            "--label-column",
            "label",
            "--model",
            NET,
            "--epochs",
            "1",
            "--out",
            "numbers",
        ],
    );
    fail(
        d,
        &["compare", "sides", "numbers", "sites.csv"],
        1,
        &["the tasks of the two models differ: classification and regression"],
    );
    // Numbers have groups, corruptions and attacks too.
    let options =
        ["--robustness", "--robustness-images", "8", "--attack", "fgsm", "--epsilon", "4", "--group-column", "site"];
    let eval = ["eval", "numbers", "numbers.csv", "--json", "--report", "report"];
    let found = json(&succeed(d, &[&eval[..], &options].concat()));
    let page = std::fs::read_to_string(d.join("report/report.html")).unwrap();
    let error = found["robustness"]["mean_corruption_error"].as_f64().unwrap();
    assert!(page.contains(&format!("Mean corruption error: {error:.4}")), "an error is no percentage");
    check_page(&[&d.join("report/report.html")]);
    assert_eq!(found["groups"]["main_metric"], "mae");
    let metric = &found["robustness"]["corruptions"][0]["strengths"][0]["metric"];
    assert!(metric["name"] == "mae" && metric["interval_95"][1].as_f64() >= metric["value"].as_f64(), "{metric}");
    let [clean, attacked] =
        [&found["attacks"]["clean"], &found["attacks"]["attacks"][0]["metric"]].map(|m| m["value"].as_f64().unwrap());
    assert!(attacked > clean, "{clean} {attacked}");
    let compared = json(&succeed(d, &["compare", "numbers", "numbers", "numbers.csv", "--json"]));
    assert_eq!(
        (compared["difference"]["value"].as_f64(), compared["higher_is_better"].as_bool()),
        (Some(0.0), Some(false))
    );
}
