use crate::args::Inspect;
use crate::model_arg::{self, Fresh, ready};
use crate::output::{Failure, by, count_of, say, say_json, shown, shown_path, thousands};
use crate::table::Table;
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;
use striate::graph::{Executable, Summary, capture};
use striate::model::{Model, ModelCard};
use striate::nn::Forward;
use striate::zoo::Description;
use striate::{DType, Tensor};

/// Classes where nothing says how many.
const CLASSES: usize = 10;

/// A network, the shape of its images, and what to say of it.
pub type Inspected = (Box<dyn Forward>, [usize; 3], String);

/// What `typed` names: a model file, a run, or a network with fresh weights for images of shape `input` and this many classes, [`CLASSES`] where
/// nothing says how many.
pub fn find(typed: &OsStr, input: Option<[usize; 3]>, classes: Option<u32>) -> Result<Inspected, Failure> {
    let path = Path::new(typed);
    let name = || shown_path(path);
    // A folder may have a network's name.
    let model = model_arg::model_path(path);
    let is_network = || typed.to_str().is_some_and(|name| ready(name).is_some());
    if path.exists() && model_arg::text_file(typed).is_none() && (model.is_ok() || !is_network()) {
        let fixed = |option: &str| format!("{option} is for networks that are not trained yet: {}", name());
        return match (input, classes) {
            (Some(_), _) => Err(fixed("--input").into()),
            (_, Some(_)) => Err(fixed("--classes").into()),
            (None, None) => trained(&model?),
        };
    }
    let classes = classes.map_or(CLASSES, |n| n as usize);
    match model_arg::read(typed)?.fresh(input, classes)? {
        Some(Fresh { network, input, title }) => Ok((network, input, title)),
        None => {
            let advice = Description::advice(&typed.to_string_lossy());
            Err(format!("'{}' is neither a file nor a network: {advice}", name()).into())
        }
    }
}

fn trained(path: &Path) -> Result<Inspected, Failure> {
    let model = Model::load(path)?;
    let card = &model.card;
    let title = format!(
        "{}: {} for {}, {}",
        shown_path(path),
        shown(&card.architecture),
        count_of(card.classes.len(), card.task.output()),
        card.imported_from().map_or_else(|| training(card), |file| format!("imported from {}", shown(file)))
    );
    Ok((model.network, card.preprocessing.output_shape(), title))
}

/// How a model was trained.
fn training(card: &ModelCard) -> String {
    let training = &card.training;
    let fraction = match training.epoch_fraction {
        1.0 => String::new(),
        fraction => format!(", epoch fraction: {fraction}"),
    };
    let best = training.best().map_or_else(
        || "not measured".into(),
        |best| format!("{} {} {}", best.shown(), training.measured.adjective(), best.title()),
    );
    format!("trained on {} (epochs: {}{fraction}), {best}", shown(&training.data), training.epochs)
}

pub fn run(args: Inspect) -> Result<ExitCode, Failure> {
    let (network, shape, title) = find(&args.model, args.input, args.classes)?;
    let input = [args.batch_size as usize, shape[0], shape[1], shape[2]];
    let graph = capture(&*network, &input);
    let summary = Summary::of(&graph);
    let executable = Executable::new(graph);
    let arena = executable.memory_plan(input[0]).arena;
    // Weights are packed by the first run, for which one image is enough.
    let image = Tensor::zeros([1, shape[0], shape[1], shape[2]], DType::F32);
    let takes_one = executable.takes(std::slice::from_ref(&image));
    executable.run(&[if takes_one { image } else { Tensor::zeros(input, DType::F32) }]);
    let packed = executable.packed_bytes();
    if args.json {
        let layers: Vec<_> = summary
            .rows
            .iter()
            .map(|r| {
                serde_json::json!({
                    "layer": r.name, "op": r.op, "output": r.output, "parameters": r.parameters,
                    "multiply_adds": r.macs, "activation_bytes": r.activation_bytes,
                })
            })
            .collect();
        say_json(&serde_json::json!({
            "input": input, "layers": layers, "parameters": summary.parameters,
            "multiply_adds": summary.macs, "activation_bytes": summary.activation_bytes, "inference_bytes": arena,
            "packed_weight_bytes": packed,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(title)?;
    let count = |n: u64| if n == 0 { String::new() } else { thousands(n) };
    let mut table = Table::new(&["layer", "op", "output", "parameters", "multiply-adds", "memory"]);
    table.row(vec!["input".into(), String::new(), by(&input), String::new(), String::new(), String::new()]);
    for r in &summary.rows {
        let memory = if r.activation_bytes == 0 { String::new() } else { kilobytes(r.activation_bytes) };
        let name = if r.name == r.op { "" } else { &r.name };
        table.row(vec![name.into(), r.op.into(), by(&r.output), count(r.parameters as u64), count(r.macs), memory]);
    }
    let totals = [String::new(), String::new(), thousands(summary.parameters), thousands(summary.macs)];
    table.row(["total".into()].into_iter().chain(totals).chain([kilobytes(summary.activation_bytes)]).collect());
    say(format_args!("\n{table}"))?;
    say(format_args!(
        "Predicting a batch of {} needs {} for results at a time, and {} for packed weights. Training keeps all results.",
        input[0],
        kilobytes(arena),
        kilobytes(packed)
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn kilobytes(bytes: usize) -> String {
    format!("{} kB", thousands(format!("{:.0}", bytes as f64 / 1000.0)))
}
