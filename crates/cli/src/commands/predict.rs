use crate::args::Predict;
use crate::image_args::{Input, find};
use crate::model_arg::model_path;
use crate::output::{Failure, complain, count_of, json_path, note, say, say_json, shown, shown_path};
use std::io::{IsTerminal, Read, stdin};
use std::path::Path;
use std::process::ExitCode;
use striate::data::parallel;
use striate::imaging::{Prepared, decode_bytes, decode_image};
use striate::model::Predictor;
use striate::prelude::Tensor;

/// How many of the likeliest classes are listed, in JSON and in text.
const TOP_JSON: usize = 3;
const TOP_TEXT: usize = 2;
/// How many numbers of images that wait for the network may lie in memory, and how many images.
const NUMBERS: usize = 1 << 23;
const IMAGES: usize = 64;

/// What a line calls the image from there.
const STDIN: &str = "standard input";

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
    super::set_up(&args.compute);
    let model = Predictor::load(&model_path(&args.model)?)?;
    let found = find(&args.images);
    if found.others > 0 {
        note(&format!(
            "{} in the folders left out, with endings that images do not have",
            count_of(found.others, "file")
        ));
    }
    let [c, h, w] = model.card.preprocessing.output_shape();
    let mut failed = false;
    for inputs in found.inputs.chunks((NUMBERS / (c * h * w).max(1)).clamp(1, IMAGES)) {
        for (input, ready) in inputs.iter().zip(prepare(&model, inputs)) {
            match ready {
                Ok((x, prepared)) => {
                    let probabilities = model.probabilities(x).to_vec::<f32>();
                    if probabilities.iter().all(|p| p.is_finite()) {
                        print(&args, &model, input, &probabilities, prepared)?;
                        continue;
                    }
                    complain(&format!("{}: the model gives NaN for this image", input.name()));
                }
                Err(line) => complain(&line),
            }
            failed = true;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Reads and scales the images, on as many threads as there are to be had.
fn prepare(model: &Predictor, inputs: &[Input]) -> Vec<Ready> {
    parallel::map(inputs.len(), striate::num_threads(), |i| one(model, &inputs[i]))
}

fn one(model: &Predictor, input: &Input) -> Ready {
    let options = model.card.preprocessing.decoding();
    let image = match input {
        Input::File(path) => decode_image(path, &options).map_err(|e| e.to_string())?,
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
            decode_bytes(&bytes, name, &options).map_err(|e| e.to_string())?
        }
        Input::Problem(line) => return Err(line.clone()),
    };
    Ok(model.card.preprocessing.apply_image(&image))
}

fn print(
    args: &Predict,
    model: &Predictor,
    input: &Input,
    probabilities: &[f32],
    prepared: Prepared,
) -> Result<(), Failure> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    let name = |c: usize| model.card.classes[c].as_str();
    let top = |usual: usize| order.iter().take(args.top.map_or(usual, |n| n as usize));
    if args.json {
        let top: Vec<_> =
            top(TOP_JSON).map(|&c| serde_json::json!({"class": name(c), "probability": probabilities[c]})).collect();
        let (image, bytes) = match input {
            Input::File(path) => json_path(path),
            _ => ("-".into(), None),
        };
        let mut value = serde_json::json!({
            "image": image,
            "class": name(order[0]),
            "probability": probabilities[order[0]],
            "top": top,
            "inverted": prepared.inverted,
        });
        if let Some(bytes) = bytes {
            value["image_bytes"] = bytes.into();
        }
        return say_json(&value);
    }
    let image = input.name();
    let classes: Vec<String> =
        top(TOP_TEXT).map(|&c| format!("{} ({:.1}%)", shown(name(c)), 100.0 * probabilities[c])).collect();
    let mut line = format!("{image}: {}", listed(&classes));
    let preprocessing = &model.card.preprocessing;
    if preprocessing.channels == 1 && preprocessing.light_on_dark {
        line += if prepared.inverted { "; dark on light, so inverted" } else { "; light on dark" };
    }
    say(line)
}

/// `cat (90.0%), next dog (8.0%), bird (1.0%)`
fn listed(classes: &[String]) -> String {
    match classes {
        [first, rest @ ..] if !rest.is_empty() => format!("{first}, next {}", rest.join(", ")),
        _ => classes.concat(),
    }
}
