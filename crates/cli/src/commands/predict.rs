use super::held_out::fitted_on;
use crate::args::Predict;
use crate::image_args::{Input, find};
use crate::model_arg::model_path;
use crate::output::{
    Failure, count_of, json_path, note, print_error, program, quoted, say, say_json, shown, shown_path,
};
use serde_json::{Value, json};
use std::io::{IsTerminal, Read, stdin};
use std::path::Path;
use std::process::ExitCode;
use striate::data::parallel;
use striate::imaging::{AnyImage, DecodeOptions, Prepared, decode_bytes, decode_image};
use striate::model::{ConformalScores, Predictor, TaskCard};
use striate::prelude::Tensor;

/// How many of the likeliest classes are listed, in JSON and in text.
const TOP_JSON: usize = 3;
const TOP_TEXT: usize = 2;
/// More classes of a set are counted, not listed.
const MANY: usize = 20;
/// How many numbers of images that wait for the network may lie in memory, and how many images.
const NUMBERS: usize = 1 << 23;
const IMAGES: usize = 64;

/// What a line calls the image from there.
const STDIN: &str = "standard input";

/// What an image is called in what is printed.
pub fn name_of(input: &Input) -> String {
    input.name()
}

impl Input {
    /// What it is called in what is printed.
    fn name(&self) -> String {
        match self {
            Input::File(path) => shown_path(path),
            Input::Stdin | Input::Problem(_) => STDIN.into(),
        }
    }
}

/// An image as the network takes it, or why there is none.
type Ready = Result<(Tensor, Prepared), String>;

