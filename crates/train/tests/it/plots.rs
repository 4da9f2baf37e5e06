//! Plots: well-formed, inside their frame, of bounded size, whatever is drawn.

use roxmltree::{Document, Node};
use striate_train::plots::{
    ReliabilityPoint, Series, confusion, coverage, curves, curves_over_log, precision_recall, reliability, scatter,
};
use striate_train::{Ranking, Scale};

/// Numbers that look random and are the same each time.
fn noise(i: usize) -> f64 {
    ((i as f64 * 12.9898).sin() * 43_758.547).fract()
}

fn series(n: usize, of: impl Fn(f64) -> f64) -> Vec<[f64; 2]> {
    (1..=n).map(|i| [i as f64, of(i as f64)]).collect()
}

fn ranking(n: usize, skill: f64) -> Ranking {
    Ranking::of((0..n).map(|i| ((noise(i) + skill * (i % 4 == 0) as usize as f64) as f32, i % 4 == 0))).unwrap()
}

fn matrix(classes: usize, most: usize) -> (Vec<Vec<usize>>, Vec<String>) {
    let count = |r: usize, c: usize| {
        let wrong = if noise(r * classes + c).abs() < 3.0 / classes as f64 { most / 20 } else { 0 };
        if r == c { most - r * most / classes / 2 } else { wrong }
    };
    let counts = (0..classes).map(|r| (0..classes).map(|c| count(r, c)).collect()).collect();
    (counts, (0..classes).map(|c| format!("class {c}")).collect())
}

const HOSTILE: [&str; 5] = [
    "<script>alert(1)</script>",
    "]]>&amp;\"'",
    "a\u{0}\u{1b}[31m\nb",
    "",
    "每一个类别都有一个很长很长的名字，比格子宽得多",
];

/// Bins of a network that is too sure of itself by `gap`.
fn bins(n: usize, gap: f64) -> Vec<ReliabilityPoint> {
    let bin = |i: usize| {
        let confidence = (i as f64 + 0.5) / n as f64;
        let accuracy = (confidence - gap * confidence).clamp(0.0, 1.0);
        let interval = [(accuracy - 0.04).max(0.0), (accuracy + 0.05).min(1.0)];
        ReliabilityPoint { confidence, accuracy, interval, count: 10 + i * i * i }
    };
    (0..n).map(bin).collect()
}

