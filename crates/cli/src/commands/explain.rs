//! Explanations of a model's answers.

use super::predict::{decode_with, name_of};
use crate::args::Explain;
use crate::image_args::{Input, find};
use crate::model_arg::model_path;
use crate::output::{Failure, by, count_of, json_path, note, print_error, say, say_json, shown, shown_path};
use crate::table::Table;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use striate::formats::npy;
use striate::imaging::AnyImage;
use striate::model::Model;
use striate::prelude::Tensor;
use striate::report::explain::{Faithfulness, Grid, Layer, Scores, Target, TargetKind, nearest, nearest_grid, overlay};
use striate::report::{ExplainOptions, Explainer, Explanation};

pub fn run(args: Explain) -> Result<ExitCode, Failure> {
    super::set_up(&args.compute);
    let model = Model::load(&model_path(&args.model)?)?;
    let explainer = Explainer::new(&model);
    drop(model);
    if args.list_layers {
        list_layers(&args, &explainer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = options(&args, &explainer)?;
    let found = find(&args.images);
    if found.others > 0 {
        let files = count_of(found.others, "file");
        note(&format!("{files} in the folders left out, with endings that images do not have"));
    }
    std::fs::create_dir_all(&args.out).map_err(|e| format!("cannot make the folder {}: {e}", shown_path(&args.out)))?;
    if args.filters {
        filters(&args, &explainer)?;
    }
    let corpus = args.nearest.as_ref().map(|folder| Corpus::read(folder, &explainer)).transpose()?;
    let (mut names, mut failed) = (Names::default(), false);
    for input in &found.inputs {
        let image = decode_with(&explainer.card().preprocessing.decoding(), input);
        match image.and_then(|image| one(&args, &explainer, &options, corpus.as_ref(), input, &image, &mut names)) {
            Ok(said) if args.json => say_json(&said.json)?,
            Ok(said) => say(said.text)?,
            Err(line) => {
                print_error(&line);
                failed = true;
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What was asked for; a layer or class that does not exist is found before any image is read.
fn options(args: &Explain, explainer: &Explainer) -> Result<ExplainOptions, Failure> {
    if let Some(layer) = &args.layer {
        explainer.layer(layer)?;
    }
    let class = args.class.as_deref().map(|class| explainer.class(class)).transpose()?;
    Ok(ExplainOptions {
        layer: args.layer.clone(),
        class,
        object: args.object as usize - 1,
        baseline: args.baseline.into(),
        samples: args.samples as usize,
        window: args.window.map(|n| n as usize),
        seed: args.seed,
        ..ExplainOptions::default()
    })
}

fn list_layers(args: &Explain, explainer: &Explainer) -> Result<(), Failure> {
    let default = explainer.default_layer().map(|layer| layer.name.clone());
    if args.json {
        return say_json(&json!({ "layers": explainer.layers(), "default": default }));
    }
    let mut table = Table::new(&["layer", "op", "output", ""]).left(2);
    for layer in explainer.layers() {
        let Layer { name, op, shape, aliases, .. } = layer;
        let name = [std::slice::from_ref(name), aliases].concat().join(", ");
        let mark = if default.as_ref() == Some(&layer.name) { "default" } else { "" };
        table.row(vec![name, op.clone(), by(shape), mark.into()]);
    }
    say(table)
}

/// What is printed of an image.
struct Said {
    json: Value,
    text: String,
}

/// The beginnings of names of files that are written, each once.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    /// The name of `input` without its ending, with a number where another image has it.
    fn next(&mut self, input: &Input) -> String {
        let stem = match input {
            Input::File(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            _ => "image".into(),
        };
        let name = |number: usize| if number > 1 { format!("{stem}-{number}") } else { stem.clone() };
        let free = (1..).map(name).find(|name| !self.0.contains(name)).expect("there are numbers enough");
        self.0.insert(free.clone());
        free
    }
}

fn one(
    args: &Explain,
    explainer: &Explainer,
    options: &ExplainOptions,
    corpus: Option<&Corpus>,
    input: &Input,
    image: &AnyImage,
    names: &mut Names,
) -> Result<Said, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", name_of(input));
    let name = names.next(input);
    let (mut explanations, mut files) = (Vec::new(), Vec::new());
    for method in args.methods() {
        let found = explainer.explain(image, method, options).map_err(|e| failed(&e))?;
        files.push(write(args, explainer, &found, image, &name)?);
        explanations.push(found);
    }
    let scores = match args.score {
        true => {
            let question = explainer.ask(image, options).map_err(|e| failed(&e))?;
            explainer.score(&question, &explanations, options).map_err(|e| failed(&e))?
        }
        false => Vec::new(),
    };
    let maps =
        args.feature_maps.then(|| feature_maps(args, explainer, image, &name)).transpose().map_err(|e| failed(&e))?;
    let nearest = corpus.map(|corpus| near(args, explainer, corpus, input, image, &name));
    let nearest = nearest.transpose().map_err(|e| failed(&e))?;
    let (image, bytes) = match input {
        Input::File(path) => json_path(path),
        _ => ("-".into(), None),
    };
    let first = explanations.first().map(|found| &found.target);
    let mut json = json!({ "image": image, "target": first });
    bytes.into_iter().for_each(|bytes| json["image_bytes"] = bytes.into());
    let mut lines = vec![format!("{}: {}", name_of(input), first.map_or(String::new(), described))];
    let mut listed = Vec::new();
    for (i, (found, files)) in explanations.iter().zip(&files).enumerate() {
        let mut value = serde_json::to_value(found).map_err(|e| e.to_string())?;
        if let Some(scores) = scores.get(i) {
            value["scores"] = serde_json::to_value(scores).map_err(|e| e.to_string())?;
        }
        value["overlay"] = json_path(&files.overlay).0.into();
        value["map"] = json_path(&files.map).0.into();
        listed.push(value);
        lines.push(line(found, files));
    }
    json["explanations"] = listed.into();
    if !scores.is_empty() {
        lines.push(score_table(&explanations, &scores));
    }
    for (key, said) in [("feature_maps", maps), ("nearest", nearest)] {
        if let Some(said) = said {
            json[key] = said.json;
            lines.push(said.text);
        }
    }
    Ok(Said { json, text: lines.join("\n") })
}

struct Files {
    overlay: PathBuf,
    map: PathBuf,
}

fn write(
    args: &Explain,
    explainer: &Explainer,
    found: &Explanation,
    image: &AnyImage,
    name: &str,
) -> Result<Files, String> {
    let file = |ending: &str| args.out.join(format!("{name}-{}.{ending}", found.method));
    let files = Files { overlay: file("png"), map: file("npy") };
    let drawn = overlay(found, image, &explainer.card().preprocessing);
    drawn.write_png(&files.overlay).map_err(|e| e.to_string())?;
    npy::write(&files.map, &Tensor::from_slice(&found.map, found.size)).map_err(|e| e.to_string())?;
    Ok(files)
}

/// `tabby (92.1%)`
fn described(target: &Target) -> String {
    let name = shown(&target.name);
    match (&target.kind, target.probability) {
        (TargetKind::Pixels { count }, _) => format!("{name} ({})", count_of(*count, "pixel")),
        (_, Some(p)) => format!("{name} ({:.1}%)", 100.0 * p),
        (_, None) => format!("{name} {:.4}", target.value),
    }
}

fn line(found: &Explanation, files: &Files) -> String {
    let layer = found.layer.as_ref().map_or(String::new(), |layer| format!(" at {}", shown(layer)));
    let file = |path: &Path| shown_path(path);
    let mut text = format!("  {}{layer}: {}, {}", found.method, file(&files.overlay), file(&files.map));
    if found.is_empty {
        text += "; the map is 0 everywhere: it shows nothing";
    }
    if let Some(complete) = found.completeness.as_ref().filter(|found| !found.complete) {
        text += &format!(
            "; not complete: the attributions sum to {:.4}, the difference is {:.4}, {:.1}% off after {}",
            complete.sum,
            complete.difference,
            100.0 * complete.error,
            count_of(complete.steps, "step")
        );
    }
    text
}

/// The scores of all methods, and what is to be thought of each.
fn score_table(explanations: &[Explanation], scores: &[Scores]) -> String {
    let mut table = Table::new(&["method", "insertion", "deletion", "difference", "random", "top", "all", ""]);
    let number = |x: Option<f64>| x.map_or("-".into(), |x| format!("{x:.3}"));
    for (found, Scores { faithfulness, randomization, verdict }) in explanations.iter().zip(scores) {
        let of = |value: fn(&Faithfulness) -> f64| number(faithfulness.as_ref().map(value));
        table.row(vec![
            found.method.name().into(),
            of(|f| f.insertion.area),
            of(|f| f.deletion.area),
            of(|f| f.difference),
            of(|f| f.random_mean),
            number(randomization.top),
            number(randomization.all),
            verdict.describe().into(),
        ]);
    }
    table.to_string().lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// What is said of a grid that was written.
fn said_of(grid: &Grid, what: &str, file: &Path) -> Result<Said, String> {
    grid.image.write_png(file).map_err(|e| e.to_string())?;
    let mut json = serde_json::to_value(grid).map_err(|e| e.to_string())?;
    json["file"] = json_path(file).0.into();
    let drawn = if grid.drawn < grid.count { format!("the first {} of ", grid.drawn) } else { String::new() };
    let text = format!("  {drawn}{} {what} of {}: {}", grid.count, shown(&grid.layer), shown_path(file));
    Ok(Said { json, text })
}

fn filters(args: &Explain, explainer: &Explainer) -> Result<(), Failure> {
    let said = said_of(&explainer.filters()?, "filters", &args.out.join("filters.png"))?;
    if args.json { say_json(&json!({ "filters": said.json })) } else { say(said.text.trim_start()) }
}

fn feature_maps(args: &Explain, explainer: &Explainer, image: &AnyImage, name: &str) -> Result<Said, String> {
    let grid = explainer.feature_maps(image, args.layer.as_deref()).map_err(|e| e.to_string())?;
    said_of(&grid, "maps", &args.out.join(format!("{name}-maps.png")))
}

/// The images among which the nearest are found.
struct Corpus {
    paths: Vec<PathBuf>,
    features: Vec<Vec<f32>>,
}

impl Corpus {
    fn read(folder: &Path, explainer: &Explainer) -> Result<Corpus, Failure> {
        let (mut paths, mut features) = (Vec::new(), Vec::new());
        let mut bad = Vec::new();
        for input in find(&[folder.to_path_buf()]).inputs {
            let image = decode_with(&explainer.card().preprocessing.decoding(), &input);
            let found =
                image.and_then(|image| explainer.features(&image).map_err(|e| format!("{}: {e}", name_of(&input))));
            match (found, input) {
                (Ok(of_image), Input::File(path)) => {
                    paths.push(path);
                    features.push(of_image);
                }
                (Ok(_), _) => return Err("the images to search are a folder or files".into()),
                (Err(line), _) => bad.push(line),
            }
        }
        match bad.first() {
            Some(line) if features.is_empty() => return Err(line.as_str().into()),
            Some(line) => note(&format!("{} to search left out: {line}", count_of(bad.len(), "image"))),
            None => (),
        }
        Ok(Corpus { paths, features })
    }
}

fn near(
    args: &Explain,
    explainer: &Explainer,
    corpus: &Corpus,
    input: &Input,
    image: &AnyImage,
    name: &str,
) -> Result<Said, String> {
    let features = explainer.features(image).map_err(|e| e.to_string())?;
    let found = nearest(&features, &corpus.features, args.neighbours as usize);
    let file_name = |path: &Path| path.file_name().map_or(String::new(), shown);
    let own = match input {
        Input::File(path) => file_name(path),
        _ => name_of(input),
    };
    let mut images = vec![(image.clone(), own)];
    let (mut listed, mut names) = (Vec::new(), Vec::new());
    for neighbour in &found {
        let path = &corpus.paths[neighbour.index];
        let decoded = decode_with(&explainer.card().preprocessing.decoding(), &Input::File(path.clone()))?;
        images.push((decoded, format!("{:.3} {}", neighbour.similarity, file_name(path))));
        listed.push(json!({
            "image": json_path(path).0,
            "similarity": neighbour.similarity,
            "distance": neighbour.distance,
        }));
        names.push(format!("{} {:.3}", shown_path(path), neighbour.similarity));
    }
    let file = args.out.join(format!("{name}-nearest.png"));
    nearest_grid(&images).write_png(&file).map_err(|e| e.to_string())?;
    let text = format!("  nearest: {}: {}", names.join(", "), shown_path(&file));
    Ok(Said { json: json!({ "file": json_path(&file).0, "images": listed }), text })
}