pub fn run(args: Predict) -> Result<ExitCode, Failure> {
    super::set_up_inference(&args.inference);
    let model = super::boxes::load(&args.boxes, &model_path(&args.model)?, |file| Ok(Predictor::load(file)?))?;
    let found = find(&args.images);
    if found.others > 0 {
        note(&format!(
            "{} in the folders left out, with endings that images do not have",
            count_of(found.others, "file")
        ));
    }
    calibration(&args, &model)?;
    if let TaskCard::Detection { .. } | TaskCard::Segmentation { .. } = model.card.task {
        return super::predict_dense::run(&args, model, found);
    }
    check_flags(&args, &model)?;
    let [c, h, w] = model.card.preprocessing.output_shape();
    let mut failed = false;
    for inputs in found.inputs.chunks((NUMBERS / (c * h * w).max(1)).clamp(1, IMAGES)) {
        for (input, ready) in inputs.iter().zip(prepare(&model, inputs)) {
            match ready {
                Ok((x, prepared)) => match model.try_logits(x).map(|logits| Answer::of(&model, logits)) {
                    Ok(answer) if answer.shown.iter().all(|p| p.is_finite()) => {
                        print(&args, &model, input, &answer, prepared)?;
                        continue;
                    }
                    Ok(_) => print_error(&format!("{}: the model gives NaN for this image", input.name())),
                    Err(e) => print_error(&format!("{}: the model cannot be run on it: {e}", input.name())),
                },
                Err(line) => print_error(&line),
            }
            failed = true;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What the model says of an image.
struct Answer {
    logits: Vec<f32>,
    /// What is printed.
    shown: Vec<f32>,
    /// The same without temperatures: what thresholds were chosen on.
    plain: Vec<f32>,
}

impl Answer {
    fn of(model: &Predictor, logits: Tensor) -> Answer {
        let card = &model.card;
        let (shown, plain) = (card.answers(logits.clone()), card.task.answers(logits.clone()));
        Answer { logits: logits.to_vec(), shown: shown.to_vec(), plain: plain.to_vec() }
    }
}

/// Says what probabilities are, and refuses sets of which nothing is known.
fn calibration(args: &Predict, model: &Predictor) -> Result<(), Failure> {
    let calibration = model.card.calibration.as_ref();
    if let Some(calibration) = calibration.filter(|calibration| calibration.changes_probabilities()) {
        let temperature = match calibration.temperatures[..] {
            [t] => format!("a temperature of {t:.4}"),
            _ => "a temperature for each label".into(),
        };
        let on = &calibration.fitted_on;
        note(&format!("probabilities are those at {temperature}, fitted on {}", fitted_on(on)));
    }
    let Some(coverage) = args.coverage else { return Ok(()) };
    if model.card.task != TaskCard::Classification {
        let task = model.card.task.name();
        return Err(format!("--coverage makes sets of classes, and the model's task is {task}").into());
    }
    let scores = calibration.and_then(|c| c.conformal.iter().find(|scores| scores.method == args.sets));
    let Some(scores) = scores else {
        let (program, model) = (program(), quoted(&args.model));
        return Err(format!(
            "{} holds no scores for sets of classes: {program} calibrate {model} fits them first",
            shown_path(&args.model)
        )
        .into());
    };
    if scores.quantile(coverage).is_none() {
        note(&format!(
            "it was calibrated on {}, too few for sets of this coverage: all have all classes; {} or more are needed",
            count_of(scores.images(), "image"),
            ConformalScores::images_needed(coverage)
        ));
    }
    Ok(())
}

/// Reads and scales the images, on as many threads as there are to be had.
fn prepare(model: &Predictor, inputs: &[Input]) -> Vec<Ready> {
    parallel::map(inputs.len(), striate::num_threads(), |i| one(model, &inputs[i]))
}

fn one(model: &Predictor, input: &Input) -> Ready {
    Ok(model.card.preprocessing.apply_image(&decode(model, input)?))
}

/// Refuses what is for models that find objects or classes of pixels.
fn check_flags(args: &Predict, model: &Predictor) -> Result<(), Failure> {
    let given = [
        ("--draw", args.draw.is_some()),
        ("--masks", args.masks.is_some()),
        ("--score", args.score.is_some()),
        ("--window", args.window.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((flag, _)) => {
            Err(format!("{flag} is for detection and segmentation, and the model's task is {}", model.card.task.name())
                .into())
        }
        None => Ok(()),
    }
}

/// Reads an image.
pub fn decode(model: &Predictor, input: &Input) -> Result<AnyImage, String> {
    decode_with(&model.card.preprocessing.decoding(), input)
}

/// Reads an image as these options say.
pub fn decode_with(options: &DecodeOptions, input: &Input) -> Result<AnyImage, String> {
    match input {
        Input::File(path) => decode_image(path, options).map_err(|e| e.to_string()),
        Input::Stdin => {
            let name = Path::new(STDIN);
            if stdin().is_terminal() {
                return Err("- stands for an image from standard input, which is a terminal here".into());
            }
            let mut bytes = Vec::new();
            let limit = options.byte_limit;
            stdin().take(limit + 1).read_to_end(&mut bytes).map_err(|e| format!("cannot read {STDIN}: {e}"))?;
            if bytes.len() as u64 > limit {
                return Err(format!("{STDIN} has more than {limit} bytes, the limit for an image"));
            }
            decode_bytes(&bytes, name, options).map_err(|e| e.to_string())
        }
        Input::Problem(line) => Err(line.clone()),
    }
}

fn print(args: &Predict, model: &Predictor, input: &Input, answer: &Answer, prepared: Prepared) -> Result<(), Failure> {
    let answers = &answer.shown[..];
    if args.json {
        let (image, bytes) = match input {
            Input::File(path) => json_path(path),
            _ => ("-".into(), None),
        };
        let mut value = json!({ "image": image });
        match &model.card.task {
            TaskCard::Classification => add_classes(&mut value, args, model, answers),
            TaskCard::MultiLabel { thresholds } => add_labels(&mut value, model, answer, thresholds),
            TaskCard::Detection { .. } | TaskCard::Segmentation { .. } => unreachable!("they are printed elsewhere"),
            TaskCard::Regression { .. } => {
                let numbers = model.card.classes.iter().cloned().zip(answers.iter().map(|&x| x.into()));
                value["numbers"] = numbers.collect::<serde_json::Map<_, _>>().into();
            }
        }
        if let Some(coverage) = args.coverage {
            add_set(&mut value, args, model, answer, coverage);
        }
        value["inverted"] = prepared.inverted.into();
        bytes.into_iter().for_each(|bytes| value["image_bytes"] = bytes.into());
        return say_json(&value);
    }
    let name = |c: usize| shown(&model.card.classes[c]);
    let said = match &model.card.task {
        TaskCard::Classification => {
            let likeliest = likeliest(answers);
            let top = likeliest.into_iter().take(args.top.map_or(TOP_TEXT, |n| n as usize));
            let said = listed(&top.map(|c| format!("{} ({:.1}%)", name(c), 100.0 * answers[c])).collect::<Vec<_>>());
            said + &args.coverage.map_or(String::new(), |coverage| set(args, model, answer, coverage))
        }
        TaskCard::MultiLabel { thresholds } => {
            let has = likeliest(answers).into_iter().filter(|&l| answer.plain[l] >= thresholds[l]);
            let labels: Vec<String> = has.map(|l| format!("{} ({:.1}%)", name(l), 100.0 * answers[l])).collect();
            if labels.is_empty() { "no label".into() } else { labels.join(", ") }
        }
        TaskCard::Detection { .. } | TaskCard::Segmentation { .. } => unreachable!("they are printed elsewhere"),
        TaskCard::Regression { .. } => {
            let number = |c: usize| format!("{} {}", name(c), significant(answers[c]));
            (0..answers.len()).map(number).collect::<Vec<_>>().join(", ")
        }
    };
    let mut line = format!("{}: {said}", input.name());
    let preprocessing = &model.card.preprocessing;
    if preprocessing.channels == 1 && preprocessing.light_on_dark {
        line += if prepared.inverted { "; dark on light, so inverted" } else { "; light on dark" };
    }
    say(line)
}

/// The outputs, the likeliest first.
fn likeliest(probabilities: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    order
}

fn add_classes(value: &mut Value, args: &Predict, model: &Predictor, probabilities: &[f32]) {
    let order = likeliest(probabilities);
    let named = |&c: &usize| json!({ "class": model.card.classes[c], "probability": probabilities[c] });
    let top: Vec<Value> = order.iter().take(args.top.map_or(TOP_JSON, |n| n as usize)).map(named).collect();
    value["class"] = model.card.classes[order[0]].as_str().into();
    value["probability"] = probabilities[order[0]].into();
    value["top"] = top.into();
}

/// `; 95% set: cat, dog`
fn set(args: &Predict, model: &Predictor, answer: &Answer, coverage: f64) -> String {
    let calibration = model.card.calibration.as_ref().expect("the model has been found to be calibrated");
    let set = calibration.prediction_set(&answer.logits, args.sets, coverage).expect("scores have been found");
    let names: Vec<String> = set.classes.iter().map(|&c| shown(&model.card.classes[c])).collect();
    let all = names.len() > MANY;
    let names = if all { format!("{} classes", names.len()) } else { names.join(", ") };
    let unlike =
        if set.would_be_empty { " (no class is near enough: unlike the images of the calibration)" } else { "" };
    format!("; {}% set: {names}{unlike}", (1e6 * coverage).round() / 1e4)
}

fn add_set(value: &mut Value, args: &Predict, model: &Predictor, answer: &Answer, coverage: f64) {
    let calibration = model.card.calibration.as_ref().expect("the model has been found to be calibrated");
    let set = calibration.prediction_set(&answer.logits, args.sets, coverage).expect("scores have been found");
    let names: Vec<&str> = set.classes.iter().map(|&c| model.card.classes[c].as_str()).collect();
    value["set"] = json!({
        "coverage": coverage, "method": args.sets.name(), "classes": names, "would_be_empty": set.would_be_empty,
    });
}

fn add_labels(value: &mut Value, model: &Predictor, answer: &Answer, thresholds: &[f32]) {
    let probabilities = &answer.shown[..];
    let named = |l: usize| (model.card.classes[l].clone(), probabilities[l].into());
    let has = likeliest(probabilities).into_iter().filter(|&l| answer.plain[l] >= thresholds[l]);
    value["labels"] = has.map(|l| model.card.classes[l].as_str()).collect();
    value["probabilities"] = (0..probabilities.len()).map(named).collect::<serde_json::Map<_, _>>().into();
}

/// A number to four significant digits.
fn significant(x: f32) -> String {
    const DIGITS: i32 = 4;
    let before = if x == 0.0 { 1 } else { x.abs().log10().floor() as i32 + 1 };
    format!("{x:.*}", (DIGITS - before).clamp(0, 8) as usize)
}

/// `cat (90.0%), next dog (8.0%), bird (1.0%)`
fn listed(classes: &[String]) -> String {
    match classes {
        [first, rest @ ..] if !rest.is_empty() => format!("{first}, next {}", rest.join(", ")),
        _ => classes.concat(),
    }
}