/// Plots of all kinds, by name.
fn plots() -> Vec<(&'static str, String)> {
    let loss =
        |name: &str, n, from: f64| Series::loss(name, series(n, |i| from / i.powf(0.4) + 0.05 * noise(i as usize)));
    let metric = |name: &str, points| Series::metric(name, points, Scale::Fraction);
    let accuracy = |n, top: f64| series(n, |i| top - 0.4 / i + 0.01 * noise(i as usize));
    let (ten, names) = matrix(10, 980);
    let (thirty, thirty_names) = matrix(30, 12_345);
    let (many, many_names) = matrix(31, 50);
    let (thousand, thousand_names) = matrix(1000, 50);
    let actual: Vec<f32> = (0..400).map(|i| 40.0 + 20.0 * noise(i) as f32).collect();
    let near: Vec<f32> = actual.iter().enumerate().map(|(i, a)| a + 6.0 * noise(i + 7) as f32).collect();
    let clouds: Vec<f32> = (0..100_000).map(|i| (noise(i) * noise(i * 3 + 1)) as f32).collect();
    let shifted: Vec<f32> = clouds.iter().enumerate().map(|(i, a)| a + 0.2 * noise(i) as f32).collect();
    let labels: Vec<(String, Ranking)> =
        (0..5).map(|i| (format!("label {i}"), ranking(300, 0.1 + 0.3 * i as f64))).collect();
    let hostile_labels: Vec<(String, Ranking)> = HOSTILE.iter().map(|n| (n.to_string(), ranking(50, 0.3))).collect();
    let many_labels: Vec<(String, Ranking)> =
        (0..80).map(|i| (format!("label {i}"), ranking(40_000, 0.02 * i as f64))).collect();
    let hostile_counts = vec![vec![3, 0, 1, 0, 0]; 5];
    let broken = vec![[1.0, f64::NAN], [2.0, 0.5], [3.0, f64::INFINITY], [f64::NAN, 1.0], [4.0, 0.4], [5.0, 0.3]];
    let rates =
        |lowest: i32| (0..100).map(|i| [10f64.powf(lowest as f64 + i as f64 / 12.0), 2.3 - 0.02 * noise(i)]).collect();
    vec![
        ("curves over log", curves_over_log(&[Series::loss("loss", rates(-7))], "learning rate")),
        (
            "curves over log of broken numbers",
            curves_over_log(&[Series::loss("loss", vec![[0.0, 1.0], [-1.0, 2.0], [f64::NAN, 1.0]])], "x"),
        ),
        (
            "curves",
            curves(
                &[
                    loss("training", 30, 1.2),
                    loss("validation", 30, 1.4),
                    metric("accuracy", accuracy(30, 0.95)),
                    metric("balanced accuracy", accuracy(30, 0.9)),
                ],
                "epoch",
            ),
        ),
        (
            "curves of steps",
            curves(
                &[
                    Series::loss("training", series(200_000, |i| 80.0 / i.sqrt() + 0.3 * noise(i as usize).abs())),
                    metric(
                        "accuracy",
                        series(20, |i| 0.98 + 0.0007 * i).iter().map(|[x, y]| [x * 10_000.0, *y]).collect(),
                    ),
                ],
                "step",
            ),
        ),
        ("curves with gaps", curves(&[Series::loss("training", broken.clone()), metric("accuracy", broken)], "epoch")),
        ("curves of one epoch", curves(&[loss("training", 1, 1.0), metric("accuracy", vec![[1.0, 0.25]])], "epoch")),
        ("curves of nothing", curves(&[], "epoch")),
        ("curves of nan", curves(&[Series::loss("training", vec![[1.0, f64::NAN]])], "epoch")),
        (
            "curves of numbers",
            curves(
                &[
                    Series::metric("rmse", series(12, |i| 3e6 / i), Scale::Number),
                    Series::metric("r2", series(12, |i| -1.0 / i), Scale::Number),
                ],
                "epoch",
            ),
        ),
        (
            "curves of many",
            curves(
                &(0..40).map(|k| loss(&format!("fold {k} of forty"), 25, 1.0 + k as f64 / 10.0)).collect::<Vec<_>>(),
                "epoch",
            ),
        ),
        ("curves of hostile names", curves(&HOSTILE.map(|name| loss(name, 5, 1.0)), HOSTILE[0])),
        (
            "confusion",
            confusion(&ten, &["plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]),
        ),
        ("confusion of digits", confusion(&ten, &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])),
        (
            "confusion of two",
            confusion(&[vec![8, 2], vec![0, 0]], &["a very long name of a class that goes on and on", "b"]),
        ),
        ("confusion of one", confusion(&[vec![0]], &["only"])),
        ("confusion of none", confusion::<&str>(&[], &[])),
        ("confusion of thirty", confusion(&thirty, &thirty_names)),
        ("confusion of many", confusion(&many, &many_names)),
        ("confusion of a thousand", confusion(&thousand, &thousand_names)),
        ("confusion of hostile names", confusion(&hostile_counts, &HOSTILE)),
        ("confusion of names", confusion(&ten, &names)),
        ("scatter", scatter(&near, &actual, "age")),
        ("scatter of many", scatter(&shifted, &clouds, "")),
        ("scatter of nothing", scatter(&[], &[], "age")),
        ("scatter of one", scatter(&[3.0, f32::NAN], &[3.0, 1.0], HOSTILE[0])),
        ("precision and recall", precision_recall(&labels)),
        ("precision and recall of many", precision_recall(&many_labels)),
        ("precision and recall of nothing", precision_recall(&[("none".into(), Ranking::of([(0.5, false)]).unwrap())])),
        ("precision and recall of hostile names", precision_recall(&hostile_labels)),
        (
            "reliability",
            reliability(
                &[("before".into(), bins(15, 0.12)), ("after".into(), bins(15, 0.01))],
                "confidence",
                "accuracy",
            ),
        ),
        ("reliability of nothing", reliability(&[("before".into(), Vec::new())], "confidence", "accuracy")),
        ("reliability of no series", reliability(&[], "confidence", "accuracy")),
        ("reliability of one", reliability(&[("before".into(), bins(1, 0.0))], "confidence", "accuracy")),
        (
            "reliability of hostile names",
            reliability(&HOSTILE.map(|name| (name.to_string(), bins(8, 0.1))), HOSTILE[0], HOSTILE[4]),
        ),
        (
            "coverage",
            coverage(&[(
                "the surest first".into(),
                (1..=200).map(|i| [i as f64 / 200.0, 1.0 - (i * i) as f64 / 6e5]).collect(),
            )]),
        ),
        ("coverage of one", coverage(&[("x".into(), vec![[1.0, 0.0]])])),
        ("coverage of nothing", coverage(&[])),
        ("coverage of nan", coverage(&[("x".into(), vec![[f64::NAN, 0.5], [0.5, f64::NAN]])])),
        ("coverage of hostile names", coverage(&HOSTILE.map(|name| (name.to_string(), vec![[0.5, 0.9], [1.0, 0.8]])))),
    ]
}

fn number(node: &Node, name: &str) -> Option<f64> {
    node.attribute(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// The points that a path goes through.
fn points(d: &str) -> Vec<[f64; 2]> {
    let is_command = |c: char| c.is_ascii_alphabetic();
    let (mut at, mut points) = ([0.0, 0.0], Vec::new());
    let mut rest = d;
    while let Some(command) = rest.chars().next() {
        let end = rest[1..].find(is_command).map_or(rest.len(), |i| i + 1);
        let numbers: Vec<f64> = rest[1..end].split_whitespace().map(|x| x.parse().unwrap()).collect();
        match command {
            'M' | 'L' => points.extend(numbers.chunks_exact(2).map(|p| {
                at = [p[0], p[1]];
                at
            })),
            'h' | 'v' => {
                at[(command == 'v') as usize] += numbers[0];
                points.push(at);
            }
            'z' => {}
            _ => panic!("{command} in {d}"),
        }
        rest = &rest[end..];
    }
    points
}

#[test]
fn plots_are_well_formed_and_inside_their_frame() {
    for (name, svg) in plots() {
        let document = Document::parse(&svg).unwrap_or_else(|e| panic!("{name}: {e}\n{svg}"));
        let root = document.root_element();
        let (w, h) = (number(&root, "width").unwrap(), number(&root, "height").unwrap());
        let inside = |[x, y]: [f64; 2], what: &str| {
            assert!(
                (-0.1..=w + 0.1).contains(&x) && (-0.1..=h + 0.1).contains(&y),
                "{name}: {what} at {x} {y} of {w} {h}"
            );
        };
        for node in root.descendants() {
            match node.tag_name().name() {
                "" | "svg" | "title" | "style" => {}
                "path" => points(node.attribute("d").unwrap()).into_iter().for_each(|point| inside(point, "path")),
                "text" => {
                    let text = node.text().unwrap_or_default();
                    let at = [number(&node, "x").unwrap(), number(&node, "y").unwrap()];
                    // A narrow font's length.
                    let em = |c: char| if c.is_ascii() { 0.56 } else { 0.95 };
                    let length = text.chars().map(em).sum::<f64>() * number(&node, "font-size").unwrap();
                    let [from, to] = match node.attribute("text-anchor") {
                        None => [0.0, length],
                        Some("middle") => [-length / 2.0, length / 2.0],
                        _ => [-length, 0.0],
                    };
                    // Turned by -90 degrees or not at all.
                    let turned = node.has_attribute("transform");
                    for along in [from, to] {
                        inside(if turned { [at[0], at[1] - along] } else { [at[0] + along, at[1]] }, text);
                    }
                    assert!(number(&node, "font-size").unwrap() >= 12.0);
                }
                other => panic!("{name}: <{other}>"),
            }
        }
        let shown: Vec<&str> =
            root.descendants().filter(|n| n.tag_name().name() == "path").filter_map(|n| n.attribute("d")).collect();
        assert!(!shown.concat().contains("NaN") && !shown.concat().contains("inf"), "{name}");
    }
}

#[test]
fn plots_have_a_bounded_size() {
    for (name, svg) in plots() {
        assert!(svg.len() < 250_000, "{name}: {} bytes", svg.len());
    }
}

#[test]
fn names_are_text() {
    for (name, svg) in plots().into_iter().filter(|(name, _)| name.contains("hostile")) {
        assert!(!svg.contains("<script"), "{name}");
        let document = Document::parse(&svg).unwrap();
        let texts: Vec<&str> = document.descendants().filter(|n| n.is_text()).filter_map(|n| n.text()).collect();
        for part in ["<script>alert(1)", "]]>&amp;\"'", "a\u{fffd}\u{fffd}[31m b"] {
            assert!(texts.iter().any(|text| text.contains(part)), "{name}: {part}");
        }
    }
}

#[test]
fn gaps_part_a_line() {
    let points = vec![[1.0, 1.0], [2.0, 0.9], [3.0, f64::NAN], [4.0, 0.7], [5.0, 0.6]];
    let svg = curves(&[Series::loss("training", points)], "epoch");
    let document = Document::parse(&svg).unwrap();
    let is_line = |n: &Node| n.attribute("class") == Some("l0") && n.attribute("stroke-width") == Some("2");
    let line = document.descendants().find(is_line).unwrap();
    assert_eq!(line.attribute("d").unwrap().matches('M').count(), 2);
}

#[test]
#[ignore = "writes plots to look at into the directory PLOTS"]
fn plots_to_look_at() {
    let dir = std::path::PathBuf::from(std::env::var_os("PLOTS").expect("PLOTS names a directory"));
    for (name, svg) in plots() {
        std::fs::write(dir.join(format!("{}.svg", name.replace(' ', "_"))), svg).unwrap();
    }
}
